"""The Lightning module: training and validation steps, loss and optimiser."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, cast

import lightning
import numpy as np
import pandas as pd
import torch
from sklearn.metrics import log_loss, roc_auc_score
from timm.data.mixup import Mixup, mixup_target
from timm.optim import create_optimizer_v2

from liveness.augmentation.training_views import erase, seed_generators
from liveness.models.checkpoint import Checkpoint
from liveness.models.normalisation import Normalisation
from liveness.runtime.errors import InputError
from liveness.training.data_loading import Loaders, Share, this_share
from liveness.training.depthwise import speed_up_depthwise
from liveness.training.losses import balanced_weights, make_loss
from liveness.training.task import Recipe, Task


class Classifier(lightning.LightningModule):
    """Classifier trained on frames with soft targets.

    Validation averages the scores of a video's frames before the loss, like the submission.
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        recipe: Recipe,
        class_weights: tuple[float, float],
        fnames: Sequence[str],
        labels: Mapping[str, int],
        share: Share,
    ):
        super().__init__()
        # channels last is the fastest layout for convolutions on CPUs and GPUs
        self.network = checkpoint.module.to(memory_format=torch.channels_last)
        self.normalise = Normalisation(checkpoint.mean, checkpoint.std)
        self.recipe = recipe
        self.loss = make_loss(recipe.loss, recipe.focal_gamma, class_weights)
        self.share = share
        self.fnames = fnames
        self.targets = pd.Series(labels).loc[sorted(set(self.fnames))]
        self.mix = None
        if recipe.mixup or recipe.cutmix:
            self.mix = Mixup(
                recipe.mixup, recipe.cutmix, label_smoothing=recipe.label_smoothing, num_classes=2
            )
        self.seen: list[tuple[torch.Tensor, torch.Tensor]] = []
        # sum over this epoch so far; stored in checkpoints, so that a resumed epoch logs its full
        # loss
        self.loss_sum = torch.zeros(())

    @property
    def frozen(self) -> bool:
        """True while only the head is trained."""
        return self.current_epoch < self.recipe.freeze_epochs

    def on_train_epoch_start(self) -> None:
        if self.frozen:
            # batch norm keeps the statistics of the backbone's pre-training
            self.network.eval()
        elif self.current_epoch == self.recipe.freeze_epochs:
            self.network.train()

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:
        # drop path and mixup draw the same numbers whether or not the run was interrupted
        seed_generators((self.recipe.seed, self.current_epoch, batch_idx, self.share.rank))

    def on_after_batch_transfer(self, batch: Any, _: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Normalise pixels and, in training, erase parts of them; keep labels or positions.

        `batch` is (pixels, positions) in validation and (pixels, labels, keys) in training.
        """
        pixels, targets, *keys = batch
        images = self.normalise(pixels)
        for names in keys:
            erase(images, names, self.recipe.augmentation.erasing)
        return images, targets

    def training_step(self, batch: tuple[torch.Tensor, torch.Tensor], _: int) -> torch.Tensor:
        images, labels = batch
        if self.mix:
            images, targets = self.mix(images, labels)
        else:
            targets = mixup_target(labels, 2, smoothing=self.recipe.label_smoothing)
        if self.frozen:
            with torch.no_grad():
                features = self.network.forward_features(images)  # type: ignore[operator]
            logits = self.network.forward_head(features)  # type: ignore[operator]
        else:
            logits = self.network(images)
        loss = self.loss(logits, targets)
        self.loss_sum = self.loss_sum.to(loss.device) + loss.detach()
        self.log("loss", loss.detach(), prog_bar=True)
        return loss

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["loss_sum"] = float(self._gathered(self.loss_sum).mean())

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        self.loss_sum = torch.tensor(checkpoint["loss_sum"])

    def _gathered(self, value: torch.Tensor) -> torch.Tensor:
        """Gather a tensor from all processes along a new first dimension."""
        return cast(torch.Tensor, self.all_gather(value)) if self.share.world > 1 else value[None]

    def validation_step(self, batch: tuple[torch.Tensor, torch.Tensor], _: int) -> None:
        images, positions = batch
        logits = self.network(images)
        self.seen.append((positions, logits.float().softmax(1)[:, 1]))

    def on_validation_epoch_end(self) -> None:
        positions, probabilities = (torch.cat(parts) for parts in zip(*self.seen, strict=True))
        self.seen.clear()
        frames = np.full(len(self.fnames), np.nan)
        frames[self._gathered(positions).cpu().numpy()] = self._gathered(probabilities).cpu().numpy()
        scores = pd.Series(frames).groupby(pd.Index(self.fnames)).mean(skipna=False)
        if not np.isfinite(scores).all():
            raise InputError(
                f"the network's scores are not finite after epoch {self.current_epoch}; lower training.lr or "
                "set training.precision to fp32."
            )
        if self.trainer.state.fn == "fit":
            self.log("train_loss", self._gathered(self.loss_sum).mean() / self.trainer.num_training_batches)
            self.loss_sum = torch.zeros(())
        self.log("val_loss", float(log_loss(self.targets, scores, labels=[0, 1])), prog_bar=True)
        if self.targets.nunique() == 2:
            # not liveness.metrics: changes there must not retrain anything
            self.log("val_auc", float(roc_auc_score(self.targets, scores)), prog_bar=True)

    def configure_optimizers(self) -> Any:
        recipe = self.recipe
        optimizer = create_optimizer_v2(
            self.network,
            "adamw",
            lr=recipe.lr,
            weight_decay=recipe.weight_decay,
            layer_decay=recipe.layer_decay if recipe.layer_decay < 1 else None,
            # a fused optimiser unscales float16 gradients itself, too late for clipping
            fused=lightning_precision(recipe.precision) != "16-mixed",
        )
        for group in optimizer.param_groups:
            group["lr"] *= group.get("lr_scale", 1.0)
        total = int(self.trainer.estimated_stepping_batches)
        warmup = round(total * recipe.warmup_epochs / recipe.epochs)

        def factor(step: int) -> float:
            if step < warmup:
                return (step + 1) / (warmup + 1)
            progress = (step - warmup) / max(1, total - warmup)
            floor = min(1.0, recipe.min_lr / recipe.lr)
            return floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * progress))

        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


def make_classifier(task: Task, loaders: Loaders) -> Classifier:
    """Create the classifier for a task, with the recipe's memory and speed options."""
    network, recipe = task.checkpoint.module, task.recipe
    if recipe.gradient_checkpointing:
        network.set_grad_checkpointing(True)  # type: ignore[operator]
    if not torch.cuda.is_available():
        speed_up_depthwise(network)
    if recipe.compile:
        # in place, so that weights keep their names
        network.compile()
    weights = balanced_weights(loaders.labels) if recipe.class_weights == "balanced" else (1.0, 1.0)
    return Classifier(task.checkpoint, recipe, weights, loaders.fnames, task.validation, this_share())


def lightning_precision(precision: str) -> Any:
    """Return Lightning's name of a precision.

    `auto` is bf16 where the hardware supports it, fp16 on older GPUs and float32 elsewhere.
    """
    if precision == "auto":
        if torch.cuda.is_available():
            precision = "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp16"
        else:
            precision = "bf16" if torch.cpu.get_capabilities().get("avx512_bf16", False) else "fp32"
    return {"fp32": "32-true", "bf16": "bf16-mixed", "fp16": "16-mixed"}[precision]
