"""InceptionV3 without its top (Szegedy et al. 2015), layer for layer as in Keras.

The network is a table: a sequence of units, poolings and groups of parallel sequences whose outputs are joined along the
channels. Its units in reading order are Keras's in the order in which Keras makes them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx

from kwstrain.models.imagenet.transfer import Backbone, Transfer, TransferOptions, WeightFile
from kwstrain.models.layers.common import BatchNorm, Conv, window_max
from kwstrain.models.layers.operations import Padding
from kwstrain.models.registry import ModelSpec, Published


class Unit(NamedTuple):
    """Convolution without bias, BatchNorm without scale, ReLU."""

    n_out: int
    rows: int
    columns: int
    stride: int = 1
    padding: Padding = "same"


_MAX, _AVERAGE = "max", "average"


def _mixed_35(n_pool: int) -> tuple[Any, ...]:
    return (
        [Unit(64, 1, 1)],
        [Unit(48, 1, 1), Unit(64, 5, 5)],
        [Unit(64, 1, 1), Unit(96, 3, 3), Unit(96, 3, 3)],
        [_AVERAGE, Unit(n_pool, 1, 1)],
    )


def _mixed_17(n: int) -> tuple[Any, ...]:
    return (
        [Unit(192, 1, 1)],
        [Unit(n, 1, 1), Unit(n, 1, 7), Unit(192, 7, 1)],
        [Unit(n, 1, 1), Unit(n, 7, 1), Unit(n, 1, 7), Unit(n, 7, 1), Unit(192, 1, 7)],
        [_AVERAGE, Unit(192, 1, 1)],
    )


_SPLIT_8 = ([Unit(384, 1, 3)], [Unit(384, 3, 1)])
_MIXED_8 = (
    [Unit(320, 1, 1)],
    [Unit(384, 1, 1), _SPLIT_8],
    [Unit(448, 1, 1), Unit(384, 3, 3), _SPLIT_8],
    [_AVERAGE, Unit(192, 1, 1)],
)
_NETWORK = [
    Unit(32, 3, 3, 2, "valid"), Unit(32, 3, 3, 1, "valid"), Unit(64, 3, 3), _MAX,
    Unit(80, 1, 1, 1, "valid"), Unit(192, 3, 3, 1, "valid"), _MAX,
    _mixed_35(32), _mixed_35(64), _mixed_35(64),
    ([Unit(384, 3, 3, 2, "valid")], [Unit(64, 1, 1), Unit(96, 3, 3), Unit(96, 3, 3, 2, "valid")], [_MAX]),
    _mixed_17(128), _mixed_17(160), _mixed_17(160), _mixed_17(192),
    (
        [Unit(192, 1, 1), Unit(320, 3, 3, 2, "valid")],
        [Unit(192, 1, 1), Unit(192, 1, 7), Unit(192, 7, 1), Unit(192, 3, 3, 2, "valid")],
        [_MAX],
    ),
    _MIXED_8, _MIXED_8,
]  # fmt: skip


class InceptionV3(Backbone):
    """Image ``(batch, rows, columns, 3)``, at least 75 x 75, to ``(batch, :meth:`size`, ..., 2048)``; 21,802,784 parameters."""

    n_out = 2048
    preprocessing = "tf"
    weight_file = WeightFile("inception_v3", "inception_v3_weights_tf_dim_ordering_tf_kernels_notop.h5", "bcbd6486424b2319ff4ef7d526e38f63")

    def __init__(self, *, dtype: Any, rngs: nnx.Rngs) -> None:
        self.layers: nnx.Dict[Any] = nnx.Dict()

        def add(sequence: list[Any], n: int) -> int:
            for stage in sequence:
                if isinstance(stage, Unit):
                    number = len(self.layers) // 2 + 1
                    self.layers[f"conv2d_{number}"] = Conv(
                        n,
                        stage.n_out,
                        (stage.rows, stage.columns),
                        stride=stage.stride,
                        padding=stage.padding,
                        use_bias=False,
                        dtype=dtype,
                        rngs=rngs,
                    )
                    self.layers[f"batch_normalization_{number}"] = BatchNorm(stage.n_out, use_scale=False, dtype=dtype, rngs=rngs)
                    n = stage.n_out
                elif isinstance(stage, tuple):
                    n = sum(add(branch, n) for branch in stage)
            return n

        add(_NETWORK, 3)

    @staticmethod
    def size(n: int) -> int:
        """Output rows of `n` input rows."""
        n = (n - 3) // 2 + 1 - 2
        n = (n - 3) // 2 + 1 - 2
        for _ in range(3):
            n = (n - 3) // 2 + 1
        return n

    def __call__(self, x: jax.Array) -> jax.Array:
        numbers = iter(range(1, len(self.layers) // 2 + 1))
        return self._run(_NETWORK, x, numbers)

    def _run(self, sequence: list[Any], x: jax.Array, numbers: Iterator[int]) -> jax.Array:
        for stage in sequence:
            if isinstance(stage, Unit):
                number = next(numbers)
                x = nnx.relu(self.layers[f"batch_normalization_{number}"](self.layers[f"conv2d_{number}"](x)))
            elif isinstance(stage, tuple):
                x = jnp.concatenate([self._run(branch, x, numbers) for branch in stage], axis=-1)
            elif stage == _MAX:
                x = window_max(x, 3, stride=2)
            else:
                x = neighbour_mean(x)
        return x


def neighbour_mean(x: jax.Array) -> jax.Array:
    """Mean of each 3 x 3 neighbourhood, of which only the part inside the image counts."""
    mean: jax.Array = nnx.avg_pool(x, (3, 3), (1, 1), "SAME", count_include_pad=False)
    return mean


class TransferInceptionV3(Transfer):
    """InceptionV3: 29,185,836 parameters with head B on 99 x 161 and 12 classes."""

    backbone_type = InceptionV3


SPEC = ModelSpec(
    name="inception-v3",
    network=TransferInceptionV3,
    options=TransferOptions(),
    published=(
        Published(input_shape=(99, 161), n_classes=12, source="Inception V3 on log-spectrograms"),
        Published(input_shape=(75, 75), n_classes=11, hop_ms=13.375, source="Inception V3 on mel spectrograms", options={"head": "A"}),
    ),
)
