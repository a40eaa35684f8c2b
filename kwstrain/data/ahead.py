"""Reading ahead: while one window of a large split is in use, the system reads the next one."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from kwsfeat import Reader
from kwstrain.data.order import Windows
from kwstrain.devices import own_columns


class ReadAhead:
    """What is to be read for the batches of an epoch, in pieces, each a window before its use.

    Parameters
    ----------
    reader : Reader
    path : str
        The array that is read of it: ``audio`` or ``features/NAME``.
    split : int64 array
        Rows of the file that the batches count.
    windows : Windows
    parts : int
        Those that a batch is accumulated in: this process reads the columns of its own devices.
    """

    def __init__(self, reader: Reader, path: str, split: NDArray[np.int64], windows: Windows, parts: int = 1) -> None:
        self._reader, self._path, self._split, self._windows, self._parts = reader, path, split, windows, parts

    def begin(self, rows: NDArray[np.integer]) -> None:
        """An epoch of the clips `rows` (n_steps, width), counted in the split."""
        self._due = self._pieces(rows)
        self._next = next(self._due, None)

    def advance(self, step: int) -> None:
        """The batches before `step` are wanted next: ask for what is due by then."""
        while self._next is not None and self._next[0] < step:
            self._reader.read_ahead(self._path, self._next[1])
            self._next = next(self._due, None)

    def _pieces(self, rows: NDArray[np.integer]) -> Iterator[tuple[int, slice]]:
        """(step, rows of the file): a window's pieces are spread over the steps of the window before; at once, the first."""
        steps = self._windows.steps
        own = own_columns(rows.shape[1], self._parts).ravel()
        for first in range(0, len(rows), steps):
            wanted = np.unique(self._split[rows[first : first + steps, own]])
            pieces = np.split(wanted, np.flatnonzero(np.diff(wanted) > self._windows.piece // 4) + 1)
            for i, piece in enumerate(pieces):
                yield first - steps + steps * i // len(pieces), slice(int(piece[0]), int(piece[-1]) + 1)
            self._reader.release()
