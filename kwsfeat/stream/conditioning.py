"""What happens to samples before they are frames, for samples that come in pieces: to float32, dither and low-pass."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from kwsfeat.audio.waveform import Samples
from kwsfeat.config.features import FeatureConfig
from kwsfeat.design.butterworth import butter_sos
from kwsfeat.features.filtering import PieceFilter
from kwsfeat.features.front_end import Seed, dither_source

_OF_INT16 = np.float32(1 / 32768)


class Conditioning:
    """Dither, then the low-pass, where the configuration has them.

    Parameters
    ----------
    config : FeatureConfig
    seed : int or tuple of int
        Of the dither.
    at_once : int
        Samples that may come together.
    """

    def __init__(self, config: FeatureConfig, seed: Seed, at_once: int) -> None:
        self._conditioned = np.empty(at_once, np.float32)
        self._noise = np.empty(at_once if config.dither else 0, np.float32)
        self._amplitude = np.float32(config.dither / config.input_scale)
        self._seed = seed
        self._filter = PieceFilter(butter_sos(config.lowpass_order, config.lowpass_hz, sr=config.sr)) if config.lowpass_hz else None
        self.reset()

    def reset(self) -> None:
        """Before the first sample."""
        self._dither = dither_source(self._seed, 0)
        if self._filter is not None:
            self._filter.state[:] = 0

    def push(self, y: Samples) -> NDArray[np.float32]:
        """The next samples, int16 or float32, conditioned: `y` itself where nothing is to do; they hold until the next call."""
        out = self._conditioned[: y.size]
        if y.dtype == np.int16:
            y = np.multiply(y, _OF_INT16, out=out)
        if self._amplitude:
            noise = self._dither.standard_normal(dtype=np.float32, out=self._noise[: y.size])
            noise *= self._amplitude
            y = np.add(y, noise, out=out)
        if self._filter is not None:
            self._filter(y, out)
            y = out
        return y

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
