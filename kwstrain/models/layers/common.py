"""The layers that the networks share: Keras's initialisers, padding and BatchNorm."""

from __future__ import annotations

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from kwsfeat import ConfigError
from kwstrain.models.layers.operations import PLAIN, Padding


def glorot_uniform(key: jax.Array, shape: tuple[int, ...], dtype: Any = jnp.float32) -> jax.Array:
    """Keras's initialiser (Glorot and Bengio 2010) for a kernel ``(..., n_in, n_out)``.

    NumPy draws: the same weights on every device, and no program to compile for each of a network's hundred shapes. While
    JAX traces (``nnx.eval_shape``) there is no key to draw from, and its own initialiser stands in.
    """
    if isinstance(key, jax.core.Tracer):
        return nnx.initializers.glorot_uniform()(key, shape, dtype)
    return uniform(key, shape, math.sqrt(6 / (math.prod(shape[:-2]) * (shape[-2] + shape[-1]))), dtype)


def uniform(key: jax.Array, shape: tuple[int, ...], limit: float, dtype: Any) -> jax.Array:
    """Uniform in +-limit, drawn by NumPy."""
    rng = np.random.default_rng(np.asarray(jax.random.key_data(key)))
    drawn: jax.Array = jax.device_put((2 * limit * rng.random(shape, np.float32) - limit).astype(dtype))
    return drawn


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
        self.kernel = nnx.Param(glorot_uniform(rngs.params(), (rows, columns, n_in, n_out)))
        self.bias = nnx.Param(jnp.zeros(n_out)) if use_bias else None
        self.stride = stride
        self.padding = padding
        self.dtype = dtype
        self.operations = PLAIN

    def __call__(self, x: jax.Array) -> jax.Array:
        return self._add_bias(self._convolve(x))

    def pooled(self, x: jax.Array) -> jax.Array:
        """The same, then :class:`MaxPool`; the bias, which does not change the order, is added to a quarter of the map only."""
        return self._add_bias(self.operations.max_pool(self._convolve(x)))

    def _convolve(self, x: jax.Array) -> jax.Array:
        kernel = self.kernel[...].astype(self.dtype)
        return self.operations.conv2d(x.astype(self.dtype), kernel, stride=self.stride, padding=self.padding)

    def _add_bias(self, y: jax.Array) -> jax.Array:
        return y if self.bias is None else y + self.bias[...].astype(self.dtype)


def dense(n_in: int, n_out: int, *, dtype: Any, rngs: nnx.Rngs) -> nnx.Linear:
    """A fully connected layer with Keras's initialiser."""
    return nnx.Linear(n_in, n_out, kernel_init=glorot_uniform, dtype=dtype, rngs=rngs)


class BatchNorm(nnx.BatchNorm):
    """BatchNorm with Keras's epsilon. A `frozen` one uses its running statistics in training too, and keeps them, as Keras does.

    The running statistics follow faster than Keras's (0.9, not 0.99): with 0.99 a short run ends before they have arrived.
    """

    def __init__(self, n: int, *, epsilon: float = 1e-3, use_scale: bool = True, use_bias: bool = True, dtype: Any, rngs: nnx.Rngs) -> None:
        super().__init__(n, momentum=0.9, epsilon=epsilon, use_scale=use_scale, use_bias=use_bias, dtype=dtype, rngs=rngs)
        self.frozen = False

    def __call__(self, x: jax.Array) -> jax.Array:  # type: ignore[override]
        normalised: jax.Array = super().__call__(x, use_running_average=self.use_running_average or self.frozen)
        return normalised

    def follow(self, mean: jax.Array, var: jax.Array) -> None:
        """Let the running statistics follow those of a batch, which was normalised elsewhere."""
        for running, found in ((self.mean, mean), (self.var, var)):
            running.set_value(self.momentum * running.get_value() + (1 - self.momentum) * jax.lax.stop_gradient(found).ravel())


class MaxPool(nnx.Module):
    """Largest value of each 2 x 2 block; an odd last row or column is dropped."""

    def __init__(self) -> None:
        self.operations = PLAIN

    def __call__(self, x: jax.Array) -> jax.Array:
        return self.operations.max_pool(x)


def window_max(x: jax.Array, size: int, *, stride: int) -> jax.Array:
    """Largest value of each `size` x `size` window inside the image."""
    largest: jax.Array = jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, (1, size, size, 1), (1, stride, stride, 1), "VALID")
    return largest


def flatten(x: jax.Array) -> jax.Array:
    """``(batch, ...)`` to ``(batch, n)``."""
    return x.reshape(len(x), -1)


def three_channels(x: jax.Array) -> jax.Array:
    """``(batch, n_frames, n_features)`` as an image whose three channels are equal."""
    return jnp.repeat(x[..., None], 3, axis=-1)


def pooled_size(n: int, losses: tuple[int, ...]) -> int:
    """Rows or columns left of `n` after convolutions that lose `losses`, each followed by a pooling by 2."""
    left = n
    for loss in losses:
        left = (left - loss) // 2
        if left < 1:
            raise ConfigError(f"{n} frames or features are too few for this network: use features with more, or model 'lstm'")
    return left
