"""The rows of a finished file as clips of a corpus, and how they are divided for cross-validation."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from kwsfeat.corpus.clip import Clip
from kwsfeat.corpus.splits import fold_numbers
from kwsfeat.dataset.reader import Reader
from kwsfeat.errors import ConfigError


def clips_of(reader: Reader) -> list[Clip]:
    """A clip for each row, by the columns of the file; a row whose source is not known is called by its number."""
    columns = (reader.source, reader.label, reader.speaker, reader.split, reader.start)
    rows = zip(*(column.tolist() for column in columns), strict=True)
    return [
        Clip(source or f"row {i}", reader.labels[label] if label >= 0 else "", speaker, split, start)
        for i, (source, label, speaker, split, start) in enumerate(rows)
    ]


def folds_of_rows(reader: Reader, folds: int, *, seed: int = 0) -> NDArray[np.int64]:
    """Divide the rows of a file into parts of about equal size for cross-validation.

    The rule is that of ``kwsfeat build --folds``: whole speakers where at least `folds` speakers are known, else the recordings of
    each class in turn. Clips without a speaker (silence, for one) are divided by recording either way.

    Parameters
    ----------
    reader : Reader
        A file without augmented copies.
    folds : int, >= 2
        The number of parts.
    seed : int
        Decides who is in which part.

    Returns
    -------
    ndarray, int64, shape (n_clips,)
        The part of each row, 0 to ``folds - 1``.

    Raises
    ------
    ConfigError
        If `folds` is below 2, or some part would be empty.

    Examples
    --------
    >>> from kwsfeat import Reader
    >>> folds_of_rows(Reader("words.h5"), 3).max()
    np.int64(2)
    """
    if folds < 2:
        raise ConfigError(f"folds={folds} must be >= 2")
    numbers = np.array(fold_numbers(clips_of(reader), folds, seed=seed), np.int64)
    if (n_filled := len(np.unique(numbers))) < folds:
        raise ConfigError(
            f"folds={folds} leaves {folds - n_filled} of them without recordings: use fewer, {reader.path} has {len(numbers)}"
        )
    return numbers
