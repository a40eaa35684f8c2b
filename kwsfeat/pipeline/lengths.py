"""How long recordings are: a look at some of their headers, before it is decided how long a clip is."""

from __future__ import annotations

from math import ceil

import numpy as np
from numpy.typing import NDArray

from kwsfeat.audio.describe import describe
from kwsfeat.audio.foreign import is_foreign
from kwsfeat.corpus.same_source import is_noise_piece
from kwsfeat.errors import AudioError, CorpusError
from kwsfeat.pipeline.sources import Recordings

_LOOKED_AT = 500
_DECODED = 40  # so many where ffmpeg has to decode a recording for its length
_MOST_MEDIANS = 4  # one recording of an hour does not make every clip long
_STEPS_S = ((2.0, 0.1), (np.inf, 0.5))  # up to 2 s, lengths are multiples of 0.1 s


def recorded_seconds(rows: Recordings) -> NDArray[np.float64]:
    """Lengths in seconds, ascending, of those recordings that can be read among 500; pieces of noise files do not count."""
    words = [clip for clip in rows.clips if not is_noise_piece(clip)]
    n = _DECODED if any(is_foreign(clip.path) for clip in words) else _LOOKED_AT
    chosen = np.random.default_rng(0).permutation(len(words))[:n].tolist()
    seconds = []
    for clip in (words[i] for i in chosen):
        try:
            found = describe(rows.corpus.open(clip))
        except (AudioError, OSError):  # the build says so
            continue
        stop = found.n_samples if clip.stop is None else min(clip.stop, found.n_samples)
        if stop > clip.start:
            seconds.append((stop - clip.start) / found.sr)
    return np.sort(np.array(seconds, np.float64))


def fitting_length(seconds: NDArray[np.float64]) -> float:
    """The length of a clip in seconds that 99 of 100 recordings fit into, rounded up: to 0.1 s, beyond 2 s to 0.5 s.

    It is at most four times the median of `seconds`, so that a few very long recordings do not make every clip long.

    Raises
    ------
    CorpusError
        If there is no length.
    """
    if not seconds.size:
        raise CorpusError("the length of no recording can be read: give --length SECONDS, and look at what kwsfeat scan says")
    wanted = min(float(np.percentile(seconds, 99)), _MOST_MEDIANS * float(np.median(seconds)))
    step = next(step for most, step in _STEPS_S if wanted <= most)
    return round(max(1, ceil(wanted / step - 1e-6)) * step, 3)


def longer_share(seconds: NDArray[np.float64], clip_s: float) -> float:
    """The share of recordings that are longer than a clip by a millisecond or more."""
    return float(np.mean(seconds > clip_s + 0.001)) if seconds.size else 0.0
