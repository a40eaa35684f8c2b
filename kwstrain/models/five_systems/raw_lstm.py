"""The LSTM on the waveform: its state at the last real sample, Dense ReLU, Dropout, Dense."""

from __future__ import annotations

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from flax import nnx

from kwstrain.models.layers.common import dense
from kwstrain.models.layers.lstm import LSTM
from kwstrain.models.network import Network
from kwstrain.models.options import Options, option
from kwstrain.models.registry import ModelSpec, Published


@dataclass(frozen=True, kw_only=True)
class RawLSTMOptions(Options):
    """Options of the LSTM on the waveform."""

    units: int = option(32, "of the LSTM", at_least=1, at_most=1 << 16)
    hidden: int = option(64, "units of the Dense layer after it", at_least=1, at_most=1 << 16)
    chrono_steps: int = option(
        0, "samples that units begin by remembering, see LSTM; 0: Keras's start", at_least=0, at_most=(1 << 31) - 1, formerly="memory"
    )  # fmt: skip
    dropout: float = option(0.3, "rate before the last layer", at_least=0, below=1)


class RawLSTM(Network):
    """One LSTM over the samples; a sample that is not real changes nothing."""

    def __init__(self, input_shape: tuple[int, int], n_classes: int, options: RawLSTMOptions, *, rngs: nnx.Rngs) -> None:
        self.lstm = LSTM(input_shape[1], options.units, chrono_steps=options.chrono_steps, dtype=options.dtype, rngs=rngs)
        self.dense = dense(options.units, options.hidden, dtype=options.dtype, rngs=rngs)
        self.dropout = nnx.Dropout(options.dropout, rngs=rngs)
        self.out = dense(options.hidden, n_classes, dtype=options.dtype, rngs=rngs)

    def forward(self, x: jax.Array, mask: jax.Array | None) -> jax.Array:
        last, _ = self.lstm(x, mask, return_sequences=False)
        return self.out(self.dropout(nnx.relu(self.dense(last)))).astype(jnp.float32)


SPEC = ModelSpec(
    name="lstm-raw",
    network=RawLSTM,
    options=RawLSTMOptions(),
    published=(Published(input_shape=(17640, 1), n_classes=10, hop_ms=1 / 22.05, source="LSTM on the waveform"),),
    sequential=True,
)
