"""Which networks stream, and the program of a run."""

from __future__ import annotations

import pkgutil
from collections.abc import Mapping
from functools import cache
from importlib import import_module
from typing import Any

from kwsfeat import ConfigError, StoreError
from kwstrain.streaming import networks
from kwstrain.streaming.folding import Arrays
from kwstrain.streaming.program import Program


@cache
def _forms() -> dict[str, Any]:
    """The file of every network that has a form on a stream, by the network's name."""
    files = [import_module(f"{networks.__name__}.{module.name}") for module in pkgutil.iter_modules(networks.__path__)]
    return {name: file for file in files for name in file.OPTIONS}


def check_streams(arch: str, options: Mapping[str, Any]) -> Any:
    """The options of the network `arch`, checked, when it streams.

    Raises
    ------
    ConfigError
        If it does not, with the reason.
    """
    form = _forms().get(arch)
    if form is None:
        raise ConfigError(f"{arch} does not stream, only {', '.join(_forms())} do: listen in windowed mode")
    chosen = form.OPTIONS[arch].changed(options, of=arch)
    if reason := form.obstacle(chosen):
        raise ConfigError(f"{arch} does not stream as it was trained: {reason}, or listen in windowed mode")
    return chosen


def streams(arch: str) -> str:
    """``yes``, ``no``, or the option with which the network `arch` can run on a stream."""
    form = _forms().get(arch)
    if form is None:
        return "no"
    if not form.obstacle(form.OPTIONS[arch]):
        return "yes"
    return "causal=true" if not form.obstacle(form.OPTIONS[arch].changed({"causal": True}, of=arch)) else "no"


def streaming_program(
    arch: str, options: Mapping[str, Any], arrays: Arrays, input_shape: tuple[int, int], *, where: str = "the weights"
) -> Program:
    """The network `arch` as a stream runs it.

    Parameters
    ----------
    arch : str
        A name of kwstrain models.
    options : mapping
        Those of its options that are not the default ones.
    arrays : mapping of str to ndarray
        Its weights by name, as a run folder keeps them.
    input_shape : tuple of int
        ``(n_frames, n_features)`` of a clip in training.
    where : str
        What to call the weights in a message.

    Returns
    -------
    Program
        In float32, whatever `dtype` the network was trained in.

    Raises
    ------
    ConfigError
        If the network does not stream, with the reason.
    StoreError
        If weights are missing, or have other shapes.
    """
    chosen = check_streams(arch, options)
    try:
        program: Program = _forms()[arch].program(arrays, chosen, input_shape)
    except KeyError as error:
        raise StoreError(f"{where} lacks {error.args[0]}: it belongs to another network or version") from None
    except (ValueError, IndexError) as error:
        raise StoreError(f"{where} is damaged or belongs to another network ({error}): copy it again, or train again") from None
    return program
