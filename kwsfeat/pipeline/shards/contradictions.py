"""What a reader should know of files that were built apart: whether their splits contradict each other, and what is in two of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from kwsfeat.audio.faults import listed
from kwsfeat.config.splits import SPLITS
from kwsfeat.dataset.columns import Columns
from kwsfeat.dataset.reader import Reader
from kwsfeat.pipeline.copies import copies_across, equal_rows


def contradictions(reader: Reader, prints: NDArray[np.uint64], file: NDArray[np.int64]) -> Iterator[str]:
    """Sentences about recordings and speakers that are in two splits, and recordings that are in two of the files.

    Parameters
    ----------
    reader : Reader
        Of the whole.
    prints : ndarray of uint64
        Of all rows, as for :func:`~kwsfeat.pipeline.copies.copies_across`. Without audio, names are compared.
    file : ndarray of int64
        The number of the file that each row is of.
    """
    columns = reader.columns()
    if not reader.has_audio:
        prints = _names(columns)
    others = "copies of others" if reader.has_audio else "called as others (there is no audio to compare)"
    if across := dict.fromkeys(copies_across(reader, prints)):
        yield (
            f"{_recordings(len(across))} {others} in another split, the score will be too good: {_pairs(list(across))}; "
            "build them as one, or with the same --split and --seed"
        )
    again = [(a, b) for a, b in equal_rows(reader, prints, file) if columns.split[a] == columns.split[b]]
    if twice := dict.fromkeys((str(reader.source[a]), str(reader.source[b])) for a, b in again):
        yield f"{_recordings(len(twice))} {others} in another file, and count twice: {_pairs(list(twice))}"
    speakers = Counter(who for split in SPLITS for who in set(columns.speaker[columns.split == split.encode()].tolist()) - {b""})
    if shared := sorted(who.decode("utf-8", "replace") for who, n in speakers.items() if n > 1):
        yield (
            f"{len(shared):,} of {len(speakers):,} speakers, {shared[0]} for one, are in more than one split: "
            "build the files as one, --split by-speaker keeps them apart"
        )


def _names(columns: Columns) -> NDArray[np.uint64]:
    """A number for each recording, or piece of one, that has a name; 0 for the others."""
    _, name = np.unique(columns.source, return_inverse=True)
    _, start = np.unique(columns.start, return_inverse=True)
    return np.where(columns.source == b"", 0, 1 + name * (1 + start.max()) + start).astype(np.uint64)


def _recordings(n: int) -> str:
    return f"{n:,} recordings are" if n > 1 else f"{n} recording is"


def _pairs(pairs: Sequence[tuple[str, str]]) -> str:
    return listed([" = ".join(pair) for pair in pairs])
