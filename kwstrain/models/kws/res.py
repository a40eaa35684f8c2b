"""Deep residual networks of small convolutions, as in Honk (Tang & Lin 2017, arXiv:1710.10361)."""

from __future__ import annotations

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from flax import nnx

from kwsfeat import ConfigError
from kwstrain.models.layers.frames import FrameConv, linear, norm
from kwstrain.models.network import Network
from kwstrain.models.options import Options, option
from kwstrain.models.registry import ModelSpec, Published


@dataclass(frozen=True, kw_only=True)
class ResOptions(Options):
    """Options of the residual networks."""

    layers: int = option(6, "convolutions after the first", at_least=1)
    filters: int = option(45, "maps of every convolution", at_least=1)
    pool_frames: int = option(1, "frames that are averaged after the first convolution", at_least=1)
    pool_features: int = option(1, "features that are averaged there", at_least=1)
    dilate: bool = option(False, "kernels spread by 1, 1, 1, 2, 2, 2, 4, ...")


class Res(Network):
    """3 x 3 convolutions in pairs with a residual around each; the image is averaged first, or the kernels dilate."""

    def __init__(self, input_shape: tuple[int, int], n_classes: int, options: ResOptions, *, rngs: nnx.Rngs) -> None:
        dtype = options.dtype
        filters, n_layers, pool = options.filters, options.layers, (options.pool_frames, options.pool_features)
        if input_shape[0] < pool[0] or input_shape[1] < pool[1]:
            raise ConfigError(f"input_shape={input_shape} is too small: this network averages {pool[0]} x {pool[1]} values first")
        self.stem = FrameConv(1, filters, (3, 3), dtype=dtype, rngs=rngs)
        self.convs = nnx.List(
            FrameConv(filters, filters, (3, 3), dilation=(2 ** (i // 3),) * 2 if options.dilate else (1, 1), dtype=dtype, rngs=rngs)
            for i in range(n_layers)
        )
        self.norms = nnx.List(norm(filters, use_scale=False, use_bias=False, dtype=dtype, rngs=rngs) for _ in range(n_layers))
        self.out = linear(filters, n_classes, dtype=dtype, rngs=rngs)
        self.pool = pool

    def forward(self, x: jax.Array, mask: jax.Array | None) -> jax.Array:
        x = nnx.relu(self.stem(x[..., None]))
        if self.pool != (1, 1):
            x = nnx.avg_pool(x, self.pool, strides=self.pool)
        before = x
        for i, (conv, norm_) in enumerate(zip(self.convs, self.norms, strict=True), start=1):
            x = nnx.relu(conv(x))
            if i % 2 == 0:
                x = before = x + before
            x = norm_(x)
        return self.out(x.mean(axis=(1, 2))).astype(jnp.float32)


_FAMILY = (
    ("res8", ResOptions(pool_frames=4, pool_features=3)),
    ("res8-narrow", ResOptions(filters=19, pool_frames=4, pool_features=3)),
    ("res15", ResOptions(layers=13, dilate=True)),
    ("res26", ResOptions(layers=24, pool_frames=2, pool_features=2)),
)

SPECS = tuple(
    ModelSpec(
        name=name,
        network=Res,
        options=options,
        published=(Published(input_shape=(101, 40), n_classes=12, source="Tang & Lin 2017, arXiv:1710.10361 (Honk)"),),
        training={
            "optimizer": "sgd",
            "lr": 0.1,
            "schedule": "cosine",
            "weight_decay": 1e-5,
            "batch": 64,
            "epochs": 60,
            "augment": "bcresnet",
        },
    )
    for name, options in _FAMILY
)
