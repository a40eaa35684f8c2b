"""What a transform is, and how transforms are put together.

A description is frozen: the ranges, never a drawn value. ``draw`` turns random numbers into parameters, plain values that
JSON can hold; ``apply`` turns parameters and a waveform into another waveform and draws nothing. Every transform uses a
fixed count of uniform numbers, so those of a million clips are one table and any row of it can be had by itself.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kwsfeat.augment.clips import as_clips
from kwsfeat.errors import ConfigError

Parameters = dict[str, Any]


class Transform(ABC):
    """Base of every description."""

    @property
    @abstractmethod
    def n_uniform(self) -> int:
        """How many numbers in [0, 1) one draw takes."""

    @abstractmethod
    def parameters(self, u: Sequence[float]) -> Parameters:
        """The parameters that `n_uniform` numbers in [0, 1) stand for."""

    @abstractmethod
    def apply(self, y: ArrayLike, parameters: Parameters) -> NDArray[np.float32]:
        """`y`, one clip (n_samples,) or a batch (n_clips, n_samples), changed in the way that `parameters` say; float32."""

    def draw(self, rng: np.random.Generator) -> Parameters:
        """Parameters at random; everything that they depend on comes from `rng`."""
        return self.parameters(rng.random(self.n_uniform).tolist())

    def apply_batch(self, Y: NDArray[Any], parameters: Sequence[Parameters]) -> list[NDArray[np.float32]]:
        """Each clip of `Y` (n_clips, n_samples) changed by its own parameters; a list, because lengths may differ then."""
        return [self.apply(y, p) for y, p in zip(Y, parameters, strict=True)]


def uniforms(seed: int, epoch: int, index: int, n_clips: int, n_uniform: int) -> NDArray[np.float64]:
    """The numbers in [0, 1) of clips ``index .. index + n_clips - 1`` in one epoch, float64, shape (n_clips, n_uniform).

    Row i of the stream of ``default_rng((seed, epoch))``: clip `index` has the same numbers whoever asks, alone or among others.
    """
    bits = np.random.PCG64(np.random.SeedSequence((seed, epoch)))
    bits.advance(index * n_uniform)
    return np.random.Generator(bits).random((n_clips, n_uniform))


def between(bounds: tuple[float, float], u: float) -> float:
    """The value at share `u` of the way from the lower to the upper bound."""
    return bounds[0] + (bounds[1] - bounds[0]) * u


def check_bounds(name: str, bounds: tuple[float, float], low: float, high: float) -> None:
    """Refuse bounds that are not ``low <= bounds[0] <= bounds[1] <= high``."""
    if len(bounds) != 2 or not low <= bounds[0] <= bounds[1] <= high:
        raise ConfigError(f"{name}={list(bounds)} must be two ascending numbers from {low:g} to {high:g}")


@dataclass(frozen=True)
class Compose(Transform):
    """One transform after the other, all of them or none: a single coin with probability `p`.

    A part with a probability of its own is a Compose of that part alone.
    """

    parts: tuple[Transform, ...]
    p: float = 1.0

    def __post_init__(self) -> None:
        if not 0.0 <= self.p <= 1.0:
            raise ConfigError(f"p={self.p} must be a probability, from 0 to 1")

    @property
    def n_uniform(self) -> int:
        """One for the coin, then those of the parts."""
        return 1 + sum(part.n_uniform for part in self.parts)

    def parameters(self, u: Sequence[float]) -> Parameters:
        """``{"parts": None}`` when the coin says no, else a list with the parameters of each part."""
        if u[0] >= self.p:
            return {"parts": None}
        drawn, first = [], 1
        for part in self.parts:
            drawn.append(part.parameters(u[first : first + part.n_uniform]))
            first += part.n_uniform
        return {"parts": drawn}

    def apply(self, y: ArrayLike, parameters: Parameters) -> NDArray[np.float32]:
        """The parts in order."""
        clips = as_clips(y)
        for part, drawn in zip(self.parts, parameters["parts"], strict=True) if parameters["parts"] is not None else ():
            clips = part.apply(clips, drawn)
        return clips


@dataclass(frozen=True)
class OneOf(Transform):
    """One of several transforms, with equal chances or in proportion to `weights`."""

    parts: tuple[Transform, ...]
    weights: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if not self.parts:
            raise ConfigError("one_of needs at least one part")
        if self.weights and (len(self.weights) != len(self.parts) or min(self.weights) < 0 or not sum(self.weights) > 0):
            raise ConfigError(f"weights={list(self.weights)} must be {len(self.parts)} numbers >= 0, not all of them 0")

    @property
    def n_uniform(self) -> int:
        """One for the choice, then as many as the hungriest part takes."""
        return 1 + max(part.n_uniform for part in self.parts)

    def parameters(self, u: Sequence[float]) -> Parameters:
        """``{"choice": index of the part, "parameters": of that part}``."""
        weights = self.weights or (1.0,) * len(self.parts)
        shares = np.cumsum(weights) / np.sum(weights)
        choice = min(int(np.searchsorted(shares, u[0], side="right")), len(self.parts) - 1)
        part = self.parts[choice]
        return {"choice": choice, "parameters": part.parameters(u[1 : 1 + part.n_uniform])}

    def apply(self, y: ArrayLike, parameters: Parameters) -> NDArray[np.float32]:
        """The chosen part."""
        return self.parts[parameters["choice"]].apply(y, parameters["parameters"])
