"""Stored frames as PyTorch datasets."""

from collections.abc import Iterator, Mapping

import numpy as np
import torch
from torch.utils.data import Dataset, Sampler

from liveness.augmentation import View
from liveness.frames import FrameStore
from liveness.models import Normalisation
from liveness.preprocessing import model_input


class TrainingFrames(Dataset[tuple[torch.Tensor, int]]):
    """Augmented frames of the videos in `labels`, indexed by (epoch, position) as EpochSampler gives them.

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
    """Frames of the videos in `labels` as inference sees them, with the number of their video."""

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
        self.fnames = sorted({store.fnames[row] for row in self.rows})
        self.numbers = {fname: number for number, fname in enumerate(self.fnames)}
        self.image_size = image_size
        self.mean = torch.tensor(mean).view(3, 1, 1)
        self.std = torch.tensor(std).view(3, 1, 1)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, position: int) -> tuple[torch.Tensor, int]:
        row = self.rows[position]
        pixels = torch.from_numpy(model_input(self.store.image(row), self.image_size)).permute(2, 0, 1)
        return (pixels.float() / 255 - self.mean) / self.std, self.numbers[self.store.fnames[row]]


class EpochSampler(Sampler[tuple[int, int]]):
    """A permutation per epoch, drawn from (seed, epoch): a resumed run goes on as if it had never stopped."""

    def __init__(self, length: int, seed: int, epoch: int = 0) -> None:
        self.length = length
        self.seed = seed
        self.epoch = epoch

    def set_epoch(self, epoch: int) -> None:
        """Called by Lightning before each epoch."""
        self.epoch = epoch

    def __len__(self) -> int:
        return self.length

    def __iter__(self) -> Iterator[tuple[int, int]]:
        epoch = self.epoch
        order = np.random.default_rng((self.seed, epoch)).permutation(self.length)
        return ((epoch, int(position)) for position in order)
