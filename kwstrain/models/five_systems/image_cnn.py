"""The CNN on spectrograms as images: 160 x 160 x 3, seven 5 x 5 convolutions in three groups, Dense 1024."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import jax
import jax.numpy as jnp
from flax import nnx

from kwstrain.models.layers.common import Conv, MaxPool, dense, flatten, three_channels
from kwstrain.models.network import Network
from kwstrain.models.options import Options, option
from kwstrain.models.registry import ModelSpec, Published


@dataclass(frozen=True, kw_only=True)
class ImageCNNOptions(Options):
    """Options of the CNN on images."""

    dropout: float = option(0.25, "rate after each pooling", at_least=0, below=1)


class ImageCNN(Network):
    """An input of another size than 160 x 160 is resized, bilinearly."""

    def __init__(self, input_shape: tuple[int, int], n_classes: int, options: ImageCNNOptions, *, rngs: nnx.Rngs) -> None:
        groups = ((3, 32, 32), (32, 64, 64), (64, 64, 64, 64))
        dtype = options.dtype
        self.groups = nnx.List(
            nnx.List(Conv(n_in, n_out, 5, padding="same", dtype=dtype, rngs=rngs) for n_in, n_out in pairwise(group)) for group in groups
        )
        self.pool = MaxPool()
        self.dropout = nnx.Dropout(options.dropout, rngs=rngs)
        self.dense = dense(20 * 20 * 64, 1024, dtype=dtype, rngs=rngs)
        self.out = dense(1024, n_classes, dtype=dtype, rngs=rngs)

    def forward(self, x: jax.Array, mask: jax.Array | None) -> jax.Array:
        x = three_channels(jax.image.resize(x, (len(x), 160, 160), "bilinear"))
        for group in self.groups:
            for conv in group:
                x = nnx.relu(conv(x))
            x = self.dropout(self.pool(x))
        return self.out(nnx.relu(self.dense(flatten(x)))).astype(jnp.float32)


SPEC = ModelSpec(
    name="vgg-160",
    network=ImageCNN,
    options=ImageCNNOptions(),
    published=(Published(input_shape=(160, 160), n_classes=12, hop_ms=6.25, source="VGG-like CNN on spectrogram images"),),
)
