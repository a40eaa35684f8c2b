"""Recurrent networks: system E.2 on a spectrogram (the mean of all outputs)."""

from __future__ import annotations

from typing import Any, Literal

import jax
import jax.numpy as jnp
from flax import nnx

from kwsfeat import ConfigError
from kwstrain.models.layers import dense, glorot_uniform


class LSTM(nnx.Module):
    """One LSTM layer; gates in Keras's order: input, forget, cell, output. A masked step keeps its state."""

    def __init__(self, n_in: int, units: int, *, dtype: Any, rngs: nnx.Rngs) -> None:
        self.kernel = nnx.Param(glorot_uniform(rngs.params(), (n_in, 4 * units)))
        self.recurrent = nnx.Param(nnx.initializers.orthogonal()(rngs.params(), (units, 4 * units), jnp.float32))
        self.bias = nnx.Param(jnp.zeros(4 * units).at[units : 2 * units].set(1.0))  # open forget gates: memory from the start
        self.dtype = dtype

    def __call__(self, x: jax.Array, mask: jax.Array | None = None) -> jax.Array:
        """Outputs of every step, ``(batch, n_frames, units)``, of `x` ``(batch, n_frames, n_in)``."""
        units = self.recurrent.shape[0]
        projected = x.astype(self.dtype) @ self.kernel[...].astype(self.dtype) + self.bias[...].astype(self.dtype)
        recurrent = self.recurrent[...].astype(self.dtype)
        keep = jnp.ones(x.shape[:2], bool) if mask is None else mask

        def step(state: tuple[jax.Array, jax.Array], inputs: tuple[jax.Array, jax.Array]) -> tuple[tuple[jax.Array, jax.Array], jax.Array]:
            h, c = state
            z, real = inputs
            i, f, g, o = jnp.split(z + h @ recurrent, 4, axis=-1)
            c_next = nnx.sigmoid(f) * c + nnx.sigmoid(i) * jnp.tanh(g)
            h_next = nnx.sigmoid(o) * jnp.tanh(c_next)
            h, c = jnp.where(real[:, None], h_next, h), jnp.where(real[:, None], c_next, c)
            return (h, c), h

        zero = jnp.zeros((x.shape[0], units), self.dtype)
        _, outputs = jax.lax.scan(step, (zero, zero), (projected.swapaxes(0, 1), keep.swapaxes(0, 1)))
        return outputs.swapaxes(0, 1)


class SpectrogramLSTM(nnx.Module):
    """System E.2: LSTM over the frames, its outputs averaged, Dense ReLU, Dropout, Dense.

    `pooling` ``time`` averages the outputs over the real frames, to `units` values; ``units`` averages each frame's output
    over its units, to `n_frames` values (0 for frames that are not real).
    """

    def __init__(
        self,
        input_shape: tuple[int, int],
        n_classes: int,
        *,
        rngs: nnx.Rngs,
        units: int = 128,
        hidden: int = 64,
        pooling: Literal["time", "units"] = "time",
        dropout: float = 0.3,
        dtype: Any = jnp.float32,
    ) -> None:
        if pooling not in ("time", "units"):
            raise ConfigError(f"pooling={pooling!r} must be 'time' or 'units'")
        n_frames, n_features = input_shape
        self.lstm = LSTM(n_features, units, dtype=dtype, rngs=rngs)
        self.dense = dense(units if pooling == "time" else n_frames, hidden, dtype=dtype, rngs=rngs)
        self.dropout = nnx.Dropout(dropout, rngs=rngs)
        self.out = dense(hidden, n_classes, dtype=dtype, rngs=rngs)
        self.pooling = pooling

    def __call__(self, x: jax.Array, mask: jax.Array | None = None) -> jax.Array:
        outputs = self.lstm(x, mask)
        if mask is not None:
            outputs = jnp.where(mask[..., None], outputs, 0)
        if self.pooling == "units":
            pooled = outputs.mean(axis=2)
        elif mask is None:
            pooled = outputs.mean(axis=1)
        else:
            pooled = outputs.sum(axis=1) / jnp.maximum(mask.sum(axis=1, keepdims=True), 1)
        return self.out(self.dropout(nnx.relu(self.dense(pooled)))).astype(jnp.float32)


class RawLSTM(nnx.Module):
    """System E.1: LSTM over the samples, its state at the last real one, Dense ReLU, Dropout, Dense."""

    def __init__(
        self,
        input_shape: tuple[int, int],
        n_classes: int,
        *,
        rngs: nnx.Rngs,
        units: int = 64,
        hidden: int = 64,
        dropout: float = 0.3,
        dtype: Any = jnp.float32,
    ) -> None:
        self.lstm = LSTM(input_shape[1], units, dtype=dtype, rngs=rngs)
        self.dense = dense(units, hidden, dtype=dtype, rngs=rngs)
        self.dropout = nnx.Dropout(dropout, rngs=rngs)
        self.out = dense(hidden, n_classes, dtype=dtype, rngs=rngs)

    def __call__(self, x: jax.Array, mask: jax.Array | None = None) -> jax.Array:
        last = self.lstm(x, mask)[:, -1]
        return self.out(self.dropout(nnx.relu(self.dense(last)))).astype(jnp.float32)
