"""The LSTM layer.

It runs in chunks of steps. Of each chunk only the state before it is kept for the gradient, which computes the chunk
again: 17,640 steps then need the memory of `_CHUNK`, and all of it stays in the processor's cache, which more than pays for the
second computation. The gradients of the weights are one matrix product a chunk instead of a small one a step.
"""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx
from jax.sharding import PartitionSpec

from kwsfeat import ConfigError
from kwstrain.models.layers.common import glorot_uniform
from kwstrain.training.devices import mesh

_CHUNK = 128  # most steps of one chunk


class Weights(NamedTuple):
    """`kernel` (n_in, 4 * units), `recurrent` (units, 4 * units), `bias` (4 * units); gates in Keras's order i, f, g, o."""

    kernel: jax.Array
    recurrent: jax.Array
    bias: jax.Array


State = tuple[jax.Array, jax.Array]  # h and c, each (batch, units)


def lstm(weights: Weights, x: jax.Array, mask: jax.Array | None, *, return_sequences: bool) -> jax.Array:
    """Run an LSTM over `x`; a step whose mask is False changes nothing.

    Parameters
    ----------
    weights
        The layer's weights, of the same dtype as `x`.
    x
        ``(batch, n_frames, n_in)``.
    mask
        bool ``(batch, n_frames)``; None: every step is real.
    return_sequences
        Return the output of every step (that of the step before where the mask is False), not only the last.

    Returns
    -------
    jax.Array
        ``(batch, n_frames, units)`` or, of the last step, ``(batch, units)``.
    """
    real = jnp.ones(x.shape[:2], bool) if mask is None else mask
    run = partial(_whole, return_sequences)
    if len(x) % jax.local_device_count() == 0:
        # Without this the compiler lets every device run the loop for the whole batch.
        by_batch = PartitionSpec("batch")
        run = jax.shard_map(run, mesh=mesh(), in_specs=(PartitionSpec(), by_batch, by_batch), out_specs=by_batch, check_vma=False)
    return run(weights, x, real)


def _whole(return_sequences: bool, weights: Weights, x: jax.Array, real: jax.Array) -> jax.Array:
    batch, n_frames, n_in = x.shape
    n_chunks = -(-n_frames // _CHUNK)
    chunk = -(-n_frames // n_chunks)
    spare = n_chunks * chunk - n_frames
    steps = jnp.pad(x, ((0, 0), (0, spare), (0, 0))).swapaxes(0, 1).reshape(n_chunks, chunk, batch, n_in)
    reals = jnp.pad(real, ((0, 0), (0, spare))).swapaxes(0, 1).reshape(n_chunks, chunk, batch, 1).astype(x.dtype)
    zero = jnp.zeros((batch, weights.recurrent.shape[0]), x.dtype)
    (h, _), outputs = jax.lax.scan(lambda state, inputs: _chunk(return_sequences, weights, state, *inputs), (zero, zero), (steps, reals))
    return h if outputs is None else outputs.reshape(-1, *h.shape)[:n_frames].swapaxes(0, 1)


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def _chunk(return_sequences: bool, weights: Weights, state: State, x: jax.Array, real: jax.Array) -> tuple[State, jax.Array | None]:
    """State after the steps of `x` (chunk, batch, n_in) and, if asked for, their outputs; `real` is 1 or 0, (chunk, batch, 1)."""

    def step(state: State, inputs: tuple[jax.Array, jax.Array]) -> tuple[State, jax.Array | None]:
        after, _ = _step(weights.recurrent, state, inputs)
        return after, after[0] if return_sequences else None

    return jax.lax.scan(step, state, (x @ weights.kernel + weights.bias, real))


def _forward(
    return_sequences: bool, weights: Weights, state: State, x: jax.Array, real: jax.Array
) -> tuple[tuple[State, jax.Array | None], tuple[Weights, State, jax.Array, jax.Array]]:
    return _chunk(return_sequences, weights, state, x, real), (weights, state, x, real)


def _backward(
    return_sequences: bool, saved: tuple[Weights, State, jax.Array, jax.Array], gradient: tuple[State, jax.Array | None]
) -> tuple[Weights, State, jax.Array, None]:
    weights, state, x, real = saved
    d_state, d_outputs = gradient
    _, trace = jax.lax.scan(partial(_step, weights.recurrent), state, (x @ weights.kernel + weights.bias, real))

    def back(d_state: State, inputs: tuple[Trace, jax.Array, jax.Array | None]) -> tuple[State, jax.Array]:
        (_, c, i, f, g, o), real, d_output = inputs
        dh, dc = d_state if d_output is None else (d_state[0] + d_output, d_state[1])
        tanh_c = jnp.tanh(f * c + i * g)
        dh_real = real * dh
        dc_real = real * dc + dh_real * o * (1 - tanh_c * tanh_c)
        dz = jnp.concatenate(
            [dc_real * g * i * (1 - i), dc_real * c * f * (1 - f), dc_real * i * (1 - g * g), dh_real * tanh_c * o * (1 - o)], axis=-1
        )
        return (dz @ weights.recurrent.T + (dh - dh_real), dc_real * f + (dc - real * dc)), dz

    d_state, dz = jax.lax.scan(back, d_state, (trace, real, d_outputs), reverse=True)
    flat = dz.reshape(-1, dz.shape[-1])
    d_weights = Weights(x.reshape(len(flat), -1).T @ flat, trace.h.reshape(len(flat), -1).T @ flat, flat.sum(axis=0))
    return d_weights, d_state, dz @ weights.kernel.T, None


_chunk.defvjp(_forward, _backward)


class Trace(NamedTuple):
    """What the gradient of a step needs: the state before it and its gates."""

    h: jax.Array
    c: jax.Array
    i: jax.Array
    f: jax.Array
    g: jax.Array
    o: jax.Array


def _step(recurrent: jax.Array, state: State, inputs: tuple[jax.Array, jax.Array]) -> tuple[State, Trace]:
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


class LSTM(nnx.Module):
    """The weights of one layer, as Keras makes them: orthogonal recurrent kernel, forget gates open.

    With `chrono_steps` the gates begin such that the units remember for 1 to `chrono_steps` steps (Tallec and Ollivier 2018,
    arXiv:1804.11188, section 2): over thousands of steps Keras's would forget the beginning, and the gradient would not reach it.
    """

    def __init__(self, n_in: int, units: int, *, chrono_steps: int = 0, dtype: Any, rngs: nnx.Rngs) -> None:
        if chrono_steps and chrono_steps < 3:
            raise ConfigError(f"chrono_steps={chrono_steps} must be >= 3 steps, or 0 for Keras's start")
        self.kernel = nnx.Param(glorot_uniform(rngs.params(), (n_in, 4 * units)))
        self.recurrent = nnx.Param(nnx.initializers.orthogonal()(rngs.params(), (units, 4 * units), jnp.float32))
        forget = (
            jnp.log(jax.random.uniform(rngs.params(), (units,), minval=1.0, maxval=chrono_steps - 1.0)) if chrono_steps else jnp.ones(units)
        )
        start = -forget if chrono_steps else jnp.zeros(units)
        self.bias = nnx.Param(jnp.concatenate([start, forget, jnp.zeros(2 * units)]))
        self.dtype = dtype

    def __call__(self, x: jax.Array, mask: jax.Array | None, *, return_sequences: bool) -> jax.Array:
        """See :func:`lstm`."""
        weights = Weights(*(variable[...].astype(self.dtype) for variable in (self.kernel, self.recurrent, self.bias)))
        return lstm(weights, x.astype(self.dtype), mask, return_sequences=return_sequences)
