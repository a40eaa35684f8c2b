"""Description of an exported file. A module in ``kwstrain/export/checks/`` that defines ``CHECK`` reads one kind of file."""

from __future__ import annotations

import os
import pkgutil
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

from kwsfeat import StoreError
from kwstrain.inference.description import Description


@dataclass(frozen=True, kw_only=True)
class Checked:
    """The description of an exported file.

    Parameters
    ----------
    path : str
        The file.
    format : str
        Its format and version.
    bytes : int
        Its size.
    inputs, outputs, states : dict
        Name -> type and shape, in words. States are inputs and outputs of a stream, and zero when it begins.
    ops : dict
        Operation -> number of nodes.
    not_on : dict
        Runtime that cannot run the file -> reason.
    about : dict
        The description that is stored in the file.
    """

    path: str
    format: str
    bytes: int
    inputs: dict[str, str]
    outputs: dict[str, str]
    states: dict[str, str]
    ops: dict[str, int]
    not_on: dict[str, str]
    about: dict[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """As JSON types; the entries of `about` come last."""
        values = asdict(self)
        described = values.pop("about")
        return {**values, **described}


@dataclass(frozen=True)
class Check:
    """The function that describes files with one of the `suffixes`; an empty suffix is a folder."""

    suffixes: tuple[str, ...]
    look: Callable[[Path], Checked]


@cache
def checks() -> dict[str, Check]:
    """Suffix -> check."""
    package = import_module("kwstrain.export.checks")
    modules = (import_module(one.name) for one in pkgutil.iter_modules(package.__path__, f"{package.__name__}."))
    return {suffix: module.CHECK for module in modules for suffix in module.CHECK.suffixes}


def check(path: str | os.PathLike[str]) -> Checked:
    """Describe an exported file.

    Parameters
    ----------
    path : path
        The file, or the folder of a page.

    Returns
    -------
    Checked
        Its inputs and outputs, its operations, and the runtimes that cannot run it.

    Raises
    ------
    StoreError
        If the file is missing, damaged, or not written by ``kwstrain export``.
    """
    path = Path(path)
    if not path.exists():
        raise StoreError(f"{path}: no such file")
    suffix = "" if path.is_dir() else path.suffix
    if suffix not in checks() or (not suffix and path.is_file()):
        raise StoreError(f"{path} is not an exported file: those end in {', '.join(filter(None, checks()))}")
    return checks()[suffix].look(path)


def about(described: Description) -> dict[str, Any]:
    """The parts of a description that a reader needs."""
    c = described.features
    shape = " x ".join(map(str, c.shape))
    return {
        "kind": described.kind,
        "labels": list(described.labels),
        "threshold": described.threshold,
        "operating_point": described.operating_point,
        "sr": c.sr,
        "features": f"{c.output} {shape}, fingerprint {c.fingerprint}",
        "latency_s": described.latency_s,
        "preparation": described.preparation,
        "license": described.license,
        "card": described.card,
    }
