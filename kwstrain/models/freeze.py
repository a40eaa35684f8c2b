"""Which parameters training may change: everything, all but the backbone, or all but the first N layers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from flax import nnx

from kwsfeat import ConfigError
from kwstrain.models.layers.common import BatchNorm

Path = tuple[str | int, ...]


def trainable(model: nnx.Module, freeze: str | int = "none") -> Callable[[Path, Any], bool]:
    """A filter for the parameters of `model` that training may change; marks its frozen BatchNorms.

    Parameters
    ----------
    model
        From :func:`kwstrain.models.create`, before any training.
    freeze
        ``none``, ``backbone`` (vgg16, resnet50, inception-v3), or how many layers to freeze, counted from the input. A layer
        is one that has parameters: a convolution, a BatchNorm, an LSTM, a Dense.

    Returns
    -------
    Callable
        For ``nnx.split``, ``nnx.Optimizer(wrt=...)`` or ``nnx.DiffState``.

    Raises
    ------
    ConfigError
        When the model has no backbone, or not that many layers.
    """
    layers = list(_layers((), model))
    if freeze == "none":
        n_frozen = 0
    elif freeze == "backbone":
        n_frozen = sum(path[0] == "backbone" for path, _ in layers)
        if not n_frozen:
            raise ConfigError("this model has no backbone to freeze: give a number of layers")
    else:
        try:
            n_frozen = int(freeze)
        except ValueError:
            raise ConfigError(f"freeze={freeze!r} must be 'none', 'backbone' or a number of layers") from None
        if not 0 <= n_frozen < len(layers):
            raise ConfigError(f"freeze={n_frozen} must be >= 0 and less than the {len(layers)} layers of this model")
    frozen = {path for path, _ in layers[:n_frozen]}
    for _, layer in layers[:n_frozen]:
        if isinstance(layer, BatchNorm):
            layer.frozen = True

    def is_trainable(path: Path, value: Any) -> bool:
        is_parameter = isinstance(value, nnx.Param) or getattr(value, "type", None) is nnx.Param
        return is_parameter and path[:-1] not in frozen

    return is_trainable


def _layers(path: Path, module: Any) -> Iterator[tuple[Path, nnx.Module]]:
    """The modules that hold parameters, in the order in which they were made."""
    children = list(enumerate(module)) if isinstance(module, nnx.List) else list(vars(module).items())
    if any(isinstance(child, nnx.Param) for _, child in children):
        yield path, module
    for name, child in children:
        if isinstance(child, nnx.Module):
            yield from _layers((*path, name), child)
