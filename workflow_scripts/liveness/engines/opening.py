"""From a back end's name to the library behind it, imported only when it is asked for."""

from liveness.engines.backends import BACKENDS
from liveness.engines.engine import Backend
from liveness.errors import InputError


def open_backend(name: str) -> Backend:
    """The back end of that name. Imports this one's libraries and no other's.

    Raises:
        InputError: the name is unknown, or the back end is not installed.
    """
    match name:
        case "openvino":
            from liveness.engines.openvino_engine import OpenVinoBackend

            return OpenVinoBackend()
        case "tensorrt" | "tensorrt_rtx":
            from liveness.engines.tensorrt_engine import TensorRtBackend

            return TensorRtBackend(name)
        case "torch":
            from liveness.engines.torch_engine import TorchBackend

            return TorchBackend()
    raise InputError(f"engine.backend is '{name}'; expected one of: {', '.join(BACKENDS)}")
