"""Parts of the band that are missing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kwsfeat.augment.clips import as_clips
from kwsfeat.augment.transform import Parameters, Transform, between, check_bounds
from kwsfeat.config.option import Bound, checked
from kwsfeat.design.butterworth import butter_sos, even_sos
from kwsfeat.errors import ConfigError
from kwsfeat.features.filtering import sosfilt


@dataclass(frozen=True)
class Filter(Transform, kind="filter"):
    """Take a part of the band away: Butterworth, causal.

    ``band-stop`` removes a band of a width from `octaves` around a centre from `hz`; ``low-pass`` removes what lies above a
    frequency from `hz`. Frequencies are drawn evenly in octaves, and end just below half the sampling rate; where `kinds` has both,
    each has the same chance.
    """

    kinds: tuple[str, ...] = ("band-stop", "low-pass")
    hz: tuple[float, float] = (300.0, 6000.0)
    octaves: tuple[float, float] = (0.2, 1.0)
    order: int = 4
    sr: int = 16000
    n_uniform = 3

    def __post_init__(self) -> None:
        if not self.kinds or any(kind not in ("band-stop", "low-pass") for kind in self.kinds):
            raise ConfigError(f"kinds={list(self.kinds)} must be band-stop, low-pass or both")
        check_bounds("octaves", self.octaves, 0.01, 6.0)
        check_bounds("hz", self.hz, 1.0, 1e6)
        checked("order", self.order, int, Bound(at_least=1))

    def parameters(self, u: Sequence[float]) -> Parameters:
        """``{"kind", "hz"}``, and ``"octaves"`` of a band-stop."""
        kind = self.kinds[int(u[0] * len(self.kinds))]
        low, high = np.log2(self.hz)
        drawn = {"kind": kind, "hz": float(2.0 ** between((low, high), u[1]))}
        return drawn | {"octaves": between(self.octaves, u[2])} if kind == "band-stop" else drawn

    def apply(self, y: ArrayLike, parameters: Parameters) -> NDArray[np.float32]:
        """The shape of `y`."""
        clips, top_hz = as_clips(y), 0.49 * self.sr
        if not clips.size:
            return clips
        edges: tuple[float, ...]
        if parameters["kind"] == "low-pass":
            edges = (min(parameters["hz"], top_hz),)
        else:
            half = 2.0 ** (parameters["octaves"] / 2.0)
            edges = min(parameters["hz"] / half, 0.9 * top_hz), min(parameters["hz"] * half, top_hz)
        filtered = sosfilt(self._sections(edges), clips)
        assert isinstance(filtered, np.ndarray)
        return filtered

    def _sections(self, edges: tuple[float, ...]) -> NDArray[np.float64]:
        if self.order % 2 == 0:
            return even_sos(self.order, edges, sr=self.sr)
        if len(edges) == 1:
            return butter_sos(self.order, edges[0], sr=self.sr)
        return butter_sos(self.order, (edges[0], edges[1]), sr=self.sr, btype="bandstop")
