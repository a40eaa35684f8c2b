"""Operations that only move values: shapes, slices, padding."""

from __future__ import annotations

import numpy as np
from jax.extend.core import JaxprEqn

from kwstrain.export.graph.translate import Known, Translator, rule, shape_of
from kwstrain.export.graph.value import Shape, Value

_END = np.iinfo(np.int64).max


@rule("reshape", "squeeze", "expand_dims")
def reshape(t: Translator, equation: JaxprEqn, operands: list[Known]) -> list[Known]:
    value = whole(t, equation, operands, 0)
    return [value.reshaped(shape_of(equation.outvars[0]))]


@rule("transpose")
def transpose(t: Translator, equation: JaxprEqn, operands: list[Known]) -> list[Known]:
    (value,) = operands
    assert isinstance(value, Value)
    return [value.transposed(equation.params["permutation"])]


@rule("broadcast_in_dim")
def broadcast(t: Translator, equation: JaxprEqn, operands: list[Known]) -> list[Known]:
    """Only the new axes are added, with size 1: the operation that uses the value broadcasts it."""
    value = operands[0]
    assert isinstance(value, Value)
    shape = [1] * len(equation.params["shape"])
    for axis, n in zip(equation.params["broadcast_dimensions"], value.shape, strict=True):
        shape[axis] = n
    return [value.reshaped(tuple(shape))]


@rule("slice")
def cut(t: Translator, equation: JaxprEqn, operands: list[Known]) -> list[Known]:
    value = whole(t, equation, operands, 0)
    p = equation.params
    strides = p["strides"] or (1,) * len(value.shape)
    changed = [
        axis for axis, n in enumerate(value.shape) if (p["start_indices"][axis], p["limit_indices"][axis], strides[axis]) != (0, n, 1)
    ]
    starts, ends, steps = ([of[axis] for axis in changed] for of in (p["start_indices"], p["limit_indices"], strides))
    return [_slice(t, value, changed, starts, ends, steps, shape_of(equation.outvars[0]))]


@rule("rev")
def reverse(t: Translator, equation: JaxprEqn, operands: list[Known]) -> list[Known]:
    value = whole(t, equation, operands, 0)
    axes = list(equation.params["dimensions"])
    return [_slice(t, value, axes, [-1] * len(axes), [-_END] * len(axes), [-1] * len(axes), value.shape)]


@rule("split")
def split(t: Translator, equation: JaxprEqn, operands: list[Known]) -> list[Known]:
    value = whole(t, equation, operands, 0)
    sizes, axis = equation.params["sizes"], equation.params["axis"]
    value, axes = in_stored_order(t, value)
    names = t.graph.emit("Split", value.name, np.array(sizes, np.int64), n_outputs=len(sizes), axis=axes[axis])
    return [stored_as(value, name, axes, shape_of(out)) for name, out in zip(names, equation.outvars, strict=True)]


@rule("unstack")
def unstack(t: Translator, equation: JaxprEqn, operands: list[Known]) -> list[Known]:
    value = whole(t, equation, operands, 0)
    axis, shape = equation.params["axis"], value.shape
    value, axes = in_stored_order(t, value)
    sizes = np.ones(shape[axis], np.int64)
    names = t.graph.emit("Split", value.name, sizes, n_outputs=len(sizes), axis=axes[axis])
    part = (*shape[:axis], 1, *shape[axis + 1 :])
    return [stored_as(value, name, axes, part).reshaped(shape_of(equation.outvars[0])) for name in names]


@rule("concatenate")
def concatenate(t: Translator, equation: JaxprEqn, operands: list[Known]) -> list[Known]:
    axis = equation.params["dimension"]
    values = [whole(t, equation, operands, i) for i in range(len(operands))]
    axes = values[0].axes
    if axes is not None and all(one.axes == axes for one in values):
        values = [t.graph.applied(one) for one in values]
    else:
        values = [t.graph.full(one, one.shape) for one in values]
        axes = tuple(range(len(values[0].shape)))
    (name,) = t.graph.emit("Concat", *(one.name for one in values), axis=axes[axis])
    return [stored_as(values[0], name, axes, shape_of(equation.outvars[0]))]


@rule("pad")
def pad(t: Translator, equation: JaxprEqn, operands: list[Known]) -> list[Known]:
    value, fill = whole(t, equation, operands, 0), operands[1]
    assert not isinstance(fill, Value)
    low, high, between = zip(*equation.params["padding_config"], strict=True)
    assert not any(between), "padding between values is not supported"
    out = shape_of(equation.outvars[0])
    cut_axes = [axis for axis in range(len(low)) if low[axis] < 0 or high[axis] < 0]
    if cut_axes:
        starts = [max(0, -low[axis]) for axis in cut_axes]
        ends = [value.shape[axis] + min(0, high[axis]) for axis in cut_axes]
        shape = list(value.shape)
        for axis, start, end in zip(cut_axes, starts, ends, strict=True):
            shape[axis] = end - start
        value = _slice(t, value, cut_axes, starts, ends, [1] * len(cut_axes), tuple(shape))
        low, high = (tuple(max(0, n) for n in one) for one in (low, high))
    if not any(low) and not any(high):
        return [value]
    value, axes = in_stored_order(t, value)
    pads = np.zeros((2, len(axes)), np.int64)
    pads[:, list(axes)] = low, high
    (name,) = t.graph.emit("Pad", value.name, pads.ravel(), fill.reshape(()).astype(value.dtype))
    return [stored_as(value, name, axes, out)]


def whole(t: Translator, equation: JaxprEqn, operands: list[Known], i: int) -> Value:
    """Operand `i` in its full shape."""
    one, shape = operands[i], shape_of(equation.invars[i])
    return one if isinstance(one, Value) and one.shape == shape else t.graph.full(one, shape)


def in_stored_order(t: Translator, value: Value) -> tuple[Value, Shape]:
    """`value` with everything applied except for the order of its axes, and the stored axis of each axis."""
    if value.axes is None:
        value = t.graph.full(value, value.shape)
    value = t.graph.applied(value)
    assert value.axes is not None
    return value, value.axes


def stored_as(like: Value, name: str, axes: Shape, shape: Shape) -> Value:
    """A new tensor, viewed in `shape`, whose axis i is the stored axis ``axes[i]``."""
    stored = [0] * len(axes)
    for n, axis in zip(shape, axes, strict=True):
        stored[axis] = n
    return Value(name, tuple(stored), like.dtype).transposed(axes)


def _slice(t: Translator, value: Value, of: list[int], starts: list[int], ends: list[int], steps: list[int], shape: Shape) -> Value:
    if not of:
        return value
    value, axes = in_stored_order(t, value)
    numbers = [np.array(one, np.int64) for one in (starts, ends, [axes[axis] for axis in of], steps)]
    (name,) = t.graph.emit("Slice", value.name, *numbers)
    return stored_as(value, name, axes, shape)
