"""The LSTM layer. It runs in chunks of steps, so that a recording of any length needs the memory of one chunk beside its outputs."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from kwsfeat import ConfigError
from kwstrain.models.layers.common import glorot_uniform
from kwstrain.models.layers.operations import PLAIN, Operations, State, Weights

_CHUNK = 128  # most steps of one chunk


def lstm(
    weights: Weights,
    x: jax.Array,
    mask: jax.Array | None,
    state: State | None = None,
    *,
    return_sequences: bool,
    operations: Operations = PLAIN,
) -> tuple[jax.Array, State]:
    """Run an LSTM over `x`; a step whose mask is False changes nothing.

    Parameters
    ----------
    weights
        The layer's weights, of the same dtype as `x`.
    x
        ``(batch, n_frames, n_in)``.
    mask
        bool ``(batch, n_frames)``; None: every step is real.
    state
        h and c before the first step, each ``(batch, units)``; None: zeros.
    return_sequences
        Return the output of every step (that of the step before where the mask is False), not only the last.
    operations
        What a chunk is computed by.

    Returns
    -------
    outputs : jax.Array
        ``(batch, n_frames, units)`` or, of the last step, ``(batch, units)``.
    state : tuple of jax.Array
        h and c after the last step: a call that begins with them goes on as if there had been no cut.
    """
    batch, n_frames, n_in = x.shape
    zero = jnp.zeros((batch, weights.recurrent.shape[0]), x.dtype)
    before = (zero, zero) if state is None else state
    n_chunks = -(-n_frames // _CHUNK)
    chunk = -(-n_frames // n_chunks)
    spare = n_chunks * chunk - n_frames
    real = jnp.ones(x.shape[:2], bool) if mask is None else mask
    steps = jnp.pad(x, ((0, 0), (0, spare), (0, 0))).swapaxes(0, 1).reshape(n_chunks, chunk, batch, n_in)
    reals = jnp.pad(real, ((0, 0), (0, spare))).swapaxes(0, 1).reshape(n_chunks, chunk, batch, 1).astype(x.dtype)
    run = operations.lstm_chunk
    after, outputs = jax.lax.scan(lambda state, inputs: run(return_sequences, weights, state, *inputs), before, (steps, reals))
    return after[0] if outputs is None else outputs.reshape(-1, *after[0].shape)[:n_frames].swapaxes(0, 1), after


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
        self.operations = PLAIN

    def __call__(
        self, x: jax.Array, mask: jax.Array | None, state: State | None = None, *, return_sequences: bool
    ) -> tuple[jax.Array, State]:
        """See :func:`lstm`."""
        weights = Weights(*(variable[...].astype(self.dtype) for variable in (self.kernel, self.recurrent, self.bias)))
        return lstm(weights, x.astype(self.dtype), mask, state, return_sequences=return_sequences, operations=self.operations)
