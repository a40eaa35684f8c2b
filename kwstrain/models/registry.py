"""The networks by name. A module below this package that defines ``SPEC`` (or ``SPECS``, for a family) adds to them."""

from __future__ import annotations

import pkgutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from typing import Any

import jax
from flax import nnx

import kwstrain.models
from kwsfeat import ConfigError, unknown_name
from kwstrain.models.network import InputNorm, Network
from kwstrain.models.options import Options


@dataclass(frozen=True, kw_only=True)
class Published:
    """An input and number of classes for which somebody gives the network's number of parameters, and who does.

    `hop_ms` is the time from one frame to the next, and `note` what tells this input from another that is listed.
    """

    input_shape: tuple[int, int]
    n_classes: int
    source: str
    options: Mapping[str, Any] = field(default_factory=dict)
    hop_ms: float = 10.0
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class ModelSpec:
    """A network that :func:`create` knows.

    Parameters
    ----------
    name : str
        What ``--arch`` takes.
    network : type of Network
        Made by ``network(input_shape, n_classes, options, rngs=rngs)``.
    options : Options
        The network's own, with their default values: the members of a family share a class and differ here.
    published : tuple of Published
        Rows of ``kwstrain models``; at least one.
    training : mapping, optional
        What suits this network where TrainConfig's own defaults do not, by field; `augment` is what ``auto`` means.
    sequential : bool, optional
        True for a recurrent network: its steps follow each other in time, so that a small batch cannot keep several cores busy.
    """

    name: str
    network: type[Network]
    options: Options
    published: tuple[Published, ...]
    training: Mapping[str, Any] = field(default_factory=dict)
    sequential: bool = False


@cache
def specs() -> dict[str, ModelSpec]:
    """Name -> spec of every network, in the order of the package's files."""
    found: dict[str, ModelSpec] = {}
    for module in pkgutil.walk_packages(kwstrain.models.__path__, f"{kwstrain.models.__name__}."):
        offered = import_module(module.name)
        for one in getattr(offered, "SPECS", (offered.SPEC,) if hasattr(offered, "SPEC") else ()):
            if one.name in found:
                raise RuntimeError(f"two networks are called {one.name!r}: the second is in {module.name}")
            found[one.name] = one
    return found


def names() -> list[str]:
    """The names that :func:`create` knows."""
    return list(specs())


def spec(name: str) -> ModelSpec:
    """The spec of the network `name`.

    Raises
    ------
    ConfigError
        For an unknown name, with those that are near.
    """
    if name not in specs():
        raise unknown_name("network", name, names())
    return specs()[name]


def create(name: str, *, input_shape: tuple[int, int], n_classes: int, seed: int = 0, **options: Any) -> Network:
    """A network with random weights, in training mode.

    Parameters
    ----------
    name : str
        One of :func:`names`.
    input_shape : tuple of int
        ``(n_frames, n_features)`` of one clip.
    n_classes : int, >= 2
        Logits.
    seed : int
        The same seed gives the same weights and the same dropout.
    **options
        What this network offers beyond that: `dropout` rate in [0, 1), `dtype` ``float32`` or ``bfloat16`` of the arithmetic
        (parameters stay float32), and the other fields of its options.

    Returns
    -------
    Network
        ``model(x, mask=None)``: x float32 ``(batch, n_frames, n_features)``, mask bool ``(batch, n_frames)`` or None, to
        logits float32 ``(batch, n_classes)``.

    Raises
    ------
    ConfigError
        For an unknown name or option (naming near ones), or a value out of bounds.

    Examples
    --------
    >>> import numpy as np
    >>> model = create("lstm", input_shape=(101, 40), n_classes=3, seed=0, units=8)
    >>> model(np.zeros((2, 101, 40), np.float32)).shape
    (2, 3)
    """
    params_key, dropout_key = jax.random.split(jax.random.key(seed))
    return _made(name, input_shape, n_classes, nnx.Rngs(params=params_key, dropout=dropout_key), options)


def create_shapes(name: str, *, input_shape: tuple[int, int], n_classes: int, seed: int = 0, **options: Any) -> Network:
    """What :func:`create` makes, with a ShapeDtypeStruct in place of each array: nothing is drawn or computed."""

    def make() -> Network:
        rngs = nnx.Rngs(params=seed, dropout=seed)
        key = rngs.params()
        # A stream counts its keys, which takes longer than all else while JAX traces.
        rngs.params = lambda: key  # type: ignore[attr-defined]
        return _made(name, input_shape, n_classes, rngs, options)

    return nnx.eval_shape(make)


def _made(name: str, input_shape: tuple[int, int], n_classes: int, rngs: nnx.Rngs, options: dict[str, Any]) -> Network:
    chosen = spec(name)
    values = chosen.options.changed(options, of=name)
    if n_classes < 2:
        raise ConfigError(f"n_classes={n_classes} must be >= 2")
    if len(input_shape) != 2 or min(input_shape) < 1:
        raise ConfigError(f"input_shape={input_shape} must be (n_frames, n_features) of one clip")
    model = chosen.network(input_shape, n_classes, values, rngs=rngs)
    model.input_norm = InputNorm(input_shape[1])
    return model
