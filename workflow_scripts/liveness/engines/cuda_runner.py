"""Run TensorRT engines on one GPU, overlapping the preparation of a batch with the previous batch.

The work is split between two streams: `prepare` uploads frames and turns them into every engine's
inputs, `compute` runs the engines. Each batch in flight owns a slot of buffers, so the streams only
synchronise through events; a collector thread waits for a slot's last event and delivers the
scores.
Nothing is allocated per batch, unless a slot meets larger frames than before.
"""

import queue
import threading
from collections.abc import Sequence
from concurrent.futures import Future
from typing import Any

import numpy as np
from numpy.typing import NDArray

from liveness.engines.cuda import Graph, active_context, driver
from liveness.engines.interface import IN_FLIGHT, EngineGroup, Frames, Inputs
from liveness.engines.resize_kernel import BLOCK, SOURCE, crop_table
from liveness.engines.tensorrt_engine import TensorRtEngine
from liveness.video.preprocessing import View


class CudaEngines(EngineGroup):
    """Score canonical frames with TensorRT engines on the GPU; see EngineGroup.

    Attributes:
        scratch_bytes: device memory for the engines' activations, which they share because they
            run one after the other.
    """

    takes_frames = True

    def __init__(self, engines: Sequence[TensorRtEngine], views: Sequence[View], *, batch_size: int) -> None:
        self.seconds = {"preprocess": 0.0, "copy": 0.0, "compute": 0.0}
        self.sizes = tuple(engine.image_size for engine in engines)
        self._views = list(views)
        self._batch_size = batch_size
        self._cuda = driver()
        self.scratch_bytes = max(engine.scratch_bytes for engine in engines)
        for engine in engines:
            engine.free_buffers()  # the parity check may have allocated them
        with active_context():
            from pycuda.compiler import SourceModule

            self._module = SourceModule(SOURCE, no_extern_c=True)
            self._kernel = self._module.get_function("model_inputs")
            self._kernel.prepare("PPPiii")
            self._prepare, self._compute = self._cuda.Stream(), self._cuda.Stream()
            self._scratch = self._cuda.mem_alloc(max(self.scratch_bytes, 1))
            sizes = set(self.sizes)
            self._pixels = {size: self._cuda.mem_alloc(batch_size * size * size * 3) for size in sizes}
            self._probability = self._cuda.mem_alloc(batch_size * 4)
            self._members = [
                _Member(
                    engine,
                    min(batch_size, engine.max_batch),
                    scratch=(int(self._scratch), self.scratch_bytes),
                    pixels=int(self._pixels[engine.image_size]),
                    probability=int(self._probability),
                    stream=self._compute,
                )
                for engine in engines
            ]
            self._slots = [
                _Slot(self._cuda, sizes, self._views, len(engines), batch_size) for _ in range(IN_FLIGHT)
            ]
        self._free: queue.SimpleQueue[_Slot] = queue.SimpleQueue()
        for slot in self._slots:
            self._free.put(slot)
        self._running: queue.SimpleQueue[tuple[_Slot, int, list[int], Future] | None] = queue.SimpleQueue()
        self._collector = threading.Thread(target=self._collect, name="engines", daemon=True)
        self._collector.start()

    def submit(self, batch: Inputs | Frames, which: Sequence[int]) -> Future[NDArray[np.float32]]:
        assert isinstance(batch, Sequence)  # noqa: S101 (takes_frames is True)
        if not 0 < len(batch) <= self._batch_size:
            raise ValueError(f"expected 1 to {self._batch_size} frames, not {len(batch)}")
        slot = self._free.get()
        future: Future[NDArray[np.float32]] = Future()
        future.set_running_or_notify_cancel()  # work on the GPU cannot be cancelled
        try:
            with active_context():
                self._enqueue_inputs(slot, batch)
                self._enqueue_engines(slot, len(batch), which)
        except BaseException:
            with active_context():  # the GPU may still run work enqueued before the error
                self._prepare.synchronize()
                self._compute.synchronize()
            self._free.put(slot)
            raise
        self._running.put((slot, len(batch), list(which), future))
        return future

    def _enqueue_inputs(self, slot: "_Slot", frames: Frames) -> None:
        """Upload the frames and each view's crop table in one copy, then compute all inputs."""
        n, shapes = len(frames), [frame.shape for frame in frames]
        boxes = list(dict.fromkeys(view.box for view in self._views))
        # tables first, so that their 8-byte integers are aligned
        table_bytes = n * 4 * 8
        starts = np.cumsum([len(boxes) * table_bytes, *(frame.size for frame in frames)]).tolist()
        slot.make_room(starts[-1])
        tables = slot.staging[: starts[0]].view(np.int64).reshape(len(boxes), n, 4)
        for table, box in zip(tables, boxes, strict=True):
            table[:] = crop_table(shapes, box, starts[:-1])
        for frame, start in zip(frames, starts, strict=False):
            slot.staging[start : start + frame.size] = frame.reshape(-1)

        slot.begun.record(self._prepare)
        self._cuda.memcpy_htod_async(slot.device, slot.staging[: starts[-1]], self._prepare)
        slot.uploaded.record(self._prepare)
        for (size, view), target in slot.inputs.items():
            crops = int(slot.device) + boxes.index(view.box) * table_bytes
            grid = (-(-size // BLOCK[0]), -(-size // BLOCK[1]), n)
            arguments = (int(slot.device), crops, int(target), size, int(view.hflip), int(view.vflip))
            self._kernel.prepared_async_call(grid, BLOCK, self._prepare, *arguments)
        slot.prepared.record(self._prepare)

    def _enqueue_engines(self, slot: "_Slot", n: int, which: Sequence[int]) -> None:
        self._compute.wait_for_event(slot.prepared)
        slot.started.record(self._compute)
        for position in which:
            member = self._members[position]
            size, full = member.image_size, member.full
            image_bytes = size * size * 3
            for number, view in enumerate(self._views):
                source = int(slot.inputs[size, view])
                for start in range(0, n, full):
                    count = min(full, n - start)
                    # a graph always reads the address it was captured with, whichever slot is
                    # active; the copy takes microseconds
                    self._cuda.memcpy_dtod_async(
                        self._pixels[size],
                        source + start * image_bytes,
                        count * image_bytes,
                        self._compute,
                    )
                    member.enqueue(count)
                    self._cuda.memcpy_dtoh_async(
                        slot.scores[position, number, start : start + count], self._probability, self._compute
                    )
        slot.done.record(self._compute)

    def _collect(self) -> None:
        """Wait for the batches in order and deliver their scores."""
        while (entry := self._running.get()) is not None:
            slot, n, which, future = entry
            try:
                with active_context():
                    slot.done.synchronize()
                    self.seconds["copy"] += slot.begun.time_till(slot.uploaded) / 1000
                    self.seconds["preprocess"] += slot.uploaded.time_till(slot.prepared) / 1000
                    self.seconds["compute"] += slot.started.time_till(slot.done) / 1000
                scores = slot.scores[which, :, :n].mean(axis=1, dtype=np.float32)
            except BaseException as error:
                self._free.put(slot)
                future.set_exception(error)
            else:
                self._free.put(slot)
                future.set_result(scores)

    def close(self) -> None:
        """Wait for submitted batches, then free GPU memory, dependent objects first."""
        self._running.put(None)
        self._collector.join()
        with active_context():
            self._compute.synchronize()
            for slot in self._slots:
                slot.close()
            for member in self._members:
                member.close()
            for buffer in (self._scratch, self._probability, *self._pixels.values()):
                buffer.free()
            del self._kernel, self._module, self._prepare, self._compute


class _Member:
    """An engine bound to the group's buffers: a CUDA graph for full batches, calls for the rest.

    TensorRT needs a separate context for each shape that a graph is captured with.
    """

    def __init__(
        self,
        engine: TensorRtEngine,
        full: int,
        *,
        scratch: tuple[int, int],
        pixels: int,
        probability: int,
        stream: Any,
    ) -> None:
        self.image_size = engine.image_size
        self.full = full
        self._engine = engine
        self._stream = stream
        self._whole = engine.context(scratch, pixels, probability)
        self._rest = engine.context(scratch, pixels, probability)
        self._graph = None
        if not engine.captures_graphs:
            # the first run allocates memory, which is not allowed during capture
            engine.enqueue(self._whole, full, stream)
            stream.synchronize()
            self._graph = Graph(stream, lambda: engine.enqueue(self._whole, full, stream))

    def enqueue(self, count: int) -> None:
        """Score the first `count` images at `pixels`, from 1 to `full`."""
        if count < self.full:
            self._engine.enqueue(self._rest, count, self._stream)
        elif self._graph is not None:
            self._graph.launch(self._stream)
        else:
            self._engine.enqueue(self._whole, count, self._stream)

    def close(self) -> None:
        if self._graph is not None:
            self._graph.close()
        del self._whole, self._rest
        self._engine.close()


class _Slot:
    """The buffers and events of one batch in flight."""

    def __init__(
        self, cuda: Any, sizes: set[int], views: Sequence[View], engines: int, batch_size: int
    ) -> None:
        self._cuda = cuda
        self.staging: NDArray[np.uint8] = np.empty(0, np.uint8)
        self.device: Any = None
        self.inputs = {
            (size, view): cuda.mem_alloc(batch_size * size * size * 3) for size in sizes for view in views
        }
        self.scores = cuda.pagelocked_empty((engines, len(views), batch_size), np.float32)
        self.begun, self.uploaded, self.prepared, self.started = (cuda.Event() for _ in range(4))
        # the waiting thread sleeps instead of spinning
        self.done = cuda.Event(cuda.event_flags.BLOCKING_SYNC)

    def make_room(self, size: int) -> None:
        """Grow page-locked and device memory to at least `size` bytes; the slot must be idle."""
        if size > len(self.staging):
            if self.device is not None:
                self.device.free()
            capacity = 1 << (size - 1).bit_length()
            self.staging = self._cuda.pagelocked_empty(capacity, np.uint8)
            self.device = self._cuda.mem_alloc(capacity)

    def close(self) -> None:
        for buffer in self.inputs.values():
            buffer.free()
        if self.device is not None:
            self.device.free()
        del self.staging, self.scores, self.begun, self.uploaded, self.prepared, self.started, self.done
