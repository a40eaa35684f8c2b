"""What a graph costs: the multiplications and additions of its convolutions and products, which take nearly all of its time."""

from __future__ import annotations

import math
from typing import Any


def multiply_adds(model: Any) -> int:
    """Of one run of an ONNX graph with one clip; what is in a loop counts for every turn."""
    import onnx

    one = onnx.ModelProto()
    one.CopyFrom(model)
    for value in [*one.graph.input, *one.graph.output]:
        for axis in value.type.tensor_type.shape.dim:
            if axis.dim_param:
                axis.dim_value = 1
    one = onnx.shape_inference.infer_shapes(one, data_prop=True)
    constants = {tensor.name: tuple(tensor.dims) for tensor in one.graph.initializer}
    shapes = {
        value.name: tuple(axis.dim_value or 1 for axis in value.type.tensor_type.shape.dim)
        for value in [*one.graph.value_info, *one.graph.input, *one.graph.output]
    }
    return _of(one.graph, {**shapes, **constants})


def _of(graph: Any, shapes: dict[str, tuple[int, ...]]) -> int:
    total = 0
    for node in graph.node:
        weights = shapes.get(node.input[1], ()) if len(node.input) > 1 else ()
        if node.op_type == "Conv":
            spatial = shapes.get(node.output[0], ())[2:]
            total += math.prod(weights) * math.prod(spatial)
        elif node.op_type in ("Gemm", "MatMul"):
            rows = shapes.get(node.input[0], ())[:-1]
            total += math.prod(rows) * math.prod(weights[-2:])
        elif node.op_type == "Scan":
            attributes = {one.name: one for one in node.attribute}
            turns = shapes.get(node.input[-1], (1,))[0]
            total += turns * _of(attributes["body"].g, shapes)
    return total
