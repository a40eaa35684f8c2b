"""The whole way of a clip as one JAX function: waveform in, probabilities out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import jax

from kwstrain.export.front_end import front_end, real_frames
from kwstrain.inference.bundle import Bundle
from kwstrain.models import Network
from kwstrain.models.layers.common import window_max
from kwstrain.models.layers.operations import Operations

# One node instead of ten.
_OPERATIONS = Operations(max_pool=partial(window_max, size=2, stride=2))


def network(bundle: Bundle) -> Network:
    """The run's network for tracing. It computes in float32 even if it was trained in bfloat16, which many runtimes lack."""
    options = {name: value for name, value in bundle.config.options.items() if name != "dtype"}
    model = replace(bundle, config=replace(bundle.config, dtype="float32", options=options)).model
    model.use(_OPERATIONS)
    return model


def clip_function(bundle: Bundle) -> Callable[[jax.Array, jax.Array], jax.Array]:
    """A function of waveforms.

    Parameters
    ----------
    bundle : Bundle
        The run.

    Returns
    -------
    callable
        ``probabilities(y, length)`` from y, float32 ``(batch, n_samples)`` in [-1, 1], and length, int32 ``(batch,)``, the number of
        real samples; float32 ``(batch, n_classes)``.

    Raises
    ------
    ConfigError
        If the features cannot be computed in a graph.
    """
    config = bundle.feature_config
    features, model = front_end(config), network(bundle)
    last = jax.nn.softmax if bundle.config.loss == "softmax" else jax.nn.sigmoid

    def probabilities(y: jax.Array, length: jax.Array) -> jax.Array:
        with jax.named_scope("front_end"):
            x, mask = features(y, length), real_frames(config, length)
        with jax.named_scope("network"):
            logits = model(x, mask)
        with jax.named_scope("probabilities"):
            return last(logits)

    return probabilities
