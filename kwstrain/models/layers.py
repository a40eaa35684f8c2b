"""The layers that the networks share, with Keras's defaults: initialisers, BatchNorm, pooling that drops the remainder."""

from __future__ import annotations

from typing import Any, Literal

import jax
import jax.numpy as jnp
from flax import nnx

Padding = Literal["valid", "same"]


class Conv(nnx.Module):
    """2-D convolution, ``(batch, rows, columns, channels)``, kernel ``(rows, columns, n_in, n_out)``.

    `padding` is Keras's: ``same`` puts the odd row or column of zeros at the end.
    """

    def __init__(
        self,
        n_in: int,
        n_out: int,
        size: int | tuple[int, int],
        *,
        stride: int = 1,
        padding: Padding = "valid",
        use_bias: bool = True,
        dtype: Any,
        rngs: nnx.Rngs,
    ) -> None:
        rows, columns = (size, size) if isinstance(size, int) else size
        self.kernel = nnx.Param(nnx.initializers.glorot_uniform()(rngs.params(), (rows, columns, n_in, n_out), jnp.float32))
        self.bias = nnx.Param(jnp.zeros(n_out)) if use_bias else None
        self.stride = stride
        self.padding = padding
        self.dtype = dtype

    def __call__(self, x: jax.Array) -> jax.Array:
        y = jax.lax.conv_general_dilated(
            x.astype(self.dtype),
            self.kernel[...].astype(self.dtype),
            (self.stride, self.stride),
            self.padding.upper(),
            dimension_numbers=("NHWC", "HWIO", "NHWC"),
        )
        return y if self.bias is None else y + self.bias[...].astype(self.dtype)


def dense(n_in: int, n_out: int, *, dtype: Any, rngs: nnx.Rngs) -> nnx.Linear:
    """A fully connected layer with Keras's initialiser."""
    return nnx.Linear(n_in, n_out, kernel_init=nnx.initializers.glorot_uniform(), dtype=dtype, rngs=rngs)


def batch_norm(n: int, *, dtype: Any, rngs: nnx.Rngs) -> nnx.BatchNorm:
    """BatchNorm with Keras's epsilon. The running statistics follow faster (0.9, not 0.99): runs here can be short."""
    return nnx.BatchNorm(n, momentum=0.9, epsilon=1e-3, dtype=dtype, rngs=rngs)


def max_pool(x: jax.Array, size: int = 2) -> jax.Array:
    """Largest value of each `size` x `size` block; rows and columns that fill no block are dropped."""
    pooled: jax.Array = jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, (1, size, size, 1), (1, size, size, 1), "VALID")
    return pooled
