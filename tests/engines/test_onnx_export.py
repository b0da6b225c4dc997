"""The ONNX file reproduces the PyTorch model, from raw pixels to the probability of live."""

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from exported import MEAN, STD, Exported, draw_frames
from timm.models.nest import Nest
from torch import nn

from liveness.engines.onnx_export import (
    PixelClassifier,
    check_exportable,
    check_onnx,
    export_onnx,
    reference_probabilities,
)
from liveness.runtime.errors import InputError

CASES = [
    ("convnext", "fp32"),
    ("convnext", "fp16"),
    ("vit", "fp32"),
    ("vit", "fp16"),
    ("efficientnet", "fp32"),
]
TOLERANCE = {"fp32": 1e-5, "fp16": 5e-3}


@pytest.mark.parametrize(("model", "precision"), CASES)
def test_onnx_agrees_with_pytorch_at_several_batch_sizes(
    model: str, precision: str, request: pytest.FixtureRequest
) -> None:
    exported: Exported = request.getfixturevalue(model)
    sample = exported.reference
    difference = check_onnx(exported.onnx[precision], sample.frames, sample.probabilities)
    assert difference < TOLERANCE[precision]


def test_a_file_of_another_network_is_told_apart(convnext: Exported) -> None:
    sample = convnext.reference
    assert check_onnx(convnext.onnx["fp32"], sample.frames, 1 - sample.probabilities) > 0.3


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_signature_of_the_graph(convnext: Exported, precision: str) -> None:
    model = onnx.load(convnext.onnx[precision], load_external_data=False)
    (pixels,), (probability,) = model.graph.input, model.graph.output
    assert (pixels.name, probability.name) == ("pixels", "probability")
    assert pixels.type.tensor_type.elem_type == onnx.TensorProto.UINT8
    assert probability.type.tensor_type.elem_type == onnx.TensorProto.FLOAT
    batch, *rest = pixels.type.tensor_type.shape.dim
    assert batch.dim_param and [dimension.dim_value for dimension in rest] == [64, 64, 3]
    assert not any(t.data_location == onnx.TensorProto.EXTERNAL for t in model.graph.initializer)


def test_attention_within_windows_is_exported(tmp_path: Path) -> None:
    """Its tensors have five dimensions, which the exporter does not know as fused attention."""
    torch.manual_seed(0)
    network = Nest(64, embed_dims=(16, 32, 64), num_heads=(1, 2, 4), depths=(1, 1, 1), num_classes=2).eval()
    assert network.levels[0].transformer_encoder[0].attn.fused_attn
    frames = draw_frames(64)
    about = {"mean": MEAN, "std": STD}
    export_onnx(network, tmp_path / "a.onnx", image_size=64, precision="fp32", **about)
    assert check_onnx(tmp_path / "a.onnx", frames, reference_probabilities(network, frames, **about)) < 1e-5
    assert network.levels[0].transformer_encoder[0].attn.fused_attn


class Branching(nn.Module):
    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return images[:, :2, 0, 0] if images.mean() > 0 else images[:, 1:, 0, 0]


def test_a_network_that_cannot_be_exported_is_told_without_a_file(tmp_path: Path) -> None:
    about = {"image_size": 8, "mean": MEAN, "std": STD}
    expected = r"Branching cannot be exported to ONNX with a free number of frames \(.+\); choose another"
    with pytest.raises(InputError, match=expected):
        export_onnx(Branching(), tmp_path / "a.onnx", precision="fp32", **about)
    with pytest.raises(InputError, match=expected):
        check_exportable(Branching(), precisions=["fp32"], **about)
    assert not list(tmp_path.iterdir())
    # an engine of the torch back end is no ONNX file
    check_exportable(Branching(), precisions=[], **about)


def test_normalisations_stay_whole_and_pooling_is_no_gather(convnext: Exported) -> None:
    kinds = [node.op_type for node in onnx.load(convnext.onnx["fp16"]).graph.node]
    assert kinds.count("LayerNormalization") == 10 and kinds.count("Gelu") == 5
    assert kinds[:2] == ["Cast", "Transpose"]  # TensorRT rejects a transpose of uint8
    assert "Range" not in kinds


def test_half_precision_halves_the_file(convnext: Exported) -> None:
    half, full = (convnext.onnx[precision].stat().st_size for precision in ("fp16", "fp32"))
    assert half < 0.6 * full


def test_exporting_is_silent_and_leaves_the_network_as_it_was(
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    recwarn: pytest.WarningsRecorder,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO")
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2)).eval()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    export_onnx(network, tmp_path / "a.onnx", image_size=16, mean=MEAN, std=STD, precision="fp16")
    assert capfd.readouterr() == ("", "") and not recwarn.list and not caplog.records
    assert isinstance(network[1], nn.AdaptiveAvgPool2d)
    for name, tensor in network.state_dict().items():
        assert tensor.dtype == torch.float32 and torch.equal(tensor, before[name])
    assert [path.name for path in tmp_path.iterdir()] == ["a.onnx"]


def test_pixels_are_normalised_per_channel_and_index_one_is_live() -> None:
    class MeanColour(nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            red = images[:, 0].mean((1, 2))
            return torch.stack([torch.zeros_like(red), red], 1)

    pixels = torch.zeros(1, 4, 4, 3, dtype=torch.uint8)
    pixels[..., 0] = 200
    probability = PixelClassifier(MeanColour(), MEAN, STD)(pixels)
    odds = (200 / 255 - MEAN[0]) / STD[0]
    np.testing.assert_allclose(probability.numpy(), [1 / (1 + np.exp(-odds))], rtol=1e-6)


def test_weights_beyond_one_file_are_refused_before_exporting(tmp_path: Path) -> None:
    huge = nn.Linear(30_000, 30_000, device="meta")
    with pytest.raises(InputError, match=r"3.6 GB of fp32 weights, more than the 2 GB of one ONNX file"):
        export_onnx(huge, tmp_path / "a.onnx", image_size=8, mean=MEAN, std=STD, precision="fp32")
    assert not list(tmp_path.iterdir())
