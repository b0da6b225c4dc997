"""What every back end offers: a `Backend` builds engines and opens them, an `Engine` scores pixels."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray

# names of the graph's input and output, in every ONNX file and every engine
INPUT_NAME = "pixels"
OUTPUT_NAME = "probability"
# the target of an engine that was built where it cannot run
AHEAD_OF_TIME = "ahead of time"


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
