"""Interfaces of all back ends: a `Backend` builds and opens engines, an `Engine` scores pixels."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray

from liveness.settings.engine import TensorRt, Torch
from liveness.video.preprocessing import Box

# names of the graph's input and output in every ONNX file and engine
INPUT_NAME = "pixels"
OUTPUT_NAME = "probability"
# target of an engine that was built on a machine where it cannot run
AHEAD_OF_TIME = "ahead of time"

Inputs = Mapping[tuple[int, Box], NDArray[np.uint8]]
"""Engine inputs before mirroring, uint8 [n, size, size, 3], by (image size, box)."""

Frames = Sequence[NDArray[np.uint8]]
"""Canonical frames of any size, each uint8 [H, W, 3]."""

# Batches in flight: one is scored while the next waits; more would only cost memory.
IN_FLIGHT = 2


@dataclass(frozen=True)
class BuildOptions(TensorRt, Torch):
    """Settings of `engine.tensorrt` and `engine.torch`; each back end reads its own."""


class Closeable(ABC):
    """Holds device memory until `close()`; use it as a context manager."""

    @abstractmethod
    def close(self) -> None:
        """Free the memory."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Engine(Closeable):
    """A compiled classifier.

    Attributes:
        image_size: S, the side of a frame in pixels.
        max_batch: largest number of frames per device call; larger calls are split into chunks.
    """

    def __init__(self, image_size: int, max_batch: int) -> None:
        self.image_size = image_size
        self.max_batch = max_batch

    def __call__(self, frames: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return the probability of live, float32 [n], for RGB frames uint8 [n, S, S, 3].

        n may be 0 or exceed max_batch.

        Raises:
            ValueError: the frames have another shape or dtype.
        """
        side = self.image_size
        if frames.dtype != np.uint8 or frames.ndim != 4 or frames.shape[1:] != (side, side, 3):
            raise ValueError(
                f"expected uint8 [n, {side}, {side}, 3], not {frames.dtype} {list(frames.shape)}"
            )
        probability = np.empty(len(frames), np.float32)
        for start in range(0, len(frames), self.max_batch):
            chunk = slice(start, start + self.max_batch)
            probability[chunk] = self._score(np.ascontiguousarray(frames[chunk]))
        return probability

    @abstractmethod
    def _score(self, frames: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Score 1 to max_batch contiguous frames; the next call may overwrite the result."""

    @abstractmethod
    def close(self) -> None:
        """Free device memory; the engine cannot be called afterwards."""


class EngineGroup(Closeable):
    """Engines that score the same batches.

    Only one thread at a time may submit.

    Attributes:
        takes_frames: True if `submit` takes canonical frames and computes the engines' inputs on
            the device; False if it takes Inputs.
        sizes: input size of each engine, in pixels.
        seconds: time spent so far in the stages that exist: "preprocess", "copy" and "compute".
            Stages of different batches may overlap.
    """

    takes_frames: bool
    sizes: tuple[int, ...]
    seconds: dict[str, float]

    @abstractmethod
    def submit(self, batch: Inputs | Frames, which: Sequence[int]) -> Future[NDArray[np.float32]]:
        """Score a batch with the engines at the positions `which`.

        Returns at once if fewer than IN_FLIGHT batches are in flight, otherwise as soon as one is
        done. The batch must not change until the future is done.

        Returns:
            A future of float32 [len(which), n]: probability of live by engine and frame, averaged
            over the views.
        """

    @abstractmethod
    def close(self) -> None:
        """Wait for submitted batches, then free all engines and buffers."""


class Backend(Protocol):
    """One inference library on this machine.

    Attributes:
        version: version of the library.
        target: processor that engines run on here, or AHEAD_OF_TIME if they can only be built here.
        precisions: precisions that `auto` tries here, fastest first.
        supported: all precisions available here.
    """

    @property
    def version(self) -> str: ...
    @property
    def target(self) -> str: ...
    @property
    def precisions(self) -> tuple[str, ...]: ...
    @property
    def supported(self) -> tuple[str, ...]: ...

    def build(self, source: Path, stem: Path, *, image_size: int, max_batch: int) -> None:
        """Write the engine's files, `stem` + ENGINE_SUFFIXES, from ONNX (torch: a checkpoint)."""
        ...

    def open(
        self, stem: Path, *, precision: str, image_size: int, max_batch: int, threads: int | None
    ) -> Engine:
        """Open the engine's files; None for `threads` leaves the library's default."""
        ...


class MixingBackend(Backend, Protocol):
    """A back end that supports the precision "mixed"."""

    def layers(self, sources: Mapping[str, Path]) -> list[str]:
        """Return the names of the layers whose precision can be chosen, in graph order.

        `sources` maps precisions to ONNX files.
        """
        ...

    def mix(self, sources: Mapping[str, Path], stem: Path, float32: Collection[str]) -> Path:
        """Write the source of a mixed engine with the given layers in float32; return its path."""
        ...


class QuantizingBackend(Backend, Protocol):
    """A back end that supports the precision "int8"."""

    def quantize(self, source: Path, stem: Path, frames: NDArray[np.uint8]) -> Path:
        """Write the source of an 8-bit engine, calibrated on the frames; return its path."""
        ...
