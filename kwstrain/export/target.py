"""Where a run can go: a module in ``kwstrain/export/targets/`` that defines ``TARGET`` adds to them."""

from __future__ import annotations

import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

from kwsfeat import unknown_name
from kwstrain.inference.bundle import Bundle


@dataclass(frozen=True)
class Job:
    """What a target is asked for: write `bundle` to `out`.

    `license` is that of the weights, as it shall stand in the file. `note` takes a sentence about the work on it. `word` is the one
    that the file shall hear, where a format hears one; empty: not said.
    """

    bundle: Bundle
    out: Path
    license: str
    note: Callable[[str], None]
    word: str = ""


@dataclass(frozen=True)
class Target:
    """A format.

    Parameters
    ----------
    name : str
        What ``--to`` takes.
    suffix : str
        Of the file; empty for a folder.
    about : str
        What it is, in half a line.
    write : callable
        Writes the file of a Job, and gives what is to be said of it: names and values of JSON.
    beside : tuple of str
        Suffixes of further files of the same name.
    takes_word : bool
        Whether it hears one word, which can be chosen.
    """

    name: str
    suffix: str
    about: str
    write: Callable[[Job], dict[str, Any]]
    beside: tuple[str, ...] = ()
    takes_word: bool = False


@cache
def targets() -> dict[str, Target]:
    """Name -> target, in the order of their files."""
    package = import_module("kwstrain.export.targets")
    modules = (import_module(one.name) for one in pkgutil.iter_modules(package.__path__, f"{package.__name__}."))
    found = (module.TARGET for module in modules if hasattr(module, "TARGET"))
    return {target.name: target for target in found}


def target(name: str) -> Target:
    """The target `name`.

    Raises
    ------
    UnknownNameError
        For an unknown name, with those that are near.
    """
    if name not in targets():
        raise unknown_name("format", name, targets())
    return targets()[name]
