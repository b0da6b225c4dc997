"""The choice of float32 layers, and graphs that mix both precisions."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
import pytest
from exported import MAX_BATCH, Exported
from hypothesis import given
from hypothesis import strategies as st

from liveness.engines.onnx_export import check_onnx
from liveness.engines.onnx_mixed_precision import mixed_onnx, onnx_layers
from liveness.engines.parity_sample import ReferenceSample
from liveness.engines.precision_search import Score, choose_float32_layers
from liveness.engines.tensorrt_engine import TensorRtBackend

SAMPLE = ReferenceSample(
    np.zeros((4, 2, 2, 3), np.uint8), np.full(4, 0.5, np.float32), np.full(4, -1, np.int8)
)


def additive(losses: Sequence[float]) -> tuple[list[str], Score]:
    """Create a model in which each layer outside float32 shifts every score by its own loss."""
    layers = [f"layer{i}" for i in range(len(losses))]

    def score(float32: Sequence[str], frames: np.ndarray) -> np.ndarray:
        moved = sum(loss for layer, loss in zip(layers, losses, strict=True) if layer not in float32)
        return np.full(len(frames), 0.5 + moved, np.float32)

    return layers, score


def test_the_layers_that_lose_most_are_chosen() -> None:
    layers, score = additive([0.0001] * 4 + [0.02] * 2 + [0.0001] * 10)
    assert choose_float32_layers(layers, score, SAMPLE, 0.01) == ["layer4", "layer5"]


def test_losses_everywhere_are_not_worth_mixing() -> None:
    layers, score = additive([0.02] * 16)
    assert choose_float32_layers(layers, score, SAMPLE, 0.01) is None


@given(st.lists(st.floats(0, 0.02), min_size=1, max_size=40))
def test_what_is_chosen_is_half_of_the_layers_at_most_and_enough(losses: list[float]) -> None:
    layers, score = additive(losses)
    chosen = choose_float32_layers(layers, score, SAMPLE, 0.01)
    if chosen is not None:
        assert set(chosen) <= set(layers) and len(chosen) <= max(1, len(layers)) / 2 + len(layers) / 8 + 1
        assert abs(score(chosen, SAMPLE.frames) - 0.5).max() <= 0.01


@pytest.fixture
def halves(request: pytest.FixtureRequest) -> tuple[Exported, onnx.ModelProto, onnx.ModelProto]:
    exported: Exported = request.getfixturevalue(request.param)
    return exported, onnx.load(exported.onnx["fp16"]), onnx.load(exported.onnx["fp32"])


@pytest.mark.parametrize("halves", ["convnext", "vit"], indirect=True)
@pytest.mark.parametrize("part", [slice(0, 2), slice(2, None, 3), slice(None)])
def test_a_mixed_graph_is_the_model(
    halves: tuple[Exported, onnx.ModelProto, onnx.ModelProto], part: slice, tmp_path: Path
) -> None:
    exported, half, full = halves
    layers = onnx_layers(half)
    chosen = list(layers)[part]
    onnx.save(mixed_onnx(half, full, chosen), tmp_path / "mixed.onnx")
    sample = exported.reference
    difference = check_onnx(tmp_path / "mixed.onnx", sample.frames, sample.probabilities)
    assert difference < (1e-3 if part == slice(None) else 5e-3)
    mixed = onnx.load(tmp_path / "mixed.onnx")
    kinds = {value.name: value.data_type for value in mixed.graph.initializer}
    for node in mixed.graph.node:
        if node.name in chosen:
            assert {kinds[value] for value in node.input if value in kinds} <= {onnx.TensorProto.FLOAT}


@pytest.mark.parametrize("halves", ["convnext", "vit"], indirect=True)
def test_tensorrt_builds_mixed_graphs(
    halves: tuple[Exported, onnx.ModelProto, onnx.ModelProto], tmp_path: Path
) -> None:
    pytest.importorskip("tensorrt_rtx")
    exported, backend = halves[0], TensorRtBackend("tensorrt_rtx")
    layers = backend.layers(exported.onnx)
    source = backend.mix(exported.onnx, tmp_path / "mixed", layers[: len(layers) // 2])
    side = exported.checkpoint.image_size
    backend.build(source, tmp_path / "0", image_size=side, max_batch=MAX_BATCH)
    assert (tmp_path / "0.plan").stat().st_size > exported.onnx["fp16"].stat().st_size
