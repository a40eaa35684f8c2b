"""Formats for export: a module in ``kwstrain/export/targets/`` that defines ``TARGET`` adds one."""

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
    """One export.

    Parameters
    ----------
    bundle : Bundle
        The run.
    out : Path
        The file to write.
    license : str
        Licence of the weights; it is written into the file.
    note : callable
        Called with sentences about the progress.
    word : str
        The word to detect, for formats that detect one; empty if it was not given.
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
        Suffix of the file; empty for a folder.
    about : str
        Description in half a line, for ``--help``.
    write : callable
        Writes the file of a Job and returns what there is to report, as JSON types.
    beside : tuple of str
        Suffixes of further files of the same name.
    takes_word : bool
        Whether it detects one word, which can be chosen.
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
        If `name` is unknown; the message lists similar names.
    """
    if name not in targets():
        raise unknown_name("format", name, targets())
    return targets()[name]
