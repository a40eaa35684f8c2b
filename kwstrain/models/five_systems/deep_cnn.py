"""The deep CNN on mel spectrograms or MFCCs: three convolutions, Dense 128, Dense 64."""

from __future__ import annotations

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from flax import nnx

from kwstrain.models.layers.common import BatchNorm, Conv, MaxPool, dense, flatten, pooled_size
from kwstrain.models.network import Network
from kwstrain.models.options import Options, option
from kwstrain.models.registry import ModelSpec, Published


@dataclass(frozen=True, kw_only=True)
class DeepCNNOptions(Options):
    """Options of the deep CNN."""

    dropout: float = option(0.5, "rate after the pooling and after each Dense layer", at_least=0, below=1)


class DeepCNN(Network):
    """Made for 75 x 75 mel spectrograms or MFCCs."""

    def __init__(self, input_shape: tuple[int, int], n_classes: int, options: DeepCNNOptions, *, rngs: nnx.Rngs) -> None:
        rows, columns = (pooled_size(n, (7,)) for n in input_shape)
        dtype = options.dtype
        self.conv1 = Conv(1, 32, 4, dtype=dtype, rngs=rngs)
        self.norm1 = BatchNorm(32, dtype=dtype, rngs=rngs)
        self.conv2 = Conv(32, 48, 3, dtype=dtype, rngs=rngs)
        self.norm2 = BatchNorm(48, dtype=dtype, rngs=rngs)
        self.conv3 = Conv(48, 120, 3, dtype=dtype, rngs=rngs)
        self.norm3 = BatchNorm(120, dtype=dtype, rngs=rngs)
        self.pool = MaxPool()
        self.dropout = nnx.Dropout(options.dropout, rngs=rngs)
        self.dense1 = dense(rows * columns * 120, 128, dtype=dtype, rngs=rngs)
        self.norm4 = BatchNorm(128, dtype=dtype, rngs=rngs)
        self.dense2 = dense(128, 64, dtype=dtype, rngs=rngs)
        self.norm5 = BatchNorm(64, dtype=dtype, rngs=rngs)
        self.out = dense(64, n_classes, dtype=dtype, rngs=rngs)

    def forward(self, x: jax.Array, mask: jax.Array | None) -> jax.Array:
        x = self.norm1(nnx.relu(self.conv1(x[..., None])))
        x = self.norm2(nnx.relu(self.conv2(x)))
        x = self.norm3(nnx.relu(self.conv3(x)))
        x = flatten(self.dropout(self.pool(x)))
        x = self.dropout(self.norm4(nnx.relu(self.dense1(x))))
        x = self.dropout(self.norm5(nnx.relu(self.dense2(x))))
        return self.out(x).astype(jnp.float32)


SPEC = ModelSpec(
    name="cnn-deep",
    network=DeepCNN,
    options=DeepCNNOptions(),
    published=(Published(input_shape=(75, 75), n_classes=11, hop_ms=13.375, source="deep CNN on mel spectrograms"),),
)
