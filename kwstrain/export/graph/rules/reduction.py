"""Sums, maxima and minima over axes and windows."""

from __future__ import annotations

import math

import numpy as np
from jax.extend.core import JaxprEqn

from kwstrain.export.graph.rules.movement import in_stored_order, stored_as, whole
from kwstrain.export.graph.translate import Known, Translator, rule, shape_of


@rule("reduce_sum", "reduce_max", "reduce_min")
def reduce(t: Translator, equation: JaxprEqn, operands: list[Known]) -> list[Known]:
    value = whole(t, equation, operands, 0)
    over = equation.params["axes"]
    kept = tuple(1 if axis in over else n for axis, n in enumerate(value.shape))
    value, axes = in_stored_order(t, value)
    of = sorted(axes[axis] for axis in over)
    if equation.primitive.name == "reduce_sum":
        (name,) = t.graph.emit("ReduceSum", value.name, np.array(of, np.int64), keepdims=1)
    else:
        op = "ReduceMax" if equation.primitive.name == "reduce_max" else "ReduceMin"
        (name,) = t.graph.emit(op, value.name, axes=of, keepdims=1)
    return [stored_as(value, name, axes, kept).reshaped(shape_of(equation.outvars[0]))]


@rule("reduce_window_max", "reduce_window_sum")
def reduce_window(t: Translator, equation: JaxprEqn, operands: list[Known]) -> list[Known]:
    """Windows over an image ``(batch, rows, columns, channels)``."""
    p = equation.params
    size, strides, padding = p["window_dimensions"], p["window_strides"], p["padding"]
    spatial = list(range(1, len(size) - 1))
    assert size[0] == size[-1] == strides[0] == strides[-1] == 1, "pooling over clips or channels is not supported"
    assert all(n == 1 for n in (*p["base_dilation"], *p["window_dilation"])), "dilated pooling is not supported"
    first = (0, len(size) - 1, *spatial)
    image = whole(t, equation, operands, 0).transposed(first)
    image = t.graph.full(image, image.shape)
    pads = [padding[axis][side] for side in (0, 1) for axis in spatial]
    window = {"kernel_shape": [size[axis] for axis in spatial], "strides": [strides[axis] for axis in spatial], "pads": pads}
    out = shape_of(equation.outvars[0])
    stored = tuple(out[axis] for axis in first)
    back = tuple(first.index(axis) for axis in range(len(first)))
    if equation.primitive.name == "reduce_window_max":
        return [t.graph.made("MaxPool", [image.name], stored, image, **window).transposed(back)]
    mean = t.graph.made("AveragePool", [image.name], stored, image, count_include_pad=1, **window)
    return [mean.with_affine(np.array(float(math.prod(size))), np.zeros(())).transposed(back)]
