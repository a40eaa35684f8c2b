"""DS-CNN by kernels: between two convolutions lies a BatchNorm with its ReLU, which the next one applies to what it reads.

So of each layer only the convolution's values are written, and no normalised ones. A BatchNorm needs a sum over the batch before the next
convolution can begin.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp

from kwstrain.devices import n_devices
from kwstrain.models.kws.ds_cnn import DSCNN
from kwstrain.models.layers.common import BatchNorm
from kwstrain.models.layers.frames import FrameConv
from kwstrain.operations.frame_conv import Geometry

if TYPE_CHECKING:
    from kwstrain.operations.batch_norm import Affine
    from kwstrain.operations.broadcast import StemSteps

_FRAMES, _CHANNELS = 8, 16  # at least so many: what the kernels compute together


class _Weights(NamedTuple):
    """`stem` (rows, columns, n); of each block `depthwise` (rows, columns, n) and `pointwise` (n, n); all BatchNorms in their order."""

    stem: jax.Array
    depthwise: list[jax.Array]
    pointwise: list[jax.Array]
    norms: list[Affine]


class _Steps(NamedTuple):
    """How the convolutions go over an image: the first one, and the depthwise ones."""

    stem: StemSteps
    blocks: tuple[Geometry, ...]


def suits(network: DSCNN, x: jax.Array) -> bool:
    """Whether every BatchNorm has statistics of the batch, in float32, on one device, and nothing is narrower than a vector."""
    norms = [network.norm, *(norm for block in network.blocks for norm in (block.norm1, block.norm2))]
    of_batch = all(not (norm.use_running_average or norm.frozen) and norm.axis_name is None for norm in norms)
    frames = _geometry(network.stem, x.shape[1:3]).n_out[0]
    is_wide = network.norm.num_features >= _CHANNELS and frames >= _FRAMES * network.blocks[0].depthwise.stride[0]
    return of_batch and is_wide and n_devices() == 1 and jnp.dtype(network.stem.dtype) == jnp.float32


def frames(network: DSCNN, x: jax.Array) -> jax.Array:
    """What ``network.by_parts`` gives; its running statistics follow as they do there.

    The biases before a BatchNorm change nothing but its mean: their gradients, which are rounding errors there, are zero here.
    """
    from kwstrain.operations.broadcast import StemSteps  # which loads Numba

    stem, blocks = _geometry(network.stem, x.shape[1:3]), []
    size = stem.n_out
    for block in network.blocks:
        blocks.append(_geometry(block.depthwise, size))
        size = blocks[-1].n_out
    steps = _Steps(StemSteps(stem.n_out, stem.pads[0][0], stem.pads[1][0], *stem.stride), tuple(blocks))
    layers = [(network.stem, network.norm)]
    for block in network.blocks:
        layers += [(block.depthwise, block.norm1), (block.pointwise, block.norm2)]
    weights = _Weights(
        stem=network.stem.kernel[...][:, :, 0],
        depthwise=[block.depthwise.kernel[...][:, :, 0] for block in network.blocks],
        pointwise=[block.pointwise.kernel[...][0, 0] for block in network.blocks],
        norms=[_affine(norm) for _, norm in layers],
    )
    y, found = _frames(steps, x, weights)
    for (conv, norm), (mean, var) in zip(layers, found, strict=True):
        norm.follow(mean if conv.bias is None else mean + conv.bias[...], var)
    return y


def _geometry(conv: FrameConv, size: tuple[int, ...]) -> Geometry:
    return Geometry.of(size, conv.size, conv.stride, conv.dilation, conv.pads(*size))


def _affine(norm: BatchNorm) -> Affine:
    from kwstrain.operations.batch_norm import Affine

    n = norm.num_features
    scale, bias = (default(n) if one is None else one[...] for one, default in ((norm.scale, jnp.ones), (norm.bias, jnp.zeros)))
    return Affine(scale[None], bias[None])


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def _frames(steps: _Steps, x: jax.Array, weights: _Weights) -> tuple[jax.Array, list[jax.Array]]:
    """The mean over features of the last layer, (clips, frames, n), and mean and variance of each BatchNorm, to which no gradient goes."""
    found: tuple[jax.Array, list[jax.Array]] = _forward(steps, x, weights)[0]
    return found


def _forward(steps: _Steps, x: jax.Array, weights: _Weights) -> Any:
    from kwstrain.kernels.broadcast import mean, pointwise
    from kwstrain.kernels.call import kernel_call
    from kwstrain.kernels.depthwise import depthwise_forward
    from kwstrain.operations.batch_norm import Norm, array
    from kwstrain.operations.broadcast import convolved

    clips, n = len(x), weights.stem.shape[2]
    y, norm = convolved(steps.stem, x, weights.stem, weights.norms[0])
    values, norms = [y], [norm]
    for i, geometry in enumerate(steps.blocks):
        results = (array(clips, *geometry.n_out, n), array(clips, 2, n))
        y, sums = kernel_call(depthwise_forward, results, y, norm.entry, weights.depthwise[i], **geometry.numbers)
        norm = Norm.of(sums, y[..., 0].size, weights.norms[2 * i + 1])
        values, norms = [*values, y], [*norms, norm]
        y, sums = kernel_call(pointwise.pointwise_forward, results, y, norm.entry, weights.pointwise[i])
        norm = Norm.of(sums, y[..., 0].size, weights.norms[2 * i + 2])
        values, norms = [*values, y], [*norms, norm]
    out = kernel_call(mean.mean_forward, [array(clips, y.shape[1], n)], y, norm.entry)
    return (out, [norm.moments for norm in norms]), (x, weights, values, [norm[:2] for norm in norms])


def _backward(steps: _Steps, saved: Any, gradient: Any) -> Any:
    from kwstrain.kernels.broadcast import mean, pointwise
    from kwstrain.kernels.call import kernel_call
    from kwstrain.kernels.depthwise import depthwise_backward
    from kwstrain.operations.batch_norm import Norm, array, over_clips
    from kwstrain.operations.broadcast import convolved_back

    x, weights, values, of_batch = saved
    norms = [
        Norm(found[0], found[1], affine.scale, y[..., 0].size) for found, affine, y in zip(of_batch, weights.norms, values, strict=True)
    ]
    clips, n = len(x), weights.stem.shape[2]
    sums_of = array(clips, 2, n)
    d, sums = kernel_call(mean.mean_backward, (array(*values[-1].shape), sums_of), gradient[0], values[-1], norms[-1].entry)
    d_norms, d_depthwise, d_pointwise = [], [], []
    for i in reversed(range(len(steps.blocks))):
        before, between, after = values[2 * i : 2 * i + 3]
        back, d_affine = norms[2 * i + 2].back(sums)
        d_norms.append(d_affine)
        d, d_weight, sums = kernel_call(
            pointwise.pointwise_backward, (array(*between.shape), array(clips, n, n), sums_of),
            d, after, back[:, 0], between, norms[2 * i + 1].entry, weights.pointwise[i].T,
        )  # fmt: skip
        d_pointwise.append(over_clips(d_weight))
        back, d_affine = norms[2 * i + 1].back(sums)
        d_norms.append(d_affine)
        d, d_weight, sums = kernel_call(
            depthwise_backward, (array(*before.shape), array(clips, *weights.depthwise[i].shape), sums_of),
            d, between, back[:, 0], before, norms[2 * i].entry, weights.depthwise[i], **steps.blocks[i].numbers,
        )  # fmt: skip
        d_depthwise.append(over_clips(d_weight))
    back, d_affine = norms[0].back(sums)
    d_stem = convolved_back(steps.stem, d, values[0], norms[0], back, x, weights.stem)
    d_weights = _Weights(d_stem, d_depthwise[::-1], d_pointwise[::-1], [d_affine, *d_norms[::-1]])
    return jnp.zeros_like(x), d_weights


_frames.defvjp(_forward, _backward)
