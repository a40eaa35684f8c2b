"""The "MNIST" network on log-spectrograms: two convolutions, Dense 1024."""

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
class MnistOptions(Options):
    """Options of the "MNIST" network."""

    dropout: float = option(0.0, "rate before the last layer", at_least=0, below=1)


class MnistCNN(Network):
    """55,038,988 parameters on 99 x 161 with 12 classes."""

    def __init__(self, input_shape: tuple[int, int], n_classes: int, options: MnistOptions, *, rngs: nnx.Rngs) -> None:
        rows, columns = (pooled_size(n, (4, 2)) for n in input_shape)
        n_flat = rows * columns * 64
        dtype = options.dtype
        self.conv1 = Conv(1, 32, 5, dtype=dtype, rngs=rngs)
        self.norm1 = BatchNorm(32, dtype=dtype, rngs=rngs)
        self.pool = MaxPool()
        self.conv2 = Conv(32, 64, 3, dtype=dtype, rngs=rngs)
        self.norm2 = BatchNorm(n_flat, dtype=dtype, rngs=rngs)
        self.dense1 = dense(n_flat, 1024, dtype=dtype, rngs=rngs)
        self.norm3 = BatchNorm(1024, dtype=dtype, rngs=rngs)
        self.dropout = nnx.Dropout(options.dropout, rngs=rngs)
        self.out = dense(1024, n_classes, dtype=dtype, rngs=rngs)

    def forward(self, x: jax.Array, mask: jax.Array | None) -> jax.Array:
        x = self.pool(self.norm1(nnx.relu(self.conv1(x[..., None]))))
        x = nnx.relu(self.conv2.pooled(x))
        x = self.norm3(nnx.relu(self.dense1(self.norm2(flatten(x)))))
        return self.out(self.dropout(x)).astype(jnp.float32)


SPEC = ModelSpec(
    name="cnn-mnist",
    network=MnistCNN,
    options=MnistOptions(),
    published=(Published(input_shape=(99, 161), n_classes=12, source="MNIST network on log-spectrograms"),),
)
