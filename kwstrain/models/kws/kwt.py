"""Keyword Transformer: self-attention over frames, a class token in front (Berg et al. 2021, arXiv:2104.00769)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from kwstrain.models.layers.frames import linear
from kwstrain.models.network import Network
from kwstrain.models.options import Options, option
from kwstrain.models.registry import ModelSpec, Published

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
            scores = jnp.where(mask[:, None, None], scores, -1e30)
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


@dataclass(frozen=True, kw_only=True)
class KWTOptions(Options):
    """Options of the Keyword Transformer."""

    units: int = option(64, "values of a token", at_least=1)
    heads: int = option(1, "of the attention, 64 values each", at_least=1)
    mlp: int = option(256, "units of the hidden layer of each MLP", at_least=1)
    depth: int = option(12, "layers", at_least=1)
    dropout: float = option(0.0, "rate after attention and in the MLP", at_least=0, below=1)


class KWT(Network):
    """A frame is a token; the class token's output is classified.

    Positions are learnt for the frames of `input_shape`; another number of frames interpolates them. Frames that are not real
    are not attended to.
    """

    def __init__(self, input_shape: tuple[int, int], n_classes: int, options: KWTOptions, *, rngs: nnx.Rngs) -> None:
        dtype = options.dtype
        units = options.units
        n_frames, n_features = input_shape
        self.embed = linear(n_features, units, dtype=dtype, rngs=rngs)
        self.token = nnx.Param(0.02 * jax.random.normal(rngs.params(), (units,)))
        self.positions = nnx.Param(0.02 * jax.random.normal(rngs.params(), (1 + n_frames, units)))
        self.layers = nnx.List(
            Layer(units, options.heads, options.mlp, dropout=options.dropout, dtype=dtype, rngs=rngs) for _ in range(options.depth)
        )
        self.out = linear(units, n_classes, dtype=dtype, rngs=rngs)

    def forward(self, x: jax.Array, mask: jax.Array | None) -> jax.Array:
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


SPECS = tuple(
    ModelSpec(
        name=f"kwt-{heads}",
        network=KWT,
        options=KWTOptions(units=64 * heads, heads=heads, mlp=256 * heads),
        published=(Published(input_shape=(98, 40), n_classes=12, source="Berg et al. 2021, arXiv:2104.00769"),),
        training={
            "optimizer": "adamw", "lr": 1e-3, "schedule": "cosine", "warmup": 0.07, "weight_decay": 0.1, "label_smoothing": 0.1,
            "batch": 128, "epochs": 140, "augment": "bcresnet", "time_masks": 2, "time_mask_frames": 25, "feature_masks": 2,
            "feature_mask_bins": 7,
        },
    )
    for heads in (1, 2, 3)
)  # fmt: skip
