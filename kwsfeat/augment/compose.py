"""Transforms put together: one after the other, or one of several."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kwsfeat.augment.clips import as_clips
from kwsfeat.augment.transform import Parameters, Transform
from kwsfeat.errors import ConfigError


@dataclass(frozen=True)
class Compose(Transform):
    """One transform after the other, all of them with probability `p`, else none.

    A part with a probability of its own is a Compose of that part alone.
    """

    parts: tuple[Transform, ...]
    p: float = 1.0

    def __post_init__(self) -> None:
        if not 0.0 <= self.p <= 1.0:
            raise ConfigError(f"p={self.p} must be a probability, from 0 to 1")

    @cached_property
    def n_uniform(self) -> int:
        """One that decides, then those of the parts."""
        return 1 + sum(part.n_uniform for part in self.parts)

    def parameters(self, u: Sequence[float]) -> Parameters:
        """``{"parts": None}`` when none is applied, else a list with the parameters of each part."""
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

    @cached_property
    def n_uniform(self) -> int:
        """One for the choice, then as many as the hungriest part takes."""
        return 1 + max(part.n_uniform for part in self.parts)

    def parameters(self, u: Sequence[float]) -> Parameters:
        """``{"choice": index of the part, "parameters": of that part}``."""
        weights = self.weights or (1.0,) * len(self.parts)
        bounds = np.cumsum(weights) / np.sum(weights)
        choice = min(int(np.searchsorted(bounds, u[0], side="right")), len(self.parts) - 1)
        part = self.parts[choice]
        return {"choice": choice, "parameters": part.parameters(u[1 : 1 + part.n_uniform])}

    def apply(self, y: ArrayLike, parameters: Parameters) -> NDArray[np.float32]:
        """The chosen part."""
        return self.parts[parameters["choice"]].apply(y, parameters["parameters"])
