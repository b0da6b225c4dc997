"""Stored frames as PyTorch datasets."""

from collections.abc import Mapping

import torch
from torch.utils.data import Dataset

from liveness.augmentation.training_views import MakeView
from liveness.video.frame_store import FrameStore
from liveness.video.preprocessing import model_input


class TrainingFrames(Dataset[tuple[torch.Tensor, int, str]]):
    """Augmented frames of the videos in `labels`, indexed by TrainingSampler's (epoch, position).

    An item is (pixels, label, key). The label is that of the augmented view, which may differ from
    the video's. The key seeds augmentation after loading; it is text, because numbers would be
    moved to the GPU.
    """

    def __init__(self, store: FrameStore, labels: Mapping[str, int], view: MakeView, seed: int) -> None:
        self.store = store
        self.rows = [row for row, fname in enumerate(store.fnames) if fname in labels]
        self.labels = [labels[store.fnames[row]] for row in self.rows]
        self.view = view
        self.seed = seed

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: tuple[int, int]) -> tuple[torch.Tensor, int, str]:
        epoch, position = index
        row = self.rows[position]
        key = (self.seed, epoch, self.store.fnames[row], row)
        return *self.view(self.store.image(row), self.labels[position], key), str(key)


class ValidationFrames(Dataset[tuple[torch.Tensor, int]]):
    """Frames of the videos in `labels`, prepared as for inference, with their position.

    `fnames` holds the video of each frame.
    """

    def __init__(self, store: FrameStore, labels: Mapping[str, int], image_size: int) -> None:
        self.store = store
        self.rows = [row for row, fname in enumerate(store.fnames) if fname in labels]
        self.fnames = [store.fnames[row] for row in self.rows]
        self.image_size = image_size

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, position: int) -> tuple[torch.Tensor, int]:
        pixels = model_input(self.store.image(self.rows[position]), self.image_size)
        return torch.from_numpy(pixels), position
