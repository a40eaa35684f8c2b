"""What a transform is.

A description is frozen: the ranges, never a drawn value. ``draw`` turns random numbers into parameters, plain values that
JSON can hold; ``apply`` turns parameters and a waveform into another waveform and draws nothing. Every transform uses a
fixed count of uniform numbers, so those of a million clips are one table and any row of it can be had by itself.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kwsfeat.errors import ConfigError

Parameters = dict[str, Any]
KINDS: dict[str, type[Transform]] = {}  # by the kind that a policy gives; kwsfeat.augment.transforms fills it


class Transform(ABC):
    """Base of every description.

    ``class Echo(Transform, kind="echo")`` is what a policy calls ``kind = "echo"``; its fields are the policy's fields. Two fields are
    filled in when a policy meets a corpus: `sr` (Hz) and `noise`. A field with ``metadata={"toml": False}`` can be given from Python only.
    """

    def __init_subclass__(cls, *, kind: str | None = None, **others: Any) -> None:
        super().__init_subclass__(**others)
        if kind is None:
            return
        if kind in KINDS:
            raise ConfigError(f"kind={kind!r} is {KINDS[kind].__qualname__} already: give {cls.__qualname__} another kind")
        KINDS[kind] = cls

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
    """The value at the fraction `u` of the way from the lower to the upper bound."""
    return bounds[0] + (bounds[1] - bounds[0]) * u


def check_bounds(name: str, bounds: tuple[float, float], low: float, high: float) -> None:
    """Refuse bounds that are not ``low <= bounds[0] <= bounds[1] <= high``."""
    if len(bounds) != 2 or not low <= bounds[0] <= bounds[1] <= high:
        raise ConfigError(f"{name}={list(bounds)} must be two ascending numbers from {low:g} to {high:g}")
