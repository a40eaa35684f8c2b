"""ResNet50 without its top (He et al. 2015, the first version), layer for layer as in Keras."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from kwstrain.models.imagenet.transfer import Backbone, Transfer, TransferOptions, WeightFile
from kwstrain.models.layers.common import BatchNorm, Conv, window_max
from kwstrain.models.registry import ModelSpec, Published

_STAGES = ((2, 64, 3, 1), (3, 128, 4, 2), (4, 256, 6, 2), (5, 512, 3, 2))  # number, width, blocks, stride of the first block


class ResNet50(Backbone):
    """Image ``(batch, rows, columns, 3)`` to ``(batch, rows / 32, columns / 32, 2048)``, sizes rounded up; 23,587,712 parameters."""

    n_out = 2048
    preprocessing = "caffe"
    weight_file = WeightFile("resnet", "resnet50_weights_tf_dim_ordering_tf_kernels_notop.h5", "4d473c1dd8becc155b73f8504c6f6626")

    def __init__(self, *, dtype: Any, rngs: nnx.Rngs) -> None:
        self.layers: nnx.Dict[Any] = nnx.Dict()

        def add(name: str, n_in: int, n_out: int, size: int, **options: Any) -> None:
            self.layers[f"{name}_conv"] = Conv(n_in, n_out, size, dtype=dtype, rngs=rngs, **options)
            self.layers[f"{name}_bn"] = BatchNorm(n_out, epsilon=1.001e-5, dtype=dtype, rngs=rngs)

        add("conv1", 3, 64, 7, stride=2)
        n_in = 64
        for stage, width, n_blocks, stride in _STAGES:
            for block in range(1, n_blocks + 1):
                name = f"conv{stage}_block{block}"
                step = stride if block == 1 else 1
                if block == 1:
                    add(f"{name}_0", n_in, 4 * width, 1, stride=step)
                add(f"{name}_1", n_in, width, 1, stride=step)
                add(f"{name}_2", width, width, 3, padding="same")
                add(f"{name}_3", width, 4 * width, 1)
                n_in = 4 * width

    @staticmethod
    def size(n: int) -> int:
        """Output rows of `n` input rows."""
        for _ in range(5):
            n = -(-n // 2)
        return n

    def __call__(self, x: jax.Array) -> jax.Array:
        x = nnx.relu(self._conv_bn("conv1", _zero_pad(x, 3)))
        x = window_max(_zero_pad(x, 1), 3, stride=2)
        for stage, _, n_blocks, _ in _STAGES:
            for block in range(1, n_blocks + 1):
                name = f"conv{stage}_block{block}"
                shortcut = self._conv_bn(f"{name}_0", x) if block == 1 else x
                x = nnx.relu(self._conv_bn(f"{name}_1", x))
                x = nnx.relu(self._conv_bn(f"{name}_2", x))
                x = nnx.relu(shortcut + self._conv_bn(f"{name}_3", x))
        return x

    def _conv_bn(self, name: str, x: jax.Array) -> jax.Array:
        normalised: jax.Array = self.layers[f"{name}_bn"](self.layers[f"{name}_conv"](x))
        return normalised


def _zero_pad(x: jax.Array, n: int) -> jax.Array:
    return jnp.pad(x, ((0, 0), (n, n), (n, n), (0, 0)))


class TransferResNet50(Transfer):
    """ResNet50: 75,182,988 parameters with head B on 99 x 161 and 12 classes. Under head A the image gets 11 and 10 rows and
    columns of zeros before and after, which makes 75 x 75 (``mel75``) 96 x 96.
    """

    backbone_type = ResNet50
    pad = (11, 10)


SPEC = ModelSpec(
    name="resnet50",
    network=TransferResNet50,
    options=TransferOptions(),
    published=(
        Published(input_shape=(99, 161), n_classes=12, source="ResNet50 on log-spectrograms"),
        Published(input_shape=(75, 75), n_classes=11, hop_ms=13.375, source="ResNet50 on mel spectrograms", options={"head": "A"}),
    ),
)
