"""Convolutional networks that are trained from scratch: the Light CNN and MNIST of B and C, A's deep one, D's VGG on images."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from kwsfeat import ConfigError
from kwstrain.models.layers.common import BatchNorm, Conv, dense, flatten, max_pool, three_channels


class LightCNN(nnx.Module):
    """Systems B and C: 314,368 parameters on 99 x 81 with 12 classes, 723,968 on 99 x 161."""

    def __init__(
        self, input_shape: tuple[int, int], n_classes: int, *, rngs: nnx.Rngs, dropout: float = 0.2, dtype: Any = jnp.float32
    ) -> None:
        rows, columns = (_size(n, (2, 4, 2)) for n in input_shape)
        self.norm = BatchNorm(1, dtype=dtype, rngs=rngs)
        self.conv1 = Conv(1, 8, 2, dtype=dtype, rngs=rngs)
        self.conv2 = Conv(8, 8, 2, dtype=dtype, rngs=rngs)
        self.conv3 = Conv(8, 16, 3, dtype=dtype, rngs=rngs)
        self.conv4 = Conv(16, 16, 3, dtype=dtype, rngs=rngs)
        self.conv5 = Conv(16, 32, 3, dtype=dtype, rngs=rngs)
        self.dropout = nnx.Dropout(dropout, rngs=rngs)
        self.dense1 = dense(rows * columns * 32, 128, dtype=dtype, rngs=rngs)
        self.norm1 = BatchNorm(128, dtype=dtype, rngs=rngs)
        self.dense2 = dense(128, 128, dtype=dtype, rngs=rngs)
        self.norm2 = BatchNorm(128, dtype=dtype, rngs=rngs)
        self.out = dense(128, n_classes, dtype=dtype, rngs=rngs)

    def __call__(self, x: jax.Array, mask: jax.Array | None = None) -> jax.Array:
        x = self.norm(x[..., None])
        # Pooling before the ReLU gives the same values as after it, from a quarter of the map.
        x = self.dropout(nnx.relu(self.conv2.pooled(nnx.relu(self.conv1(x)))))
        x = self.dropout(nnx.relu(self.conv4.pooled(nnx.relu(self.conv3(x)))))
        x = self.dropout(nnx.relu(self.conv5.pooled(x)))
        x = self.norm1(nnx.relu(self.dense1(flatten(x))))
        x = self.norm2(nnx.relu(self.dense2(x)))
        return self.out(x).astype(jnp.float32)


class MnistCNN(nnx.Module):
    """System B's "MNIST": 55,038,988 parameters on 99 x 161 with 12 classes."""

    def __init__(
        self, input_shape: tuple[int, int], n_classes: int, *, rngs: nnx.Rngs, dropout: float = 0.0, dtype: Any = jnp.float32
    ) -> None:
        rows, columns = (_size(n, (4, 2)) for n in input_shape)
        n_flat = rows * columns * 64
        self.conv1 = Conv(1, 32, 5, dtype=dtype, rngs=rngs)
        self.norm1 = BatchNorm(32, dtype=dtype, rngs=rngs)
        self.conv2 = Conv(32, 64, 3, dtype=dtype, rngs=rngs)
        self.norm2 = BatchNorm(n_flat, dtype=dtype, rngs=rngs)
        self.dense1 = dense(n_flat, 1024, dtype=dtype, rngs=rngs)
        self.norm3 = BatchNorm(1024, dtype=dtype, rngs=rngs)
        self.dropout = nnx.Dropout(dropout, rngs=rngs)
        self.out = dense(1024, n_classes, dtype=dtype, rngs=rngs)

    def __call__(self, x: jax.Array, mask: jax.Array | None = None) -> jax.Array:
        x = max_pool(self.norm1(nnx.relu(self.conv1(x[..., None]))))
        x = nnx.relu(self.conv2.pooled(x))
        x = self.norm3(nnx.relu(self.dense1(self.norm2(flatten(x)))))
        return self.out(self.dropout(x)).astype(jnp.float32)


class DeepCNN(nnx.Module):
    """System A's CNN, for 75 x 75 mel spectrograms or MFCCs."""

    def __init__(
        self, input_shape: tuple[int, int], n_classes: int, *, rngs: nnx.Rngs, dropout: float = 0.5, dtype: Any = jnp.float32
    ) -> None:
        rows, columns = (_size(n, (7,)) for n in input_shape)
        self.conv1 = Conv(1, 32, 4, dtype=dtype, rngs=rngs)
        self.norm1 = BatchNorm(32, dtype=dtype, rngs=rngs)
        self.conv2 = Conv(32, 48, 3, dtype=dtype, rngs=rngs)
        self.norm2 = BatchNorm(48, dtype=dtype, rngs=rngs)
        self.conv3 = Conv(48, 120, 3, dtype=dtype, rngs=rngs)
        self.norm3 = BatchNorm(120, dtype=dtype, rngs=rngs)
        self.dropout = nnx.Dropout(dropout, rngs=rngs)
        self.dense1 = dense(rows * columns * 120, 128, dtype=dtype, rngs=rngs)
        self.norm4 = BatchNorm(128, dtype=dtype, rngs=rngs)
        self.dense2 = dense(128, 64, dtype=dtype, rngs=rngs)
        self.norm5 = BatchNorm(64, dtype=dtype, rngs=rngs)
        self.out = dense(64, n_classes, dtype=dtype, rngs=rngs)

    def __call__(self, x: jax.Array, mask: jax.Array | None = None) -> jax.Array:
        x = self.norm1(nnx.relu(self.conv1(x[..., None])))
        x = self.norm2(nnx.relu(self.conv2(x)))
        x = self.norm3(nnx.relu(self.conv3(x)))
        x = flatten(self.dropout(max_pool(x)))
        x = self.dropout(self.norm4(nnx.relu(self.dense1(x))))
        x = self.dropout(self.norm5(nnx.relu(self.dense2(x))))
        return self.out(x).astype(jnp.float32)


class ImageCNN(nnx.Module):
    """System D: the spectrogram as a 160 x 160 x 3 image, seven 5 x 5 convolutions in three groups, Dense 1024.

    An input of another size is resized, bilinearly.
    """

    def __init__(
        self, input_shape: tuple[int, int], n_classes: int, *, rngs: nnx.Rngs, dropout: float = 0.25, dtype: Any = jnp.float32
    ) -> None:
        groups = ((3, 32, 32), (32, 64, 64), (64, 64, 64, 64))
        self.groups = nnx.List(
            nnx.List(Conv(n_in, n_out, 5, padding="same", dtype=dtype, rngs=rngs) for n_in, n_out in pairwise(group)) for group in groups
        )
        self.dropout = nnx.Dropout(dropout, rngs=rngs)
        self.dense = dense(20 * 20 * 64, 1024, dtype=dtype, rngs=rngs)
        self.out = dense(1024, n_classes, dtype=dtype, rngs=rngs)

    def __call__(self, x: jax.Array, mask: jax.Array | None = None) -> jax.Array:
        x = three_channels(jax.image.resize(x, (len(x), 160, 160), "bilinear"))
        for group in self.groups:
            for conv in group:
                x = nnx.relu(conv(x))
            x = self.dropout(max_pool(x))
        return self.out(nnx.relu(self.dense(flatten(x)))).astype(jnp.float32)


def _size(n: int, losses: tuple[int, ...]) -> int:
    """Rows or columns left of `n` after convolutions that lose `losses`, each followed by a pooling by 2."""
    left = n
    for loss in losses:
        left = (left - loss) // 2
        if left < 1:
            raise ConfigError(f"{n} frames or features are too few for this network: use features with more, or model 'lstm'")
    return left
