"""TC-ResNet: one-dimensional residual convolutions over time, the features are channels (Choi et al. 2019, arXiv:1904.03814)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from kwstrain.models.layers.frames import FrameConv, linear, norm
from kwstrain.models.network import Network
from kwstrain.models.options import Options, option
from kwstrain.models.registry import ModelSpec, Published

_CHANNELS = (16, 24, 32, 48)


class Block(nnx.Module):
    """Two convolutions of nine frames; the shortcut is a strided 1 x 1 convolution where the block strides."""

    def __init__(self, n_in: int, n: int, stride: int, *, dtype: Any, rngs: nnx.Rngs) -> None:
        self.conv1 = FrameConv(n_in, n, (9, 1), stride=(stride, 1), dtype=dtype, rngs=rngs)
        self.norm1 = norm(n, dtype=dtype, rngs=rngs)
        self.conv2 = FrameConv(n, n, (9, 1), dtype=dtype, rngs=rngs)
        self.norm2 = norm(n, dtype=dtype, rngs=rngs)
        self.shortcut = FrameConv(n_in, n, (1, 1), stride=(stride, 1), dtype=dtype, rngs=rngs) if stride > 1 else None
        self.shortcut_norm = norm(n, dtype=dtype, rngs=rngs) if stride > 1 else None

    def __call__(self, x: jax.Array) -> jax.Array:
        y = nnx.relu(self.norm1(self.conv1(x)))
        y = self.norm2(self.conv2(y))
        if self.shortcut is not None and self.shortcut_norm is not None:
            x = nnx.relu(self.shortcut_norm(self.shortcut(x)))
        return nnx.relu(y + x)


@dataclass(frozen=True, kw_only=True)
class TCResNetOptions(Options):
    """Options of TC-ResNet."""

    repeats: int = option(1, "blocks of each of the three stages", at_least=1)
    width: float = option(1.0, "factor of the channels 16, 24, 32, 48", at_least=0.25)
    dropout: float = option(0.5, "rate before the last layer", at_least=0, below=1)


class TCResNet(Network):
    """A convolution of three frames, then stages of blocks, the first of each halving the frames; mean; Dense."""

    def __init__(self, input_shape: tuple[int, int], n_classes: int, options: TCResNetOptions, *, rngs: nnx.Rngs) -> None:
        dtype = options.dtype
        channels = [int(n * options.width) for n in _CHANNELS]
        self.stem = FrameConv(input_shape[1], channels[0], (3, 1), dtype=dtype, rngs=rngs)
        blocks, n_in = [], channels[0]
        for n in channels[1:]:
            for i in range(options.repeats):
                blocks.append(Block(n_in, n, 2 if i == 0 else 1, dtype=dtype, rngs=rngs))
                n_in = n
        self.blocks = nnx.List(blocks)
        self.dropout = nnx.Dropout(options.dropout, rngs=rngs)
        self.out = linear(n_in, n_classes, dtype=dtype, rngs=rngs)

    def forward(self, x: jax.Array, mask: jax.Array | None) -> jax.Array:
        x = self.stem(x[:, :, None])
        for block in self.blocks:
            x = block(x)
        return self.out(self.dropout(x.mean(axis=(1, 2)))).astype(jnp.float32)


_FAMILY: tuple[tuple[str, TCResNetOptions, dict[str, float]], ...] = (
    ("tc-resnet8", TCResNetOptions(), {}),
    ("tc-resnet14", TCResNetOptions(repeats=2), {"width": 1.5}),
)

SPECS = tuple(
    ModelSpec(
        name=name,
        network=TCResNet,
        options=options,
        published=(Published(input_shape=(98, 40), n_classes=12, source="Choi et al. 2019, arXiv:1904.03814", options=changes),),
        training={"lr": 3e-3, "schedule": "cosine", "batch": 100, "epochs": 60, "augment": "strong", "ema": 0.999},
    )
    for name, options, changes in _FAMILY
)
