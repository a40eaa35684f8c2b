"""Deep residual networks of small convolutions, as in Honk (Tang & Lin 2017, arXiv:1710.10361)."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from kwstrain.models.layers.frames import FrameConv, linear, norm


class Res(nnx.Module):
    """3 x 3 convolutions of `filters` maps in pairs with a residual around each; `pool` averages first, or they dilate."""

    def __init__(
        self,
        input_shape: tuple[int, int],
        n_classes: int,
        *,
        rngs: nnx.Rngs,
        n_layers: int = 6,
        filters: int = 45,
        pool: tuple[int, int] = (4, 3),
        dilate: bool = False,
        dtype: Any = jnp.float32,
    ) -> None:
        self.stem = FrameConv(1, filters, (3, 3), dtype=dtype, rngs=rngs)
        self.convs = nnx.List(
            FrameConv(filters, filters, (3, 3), dilation=(2 ** (i // 3),) * 2 if dilate else (1, 1), dtype=dtype, rngs=rngs)
            for i in range(n_layers)
        )
        self.norms = nnx.List(norm(filters, use_scale=False, use_bias=False, dtype=dtype, rngs=rngs) for _ in range(n_layers))
        self.out = linear(filters, n_classes, dtype=dtype, rngs=rngs)
        self.pool = pool

    def __call__(self, x: jax.Array, mask: jax.Array | None = None) -> jax.Array:
        x = nnx.relu(self.stem(x[..., None]))
        if self.pool != (1, 1):
            x = nnx.avg_pool(x, self.pool, strides=self.pool)
        before = x
        for i, (conv, norm_) in enumerate(zip(self.convs, self.norms, strict=True), start=1):
            x = nnx.relu(conv(x))
            if i % 2 == 0:
                x = before = x + before
            x = norm_(x)
        return self.out(x.mean(axis=(1, 2))).astype(jnp.float32)
