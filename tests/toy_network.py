"""A network that compiles in a moment, for tests of what is done around a network: one hidden layer, BatchNorm and dropout."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import pytest
from flax import nnx

from kwstrain.models.layers.common import BatchNorm, dense
from kwstrain.models.network import Network
from kwstrain.models.options import Options, option
from kwstrain.models.registry import ModelSpec, Published, specs
from kwstrain.report import figures
from kwstrain.training.folder.events import Events


@dataclass(frozen=True, kw_only=True)
class ToyOptions(Options):
    """Options of the toy network."""

    hidden: int = option(8, "units of the hidden layer", at_least=1)
    dropout: float = option(0.0, "rate", at_least=0, below=1)


class Toy(Network):
    """The mean over the real frames of a hidden layer."""

    def __init__(self, input_shape: tuple[int, int], n_classes: int, options: ToyOptions, *, rngs: nnx.Rngs) -> None:
        self.hidden = dense(input_shape[1], options.hidden, dtype=options.dtype, rngs=rngs)
        self.norm = BatchNorm(options.hidden, dtype=options.dtype, rngs=rngs)
        self.dropout = nnx.Dropout(options.dropout, rngs=rngs)
        self.out = dense(options.hidden, n_classes, dtype=options.dtype, rngs=rngs)

    def forward(self, x: jax.Array, mask: jax.Array | None) -> jax.Array:
        weight = jnp.ones(x.shape[:2]) if mask is None else mask
        hidden = self.norm(nnx.relu(self.dropout(self.hidden(x))))
        return self.out((hidden * weight[..., None]).sum(1) / weight.sum(1, keepdims=True)).astype(jnp.float32)


@contextmanager
def toy_network() -> Iterator[None]:
    """The network ``toy`` is registered, and runs draw no pictures, which takes longer than training it."""
    published = Published(input_shape=(26, 33), n_classes=3, source="tests")
    specs()["toy"] = ModelSpec(name="toy", network=Toy, options=ToyOptions(), published=(published,), training={"augment": "strong"})
    with pytest.MonkeyPatch.context() as patch:
        for name in ("save_curves", "save_confusion"):
            patch.setattr(figures, name, lambda *arguments: None)
        patch.setattr(Events, "pictures", lambda *arguments: None)
        yield
    del specs()["toy"]
