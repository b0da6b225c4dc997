"""Half-precision graphs with some layers in float32."""

from pathlib import Path

import onnx
import pytest
from exported import MAX_BATCH, Exported

from liveness.engines.onnx_export import check_onnx
from liveness.engines.onnx_mixed_precision import mixed_onnx, onnx_layers
from liveness.engines.tensorrt_engine import TensorRtBackend


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


@pytest.mark.parametrize("halves", ["convnext", "vit"], indirect=True)
def test_layers_divide_the_graph_at_convolutions_and_matrix_products(
    halves: tuple[Exported, onnx.ModelProto, onnx.ModelProto],
) -> None:
    nodes = list(halves[1].graph.node)
    layers = onnx_layers(halves[1])
    heads = [node.name for node in nodes if node.op_type in ("Conv", "MatMul", "Gemm")]
    assert list(layers) == heads
    divided = [node.name for layer in layers.values() for node in layer]
    assert divided == [node.name for node in nodes][-len(divided) :]
    assert all(layer[0].name == name for name, layer in layers.items())


@pytest.mark.parametrize("halves", ["convnext"], indirect=True)
def test_without_chosen_layers_the_graph_stays_as_it_was(
    halves: tuple[Exported, onnx.ModelProto, onnx.ModelProto],
) -> None:
    _, half, full = halves
    assert mixed_onnx(half, full, []).graph == half.graph
