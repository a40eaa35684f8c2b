"""The LSTM on log-mel spectrograms: the mean of its outputs, Dense ReLU, Dropout, Dense."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import jax
import jax.numpy as jnp
from flax import nnx

from kwstrain.models.layers.common import dense
from kwstrain.models.layers.lstm import LSTM
from kwstrain.models.network import Network
from kwstrain.models.options import Options, option
from kwstrain.models.registry import ModelSpec, Published


@dataclass(frozen=True, kw_only=True)
class SpectrogramLSTMOptions(Options):
    """Options of the LSTM on spectrograms.

    `pooling` ``time`` averages the outputs over the real frames, to `units` values; ``units`` averages each frame's output
    over its units, to `n_frames` values (0 for frames that are not real).
    """

    units: int = option(128, "of the LSTM", at_least=1, at_most=1 << 16)
    hidden: int = option(64, "units of the Dense layer after it", at_least=1, at_most=1 << 16)
    pooling: Literal["time", "units"] = option("time", "what the outputs are averaged over")
    dropout: float = option(0.3, "rate before the last layer", at_least=0, below=1)


class SpectrogramLSTM(Network):
    """One LSTM over the frames; a frame that is not real changes nothing."""

    def __init__(self, input_shape: tuple[int, int], n_classes: int, options: SpectrogramLSTMOptions, *, rngs: nnx.Rngs) -> None:
        n_frames, n_features = input_shape
        self.lstm = LSTM(n_features, options.units, dtype=options.dtype, rngs=rngs)
        self.dense = dense(options.units if options.pooling == "time" else n_frames, options.hidden, dtype=options.dtype, rngs=rngs)
        self.dropout = nnx.Dropout(options.dropout, rngs=rngs)
        self.out = dense(options.hidden, n_classes, dtype=options.dtype, rngs=rngs)
        self.pooling = options.pooling

    def forward(self, x: jax.Array, mask: jax.Array | None) -> jax.Array:
        outputs, _ = self.lstm(x, mask, return_sequences=True)
        if mask is not None:
            outputs = jnp.where(mask[..., None], outputs, 0)
        if self.pooling == "units":
            pooled = outputs.mean(axis=2)
        elif mask is None:
            pooled = outputs.mean(axis=1)
        else:
            pooled = outputs.sum(axis=1) / jnp.maximum(mask.sum(axis=1, keepdims=True), 1)
        return self.out(self.dropout(nnx.relu(self.dense(pooled)))).astype(jnp.float32)


SPEC = ModelSpec(
    name="lstm",
    network=SpectrogramLSTM,
    options=SpectrogramLSTMOptions(),
    published=(Published(input_shape=(35, 64), n_classes=10, hop_ms=512 / 22.05, source="LSTM on log-mel spectrograms"),),
    training={"schedule": "cosine", "lr": 3e-3, "epochs": 40, "clip_norm": 1.0},
    sequential=True,
)
