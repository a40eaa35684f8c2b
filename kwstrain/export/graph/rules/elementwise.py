"""Elementwise operations."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from jax.extend.core import JaxprEqn

from kwstrain.export.graph.builder import Operand
from kwstrain.export.graph.translate import Known, Translator, dtype_of, rule, shape_of
from kwstrain.export.graph.value import Array, Shape, Value

_UNARY = {
    "exp": "Exp", "log": "Log", "tanh": "Tanh", "logistic": "Sigmoid", "sqrt": "Sqrt", "abs": "Abs", "neg": "Neg", "sign": "Sign",
    "floor": "Floor", "ceil": "Ceil", "round": "Round", "erf": "Erf", "not": "Not", "sin": "Sin", "cos": "Cos",
}  # fmt: skip
_BINARY = {
    "add": "Add", "sub": "Sub", "mul": "Mul", "div": "Div", "max": "Max", "min": "Min", "pow": "Pow", "and": "And", "or": "Or",
    "ge": "GreaterOrEqual", "gt": "Greater", "le": "LessOrEqual", "lt": "Less", "eq": "Equal",
}  # fmt: skip


@rule(*_UNARY)
def unary(t: Translator, equation: JaxprEqn, operands: list[Known]) -> list[Known]:
    return [nodes(t, equation, _UNARY[equation.primitive.name], operands)]


@rule(*_BINARY)
def binary(t: Translator, equation: JaxprEqn, operands: list[Known]) -> list[Known]:
    name = equation.primitive.name
    if (noted := _affine(name, *operands)) is not None:
        return [noted]
    if name == "max" and any(not isinstance(one, Value) and not np.any(one) for one in operands):
        (value,) = (one for one in operands if isinstance(one, Value))
        if value.shape == shape_of(equation.outvars[0]):
            return [nodes(t, equation, "Relu", [value])]
    return [nodes(t, equation, _BINARY[name], operands)]


@rule("ne")
def different(t: Translator, equation: JaxprEqn, operands: list[Known]) -> list[Known]:
    return [nodes(t, equation, "Not", [nodes(t, equation, "Equal", operands)])]


@rule("select_n")
def select(t: Translator, equation: JaxprEqn, operands: list[Known]) -> list[Known]:
    chosen, if_false, if_true = operands
    return [nodes(t, equation, "Where", [chosen, if_true, if_false])]


@rule("integer_pow", "square")
def power(t: Translator, equation: JaxprEqn, operands: list[Known]) -> list[Known]:
    y = equation.params.get("y", 2)
    (value,) = operands
    assert isinstance(value, Value)
    base = t.graph.applied(value)
    if y == 2:
        return [nodes(t, equation, "Mul", [base, base])]
    return [nodes(t, equation, "Pow", [base, np.array(y, base.dtype)])]


@rule("rsqrt")
def inverse_root(t: Translator, equation: JaxprEqn, operands: list[Known]) -> list[Known]:
    return [nodes(t, equation, "Reciprocal", [nodes(t, equation, "Sqrt", operands)])]


@rule("log1p")
def log_of_one_more(t: Translator, equation: JaxprEqn, operands: list[Known]) -> list[Known]:
    (value,) = operands
    assert isinstance(value, Value)
    return [nodes(t, equation, "Log", [value.with_affine(np.ones(()), np.ones(()))])]


@rule("clamp")
def clamp(t: Translator, equation: JaxprEqn, operands: list[Known]) -> list[Known]:
    low, value, high = operands
    return [nodes(t, equation, "Min", [nodes(t, equation, "Max", [value, low]), high])]


@rule("convert_element_type")
def convert(t: Translator, equation: JaxprEqn, operands: list[Known]) -> list[Known]:
    (value,) = operands
    dtype = np.dtype(equation.params["new_dtype"])
    assert isinstance(value, Value)
    if value.dtype == dtype:
        return [value]
    return [nodes(t, equation, "Cast", [value], to=dtype)]


@rule("stop_gradient", "copy", "copy_p", "optimization_barrier", "reduce_precision")
def same(t: Translator, equation: JaxprEqn, operands: list[Known]) -> list[Known]:
    return operands


def nodes(t: Translator, equation: JaxprEqn, op: str, operands: list[Known], **attributes: Any) -> Value:
    """A node whose inputs broadcast to each other; it works on them in their stored order where that is possible."""
    dtype = dtype_of(equation.outvars[0])
    values = [t.graph.applied(one) if isinstance(one, Value) else one for one in operands]
    like = next(one for one in values if isinstance(one, Value))
    shapes = {one.shape for one in values}
    inputs: list[Operand]
    if all(not isinstance(one, Value) or _same_look(one, like) for one in values) and _constants_fit(values, like):
        inputs = [one.name if isinstance(one, Value) else _rank_of(like, like.as_stored(one)) for one in values]
        stored = tuple(map(max, zip(*(one.stored for one in values if isinstance(one, Value)), strict=True)))
        made = t.graph.made(op, inputs, stored, like, **attributes)
        if made.axes is None and len(shapes) > 1 and any(isinstance(one, Value) and one.stored != stored for one in values):
            raise AssertionError("values of different sizes that are looked at through reshapes")
        return replace(made, dtype=dtype)
    inputs = [t.graph.settled(one) if isinstance(one, Value) else one for one in values]
    shape = np.broadcast_shapes(*shapes)
    (name,) = t.graph.emit(op, *inputs, **attributes)
    return Value(name, shape, dtype)


def _same_look(value: Value, like: Value) -> bool:
    """Whether the stored tensors of both can be combined directly."""
    if value.steps == like.steps and value.stored == like.stored:
        return True
    return value.axes is not None and value.axes == like.axes


def _constants_fit(values: list[Known], like: Value) -> bool:
    """Whether every constant broadcasts to the shape of the values."""
    shape: Shape = np.broadcast_shapes(*(one.shape for one in values if isinstance(one, Value)))
    if shape != like.shape and like.axes is None:
        return False
    return all(isinstance(one, Value) or _fits(one, like.shape) for one in values)


def _fits(constant: Array, shape: Shape) -> bool:
    return constant.size == 1 or (constant.ndim == len(shape) and all(m in (1, n) for m, n in zip(constant.shape, shape, strict=True)))


def _rank_of(like: Value, constant: Array) -> Array:
    """`constant`, checked: ONNX aligns shapes at the last axis, so that a stored constant must have all axes or none."""
    assert constant.ndim in (0, len(like.stored))
    return constant


def _affine(name: str, a: Known, b: Known) -> Value | None:
    """`a` combined with a constant `b`, or the reverse, noted as an affine map instead of a node; None if that is impossible."""
    value, constant = (a, b) if isinstance(a, Value) else (b, a)
    if name not in ("add", "sub", "mul", "div") or isinstance(constant, Value) or not isinstance(value, Value):
        return None
    if value.dtype != np.float32 or not _fits(constant, value.shape):
        return None
    one, zero = np.ones((), np.float32), np.zeros((), np.float32)
    if name == "add":
        return value.with_affine(one, constant)
    if name == "mul":
        return value.with_affine(constant, zero)
    if name == "sub":
        return value.with_affine(one, -constant) if value is a else value.with_affine(-one, constant)
    return value.with_affine(1 / constant, zero) if value is a and np.all(constant != 0) else None
