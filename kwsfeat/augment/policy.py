"""Policies: which transforms, with which ranges, in a TOML file that users can copy and edit.

A policy has one of two tables. ``[grid]`` lists rates and semitones, and every pair of them is a variant. ``[chain]`` is a list of
transforms drawn anew each time, ``[[chain.parts]]`` with a ``kind``, its fields and, where it is not 1, its own ``p``.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import Field, dataclass, fields
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np

from kwsfeat.augment.compose import Compose, OneOf
from kwsfeat.augment.grid import Grid
from kwsfeat.augment.noise import Noise
from kwsfeat.augment.transform import Transform
from kwsfeat.augment.transforms import transform_kinds
from kwsfeat.config.option import Bound, checked, shown
from kwsfeat.errors import ConfigError, unknown_name

_OF_PARTS = ("one_of", "compose")
_FIELDS_OF_PARTS = ("parts", "weights")


@dataclass(frozen=True)
class Policy:
    """A policy as read from its file, not yet bound to a sampling rate and to noise; see :func:`load_policy`.

    `text` is the TOML that made it, and that is stored in the files it makes.
    """

    name: str
    text: str

    @property
    def table(self) -> dict[str, Any]:
        """The parsed TOML."""
        return tomllib.loads(self.text)

    @property
    def is_off(self) -> bool:
        """Whether it changes nothing."""
        return not {"grid", "chain"} & self.table.keys()

    @property
    def needs_noise(self) -> bool:
        """Whether :meth:`Policy.bind` wants noise."""
        return any("noise" in _fields(kind) for kind in _kinds_in(self.table.get("chain", {})))

    @property
    def n_variants(self) -> int:
        """Rows that ``kwsfeat build`` makes of a training clip: the grid, or the recording and its copies."""
        table = self.table
        if "grid" in table:
            return len(table["grid"]["rates"]) * len(table["grid"]["steps"])
        return 1 if self.is_off else 1 + int(table.get("copies", 1))

    def bind(self, sr: int, noise: Noise | None = None) -> Transform:
        """The transform for clips at `sr` Hz, with `noise` to mix.

        Raises
        ------
        ConfigError
            If a value is out of bounds, or noise is needed and missing.
        """
        table = self.table
        if "grid" in table:
            grid = table["grid"]
            return Grid(tuple(grid["rates"]), tuple(grid["steps"]), grid.get("method", "wsola"), sr)
        return _compose(table.get("chain", {}), sr, noise)


def policy_names() -> list[str]:
    """Name the policies that come with the package.

    Returns
    -------
    list of str
        Sorted.

    Examples
    --------
    >>> "bcresnet" in policy_names()
    True
    """
    return sorted(path.name.removesuffix(".toml") for path in _shipped().iterdir() if path.name.endswith(".toml"))


def load_policy(policy: str | os.PathLike[str] | Policy) -> Policy:
    """Read an augmentation policy by name or from a file.

    Parameters
    ----------
    policy : str, path or Policy
        ``nine``, ``bcresnet``, ``kws-streaming``, ``strong`` or ``off``, or the path of a ``.toml`` file; a Policy is returned as it is.

    Returns
    -------
    Policy
        Checked: it can be bound to a sampling rate and to noise.

    Raises
    ------
    UnknownNameError
        For an unknown name, with the nearest ones.
    ConfigError
        For a file that is missing or not a policy.

    Examples
    --------
    >>> load_policy("nine").name
    'nine'
    """
    if isinstance(policy, Policy):
        return policy
    name = os.fspath(policy)
    if name.endswith(".toml"):
        path = Path(name)
        if not path.is_file():
            raise ConfigError(f"{path}: no such policy file")
        try:
            loaded = Policy(path.stem, path.read_text(encoding="utf-8-sig"))
        except UnicodeDecodeError:
            raise ConfigError(f"{path}: not a text in UTF-8: a policy is TOML") from None
    elif name in policy_names():
        loaded = Policy(name, _shipped().joinpath(f"{name}.toml").read_text(encoding="utf-8"))
    else:
        raise unknown_name("augmentation policy or .toml file", name, policy_names())
    _check(loaded)
    return loaded


def _shipped() -> Any:
    return resources.files("kwsfeat.augment") / "policies"


def _check(policy: Policy) -> None:
    """Refuse a policy that cannot be bound, now and not in the middle of a build."""
    try:
        table = policy.table
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"policy {policy.name}: not TOML: {error}") from None
    if unknown := sorted(table.keys() - {"grid", "chain", "copies"}):
        raise ConfigError(f"policy {policy.name}: unknown key {unknown[0]!r}: there are grid, chain and copies")
    for name in table.keys() & {"grid", "chain"}:
        if not isinstance(table[name], dict):
            raise ConfigError(f"policy {policy.name}: {name}={shown(table[name])} must be a table, [{name}]")
    if {"grid", "chain"} <= table.keys():
        raise ConfigError(f"policy {policy.name}: a grid and a chain exclude each other")
    if not isinstance(table.get("copies", 1), int) or table.get("copies", 1) < 1:
        raise ConfigError(f"policy {policy.name}: copies={table['copies']} must be a whole number >= 1")
    if wrong := sorted(table.get("grid", {}).keys() - {"rates", "steps", "method"}):
        raise ConfigError(f"policy {policy.name}: unknown key {wrong[0]!r} in [grid]: there are rates, steps and method")
    if "grid" in table and not {"rates", "steps"} <= table["grid"].keys():
        raise ConfigError(f"policy {policy.name}: [grid] needs rates and steps")
    try:
        for name in table.get("grid", {}).keys() & {"rates", "steps"}:
            checked(name, table["grid"][name], tuple[float, ...], Bound())
        policy.bind(16000, Noise([np.ones(1, np.int16)]))
    except ConfigError as error:
        error.args = (f"policy {policy.name}: {error}",)
        raise


def _compose(table: Mapping[str, Any], sr: int, noise: Noise | None) -> Compose:
    if wrong := sorted(table.keys() - {"p", "parts"}):
        raise ConfigError(f"unknown key {wrong[0]!r}: a chain has p and parts")
    return Compose(_parts(table, sr, noise), _probability(table))


def _parts(table: Mapping[str, Any], sr: int, noise: Noise | None) -> tuple[Transform, ...]:
    parts = table.get("parts", [])
    if not isinstance(parts, list) or not all(isinstance(part, dict) for part in parts):
        raise ConfigError(f"parts={shown(parts)} must be a list of tables, [[chain.parts]]")
    return tuple(_part(part, sr, noise) for part in parts)


def _part(table: Mapping[str, Any], sr: int, noise: Noise | None) -> Transform:
    kind = str(table.get("kind"))
    inner = {key: value for key, value in table.items() if key not in ("kind", "p")}
    if kind in _OF_PARTS and (wrong := sorted(inner.keys() - set(_FIELDS_OF_PARTS))):
        raise unknown_name(f"field of {kind}", wrong[0], _FIELDS_OF_PARTS)
    if kind == "one_of":
        weights = inner.get("weights", [])
        checked("weights", weights, tuple[float, ...], Bound())
        part: Transform = OneOf(_parts(inner, sr, noise), tuple(weights))
    elif kind == "compose":
        part = Compose(_parts(inner, sr, noise))
    else:
        part = _transform(kind, inner, sr, noise)
    return Compose((part,), _probability(table)) if "p" in table else part


def _probability(table: Mapping[str, Any]) -> float:
    return float(checked("p", table.get("p", 1.0), float, Bound()))


def _transform(kind: str, values: Mapping[str, Any], sr: int, noise: Noise | None) -> Transform:
    known = _fields(kind)
    given = {"sr": sr, "noise": noise}
    from_toml = [name for name, field in known.items() if name not in given and field.metadata.get("toml", True)]
    if wrong := sorted(values.keys() - set(from_toml)):
        raise unknown_name(f"field of {kind}", wrong[0], from_toml)
    if "noise" in known and noise is None:
        raise ConfigError(f"{kind} needs noise: give recordings of it")
    written = {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}
    try:
        return transform_kinds()[kind](**written, **{name: value for name, value in given.items() if name in known})
    except TypeError as error:
        said = ", ".join(f"{name}={shown(value)}" for name, value in values.items())
        raise ConfigError(f"{kind}: {said}: {error}") from None


def _fields(kind: str) -> dict[str, Field[Any]]:
    """What a transform of this kind is made of, by name."""
    kinds = transform_kinds()
    if kind not in kinds:
        raise unknown_name("kind of transform", kind, [*kinds, *_OF_PARTS])
    return {field.name: field for field in fields(kinds[kind])}  # type: ignore[arg-type]  # each is a dataclass


def _kinds_in(table: Mapping[str, Any]) -> Iterator[str]:
    """The kind of every transform in a chain, the parts of parts too."""
    for part in table.get("parts", []):
        if "parts" in part:
            yield from _kinds_in(part)
        else:
            yield str(part.get("kind"))
