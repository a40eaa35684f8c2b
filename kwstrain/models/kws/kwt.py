"""Keyword Transformer: self-attention over frames, a class token in front (Berg et al. 2021, arXiv:2104.00769)."""

from __future__ import annotations

import math
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from kwstrain.models.layers.frames import linear

_HEAD = 64  # values of one head


class Attention(nnx.Module):
    """Multi-head self-attention without biases before the output (Vaswani et al. 2017, arXiv:1706.03762, section 3.2)."""

    def __init__(self, n: int, heads: int, *, dtype: Any, rngs: nnx.Rngs) -> None:
        self.qkv = linear(n, 3 * heads * _HEAD, use_bias=False, dtype=dtype, rngs=rngs)
        self.out = linear(heads * _HEAD, n, dtype=dtype, rngs=rngs)
        self.heads = heads

    def __call__(self, x: jax.Array, mask: jax.Array | None) -> jax.Array:
        batch, n_tokens, _ = x.shape
        q, k, v = jnp.unstack(self.qkv(x).reshape(batch, n_tokens, 3, self.heads, _HEAD), axis=2)
        scores = jnp.einsum("bihd,bjhd->bhij", q, k) / math.sqrt(_HEAD)
        if mask is not None:
            scores = jnp.where(mask[:, None, None], scores, jnp.finfo(scores.dtype).min)
        weights = jax.nn.softmax(scores.astype(jnp.float32), axis=-1).astype(v.dtype)
        return self.out(jnp.einsum("bhij,bjhd->bihd", weights, v).reshape(batch, n_tokens, -1))


class Layer(nnx.Module):
    """Attention, then an MLP; each is added to its input before the LayerNorm."""

    def __init__(self, n: int, heads: int, mlp: int, *, dropout: float, dtype: Any, rngs: nnx.Rngs) -> None:
        self.attention = Attention(n, heads, dtype=dtype, rngs=rngs)
        self.norm1 = nnx.LayerNorm(n, epsilon=1e-5, dtype=dtype, rngs=rngs)
        self.dense1 = linear(n, mlp, dtype=dtype, rngs=rngs)
        self.dense2 = linear(mlp, n, dtype=dtype, rngs=rngs)
        self.norm2 = nnx.LayerNorm(n, epsilon=1e-5, dtype=dtype, rngs=rngs)
        self.dropout = nnx.Dropout(dropout, rngs=rngs)

    def __call__(self, x: jax.Array, mask: jax.Array | None) -> jax.Array:
        x = self.norm1(x + self.dropout(self.attention(x, mask)))
        y = self.dense2(self.dropout(nnx.gelu(self.dense1(x))))
        normalised: jax.Array = self.norm2(x + self.dropout(y))
        return normalised


class KWT(nnx.Module):
    """A frame is a token of `units` values; `depth` layers; the class token's output is classified.

    Positions are learnt for the frames of `input_shape`; another number of frames interpolates them. Frames that are not real
    are not attended to.
    """

    def __init__(
        self,
        input_shape: tuple[int, int],
        n_classes: int,
        *,
        rngs: nnx.Rngs,
        units: int = 64,
        heads: int = 1,
        mlp: int = 256,
        depth: int = 12,
        dropout: float = 0.0,
        dtype: Any = jnp.float32,
    ) -> None:
        n_frames, n_features = input_shape
        self.embed = linear(n_features, units, dtype=dtype, rngs=rngs)
        self.token = nnx.Param(0.02 * jax.random.normal(rngs.params(), (units,)))
        self.positions = nnx.Param(0.02 * jax.random.normal(rngs.params(), (1 + n_frames, units)))
        self.layers = nnx.List(Layer(units, heads, mlp, dropout=dropout, dtype=dtype, rngs=rngs) for _ in range(depth))
        self.out = linear(units, n_classes, dtype=dtype, rngs=rngs)

    def __call__(self, x: jax.Array, mask: jax.Array | None = None) -> jax.Array:
        batch, n_frames, _ = x.shape
        positions = self.positions[...]
        if n_frames != len(positions) - 1:
            others = jax.image.resize(positions[1:], (n_frames, positions.shape[1]), "linear")
            positions = jnp.concatenate([positions[:1], others])
        embedded = self.embed(x)
        token = jnp.broadcast_to(self.token[...].astype(embedded.dtype), (batch, 1, embedded.shape[-1]))
        x = jnp.concatenate([token, embedded], axis=1) + positions.astype(embedded.dtype)
        if mask is not None:
            mask = jnp.concatenate([jnp.ones((batch, 1), bool), mask], axis=1)
        for layer in self.layers:
            x = layer(x, mask)
        return self.out(x[:, 0]).astype(jnp.float32)
