"""Run a group of engines on one processor, from batches of frames to every engine's scores."""

import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from liveness.engines.cuda_runner import CudaEngines
from liveness.engines.interface import IN_FLIGHT, Engine, EngineGroup, Frames, Inputs
from liveness.engines.load import load_engine
from liveness.engines.tensorrt_engine import TensorRtEngine
from liveness.video.preprocessing import View


def open_engines(
    metadata: Sequence[Path], views: Sequence[View], *, batch_size: int, threads: int | None
) -> EngineGroup:
    """Open the engines that the metadata files describe, each with `load_engine` and its checks.

    Args:
        metadata: .json files written by `compile_engine`; `submit` numbers engines in this order.
        views: views of each frame to score; their scores are averaged.
        batch_size: largest batch, in frames.
        threads: CPU threads to compute with; None leaves the back end's default.

    Raises:
        InputError, ParityError: see load_engine.
    """
    with ExitStack() as stack:
        engines = [stack.enter_context(load_engine(path, threads=threads)) for path in metadata]
        group: EngineGroup
        if all(isinstance(engine, TensorRtEngine) for engine in engines):
            group = CudaEngines(engines, views, batch_size=batch_size)  # type: ignore[arg-type]
        else:
            group = SerialEngines(engines, views)
        stack.pop_all()  # from here on the group closes the engines
        return group


class SerialEngines(EngineGroup):
    """Run engines one after the other in one thread; on a CPU each uses all available cores."""

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
    """Mirror images [n, S, S, 3] as the view requires, without copying."""
    return images[:, :: -1 if view.vflip else 1, :: -1 if view.hflip else 1]
