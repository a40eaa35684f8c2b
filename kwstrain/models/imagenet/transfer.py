"""The large image networks under a head: features as an image, backbone, Dense layers.

Head A is that of the deep CNN on mel spectrograms (``cnn-deep``), head B that of the light CNN on log-spectrograms (``cnn``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal, NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx

from kwsfeat import ConfigError
from kwstrain.models.layers.common import BatchNorm, dense, flatten, three_channels
from kwstrain.models.network import Network
from kwstrain.models.options import Options, option


class WeightFile(NamedTuple):
    """A file of Keras: where it is below the base URL, its name, the MD5 that Keras publishes for it."""

    folder: str
    name: str
    md5: str


class Backbone(nnx.Module):
    """A network without its top, with the layers and their names of Keras in `layers`.

    `n_out` are its output channels, `preprocessing` is the mode of :func:`preprocess_image` that its ImageNet weights expect.
    """

    n_out: ClassVar[int]
    preprocessing: ClassVar[str]
    weight_file: ClassVar[WeightFile]
    layers: nnx.Dict[Any]

    def __init__(self, *, dtype: Any, rngs: nnx.Rngs) -> None:
        raise NotImplementedError

    @staticmethod
    def size(n: int) -> int:
        """Output rows of `n` input rows."""
        raise NotImplementedError

    def __call__(self, x: jax.Array) -> jax.Array:
        """Image ``(batch, rows, columns, 3)`` to ``(batch, size(rows), size(columns), n_out)``."""
        raise NotImplementedError


@dataclass(frozen=True, kw_only=True)
class TransferOptions(Options):
    """Options of a backbone under a head.

    `preprocess` ``none`` gives the backbone the features as they are, as the systems do; ``keras`` makes each clip a picture with
    values 0 to 255 and prepares it as the backbone's ImageNet weights were trained.
    """

    head: Literal["A", "B"] = option("B", "the Dense layers after the backbone")
    preprocess: Literal["none", "keras"] = option("none", "how features become a picture")
    dropout: float = option(0.0, "rate before the last layer", at_least=0, below=1)


class HeadA(nnx.Module):
    """Flatten, Dense 64 ReLU, Dense."""

    def __init__(self, n_in: int, n_classes: int, *, dropout: float, dtype: Any, rngs: nnx.Rngs) -> None:
        self.dense = dense(n_in, 64, dtype=dtype, rngs=rngs)
        self.dropout = nnx.Dropout(dropout, rngs=rngs)
        self.out = dense(64, n_classes, dtype=dtype, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        logits: jax.Array = self.out(self.dropout(nnx.relu(self.dense(flatten(x)))))
        return logits


class HeadB(nnx.Module):
    """Flatten, BatchNorm, Dense 1024 ReLU, BatchNorm, Dense 1024 ReLU, Dense."""

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


class Transfer(Network):
    """A backbone and a head, on features copied to three channels."""

    pad: ClassVar[tuple[int, int]] = (0, 0)  # rows and columns of zeros before and after, under head A
    backbone_type: ClassVar[type[Backbone]]

    def __init__(self, input_shape: tuple[int, int], n_classes: int, options: TransferOptions, *, rngs: nnx.Rngs) -> None:
        self.padding = self.pad if options.head == "A" else (0, 0)
        rows, columns = (self.backbone_type.size(n + sum(self.padding)) for n in input_shape)
        if min(rows, columns) < 1:
            raise ConfigError(
                f"input {input_shape[0]} x {input_shape[1]} is too small for this network: use features with more frames and bands"
            )
        self.preprocessing = self.backbone_type.preprocessing if options.preprocess == "keras" else None
        self.backbone = self.backbone_type(dtype=options.dtype, rngs=rngs)
        n_flat = rows * columns * self.backbone_type.n_out
        self.head = (HeadA if options.head == "A" else HeadB)(n_flat, n_classes, dropout=options.dropout, dtype=options.dtype, rngs=rngs)

    def forward(self, x: jax.Array, mask: jax.Array | None) -> jax.Array:
        image = three_channels(x)
        if self.preprocessing:
            image = preprocess_image(to_picture(image), self.preprocessing)
        if any(self.padding):
            image = jnp.pad(image, ((0, 0), self.padding, self.padding, (0, 0)))
        return self.head(self.backbone(image)).astype(jnp.float32)


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
