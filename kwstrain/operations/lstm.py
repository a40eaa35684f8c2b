"""The gradient of an LSTM's chunk of steps.

Only the state before each chunk is kept for the gradient, which computes the chunk again: 17,640 steps then need the memory of
one chunk, and all of it stays in the processor's cache, which more than pays for the second computation. The gradients of the
weights are one matrix product a chunk instead of a small one a step.
"""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp

from kwstrain.models.layers import operations as plain
from kwstrain.models.layers.operations import State, Trace, Weights, lstm_step

lstm_chunk = jax.custom_vjp(plain.lstm_chunk, nondiff_argnums=(0,))


def _forward(
    return_sequences: bool, weights: Weights, state: State, x: jax.Array, real: jax.Array
) -> tuple[tuple[State, jax.Array | None], tuple[Weights, State, jax.Array, jax.Array]]:
    return plain.lstm_chunk(return_sequences, weights, state, x, real), (weights, state, x, real)


def _backward(
    return_sequences: bool, saved: tuple[Weights, State, jax.Array, jax.Array], gradient: tuple[State, jax.Array | None]
) -> tuple[Weights, State, jax.Array, None]:
    weights, state, x, real = saved
    d_state, d_outputs = gradient
    _, trace = jax.lax.scan(partial(lstm_step, weights.recurrent), state, (x @ weights.kernel + weights.bias, real))

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


lstm_chunk.defvjp(_forward, _backward)
