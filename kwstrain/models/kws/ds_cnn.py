"""DS-CNN: depthwise separable convolutions on a small MFCC image (Zhang et al. 2017, arXiv:1711.07128; MLPerf Tiny's variant)."""

from __future__ import annotations

from typing import Any

import jax
from flax import nnx

from kwstrain.models.layers.frames import FrameConv, TimePadding, linear, norm
from kwstrain.models.layers.operations import PLAIN
from kwstrain.models.listener import Listener
from kwstrain.models.outlines.ds_cnn import OPTIONS, DSCNNOptions, frames_in_mean
from kwstrain.models.registry import ModelSpec, Published


class Separable(nnx.Module):
    """Depthwise 3 x 3, then pointwise, each followed by BatchNorm and ReLU."""

    def __init__(self, n: int, stride: tuple[int, int], *, time: TimePadding, full: bool, dtype: Any, rngs: nnx.Rngs) -> None:
        self.depthwise = FrameConv(n, n, (3, 3), stride=stride, groups=n, time=time, use_bias=full, dtype=dtype, rngs=rngs)
        self.norm1 = norm(n, use_scale=full, dtype=dtype, rngs=rngs)
        self.pointwise = FrameConv(n, n, (1, 1), use_bias=full, dtype=dtype, rngs=rngs)
        self.norm2 = norm(n, use_scale=full, dtype=dtype, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        x = nnx.relu(self.norm1(self.depthwise(x)))
        return nnx.relu(self.norm2(self.pointwise(x)))


class DSCNN(Listener):
    """A 10 x 4 convolution, then separable ones; mean; Dense.

    Without `full`, BatchNorm has no scale, for the weights after it hold one: so counted, the paper's numbers come out.
    """

    def __init__(self, input_shape: tuple[int, int], n_classes: int, options: DSCNNOptions, *, rngs: nnx.Rngs) -> None:
        dtype = options.dtype
        filters, full = options.filters, options.full
        time: TimePadding = "causal" if options.causal else "same"
        self.stem = FrameConv(1, filters, (10, 4), stride=(2, options.feature_stride), time=time, use_bias=full, dtype=dtype, rngs=rngs)
        self.norm = norm(filters, use_scale=full, dtype=dtype, rngs=rngs)
        self.blocks = nnx.List(
            Separable(filters, (options.block_stride,) * 2 if i == 0 else (1, 1), time=time, full=full, dtype=dtype, rngs=rngs)
            for i in range(options.blocks)
        )
        self.n_mean = frames_in_mean(input_shape[0], options)
        self.dropout = nnx.Dropout(options.dropout, rngs=rngs)
        self.out = linear(filters, n_classes, dtype=dtype, rngs=rngs)
        self.operations = PLAIN

    def frames(self, x: jax.Array) -> jax.Array:
        """``(batch, frames out, filters)``: what each frame contributes to the mean."""
        return self.operations.together(self, x)

    def by_parts(self, x: jax.Array) -> jax.Array:
        """The same, layer by layer."""
        x = nnx.relu(self.norm(self.stem(x[..., None])))
        for block in self.blocks:
            x = block(x)
        return x.mean(axis=2)

    def head(self, mean: jax.Array) -> jax.Array:
        return self.out(self.dropout(mean))


_PAPER = "Zhang et al. 2017, arXiv:1711.07128"
_MLPERF = "MLPerf Tiny, keyword spotting (mlcommons/tiny)"

SPECS = tuple(
    ModelSpec(
        name=name,
        network=DSCNN,
        options=options,
        published=(Published(input_shape=(49, 10), n_classes=12, hop_ms=20.0, source=_MLPERF if options.full else _PAPER),),
        training={"lr": 3e-3, "schedule": "cosine", "batch": 100, "epochs": 60, "augment": "strong", "ema": 0.999},
    )
    for name, options in OPTIONS.items()
)
