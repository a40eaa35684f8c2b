"""VGG16 without its top (Simonyan and Zisserman 2014), layer for layer as in Keras."""

from __future__ import annotations

from typing import Any

import jax
from flax import nnx

from kwstrain.models.imagenet.transfer import Backbone, Transfer, TransferOptions, WeightFile
from kwstrain.models.layers.common import Conv, MaxPool
from kwstrain.models.registry import ModelSpec, Published

_BLOCKS = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))


class VGG16(Backbone):
    """Image ``(batch, rows, columns, 3)`` to ``(batch, rows // 32, columns // 32, 512)``; 14,714,688 parameters."""

    n_out = 512
    preprocessing = "caffe"
    weight_file = WeightFile("vgg16", "vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5", "6d6bbae143d832006294945121d1f1fc")

    def __init__(self, *, dtype: Any, rngs: nnx.Rngs) -> None:
        self.layers: nnx.Dict[Any] = nnx.Dict()
        n_in = 3
        for b, widths in enumerate(_BLOCKS, 1):
            for c, width in enumerate(widths, 1):
                self.layers[f"block{b}_conv{c}"] = Conv(n_in, width, 3, padding="same", dtype=dtype, rngs=rngs)
                n_in = width
        self.pool = MaxPool()

    @staticmethod
    def size(n: int) -> int:
        """Output rows of `n` input rows."""
        return n // 32

    def __call__(self, x: jax.Array) -> jax.Array:
        for b, widths in enumerate(_BLOCKS, 1):
            for c in range(1, len(widths) + 1):
                x = nnx.relu(self.layers[f"block{b}_conv{c}"](x))
            x = self.pool(x)
        return x


class TransferVGG16(Transfer):
    """VGG16: 23,676,748 parameters with head B on 99 x 161 and 12 classes."""

    backbone_type = VGG16


SPEC = ModelSpec(
    name="vgg16",
    network=TransferVGG16,
    options=TransferOptions(),
    published=(Published(input_shape=(99, 161), n_classes=12, source="VGG16 on log-spectrograms"),),
)
