"""The convolutions of the Light CNN with clips in the lanes, from the first to the last."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from flax import nnx

from kwstrain.models.five_systems.light_cnn import LightCNN
from kwstrain.models.layers.common import Conv


def suits(network: LightCNN) -> bool:
    """Whether the kernels compute in its dtype."""
    return bool(jnp.dtype(network.conv1.dtype) == jnp.float32)


def images(network: LightCNN, x: jax.Array) -> jax.Array:
    """What its ``by_parts`` gives."""
    from kwstrain.operations.lanes import from_lanes, to_lanes  # which loads Numba

    n_clips = len(x)
    x = _conv(network.conv1, to_lanes(x))
    x = _dropout(network.dropout, _conv(network.conv2, x, pool=True), n_clips)
    x = _conv(network.conv3, x)
    x = _dropout(network.dropout, _conv(network.conv4, x, pool=True), n_clips)
    return network.dropout(from_lanes(_conv(network.conv5, x, pool=True), n_clips))


def _conv(layer: Conv, x: jax.Array, *, pool: bool = False) -> jax.Array:
    """What a layer with stride 1 and without padding gives, rectified, and before that pooled if `pool`."""
    from kwstrain.operations.lanes import ConvSteps, conv

    kernel = layer.kernel[...]
    bias = jnp.zeros(kernel.shape[3]) if layer.bias is None else layer.bias[...]
    return conv(ConvSteps(relu=True, pool=pool), x, kernel, bias)


def _dropout(layer: nnx.Dropout, x: jax.Array, n_clips: int) -> jax.Array:
    """The same values dropped as without lanes."""
    from kwstrain.operations.lanes import to_lanes

    return x * to_lanes(layer(jnp.ones((n_clips, *x.shape[1:-1]))))
