"""Policys: which transforms, with which ranges, in a TOML file that users can copy and edit.

A policy has one of two tables. ``[grid]`` lists rates and semitones, and every pair of them is a variant. ``[chain]`` is a list of
transforms drawn anew each time, ``[[chain.parts]]`` with a ``kind``, its fields and, where it is not 1, its own ``p``.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from importlib import resources
from pathlib import Path
from typing import Any, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kwsfeat.audio.clip import fix_length
from kwsfeat.audio.waveform import as_int16
from kwsfeat.augment.clips import as_clips
from kwsfeat.augment.noise import Noise
from kwsfeat.augment.stretch import MAX_RATE, MAX_STEPS, MIN_RATE, Method, pitch_shift, stretch_and_shift, time_stretch
from kwsfeat.augment.transform import Compose, OneOf, Parameters, Transform, check_bounds, uniforms
from kwsfeat.augment.waveform import Clip, Filter, Gain, MixNoise, PitchShift, Room, Tanh, TimeShift, TimeStretch
from kwsfeat.config.features import FeatureConfig
from kwsfeat.errors import ConfigError, nearest

_KINDS: dict[str, type[Transform]] = {
    "time_stretch": TimeStretch,
    "pitch_shift": PitchShift,
    "time_shift": TimeShift,
    "mix_noise": MixNoise,
    "gain": Gain,
    "room": Room,
    "filter": Filter,
    "clip": Clip,
    "tanh": Tanh,
}
_NOT_IN_TOML = {"sr", "noise", "responses"}  # known when a policy meets a corpus


@dataclass(frozen=True)
class Grid(Transform):
    """Every rate with every number of semitones, rates outermost; a draw takes one of them."""

    rates: tuple[float, ...]
    steps: tuple[float, ...]
    method: Method = "wsola"
    sr: int = 16000
    n_uniform = 1

    def __post_init__(self) -> None:
        if not self.rates or not self.steps:
            raise ConfigError("a grid needs at least one rate and one number of steps")
        check_bounds("rates", (min(self.rates), max(self.rates)), MIN_RATE, MAX_RATE)
        check_bounds("steps", (min(self.steps), max(self.steps)), -MAX_STEPS, MAX_STEPS)
        if self.method not in set(get_args(Method)) - {"speed"}:
            raise ConfigError(f"method={self.method!r} must be wsola, vocoder or vocoder-locked")

    def all(self) -> list[Parameters]:
        """The parameters of every variant, in order."""
        return [{"rate": rate, "n_steps": n_steps} for rate in self.rates for n_steps in self.steps]

    def parameters(self, u: Sequence[float]) -> Parameters:
        """``{"rate", "n_steps"}``."""
        return self.all()[int(u[0] * len(self.rates) * len(self.steps))]

    def apply(self, y: ArrayLike, parameters: Parameters) -> NDArray[np.float32]:
        """Shape (..., round(n_samples / rate))."""
        if np.ndim(y) == 1:
            return stretch_and_shift(as_clips(y), self.sr, (parameters["rate"],), (parameters["n_steps"],), self.method)[0]
        stretched = time_stretch(y, parameters["rate"], sr=self.sr, method=self.method)
        return pitch_shift(stretched, self.sr, parameters["n_steps"], method=self.method)


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
        """Whether :meth:`bind` wants noise."""
        return "mix_noise" in str(self.table.get("chain", ""))

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
    """The policies that come with the package, sorted."""
    return sorted(path.name.removesuffix(".toml") for path in _shipped().iterdir() if path.name.endswith(".toml"))


def load_policy(policy: str | os.PathLike[str] | Policy) -> Policy:
    """A policy by name (``nine``, ``bcresnet``, ``kws-streaming``, ``off``) or from a ``.toml`` file.

    Raises
    ------
    ConfigError
        For an unknown name, with the nearest ones, or for a file that is missing or not a policy.
    """
    if isinstance(policy, Policy):
        return policy
    name = os.fspath(policy)
    if name.endswith(".toml"):
        path = Path(name)
        if not path.is_file():
            raise ConfigError(f"{path}: no such policy file")
        loaded = Policy(path.stem, path.read_text(encoding="utf-8"))
    elif name in policy_names():
        loaded = Policy(name, _shipped().joinpath(f"{name}.toml").read_text(encoding="utf-8"))
    else:
        near = nearest(name, policy_names())
        hint = f"did you mean {', '.join(near)}?" if near else f"there are {', '.join(policy_names())}, or give a .toml file"
        raise ConfigError(f"no policy called {name!r}: {hint}")
    _check(loaded)
    return loaded


def augmented(
    transform: Transform, parameters: Parameters, y: NDArray[Any], length: int, config: FeatureConfig
) -> tuple[NDArray[np.float32], int]:
    """One clip of ``config.n_samples`` changed, and brought back to that length.

    Parameters
    ----------
    transform : Transform
        From :meth:`Policy.bind`.
    parameters : dict
        Drawn by it.
    y : ndarray, int16 or float32, shape (n_samples,)
    length : int
        Samples of `y` that are real. A grid stretches these only; a chain changes the whole clip, so that noise fills it.

    Returns
    -------
    y : ndarray, float32, shape (n_samples,)
    length : int
        Real samples of the result.
    """
    if isinstance(transform, Grid):
        return fix_length(transform.apply(real_part(y, length, config), parameters), config)
    changed = transform.apply(y, parameters)
    untouched = isinstance(transform, Compose) and not parameters["parts"]
    return fix_length(changed, config)[0], length if untouched else config.n_samples


def draw_variants(policy: Policy, transform: Transform, *, seed: int, index: int) -> list[Parameters | None]:
    """What ``kwsfeat build`` makes of a training clip, ``policy.n_variants`` entries; None is the recording itself.

    A grid gives all its pairs in order. Otherwise the recording comes first, and copy k draws from ``(seed, k, index)``, see
    :func:`~kwsfeat.augment.transform.uniforms`; `index` is the clip's row before augmentation.
    """
    if isinstance(transform, Grid):
        return list(transform.all())
    copies = range(1, policy.n_variants)
    drawn = [uniforms(seed, copy, index, 1, transform.n_uniform)[0].tolist() for copy in copies]
    return [None, *(transform.parameters(u) for u in drawn)]


def variants(
    transform: Transform, drawn: Sequence[Parameters | None], y: NDArray[np.int16], length: int, config: FeatureConfig
) -> list[tuple[NDArray[np.int16], int]]:
    """The variants of one clip, as they are stored: samples (n_samples,) and how many of them are real.

    Parameters
    ----------
    transform : Transform
        From :meth:`Policy.bind`.
    drawn : sequence of dict or None
        From :func:`draw_variants`.
    y : ndarray, int16, shape (n_samples,)
    length : int
        Samples of `y` that are real.
    """
    if isinstance(transform, Grid):  # all at once, because they share work
        real = as_clips(real_part(y, length, config))
        changed = stretch_and_shift(real, transform.sr, transform.rates, transform.steps, transform.method)
        rows = [fix_length(variant, config) for variant in changed]
    else:
        rows = [(y, length) if p is None else augmented(transform, p, y, length, config) for p in drawn]
    return [(as_int16(variant), n) for variant, n in rows]


def real_part(y: NDArray[Any], length: int, config: FeatureConfig) -> NDArray[Any]:
    """`y` without the zeros that padding put at its end, its front, or both."""
    first = {"end": 0, "front": len(y) - length, "center": (len(y) - length) // 2}[config.pad]
    return y[first : first + length]


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
    if {"grid", "chain"} <= table.keys():
        raise ConfigError(f"policy {policy.name}: a grid and a chain exclude each other")
    if not isinstance(table.get("copies", 1), int) or table.get("copies", 1) < 1:
        raise ConfigError(f"policy {policy.name}: copies={table['copies']} must be a whole number >= 1")
    if wrong := sorted(table.get("grid", {}).keys() - {"rates", "steps", "method"}):
        raise ConfigError(f"policy {policy.name}: unknown key {wrong[0]!r} in [grid]: there are rates, steps and method")
    if "grid" in table and not {"rates", "steps"} <= table["grid"].keys():
        raise ConfigError(f"policy {policy.name}: [grid] needs rates and steps")
    policy.bind(16000, Noise([np.ones(1, np.int16)]))


def _compose(table: Mapping[str, Any], sr: int, noise: Noise | None) -> Compose:
    if wrong := sorted(table.keys() - {"p", "parts"}):
        raise ConfigError(f"unknown key {wrong[0]!r}: a chain has p and parts")
    return Compose(tuple(_part(part, sr, noise) for part in table.get("parts", [])), float(table.get("p", 1.0)))


def _part(table: Mapping[str, Any], sr: int, noise: Noise | None) -> Transform:
    values = {key: tuple(value) if isinstance(value, list) else value for key, value in table.items() if key not in ("kind", "p")}
    kind = table.get("kind")
    if kind == "one_of":
        part: Transform = OneOf(tuple(_part(choice, sr, noise) for choice in table.get("parts", [])), tuple(table.get("weights", ())))
    elif kind == "compose":
        part = _compose({"parts": table.get("parts", [])}, sr, noise)
    elif kind in _KINDS:
        kinds = _KINDS[kind]
        known = {f.name for f in fields(kinds)}  # type: ignore[arg-type]
        if wrong := sorted(values.keys() - (known - _NOT_IN_TOML)):
            near = nearest(wrong[0], known - _NOT_IN_TOML) or sorted(known - _NOT_IN_TOML)
            raise ConfigError(f"{kind} has no field {wrong[0]!r}: did you mean {', '.join(near)}?")
        if kind == "mix_noise" and noise is None:
            raise ConfigError("mix_noise needs noise: give recordings of it")
        values |= {"sr": sr} if "sr" in known else {}
        values |= {"noise": noise} if "noise" in known else {}
        try:
            part = kinds(**values)
        except TypeError as error:
            raise ConfigError(f"{kind}: {error}") from None
    else:
        near = nearest(str(kind), [*_KINDS, "one_of", "compose"]) or [*_KINDS, "one_of", "compose"]
        raise ConfigError(f"no transform of kind {kind!r}: did you mean {', '.join(near)}?")
    return Compose((part,), float(table["p"])) if "p" in table else part
