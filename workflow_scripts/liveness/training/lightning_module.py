"""The network in training: its loss, its validation, its optimiser."""

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
    """Soft targets over frames; validation averages a video's frames first, as the submission does."""

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
        # channels-last is the layout that CPU and GPU convolutions are fastest in
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
        # of this epoch, so far; in the checkpoint, so that an interrupted epoch has the loss of a whole one
        self.loss_sum = torch.zeros(())

    @property
    def frozen(self) -> bool:
        """Whether only the head is trained yet."""
        return self.current_epoch < self.recipe.freeze_epochs

    def on_train_epoch_start(self) -> None:
        if self.frozen:
            # batch norm keeps the statistics that the backbone was trained with
            self.network.eval()
        elif self.current_epoch == self.recipe.freeze_epochs:
            self.network.train()

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:
        # so that drop path and mixup draw the same whether the run was interrupted or not
        seed_generators((self.recipe.seed, self.current_epoch, batch_idx, self.share.rank))

    def on_after_batch_transfer(self, batch: Any, _: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Of pixels, labels or positions, and in training keys: what comes before the network."""
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
        """Of all processes, in a new first dimension."""
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
                f"the network gives no numbers after epoch {self.current_epoch}; lower training.lr, or set "
                "training.precision: fp32."
            )
        if self.trainer.state.fn == "fit":
            self.log("train_loss", self._gathered(self.loss_sum).mean() / self.trainer.num_training_batches)
            self.loss_sum = torch.zeros(())
        self.log("val_loss", float(log_loss(self.targets, scores, labels=[0, 1])), prog_bar=True)
        if self.targets.nunique() == 2:
            # not our own metrics: a correction of theirs must not retrain anything
            self.log("val_auc", float(roc_auc_score(self.targets, scores)), prog_bar=True)

    def configure_optimizers(self) -> Any:
        recipe = self.recipe
        optimizer = create_optimizer_v2(
            self.network,
            "adamw",
            lr=recipe.lr,
            weight_decay=recipe.weight_decay,
            layer_decay=recipe.layer_decay if recipe.layer_decay < 1 else None,
            # a fused optimiser undoes float16's scaling itself, after which nothing could be clipped
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
    """The task's network with its options of memory and speed."""
    network, recipe = task.checkpoint.module, task.recipe
    if recipe.gradient_checkpointing:
        network.set_grad_checkpointing(True)  # type: ignore[operator]
    if not torch.cuda.is_available():
        speed_up_depthwise(network)
    if recipe.compile:
        # in place, so that the names of the weights stay
        network.compile()
    weights = balanced_weights(loaders.labels) if recipe.class_weights == "balanced" else (1.0, 1.0)
    return Classifier(task.checkpoint, recipe, weights, loaders.fnames, task.validation, this_share())


def lightning_precision(precision: str) -> Any:
    """Lightning's name; `auto` is bf16 where the hardware has it, fp16 on older GPUs, float32 elsewhere."""
    if precision == "auto":
        if torch.cuda.is_available():
            precision = "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp16"
        else:
            precision = "bf16" if torch.cpu.get_capabilities().get("avx512_bf16", False) else "fp32"
    return {"fp32": "32-true", "bf16": "bf16-mixed", "fp16": "16-mixed"}[precision]
