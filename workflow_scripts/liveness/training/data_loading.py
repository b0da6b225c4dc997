"""Data loading: the frames of every training step and each process's share of them."""

import logging
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, DistributedSampler, Sampler

from liveness.augmentation.training_views import training_view
from liveness.runtime.errors import InputError
from liveness.training.datasets import TrainingFrames, ValidationFrames
from liveness.training.task import Task

logger = logging.getLogger(__name__)

# there are rarely more cores per GPU, and each loader process holds batches in memory
MOST_LOADERS = 16


@dataclass(frozen=True)
class Share:
    """The rank of this process among the `world` processes that train together."""

    rank: int = 0
    world: int = 1


ALONE = Share()


def this_share() -> Share:
    """Return this process's rank and world size as set by torchrun."""
    return Share(int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1)))


class TrainingSampler(Sampler[tuple[int, int]]):
    """This process's share of full global batches from a permutation drawn from (seed, epoch).

    Global batches hold the same frames however many processes share them. A smaller last batch is
    dropped: it would give its frames more weight and upset batch norm. `start` is the (epoch,
    frames of this process) at which an interrupted run resumes, as if it had never stopped.
    """

    def __init__(
        self, length: int, batch_size: int, seed: int, share: Share = ALONE, start: tuple[int, int] = (0, 0)
    ) -> None:
        self.length = length
        self.batch_size = batch_size
        self.seed = seed
        self.share = share
        self.start = start
        self.epoch = start[0]

    def set_epoch(self, epoch: int) -> None:
        """Set the epoch. Lightning calls this before each epoch, but too late in a resumed run."""
        self.epoch = epoch

    def __len__(self) -> int:
        return self.length // self.batch_size * (self.batch_size // self.share.world)

    def __iter__(self) -> Iterator[tuple[int, int]]:
        epoch = self.epoch
        order = np.random.default_rng((self.seed, epoch)).permutation(self.length)
        batches = order[: self.length // self.batch_size * self.batch_size].reshape(
            -1, self.share.world, self.batch_size // self.share.world
        )
        own = batches[:, self.share.rank].ravel()
        return ((epoch, int(position)) for position in own[self.start[1] if epoch == self.start[0] else 0 :])


def batch_shares(batch_size: int, frames: int, world: int, device_batch_size: int) -> tuple[int, int, int]:
    """Divide a global batch of at most `batch_size` of `frames` frames among processes.

    Returns:
        The global batch size, the frames per process and forward pass, and the number of passes per
        optimiser step, which is as small as `device_batch_size` (0: no limit) allows.

    Raises:
        InputError: the batch cannot be divided among `world` processes.
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
    """Data loaders of one process.

    `labels` are the labels of all training frames, `fnames` the videos of all validation frames. A
    batch has `at_once` frames, and `steps` batches make one optimiser step.
    """

    training: DataLoader
    validation: DataLoader
    labels: Sequence[int]
    fnames: Sequence[str]
    at_once: int
    steps: int


def make_loaders(task: Task, last: Path | None = None) -> Loaders:
    """Create this process's loaders, resuming from the checkpoint `last` if it exists.

    Raises:
        InputError: the training or validation set has no stored frame, or the batch cannot be
            divided.
    """
    share, recipe, size = this_share(), task.recipe, task.checkpoint.image_size
    view = training_view(recipe.augmentation, size)
    train_set = TrainingFrames(task.store, task.training, view, recipe.seed)
    val_set = ValidationFrames(task.store, task.validation, size)
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
            f"mixup needs an even number of frames per batch, not {at_once}; see training.batch_size."
        )
    start = _start(last, at_once) if last and last.is_file() else (0, 0)
    # Forked workers: spawned ones would run the calling script again, which has no __main__ guard.
    loading: dict[str, Any] = {
        "num_workers": min(task.threads, MOST_LOADERS),
        "multiprocessing_context": "fork",
        "persistent_workers": True,
        "pin_memory": torch.cuda.is_available(),
    }
    sampler = TrainingSampler(len(train_set), batch_size, recipe.seed, share, start)
    # processes wait for each other: to give all the same number of frames, it repeats a few
    val_share: Sampler[int] = DistributedSampler(val_set, share.world, share.rank, shuffle=False)
    return Loaders(
        DataLoader(train_set, at_once, sampler=sampler, **loading),
        DataLoader(val_set, 2 * at_once, sampler=val_share, **loading),
        train_set.labels,
        val_set.fnames,
        at_once,
        steps,
    )


def _start(last: Path, at_once: int) -> tuple[int, int]:
    """Return the (epoch, frames of this process) at which the checkpoint `last` resumes."""
    saved = torch.load(last, weights_only=True, map_location="cpu")
    stopped = saved["callbacks"]["Preemption"]
    if stopped["batches"] and stopped["at_once"] != at_once:
        raise InputError(
            f"{last}: training stopped in mid-epoch with {stopped['at_once']} frames per process and batch, "
            f"now there would be {at_once}; use as many GPUs as before, or delete the folder of this file."
        )
    logger.info("resuming with epoch %d from %s", saved["epoch"] + (not stopped["batches"]), last)
    return (saved["epoch"], stopped["batches"] * at_once) if stopped["batches"] else (saved["epoch"] + 1, 0)
