"""The networks of the five systems by name: ``create(name, ...)``, ``names()``."""

from __future__ import annotations

import inspect
from typing import Any

import jax
from flax import nnx

from kwsfeat import ConfigError, nearest
from kwstrain.models.cnn import LightCNN
from kwstrain.models.lstm import SpectrogramLSTM

_MODELS: dict[str, type[Any]] = {
    "cnn": LightCNN,
    "lstm": SpectrogramLSTM,
}


def names() -> list[str]:
    """The names that :func:`create` knows."""
    return list(_MODELS)


def create(name: str, *, input_shape: tuple[int, int], n_classes: int, seed: int = 0, **options: Any) -> nnx.Module:
    """A network with random weights, in training mode.

    Parameters
    ----------
    name
        One of :func:`names`.
    input_shape
        ``(n_frames, n_features)`` of one clip.
    n_classes
        >= 2.
    seed
        The same seed gives the same weights and the same dropout.
    **options
        What this network offers beyond that: `dropout` rate in [0, 1), `dtype` ``float32`` or ``bfloat16`` of the arithmetic
        (parameters stay float32), and what its class documents.

    Returns
    -------
    nnx.Module
        ``model(x, mask=None)``: x float32 ``(batch, n_frames, n_features)``, mask bool ``(batch, n_frames)`` or None, to
        logits float32 ``(batch, n_classes)``.

    Raises
    ------
    ConfigError
        For an unknown name or option (naming near ones), or a value out of bounds.
    """
    if name not in _MODELS:
        raise ConfigError(f"no model {name!r}: choose {' or '.join(nearest(name, _MODELS) or _MODELS)}")
    network = _MODELS[name]
    known = inspect.signature(network.__init__).parameters.keys() - {"self", "input_shape", "n_classes", "rngs"}
    if unknown := options.keys() - known:
        raise ConfigError(f"model {name!r} has no option {', '.join(sorted(unknown))}: it has {', '.join(sorted(known))}")
    if n_classes < 2:
        raise ConfigError(f"n_classes={n_classes} must be >= 2")
    if not 0.0 <= options.get("dropout", 0.0) < 1.0:
        raise ConfigError(f"dropout={options['dropout']} must lie in [0, 1)")
    dtype = options.setdefault("dtype", "float32")
    if dtype not in ("float32", "bfloat16"):
        raise ConfigError(f"dtype={dtype!r} must be 'float32' or 'bfloat16'")
    params_key, dropout_key = jax.random.split(jax.random.key(seed))
    model: nnx.Module = network(input_shape, n_classes, rngs=nnx.Rngs(params=params_key, dropout=dropout_key), **options)
    return model
