"""Silence: pieces of the noise files, and noise that is synthesised where there are none; 1 s, or as long as longer clips."""

from __future__ import annotations

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
    lengths = _noise_lengths(corpus)
    pieces = [
        Clip(path, SILENCE, start=start, stop=min(start + piece, n))
        for path, (n, piece) in lengths.items()
        for start in range(0, n, piece)
    ]  # fmt: skip
    if n_wanted is None:
        return pieces
    if n_wanted <= len(pieces):
        chosen = {piece for _, piece in sorted((clip_hash(seed, piece), piece) for piece in pieces)[:n_wanted]}
        return [piece for piece in pieces if piece in chosen]
    if not pieces:
        return [Clip(f"{SYNTHETIC_SILENCE}{i}", SILENCE) for i in range(n_wanted)]
    return pieces + _more_pieces(lengths, pieces, n_wanted - len(pieces), seed)


def _more_pieces(lengths: dict[str, tuple[int, int]], pieces: list[Clip], n_more: int, seed: int) -> list[Clip]:
    """Pieces from random places; those of one or two files do not cross the borders between its stretches."""
    taken = set(pieces)
    more: list[Clip] = []
    rng = np.random.default_rng((seed, 0x51EE))
    for _, (path, (n, length)) in product(range(20 * ceil(n_more / len(lengths))), lengths.items()):
        first, last = 0, n
        if len(lengths) < _FEW:
            long = length * max(_SHORT, ceil(n / length / _STRETCHES))  # whole pieces, as those that are there already
            first = long * int(rng.integers(ceil(n / long)))
            last = min(n, first + long)
        start = first + int(rng.integers(max(1, last - first - length + 1)))
        piece = Clip(path, SILENCE, start=start, stop=min(start + length, last))
        if piece not in taken:
            taken.add(piece)
            more.append(piece)
        if len(more) == n_more:
            return more
    raise CorpusError(f"the noise files are too short for {n_more + len(pieces):,} different pieces of silence: lower silence_share")


def _noise_lengths(corpus: Corpus) -> dict[str, tuple[int, int]]:
    """Samples of each noise file that can be read, and of a piece of it; the others are skipped and said."""
    lengths = {}
    for path in corpus.noise:
        try:
            found = describe(corpus.open(Clip(path, SILENCE)))
        except AudioError as error:
            corpus.skipped.append((path, f"noise that cannot be read ({error})"))
            continue
        if found.n_samples:
            lengths[path] = (found.n_samples, round(found.sr * corpus.piece_s))
        else:
            corpus.skipped.append((path, "noise without samples"))
    return lengths
