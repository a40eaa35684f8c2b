"""The operations that layers are made of, in plain form: what evaluation and export compute, and what JAX differentiates.

A layer computes by its `operations`. Training and prediction give it other ones with the same values
(:mod:`kwstrain.operations`): faster, or with gradients of their own. The network itself does not change.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Protocol

import jax
import jax.numpy as jnp

Padding = Literal["valid", "same"]
Pads = tuple[tuple[int, int], tuple[int, int]]
Steps = tuple[int, int]
State = tuple[jax.Array, jax.Array]  # h and c, each (batch, units)


class Weights(NamedTuple):
    """Of an LSTM: `kernel` (n_in, 4 units), `recurrent` (units, 4 units), `bias` (4 units); gates in Keras's order i, f, g, o."""

    kernel: jax.Array
    recurrent: jax.Array
    bias: jax.Array


def conv2d(x: jax.Array, kernel: jax.Array, *, stride: int = 1, padding: Padding = "valid") -> jax.Array:
    """Convolve `x` by `kernel` (cross-correlation, as every framework does).

    Parameters
    ----------
    x
        float ``(batch, rows, columns, n_in)``.
    kernel
        The same dtype, ``(kernel rows, kernel columns, n_in, n_out)``.
    stride
        Step of rows and columns, >= 1.
    padding
        ``valid``, or ``same``: zeros around, the odd one at the end, for ``ceil(rows / stride)`` rows and likewise columns.

    Returns
    -------
    jax.Array
        ``(batch, rows out, columns out, n_out)``.
    """
    return xla_conv(x, kernel, (stride, stride), padding.upper())


def xla_conv(x: jax.Array, kernel: jax.Array, strides: tuple[int, int], padding: str | Pads) -> jax.Array:
    """XLA's convolution in our order of axes."""
    return jax.lax.conv_general_dilated(x, kernel, strides, padding, dimension_numbers=("NHWC", "HWIO", "NHWC"))


def frame_conv(x: jax.Array, kernel: jax.Array, *, stride: Steps, dilation: Steps, pads: Pads, groups: int) -> jax.Array:
    """Convolve images of frames, ``(batch, n_frames, n_features, n_in)``, by `kernel`, ``(frames, features, n_in / groups, n_out)``.

    `stride`, `dilation` and `pads` (zeros before and after) are of frames and features.
    """
    return jax.lax.conv_general_dilated(
        x, kernel, stride, pads, rhs_dilation=dilation, dimension_numbers=("NHWC", "HWIO", "NHWC"), feature_group_count=groups
    )


def max_pool(x: jax.Array) -> jax.Array:
    """Largest value of each 2 x 2 block of ``(batch, rows, columns, n)``; an odd last row or column is dropped."""
    return pooled(x)[0]


def pooled(x: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
    """The pooled image; where the left column held the larger value, of each pair of rows; where the upper row did."""
    batch, rows, columns, n = x.shape
    pairs = x[:, : rows // 2 * 2, : columns // 2 * 2].reshape(batch, rows // 2, 2, columns // 2, 2 * n)
    left, right = pairs[..., :n], pairs[..., n:]
    is_left = left >= right
    upper, lower = jnp.unstack(jnp.where(is_left, left, right), axis=2)
    is_upper = upper >= lower
    return jnp.where(is_upper, upper, lower), is_left, is_upper


def lstm_chunk(return_sequences: bool, weights: Weights, state: State, x: jax.Array, real: jax.Array) -> tuple[State, jax.Array | None]:
    """State after the steps of `x` (chunk, batch, n_in) and, if asked for, their outputs; `real` is 1 or 0, (chunk, batch, 1)."""

    def step(state: State, inputs: tuple[jax.Array, jax.Array]) -> tuple[State, jax.Array | None]:
        after, _ = lstm_step(weights.recurrent, state, inputs)
        return after, after[0] if return_sequences else None

    return jax.lax.scan(step, state, (x @ weights.kernel + weights.bias, real))


class Trace(NamedTuple):
    """What the gradient of a step needs: the state before it and its gates."""

    h: jax.Array
    c: jax.Array
    i: jax.Array
    f: jax.Array
    g: jax.Array
    o: jax.Array


def lstm_step(recurrent: jax.Array, state: State, inputs: tuple[jax.Array, jax.Array]) -> tuple[State, Trace]:
    """One step from what the input contributes, (batch, 4 units), and whether it is real, (batch, 1)."""
    h, c = state
    projected, real = inputs
    i, f, g, o = jnp.split(projected + h @ recurrent, 4, axis=-1)
    i, f, g, o = _sigmoid(i), _sigmoid(f), jnp.tanh(g), _sigmoid(o)
    c_next = f * c + i * g
    h_next = o * jnp.tanh(c_next)
    return (jnp.where(real > 0, h_next, h), jnp.where(real > 0, c_next, c)), Trace(h, c, i, f, g, o)


def _sigmoid(z: jax.Array) -> jax.Array:
    """The logistic function by tanh, which vectorises better."""
    return 0.5 * jnp.tanh(0.5 * z) + 0.5


class OfParts(Protocol):
    """Layers in a row, which an operation may compute as one."""

    def by_parts(self, x: jax.Array) -> jax.Array:
        """What they give for `x`, one after another."""


def together(layers: OfParts, x: jax.Array) -> jax.Array:
    """What `layers` give for `x`."""
    return layers.by_parts(x)


@dataclass(frozen=True)
class Operations:
    """What a layer computes by. Each has the signature and the values of the function of its name in this module."""

    conv2d: Callable[..., jax.Array] = conv2d
    frame_conv: Callable[..., jax.Array] = frame_conv
    max_pool: Callable[[jax.Array], jax.Array] = max_pool
    lstm_chunk: Callable[..., tuple[State, Any]] = lstm_chunk
    together: Callable[[Any, jax.Array], jax.Array] = together


PLAIN = Operations()
