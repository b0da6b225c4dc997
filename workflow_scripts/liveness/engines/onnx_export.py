"""Export classifiers to ONNX and compare the files with PyTorch."""

import copy
import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from liveness.engines.catalog import OnnxPrecision
from liveness.engines.interface import INPUT_NAME, OUTPUT_NAME
from liveness.engines.pixel_classifier import PixelClassifier
from liveness.runtime.atomic_write import atomic_write
from liveness.runtime.errors import InputError

# First opset in which Gelu is a single node, as LayerNormalization is since opset 17. Decomposed
# into primitives such functions lose precision or overflow in half precision.
OPSET = 20
# protobuf's size limit for one file
MAX_ONNX_BYTES = 2**31 - 1


class _GlobalMean(nn.Module):
    def forward(self, features: Tensor) -> Tensor:
        return features.mean((2, 3), keepdim=True)


def _with_plain_pooling(network: nn.Module) -> nn.Module:
    """Return a copy whose global average pooling exports as one ReduceMean.

    For channels-last tensors the exporter turns AdaptiveAvgPool2d(1) into a gather over indices
    that depend on the batch size.
    """
    network = copy.deepcopy(network)
    for parent in list(network.modules()):
        for name, child in parent.named_children():
            if isinstance(child, nn.AdaptiveAvgPool2d) and child.output_size in (1, (1, 1)):
                setattr(parent, name, _GlobalMean())
    return network


@contextmanager
def _silence() -> Iterator[None]:
    """Silence the exporter and its optimiser, which log a line per weight about their internals."""
    disabled = logging.root.manager.disable
    logging.disable(logging.INFO)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(disabled)


def export_onnx(
    network: nn.Module,
    path: str | Path,
    *,
    image_size: int,
    mean: Sequence[float],
    std: Sequence[float],
    precision: OnnxPrecision,
) -> None:
    """Export `PixelClassifier(network)` to one ONNX file with weights and a dynamic batch axis.

    Args:
        network: float32 network on the CPU in evaluation mode; not modified.
        path: file to write.
        image_size: S in pixels.
        mean, std: per channel (RGB), for pixel values in 0..1.
        precision: precision of the weights and of the computation between normalisation and
            softmax.

    Raises:
        InputError: the network cannot be exported, or its weights exceed the 2 GB that one ONNX
            file can hold.
    """
    program = _program(network, image_size, mean, std, precision)
    with _silence(), atomic_write(path, _weights_size(network, precision)) as temporary:
        program.save(temporary, external_data=False)
        onnx.checker.check_model(str(temporary))


def check_exportable(
    network: nn.Module,
    *,
    image_size: int,
    mean: Sequence[float],
    std: Sequence[float],
    precisions: Sequence[OnnxPrecision],
) -> None:
    """Raise InputError if `export_onnx` would, at one of the precisions; weights do not matter."""
    for precision in precisions:
        _program(network, image_size, mean, std, precision)


def _program(
    network: nn.Module, image_size: int, mean: Sequence[float], std: Sequence[float], precision: OnnxPrecision
) -> torch.onnx.ONNXProgram:
    half = precision == "fp16"
    name = type(network).__name__
    size = _weights_size(network, precision)
    if size > MAX_ONNX_BYTES - 2**24:
        raise InputError(
            f"{name} has {size / 1e9:.1f} GB of {precision} weights, more than the 2 GB of one ONNX file; "
            f"choose a smaller model{'' if half else ' or engine.precision: fp16'}."
        )
    classifier = PixelClassifier(_with_plain_pooling(network), mean, std, half=half).eval()
    with _silence(), torch.no_grad():
        try:
            return _translated(classifier, image_size)
        except torch.onnx.OnnxExporterError as error:
            if not _without_fused_attention(classifier):
                raise _refusal(name, error) from None
        try:
            return _translated(classifier, image_size)
        except torch.onnx.OnnxExporterError as error:
            raise _refusal(name, error) from None


def _weights_size(network: nn.Module, precision: OnnxPrecision) -> int:
    """Return the bytes of a network's weights."""
    parameters = sum(tensor.numel() for tensor in network.state_dict().values())
    return parameters * (2 if precision == "fp16" else 4)


def _translated(classifier: nn.Module, image_size: int) -> torch.onnx.ONNXProgram:
    program = torch.onnx.export(
        classifier,
        (torch.zeros(2, image_size, image_size, 3, dtype=torch.uint8),),
        dynamo=True,
        opset_version=OPSET,
        input_names=[INPUT_NAME],
        output_names=[OUTPUT_NAME],
        dynamic_shapes=({0: torch.export.Dim("batch")},),
        verbose=False,
    )
    assert program is not None  # noqa: S101 (it is None only with dynamo=False)
    return program


def _without_fused_attention(network: nn.Module) -> bool:
    """Make timm's attention layers compute step by step; return False if none is fused.

    The exporter knows fused attention of four dimensions only, and layers that attend within
    windows have five (hiera, nest, twins).
    """
    fused = [layer for layer in network.modules() if getattr(layer, "fused_attn", False)]
    for layer in fused:
        layer.fused_attn = False  # type: ignore[assignment]
    return bool(fused)


def _refusal(name: str, error: Exception) -> InputError:
    return InputError(
        f"{name} cannot be exported to ONNX with a free number of frames ({_innermost(error)}); "
        "choose another architecture, or engine.backend: torch."
    )


def _innermost(error: BaseException) -> str:
    """Return the first line of the error that caused all others."""
    while error.__cause__:
        error = error.__cause__
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0][:150]


def reference_probabilities(
    network: nn.Module, frames: NDArray[np.uint8], *, mean: Sequence[float], std: Sequence[float]
) -> NDArray[np.float32]:
    """Return PyTorch's probabilities, float32 [n], for frames uint8 [n, S, S, 3].

    They are the reference for the parity check.
    """
    classifier = PixelClassifier(network, mean, std).eval()
    with torch.inference_mode():
        chunks = [classifier(chunk) for chunk in torch.from_numpy(frames).split(16)]
    return torch.cat(chunks).numpy()


def check_onnx(path: str | Path, frames: NDArray[np.uint8], reference: NDArray[np.float32]) -> float:
    """Return the largest difference in probability between an ONNX file and `reference` [n].

    onnxruntime scores batches of 1, 3 and all frames uint8 [n, S, S, 3] on the CPU, so that a batch
    axis frozen during export is detected.
    """
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    differences = []
    for n in {1, min(3, len(frames)), len(frames)}:
        (probability,) = session.run([OUTPUT_NAME], {INPUT_NAME: frames[:n]})
        differences.append(np.abs(probability - reference[:n]).max())
    return float(max(differences))
