"""Networks as small as they go, one of each family, with weights that all count; and their graphs."""

from __future__ import annotations

from functools import cache
from typing import Any

import jax.numpy as jnp
import numpy as np
from flax import nnx

from kwstrain.export.graph.value import BATCH
from kwstrain.export.graph.write import Input, write
from kwstrain.models import Network, create_shapes

# One of each family, as small as it goes; the others differ in the numbers of these.
SMALL: dict[str, tuple[tuple[int, int], dict[str, Any]]] = {
    "cnn-deep": ((20, 18), {}),
    "cnn": ((40, 33), {}),
    "cnn-mnist": ((12, 13), {}),
    "lstm-raw": ((150, 1), {"units": 5}),
    "lstm": ((21, 10), {"units": 6}),
    "bcresnet-1": ((31, 40), {}),
    "ds-cnn-s": ((25, 10), {}),
    "ds-cnn-tiny": ((25, 10), {"filters": 8}),
    "kwt-1": ((12, 20), {"depth": 2}),
    "matchboxnet-3x1x64": ((33, 16), {"channels": 8}),
    "mhatt-rnn": ((20, 12), {"units": 8}),
    "mixednet": ((194, 10), {"filters": 8}),
    "res8": ((33, 20), {"filters": 6}),
    "res15": ((33, 20), {"filters": 6}),
    "speech-embedding": ((93, 32), {"width": 4, "window": 2, "templates": 2, "evened": 1.0}),
    "tc-resnet8": ((40, 20), {}),
}


def seeded(name: str, shape: tuple[int, int], **options: Any) -> Network:
    """A network whose every weight and statistic counts; its own random ones are never computed."""
    model = create_shapes(name, input_shape=shape, n_classes=3, **options)
    rng = np.random.default_rng(5)
    for path, variable in nnx.to_flat_state(nnx.state(model, nnx.Not(nnx.RngState))):
        value = rng.standard_normal(variable.shape).astype(np.float32)
        positive = path[-1] in ("var", "std")
        variable.set_value(jnp.asarray(np.abs(value) + 0.5 if positive else value * (0.2 if value.ndim > 1 else 0.3)))
    model.eval()
    return model


def graph(model: Network, shape: tuple[int, int]) -> Any:
    return write(model, [Input("x", (BATCH, *shape)), Input("mask", (BATCH, shape[0]), bool, np.ones((1, shape[0]), bool))], ["logits"], {})


@cache
def small(name: str) -> tuple[Network, Any]:
    """One of SMALL and its graph."""
    shape, options = SMALL[name]
    model = seeded(name, shape, **options)
    return model, graph(model, shape)
