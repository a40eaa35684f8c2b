"""The resampling of `load_clip`, of a signal that comes in pieces."""

from __future__ import annotations

from functools import lru_cache
from math import ceil, gcd
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kwsfeat.audio.clip import check_rates
from kwsfeat.errors import AudioError

_FULL_SCALE = np.float32(32768.0)
_MARGIN_S = 0.25  # of samples that the filter may still feel


class StreamResampler:
    """soxr's stream, rounded to the 16 bits of a stored clip: the samples that the resampled recording has, however it is cut.

    soxr cannot say what its state is. So a state holds the last samples, from one that is a sample at both rates on, and another
    stream filters them again: it goes on within 3e-7 of full scale, which the rounding to 16 bits hides but now and then.

    Parameters
    ----------
    sr, new_sr : int
        Rates in Hz, of what comes in and of what comes out.

    Examples
    --------
    >>> import numpy as np
    >>> from kwsfeat import StreamResampler
    >>> resampler = StreamResampler(48000, 16000)
    >>> early, late = resampler.push(np.zeros(48000, np.float32)), resampler.push(np.zeros(480, np.float32), last=True)
    >>> len(early) + len(late)
    16160
    """

    def __init__(self, sr: int, new_sr: int) -> None:
        check_rates(sr, new_sr)
        self._sr, self._new_sr = sr, new_sr
        self._aligned = sr // gcd(sr, new_sr)
        self.lag_s = _lag(sr, new_sr)
        """The longest time in seconds from a sample that comes in to where it comes out."""
        self._n_recent = ceil((self.lag_s + _MARGIN_S) * sr)
        self._recent = np.empty(2 * (self._n_recent + self._aligned), np.float32)
        self.reset()

    def reset(self) -> None:
        """Before the first sample."""
        self._has_ended = False
        self._stream = _new_stream(self._sr, self._new_sr)
        self._n_in = self._n_out = self._n_kept = 0
        self._waiting = np.empty(0, np.float32)  # what a restored stream gave too early
        self._skip = 0  # and what it will give twice

    def push(self, y: NDArray[np.float32], *, last: bool = False) -> NDArray[np.float32]:
        """The samples at the new rate that `y` completes; with `last` all that remain.

        Parameters
        ----------
        y : ndarray, float32, shape (n,)
            The next samples, in [-1, 1].
        last : bool
            Whether the signal ends with them.

        Returns
        -------
        ndarray, float32, shape (n_new,)
            In [-1, 1), whole steps of 16 bits.

        Raises
        ------
        AudioError
            After the end, before a reset.
        """
        if self._has_ended:
            raise AudioError("the signal has ended: reset() before the samples of another one")
        self._has_ended = last
        self._remember(y)
        out = self._stream.resample_chunk(y, last=last)
        if self._skip:
            n = min(self._skip, len(out))
            out, self._skip = out[n:], self._skip - n
        if len(self._waiting):
            out, self._waiting = np.concatenate([self._waiting, out]), self._waiting[:0]
        self._n_out += len(out)
        rounded: NDArray[np.float32] = np.clip(np.rint(out * _FULL_SCALE), -_FULL_SCALE, _FULL_SCALE - 1) / _FULL_SCALE
        return rounded

    def _remember(self, y: NDArray[np.float32]) -> None:
        start = max(0, (self._n_in + y.size - self._n_recent) // self._aligned * self._aligned)
        if self._n_kept + y.size > self._recent.size:
            n = max(0, self._n_in - start)
            self._recent[:n] = self._recent[self._n_kept - n : self._n_kept]
            self._n_kept = n
            y_kept = y[max(0, start - self._n_in) :]
        else:
            y_kept = y
        self._recent[self._n_kept : self._n_kept + y_kept.size] = y_kept
        self._n_kept += y_kept.size
        self._n_in += y.size

    def state(self) -> dict[str, Any]:
        """What :meth:`restore` takes.

        Returns
        -------
        dict
            Copies of numbers and arrays.
        """
        return {"n_in": self._n_in, "n_out": self._n_out, "samples": self._recent[: self._n_kept].copy()}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from what :meth:`state` gave.

        Parameters
        ----------
        state : dict
            Of a resampler of the same rates.

        Raises
        ------
        ValueError
            If it is of another one.
        """
        n_in, n_out, recent = int(state["n_in"]), int(state["n_out"]), np.asarray(state["samples"], np.float32)
        start = n_in - recent.size
        if start < 0 or start % self._aligned or recent.ndim != 1 or recent.size > self._recent.size:
            raise ValueError(f"{recent.shape} samples of {n_in} are kept")
        self.reset()
        again = self._stream.resample_chunk(recent)
        skip = n_out - start * self._new_sr // self._sr
        if skip < 0:
            raise ValueError(f"{n_out} samples came of {n_in}")
        self._waiting, self._skip = again[skip:].copy(), max(0, skip - len(again))
        self._recent[: recent.size] = recent
        self._n_in, self._n_out, self._n_kept = n_in, n_out, recent.size


def _new_stream(sr: int, new_sr: int) -> Any:
    import soxr

    return soxr.ResampleStream(sr, new_sr, 1, dtype="float32", quality="HQ")


@lru_cache
def _lag(sr: int, new_sr: int) -> float:
    """Measured: soxr filters in blocks, whose length it does not say."""
    stream, n_out, longest = _new_stream(sr, new_sr), 0, 0.0
    step = np.zeros(max(1, sr // 1000), np.float32)
    for n_in in range(step.size, sr, step.size):
        n_out += len(stream.resample_chunk(step))
        longest = max(longest, (n_in + step.size) / sr - n_out / new_sr)
    return longest
