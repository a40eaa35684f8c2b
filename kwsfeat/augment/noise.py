"""The noise that is mixed into clips: a corpus's own recordings, or made up where it has none."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from kwsfeat.audio.waveform import as_int16
from kwsfeat.errors import ConfigError


class Noise:
    """Recordings of noise, kept end to end as int16.

    Parameters
    ----------
    recordings : iterable of ndarray, int16 or float in [-1, 1], shape (n,) each
        At the sampling rate of the clips; empty ones are left out.

    Raises
    ------
    ConfigError
        If nothing is left.

    Examples
    --------
    >>> import numpy as np
    >>> Noise([np.zeros(100, np.int16), np.ones(50, np.int16)]).piece(1, 0.0, 3).shape
    (3,)
    """

    def __init__(self, recordings: Iterable[NDArray[np.int16] | NDArray[np.floating]]) -> None:
        kept = [as_int16(y, "noise") for y in recordings if len(y)]
        if not kept:
            raise ConfigError("there is no noise to mix: give at least one recording")
        self.samples = np.concatenate(kept)
        self.length = np.array([len(y) for y in kept], np.int64)
        self.first = np.cumsum(self.length) - self.length

    @property
    def n_recordings(self) -> int:
        """How many recordings there are."""
        return self.length.size

    def start(self, recording: int, position: float, n_samples: int) -> int:
        """Where in `samples` the piece begins that lies at the fraction `position` (0 to 1) of a recording."""
        spare = max(int(self.length[recording]) - n_samples, 0)
        return int(self.first[recording]) + int(position * (spare + 1))

    def piece(self, recording: int, position: float, n_samples: int) -> NDArray[np.float32]:
        """`n_samples` of a recording, float32; one that is shorter is repeated."""
        start = self.start(recording, position, n_samples)
        n = min(n_samples, int(self.length[recording]))
        piece = self.samples[start : start + n].astype(np.float32) * np.float32(1 / 32768)
        return piece if n == n_samples else np.resize(piece, n_samples)


def synthetic_noise(sr: int, seed: int = 0) -> Noise:
    """Ten seconds each of white, pink and brown noise at an RMS of 0.1, for a corpus without noise of its own.

    Parameters
    ----------
    sr : int, Hz
    seed : int

    Returns
    -------
    Noise
        Three recordings.

    Examples
    --------
    >>> synthetic_noise(16000).n_recordings
    3
    """
    n = 10 * sr
    rng = np.random.default_rng(seed)
    frequency = np.maximum(np.fft.rfftfreq(n, 1.0 / sr), 20.0)
    recordings = []
    for slope in (0.0, 0.5, 1.0):
        spectrum = np.fft.rfft(rng.standard_normal(n)) / frequency**slope
        y = np.fft.irfft(spectrum, n)
        recordings.append(np.clip(0.1 * y / np.sqrt(np.mean(y**2)), -1.0, 1.0))
    return Noise(recordings)
