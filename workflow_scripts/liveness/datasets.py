"""Stored frames as PyTorch datasets."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch.utils.data import Dataset, Sampler

from liveness.augmentation import View
from liveness.frames import FrameStore
from liveness.models import Normalisation
from liveness.preprocessing import model_input


@dataclass(frozen=True)
class Share:
    """Which of the processes that train together this one is; alone it is the only one."""

    rank: int = 0
    world: int = 1


ALONE = Share()


class TrainingFrames(Dataset[tuple[torch.Tensor, int]]):
    """Augmented frames of the videos in `labels`, indexed by (epoch, position) as TrainingSampler gives them.

    The label that comes with a frame is that of what the view shows.
    """

    def __init__(self, store: FrameStore, labels: Mapping[str, int], view: View, seed: int) -> None:
        self.store = store
        self.rows = [row for row, fname in enumerate(store.fnames) if fname in labels]
        self.labels = [labels[store.fnames[row]] for row in self.rows]
        self.view = view
        self.seed = seed

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: tuple[int, int]) -> tuple[torch.Tensor, int]:
        epoch, position = index
        row = self.rows[position]
        key = (self.seed, epoch, self.store.fnames[row], row)
        return self.view(self.store.image(row), self.labels[position], key)


class ValidationFrames(Dataset[tuple[torch.Tensor, int]]):
    """Frames of the videos in `labels` as inference sees them, with their position; `fnames` has the video of
    each.
    """

    def __init__(
        self,
        store: FrameStore,
        labels: Mapping[str, int],
        image_size: int,
        mean: Normalisation,
        std: Normalisation,
    ) -> None:
        self.store = store
        self.rows = [row for row, fname in enumerate(store.fnames) if fname in labels]
        self.fnames = [store.fnames[row] for row in self.rows]
        self.image_size = image_size
        self.mean = torch.tensor(mean).view(3, 1, 1)
        self.std = torch.tensor(std).view(3, 1, 1)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, position: int) -> tuple[torch.Tensor, int]:
        pixels = model_input(self.store.image(self.rows[position]), self.image_size)
        return (torch.from_numpy(pixels).permute(2, 0, 1) / 255 - self.mean) / self.std, position


class TrainingSampler(Sampler[tuple[int, int]]):
    """A permutation per epoch, drawn from (seed, epoch), in whole global batches; of each, this process's
    share.

    However many processes share the batches, these hold the same frames. A last, smaller batch would weigh
    its frames more and upset batch norm: it is left out. `start` is the (epoch, frames of this process) where
    an interrupted run goes on, as if it had never stopped.
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
        """Called by Lightning before each epoch, though in a resumed run after it has drawn batches."""
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


class ValidationSampler(Sampler[int]):
    """This process's share of the frames; all shares are of one length, as processes wait for each other, so
    that the last frame may come more than once.
    """

    def __init__(self, length: int, share: Share = ALONE) -> None:
        self.length = length
        self.share = share

    def __len__(self) -> int:
        return -(-self.length // self.share.world)

    def __iter__(self) -> Iterator[int]:
        rank, world = self.share.rank, self.share.world
        return (min(rank + world * number, self.length - 1) for number in range(len(self)))
