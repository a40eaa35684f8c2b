"""An array whose rows lie in several others, one after the other: what is asked for is gathered, the rest stays where it is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from kwsfeat.dataset.format import release


class Rows:
    """Arrays of equal rows as one, read-only; indexed by its first axis it gives NumPy arrays.

    An int, a slice, a list, an integer or a boolean array select rows; what NumPy takes for the other axes may follow. Rows of one
    part that lie next to each other come as a view of it, others as a copy. A new axis before the rows, which would be a view of one
    array, is refused: here it would be a copy of all. Pickled, it is its `part`, which another process calls anew.

    Parameters
    ----------
    lengths : sequence of int
        Rows of each part.
    row_shape : tuple of int
        Shape of a row.
    dtype : dtype
    part : callable
        Gives part number i when it is needed.
    """

    def __init__(
        self, lengths: Sequence[int], row_shape: tuple[int, ...], dtype: DTypeLike, part: Callable[[int], NDArray[Any]]
    ) -> None:  # fmt: skip
        self._ends = np.cumsum(np.asarray(lengths, np.int64))
        self._starts = self._ends - lengths
        self._make, self._parts = part, dict[int, NDArray[Any]]()
        self.dtype = np.dtype(dtype)
        self.shape = (int(self._ends[-1]), *row_shape)

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of values."""
        return int(np.prod(self.shape, dtype=np.int64))

    @property
    def nbytes(self) -> int:
        """Size in bytes."""
        return self.size * self.dtype.itemsize

    def __len__(self) -> int:
        return self.shape[0]

    def __repr__(self) -> str:
        return f"Rows(shape={self.shape}, dtype={self.dtype}, parts={len(self._ends)})"

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_parts": {}}  # a memory map is pickled with all that it holds

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[Any]:
        """All of it, in memory."""
        return np.array(self[:], dtype, copy=copy)

    def release(self) -> None:
        """Give back the memory of what was used of the parts."""
        for part in self._parts.values():
            release(part)

    def __getitem__(self, key: Any) -> NDArray[Any]:
        first, *others = (key if isinstance(key, tuple) else (key,)) or (...,)
        if first is ...:  # for the rows, unless what follows is for all axes
            takes_all = sum(one is not None for one in others) >= self.ndim
            first, *others = (others[0], ..., *others[1:]) if takes_all else (slice(None), ..., *others)
        if isinstance(first, int | np.integer) and not isinstance(first, bool):
            row = int(first) + (len(self) if first < 0 else 0)
            if not 0 <= row < len(self):
                raise IndexError(f"row {first} of {len(self)}")
            i = int(np.searchsorted(self._ends, row, "right"))
            return self._part(i)[(row - self._starts[i], *others)]  # type: ignore[no-any-return]
        if isinstance(first, slice):
            chosen = self._slice(first)
            return chosen[(slice(None), *others)] if others else chosen
        rows = self._numbers(first)
        chosen = self._gather(rows)
        return chosen[(np.arange(rows.size).reshape(rows.shape), *others)] if others else chosen.reshape(*rows.shape, *self.shape[1:])

    def _slice(self, wanted: slice) -> NDArray[Any]:
        start, stop, step = wanted.indices(len(self))
        i = int(np.searchsorted(self._ends, start, "right"))
        if step == 1 and start < stop <= self._ends[min(i, len(self._ends) - 1)]:
            return self._part(i)[start - self._starts[i] : stop - self._starts[i]]
        return self._gather(np.arange(start, stop, step))

    def _numbers(self, wanted: Any) -> NDArray[np.int64]:
        """Row numbers from whatever NumPy takes as an index of one axis."""
        wanted = np.asarray(wanted)
        if wanted.dtype == bool:
            if wanted.shape != (len(self),):
                raise IndexError(f"a mask of shape {wanted.shape} for {len(self)} rows: give one value for each row")
            return np.flatnonzero(wanted)
        if wanted.size and wanted.dtype.kind not in "iu":
            named = "None" if wanted[()] is None else wanted.dtype
            raise IndexError(f"rows are chosen by integers, slices and masks, not by {named}: numpy.asarray has all in memory")
        rows: NDArray[np.int64] = np.where(wanted < 0, wanted + len(self), wanted).astype(np.int64)
        if rows.size and not 0 <= rows.min() <= rows.max() < len(self):
            raise IndexError(f"rows run from {rows.min()} to {rows.max()}, there are {len(self)}")
        return rows

    def _gather(self, rows: NDArray[np.int64]) -> NDArray[Any]:
        """A copy of the rows, one after the other whatever the shape of their numbers."""
        out = np.empty((rows.size, *self.shape[1:]), self.dtype)
        flat = rows.ravel()
        part = np.searchsorted(self._ends, flat, "right")
        order = np.argsort(part, kind="stable")
        for places in np.split(order, np.flatnonzero(np.diff(part[order])) + 1) if flat.size else ():
            i = int(part[places[0]])
            out[places] = self._part(i)[flat[places] - self._starts[i]]
        return out

    def _part(self, i: int) -> NDArray[Any]:
        if i not in self._parts:
            self._parts[i] = self._make(i)
        return self._parts[i]
