"""The large image networks under a head: features as an image, backbone, the Dense layers of system A or B."""

from __future__ import annotations

from typing import Any, Literal

import jax
import jax.numpy as jnp
from flax import nnx

from kwsfeat import ConfigError
from kwstrain.models.imagenet.inception import InceptionV3
from kwstrain.models.imagenet.resnet import ResNet50
from kwstrain.models.imagenet.vgg import VGG16
from kwstrain.models.layers.common import BatchNorm, dense, flatten, three_channels


class HeadA(nnx.Module):
    """System A: Flatten, Dense 64 ReLU, Dense."""

    def __init__(self, n_in: int, n_classes: int, *, dropout: float, dtype: Any, rngs: nnx.Rngs) -> None:
        self.dense = dense(n_in, 64, dtype=dtype, rngs=rngs)
        self.dropout = nnx.Dropout(dropout, rngs=rngs)
        self.out = dense(64, n_classes, dtype=dtype, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        logits: jax.Array = self.out(self.dropout(nnx.relu(self.dense(flatten(x)))))
        return logits


class HeadB(nnx.Module):
    """System B: Flatten, BatchNorm, Dense 1024 ReLU, BatchNorm, Dense 1024 ReLU, Dense."""

    def __init__(self, n_in: int, n_classes: int, *, dropout: float, dtype: Any, rngs: nnx.Rngs) -> None:
        self.norm1 = BatchNorm(n_in, dtype=dtype, rngs=rngs)
        self.dense1 = dense(n_in, 1024, dtype=dtype, rngs=rngs)
        self.norm2 = BatchNorm(1024, dtype=dtype, rngs=rngs)
        self.dense2 = dense(1024, 1024, dtype=dtype, rngs=rngs)
        self.dropout = nnx.Dropout(dropout, rngs=rngs)
        self.out = dense(1024, n_classes, dtype=dtype, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        x = nnx.relu(self.dense1(self.norm1(flatten(x))))
        x = nnx.relu(self.dense2(self.norm2(x)))
        logits: jax.Array = self.out(self.dropout(x))
        return logits


class Transfer(nnx.Module):
    """A backbone and a head, on features copied to three channels.

    `head` ``A`` or ``B``. `preprocess` ``none`` gives the backbone the features as they are, as the systems do; ``keras`` makes
    each clip a picture with values 0 to 255 and prepares it as the backbone's ImageNet weights were trained.
    """

    pad = (0, 0)
    backbone_type: type[VGG16] | type[ResNet50] | type[InceptionV3]

    def __init__(
        self,
        input_shape: tuple[int, int],
        n_classes: int,
        *,
        rngs: nnx.Rngs,
        head: Literal["A", "B"] = "B",
        preprocess: Literal["none", "keras"] = "none",
        dropout: float = 0.0,
        dtype: Any = jnp.float32,
    ) -> None:
        if head not in ("A", "B"):
            raise ConfigError(f"head={head!r} must be 'A' or 'B'")
        if preprocess not in ("none", "keras"):
            raise ConfigError(f"preprocess={preprocess!r} must be 'none' or 'keras'")
        self.padding = self.pad if head == "A" else (0, 0)
        rows, columns = (self.backbone_type.size(n + sum(self.padding)) for n in input_shape)
        if min(rows, columns) < 1:
            raise ConfigError(
                f"input {input_shape[0]} x {input_shape[1]} is too small for this network: use features with more frames and bands"
            )
        self.preprocessing = self.backbone_type.preprocessing if preprocess == "keras" else None
        self.backbone = self.backbone_type(dtype=dtype, rngs=rngs)
        n_flat = rows * columns * self.backbone_type.n_out
        self.head = (HeadA if head == "A" else HeadB)(n_flat, n_classes, dropout=dropout, dtype=dtype, rngs=rngs)

    def __call__(self, x: jax.Array, mask: jax.Array | None = None) -> jax.Array:
        image = three_channels(x)
        if self.preprocessing:
            image = preprocess_image(to_picture(image), self.preprocessing)
        if any(self.padding):
            image = jnp.pad(image, ((0, 0), self.padding, self.padding, (0, 0)))
        return self.head(self.backbone(image)).astype(jnp.float32)


class TransferVGG16(Transfer):
    """VGG16: 23,676,748 parameters with head B on 99 x 161 and 12 classes."""

    backbone_type = VGG16


class TransferResNet50(Transfer):
    """ResNet50: 75,182,988 parameters with head B on 99 x 161 and 12 classes. Under head A the image gets 11 and 10 rows and
    columns of zeros before and after, which makes 75 x 75 system A's 96 x 96.
    """

    backbone_type = ResNet50
    pad = (11, 10)


class TransferInceptionV3(Transfer):
    """InceptionV3: 29,185,836 parameters with head B on 99 x 161 and 12 classes."""

    backbone_type = InceptionV3


def to_picture(image: jax.Array) -> jax.Array:
    """Each example of ``(batch, rows, columns, channels)`` scaled so that its smallest value is 0 and its largest 255."""
    low, high = image.min(axis=(1, 2, 3), keepdims=True), image.max(axis=(1, 2, 3), keepdims=True)
    return 255 * (image - low) / jnp.maximum(high - low, 1e-6)


def preprocess_image(image: jax.Array, mode: str) -> jax.Array:
    """Keras's ``preprocess_input`` of RGB values 0 to 255.

    ``tf`` scales to [-1, 1]; ``caffe`` turns RGB into BGR and subtracts ImageNet's means.
    """
    if mode == "tf":
        return image / 127.5 - 1
    return image[..., ::-1] - jnp.array([103.939, 116.779, 123.68], image.dtype)
