"""DS-CNN: depthwise separable convolutions on a small MFCC image (Zhang et al. 2017, arXiv:1711.07128; MLPerf Tiny's variant)."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from kwstrain.models.layers.frames import FrameConv, TimePadding, linear, norm


class Separable(nnx.Module):
    """Depthwise 3 x 3, then pointwise, each followed by BatchNorm and ReLU."""

    def __init__(self, n: int, stride: tuple[int, int], *, time: TimePadding, full: bool, dtype: Any, rngs: nnx.Rngs) -> None:
        self.depthwise = FrameConv(n, n, (3, 3), stride=stride, groups=n, time=time, use_bias=full, dtype=dtype, rngs=rngs)
        self.norm1 = norm(n, use_scale=full, dtype=dtype, rngs=rngs)
        self.pointwise = FrameConv(n, n, (1, 1), use_bias=full, dtype=dtype, rngs=rngs)
        self.norm2 = norm(n, use_scale=full, dtype=dtype, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        x = nnx.relu(self.norm1(self.depthwise(x)))
        return nnx.relu(self.norm2(self.pointwise(x)))


class DSCNN(nnx.Module):
    """A 10 x 4 convolution with `stride`, then `n_blocks` separable ones, the first with `block_stride`; mean; Dense.

    BatchNorm without a scale, which the next convolution's weights hold: so counted, the paper's numbers come out. `full` is
    MLPerf Tiny's: biases and scales too.
    """

    def __init__(
        self,
        input_shape: tuple[int, int],
        n_classes: int,
        *,
        rngs: nnx.Rngs,
        filters: int = 64,
        stride: tuple[int, int] = (2, 2),
        block_stride: tuple[int, int] = (1, 1),
        n_blocks: int = 4,
        full: bool = False,
        causal: bool = False,
        dropout: float = 0.0,
        dtype: Any = jnp.float32,
    ) -> None:
        time: TimePadding = "causal" if causal else "same"
        self.stem = FrameConv(1, filters, (10, 4), stride=stride, time=time, use_bias=full, dtype=dtype, rngs=rngs)
        self.norm = norm(filters, use_scale=full, dtype=dtype, rngs=rngs)
        self.blocks = nnx.List(
            Separable(filters, block_stride if i == 0 else (1, 1), time=time, full=full, dtype=dtype, rngs=rngs) for i in range(n_blocks)
        )
        self.dropout = nnx.Dropout(dropout, rngs=rngs)
        self.out = linear(filters, n_classes, dtype=dtype, rngs=rngs)

    def frames(self, x: jax.Array) -> jax.Array:
        """``(batch, frames out, filters)``: what each frame contributes to the mean."""
        x = nnx.relu(self.norm(self.stem(x[..., None])))
        for block in self.blocks:
            x = block(x)
        return x.mean(axis=2)

    def __call__(self, x: jax.Array, mask: jax.Array | None = None) -> jax.Array:
        return self.out(self.dropout(self.frames(x).mean(axis=1))).astype(jnp.float32)
