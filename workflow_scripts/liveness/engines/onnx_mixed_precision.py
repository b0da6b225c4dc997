"""Mixed-precision ONNX graphs: some layers in float32, the rest in half, with casts in between."""

from collections.abc import Collection

import onnx
from onnx import TensorProto, helper, numpy_helper

# operators that start a layer; the operators after one belong to its layer
_HEADS = {"Conv", "MatMul", "Gemm"}
# operators whose output type does not follow from their inputs
_FIXED = {"Cast", "Constant", "ConstantOfShape", "Shape"}


def onnx_layers(model: onnx.ModelProto) -> dict[str, list[onnx.NodeProto]]:
    """Group nodes by layer: a head, which names the layer, and all nodes up to the next head."""
    layers: dict[str, list[onnx.NodeProto]] = {}
    for node in model.graph.node:
        if node.op_type in _HEADS:
            layers[node.name] = []
        if layers:
            next(reversed(layers.values())).append(node)
    return layers


def mixed_onnx(half: onnx.ModelProto, full: onnx.ModelProto, float32: Collection[str]) -> onnx.ModelProto:
    """Return `half` with the named layers in float32.

    Their weights come from `full`, the same graph in float32.
    """
    layers = onnx_layers(half)
    chosen = {node.name for name in float32 for node in layers[name] if node.op_type not in _FIXED}
    halves = _float16_values(half)
    weights = {initializer.name: initializer for initializer in half.graph.initializer}
    full_weights = {initializer.name: initializer for initializer in full.graph.initializer}
    mixed = onnx.ModelProto()
    mixed.CopyFrom(half)
    graph = mixed.graph
    del graph.node[:]
    widened: set[str] = set()  # float16 values that also exist in float32

    def wide(value: str) -> str:
        """Return the name of a float16 value's float32 version, creating it if necessary."""
        if value not in widened:
            widened.add(value)
            if value in weights:
                same = full_weights.get(value)
                if same is None or list(same.dims) != list(weights[value].dims):
                    array = numpy_helper.to_array(weights[value]).astype("float32")
                    same = numpy_helper.from_array(array)
                graph.initializer.add().CopyFrom(same)
                graph.initializer[-1].name = f"{value}.float32"
            else:
                graph.node.append(_cast(value, f"{value}.float32", TensorProto.FLOAT))
        return f"{value}.float32"

    for node in half.graph.node:
        copy = graph.node.add() if node.name not in chosen else onnx.NodeProto()
        copy.CopyFrom(node)
        if node.name not in chosen:
            continue
        for i, value in enumerate(node.input):
            if value in halves:
                copy.input[i] = wide(value)
        results = [value for value in node.output if value in halves]
        for i, value in enumerate(node.output):
            if value in halves:
                copy.output[i] = f"{value}.float32"
        graph.node.append(copy)
        for value in results:
            widened.add(value)
            graph.node.append(_cast(f"{value}.float32", value, TensorProto.FLOAT16))
    _remove_unused(graph)
    onnx.checker.check_model(mixed)
    return mixed


def _cast(source: str, target: str, kind: int) -> onnx.NodeProto:
    return helper.make_node("Cast", [source], [target], name=f"cast_{target}", to=kind)


def _float16_values(model: onnx.ModelProto) -> set[str]:
    """Return the names of all float16 values in the graph."""
    graph = onnx.shape_inference.infer_shapes(model, strict_mode=True, data_prop=False).graph
    values = {value.name for value in graph.value_info if _kind(value) == TensorProto.FLOAT16}
    return values | {i.name for i in graph.initializer if i.data_type == TensorProto.FLOAT16}


def _kind(value: onnx.ValueInfoProto) -> int:
    return value.type.tensor_type.elem_type


def _remove_unused(graph: onnx.GraphProto) -> None:
    """Remove casts and weights that nothing reads any more."""
    read = {value for node in graph.node for value in node.input} | {value.name for value in graph.output}
    nodes = [node for node in graph.node if node.op_type != "Cast" or node.output[0] in read]
    initializers = [initializer for initializer in graph.initializer if initializer.name in read]
    del graph.node[:], graph.initializer[:]
    graph.node.extend(nodes)
    graph.initializer.extend(initializers)
