"""Fine-tuning one model on one fold: Lightning runs the loop, this module says what is ours in it.

Several processes may train together, each on a share of every batch: `fine_tune` is then called in each,
under torchrun's environment variables. The frames of a batch, and so the result, do not depend on how many
there are.
"""

import logging
import math
import os
import shutil
import signal
import threading
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import lightning
import numpy as np
import pandas as pd
import torch
from lightning.pytorch.callbacks import (
    Callback,
    EarlyStopping,
    EMAWeightAveraging,
    ModelCheckpoint,
    TQDMProgressBar,
)
from lightning.pytorch.loggers import CSVLogger, Logger, TensorBoardLogger
from lightning.pytorch.strategies import DDPStrategy
from lightning.pytorch.tuner import Tuner
from sklearn.metrics import log_loss, roc_auc_score
from timm.data.mixup import Mixup, mixup_target
from timm.optim import create_optimizer_v2
from torch.utils.data import DataLoader

from liveness.augmentation import Augmentation, seed_generators, training_view
from liveness.datasets import Share, TrainingFrames, TrainingSampler, ValidationFrames, ValidationSampler
from liveness.errors import InputError
from liveness.frames import FrameStore
from liveness.losses import balanced_weights, make_loss
from liveness.models import Checkpoint
from liveness.soups import greedy_soup, uniform_soup

logger = logging.getLogger(__name__)

# a run of the learning-rate finder
LOWEST_LR, HIGHEST_LR, FINDER_STEPS, SETTLING = 1e-7, 1.0, 100, 20
# batches between two looks at whether another process was told to stop
STOP_EVERY = 10


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
    loss: str = "cross_entropy"
    focal_gamma: float = 2.0
    class_weights: str = "none"
    mixup: float = 0.0
    cutmix: float = 0.0
    layer_decay: float = 1.0
    clip_grad: float = 0.0
    freeze_epochs: int = 0
    patience: int = 0
    soup: str = "none"
    soup_epochs: int = 3
    device_batch_size: int = 0
    gradient_checkpointing: bool = False
    compile: bool = False


class Classifier(lightning.LightningModule):
    """Soft targets over frames; validation averages a video's frames first, as the submission does."""

    def __init__(
        self,
        network: torch.nn.Module,
        recipe: Recipe,
        class_weights: tuple[float, float],
        fnames: Sequence[str],
        labels: Mapping[str, int],
        share: Share,
    ):
        super().__init__()
        # channels-last is the layout that CPU and GPU convolutions are fastest in
        self.network = network.to(memory_format=torch.channels_last)
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

    def training_step(self, batch: tuple[torch.Tensor, torch.Tensor], _: int) -> torch.Tensor:
        images, labels = batch
        if self.mix:
            images, targets = self.mix(images, labels)
        else:
            targets = mixup_target(labels, 2, smoothing=self.recipe.label_smoothing)
        images = images.contiguous(memory_format=torch.channels_last)
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
        logits = self.network(images.contiguous(memory_format=torch.channels_last))
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
            fused=_lightning_precision(recipe.precision) != "16-mixed",
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


class History(Callback):
    """Metrics of every finished epoch; part of the checkpoint, so that a resumed run has all of them."""

    def __init__(self) -> None:
        self.epochs: list[dict[str, float]] = []

    def on_train_epoch_end(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        metrics = {name: float(value) for name, value in trainer.callback_metrics.items() if name != "loss"}
        rate = max(group["lr"] for group in trainer.optimizers[0].param_groups)
        self.epochs.append({"epoch": trainer.current_epoch, "lr": rate, **metrics})

    def state_dict(self) -> dict[str, Any]:
        return {"epochs": self.epochs}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.epochs = list(state["epochs"])


class Preemption(Callback):
    """On SIGTERM or SIGUSR1, as schedulers send them before they take a machine away: save, then stop.

    `batches` counts those of an unfinished epoch, each of `at_once` frames, for whoever goes on.
    """

    def __init__(self, last: Path, at_once: int) -> None:
        self.last = last
        self.at_once = at_once
        self.received = False
        self.batches = 0

    def on_train_start(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        if threading.current_thread() is threading.main_thread():
            # after Lightning has set its own, which it takes back itself
            for number in (signal.SIGTERM, signal.SIGUSR1):
                signal.signal(number, self._receive)

    def _receive(self, number: int, _: object) -> None:
        self.received = True

    def on_train_batch_end(
        self,
        trainer: lightning.Trainer,
        module: lightning.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        self.batches = batch_idx + 1
        if trainer.world_size > 1:
            if self.batches % STOP_EVERY:
                return
            self.received = trainer.strategy.reduce_boolean_decision(self.received, all=False)
        # between two steps of the optimiser no gradients are waiting, and after the last one the epoch ends
        stepped = self.batches % trainer.accumulate_grad_batches == 0
        if self.received and stepped and self.batches < trainer.num_training_batches:
            trainer.save_checkpoint(self.last)
            raise InputError(
                f"training was told to stop in epoch {trainer.current_epoch}; run it again to go on there."
            )

    def on_train_epoch_end(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        self.batches = 0

    def state_dict(self) -> dict[str, Any]:
        return {"batches": self.batches, "at_once": self.at_once}


def this_share() -> Share:
    """Which of torchrun's processes this is."""
    return Share(int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1)))


def batch_shares(batch_size: int, frames: int, world: int, device_batch_size: int) -> tuple[int, int, int]:
    """How a global batch of `batch_size` frames, of `frames` in all, is divided.

    Returns the global batch size, the frames that a process takes at once, and how often it does before the
    optimiser steps: as seldom as `device_batch_size` (0: no limit) allows. Raises InputError where the batch
    cannot be divided among `world` processes.
    """
    batch_size = min(batch_size, frames // world * world)
    if not batch_size or batch_size % world:
        raise InputError(
            f"a batch of {batch_size or frames} frames cannot be divided among {world} processes; make "
            f"training.batch_size a multiple of {world}, or train on fewer GPUs."
        )
    share = batch_size // world
    limit = device_batch_size or share
    steps = next(steps for steps in range(1, share + 1) if share % steps == 0 and share // steps <= limit)
    return batch_size, share // steps, steps


@dataclass(frozen=True)
class Loaders:
    """What a process trains and validates on.

    `labels` are those of all training frames, `fnames` the videos of all validation frames. `at_once` frames
    are a batch, and `steps` of these a step of the optimiser.
    """

    training: DataLoader
    validation: DataLoader
    labels: Sequence[int]
    fnames: Sequence[str]
    at_once: int
    steps: int


def make_loaders(
    checkpoint: Checkpoint,
    store: FrameStore,
    training: Mapping[str, int],
    validation: Mapping[str, int],
    recipe: Recipe,
    threads: int,
    last: Path | None = None,
) -> Loaders:
    """Stored frames of the videos of both sets; arguments as of fine_tune. `last` is a checkpoint to go on
    from, if it is there.
    """
    share = this_share()
    view = training_view(recipe.augmentation, checkpoint.image_size, checkpoint.mean, checkpoint.std)
    train_set = TrainingFrames(store, training, view, recipe.seed)
    val_set = ValidationFrames(store, validation, checkpoint.image_size, checkpoint.mean, checkpoint.std)
    for name, frames in (("training", train_set), ("validation", val_set)):
        if not len(frames):
            raise InputError(
                f"no {name} video of this fold has a stored frame; see results/folds/leakage.json."
            )
    batch_size, at_once, steps = batch_shares(
        recipe.batch_size, len(train_set), share.world, recipe.device_batch_size
    )
    if (recipe.mixup or recipe.cutmix) and at_once % 2:
        raise InputError(
            f"mixup needs an even number of frames at once, not {at_once}; see training.batch_size."
        )
    start = _start(last, at_once) if last and last.is_file() else (0, 0)
    # Forked workers: the others would run the calling script again, which has no __main__ guard.
    loading: dict[str, Any] = {
        "num_workers": min(threads, 8),
        "multiprocessing_context": "fork",
        "persistent_workers": True,
        "pin_memory": torch.cuda.is_available(),
    }
    sampler = TrainingSampler(len(train_set), batch_size, recipe.seed, share, start)
    return Loaders(
        DataLoader(train_set, at_once, sampler=sampler, **loading),
        DataLoader(val_set, 2 * at_once, sampler=ValidationSampler(len(val_set), share), **loading),
        train_set.labels,
        val_set.fnames,
        at_once,
        steps,
    )


def _start(last: Path, at_once: int) -> tuple[int, int]:
    """The (epoch, frames of this process) from which the checkpoint `last` goes on."""
    saved = torch.load(last, weights_only=True, map_location="cpu")
    stopped = saved["callbacks"]["Preemption"]
    if stopped["batches"] and stopped["at_once"] != at_once:
        raise InputError(
            f"{last}: training stopped in mid-epoch with {stopped['at_once']} frames per process at once, "
            f"now it would be {at_once}; go on with as many GPUs as before, or delete the file's folder."
        )
    logger.info("going on with epoch %d from %s", saved["epoch"] + (not stopped["batches"]), last)
    return (saved["epoch"], stopped["batches"] * at_once) if stopped["batches"] else (saved["epoch"] + 1, 0)


def _make_trainer(recipe: Recipe, steps: int, **options: Any) -> lightning.Trainer:
    share, local = this_share(), int(os.environ.get("LOCAL_WORLD_SIZE", 1))
    return lightning.Trainer(
        precision=_lightning_precision(recipe.precision),
        devices=local,
        num_nodes=share.world // local,
        # while the backbone is frozen, its weights have no gradients to share
        strategy=DDPStrategy(find_unused_parameters=recipe.freeze_epochs > 0) if share.world > 1 else "auto",
        use_distributed_sampler=False,
        accumulate_grad_batches=steps,
        gradient_clip_val=recipe.clip_grad or None,
        num_sanity_val_steps=0,
        log_every_n_steps=5,
        enable_model_summary=False,
        deterministic="warn",
        **options,
    )


def _make_classifier(
    checkpoint: Checkpoint, recipe: Recipe, loaders: Loaders, validation: Mapping[str, int]
) -> Classifier:
    network = checkpoint.module
    if recipe.gradient_checkpointing:
        network.set_grad_checkpointing(True)  # type: ignore[operator]
    if recipe.compile:
        # in place, so that the names of the weights stay
        network.compile()
    weights = balanced_weights(loaders.labels) if recipe.class_weights == "balanced" else (1.0, 1.0)
    return Classifier(network, recipe, weights, loaders.fnames, validation, this_share())


def find_learning_rate(
    checkpoint: Checkpoint,
    store: FrameStore,
    training: Mapping[str, int],
    validation: Mapping[str, int],
    recipe: Recipe,
    state: Path,
    threads: int,
) -> tuple[float, pd.DataFrame]:
    """The learning rate at which the loss falls fastest, by a short run in which it rises from step to step.

    As in Smith 2017, Cyclical learning rates for training neural networks; Lightning's tuner runs it.
    Arguments as of fine_tune; what the recipe says of learning rates is not used. Returns the rate and the
    curve: lr, loss. Raises InputError where the loss never falls.
    """
    lightning.seed_everything(recipe.seed, workers=True, verbose=False)
    torch.set_num_threads(threads)
    loaders = make_loaders(checkpoint, store, training, validation, recipe, threads)
    module = _make_classifier(checkpoint, recipe, loaders, validation)
    trainer = _make_trainer(
        recipe,
        loaders.steps,
        max_epochs=-1,
        max_steps=FINDER_STEPS,
        logger=False,
        enable_checkpointing=False,
        default_root_dir=state,
    )
    finder = Tuner(trainer).lr_find(
        module,
        loaders.training,
        min_lr=LOWEST_LR,
        max_lr=HIGHEST_LR,
        num_training=FINDER_STEPS,
        update_attr=False,
    )
    if not finder:
        raise InputError("the loss falls at no learning rate; set training.lr to a number.")
    curve = pd.DataFrame({key: finder.results[key] for key in ("lr", "loss")})
    return steepest(curve), curve


def steepest(curve: pd.DataFrame) -> float:
    """The lr at which the loss falls fastest over the logarithm of lr, of a curve of lr and loss.

    Lightning's own suggestion is the steepest slope over lr itself, which is nearly always one of the lowest
    rates. The first steps, in which its smoothing settles, and what follows the least loss do not count.
    Raises InputError where the loss never falls.
    """
    finite = curve[np.isfinite(curve["loss"])].iloc[SETTLING:]
    falling = finite.loc[: finite["loss"].idxmin()] if len(finite) else finite
    slope = np.gradient(falling["loss"], np.log(falling["lr"])) if len(falling) > 2 else np.zeros(1)
    if slope.min() >= 0:
        raise InputError("the loss falls at no learning rate; set training.lr to a number.")
    return float(falling["lr"].iloc[slope.argmin()])


def fine_tune(
    checkpoint: Checkpoint,
    store: FrameStore,
    training: Mapping[str, int],
    validation: Mapping[str, int],
    recipe: Recipe,
    state: Path,
    logs: Path,
    threads: int,
    trackers: Sequence[Logger] = (),
) -> tuple[Checkpoint, pd.DataFrame]:
    """Train on the videos in `training`, choose the epoch by log loss over the videos in `validation`.

    Both map file names to 1 (live) or 0 (spoof). `state` keeps what a killed job needs to go on after its
    last finished epoch, or where a signal stopped it; `threads` are this process's. `trackers` are loggers
    beside TensorBoard and CSV. Returns the averaged (EMA) weights of the best epoch, or a soup of several,
    and one row per epoch (epoch, lr, train_loss, val_loss, val_auc). Raises InputError where one of the two
    sets has no stored frame, and where a signal stopped it.
    """
    lightning.seed_everything(recipe.seed, workers=True, verbose=False)
    torch.set_num_threads(threads)
    last = state / "last.ckpt"
    loaders = make_loaders(checkpoint, store, training, validation, recipe, threads, last)
    mixed = recipe.soup != "none"
    best = ModelCheckpoint(
        state,
        filename="best-{epoch}" if mixed else "best",
        monitor="val_loss",
        save_last=True,
        save_top_k=recipe.soup_epochs if mixed else 1,
        save_on_train_epoch_end=True,
        enable_version_counter=False,
    )
    history = History()
    callbacks = [Preemption(last, loaders.at_once), best, history, TQDMProgressBar(refresh_rate=5)]
    if recipe.ema_decay:
        # validation and checkpoints then see the averaged weights
        callbacks.insert(0, EMAWeightAveraging(decay=recipe.ema_decay))
    if recipe.patience:
        callbacks.append(EarlyStopping("val_loss", patience=recipe.patience))
    files = [kind(logs, name="", version="") for kind in (TensorBoardLogger, CSVLogger)]
    trainer = _make_trainer(
        recipe, loaders.steps, max_epochs=recipe.epochs, callbacks=callbacks, logger=[*files, *trackers]
    )
    module = _make_classifier(checkpoint, recipe, loaders, validation)
    with warnings.catch_warnings():
        # Lightning advises more workers than this job was given cores for
        warnings.filterwarnings("ignore", message=".*does not have many workers.*")
        trainer.fit(
            module,
            loaders.training,
            loaders.validation,
            ckpt_path=last if last.is_file() else None,
            weights_only=True,
        )

    members = [_weights(path) for path in sorted(best.best_k_models, key=best.best_k_models.__getitem__)]
    module.load_state_dict(_soup(members, recipe, module, loaders.validation) if mixed else members[0])
    return checkpoint, pd.DataFrame(history.epochs)


def _weights(path: str) -> dict[str, torch.Tensor]:
    return torch.load(path, map_location="cpu", weights_only=True)["state_dict"]


def _soup(
    members: Sequence[dict[str, torch.Tensor]], recipe: Recipe, module: Classifier, validation: DataLoader
) -> dict[str, torch.Tensor]:
    """The mean of the best epochs' weights, or of those that make it better on the validation videos."""
    if recipe.soup == "uniform":
        return uniform_soup(members)
    # another trainer, whose callbacks would put the averaged weights in place of those to judge
    trainer = _make_trainer(recipe, 1, logger=False, enable_checkpointing=False, enable_progress_bar=False)

    def judge(state: Mapping[str, torch.Tensor]) -> float:
        module.load_state_dict(state)
        return -trainer.validate(module, validation, verbose=False)[0]["val_loss"]

    soup, chosen = greedy_soup(members, judge)
    logger.info("a soup of %d of the %d best epochs", len(chosen), len(members))
    return soup


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
