"""All engines of one run on one processor: a batch of frames goes in, every engine's scores come out."""

import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from liveness.engines.engine import Engine
from liveness.engines.loading import load_engine
from liveness.engines.tensorrt_engine import TensorRtEngine
from liveness.preprocessing import Box, View

Inputs = Mapping[tuple[int, Box], NDArray[np.uint8]]
"""What engines see before mirroring, by (image size, box): uint8 [n, size, size, 3]."""

Frames = Sequence[NDArray[np.uint8]]
"""Canonical frames of any sizes, each uint8 [H, W, 3]."""

# Batches under way at once: while one is scored the next lies ready, and more would only take memory.
IN_FLIGHT = 2


class Ensemble(ABC):
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


def open_ensemble(
    metadata: Sequence[Path], views: Sequence[View], *, batch_size: int, threads: int | None
) -> Ensemble:
    """Open the engines that these metadata files describe, each through `load_engine` and its gate.

    Args:
        metadata: the .json files that `compile_engine` wrote; `submit` counts engines in their order.
        views: what of each frame is scored; the mean counts.
        batch_size: most frames of a batch.
        threads: CPU threads to compute with; None leaves the back end's default.

    Raises:
        InputError, ParityError: as load_engine.
    """
    with ExitStack() as stack:
        engines = [stack.enter_context(load_engine(path, threads=threads)) for path in metadata]
        ensemble: Ensemble
        if all(isinstance(engine, TensorRtEngine) for engine in engines):
            from liveness.engines.cuda_ensemble import CudaEnsemble

            ensemble = CudaEnsemble(engines, views, batch_size=batch_size)  # type: ignore[arg-type]
        else:
            ensemble = SerialEnsemble(engines, views)
        stack.pop_all()  # from here on the ensemble closes them
        return ensemble


class SerialEnsemble(Ensemble):
    """Runs one engine after the other in one thread: on a CPU each of them takes all cores that it may."""

    takes_frames = False

    def __init__(self, engines: Sequence[Engine], views: Sequence[View]) -> None:
        self.seconds = {"compute": 0.0}
        self.sizes = tuple(engine.image_size for engine in engines)
        self._engines = list(engines)
        self._views = list(views)
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="engines")
        self._room = threading.BoundedSemaphore(IN_FLIGHT)

    def submit(self, batch: Inputs | Frames, which: Sequence[int]) -> Future[NDArray[np.float32]]:
        assert isinstance(batch, Mapping)  # noqa: S101 (takes_frames is False)
        self._room.acquire()
        try:
            future = self._worker.submit(self._score, batch, list(which))
        except BaseException:
            self._room.release()
            raise
        future.add_done_callback(lambda _: self._room.release())
        return future

    def _score(self, inputs: Inputs, which: Sequence[int]) -> NDArray[np.float32]:
        start = time.perf_counter()
        scores = [self._mean_over_views(self._engines[position], inputs) for position in which]
        self.seconds["compute"] += time.perf_counter() - start
        return np.stack(scores)

    def _mean_over_views(self, engine: Engine, inputs: Inputs) -> NDArray[np.float32]:
        scores = [engine(_mirrored(inputs[engine.image_size, view.box], view)) for view in self._views]
        return np.mean(scores, axis=0, dtype=np.float32)

    def close(self) -> None:
        self._worker.shutdown()
        for engine in self._engines:
            engine.close()


def _mirrored(images: NDArray[np.uint8], view: View) -> NDArray[np.uint8]:
    """The images [n, S, S, 3] as the view has them; not a copy."""
    return images[:, :: -1 if view.vflip else 1, :: -1 if view.hflip else 1]
