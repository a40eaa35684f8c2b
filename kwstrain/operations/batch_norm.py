"""BatchNorm between kernels: from sums of each clip to what normalises the batch, and back from the sums of its gradient."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp

from kwstrain.kernels.broadcast import statistics
from kwstrain.kernels.call import kernel_call


class Affine(NamedTuple):
    """Scale and bias of a BatchNorm, (parts, n)."""

    scale: jax.Array
    bias: jax.Array


def array(*shape: int) -> jax.ShapeDtypeStruct:
    """float32 of this shape, as a result of a kernel."""
    return jax.ShapeDtypeStruct(shape, jnp.float32)


class Norm(NamedTuple):
    """A BatchNorm of a batch: slope, offset and 0, (3, parts, n), and mean and variance, (2, parts, n), of `n_values` a channel."""

    norm: jax.Array
    moments: jax.Array
    scale: jax.Array
    n_values: int

    @classmethod
    def of(cls, sums: jax.Array, n_values: int, affine: Affine) -> Norm:
        """From sums and sums of squares, (clips, 2, n) or (clips, 2, parts, n)."""
        shape = affine.scale.shape
        sums = sums.reshape(len(sums), 2, *shape)
        norm, moments = kernel_call(statistics.statistics, (array(3, *shape), array(2, *shape)), sums, *affine, parts=1, count=n_values)
        return cls(norm, moments, affine.scale, n_values)

    @property
    def entry(self) -> jax.Array:
        """(3, n), of one part."""
        return self.norm[:, 0]

    def back(self, sums: jax.Array) -> tuple[jax.Array, Affine]:
        """Coefficients (3, parts, n) of the gradient by x, and the gradient of scale and bias."""
        shape = self.scale.shape
        sums = sums.reshape(len(sums), 2, *shape)
        results = (array(3, *shape), array(*shape), array(*shape))
        back, scale, bias = kernel_call(statistics.gradient, results, sums, self.moments, self.scale, parts=1, count=self.n_values)
        return back, Affine(scale, bias)


def over_clips(x: jax.Array) -> jax.Array:
    """The sum over the first axis."""
    flat = x.reshape(len(x), -1, x.shape[-1])
    total: jax.Array = kernel_call(statistics.over_clips, [array(*flat.shape[1:])], flat, parts=1)
    return total.reshape(x.shape[1:])


def unchanged(n: int) -> jax.Array:
    """The entry that changes nothing."""
    return jnp.stack([jnp.ones(n), jnp.zeros(n), jnp.full(n, -jnp.inf)])
