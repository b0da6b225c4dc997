"""Back ends and their precisions and files. Cheap to import, since the Snakefile does it.

An engine is a set of files with a common stem, `results/engines/<backend>/<model>/<fold>/engine`,
and one suffix each.
"""

from pathlib import Path
from typing import Literal

from liveness.runtime.errors import InputError

BACKENDS = ("openvino", "tensorrt", "tensorrt_rtx", "torch")
PRECISIONS = ("int8", "bf16", "fp16", "mixed", "fp32")
OnnxPrecision = Literal["fp32", "fp16"]

# files that the back end itself reads
ENGINE_SUFFIXES: dict[str, tuple[str, ...]] = {
    "openvino": (".xml", ".bin"),
    "tensorrt": (".plan",),
    "tensorrt_rtx": (".plan",),
    "torch": (".safetensors",),
}
PARITY_SUFFIX = ".parity.npz"
METADATA_SUFFIX = ".json"

# (back end, configured precision) -> precisions of the ONNX files that compilation may read.
# OpenVINO lowers a float32 graph itself; TensorRT networks are strongly typed, so the ONNX file
# sets the precision.
_ONNX_PRECISIONS: dict[tuple[str, str], tuple[OnnxPrecision, ...]] = {
    ("openvino", "auto"): ("fp32",),
    ("openvino", "int8"): ("fp32",),
    ("openvino", "bf16"): ("fp32",),
    ("openvino", "mixed"): ("fp32",),
    ("openvino", "fp16"): ("fp32",),
    ("openvino", "fp32"): ("fp32",),
    ("tensorrt", "auto"): ("fp16", "fp32"),
    ("tensorrt", "fp16"): ("fp16",),
    ("tensorrt", "mixed"): ("fp16", "fp32"),
    ("tensorrt", "fp32"): ("fp32",),
    ("tensorrt_rtx", "auto"): ("fp16", "fp32"),
    ("tensorrt_rtx", "fp16"): ("fp16",),
    ("tensorrt_rtx", "mixed"): ("fp16", "fp32"),
    ("tensorrt_rtx", "fp32"): ("fp32",),
    ("torch", "auto"): (),
    ("torch", "fp32"): (),
    ("torch", "bf16"): (),
    ("torch", "fp16"): (),
}


def metadata_in(folder: str | Path) -> Path:
    """Return the path of the metadata file in an engine folder of the workflow."""
    return Path(folder, f"engine{METADATA_SUFFIX}")


def onnx_precisions(backend: str, precision: str) -> tuple[OnnxPrecision, ...]:
    """Return the precisions of the ONNX files that a configured precision needs; () for torch.

    `precision` is "auto" or one of PRECISIONS.

    Raises:
        InputError: the back end does not support the precision.
    """
    if (backend, precision) not in _ONNX_PRECISIONS:
        known = ", ".join(p for b, p in _ONNX_PRECISIONS if b == backend) or "none: the back end is unknown"
        raise InputError(
            f"engine.precision is '{precision}' for the engine.backend '{backend}'; expected one of: {known}"
        )
    return _ONNX_PRECISIONS[backend, precision]
