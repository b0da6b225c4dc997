"""What every back end offers: a `Backend` builds and opens engines, an `Engine` scores pixels."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray

from liveness.video.preprocessing import Box

# names of the graph's input and output, in every ONNX file and every engine
INPUT_NAME = "pixels"
OUTPUT_NAME = "probability"
# the target of an engine that was built where it cannot run
AHEAD_OF_TIME = "ahead of time"

Inputs = Mapping[tuple[int, Box], NDArray[np.uint8]]
"""What engines see before mirroring, by (image size, box): uint8 [n, size, size, 3]."""

Frames = Sequence[NDArray[np.uint8]]
"""Canonical frames of any sizes, each uint8 [H, W, 3]."""

# Batches under way at once: while one is scored the next lies ready, and more would only take memory.
IN_FLIGHT = 2


@dataclass(frozen=True)
class BuildOptions:
    """How an engine is built; config.yaml explains each under engine.tensorrt and engine.torch."""

    optimization_level: int = 3
    workspace_mib: int = 0
    hardware_compatible: bool = False
    version_compatible: bool = False
    compile: bool = False


class Engine(ABC):
    """A compiled classifier that holds device memory until `close()`; use it as a context manager.

    Attributes:
        image_size: S, the side of a frame in pixels.
        max_batch: frames that cross to the device at once; larger calls are cut into chunks of it.
    """

    def __init__(self, image_size: int, max_batch: int) -> None:
        self.image_size = image_size
        self.max_batch = max_batch

    def __call__(self, frames: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Probability of live, float32 [n], of RGB frames uint8 [n, S, S, 3]; n may be 0 or exceed max_batch.

        Raises:
            ValueError: another shape or type of frames.
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
        """Score 1 to max_batch contiguous frames; the result may be overwritten by the next call."""

    @abstractmethod
    def close(self) -> None:
        """Free the device's memory; the engine cannot be called afterwards."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class EngineGroup(ABC):
    """Engines that score the same batches; use it as a context manager. One thread at a time may submit.

    Attributes:
        takes_frames: True where `submit` takes canonical frames and makes the engines' inputs on the device;
            False where it takes Inputs.
        sizes: of the frames that each engine takes, in pixels.
        seconds: time spent so far by stage: "preprocess", "copy" and "compute", those that exist. Stages of
            different batches may run side by side.
    """

    takes_frames: bool
    sizes: tuple[int, ...]
    seconds: dict[str, float]

    @abstractmethod
    def submit(self, batch: Inputs | Frames, which: Sequence[int]) -> Future[NDArray[np.float32]]:
        """Score a batch with the engines at these positions.

        Returns at once where fewer than IN_FLIGHT batches are under way, else as soon as one is done. The
        batch must stay as it is until the future is done.

        Returns:
            A future of float32 [len(which), n]: probability of live by engine and frame, the mean of views.
        """

    @abstractmethod
    def close(self) -> None:
        """Wait for what was submitted, then free all engines and buffers."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Backend(Protocol):
    """One inference library on this machine.

    Attributes:
        version: of the library.
        target: the processor that its engines run on here, or AHEAD_OF_TIME where they can only be built.
        precisions: what `auto` tries here, fastest first.
        supported: every precision that can be asked for here.
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
        """Write the engine's files, `stem` + ENGINE_SUFFIXES, from an ONNX file (torch: a checkpoint)."""
        ...

    def open(
        self, stem: Path, *, precision: str, image_size: int, max_batch: int, threads: int | None
    ) -> Engine:
        """Open the engine's files. `threads` limits CPU threads; None leaves the library's default."""
        ...


class MixingBackend(Backend, Protocol):
    """A back end that knows the precision "mixed"."""

    def layers(self, sources: Mapping[str, Path]) -> list[str]:
        """Names of the model's layers in their order, where the back end can mix precisions.

        `sources` are the ONNX files by precision.
        """
        ...

    def mix(self, sources: Mapping[str, Path], stem: Path, float32: Collection[str]) -> Path:
        """Write what `build` makes a mixed engine of, with these layers in float32; return its path."""
        ...


class QuantizingBackend(Backend, Protocol):
    """A back end that knows the precision "int8"."""

    def quantize(self, source: Path, stem: Path, frames: NDArray[np.uint8]) -> Path:
        """Write what `build` makes an 8-bit engine of, calibrated on the frames; return its path."""
        ...
