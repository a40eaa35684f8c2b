"""Convolutions of images of frames for a CPU: shifted sums and matrix products.

XLA's CPU backend computes a depthwise convolution and the gradients of all others value by value, and inside a loop, where training
steps run, a hundred times as slowly as the memory could give the values. A depthwise one is a sum over the taps of the shifted image
times a row of weights, which XLA makes one vectorised loop of; a 1 x 1 convolution is a matrix product, any other one a matrix product
of its patches. JAX's own gradients of these forms are as fast.
"""

from __future__ import annotations

from itertools import product

import jax
import jax.numpy as jnp

from kwstrain.models.layers.operations import Pads, Steps
from kwstrain.models.layers.operations import frame_conv as plain


def frame_conv(x: jax.Array, kernel: jax.Array, *, stride: Steps, dilation: Steps, pads: Pads, groups: int) -> jax.Array:
    """The plain ``frame_conv``."""
    if kernel.shape[:2] == (1, 1) and groups == 1 and pads == ((0, 0), (0, 0)):
        return x[:, :: stride[0], :: stride[1]] @ kernel[0, 0]
    if groups == kernel.shape[3] and kernel.shape[2] == 1:
        taps = _shifted(x, kernel, stride, dilation, pads)
        return sum((tap * row for tap, row in zip(taps[1:], kernel.reshape(-1, groups)[1:], strict=True)), taps[0] * kernel[0, 0, 0])
    if groups == 1:
        return jnp.concatenate(_shifted(x, kernel, stride, dilation, pads), axis=-1) @ kernel.reshape(-1, kernel.shape[3])
    return plain(x, kernel, stride=stride, dilation=dilation, pads=pads, groups=groups)


def _shifted(x: jax.Array, kernel: jax.Array, stride: Steps, dilation: Steps, pads: Pads) -> list[jax.Array]:
    """The image as each tap of `kernel` sees it, in the order of its rows and columns."""
    padded = jnp.pad(x, ((0, 0), *pads, (0, 0)))
    spans = [range(0, size * step, step) for size, step in zip(kernel.shape[:2], dilation, strict=True)]
    ends = [n - span[-1] for n, span in zip(padded.shape[1:3], spans, strict=True)]
    return [padded[:, i : ends[0] + i : stride[0], j : ends[1] + j : stride[1]] for i, j in product(*spans)]
