"""Multi-head attention over a bidirectional recurrent network (Rybakov et al. 2020, arXiv:2005.06720, MHAtt-RNN)."""

from __future__ import annotations

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from flax import nnx

from kwstrain.models.layers.frames import FrameConv, linear, norm
from kwstrain.models.layers.gru import BidirectionalGRU
from kwstrain.models.network import Network
from kwstrain.models.options import Options, option
from kwstrain.models.registry import ModelSpec, Published


@dataclass(frozen=True, kw_only=True)
class MHAttRNNOptions(Options):
    """Options of MHAtt-RNN."""

    units: int = option(128, "of each GRU, in each direction", at_least=1)
    heads: int = option(4, "queries", at_least=1)
    dropout: float = option(0.2, "rate after the attention", at_least=0, below=1)


class MHAttRNN(Network):
    """Two convolutions over time, two bidirectional GRUs; queries made of the middle frame attend to all frames."""

    def __init__(self, input_shape: tuple[int, int], n_classes: int, options: MHAttRNNOptions, *, rngs: nnx.Rngs) -> None:
        dtype = options.dtype
        units, heads = options.units, options.heads
        n_features = input_shape[1]
        self.conv1 = FrameConv(1, 10, (5, 1), use_bias=True, dtype=dtype, rngs=rngs)
        self.norm1 = norm(10, dtype=dtype, rngs=rngs)
        self.conv2 = FrameConv(10, 1, (5, 1), use_bias=True, dtype=dtype, rngs=rngs)
        self.norm2 = norm(1, dtype=dtype, rngs=rngs)
        self.gru1 = BidirectionalGRU(n_features, units, dtype=dtype, rngs=rngs)
        self.gru2 = BidirectionalGRU(2 * units, units, dtype=dtype, rngs=rngs)
        self.queries = nnx.List(linear(2 * units, 2 * units, dtype=dtype, rngs=rngs) for _ in range(heads))
        self.dropout = nnx.Dropout(options.dropout, rngs=rngs)
        self.dense1 = linear(2 * units * heads, 64, dtype=dtype, rngs=rngs)
        self.dense2 = linear(64, 32, dtype=dtype, rngs=rngs)
        self.out = linear(32, n_classes, dtype=dtype, rngs=rngs)

    def forward(self, x: jax.Array, mask: jax.Array | None) -> jax.Array:
        x = nnx.relu(self.norm1(self.conv1(x[..., None])))
        x = nnx.relu(self.norm2(self.conv2(x))).squeeze(-1)
        x = self.gru2(self.gru1(x))
        middle = x[:, x.shape[1] // 2]
        attended = []
        for query in self.queries:
            scores = jnp.einsum("btd,bd->bt", x, query(middle)).astype(jnp.float32)
            if mask is not None:
                scores = jnp.where(mask, scores, -1e30)
            attended.append(jnp.einsum("bt,btd->bd", jax.nn.softmax(scores, axis=-1).astype(x.dtype), x))
        y = self.dropout(jnp.concatenate(attended, axis=-1))
        return self.out(self.dense2(nnx.relu(self.dense1(y)))).astype(jnp.float32)


SPEC = ModelSpec(
    name="mhatt-rnn",
    network=MHAttRNN,
    options=MHAttRNNOptions(),
    published=(Published(input_shape=(98, 20), n_classes=12, source="Rybakov et al. 2020, arXiv:2005.06720"),),
    training={"lr": 1e-3, "schedule": "cosine", "clip_norm": 1.0, "batch": 100, "epochs": 60, "augment": "strong", "ema": 0.999},
    sequential=True,
)
