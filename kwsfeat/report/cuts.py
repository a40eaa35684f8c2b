"""Which clips of a file are parts of longer recordings."""

from __future__ import annotations

from collections import Counter

import numpy as np

from kwsfeat.audio.faults import CUT, LOUDEST_CUT
from kwsfeat.dataset.columns import Cut
from kwsfeat.dataset.reader import Reader

_REMARKS = {LOUDEST_CUT: Cut.LOUDEST_CUT, CUT: Cut.CUT}


def cut_recordings(reader: Reader) -> dict[str, list[str]]:
    """The remark about each kind of cut that occurs, and its recordings, sorted."""
    found = {text: np.unique(reader.source[reader.cut == kind]).tolist() for text, kind in _REMARKS.items()}
    return {text: names for text, names in found.items() if names}


def cut_counts(reader: Reader) -> tuple[int, int] | None:
    """How many clips of a file are parts of longer recordings.

    Parameters
    ----------
    reader : Reader
        A finished file. The augmented copies of a clip count once.

    Returns
    -------
    (int, int) or None
        Clips that are cut, and those of them that lack the loudest part of the recording; None where the file does not say.

    Examples
    --------
    >>> from kwsfeat import Reader
    >>> cut_counts(Reader("words.h5")) is None  # version 0.1.0 wrote it
    True
    """
    clips = dict(zip(zip(reader.source.tolist(), reader.start.tolist(), strict=True), reader.cut.tolist(), strict=True))
    counts = Counter(clips.values())
    if counts[Cut.UNKNOWN]:
        return None
    return counts[Cut.CUT] + counts[Cut.LOUDEST_CUT], counts[Cut.LOUDEST_CUT]
