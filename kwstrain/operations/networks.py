"""Networks that are computed as one, by kernels made for them, where a CPU trains them."""

from __future__ import annotations

import jax

from kwstrain.models.five_systems.light_cnn import LightCNN
from kwstrain.models.kws.bcresnet import BCResNet
from kwstrain.models.kws.ds_cnn import DSCNN
from kwstrain.models.layers.operations import OfParts
from kwstrain.operations import bcresnet, ds_cnn, light_cnn


def together(layers: OfParts, x: jax.Array) -> jax.Array:
    """What `layers` give for `x`; by their parts where there are no kernels for them."""
    if isinstance(layers, LightCNN) and light_cnn.suits(layers):
        return light_cnn.images(layers, x)
    if isinstance(layers, BCResNet) and bcresnet.suits(layers, x):
        return bcresnet.frames(layers, x)
    if isinstance(layers, DSCNN) and ds_cnn.suits(layers, x):
        return ds_cnn.frames(layers, x)
    return layers.by_parts(x)
