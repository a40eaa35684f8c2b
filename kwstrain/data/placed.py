"""A word in a stream: samples of what a recogniser hears when it must decide, put together of the clips of a split."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float32]

AFTER_S = 0.4  # at most, from the end of the word to the moment that is scored
_GAP_S = 0.3  # at most, of silence between two pieces
_QUIET = 0.2  # share of examples without noise behind everything
_SNR_DB = (0.0, 25.0)
_NOISE_DBFS = (-60.0, -25.0)  # of the noise behind what has no word


@dataclass(frozen=True)
class Pieces:
    """What surrounds a word: `word`, `other` and `noise` draw a clip, `behind` draws noise of any length (all float32)."""

    word: Callable[[np.random.Generator], Samples]
    other: Callable[[np.random.Generator], Samples]
    noise: Callable[[np.random.Generator], Samples]
    behind: Callable[[np.random.Generator, int], Samples]


def word_extent(y: Samples, sr: int) -> tuple[int, int]:
    """First sample of the word in `y` (n,) and the one after its last: what is within 25 dB of the loudest 20 ms, and above the floor."""
    frame = max(1, sr // 50)
    n = max(1, len(y) // frame)
    power = np.square(y[: n * frame], dtype=np.float64).reshape(n, -1).mean(axis=1)
    floor = np.percentile(power, 10)
    loud = np.flatnonzero((power >= power.max() * 10**-2.5) & ((power > 4 * floor) | (power == power.max())))
    return int(loud[0]) * frame, len(y) if loud[-1] + 1 == n else int(loud[-1] + 1) * frame


def place(
    y: Samples, *, is_word: bool, n_samples: int, window: int, sr: int, pieces: Pieces, rng: np.random.Generator
) -> Samples:  # fmt: skip
    """A stream that is scored at its end.

    A word ends up to 0.4 s before that, whole in the last `window` samples where it fits; before and after it there are other
    words, noise and silence, of which no wanted word reaches into the window. A clip without a word fills the window.

    Parameters
    ----------
    y : ndarray, float32, shape (n,)
        A clip without its padding.
    is_word : bool
        Whether it is a word, wanted or not, and no noise.
    n_samples, window : int
        Of the whole, and of what the score is about.
    sr : int
        In Hz.
    pieces : Pieces
        The surroundings.
    rng : numpy.random.Generator
        Decides everything.

    Returns
    -------
    ndarray, float32, shape (n_samples,)
    """
    first, last = word_extent(y, sr) if is_word else (0, len(y))
    room = min(AFTER_S * sr, max(0, window - (last - first))) if is_word else 0.0
    start = n_samples - int(rng.uniform(0, room)) - last
    stream = np.zeros(n_samples, np.float32)
    _put(stream, y, start)
    end = start + len(y)
    if end < n_samples:
        _put(stream, _unwanted(pieces, rng), end)
    while start > 0:
        start -= int(rng.uniform(0, _GAP_S) * sr)
        piece = _unwanted(pieces, rng) if start > n_samples - window or rng.random() < 0.5 else pieces.word(rng)
        start -= len(piece)
        _put(stream, piece, start)
    if rng.random() >= _QUIET:
        noise = pieces.behind(rng, n_samples)
        power = np.square(noise, dtype=np.float64).mean()
        wanted = np.square(y[first:last], dtype=np.float64).mean() / 10 ** (rng.uniform(*_SNR_DB) / 10)
        if not is_word:
            wanted = 10 ** (rng.uniform(*_NOISE_DBFS) / 10)
        stream += np.float32(np.sqrt(wanted / max(power, 1e-12))) * noise
    return np.clip(stream, -1, 1, out=stream)


def _unwanted(pieces: Pieces, rng: np.random.Generator) -> Samples:
    """Another word, noise, or the silence between."""
    return pieces.other(rng) if rng.random() < 0.6 else pieces.noise(rng)


def _put(stream: Samples, piece: Samples, start: int) -> None:
    """`piece` at `start`, as far as it lies in the stream."""
    first, last = max(0, start), min(len(stream), start + len(piece))
    if first < last:
        stream[first:last] = piece[first - start : last - start]
