"""Engines for NVIDIA GPUs: TensorRT 10.16 to 11, and TensorRT-RTX, which builds without a GPU.

The APIs differ in names only; missing features are detected with hasattr, never by version.
"""

import importlib
import logging
import re
from collections.abc import Collection, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from liveness.engines.cuda import active_context, driver, gpu_name
from liveness.engines.interface import AHEAD_OF_TIME, INPUT_NAME, OUTPUT_NAME, BuildOptions, Engine
from liveness.engines.metadata import engine_file
from liveness.runtime.atomic_write import atomic_write
from liveness.runtime.disk import writing
from liveness.runtime.errors import InputError

log = logging.getLogger(__name__)

_EXTRAS = {"tensorrt": "gpu", "tensorrt_rtx": "rtx"}


def _import_tensorrt(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise InputError(
            f"engine.backend is '{name}', but the module {name} cannot be imported ({error}); "
            f"install it with: pip install '.[{_EXTRAS[name]}]'"
        ) from None


def _logger(trt: Any) -> Any:
    """Forward the library's messages to logging, so that they reach the rule's log."""
    severity = trt.ILogger.Severity
    levels = {
        severity.INTERNAL_ERROR: logging.ERROR,
        severity.ERROR: logging.ERROR,
        severity.WARNING: logging.WARNING,
        severity.INFO: logging.INFO,
        severity.VERBOSE: logging.DEBUG,
    }

    class Logger(trt.ILogger):
        def __init__(self) -> None:
            trt.ILogger.__init__(self)

        def log(self, severity: Any, message: str) -> None:
            log.log(levels[severity], "%s: %s", trt.__name__, message)

    return Logger()


class TensorRtBackend:
    """TensorRT or TensorRT-RTX, by module name.

    The timings and compiled kernels that the library would otherwise measure or compile again are
    cached as files in the folder `cache`, one per version and GPU; losing them only costs time.
    """

    precisions = supported = ("fp16", "mixed", "fp32")

    def __init__(self, name: str, *, cache: Path | None = None, options: BuildOptions | None = None) -> None:
        self._name = name
        self._cache = cache
        self._options = options or BuildOptions()
        self._trt = _import_tensorrt(name)
        self._logger = _logger(self._trt)

    @property
    def version(self) -> str:
        return self._trt.__version__

    @property
    def target(self) -> str:
        try:
            return gpu_name()
        except InputError:
            return AHEAD_OF_TIME

    def layers(self, sources: Mapping[str, Path]) -> list[str]:
        """Return the names of the convolutions and matrix products that start the layers."""
        import onnx

        from liveness.engines.onnx_mixed_precision import onnx_layers

        return list(onnx_layers(onnx.load(sources["fp16"], load_external_data=False)))

    def mix(self, sources: Mapping[str, Path], stem: Path, float32: Collection[str]) -> Path:
        """Write `stem`.onnx, the half-precision graph with the given layers in float32."""
        import onnx

        from liveness.engines.onnx_mixed_precision import mixed_onnx

        path = engine_file(stem, ".onnx")
        onnx.save(mixed_onnx(onnx.load(sources["fp16"]), onnx.load(sources["fp32"]), float32), path)
        return path

    def build(self, source: Path, stem: Path, *, image_size: int, max_batch: int) -> None:
        """Write `stem`.plan for batches of 1 to max_batch, tuned for max_batch.

        Raises:
            InputError: the library needs a GPU and there is none, it does not support an option
                here, or the ONNX file cannot be parsed or built.
        """
        trt = self._trt
        if self._name == "tensorrt" and self.target == AHEAD_OF_TIME:
            driver()  # raises an error that names what is missing
        builder = trt.Builder(self._logger)
        # strongly typed: the ONNX file sets the precision; only this mode exists in all versions
        network = builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
        parser = trt.OnnxParser(network, self._logger)
        if not parser.parse_from_file(str(source)):
            reasons = "; ".join(parser.get_error(i).desc() for i in range(parser.num_errors))
            raise InputError(f"{source}: {self._name} {self.version} cannot parse it ({reasons})")
        config = builder.create_builder_config()
        # no TF32: auto falls back to fp32 when fewer bits are not accurate enough
        config.clear_flag(trt.BuilderFlag.TF32)
        self._apply_options(config)
        shape = (image_size, image_size, 3)
        profile = builder.create_optimization_profile()
        profile.set_shape(INPUT_NAME, (1, *shape), (max_batch, *shape), (max_batch, *shape))
        config.add_optimization_profile(profile)
        measured = self._use_timing_cache(config)
        plan = builder.build_serialized_network(network, config)
        if plan is None:
            raise InputError(
                f"{source}: {self._name} {self.version} cannot build an engine from it; its errors are above"
            )
        if measured is not None:
            _keep(self._cache_file("times"), bytes(measured.serialize()))
        with atomic_write(engine_file(stem, ".plan")) as temporary:
            temporary.write_bytes(plan)

    def _apply_options(self, config: Any) -> None:
        trt, options = self._trt, self._options
        config.builder_optimization_level = options.optimization_level
        if options.workspace_mib:
            config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, options.workspace_mib << 20)
        if options.hardware_compatible:
            config.hardware_compatibility_level = trt.HardwareCompatibilityLevel.AMPERE_PLUS
            # read it back: TensorRT-RTX has the attribute but ignores it
            if config.hardware_compatibility_level != trt.HardwareCompatibilityLevel.AMPERE_PLUS:
                raise InputError(
                    f"engine.tensorrt.hardware_compatible is true, which {self._name} {self.version} cannot "
                    "build; set it to false, and compile for each kind of GPU with engine.target"
                )
        if options.version_compatible:
            if self.target == AHEAD_OF_TIME or not hasattr(trt.BuilderFlag, "VERSION_COMPATIBLE"):
                raise InputError(
                    f"engine.tensorrt.version_compatible is true, which {self._name} {self.version} cannot "
                    "build without a GPU; set it to false, or compile on a machine with a GPU"
                )
            config.set_flag(trt.BuilderFlag.VERSION_COMPATIBLE)

    def _use_timing_cache(self, config: Any) -> Any:
        """Reuse kernel timings from earlier builds on this kind of GPU (not for TensorRT-RTX)."""
        if hasattr(self._trt, "IRuntimeCache"):
            return None
        measured = config.create_timing_cache(_kept(self._cache_file("times")))
        # False: reject the cache of another kind of GPU
        if measured is None or not config.set_timing_cache(measured, False):
            measured = config.create_timing_cache(b"")
            config.set_timing_cache(measured, False)
        return measured

    def _cache_file(self, kind: str) -> Path | None:
        if self._cache is None:
            return None
        return self._cache / re.sub(
            r"[^\w.]+", "-", f"{kind} {self._name} {self.version} {self.target}"
        ).strip("-")

    def open(
        self, stem: Path, *, precision: str, image_size: int, max_batch: int, threads: int | None
    ) -> "TensorRtEngine":
        """Open `stem`.plan on the GPU. The plan fixes the precision; `threads` is for CPUs."""
        return TensorRtEngine(
            self._trt,
            self._logger,
            engine_file(stem, ".plan"),
            image_size=image_size,
            max_batch=max_batch,
            kernels=self._cache_file(f"kernels {stem.name}"),
        )


class TensorRtEngine(Engine):
    """A TensorRT plan on the GPU.

    Direct calls allocate the engine's own buffers; an engine group provides shared ones. Only one
    thread at a time may use the engine.

    Attributes:
        scratch_bytes: device memory that a context needs for activations.
        captures_graphs: the library captures CUDA graphs itself (TensorRT-RTX).
    """

    def __init__(
        self, trt: Any, logger: Any, plan: Path, *, image_size: int, max_batch: int, kernels: Path | None
    ) -> None:
        super().__init__(image_size, max_batch)
        self._trt = trt
        self._cuda = driver()
        self._plan, self._kernels = plan, kernels
        self._alone: _Alone | None = None
        with active_context():
            self._runtime = trt.Runtime(logger)
            # a version-compatible plan contains its own runtime; the digest in the metadata has
            # been verified
            self._runtime.engine_host_code_allowed = True
            self._engine = self._runtime.deserialize_cuda_engine(plan.read_bytes())
            if self._engine is None:
                raise InputError(
                    f"{plan}: {trt.__name__} {trt.__version__} refuses it on {gpu_name()}; an engine only "
                    "runs on the kind of GPU and with the version it was built for: compile again here"
                )
            self._configuration, self._cache = self._runtime_configuration()
        self.scratch_bytes: int = self._engine.device_memory_size_v2

    def _runtime_configuration(self) -> tuple[Any, Any]:
        """Return the settings for contexts and TensorRT-RTX's cache of kernels for this GPU."""
        if not hasattr(self._engine, "create_runtime_config"):
            return None, None
        configuration, cache = self._engine.create_runtime_config(), None
        configuration.set_execution_context_allocation_strategy(
            self._trt.ExecutionContextAllocationStrategy.USER_MANAGED
        )
        if hasattr(configuration, "create_runtime_cache"):
            cache = configuration.create_runtime_cache()
            if kept := _kept(self._kernels):
                cache.deserialize(kept)  # rejects a corrupt cache or one of another GPU
            configuration.set_runtime_cache(cache)
        if hasattr(configuration, "cuda_graph_strategy"):
            configuration.cuda_graph_strategy = self._trt.CudaGraphStrategy.WHOLE_GRAPH_CAPTURE
        return configuration, cache

    @property
    def captures_graphs(self) -> bool:
        return hasattr(self._configuration, "cuda_graph_strategy")

    def context(self, scratch: tuple[int, int], pixels: int, probability: int) -> Any:
        """Create a context that computes in `scratch` (device address and at least scratch_bytes).

        `pixels` and `probability` are the device addresses of uint8 [max_batch, S, S, 3] and
        float32 [max_batch]. Contexts may share all three as long as only one runs at a time.
        """
        how = self._configuration or self._trt.ExecutionContextAllocationStrategy.USER_MANAGED
        context = self._engine.create_execution_context(how)
        if context is None:
            raise InputError(
                f"{self._plan}: not enough GPU memory for a context of this engine; lower engine.max_batch "
                "or free GPU memory"
            )
        context.set_device_memory(*scratch)
        context.set_tensor_address(INPUT_NAME, pixels)
        context.set_tensor_address(OUTPUT_NAME, probability)
        return context

    def enqueue(self, context: Any, n: int, stream: Any) -> None:
        """Enqueue the scoring of the first n frames on the stream."""
        context.set_input_shape(INPUT_NAME, (n, self.image_size, self.image_size, 3))
        if not context.execute_async_v3(stream.handle):
            raise RuntimeError(f"{self._plan}: TensorRT could not run the engine; its errors are above")

    def _score(self, frames: NDArray[np.uint8]) -> NDArray[np.float32]:
        n = len(frames)
        with active_context():
            if self._alone is None:
                self._alone = _Alone(self, self._cuda)
            own = self._alone
            own.host_pixels[:n] = frames
            self._cuda.memcpy_htod_async(own.pixels, own.host_pixels[:n], own.stream)
            self.enqueue(own.context, n, own.stream)
            self._cuda.memcpy_dtoh_async(own.host_probability[:n], own.probability, own.stream)
            own.stream.synchronize()
        return own.host_probability[:n]

    def free_buffers(self) -> None:
        """Free the buffers for direct calls; a later direct call allocates them again."""
        if self._alone is not None:
            with active_context():
                self._alone.close()
            self._alone = None

    def close(self) -> None:
        """Free GPU memory, dependent objects first, and cache newly compiled kernels."""
        self.free_buffers()
        with active_context():
            if self._cache is not None:
                _keep(self._kernels, bytes(self._cache.serialize()))
            del self._configuration, self._cache, self._engine, self._runtime


class _Alone:
    """Context, stream and buffers for direct calls of an engine. Needs the CUDA context active."""

    def __init__(self, engine: TensorRtEngine, cuda: Any) -> None:
        side, n = engine.image_size, engine.max_batch
        self.stream = cuda.Stream()
        self.host_pixels = cuda.pagelocked_empty((n, side, side, 3), np.uint8)
        self.host_probability = cuda.pagelocked_empty(n, np.float32)
        self.pixels = cuda.mem_alloc(self.host_pixels.nbytes)
        self.probability = cuda.mem_alloc(self.host_probability.nbytes)
        self._scratch = cuda.mem_alloc(max(engine.scratch_bytes, 1))
        self.context = engine.context(
            (int(self._scratch), engine.scratch_bytes), int(self.pixels), int(self.probability)
        )

    def close(self) -> None:
        del self.context
        for buffer in (self.pixels, self.probability, self._scratch):
            buffer.free()
        del self.host_pixels, self.host_probability, self.stream


def _kept(path: Path | None) -> bytes:
    """Return the content cached by an earlier run, empty if there is none."""
    return path.read_bytes() if path is not None and path.is_file() else b""


def _keep(path: Path | None, content: bytes) -> None:
    """Cache content for later runs. Concurrent jobs may overwrite it: no result depends on it."""
    if path is not None and content != _kept(path):
        with writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            with TemporaryDirectory(dir=path.parent, prefix=".") as folder:
                draft = Path(folder, path.name)
                draft.write_bytes(content)
                draft.replace(path)
