"""Convolutions of images with clips in the lanes, ``(blocks, rows, columns, channels, LANES)``, by kernels for a CPU."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from kwstrain.kernels.call import kernel_call
from kwstrain.kernels.conv import LANES, convolve
from kwstrain.kernels.pooled import convolve_pooled
from kwstrain.kernels.weight_gradient import PLAIN, POOLED, RECTIFIED, weight_gradient
from kwstrain.models.layers.operations import Pads


def to_lanes(x: jax.Array) -> jax.Array:
    """``(batch, ...)`` as ``(blocks, ..., LANES)``: clip ``block * LANES + lane``; clips of zeros fill the last block."""
    blocks = -(-len(x) // LANES)
    x = jnp.pad(x, ((0, blocks * LANES - len(x)), *((0, 0),) * (x.ndim - 1)))
    return jnp.moveaxis(x.reshape(blocks, LANES, *x.shape[1:]), 1, -1)


def from_lanes(x: jax.Array, n_clips: int) -> jax.Array:
    """The first `n_clips` of what :func:`to_lanes` made."""
    return jnp.moveaxis(x, -1, 1).reshape(-1, *x.shape[1:-1])[:n_clips]


class ConvSteps(NamedTuple):
    """How a convolution goes over rows and columns, and what follows it: a ReLU, a pooling by 2 x 2."""

    stride: tuple[int, int] = (1, 1)
    dilation: tuple[int, int] = (1, 1)
    pads: Pads = ((0, 0), (0, 0))
    relu: bool = False
    pool: bool = False

    def out(self, size: tuple[int, ...], taps: tuple[int, ...]) -> list[int]:
        """Rows and columns of the convolution of an image of this size."""
        return [
            (n + sum(pads) - dilation * (k - 1) - 1) // stride + 1
            for n, k, stride, dilation, pads in zip(size, taps, self.stride, self.dilation, self.pads, strict=True)
        ]


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def conv(steps: ConvSteps, x: jax.Array, kernel: jax.Array, bias: jax.Array) -> jax.Array:
    """`x` convolved by `kernel`, + `bias`, then pooled and rectified as `steps` say.

    Parameters
    ----------
    steps : ConvSteps
        What is done.
    x : jax.Array
        float32 ``(blocks, rows, columns, n_in, LANES)``.
    kernel : jax.Array
        float32 ``(kernel rows, kernel columns, n_in, n_out)``.
    bias : jax.Array
        float32 ``(n_out,)``.

    Returns
    -------
    jax.Array
        float32 ``(blocks, rows out, columns out, n_out, LANES)``.
    """
    return _forward(steps, x, kernel, bias)[0]


def _forward(steps: ConvSteps, x: jax.Array, kernel: jax.Array, bias: jax.Array) -> tuple[jax.Array, Any]:
    n_out, (rows, columns) = kernel.shape[3], steps.out(x.shape[1:3], kernel.shape[:2])
    numbers = _geometry(steps.stride, steps.dilation, (steps.pads[0][0], steps.pads[1][0]), (1, 1))
    if not steps.pool:
        y = kernel_call(convolve, [_images(x, (rows, columns), n_out)], x, kernel, bias, **numbers, relu=steps.relu)
        return y, (x, kernel, y if steps.relu else None)
    pooled = _images(x, (rows // 2, columns // 2), n_out)
    shapes = [pooled, jax.ShapeDtypeStruct(pooled.shape, jnp.uint8), _images(x, (2, columns), n_out)]
    y, where, _ = kernel_call(convolve_pooled, shapes, x, kernel, bias, **numbers, relu=steps.relu)
    return y, (x, kernel, where)


def _backward(steps: ConvSteps, saved: Any, dy: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
    x, kernel, after = saved
    n_out, taps = kernel.shape[3], kernel.shape[:2]
    none = (len(x), 1, 1, 1, LANES)
    y = after if steps.relu and not steps.pool else jnp.zeros(none)
    where = after if steps.pool else jnp.zeros(none, jnp.uint8)
    mode = POOLED if steps.pool else RECTIFIED if steps.relu else PLAIN
    shapes = [
        jax.ShapeDtypeStruct((len(x), *kernel.shape), jnp.float32),
        jax.ShapeDtypeStruct((len(x), n_out), jnp.float32),
        _images(x, steps.out(x.shape[1:3], taps), n_out),
        jax.ShapeDtypeStruct((len(x), (kernel[..., 0].size + 1) * n_out, LANES), jnp.float32),
    ]
    before = (steps.pads[0][0], steps.pads[1][0])
    numbers = _geometry(steps.stride, steps.dilation, before, (1, 1))
    d_kernel, d_bias, dz, _ = kernel_call(weight_gradient, shapes, x, dy, y, where, **numbers, mode=mode)
    # The input gradient is a convolution by the kernel turned round, whose input has stride - 1 gaps between its values.
    turned = kernel[::-1, ::-1].swapaxes(2, 3)
    pads = [dilation * (k - 1) - pad for k, dilation, pad in zip(taps, steps.dilation, before, strict=True)]
    numbers = _geometry((1, 1), steps.dilation, pads, steps.stride)
    dx = kernel_call(convolve, [_images(x, x.shape[1:3], x.shape[3])], dz, turned, jnp.zeros(x.shape[3]), **numbers, relu=0)
    return dx, d_kernel.sum(axis=0), d_bias.sum(axis=0)


conv.defvjp(_forward, _backward)


def _images(x: jax.Array, size: Sequence[int], channels: int) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct((len(x), *size, channels, LANES), jnp.float32)


def _geometry(stride: Any, dilation: Any, pad: Any, x_step: Any) -> dict[str, int]:
    """The kernels' numbers, from pairs of rows and columns."""
    named = {"stride": stride, "dilation": dilation, "pad": pad, "x_step": x_step}
    return {f"{name}_{axis}": pair[i] for name, pair in named.items() for i, axis in enumerate("hw")}
