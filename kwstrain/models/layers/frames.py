"""Convolutions of images of frames: ``(batch, n_frames, n_features, channels)``, strided, dilated, depthwise, and causal in time.

A causal one sees no later frame: all of its zeros in time stand before the first. A valid one has no zeros, and gives as many frames
less as it is long. Both can run on a stream.
"""

from __future__ import annotations

import math
from typing import Any, Literal

import jax
import jax.numpy as jnp
from flax import nnx

from kwstrain.models.layers.common import BatchNorm, uniform
from kwstrain.models.layers.operations import PLAIN, Pads
from kwstrain.models.outlines.padding import same

TimePadding = Literal["same", "causal", "valid"]


def fan_in_uniform(key: jax.Array, shape: tuple[int, ...], dtype: Any = jnp.float32) -> jax.Array:
    """Uniform in +-1/sqrt(fan in), PyTorch's initialiser of convolutions and dense layers, which the papers' own code uses.

    NumPy draws, as for :func:`~kwstrain.models.layers.common.glorot_uniform`.
    """
    if isinstance(key, jax.core.Tracer):
        kernel: jax.Array = nnx.initializers.variance_scaling(1 / 3, "fan_in", "uniform")(key, shape, dtype)
        return kernel
    return uniform(key, shape, 1 / math.sqrt(math.prod(shape[:-1])), dtype)


class FrameConv(nnx.Module):
    """Convolution over frames and features, kernel ``(frames, features, n_in / groups, n_out)``.

    Parameters
    ----------
    n_in, n_out : int, >= 1
        Channels; ``groups=n_in`` is depthwise.
    size, stride, dilation : pair of int, >= 1
        Along frames and features.
    time : {"same", "causal", "valid"}
        Where zeros stand along frames.
    pad_features : int or pair of int, optional
        Zeros before and after the features; "same" without it.
    """

    def __init__(
        self,
        n_in: int,
        n_out: int,
        size: tuple[int, int],
        *,
        stride: tuple[int, int] = (1, 1),
        dilation: tuple[int, int] = (1, 1),
        groups: int = 1,
        time: TimePadding = "same",
        pad_features: int | None = None,
        use_bias: bool = False,
        dtype: Any,
        rngs: nnx.Rngs,
    ) -> None:
        self.kernel = nnx.Param(fan_in_uniform(rngs.params(), (*size, n_in // groups, n_out)))
        self.bias = nnx.Param(jnp.zeros(n_out)) if use_bias else None
        self.size, self.stride, self.dilation, self.groups, self.dtype = size, stride, dilation, groups, dtype
        self.time: TimePadding = time
        self.pad_features = pad_features
        self.operations = PLAIN

    def __call__(self, x: jax.Array) -> jax.Array:
        y = self.operations.frame_conv(
            x.astype(self.dtype), self.kernel[...].astype(self.dtype),
            stride=self.stride, dilation=self.dilation, pads=self.pads(*x.shape[1:3]), groups=self.groups,
        )  # fmt: skip
        return y if self.bias is None else y + self.bias[...].astype(self.dtype)

    def pads(self, n_frames: int, n_features: int) -> Pads:
        """Zeros before and after the frames and the features of an image."""
        return self._frames(n_frames), self._features(n_features)

    def _frames(self, n: int) -> tuple[int, int]:
        if self.time == "valid":
            return 0, 0
        if self.time == "causal":
            return self.dilation[0] * (self.size[0] - 1), 0
        return same(n, self.size[0], self.stride[0], self.dilation[0])

    def _features(self, n: int) -> tuple[int, int]:
        if self.pad_features is not None:
            return self.pad_features, self.pad_features
        return same(n, self.size[1], self.stride[1], self.dilation[1])


def evened(x: jax.Array, power: float, smallest: float) -> jax.Array:
    """Each frame, ``(..., n_bands, channels)``, divided by a power of its root mean square."""
    share: jax.Array = jnp.power(jnp.square(x).mean(axis=(-2, -1), keepdims=True) + smallest, -power / 2)
    return x * share


def norm(n: int, *, use_scale: bool = True, use_bias: bool = True, dtype: Any, rngs: nnx.Rngs) -> BatchNorm:
    """BatchNorm over all axes but the channels, with PyTorch's constants."""
    return BatchNorm(n, epsilon=1e-5, use_scale=use_scale, use_bias=use_bias, dtype=dtype, rngs=rngs)


def linear(n_in: int, n_out: int, *, use_bias: bool = True, dtype: Any, rngs: nnx.Rngs) -> nnx.Linear:
    """A fully connected layer with PyTorch's initialiser."""
    return nnx.Linear(n_in, n_out, use_bias=use_bias, kernel_init=fan_in_uniform, dtype=dtype, rngs=rngs)
