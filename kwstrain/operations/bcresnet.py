"""BC-ResNet by the kernels of :mod:`~kwstrain.operations.broadcast`: its weights brought into their order, its statistics kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
from flax import nnx

from kwstrain.devices import n_devices
from kwstrain.models.kws.bcresnet import BCResNet, Block
from kwstrain.models.layers.common import BatchNorm
from kwstrain.models.layers.frames import FrameConv

if TYPE_CHECKING:
    from kwstrain.operations.batch_norm import Affine

_AT_LEAST = 8  # frames, and channels: what the kernels compute together


def suits(network: BCResNet, x: jax.Array) -> bool:
    """Whether every BatchNorm has statistics of the batch, in float32, on one device, and nothing is narrower than a vector."""
    norms = [layer for _, layer in nnx.iter_modules(network) if isinstance(layer, BatchNorm)]
    of_batch = all(not (norm.use_running_average or norm.frozen) and norm.axis_name is None for norm in norms)
    is_wide = min(norm.num_features for norm in norms) >= _AT_LEAST and x.shape[1] >= _AT_LEAST
    on_one_device = n_devices() == 1
    return of_batch and is_wide and on_one_device and jnp.dtype(network.stem.dtype) == jnp.float32


def frames(network: BCResNet, x: jax.Array) -> jax.Array:
    """What ``network.by_parts`` gives; its running statistics follow as they do there."""
    from kwstrain.operations import broadcast  # which loads Numba

    stem = network.stem
    bands = (x.shape[2] + 2 * (stem.pad_features or 0) - stem.size[1]) // stem.stride[1] + 1
    steps = broadcast.StemSteps((x.shape[1], bands), _left(stem), stem.pad_features or 0, 1, stem.stride[1])
    y, moments = broadcast.first(steps, x, stem.kernel[...][:, :, 0], _affine(network.stem_norm))
    network.stem_norm.follow(*moments)
    for layer in network.blocks:
        y = _block(layer, y)
    y = broadcast.over_all_bands(_left(network.last), y, network.last.kernel[...][:, :, 0])
    return nnx.relu(network.expand_norm(network.expand(y[:, :, None]))).squeeze(2)


def _block(layer: Block, x: jax.Array) -> jax.Array:
    from kwstrain.operations import broadcast

    over_time, enter_norm = layer.over_time, layer.enter_norm
    weights = broadcast.BlockWeights(
        enter=None if layer.enter is None else layer.enter.kernel[...][0, 0],
        enter_norm=None if enter_norm is None else _affine(enter_norm),
        over_bands=layer.over_bands.kernel[...][0, :, 0],
        band_norm=_affine(layer.sub_norm.norm, layer.sub_norm.parts),
        over_time=over_time.kernel[...][:, 0, 0],
        time_norm=_affine(layer.norm),
        mix=layer.mix.kernel[...][0, 0],
    )
    steps = broadcast.Steps(layer.over_bands.stride[1], over_time.dilation[0], _left(over_time))
    keep = layer.dropout(jnp.ones((len(x), 1, 1, len(weights.mix))))[:, 0, 0]
    y, found = broadcast.block(steps, x, weights, keep)
    norms = ([] if enter_norm is None else [enter_norm]) + [layer.sub_norm.norm, layer.norm]
    for norm, moments in zip(norms, found, strict=True):
        norm.follow(*moments)
    return y


def _left(conv: FrameConv) -> int:
    """Zeros before the first frame."""
    reach = conv.dilation[0] * (conv.size[0] - 1)
    return reach if conv.time == "causal" else reach // 2


def _affine(norm: BatchNorm, parts: int = 1) -> Affine:
    from kwstrain.operations.batch_norm import Affine

    if norm.scale is None or norm.bias is None:
        raise TypeError("every norm of this network has a scale and a bias")
    return Affine(norm.scale[...].reshape(parts, -1), norm.bias[...].reshape(parts, -1))
