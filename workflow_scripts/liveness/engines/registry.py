"""Open back ends by name, importing their libraries only on request."""

from pathlib import Path

from liveness.engines.catalog import BACKENDS
from liveness.engines.interface import Backend, BuildOptions
from liveness.runtime.errors import InputError

# next to the engine folders of a model
CACHE_FOLDER = ".cache"


def open_backend(name: str, *, stem: Path | None = None, options: BuildOptions | None = None) -> Backend:
    """Open a back end, importing its libraries and no other's.

    Args:
        name: one of BACKENDS.
        stem: stem of an engine; the library's caches are kept next to the engine's folder.
        options: build options.

    Raises:
        InputError: the name is unknown, or the back end is not installed.
    """
    match name:
        case "openvino":
            from liveness.engines.openvino_engine import OpenVinoBackend

            return OpenVinoBackend()
        case "tensorrt" | "tensorrt_rtx":
            from liveness.engines.tensorrt_engine import TensorRtBackend

            cache = None if stem is None else stem.parent.parent / CACHE_FOLDER
            return TensorRtBackend(name, cache=cache, options=options)
        case "torch":
            from liveness.engines.torch_engine import TorchBackend

            return TorchBackend(options)
    raise InputError(f"engine.backend is '{name}'; expected one of: {', '.join(BACKENDS)}")
