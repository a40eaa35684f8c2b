"""VGG16 without its top (Simonyan and Zisserman 2014), layer for layer as in Keras."""

from __future__ import annotations

from typing import Any

import jax
from flax import nnx

from kwstrain.models.layers.common import Conv, max_pool

_BLOCKS = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))


class VGG16(nnx.Module):
    """Image ``(batch, rows, columns, 3)`` to ``(batch, rows // 32, columns // 32, 512)``; 14,714,688 parameters."""

    n_out = 512
    preprocessing = "caffe"

    def __init__(self, *, dtype: Any, rngs: nnx.Rngs) -> None:
        self.layers: nnx.Dict[Any] = nnx.Dict()
        n_in = 3
        for b, widths in enumerate(_BLOCKS, 1):
            for c, width in enumerate(widths, 1):
                self.layers[f"block{b}_conv{c}"] = Conv(n_in, width, 3, padding="same", dtype=dtype, rngs=rngs)
                n_in = width

    @staticmethod
    def size(n: int) -> int:
        """Output rows of `n` input rows."""
        return n // 32

    def __call__(self, x: jax.Array) -> jax.Array:
        for b, widths in enumerate(_BLOCKS, 1):
            for c in range(1, len(widths) + 1):
                x = nnx.relu(self.layers[f"block{b}_conv{c}"](x))
            x = max_pool(x)
        return x
