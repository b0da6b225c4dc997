"""Reference sample for the parity check: frames and PyTorch's scores, stored with the engine."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from liveness.runtime.atomic_write import atomic_write
from liveness.runtime.errors import InputError
from liveness.video.preprocessing import model_input

if TYPE_CHECKING:
    from liveness.video.frame_store import FrameStore

# label of frames from unlabelled videos
UNKNOWN = -1


@dataclass(frozen=True)
class ReferenceSample:
    """Frames uint8 [n, S, S, 3], PyTorch's float32 probabilities [n] for them, and their labels.

    `labels` is int8 [n]: 1 (live), 0 (spoof) or UNKNOWN.
    """

    frames: NDArray[np.uint8]
    probabilities: NDArray[np.float32]
    labels: NDArray[np.int8]

    def __post_init__(self) -> None:
        n = len(self.frames)
        if self.frames.dtype != np.uint8 or self.frames.ndim != 4 or not n:
            raise ValueError(f"frames are {self.frames.dtype} {self.frames.shape}, not uint8 [n, S, S, 3]")
        if self.probabilities.dtype != np.float32 or self.probabilities.shape != (n,):
            raise ValueError(f"probabilities are not float32 [{n}]")
        if not np.isfinite(self.probabilities).all():
            raise ValueError("the PyTorch model itself gives probabilities that are not finite")
        if self.labels.dtype != np.int8 or self.labels.shape != (n,):
            raise ValueError(f"labels are not int8 [{n}]")


def draw_frames(
    store: "FrameStore", count: int, size: int, labels: Mapping[str, int]
) -> tuple[NDArray[np.uint8], NDArray[np.int8]]:
    """Draw up to `count` frames spread evenly over the store, with their labels.

    `labels` maps video names to 1 (live) or 0 (spoof); unlabelled videos may be missing.

    Returns:
        Frames uint8 [n, size, size, 3] and labels int8 [n].

    Raises:
        InputError: the store is empty.
    """
    if not len(store):
        raise InputError(
            "no video has a readable frame to validate engines with; see the job's log, and lower shards "
            "if there are about as many as videos"
        )
    rows = np.unique(np.linspace(0, len(store) - 1, min(count, len(store))).round().astype(int))
    frames = np.stack([model_input(store.image(row), size) for row in rows])
    return frames, np.array([labels.get(store.fnames[row], UNKNOWN) for row in rows], np.int8)


def write_sample(path: str | Path, sample: ReferenceSample) -> None:
    """Write the sample as a compressed .npz."""
    with atomic_write(path) as temporary:
        np.savez_compressed(temporary, **vars(sample))


def read_sample(path: str | Path) -> ReferenceSample:
    """Read a sample written by `write_sample`, without unpickling.

    Raises:
        InputError: the file is not a parity sample.
    """
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return ReferenceSample(arrays["frames"], arrays["probabilities"], arrays["labels"])
    except (ValueError, KeyError, EOFError, BadZipFile) as error:
        raise InputError(
            f"{path}: not a parity sample ({error}); expected frames, probabilities and labels; compile again"
        ) from None
