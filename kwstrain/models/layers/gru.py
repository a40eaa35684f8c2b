"""A gated recurrent unit that reads the frames from both ends (Cho et al. 2014, arXiv:1406.1078; the form of CuDNN and Keras)."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from kwstrain.models.layers.frames import fan_in_uniform


class GRU(nnx.Module):
    """``(batch, n_frames, n_in)`` to the outputs of all frames, ``(batch, n_frames, units)``; the reset gate acts after the product."""

    def __init__(self, n_in: int, units: int, *, dtype: Any, rngs: nnx.Rngs) -> None:
        self.kernel = nnx.Param(fan_in_uniform(rngs.params(), (n_in, 3 * units)))
        self.recurrent = nnx.Param(nnx.initializers.orthogonal()(rngs.params(), (units, 3 * units), jnp.float32))
        self.bias = nnx.Param(jnp.zeros((2, 3 * units)))
        self.dtype = dtype

    def __call__(self, x: jax.Array) -> jax.Array:
        kernel, recurrent, bias = (v[...].astype(self.dtype) for v in (self.kernel, self.recurrent, self.bias))
        projected = (x.astype(self.dtype) @ kernel + bias[0]).swapaxes(0, 1)

        def step(h: jax.Array, inputs: jax.Array) -> tuple[jax.Array, jax.Array]:
            update, reset, candidate = jnp.split(inputs, 3, axis=-1)
            update_h, reset_h, candidate_h = jnp.split(h @ recurrent + bias[1], 3, axis=-1)
            z = jax.nn.sigmoid(update + update_h)
            r = jax.nn.sigmoid(reset + reset_h)
            h = z * h + (1 - z) * jnp.tanh(candidate + r * candidate_h)
            return h, h

        start = jnp.zeros((x.shape[0], recurrent.shape[0]), self.dtype)
        return jax.lax.scan(step, start, projected)[1].swapaxes(0, 1)


class BidirectionalGRU(nnx.Module):
    """Outputs of a GRU over the frames and of another over the reversed frames, side by side: ``(batch, n_frames, 2 * units)``."""

    def __init__(self, n_in: int, units: int, *, dtype: Any, rngs: nnx.Rngs) -> None:
        self.forwards = GRU(n_in, units, dtype=dtype, rngs=rngs)
        self.backwards = GRU(n_in, units, dtype=dtype, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        return jnp.concatenate([self.forwards(x), self.backwards(x[:, ::-1])[:, ::-1]], axis=-1)
