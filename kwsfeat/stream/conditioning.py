"""What happens to samples before they are frames, for samples that come in pieces: dither and low-pass."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from kwsfeat.config.features import FeatureConfig
from kwsfeat.design.butterworth import butter_sos
from kwsfeat.features.filtering import PieceFilter
from kwsfeat.features.front_end import Seed, dither_source


class Conditioning:
    """Dither, then the low-pass, where the configuration has them.

    Parameters
    ----------
    config : FeatureConfig
    seed : int or tuple of int
        Of the dither.
    """

    def __init__(self, config: FeatureConfig, seed: Seed) -> None:
        self._amplitude = np.float32(config.dither / config.input_scale)
        self._seed = seed
        self._filter = PieceFilter(butter_sos(config.lowpass_order, config.lowpass_hz, sr=config.sr)) if config.lowpass_hz else None
        self.reset()

    def reset(self) -> None:
        """Before the first sample."""
        self._dither = dither_source(self._seed, 0)
        if self._filter is not None:
            self._filter.state[:] = 0

    def push(self, y: NDArray[np.float32]) -> NDArray[np.float32]:
        """The next samples, conditioned: `y` itself where nothing is to do."""
        if self._amplitude:
            y = y + self._amplitude * self._dither.standard_normal(y.size, np.float32)
        return y if self._filter is None else self._filter(y)

    def state(self) -> dict[str, Any]:
        """What :meth:`restore` takes."""
        return {
            "dither": self._dither.bit_generator.state if self._amplitude else None,
            "filter": None if self._filter is None else self._filter.state.copy(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from what :meth:`state` gave."""
        if self._amplitude:
            self._dither.bit_generator.state = state["dither"]
        if self._filter is not None:
            self._filter.state[:] = state["filter"]
