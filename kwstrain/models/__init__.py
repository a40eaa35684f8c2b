"""The networks of the five systems by name: ``create(name, ...)``, ``names()``, ``table()``."""

from __future__ import annotations

import inspect
import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
from flax import nnx

from kwsfeat import ConfigError, unknown_name
from kwstrain.models.five_systems.cnn import DeepCNN, ImageCNN, LightCNN, MnistCNN
from kwstrain.models.five_systems.lstm import RawLSTM, SpectrogramLSTM
from kwstrain.models.freeze import trainable
from kwstrain.models.imagenet.transfer import TransferInceptionV3, TransferResNet50, TransferVGG16

__all__ = ["ModelRow", "create", "names", "table", "trainable"]


class _Entry(NamedTuple):
    network: type[Any]
    source: str
    input_shape: tuple[int, int]  # of the system that it comes from
    n_classes: int


_B = (99, 161)
_MODELS = {
    "cnn": _Entry(LightCNN, "B: Light CNN, C", _B, 12),
    "cnn-mnist": _Entry(MnistCNN, "B: MNIST", _B, 12),
    "cnn-deep": _Entry(DeepCNN, "A: CNN", (75, 75), 11),
    "vgg-160": _Entry(ImageCNN, "D", (160, 160), 12),
    "lstm": _Entry(SpectrogramLSTM, "E.2", (35, 64), 10),
    "lstm-raw": _Entry(RawLSTM, "E.1", (17640, 1), 10),
    "vgg16": _Entry(TransferVGG16, "B: VGG16", _B, 12),
    "resnet50": _Entry(TransferResNet50, "B: ResNet50", _B, 12),
    "inception-v3": _Entry(TransferInceptionV3, "B: Inception V3", _B, 12),
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
        raise unknown_name("network", name, _MODELS)
    network = _MODELS[name].network
    known = inspect.signature(network.__init__).parameters.keys() - {"self", "input_shape", "n_classes", "rngs"}
    if unknown := sorted(options.keys() - known):
        raise unknown_name(f"option of {name}", unknown[0], sorted(known))
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


@dataclass(frozen=True, kw_only=True)
class ModelRow:
    """One line of ``kwstrain models``; `name` is followed by the options that are not ``create``'s defaults."""

    name: str
    input_shape: tuple[int, int]
    n_classes: int
    total: int
    trainable: int
    non_trainable: int
    source: str


def table() -> list[ModelRow]:
    """Every network on the input of the system that it comes from; the large ones with head A on that system's too.

    `non_trainable` counts the running mean and variance of every BatchNorm.
    """
    rows = [_row(name, entry, {}) for name, entry in _MODELS.items()]
    for name in ("resnet50", "inception-v3"):
        rows.append(_row(name, _Entry(_MODELS[name].network, f"A: {name}", (75, 75), 11), {"head": "A"}))
    return rows


def _row(name: str, entry: _Entry, options: dict[str, Any]) -> ModelRow:
    model = nnx.eval_shape(lambda: create(name, input_shape=entry.input_shape, n_classes=entry.n_classes, **options))
    parameters, statistics = (
        sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(nnx.state(model, kind))) for kind in (nnx.Param, nnx.BatchStat)
    )
    return ModelRow(
        name=" ".join([name, *(f"{key}={value}" for key, value in options.items())]),
        input_shape=entry.input_shape,
        n_classes=entry.n_classes,
        total=parameters + statistics,
        trainable=parameters,
        non_trainable=statistics,
        source=entry.source,
    )
