"""The graph under construction: nodes, and constants that are NumPy arrays and may still change."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from kwstrain.export.graph.value import BATCH, Array, Reshape, Shape, Value, one_clip

Operand = str | Array


@dataclass
class Node:
    """One node. An input is the name of a tensor, or a constant."""

    op: str
    name: str
    inputs: list[Operand]
    outputs: list[str]
    attributes: dict[str, Any] = field(default_factory=dict)


class Builder:
    """The nodes in the order of computation. The body of a loop has a `parent`, whose tensors it can use."""

    def __init__(self, parent: Builder | None = None) -> None:
        self.nodes: list[Node] = []
        self.scope: str = parent.scope if parent else ""
        self.n_clips: str = parent.n_clips if parent else ""
        self._names: dict[str, int] = parent._names if parent else {}
        self._made_by: dict[str, Node] = {}

    def new_name(self, stem: str) -> str:
        """A name that is not used by any tensor or node."""
        stem = f"{self.scope}/{stem}" if self.scope else stem
        self._names[stem] = self._names.get(stem, 0) + 1
        return f"{stem}_{self._names[stem]}"

    def emit(self, op: str, *inputs: Operand, n_outputs: int = 1, **attributes: Any) -> list[str]:
        """Add a node and return the names of its outputs."""
        name = self.new_name(op)
        outputs = [name if n_outputs == 1 else f"{name}_{i}" for i in range(n_outputs)]
        node = Node(op, name, list(inputs), outputs, attributes)
        self.nodes.append(node)
        self._made_by.update(dict.fromkeys(outputs, node))
        return outputs

    def made(self, op: str, inputs: Sequence[Operand], stored: Shape, like: Value, **attributes: Any) -> Value:
        """The only output of a new node, viewed as `like` is."""
        (name,) = self.emit(op, *inputs, **attributes)
        return replace(like, name=name, stored=stored, affine=None, exclusive=False)

    def applied(self, value: Value) -> Value:
        """`value` with its affine map applied: inside the convolution or product that computes it, or by additional nodes."""
        if value.affine is None:
            return value
        scale, shift = value.affine.scale, value.affine.shift
        value = replace(value, affine=None)
        node = self._made_by.get(value.name)
        if value.exclusive and node is not None and node.op in ("Conv", "Gemm") and _by_channel(scale) and _by_channel(shift):
            _fold(node, scale, shift, value.stored[1])
            return value
        if np.any(scale != 1):
            value = self.made("Mul", [value.name, scale], _broadcast(value.stored, scale), value)
        if np.any(shift != 0):
            value = self.made("Add", [value.name, shift], _broadcast(value.stored, shift), value)
        return value

    def settled(self, value: Value) -> str:
        """The name of a tensor that is stored in the shape in which `value` is viewed."""
        value = self.applied(value)
        name = value.name
        for step in value.steps:
            if isinstance(step, Reshape):
                (name,) = self.emit("Reshape", name, shape_constant(step.shape))
            else:
                (name,) = self.emit("Transpose", name, perm=step.axes)
        return name

    def full(self, value: Value | Array, shape: Shape) -> Value:
        """`value` stored in the full `shape` in which it is viewed: axes of size 1 are repeated where `shape` is larger."""
        if not isinstance(value, Value):
            if value.shape == shape:
                return Value(self.constant(value), shape, value.dtype)
            wide = np.broadcast_to(value, one_clip(shape))
            name = self.constant(wide)
            if wide.shape != shape:
                name = self.repeated(name, shape)
            return Value(name, shape, value.dtype)
        name = self.settled(value)
        if value.shape != shape:
            wanted = tuple(n if m == 1 else 1 for m, n in zip(value.shape, shape, strict=True))
            name = self.repeated(name, wanted)
        return Value(name, shape, value.dtype)

    def constant(self, value: Array) -> str:
        """The name of a tensor that holds `value`."""
        return self.emit("Constant", np.ascontiguousarray(value))[0]

    def repeated(self, name: str, shape: Shape) -> str:
        """The name of the tensor `name`, broadcast to `shape`."""
        if BATCH not in shape:
            return self.emit("Expand", name, np.array(shape, np.int64))[0]
        axis = shape.index(BATCH)
        parts: list[Operand] = [np.array(one, np.int64) for one in (shape[:axis], shape[axis + 1 :])]
        parts.insert(1, self.n_clips)
        (wanted,) = self.emit("Concat", *[part for part in parts if len(part)], axis=0)
        return self.emit("Expand", name, wanted)[0]


def shape_constant(shape: Shape) -> Array:
    """`shape` as the operand of a Reshape: -1 where it depends on the number of clips."""
    return np.array([-1 if n and n % BATCH == 0 else n for n in shape], np.int64)


def digest(value: Array) -> str:
    """A digest of type, shape and values."""
    return hashlib.sha256(f"{value.dtype}{value.shape}".encode() + value.tobytes()).hexdigest()


def _by_channel(values: Array) -> bool:
    """Whether a constant varies only along axis 1."""
    return values.ndim == 0 or all(n == 1 for axis, n in enumerate(values.shape) if axis != 1)


def _fold(node: Node, scale: Array, shift: Array, n: int) -> None:
    """Change the weights of a convolution or product so that it computes ``y * scale + shift``."""
    scale, shift = (np.broadcast_to(one.ravel(), n) for one in (scale, shift))
    weights = node.inputs[1]
    assert not isinstance(weights, str)
    before = node.inputs[2] if len(node.inputs) > 2 else np.zeros(n, weights.dtype)
    assert not isinstance(before, str)
    shaped = scale.reshape(-1, *[1] * (weights.ndim - 1)) if node.op == "Conv" else scale
    node.inputs[1:] = [weights * shaped, before * scale + shift]


def _broadcast(stored: Shape, constant: Array) -> Shape:
    if constant.ndim == 0:
        return stored
    return tuple(max(n, m) for n, m in zip(stored, constant.shape, strict=True))
