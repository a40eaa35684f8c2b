"""MatchboxNet: time-channel separable convolutions with residuals (Majumdar & Ginsburg 2020, arXiv:2004.08531)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from kwstrain.models.layers.frames import FrameConv, norm
from kwstrain.models.network import Network
from kwstrain.models.options import Options, option
from kwstrain.models.registry import ModelSpec, Published


class Separable(nnx.Module):
    """Depthwise over time, pointwise, BatchNorm."""

    def __init__(self, n_in: int, n: int, size: int, *, stride: int = 1, dilation: int = 1, dtype: Any, rngs: nnx.Rngs) -> None:
        self.depthwise = FrameConv(n_in, n_in, (size, 1), stride=(stride, 1), dilation=(dilation, 1), groups=n_in, dtype=dtype, rngs=rngs)
        self.pointwise = FrameConv(n_in, n, (1, 1), dtype=dtype, rngs=rngs)
        self.norm = norm(n, dtype=dtype, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        normalised: jax.Array = self.norm(self.pointwise(self.depthwise(x)))
        return normalised


class Block(nnx.Module):
    """`repeats` separable convolutions; the block's input, through a pointwise one, is added before the last ReLU."""

    def __init__(self, n_in: int, n: int, size: int, repeats: int, *, dropout: float, dtype: Any, rngs: nnx.Rngs) -> None:
        self.parts = nnx.List(Separable(n_in if i == 0 else n, n, size, dtype=dtype, rngs=rngs) for i in range(repeats))
        self.residual = FrameConv(n_in, n, (1, 1), dtype=dtype, rngs=rngs)
        self.residual_norm = norm(n, dtype=dtype, rngs=rngs)
        self.dropout = nnx.Dropout(dropout, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        y = x
        for i, part in enumerate(self.parts):
            y = part(y if i == 0 else self.dropout(nnx.relu(y)))
        return self.dropout(nnx.relu(y + self.residual_norm(self.residual(x))))


@dataclass(frozen=True, kw_only=True)
class MatchboxNetOptions(Options):
    """Options of MatchboxNet."""

    repeats: int = option(1, "separable convolutions of each of the three blocks", at_least=1)
    channels: int = option(64, "channels of the blocks", at_least=1)
    dropout: float = option(0.1, "rate after each convolution", at_least=0, below=1)


class MatchboxNet(Network):
    """Three residual blocks between a strided and a dilated separable convolution."""

    def __init__(self, input_shape: tuple[int, int], n_classes: int, options: MatchboxNetOptions, *, rngs: nnx.Rngs) -> None:
        dtype = options.dtype
        channels, dropout = options.channels, options.dropout
        self.first = Separable(input_shape[1], 128, 11, stride=2, dtype=dtype, rngs=rngs)
        self.blocks = nnx.List(
            Block(128 if i == 0 else channels, channels, size, options.repeats, dropout=dropout, dtype=dtype, rngs=rngs)
            for i, size in enumerate((13, 15, 17))
        )
        self.wide = Separable(channels, 128, 29, dilation=2, dtype=dtype, rngs=rngs)
        self.mix = FrameConv(128, 128, (1, 1), dtype=dtype, rngs=rngs)
        self.mix_norm = norm(128, dtype=dtype, rngs=rngs)
        self.dropout = nnx.Dropout(dropout, rngs=rngs)
        self.out = FrameConv(128, n_classes, (1, 1), use_bias=True, dtype=dtype, rngs=rngs)

    def forward(self, x: jax.Array, mask: jax.Array | None) -> jax.Array:
        x = self.dropout(nnx.relu(self.first(x[:, :, None])))
        for block in self.blocks:
            x = block(x)
        x = self.dropout(nnx.relu(self.wide(x)))
        x = self.dropout(nnx.relu(self.mix_norm(self.mix(x))))
        return self.out(x).mean(axis=(1, 2)).astype(jnp.float32)


SPECS = tuple(
    ModelSpec(
        name=f"matchboxnet-3x{repeats}x64",
        network=MatchboxNet,
        options=MatchboxNetOptions(repeats=repeats),
        published=(Published(input_shape=(101, 64), n_classes=12, source="Majumdar & Ginsburg 2020, arXiv:2004.08531"),),
        training={"lr": 3e-3, "schedule": "cosine", "warmup": 0.05, "batch": 100, "epochs": 60, "augment": "strong", "ema": 0.999},
    )
    for repeats in (1, 2)
)
