"""Posteriors of recordings: computed once, kept in a temporary file, read in blocks as often as needed."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kwsfeat import read_blocks
from kwstrain.inference.recognizer import Recognizer

Take = Callable[[NDArray[np.float32], NDArray[np.float64]], object]
_BLOCK = 1 << 14  # frames that are read at once


def no_progress(seconds: float) -> None:
    """Ignore the progress."""


def listen(
    recognizer: Recognizer,
    path: Path,
    take: Take,
    *,
    remark: Callable[[str], None] = lambda text: None,
    progress: Callable[[float], None] = no_progress,
) -> float:
    """Pass the posteriors of a recording to `take`, block by block.

    Parameters
    ----------
    recognizer : Recognizer
        It is reset first and fed at the rate of the recording.
    path : Path
        The recording.
    take : callable
        Called with posteriors (n, n_classes) and their times (n,) in s.
    remark : callable
        Called with a sentence about what was lost or guessed while reading.
    progress : callable
        Called with the seconds of each block.

    Returns
    -------
    seconds : float, s
        Length of the recording.

    Raises
    ------
    AudioError
        If the recording cannot be read to the end.
    """
    recognizer.reset()
    seconds = 0.0
    for y, sr in read_blocks(path, remark=remark):
        given = recognizer.feed(y, sr)
        take(given, recognizer.frame_times)
        seconds += len(y) / sr
        progress(len(y) / sr)
    given = recognizer.finish()
    take(given, recognizer.frame_times)
    return seconds


class PosteriorStore:
    """Posteriors of some classes, float32, in the order of their arrival, in a temporary file that is deleted with the object.

    Parameters
    ----------
    columns : sequence of int
        The classes that are kept.
    """

    def __init__(self, columns: Sequence[int]) -> None:
        self._columns = list(columns)
        self._row = np.dtype([("time", np.float64), ("posterior", np.float32, (len(self._columns),))])
        self._file = tempfile.TemporaryFile(prefix="kwstrain-")  # noqa: SIM115  # for as long as the object lives
        self._n = 0

    def __len__(self) -> int:
        return self._n

    def append(self, posteriors: NDArray[np.floating], times: NDArray[np.floating]) -> None:
        """Append frames: posteriors (n, n_classes), times (n,) in s."""
        rows = np.zeros(len(times), self._row)
        rows["time"], rows["posterior"] = times, posteriors[:, self._columns]
        self._file.write(rows.tobytes())
        self._n += len(rows)

    def blocks(self, first: int, stop: int) -> Iterator[tuple[NDArray[Any], NDArray[Any]]]:
        """The frames `first` to `stop` - 1, in blocks of posteriors, float32 (n, n_columns), and times, float64 (n,) in s."""
        self._file.flush()
        for start in range(first, stop, _BLOCK):
            n = min(_BLOCK, stop - start)
            raw = os.pread(self._file.fileno(), n * self._row.itemsize, start * self._row.itemsize)
            rows = np.frombuffer(raw, self._row)
            yield rows["posterior"], rows["time"]
