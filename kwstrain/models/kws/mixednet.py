"""MixedNet: depthwise convolutions of mixed lengths over time, without padding (microWakeWord, K. Ahrendt; MixConv, arXiv:1907.09595).

No layer pads in time, so a stream gives what the whole recording gives, frame by frame.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from kwsfeat import ConfigError
from kwstrain.models.layers.frames import FrameConv, linear, norm
from kwstrain.models.listener import Listener
from kwstrain.models.outlines.mixednet import (
    MIXES,
    OPTIONS,
    STEM,
    STEM_SIZE,
    STRIDE,
    MixedNetOptions,
    frames_in_mean,
    parts,
    receptive_field,
)
from kwstrain.models.registry import ModelSpec, Published


class MixedBlock(nnx.Module):
    """Groups of channels, each with a depthwise convolution of its own length; pointwise; BatchNorm; ReLU."""

    def __init__(self, n_in: int, n: int, sizes: tuple[int, ...], *, dtype: Any, rngs: nnx.Rngs) -> None:
        shares = parts(n_in, sizes)
        self.depthwise = nnx.List(
            FrameConv(part, part, (size, 1), groups=part, time="valid", dtype=dtype, rngs=rngs)
            for part, size in zip(shares, sizes, strict=True)
        )
        self.pointwise = FrameConv(n_in, n, (1, 1), dtype=dtype, rngs=rngs)
        self.norm = norm(n, dtype=dtype, rngs=rngs)
        self.parts, self.sizes = tuple(shares), sizes

    def __call__(self, x: jax.Array) -> jax.Array:
        longest = max(self.sizes)
        start, mixed = 0, []
        for part, size, conv in zip(self.parts, self.sizes, self.depthwise, strict=True):
            # A shorter kernel reads the latest frames only, so that all groups end at the same frame.
            mixed.append(conv(x[:, longest - size :, :, start : start + part]))
            start += part
        return nnx.relu(self.norm(self.pointwise(jnp.concatenate(mixed, axis=-1))))


class MixedNet(Listener):
    """A convolution of five frames with stride three, then blocks of `filters` channels; mean over the latest that are left; Dense."""

    def __init__(self, input_shape: tuple[int, int], n_classes: int, options: MixedNetOptions, *, rngs: nnx.Rngs) -> None:
        dtype = options.dtype
        filters = options.filters
        if input_shape[0] < receptive_field():
            raise ConfigError(f"{input_shape[0]} frames are too few: it pads nothing and needs {receptive_field()}: build with --length 2")
        self.stem = FrameConv(input_shape[1], STEM, (STEM_SIZE, 1), stride=(STRIDE, 1), time="valid", dtype=dtype, rngs=rngs)
        self.blocks = nnx.List(
            MixedBlock(STEM if i == 0 else filters, filters, sizes, dtype=dtype, rngs=rngs) for i, sizes in enumerate(MIXES)
        )
        self.n_mean = frames_in_mean(input_shape[0])
        self.dropout = nnx.Dropout(options.dropout, rngs=rngs)
        self.out = linear(filters, n_classes, dtype=dtype, rngs=rngs)

    def frames(self, x: jax.Array) -> jax.Array:
        """``(batch, frames out, filters)``, one for every third frame after the first :func:`receptive_field`."""
        x = nnx.relu(self.stem(x[:, :, None]))
        for block in self.blocks:
            x = block(x)
        return x.squeeze(2)

    def head(self, mean: jax.Array) -> jax.Array:
        return self.out(self.dropout(mean))


SPEC = ModelSpec(
    name="mixednet",
    network=MixedNet,
    options=OPTIONS["mixednet"],
    published=(Published(input_shape=(194, 40), n_classes=2, source="microWakeWord (K. Ahrendt), MixConv arXiv:1907.09595"),),
    training={"lr": 1e-3, "schedule": "cosine", "batch": 128, "epochs": 60, "augment": "strong", "ema": 0.999},
)
