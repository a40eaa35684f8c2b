"""BC-ResNet: residual blocks that work on frames, broadcast over frequency (Kim et al. 2021, arXiv:2106.04140)."""

from __future__ import annotations

from typing import Any

import jax
from flax import nnx

from kwstrain.models.layers.frames import FrameConv, TimePadding, norm
from kwstrain.models.layers.operations import PLAIN
from kwstrain.models.listener import Listener
from kwstrain.models.outlines.bcresnet import OPTIONS, STAGES, BCResNetOptions
from kwstrain.models.registry import ModelSpec, Published


class SubSpectralNorm(nnx.Module):
    """BatchNorm of each of five sub-bands by itself, with its own scale and bias (Chang et al. 2021, arXiv:2103.13620).

    Where five do not divide the bands, the next smaller number of sub-bands that does.
    """

    def __init__(self, n: int, n_bands: int, *, dtype: Any, rngs: nnx.Rngs) -> None:
        self.parts = max(parts for parts in range(1, 6) if n_bands % parts == 0)
        self.norm = norm(n * self.parts, dtype=dtype, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        batch, n_frames, n_bands, n = x.shape
        wide = n_bands // self.parts
        side_by_side = x.reshape(batch, n_frames, self.parts, wide, n).swapaxes(2, 3).reshape(batch, n_frames, wide, self.parts * n)
        normalised: jax.Array = self.norm(side_by_side)
        return normalised.reshape(batch, n_frames, wide, self.parts, n).swapaxes(2, 3).reshape(x.shape)


class Block(nnx.Module):
    """``f2`` on (time, frequency), then ``f1`` on its mean over frequency, broadcast back; a transition changes channels or bands."""

    def __init__(
        self,
        n_in: int,
        n: int,
        n_bands: int,
        stride: int,
        dilation: int,
        *,
        transition: bool,
        time: TimePadding,
        dropout: float,
        dtype: Any,
        rngs: nnx.Rngs,
    ) -> None:
        self.enter = FrameConv(n_in, n, (1, 1), dtype=dtype, rngs=rngs) if transition else None
        self.enter_norm = norm(n, dtype=dtype, rngs=rngs) if transition else None
        self.over_bands = FrameConv(n, n, (1, 3), stride=(1, stride), groups=n, pad_features=1, dtype=dtype, rngs=rngs)
        self.sub_norm = SubSpectralNorm(n, n_bands, dtype=dtype, rngs=rngs)
        self.over_time = FrameConv(n, n, (3, 1), dilation=(dilation, 1), groups=n, time=time, dtype=dtype, rngs=rngs)
        self.norm = norm(n, dtype=dtype, rngs=rngs)
        self.mix = FrameConv(n, n, (1, 1), dtype=dtype, rngs=rngs)
        # A channel of a clip is dropped as a whole: the same draw for all frames and bands.
        self.dropout = nnx.Dropout(dropout, broadcast_dims=(1, 2), rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        entered = x if self.enter is None or self.enter_norm is None else nnx.relu(self.enter_norm(self.enter(x)))
        bands = self.sub_norm(self.over_bands(entered))
        frames = self.norm(self.over_time(bands.mean(axis=2, keepdims=True)))
        y = self.dropout(self.mix(nnx.silu(frames))) + bands
        return nnx.relu(y if self.enter is not None else y + x)


class BCResNet(Listener):
    """Made for log-mel of 40 bands; takes any number of bands and frames. No frame is skipped."""

    def __init__(self, input_shape: tuple[int, int], n_classes: int, options: BCResNetOptions, *, rngs: nnx.Rngs) -> None:
        dtype = options.dtype
        time: TimePadding = "causal" if options.causal else "same"
        n_bands = -(-input_shape[1] // 2)
        width = [int(options.tau * n) for n in (16, *(channels for _, channels, _, _ in STAGES), 32)]
        self.stem = FrameConv(1, width[0], (5, 5), stride=(1, 2), time=time, pad_features=2, dtype=dtype, rngs=rngs)
        self.stem_norm = norm(width[0], dtype=dtype, rngs=rngs)
        blocks, n_in = [], width[0]
        for (repeats, _, stride, dilation), n in zip(STAGES, width[1:-1], strict=True):
            for i in range(repeats):
                step = stride if i == 0 else 1
                n_bands = -(-n_bands // step)
                blocks.append(
                    Block(n_in, n, n_bands, step, dilation, transition=i == 0, time=time, dropout=options.dropout, dtype=dtype, rngs=rngs)
                )
                n_in = n
        self.blocks = nnx.List(blocks)
        self.n_mean = input_shape[0]
        self.last = FrameConv(n_in, n_in, (5, n_bands), groups=n_in, time=time, pad_features=0, dtype=dtype, rngs=rngs)
        self.expand = FrameConv(n_in, width[-1], (1, 1), dtype=dtype, rngs=rngs)
        self.expand_norm = norm(width[-1], dtype=dtype, rngs=rngs)
        self.out = FrameConv(width[-1], n_classes, (1, 1), use_bias=True, dtype=dtype, rngs=rngs)
        self.operations = PLAIN

    def frames(self, x: jax.Array) -> jax.Array:
        """``(batch, n_frames, 32 tau)``: what each frame contributes to the mean."""
        return self.operations.together(self, x)

    def by_parts(self, x: jax.Array) -> jax.Array:
        """The same, layer by layer."""
        x = nnx.relu(self.stem_norm(self.stem(x[..., None])))
        for block in self.blocks:
            x = block(x)
        return nnx.relu(self.expand_norm(self.expand(self.last(x)))).squeeze(2)

    def head(self, mean: jax.Array) -> jax.Array:
        return self.out(mean.reshape(len(mean), -1, 1, mean.shape[-1])).reshape(*mean.shape[:-1], -1)


# The paper's rates. Its augmentation was `bcresnet` with masks; docs/accuracy.md has what was measured of both.
_TRAINING = {
    "optimizer": "sgd", "lr": 0.1, "schedule": "cosine", "warmup": 0.025, "weight_decay": 1e-3, "batch": 100, "epochs": 60,
    "augment": "strong", "ema": 0.999,
}  # fmt: skip

SPECS = tuple(
    ModelSpec(
        name=name,
        network=BCResNet,
        options=options,
        published=(Published(input_shape=(101, 40), n_classes=12, source="Kim et al. 2021, arXiv:2106.04140"),),
        training=_TRAINING,
    )
    for name, options in OPTIONS.items()
)
