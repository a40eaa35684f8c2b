"""Convolutional networks on one-channel features: the Light CNN of systems B and C."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from kwsfeat import ConfigError
from kwstrain.models.layers import Conv, batch_norm, dense, max_pool


class LightCNN(nnx.Module):
    """Systems B and C: 314,368 parameters on 99 x 81 with 12 classes, 723,968 on 99 x 161."""

    def __init__(
        self, input_shape: tuple[int, int], n_classes: int, *, rngs: nnx.Rngs, dropout: float = 0.2, dtype: Any = jnp.float32
    ) -> None:
        self.norm = batch_norm(1, dtype=dtype, rngs=rngs)
        self.conv1 = Conv(1, 8, 2, dtype=dtype, rngs=rngs)
        self.conv2 = Conv(8, 8, 2, dtype=dtype, rngs=rngs)
        self.conv3 = Conv(8, 16, 3, dtype=dtype, rngs=rngs)
        self.conv4 = Conv(16, 16, 3, dtype=dtype, rngs=rngs)
        self.conv5 = Conv(16, 32, 3, dtype=dtype, rngs=rngs)
        self.dropout = nnx.Dropout(dropout, rngs=rngs)
        rows, columns = (_pooled(_pooled(_pooled(n, 2), 4), 2) for n in input_shape)
        self.dense1 = dense(rows * columns * 32, 128, dtype=dtype, rngs=rngs)
        self.norm1 = batch_norm(128, dtype=dtype, rngs=rngs)
        self.dense2 = dense(128, 128, dtype=dtype, rngs=rngs)
        self.norm2 = batch_norm(128, dtype=dtype, rngs=rngs)
        self.out = dense(128, n_classes, dtype=dtype, rngs=rngs)

    def __call__(self, x: jax.Array, mask: jax.Array | None = None) -> jax.Array:
        x = self.norm(x[..., None])
        x = nnx.relu(self.conv2(nnx.relu(self.conv1(x))))
        x = self.dropout(max_pool(x))
        x = nnx.relu(self.conv4(nnx.relu(self.conv3(x))))
        x = self.dropout(max_pool(x))
        x = self.dropout(max_pool(nnx.relu(self.conv5(x))))
        x = x.reshape(x.shape[0], -1)
        x = self.norm1(nnx.relu(self.dense1(x)))
        x = self.norm2(nnx.relu(self.dense2(x)))
        return self.out(x).astype(jnp.float32)


def _pooled(n: int, lost: int) -> int:
    """Length `n` after valid convolutions that lose `lost`, then a pooling by 2."""
    n = (n - lost) // 2
    if n < 1:
        raise ConfigError("input is too small for this network: use more frames or features, or model 'lstm'")
    return n
