"""TC-ResNet: one-dimensional residual convolutions over time, the features are channels (Choi et al. 2019, arXiv:1904.03814)."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from kwstrain.models.layers.frames import FrameConv, linear, norm

_CHANNELS = (16, 24, 32, 48)


class Block(nnx.Module):
    """Two convolutions of nine frames; the shortcut is a strided 1 x 1 convolution where the block strides."""

    def __init__(self, n_in: int, n: int, stride: int, *, dtype: Any, rngs: nnx.Rngs) -> None:
        self.conv1 = FrameConv(n_in, n, (9, 1), stride=(stride, 1), dtype=dtype, rngs=rngs)
        self.norm1 = norm(n, dtype=dtype, rngs=rngs)
        self.conv2 = FrameConv(n, n, (9, 1), dtype=dtype, rngs=rngs)
        self.norm2 = norm(n, dtype=dtype, rngs=rngs)
        self.shortcut = FrameConv(n_in, n, (1, 1), stride=(stride, 1), dtype=dtype, rngs=rngs) if stride > 1 else None
        self.shortcut_norm = norm(n, dtype=dtype, rngs=rngs) if stride > 1 else None

    def __call__(self, x: jax.Array) -> jax.Array:
        y = nnx.relu(self.norm1(self.conv1(x)))
        y = self.norm2(self.conv2(y))
        if self.shortcut is not None and self.shortcut_norm is not None:
            x = nnx.relu(self.shortcut_norm(self.shortcut(x)))
        return nnx.relu(y + x)


class TCResNet(nnx.Module):
    """A convolution of three frames, then stages of `repeats` blocks, the first of each halving the frames; mean; Dense."""

    def __init__(
        self,
        input_shape: tuple[int, int],
        n_classes: int,
        *,
        rngs: nnx.Rngs,
        repeats: int = 1,
        width: float = 1.0,
        dropout: float = 0.5,
        dtype: Any = jnp.float32,
    ) -> None:
        channels = [int(n * width) for n in _CHANNELS]
        self.stem = FrameConv(input_shape[1], channels[0], (3, 1), dtype=dtype, rngs=rngs)
        blocks, n_in = [], channels[0]
        for n in channels[1:]:
            for i in range(repeats):
                blocks.append(Block(n_in, n, 2 if i == 0 else 1, dtype=dtype, rngs=rngs))
                n_in = n
        self.blocks = nnx.List(blocks)
        self.dropout = nnx.Dropout(dropout, rngs=rngs)
        self.out = linear(n_in, n_classes, dtype=dtype, rngs=rngs)

    def __call__(self, x: jax.Array, mask: jax.Array | None = None) -> jax.Array:
        x = self.stem(x[:, :, None])
        for block in self.blocks:
            x = block(x)
        return self.out(self.dropout(x.mean(axis=(1, 2)))).astype(jnp.float32)
