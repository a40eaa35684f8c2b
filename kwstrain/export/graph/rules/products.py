"""Convolutions and matrix products."""

from __future__ import annotations

import math
from dataclasses import replace

from jax.extend.core import JaxprEqn

from kwstrain.export.graph.builder import Operand
from kwstrain.export.graph.rules.movement import whole
from kwstrain.export.graph.translate import Known, Translator, dtype_of, rule, shape_of
from kwstrain.export.graph.value import Shape, Value


@rule("conv_general_dilated")
def convolution(t: Translator, equation: JaxprEqn, operands: list[Known]) -> list[Known]:
    p = equation.params
    assert p["batch_group_count"] == 1, "batch groups are not supported"
    assert all(n == 1 for n in p["lhs_dilation"]), "dilated inputs are not supported"
    dimensions = p["dimension_numbers"]
    image = whole(t, equation, operands, 0).transposed(dimensions.lhs_spec)
    image = t.graph.full(image, image.shape)
    weights = operands[1]
    order = dimensions.rhs_spec
    kernel = t.graph.settled(weights.transposed(order)) if isinstance(weights, Value) else weights.transpose(order)
    out = shape_of(equation.outvars[0])
    stored = tuple(out[axis] for axis in dimensions.out_spec)
    low, high = zip(*p["padding"], strict=True)
    made = t.graph.made(
        "Conv", [image.name, kernel], stored, image,
        strides=p["window_strides"], pads=(*low, *high), dilations=p["rhs_dilation"], group=p["feature_group_count"],
    )  # fmt: skip
    back = tuple(dimensions.out_spec.index(axis) for axis in range(len(out)))
    return [replace(made, exclusive=not isinstance(kernel, str)).transposed(back)]


@rule("dot_general")
def product(t: Translator, equation: JaxprEqn, operands: list[Known]) -> list[Known]:
    """One matrix product. If the first operand is a constant, the operands are exchanged, and so are the axes of the result."""
    over, batch = equation.params["dimension_numbers"]
    sides = [Side(t, equation, operands, i, over[i], batch[i]) for i in (0, 1)]
    if isinstance(operands[0], Value):
        return [_matmul(t, equation, *sides)]
    first, second = sides
    n_batch, n_first, n_second = (len(axes) for axes in (first.batch, first.free, second.free))
    back = (*range(n_batch), *(n_batch + n_second + i for i in range(n_first)), *(n_batch + i for i in range(n_second)))
    return [_matmul(t, equation, second, first).transposed(back)]


class Side:
    """One operand of a product, with the axes that are summed over, the axes common to both operands, and the remaining ones."""

    def __init__(self, t: Translator, equation: JaxprEqn, operands: list[Known], i: int, over: Shape, batch: Shape) -> None:
        one = operands[i]
        self.known = whole(t, equation, operands, i) if isinstance(one, Value) else one
        self.shape, self.over, self.batch = shape_of(equation.invars[i]), over, batch
        self.free = tuple(axis for axis in range(len(self.shape)) if axis not in (*over, *batch))

    def size(self, axes: Shape) -> Shape:
        """Lengths of some axes."""
        return tuple(self.shape[axis] for axis in axes)


def _matmul(t: Translator, equation: JaxprEqn, left: Side, right: Side) -> Value:
    """The product; its axes are the common ones, those of `left`, then those of `right`."""
    batch, n_over, columns = left.size(left.batch), math.prod(left.size(left.over)), math.prod(right.size(right.free))
    constant = not isinstance(right.known, Value)
    rows = left.size(left.free) if constant and not batch else (math.prod(left.size(left.free)),)
    assert isinstance(left.known, Value)
    first = left.known.transposed((*left.batch, *left.free, *left.over)).reshaped((*batch, *rows, n_over))
    order = (*right.batch, *right.over, *right.free)
    second: Operand
    if isinstance(right.known, Value):
        second = t.graph.settled(right.known.transposed(order).reshaped((*batch, n_over, columns)))
    else:
        values = right.known.transpose(order)
        second = values.reshape((*values.shape[: len(batch)], n_over, columns))
    op = "Gemm" if constant and len(first.shape) == 2 else "MatMul"
    (name,) = t.graph.emit(op, t.graph.settled(first), second)
    made = Value(name, (*batch, *rows, columns), dtype_of(equation.outvars[0]), exclusive=op == "Gemm")
    return made.reshaped((*batch, *left.size(left.free), *right.size(right.free)))
