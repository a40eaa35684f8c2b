"""The Light CNN on log-spectrograms (at 16 and at 8 kHz): five small convolutions, two Dense 128."""

from __future__ import annotations

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from flax import nnx

from kwstrain.models.layers.common import BatchNorm, Conv, dense, flatten, pooled_size
from kwstrain.models.layers.operations import PLAIN
from kwstrain.models.network import Network
from kwstrain.models.options import Options, option
from kwstrain.models.registry import ModelSpec, Published


@dataclass(frozen=True, kw_only=True)
class LightCNNOptions(Options):
    """Options of the Light CNN."""

    dropout: float = option(0.2, "rate after each pooling", at_least=0, below=1)


class LightCNN(Network):
    """314,368 parameters on 99 x 81 with 12 classes, 723,968 on 99 x 161."""

    def __init__(self, input_shape: tuple[int, int], n_classes: int, options: LightCNNOptions, *, rngs: nnx.Rngs) -> None:
        rows, columns = (pooled_size(n, (2, 4, 2)) for n in input_shape)
        dtype = options.dtype
        self.norm = BatchNorm(1, dtype=dtype, rngs=rngs)
        self.conv1 = Conv(1, 8, 2, dtype=dtype, rngs=rngs)
        self.conv2 = Conv(8, 8, 2, dtype=dtype, rngs=rngs)
        self.conv3 = Conv(8, 16, 3, dtype=dtype, rngs=rngs)
        self.conv4 = Conv(16, 16, 3, dtype=dtype, rngs=rngs)
        self.conv5 = Conv(16, 32, 3, dtype=dtype, rngs=rngs)
        self.dropout = nnx.Dropout(options.dropout, rngs=rngs)
        self.dense1 = dense(rows * columns * 32, 128, dtype=dtype, rngs=rngs)
        self.norm1 = BatchNorm(128, dtype=dtype, rngs=rngs)
        self.dense2 = dense(128, 128, dtype=dtype, rngs=rngs)
        self.norm2 = BatchNorm(128, dtype=dtype, rngs=rngs)
        self.out = dense(128, n_classes, dtype=dtype, rngs=rngs)
        self.operations = PLAIN

    def by_parts(self, x: jax.Array) -> jax.Array:
        """The convolutions, ``(batch, rows, columns, 1)`` to ``(batch, rows out, columns out, 32)``."""
        # Pooling before the ReLU gives the same values as after it, from a quarter of the map.
        x = self.dropout(nnx.relu(self.conv2.pooled(nnx.relu(self.conv1(x)))))
        x = self.dropout(nnx.relu(self.conv4.pooled(nnx.relu(self.conv3(x)))))
        return self.dropout(nnx.relu(self.conv5.pooled(x)))

    def forward(self, x: jax.Array, mask: jax.Array | None) -> jax.Array:
        x = self.operations.together(self, self.norm(x[..., None]))
        x = self.norm1(nnx.relu(self.dense1(flatten(x))))
        x = self.norm2(nnx.relu(self.dense2(x)))
        return self.out(x).astype(jnp.float32)


SPEC = ModelSpec(
    name="cnn",
    network=LightCNN,
    options=LightCNNOptions(),
    published=(
        Published(input_shape=(99, 161), n_classes=12, source="Light CNN on log-spectrograms"),
        Published(input_shape=(99, 81), n_classes=12, source="Light CNN on log-spectrograms at 8 kHz", note="(8 kHz)"),
    ),
    training={"schedule": "cosine", "lr": 2e-3, "epochs": 20, "batch": 32},
)
