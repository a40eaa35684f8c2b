"""What a network costs and how much of the signal it sees, read from its own operations: nothing is written down by hand.

The network is traced to JAX's operations, and each is followed: its multiply-adds are counted, and of each value it is known which
frames of the input one of its frames depends on.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx

from kwstrain.models.layers.operations import PLAIN
from kwstrain.models.network import Network


@dataclass(frozen=True)
class Cost:
    """Of one clip: `multiply_adds` of convolutions and products; `frames` that an output sees, and `later` ones that it waits for.

    An output is a frame of what the mean over time is taken of; both are None where a network has no such part, but sees its whole
    input at once.
    """

    multiply_adds: int
    frames: int | None
    later: int | None


class _Seen(NamedTuple):
    """Of a value with frames along `axis`: frame j depends on the input's frames from j * step - before to j * step + after."""

    axis: int
    step: int
    before: int
    after: int


_WHOLE = None  # depends on all frames, or on none


def cost(model: Network, input_shape: tuple[int, int]) -> Cost:
    """Count what `model`, of which shapes are enough, does with one clip of `input_shape` (n_frames, n_features)."""
    model.eval()  # type: ignore[no-untyped-call]
    model.use(PLAIN)
    graph, state = nnx.split(model)
    shapes = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype), state)
    x = jax.ShapeDtypeStruct((1, *input_shape), jnp.float32)
    closed = jax.make_jaxpr(lambda state, x: nnx.merge(graph, state).forward(x, None))(shapes, x)
    walk = _Walk()
    walk.follow(closed.jaxpr, [*[_WHOLE] * (len(closed.jaxpr.invars) - 1), _Seen(1, 1, 0, 0)])
    if walk.pooled is None or walk.mixed:
        return Cost(walk.multiply_adds, None, None)
    seen, n_outputs = walk.pooled
    newest = (n_outputs - 1) * seen.step + seen.after  # that the last output sees: behind the input's last where zeros stand for what waits
    return Cost(walk.multiply_adds, seen.before + seen.after + 1, max(0, newest - (input_shape[0] - 1)))


class _Walk:
    """Follows the operations of a network, adding up."""

    def __init__(self) -> None:
        self.multiply_adds = 0
        self.pooled: tuple[_Seen, int] | None = None  # of what the last reduction over time was taken of, and how many frames it has
        self.mixed = False  # whether frames met frames in another way, as in attention or a recurrence

    def follow(self, jaxpr: Any, seen: Sequence[_Seen | None], times: int = 1) -> list[_Seen | None]:
        """The outputs' dependence on the input, from the inputs'; every operation is done `times` times."""
        known: dict[Any, _Seen | None] = dict(zip(jaxpr.invars, seen, strict=True))

        def of(variable: Any) -> _Seen | None:
            return None if hasattr(variable, "val") else known.get(variable)

        for equation in jaxpr.eqns:
            given = [of(variable) for variable in equation.invars]
            known.update(zip(equation.outvars, self._of(equation, given, times), strict=False))
        return [of(variable) for variable in jaxpr.outvars]

    def _of(self, equation: Any, given: list[_Seen | None], times: int) -> list[_Seen | None]:
        name, n_out = equation.primitive.name, len(equation.outvars)
        shapes = [variable.aval.shape for variable in equation.invars]
        out = equation.outvars[0].aval.shape
        if name == "scan":
            return self._scan(equation, given, times)
        for key in ("jaxpr", "call_jaxpr", "fun_jaxpr"):
            if key in equation.params:
                inner = equation.params[key]
                return self.follow(getattr(inner, "jaxpr", inner), given, times)
        if name == "conv_general_dilated":
            numbers = equation.params["dimension_numbers"]
            window = math.prod(shapes[1][axis] for axis in numbers.rhs_spec[2:]) * shapes[1][numbers.rhs_spec[1]]
            self.multiply_adds += times * math.prod(out) * window
            return [self._conv(equation, given[0], shapes[1])]
        if name == "dot_general":
            (contracted, _), _ = equation.params["dimension_numbers"]
            self.multiply_adds += times * math.prod(out) * math.prod(shapes[0][axis] for axis in contracted)
            return [self._dot(equation, given, shapes)]
        there = [(one, shape) for one, shape in zip(given, shapes, strict=True) if one is not None]
        if not there:
            return [_WHOLE] * n_out
        one, shape = there[0]
        if name == "broadcast_in_dim":
            return [one._replace(axis=equation.params["broadcast_dimensions"][one.axis])]
        if name == "transpose":
            return [one._replace(axis=equation.params["permutation"].index(one.axis))]
        if name in ("reshape", "squeeze", "expand_dims"):
            return [self._reshaped(one, shape, out)]
        if name.startswith(("reduce_window", "cumsum")):
            return [self._window(equation, one)]
        if name.startswith(("reduce_", "argmax", "argmin")):
            return [self._reduced(one, shape, equation.params["axes"])] * n_out
        if name == "slice":
            step = (equation.params["strides"] or (1,) * len(shape))[one.axis]
            return [_moved(one, -equation.params["start_indices"][one.axis], step)]
        if name == "pad":
            return [_moved(one, equation.params["padding_config"][one.axis][0], 1)]
        joined = _joined([other for other, _ in there])
        kept = joined is not None and len(out) > joined.axis and all(len(other) == len(out) for _, other in there)
        return [joined if kept else self._mixed()] * n_out

    def _conv(self, equation: Any, one: _Seen | None, kernel: tuple[int, ...]) -> _Seen | None:
        if one is None:
            return _WHOLE
        parameters, numbers = equation.params, equation.params["dimension_numbers"]
        if one.axis not in numbers.lhs_spec[2:]:
            return one._replace(axis=numbers.out_spec[0]) if one.axis == numbers.lhs_spec[0] else self._mixed()
        place = numbers.lhs_spec[2:].index(one.axis)
        reach = (kernel[numbers.rhs_spec[2:][place]] - 1) * parameters["rhs_dilation"][place]
        moved = _moved(one, parameters["padding"][place][0], parameters["window_strides"][place], reach)
        return moved._replace(axis=numbers.out_spec[2:][place])

    def _window(self, equation: Any, one: _Seen) -> _Seen:
        parameters = equation.params
        reach = (parameters["window_dimensions"][one.axis] - 1) * parameters["window_dilation"][one.axis]
        return _moved(one, parameters["padding"][one.axis][0], parameters["window_strides"][one.axis], reach)

    def _dot(self, equation: Any, given: list[_Seen | None], shapes: list[tuple[int, ...]]) -> _Seen | None:
        contracted, batch = equation.params["dimension_numbers"]
        if given[0] is not None and given[1] is not None:
            return self._mixed()
        side = 0 if given[0] is not None else 1
        one = given[side]
        if one is None:
            return _WHOLE
        if one.axis in contracted[side]:
            return self._mixed()
        if one.axis in batch[side]:
            return one._replace(axis=batch[side].index(one.axis))
        free = [axis for axis in range(len(shapes[side])) if axis not in contracted[side] and axis not in batch[side]]
        first = len(batch[0]) + (len(shapes[0]) - len(contracted[0]) - len(batch[0]) if side else 0)
        return one._replace(axis=first + free.index(one.axis))

    def _scan(self, equation: Any, given: list[_Seen | None], times: int) -> list[_Seen | None]:
        """A loop, over time wherever what it goes over has frames: then everything depends on everything."""
        parameters = equation.params
        inner = parameters["jaxpr"].jaxpr
        self.follow(inner, [_WHOLE] * len(inner.invars), times * parameters["length"])
        if any(one is not None for one in given):
            self._mixed()
        return [_WHOLE] * len(equation.outvars)

    def _reshaped(self, one: _Seen, before: tuple[int, ...], after: tuple[int, ...]) -> _Seen | None:
        ahead = math.prod(before[: one.axis])
        for axis, n in enumerate(after):
            if n == before[one.axis] and math.prod(after[:axis]) == ahead:
                return one._replace(axis=axis)
        return self._mixed()

    def _reduced(self, one: _Seen, shape: tuple[int, ...], axes: tuple[int, ...]) -> _Seen | None:
        if one.axis in axes:
            self.pooled = one, shape[one.axis]
            return _WHOLE
        return one._replace(axis=one.axis - sum(axis < one.axis for axis in axes))

    def _mixed(self) -> _Seen | None:
        """Frames met frames: what comes of it depends on all of them."""
        self.mixed = True
        return _WHOLE


def _moved(one: _Seen, before: int, step: int, reach: int = 0) -> _Seen:
    """Frame j from frames j * step - before to j * step - before + reach of a value that depends on the input as `one` says."""
    return _Seen(one.axis, one.step * step, one.before + before * one.step, one.after + (reach - before) * one.step)


def _joined(several: list[_Seen]) -> _Seen | None:
    """What depends on all of them, frame by frame; None where their frames do not lie side by side."""
    if len({(one.axis, one.step) for one in several}) > 1:
        return None
    return several[0]._replace(before=max(one.before for one in several), after=max(one.after for one in several))
