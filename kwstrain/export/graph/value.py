"""A tensor of the graph as the network sees it: what is stored, how it is viewed, and the affine map that is still to be applied.

In ONNX the channels of a convolution come before space, in our networks after it. Reshapes and transpositions are only noted, so
that those which cancel are never written. Constant factors and summands are noted in the same way, and a convolution then absorbs
them into its weights (which removes BatchNorm).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Shape = tuple[int, ...]
Array = NDArray[Any]

BATCH = 1_000_003  # the size that stands for the number of clips while a network is traced: a prime that no layer has


class Reshape(NamedTuple):
    """The values in the same order, in another shape."""

    shape: Shape


class Transpose(NamedTuple):
    """The axes in another order."""

    axes: Shape


Step = Reshape | Transpose


@dataclass(frozen=True)
class Affine:
    """Still to be applied to what is stored: ``x * scale + shift``, both in the stored order of axes."""

    scale: Array
    shift: Array


@dataclass(frozen=True)
class Value:
    """The tensor `name`, stored in the shape `stored` and viewed through `steps`.

    `exclusive` is True as long as nothing else uses the tensor, so that the node that computes it may still be changed.
    """

    name: str
    stored: Shape
    dtype: np.dtype[Any]
    steps: tuple[Step, ...] = ()
    affine: Affine | None = field(default=None, compare=False)
    exclusive: bool = False

    @property
    def shape(self) -> Shape:
        """The shape in which it is viewed."""
        return shape_after(self.stored, self.steps)

    @property
    def axes(self) -> Shape | None:
        """The stored axis of each viewed axis if only the order of axes differs; otherwise None."""
        if not self.steps:
            return tuple(range(len(self.stored)))
        first = self.steps[0]
        return first.axes if len(self.steps) == 1 and isinstance(first, Transpose) else None

    def reshaped(self, shape: Shape) -> Value:
        """The same tensor viewed in another shape."""
        return replace(self, steps=_then(self.stored, self.steps, Reshape(tuple(shape))))

    def transposed(self, axes: Shape) -> Value:
        """The same tensor viewed with its axes in another order."""
        return replace(self, steps=_then(self.stored, self.steps, Transpose(tuple(axes))))

    def with_affine(self, scale: Array, shift: Array) -> Value:
        """The same tensor times `scale`, plus `shift`: constants in the viewed shape, or scalars."""
        scale, shift = (self.as_stored(np.asarray(one, self.dtype)) for one in (scale, shift))
        before = self.affine or Affine(np.ones((), self.dtype), np.zeros((), self.dtype))
        return replace(self, affine=Affine(before.scale * scale, before.shift * scale + shift))

    def as_stored(self, constant: Array) -> Array:
        """A constant that broadcasts to the viewed shape, in the stored order; axes along which it does not vary have size 1."""
        if constant.size == 1:
            return constant.reshape(())
        stored, looked_at = one_clip(self.stored), one_clip(self.shape)
        places = np.arange(math.prod(stored)).reshape(stored)
        for step in self.steps:
            places = places.reshape(one_clip(step.shape)) if isinstance(step, Reshape) else places.transpose(step.axes)
        values = np.empty(math.prod(stored), constant.dtype)
        values[places.ravel()] = np.broadcast_to(constant, looked_at).ravel()
        return _squeezed(values.reshape(stored))


def shape_after(stored: Shape, steps: tuple[Step, ...]) -> Shape:
    """The shape in which `steps` show a tensor."""
    shape = stored
    for step in steps:
        shape = step.shape if isinstance(step, Reshape) else tuple(shape[a] for a in step.axes)
    return shape


def one_clip(shape: Shape) -> Shape:
    """`shape` for a batch of one."""
    return tuple(n // BATCH if n and n % BATCH == 0 else n for n in shape)


def _then(stored: Shape, steps: tuple[Step, ...], step: Step) -> tuple[Step, ...]:
    """`steps` followed by `step`, without steps that cancel."""
    shape = shape_after(stored, steps)
    if isinstance(step, Transpose):
        if steps and isinstance(steps[-1], Transpose):
            before = steps[-1].axes
            return _then(stored, steps[:-1], Transpose(tuple(before[a] for a in step.axes)))
        moved = [a for a in step.axes if shape[a] != 1]
        if step.axes == tuple(range(len(shape))):
            return steps
        if moved == sorted(moved):  # only axes of size 1 move
            return _then(stored, steps, Reshape(tuple(shape[a] for a in step.axes)))
        return (*steps, step)
    if steps and isinstance(steps[-1], Reshape):
        return _then(stored, steps[:-1], step)
    return steps if shape == step.shape else (*steps, step)


def _squeezed(values: Array) -> Array:
    for axis in range(values.ndim):
        first = values.take([0], axis)
        if values.shape[axis] > 1 and np.array_equal(np.broadcast_to(first, values.shape), values):
            values = first
    return values
