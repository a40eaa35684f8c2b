"""Convolutions of images of frames for a CPU: kernels, shifted sums and matrix products.

XLA's CPU backend computes a depthwise convolution and the gradients of all others value by value, and inside a loop, where training
steps run, a hundred times as slowly as the memory could give the values. A depthwise one is done by a kernel, or is a sum over the taps
of the shifted image times a row of weights, which XLA makes one vectorised loop of; a 1 x 1 convolution is a matrix product, any other
one a matrix product of its patches. JAX's own gradients of these forms are as fast.
"""

from __future__ import annotations

from functools import partial
from itertools import product
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from kwstrain.devices import n_devices
from kwstrain.models.layers.operations import Pads, Steps
from kwstrain.models.layers.operations import frame_conv as plain

_AT_LEAST = 16  # channels: the lanes of the widest vector, which a kernel computes together


def frame_conv(x: jax.Array, kernel: jax.Array, *, stride: Steps, dilation: Steps, pads: Pads, groups: int) -> jax.Array:
    """The plain ``frame_conv``."""
    if kernel.shape[:2] == (1, 1) and groups == 1 and pads == ((0, 0), (0, 0)):
        return x[:, :: stride[0], :: stride[1]] @ kernel[0, 0]
    if _is_depthwise(kernel, groups):
        taps = _shifted(x, kernel, stride, dilation, pads)
        return sum((tap * row for tap, row in zip(taps[1:], kernel.reshape(-1, groups)[1:], strict=True)), taps[0] * kernel[0, 0, 0])
    if groups == 1:
        return jnp.concatenate(_shifted(x, kernel, stride, dilation, pads), axis=-1) @ kernel.reshape(-1, kernel.shape[3])
    return plain(x, kernel, stride=stride, dilation=dilation, pads=pads, groups=groups)


def frame_conv_by_kernels(x: jax.Array, kernel: jax.Array, *, stride: Steps, dilation: Steps, pads: Pads, groups: int) -> jax.Array:
    """The same, depthwise ones by kernels where they can: in float32, on one device, of channels enough."""
    if _is_depthwise(kernel, groups) and groups >= _AT_LEAST and x.dtype == jnp.float32 and n_devices() == 1:
        return _depthwise(Geometry.of(x.shape[1:3], kernel.shape[:2], stride, dilation, pads), x, kernel[:, :, 0])
    return frame_conv(x, kernel, stride=stride, dilation=dilation, pads=pads, groups=groups)


def _is_depthwise(kernel: jax.Array, groups: int) -> bool:
    return groups == kernel.shape[3] and kernel.shape[2] == 1


def _shifted(x: jax.Array, kernel: jax.Array, stride: Steps, dilation: Steps, pads: Pads) -> list[jax.Array]:
    """The image as each tap of `kernel` sees it, in the order of its rows and columns."""
    padded = jnp.pad(x, ((0, 0), *pads, (0, 0)))
    spans = [range(0, size * step, step) for size, step in zip(kernel.shape[:2], dilation, strict=True)]
    ends = [n - span[-1] for n, span in zip(padded.shape[1:3], spans, strict=True)]
    return [padded[:, i : ends[0] + i : stride[0], j : ends[1] + j : stride[1]] for i, j in product(*spans)]


class Geometry(NamedTuple):
    """Frames and features of the result, and how a convolution goes over them."""

    n_out: Steps
    stride: Steps
    dilation: Steps
    pads: Pads

    @classmethod
    def of(cls, size: tuple[int, ...], taps: tuple[int, ...], stride: Steps, dilation: Steps, pads: Pads) -> Geometry:
        """Of an image of `size` by a kernel of `taps`."""
        sizes = zip(size, taps, stride, dilation, pads, strict=True)
        frames, features = ((n + sum(pad) - wide * (n_taps - 1) - 1) // step + 1 for n, n_taps, step, wide, pad in sizes)
        return cls((frames, features), stride, dilation, pads)

    @property
    def numbers(self) -> dict[str, int]:
        from kwstrain.kernels.depthwise import STEPS

        return dict(zip(STEPS, (*self.stride, *self.dilation, self.pads[0][0], self.pads[1][0]), strict=True))


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def _depthwise(geometry: Geometry, x: jax.Array, weight: jax.Array) -> jax.Array:
    from kwstrain.kernels.call import kernel_call
    from kwstrain.kernels.depthwise import depthwise_forward  # which loads Numba
    from kwstrain.operations.batch_norm import array, unchanged

    clips, n = len(x), x.shape[3]
    shapes = (array(clips, *geometry.n_out, n), array(clips, 2, n))
    y: jax.Array = kernel_call(depthwise_forward, shapes, x, unchanged(n), weight, **geometry.numbers)[0]
    return y


def _forward(geometry: Geometry, x: jax.Array, weight: jax.Array) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
    return _depthwise(geometry, x, weight), (x, weight)


def _backward(geometry: Geometry, saved: tuple[jax.Array, jax.Array], dy: jax.Array) -> tuple[jax.Array, Any]:
    from kwstrain.kernels.call import kernel_call
    from kwstrain.kernels.depthwise import depthwise_backward
    from kwstrain.operations.batch_norm import array, unchanged

    x, weight = saved
    clips, n = len(x), x.shape[3]
    no_norm = jnp.stack([jnp.ones(n), jnp.zeros(n), jnp.zeros(n)])
    shapes = (array(*x.shape), array(clips, *weight.shape), array(clips, 2, n))
    dx, dweight, _ = kernel_call(depthwise_backward, shapes, dy, dy, no_norm, x, unchanged(n), weight, **geometry.numbers)
    return dx, dweight.sum(axis=0)


_depthwise.defvjp(_forward, _backward)
