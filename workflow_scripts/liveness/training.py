"""Fine-tuning one model on one fold: Lightning runs the loop, this module says what is ours in it."""

import logging
import math
import shutil
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning
import numpy as np
import pandas as pd
import torch
from lightning.pytorch.callbacks import Callback, EMAWeightAveraging, ModelCheckpoint, TQDMProgressBar
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger
from sklearn.metrics import log_loss, roc_auc_score
from timm.optim import create_optimizer_v2
from torch.utils.data import DataLoader

from liveness.augmentation import Augmentation, training_view
from liveness.datasets import EpochSampler, TrainingFrames, ValidationFrames
from liveness.errors import InputError
from liveness.frames import FrameStore
from liveness.models import Checkpoint

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Recipe:
    """How to train; config.yaml explains each value."""

    epochs: int
    warmup_epochs: float
    batch_size: int
    lr: float
    min_lr: float
    weight_decay: float
    label_smoothing: float
    ema_decay: float
    precision: str
    augmentation: Augmentation
    seed: int


class Classifier(lightning.LightningModule):
    """Cross entropy over frames; validation averages a video's frames first, as the submission does."""

    def __init__(
        self,
        network: torch.nn.Module,
        recipe: Recipe,
        validation: ValidationFrames,
        labels: Mapping[str, int],
    ):
        super().__init__()
        # channels-last is the layout that CPU and GPU convolutions are fastest in
        self.network = network.to(memory_format=torch.channels_last)
        self.recipe = recipe
        self.loss = torch.nn.CrossEntropyLoss(label_smoothing=recipe.label_smoothing)
        self.targets = [labels[fname] for fname in validation.fnames]
        self.seen: list[tuple[torch.Tensor, torch.Tensor]] = []

    def on_train_batch_start(self, *_: Any) -> None:
        # so that drop path draws the same whether the run was interrupted or not
        torch.manual_seed(self.recipe.seed + self.global_step)

    def training_step(self, batch: tuple[torch.Tensor, torch.Tensor], _: int) -> torch.Tensor:
        images, labels = batch
        loss = self.loss(self.network(images.contiguous(memory_format=torch.channels_last)), labels)
        self.log("train_loss", loss, on_step=False, on_epoch=True, prog_bar=True)
        return loss

    def validation_step(self, batch: tuple[torch.Tensor, torch.Tensor], _: int) -> None:
        images, videos = batch
        logits = self.network(images.contiguous(memory_format=torch.channels_last))
        self.seen.append((videos.cpu(), logits.float().softmax(1)[:, 1].cpu()))

    def on_validation_epoch_end(self) -> None:
        videos, probabilities = (torch.cat(parts) for parts in zip(*self.seen, strict=True))
        self.seen.clear()
        scores = pd.Series(probabilities.numpy()).groupby(videos.numpy()).mean()
        if not np.isfinite(scores).all():
            raise InputError(
                f"the network gives no numbers after epoch {self.current_epoch}; lower training.lr, or set "
                "training.precision: fp32."
            )
        self.log("val_loss", float(log_loss(self.targets, scores, labels=[0, 1])), prog_bar=True)
        if len(set(self.targets)) == 2:
            # not our own metrics: a correction of theirs must not retrain anything
            self.log("val_auc", float(roc_auc_score(self.targets, scores)), prog_bar=True)

    def configure_optimizers(self) -> Any:
        recipe = self.recipe
        optimizer = create_optimizer_v2(self.network, "adamw", lr=recipe.lr, weight_decay=recipe.weight_decay)
        total = int(self.trainer.estimated_stepping_batches)
        warmup = round(total * recipe.warmup_epochs / recipe.epochs)

        def factor(step: int) -> float:
            if step < warmup:
                return (step + 1) / (warmup + 1)
            progress = (step - warmup) / max(1, total - warmup)
            floor = recipe.min_lr / recipe.lr
            return floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * progress))

        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


class History(Callback):
    """Metrics of every finished epoch; part of the checkpoint, so that a resumed run has all of them."""

    def __init__(self) -> None:
        self.epochs: list[dict[str, float]] = []

    def on_train_epoch_end(self, trainer: lightning.Trainer, _: lightning.LightningModule) -> None:
        metrics = {name: float(value) for name, value in trainer.callback_metrics.items()}
        self.epochs.append(
            {"epoch": trainer.current_epoch, "lr": trainer.optimizers[0].param_groups[0]["lr"], **metrics}
        )

    def state_dict(self) -> dict[str, Any]:
        return {"epochs": self.epochs}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.epochs = list(state["epochs"])


def fine_tune(
    checkpoint: Checkpoint,
    store: FrameStore,
    training: Mapping[str, int],
    validation: Mapping[str, int],
    recipe: Recipe,
    state: Path,
    logs: Path,
    threads: int,
) -> tuple[Checkpoint, pd.DataFrame]:
    """Train on the videos in `training`, choose the epoch by log loss over the videos in `validation`.

    Both map file names to 1 (live) or 0 (spoof). `state` keeps what a killed job needs to go on after its
    last finished epoch. Returns the averaged (EMA) weights of the best epoch and one row per epoch (epoch,
    lr, train_loss, val_loss, val_auc). Raises InputError where one of the two sets has no stored frame.
    """
    lightning.seed_everything(recipe.seed, workers=True, verbose=False)
    torch.set_num_threads(threads)
    view = training_view(recipe.augmentation, checkpoint.image_size, checkpoint.mean, checkpoint.std)
    train_set = TrainingFrames(store, training, view, recipe.seed)
    val_set = ValidationFrames(store, validation, checkpoint.image_size, checkpoint.mean, checkpoint.std)
    for name, frames in (("training", train_set), ("validation", val_set)):
        if not len(frames):
            raise InputError(
                f"no {name} video of this fold has a stored frame; see results/folds/leakage.json."
            )

    # Forked workers: the others would run the calling script again, which has no __main__ guard.
    loading: dict[str, Any] = {
        "num_workers": min(threads, 8),
        "multiprocessing_context": "fork",
        "persistent_workers": True,
        "pin_memory": torch.cuda.is_available(),
    }
    batch_size = min(recipe.batch_size, len(train_set))
    last = state / "last.ckpt"
    resumed = torch.load(last, weights_only=True)["epoch"] + 1 if last.is_file() else 0
    if resumed:
        logger.info("going on with epoch %d from %s", resumed, last)
    # Lightning tells the sampler its epoch only after it has drawn the first batches of a resumed run.
    sampler = EpochSampler(len(train_set), recipe.seed, resumed)
    # A last, smaller batch would weigh its frames more and upset batch norm.
    train_loader = DataLoader(train_set, batch_size, sampler=sampler, drop_last=True, **loading)
    val_loader = DataLoader(val_set, 2 * batch_size, **loading)

    best = ModelCheckpoint(
        state,
        filename="best",
        monitor="val_loss",
        save_last=True,
        save_on_train_epoch_end=True,
        enable_version_counter=False,
    )
    history = History()
    callbacks = [best, history, TQDMProgressBar(refresh_rate=5)]
    if recipe.ema_decay:
        # validation and checkpoints then see the averaged weights
        callbacks.insert(0, EMAWeightAveraging(decay=recipe.ema_decay))
    trainer = lightning.Trainer(
        max_epochs=recipe.epochs,
        precision=_lightning_precision(recipe.precision),
        devices=1,
        callbacks=callbacks,
        logger=[TensorBoardLogger(logs, name="", version=""), CSVLogger(logs, name="", version="")],
        num_sanity_val_steps=0,
        log_every_n_steps=5,
        enable_model_summary=False,
        deterministic="warn",
    )
    module = Classifier(checkpoint.module, recipe, val_set, validation)
    with warnings.catch_warnings():
        # Lightning advises more workers than this job was given cores for
        warnings.filterwarnings("ignore", message=".*does not have many workers.*")
        trainer.fit(module, train_loader, val_loader, ckpt_path=last if resumed else None, weights_only=True)

    weights = torch.load(best.best_model_path, map_location="cpu", weights_only=True)["state_dict"]
    module.load_state_dict(weights)
    return checkpoint, pd.DataFrame(history.epochs)


def forget(state: Path) -> None:
    """Remove a finished job's resume state."""
    shutil.rmtree(state, ignore_errors=True)


def _lightning_precision(precision: str) -> Any:
    """Lightning's name; `auto` is bf16 where the hardware has it, fp16 on older GPUs, float32 elsewhere."""
    if precision == "auto":
        if torch.cuda.is_available():
            precision = "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp16"
        else:
            precision = "bf16" if torch.cpu.get_capabilities().get("avx512_bf16", False) else "fp32"
    return {"fp32": "32-true", "bf16": "bf16-mixed", "fp16": "16-mixed"}[precision]
