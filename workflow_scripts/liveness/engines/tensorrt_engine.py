"""Engines for NVIDIA GPUs: TensorRT 10.16 to 11, and TensorRT-RTX, which also builds where there is no GPU.

The libraries differ in names only; what one of them lacks is looked up with hasattr, never by version.
"""

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from liveness.engines.engine import AHEAD_OF_TIME, INPUT_NAME, OUTPUT_NAME, Engine
from liveness.engines.metadata import engine_file
from liveness.errors import InputError
from liveness.outputs import whole

_EXTRAS = {"tensorrt": "gpu", "tensorrt_rtx": "rtx"}


def _import_tensorrt(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise InputError(
            f"engine.backend is '{name}', but the module {name} cannot be imported ({error}); "
            f"install it with: pip install '.[{_EXTRAS[name]}]'"
        ) from None


def _cuda() -> Any:
    """pycuda's driver, with the primary context of the GPU (the one that torch uses too) made ready."""
    try:
        import pycuda.autoprimaryctx
        import pycuda.driver
    except ImportError as error:
        raise InputError(
            f"running TensorRT engines needs pycuda and the NVIDIA driver ({error}); "
            "install pycuda on a machine with a GPU: pip install '.[gpu]'"
        ) from None
    except Exception as error:  # pycuda raises classes of a module that may not be importable
        raise InputError(
            f"running TensorRT engines needs an NVIDIA GPU, and CUDA finds none ({error})"
        ) from None
    return pycuda.driver


class TensorRtBackend:
    """`tensorrt` or `tensorrt_rtx`, whichever is named."""

    precisions = supported = ("fp16", "fp32")

    def __init__(self, name: str) -> None:
        self._name = name
        self._trt = _import_tensorrt(name)
        self._logger = self._trt.Logger(self._trt.Logger.ERROR)

    @property
    def version(self) -> str:
        return self._trt.__version__

    @property
    def target(self) -> str:
        try:
            device = _cuda().Device(0)
        except InputError:
            return AHEAD_OF_TIME
        major, minor = device.compute_capability()
        return f"{device.name()} (compute capability {major}.{minor})"

    def build(self, source: Path, stem: Path, *, image_size: int, max_batch: int) -> None:
        """Write `stem`.plan for batches of 1 to max_batch, tuned for max_batch.

        Raises:
            InputError: there is no GPU and the library needs one, or the ONNX file cannot be parsed or built.
        """
        trt = self._trt
        if self._name == "tensorrt" and self.target == AHEAD_OF_TIME:
            _cuda()  # says what is missing
        builder = trt.Builder(self._logger)
        # strongly typed: the precision is that of the ONNX file, the only way that all versions have
        network = builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
        parser = trt.OnnxParser(network, self._logger)
        if not parser.parse_from_file(str(source)):
            reasons = "; ".join(parser.get_error(i).desc() for i in range(parser.num_errors))
            raise InputError(f"{source}: {self._name} {self.version} cannot parse it ({reasons})")
        config = builder.create_builder_config()
        config.clear_flag(
            trt.BuilderFlag.TF32
        )  # fp32 is what auto falls back to when fewer bits are not enough
        shape = (image_size, image_size, 3)
        profile = builder.create_optimization_profile()
        profile.set_shape(INPUT_NAME, (1, *shape), (max_batch, *shape), (max_batch, *shape))
        config.add_optimization_profile(profile)
        plan = builder.build_serialized_network(network, config)
        if plan is None:
            raise InputError(
                f"{source}: {self._name} {self.version} cannot build an engine from it; its errors are above"
            )
        with whole(engine_file(stem, ".plan")) as temporary:
            temporary.write_bytes(plan)

    def open(
        self, stem: Path, *, precision: str, image_size: int, max_batch: int, threads: int | None
    ) -> "TensorRtEngine":
        """Open `stem`.plan on the GPU; the precision is inside the plan, and `threads` are the CPU's."""
        return TensorRtEngine(
            self._trt, self._logger, engine_file(stem, ".plan"), image_size=image_size, max_batch=max_batch
        )


class TensorRtEngine(Engine):
    """Scores frames on one stream through page-locked buffers. One thread at a time may call it."""

    def __init__(self, trt: Any, logger: Any, plan: Path, *, image_size: int, max_batch: int) -> None:
        super().__init__(image_size, max_batch)
        self._cuda = _cuda()
        with self._current_context():
            self._runtime = trt.Runtime(logger)
            self._engine = self._runtime.deserialize_cuda_engine(plan.read_bytes())
            if self._engine is None:
                device = self._cuda.Device(0)
                raise InputError(
                    f"{plan}: {trt.__name__} {trt.__version__} refuses it on {device.name()}; an engine "
                    "runs on the kind of GPU and with the version that it was built with: compile again here"
                )
            self._context = self._engine.create_execution_context()
            if self._context is None:
                raise InputError(
                    f"{plan}: no room on the GPU for the {self._engine.device_memory_size_v2 >> 20} MiB that "
                    "it computes in; lower engine.max_batch or free the GPU"
                )
            self._stream = self._cuda.Stream()
            self._host_pixels = self._cuda.pagelocked_empty((max_batch, image_size, image_size, 3), np.uint8)
            self._host_probability = self._cuda.pagelocked_empty(max_batch, np.float32)
            self._pixels = self._cuda.mem_alloc(self._host_pixels.nbytes)
            self._probability = self._cuda.mem_alloc(self._host_probability.nbytes)
            self._context.set_tensor_address(INPUT_NAME, int(self._pixels))
            self._context.set_tensor_address(OUTPUT_NAME, int(self._probability))

    @contextmanager
    def _current_context(self) -> Iterator[None]:
        """A thread other than the importing one has no active CUDA context: enter it for each use."""
        from pycuda.autoprimaryctx import context

        context.push()
        try:
            yield
        finally:
            context.pop()

    def _score(self, frames: NDArray[np.uint8]) -> NDArray[np.float32]:
        n = len(frames)
        with self._current_context():
            self._host_pixels[:n] = frames
            self._cuda.memcpy_htod_async(self._pixels, self._host_pixels[:n], self._stream)
            self._context.set_input_shape(INPUT_NAME, frames.shape)
            if not self._context.execute_async_v3(self._stream.handle):
                raise RuntimeError("TensorRT could not run the engine; its errors are above")
            self._cuda.memcpy_dtoh_async(self._host_probability[:n], self._probability, self._stream)
            self._stream.synchronize()
        return self._host_probability[:n]

    def close(self) -> None:
        """Free the GPU's memory, dependants first."""
        with self._current_context():
            del self._context, self._engine, self._runtime
            self._pixels.free()
            self._probability.free()
            del self._host_pixels, self._host_probability, self._stream
