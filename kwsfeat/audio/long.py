"""The wanted second of a recording of hours: found and decoded without holding the rest in memory."""

from __future__ import annotations

from math import ceil, gcd
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from kwsfeat.audio.decode import mono, pieces
from kwsfeat.audio.faults import LEFT_S, TRIMMED, Remark, Source
from kwsfeat.audio.wav import LONG_S
from kwsfeat.audio.waveform import Samples
from kwsfeat.config.clip import ClipConfig

if TYPE_CHECKING:
    from soundfile import SoundFile

_MARGIN_S = 0.5  # on both sides of the part, for the resampling filter


class LongRecording:
    """Chooses the part of a long recording that becomes the clip; called by the decoder with the opened file.

    The part is what trimming, resampling and cropping the whole would leave, but that the loudest part is searched in steps of
    20 ms. After a call that took a part, `taken` is true: resampled to `rate`, `skip` samples in, lie the `n` samples of the clip.

    Parameters
    ----------
    source : path or binary file object
        For messages.
    config : ClipConfig
    seed : tuple of int
        For ``crop="random"``.
    remark : callable
    """

    def __init__(self, source: Source, config: ClipConfig, seed: tuple[int, ...], remark: Remark) -> None:
        self._source, self._config, self._seed, self._remark = source, config, seed, remark
        self.taken = False

    def __call__(self, file: SoundFile, start: int, stop: int) -> Samples | None:
        """The part of frames `start` to `stop` at the file's own rate, or None where that is short (LONG_S) and is decoded as a whole."""
        sr = int(file.samplerate)
        if stop - start <= LONG_S * sr:
            return None
        self.taken = True
        crop, trim_db = self._config.crop, self._config.trim_db
        self.rate = self._config.resample_from_hz or self._config.sr
        self.n = ceil(self._config.n_samples * self.rate / self._config.sr)
        power: NDArray[np.float64] | None = None
        step = max(1, sr // 50)
        if crop == "loudest" or trim_db is not None:
            power = _frame_power(file, start, stop, step)
        if trim_db is not None and power is not None and power.max() > 0:
            loud = np.flatnonzero(power >= power.max() * 10.0 ** (-trim_db / 10.0))
            start, stop = start + int(loud[0]) * step, min(stop, start + int(loud[-1] + 1) * step)
            power = power[loud[0] : loud[-1] + 1]
            if stop - start < LEFT_S * sr:
                self._remark(TRIMMED)
        first = self._first(power, step, stop - start, sr)
        return self._read(file, start, stop, first, sr)

    def _first(self, power: NDArray[np.float64] | None, step: int, n_frames: int, sr: int) -> int:
        """Where the clip begins in what is left of the recording, in samples at the clip's rate."""
        spare = max(0, round(n_frames * self.rate / sr) - self.n)
        if self._config.crop == "start" or not spare:
            return 0
        if self._config.crop == "center":
            return spare // 2
        if self._config.crop == "random":
            return int(np.random.default_rng(self._seed).integers(spare + 1))
        assert power is not None
        width = max(1, round(self.n * sr / self.rate / step))
        energy = np.concatenate([[0.0], np.cumsum(power)])
        loudest = int(np.argmax(energy[width:] - energy[:-width])) if len(power) > width else 0
        return min(spare, round(loudest * step * self.rate / sr))

    def _read(self, file: SoundFile, start: int, stop: int, first: int, sr: int) -> Samples:
        """Decode the clip and a margin; its beginning falls on a sample of both rates, so that the filter's phase is the whole's."""
        aligned = sr // gcd(sr, self.rate)
        begin = max(0, first * sr // self.rate - ceil(_MARGIN_S * sr)) // aligned * aligned
        end = min(stop - start, ceil((first + self.n) * sr / self.rate) + ceil(_MARGIN_S * sr))
        self.skip = first - begin * self.rate // sr
        file.seek(start + begin)
        return mono(self._source, list(pieces(file, end - begin)), self._remark)


def _frame_power(file: SoundFile, start: int, stop: int, step: int) -> NDArray[np.float64]:
    """Mean power of each `step` frames of the mean of the channels."""
    file.seek(start)
    sums, rest = [], np.zeros(0, np.float32)
    for piece in pieces(file, stop - start):
        y = piece.mean(axis=1, dtype=np.float32) if piece.ndim == 2 else piece.astype(np.float32)
        y = np.concatenate([rest, y])
        n = len(y) // step * step
        sums.append(np.square(y[:n].reshape(-1, step), dtype=np.float64).mean(axis=1))
        rest = y[n:]
    if len(rest):
        sums.append(np.array([np.square(rest, dtype=np.float64).mean()]))
    return np.concatenate(sums)
