"""Silence: pieces of the noise files, and noise that is synthesised where there are none; 1 s, or as long as longer clips."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from math import ceil

import numpy as np

from kwsfeat.audio.describe import describe
from kwsfeat.corpus.clip import SYNTHETIC_SILENCE, Clip, Corpus, clip_hash
from kwsfeat.corpus.names.meaning import SILENCE
from kwsfeat.errors import AudioError, CorpusError

_FEW = 3  # of fewer noise files than that, overlapping pieces stay within stretches, so that each split can have its own
_STRETCHES = 5
_SHORT = 2  # pieces; a stretch has room for pieces at other places than its beginning


@dataclass(frozen=True)
class _Noise:
    """Samples `first` to `last` of a noise file, which are cut into pieces of `piece`, and the part that the corpus puts them into."""

    path: str
    split: str
    first: int
    last: int
    piece: int

    def cut(self, start: int, last: int) -> Clip:
        """The piece that begins at `start`, shorter where it would reach beyond `last`."""
        return Clip(self.path, SILENCE, split=self.split, start=start, stop=min(start + self.piece, last))


def cut_silence(corpus: Corpus, n_wanted: int | None, seed: int) -> list[Clip]:
    """Pieces of ``corpus.piece_s`` of the noise files; `n_wanted` of them, or all for None.

    With more asked for than there are, pieces from random places follow, and without noise files the silence is synthesised.

    Raises
    ------
    CorpusError
        If the noise files are too short for so many different pieces.
    """
    if n_wanted == 0:
        return []
    noise = _noise(corpus)
    pieces = [one.cut(start, one.last) for one in noise for start in range(one.first, one.last, one.piece)]
    if n_wanted is None:
        return pieces
    if n_wanted <= len(pieces):
        chosen = {piece for _, piece in sorted((clip_hash(seed, piece), piece) for piece in pieces)[:n_wanted]}
        return [piece for piece in pieces if piece in chosen]
    if not pieces:
        return [Clip(f"{SYNTHETIC_SILENCE}{i}", SILENCE) for i in range(n_wanted)]
    return pieces + _more_pieces(noise, pieces, n_wanted - len(pieces), seed)


def _more_pieces(noise: list[_Noise], pieces: list[Clip], n_more: int, seed: int) -> list[Clip]:
    """Pieces from random places; those of one or two files do not cross the borders between its stretches."""
    taken = set(pieces)
    more: list[Clip] = []
    rng = np.random.default_rng((seed, 0x51EE))
    are_few = len({one.path for one in noise}) < _FEW
    for _, one in product(range(20 * ceil(n_more / len(noise))), noise):
        first, last = one.first, one.last
        if are_few:
            n = last - first
            long = one.piece * max(_SHORT, ceil(n / one.piece / _STRETCHES))  # whole pieces, as those that are there already
            first += long * int(rng.integers(ceil(n / long)))
            last = min(last, first + long)
        piece = one.cut(first + int(rng.integers(max(1, last - first - one.piece + 1))), last)
        if piece not in taken:
            taken.add(piece)
            more.append(piece)
        if len(more) == n_more:
            return more
    raise CorpusError(f"the noise files are too short for {n_more + len(pieces):,} different pieces of silence: lower silence_share")


def _noise(corpus: Corpus) -> list[_Noise]:
    """What can be read of the noise files; the others are skipped and said."""
    found = []
    holds_back = any(clip.split not in ("", "train") for clip in corpus.noise_parts)  # noise for training only says nothing of the rest
    for path, told in corpus.noise_by_file().items():
        try:
            whole = describe(corpus.open(Clip(path, SILENCE)))
        except AudioError as error:
            corpus.skipped.append((path, f"noise that cannot be read ({error})"))
            continue
        for clip in told:
            last = whole.n_samples if clip.stop is None else min(clip.stop, whole.n_samples)
            if clip.start < last:
                split = clip.split if holds_back else ""
                found.append(_Noise(path, split, clip.start, last, round(whole.sr * corpus.piece_s)))
            else:
                corpus.skipped.append((path, "noise without samples"))
    return found
