"""What recordings say of each other: which is another word, whether there are two words, whether it is one voice."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from kwsfeat import CorpusError
from kwstrain.teaching.takes.recordings import Fault, Take

Floats = NDArray[np.float64]

FEWEST = 5  # recordings that can say that another one differs
_UNLIKE, _NOTHING = 0.45, 0.1  # times the median likeness to all others together, which is 0.6 to 0.7 of one word; but at least
_APART, _TOGETHER = 0.1, 0.2  # mean likeness of two words, at most, and within each of them, at least
_SMALLEST = 0.2  # share of the recordings that can be a word of its own
_ONE_VOICE = 0.09  # deviation of the pitch of one voice, in octaves
_LOWEST_HZ, _HIGHEST_HZ = 70.0, 400.0


def alike(windows: NDArray[np.floating], mean: Floats, whitening: Floats) -> Floats:
    """How much recordings are like each other, -1 to 1, (n, n): cosines of what is left of them without what all sounds share.

    `windows` (n, D), `mean` (D,) of the negatives, `whitening` (D, D) of their covariance.
    """
    x = (windows.astype(np.float64) - mean) @ whitening
    x /= np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-9)
    return np.asarray(x @ x.T)


def outliers(likeness: Floats) -> list[int]:
    """Which recordings are hardly like the others, taken together.

    The cosine of each with the sum of all others, which varies far less than that with any one of them: of recordings of another word
    among 19, or among 5, four and three of five are below the threshold, and one of 18 right ones. Fifteen words told that.
    """
    n = len(likeness)
    if n < FEWEST:
        return []
    itself, with_all = np.diag(likeness), likeness.sum(axis=1)
    size_of_others = np.sqrt(np.maximum(likeness.sum() - 2 * with_all + itself, 1e-9))
    to_others = (with_all - itself) / size_of_others
    return np.flatnonzero(to_others < max(_UNLIKE * float(np.median(to_others)), _NOTHING)).tolist()


def two_words(likeness: Floats) -> tuple[list[int], list[int]] | None:
    """The recordings of two words, where they fall into two groups that have nothing in common; None where they do not."""
    n = len(likeness)
    centred = likeness - likeness.mean(axis=0) - likeness.mean(axis=1)[:, None] + likeness.mean()
    first = np.linalg.eigh(centred)[1][:, -1] > 0
    groups = np.flatnonzero(first), np.flatnonzero(~first)
    if min(map(len, groups)) < max(3, _SMALLEST * n):
        return None
    within = [likeness[np.ix_(one, one)][~np.eye(len(one), dtype=bool)].mean() for one in groups]
    apart = likeness[np.ix_(*groups)].mean() < _APART and min(within) > _TOGETHER
    return (groups[0].tolist(), groups[1].tolist()) if apart else None


def check_one_word(takes: Sequence[Take], likeness: Floats) -> None:
    """Refuse recordings of two words.

    Raises
    ------
    CorpusError
        With some of each.
    """
    if (found := two_words(likeness)) is not None:
        a, b = (", ".join(takes[i].path.name for i in part[:3]) for part in found)
        raise CorpusError(
            f"these seem to be two words, one in {len(found[0])} recordings ({a}, ...), another in {len(found[1])} ({b}, ...): make a "
            "folder of each, or --keep-all"
        )


def unlike_faults(takes: Sequence[Take], likeness: Floats) -> list[Fault]:
    """The outliers, with the reason."""
    return [Fault(takes[i].path, "is unlike the others: another word, or hardly heard") for i in outliers(likeness)]


def is_one_voice(takes: Sequence[Take], sr: int) -> bool:
    """Whether the pitch of all recordings is so much alike that one person must have spoken them."""
    pitches = [pitch for take in takes if (pitch := pitch_of(take.y[take.start : take.end], sr)) is not None]
    return len(pitches) >= FEWEST and float(np.std(np.log2(pitches))) < _ONE_VOICE


def pitch_of(y: NDArray[np.float32], sr: int) -> float | None:
    """The median pitch of a word in Hz, by autocorrelation; None where nothing is voiced."""
    size, step = round(0.04 * sr), round(0.01 * sr)
    low, high = round(sr / _HIGHEST_HZ), round(sr / _LOWEST_HZ)
    found = []
    for first in range(0, len(y) - size - high, step):
        part = y[first : first + size + high].astype(np.float64)
        base = part[:size]
        energy = np.concatenate([[0.0], np.cumsum(part**2)])
        products = np.correlate(part, base, "valid")[low : high + 1]
        norms = np.sqrt(max(energy[size], 1e-12) * np.maximum(energy[size + low : size + high + 1] - energy[low : high + 1], 1e-12))
        likeness = products / norms
        if likeness.max() > 0.8:  # the shortest of equally good periods: two of them are as much alike as one
            found.append(sr / (low + int(np.argmax(likeness > 0.97 * likeness.max()))))
    return float(np.median(found)) if len(found) >= 3 else None
