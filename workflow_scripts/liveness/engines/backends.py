"""What each back end is made of: names, precisions and files. Cheap to import, so that a Snakefile can.

An engine is a set of files that share a stem, `results/engines/<backend>/<model>/<fold>`, plus a suffix.
"""

from typing import TYPE_CHECKING

from liveness.errors import InputError

if TYPE_CHECKING:
    from liveness.engines.engine import Backend

BACKENDS = ("openvino", "tensorrt", "tensorrt_rtx", "torch")
PRECISIONS = ("bf16", "fp16", "fp32")

# the files that the back end itself reads
ENGINE_SUFFIXES: dict[str, tuple[str, ...]] = {
    "openvino": (".xml", ".bin"),
    "tensorrt": (".plan",),
    "tensorrt_rtx": (".plan",),
    "torch": (".safetensors",),
}
PARITY_SUFFIX = ".parity.npz"
METADATA_SUFFIX = ".json"

# (back end, configured precision) -> precisions of the ONNX files that compiling may read. OpenVINO lowers
# a float32 graph itself; TensorRT's networks are strongly typed, so there the ONNX file has the precision.
_ONNX_PRECISIONS: dict[tuple[str, str], tuple[str, ...]] = {
    ("openvino", "auto"): ("fp32",),
    ("openvino", "bf16"): ("fp32",),
    ("openvino", "fp16"): ("fp32",),
    ("openvino", "fp32"): ("fp32",),
    ("tensorrt", "auto"): ("fp16", "fp32"),
    ("tensorrt", "fp16"): ("fp16",),
    ("tensorrt", "fp32"): ("fp32",),
    ("tensorrt_rtx", "auto"): ("fp16", "fp32"),
    ("tensorrt_rtx", "fp16"): ("fp16",),
    ("tensorrt_rtx", "fp32"): ("fp32",),
    ("torch", "auto"): (),
    ("torch", "fp32"): (),
}


def engine_suffixes(backend: str) -> tuple[str, ...]:
    """All files of one engine, metadata last: what a rule that compiles one declares as output."""
    return (*ENGINE_SUFFIXES[backend], PARITY_SUFFIX, METADATA_SUFFIX)


def onnx_precisions(backend: str, precision: str) -> tuple[str, ...]:
    """Precisions of the ONNX files that `precision` ("auto" or one of PRECISIONS) needs; () for torch.

    Raises:
        InputError: the back end does not know the precision.
    """
    if (backend, precision) not in _ONNX_PRECISIONS:
        known = ", ".join(p for b, p in _ONNX_PRECISIONS if b == backend) or "none: the back end is unknown"
        raise InputError(
            f"engine.precision is '{precision}' for the engine.backend '{backend}'; expected one of: {known}"
        )
    return _ONNX_PRECISIONS[backend, precision]


def open_backend(name: str) -> "Backend":
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
