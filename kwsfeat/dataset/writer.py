"""Making a dataset file: one coordinator fixes all addresses, hands out blocks of rows, and merges what comes back.

Blocks may be written in any order, by any thread or process (:func:`~kwsfeat.dataset.block.write_block`): a block's place and
bytes depend on its rows only. What is written is entered in a ledger at the end of the unfinished file, from which an interrupted
build goes on.
"""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields
from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from kwsfeat.config.clip import common_clip
from kwsfeat.config.features import FeatureConfig
from kwsfeat.dataset.block import Block, Entry, Receipt, entries, read_block, write_block
from kwsfeat.dataset.columns import Columns, fixed_strings
from kwsfeat.dataset.disk import clear, open_locked, read_all, reason, reserve, sync_folder, write_at
from kwsfeat.dataset.format import Layout, block_slices, block_spans
from kwsfeat.dataset.hdf5 import Completion, Description, complete, create, layout_of, parse, row_arrays
from kwsfeat.dataset.seal import ledger_of, read_seal, sealed_page, unfinished_page
from kwsfeat.dataset.statistics import Moments
from kwsfeat.errors import StoreError

if TYPE_CHECKING:
    from types import TracebackType


_BLOCK_ROWS = 64
_BLOCK_BYTES = 8 << 20


class Writer:
    """A file in the making at ``<path>.partial``, which becomes `path` when :meth:`finish` has checked all of it.

    A file left behind by a killed process is taken up again when it was begun with the same `key`; :attr:`finished` says which
    of its blocks were written, :meth:`restore` whether one is still good.

    Parameters
    ----------
    path : str or path
        The finished file.
    columns : Columns
        One entry for each of the n_clips >= 1 rows that are planned.
    labels : sequence of str
        Class names.
    configs : mapping of str to FeatureConfig
        The feature sets by name, the first is the default; they must agree on what a clip is.
    seed : int
        The seed that cropping and dither were drawn from.
    audio : bool
        Whether to store the samples.
    dtype : {"float32", "float16"}
        Type of the stored features.
    overwrite : bool
        Whether `path` may exist.
    key : bytes
        Identifies everything that the blocks are computed from; empty never resumes.
    attributes : mapping of str to str
        Further attributes of the file's root, such as the policy of its augmentation.
    lock : bool
        Whether to hold a lock on the unfinished file; without it, nothing else may write to the same `path`.

    Attributes
    ----------
    partial : path
        The unfinished file.
    layout : Layout
        With `partial`, all that :func:`~kwsfeat.dataset.block.write_block` needs in another process.
    blocks : list of slice
        The rows of each block.
    finished : dict of int to Entry
        Blocks that an earlier, interrupted run has written.

    Raises
    ------
    StoreError
        If `path` exists, another process writes it, its folder does not, or the disk is too small.
    ConfigError
        If the feature sets do not share one audio.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        columns: Columns,
        labels: Sequence[str],
        configs: Mapping[str, FeatureConfig],
        seed: int = 0,
        audio: bool = True,
        dtype: str = "float32",
        overwrite: bool = False,
        key: bytes = b"",
        attributes: Mapping[str, str] | None = None,
        lock: bool = True,
    ) -> None:
        self.path = Path(path)
        self.partial = self.path.with_name(self.path.name + ".partial")
        self.columns = columns
        self.n_clips = len(columns.label)
        self._overwrite = overwrite
        self._lock = threading.Lock()
        self._receipts: dict[int, Receipt] = {}
        if not self.n_clips:
            raise StoreError(f"{self.path} would hold no clip: nothing to write")
        clip = common_clip(configs)
        arrays = row_arrays(clip, configs, dtype)
        row_bytes = sum(int(np.prod(shape)) * kind.itemsize for shape, kind in arrays.values())
        block_rows = max(1, min(_BLOCK_ROWS, _BLOCK_BYTES // row_bytes))
        self._described = Description(columns, tuple(labels), clip, dict(configs), seed, audio, dtype, block_rows, dict(attributes or {}))

        self._check_absent()
        self._fd = open_locked(self.partial, self.path, lock=lock)
        try:
            with self._named_errors():
                self.finished: dict[int, Entry] = self._take_up(key) or self._create(key)
        except BaseException:
            self.close()
            raise
        self.blocks = self.layout.blocks

    def __enter__(self) -> Writer:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Release the lock; an unfinished file stays where it is, to be taken up again."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def discard(self) -> None:
        """Delete the unfinished file."""
        self.partial.unlink(missing_ok=True)
        self.close()

    def empty_block(self, index: int) -> Block:
        """A block to be filled and given to :meth:`write`, where nothing was left out before it."""
        rows = self.blocks[index]
        return self.block(index, np.arange(rows.start, rows.stop), self.new_arrays())

    def new_arrays(self) -> dict[str, NDArray[Any]]:
        """Zeros for the rows of one block, or for clips on their way there."""
        n = min(self.n_clips, self.layout.block_rows)
        return {name: np.zeros((n, *shape), kind) for name, (shape, kind) in self._described.arrays.items()}

    def block(self, index: int, clips: NDArray[np.int64], arrays: Mapping[str, NDArray[Any]]) -> Block:
        """Block `index` made of the planned rows `clips`, as many of them as it has rows, in the first rows of `arrays`."""
        first = self.blocks[index].start
        return Block(
            slice(first, first + clips.size), clips, self.columns.take(clips), {name: x[: clips.size] for name, x in arrays.items()}
        )

    def write(self, block: Block) -> None:
        """Put a block into the file and enter it in the ledger. Safe to call from several threads."""
        with self._named_errors():
            self.record(write_block(self.partial, self.layout, block))

    def record(self, receipt: Receipt) -> None:
        """Enter a block that :func:`~kwsfeat.dataset.block.write_block` wrote, perhaps in another process."""
        line = Entry.of(receipt).line()
        with self._named_errors(), self._lock:
            write_at(self._fd, np.frombuffer(line, np.uint8), self._ledger_end)
            self._ledger_end += len(line)
            self._receipts[receipt.index] = receipt

    def read(self, index: int, arrays: Mapping[str, NDArray[Any]]) -> Receipt | None:
        """Read a block of :attr:`finished`; None when its bytes are not what was written."""
        entry = self.finished[index]
        return read_block(self.partial, self.layout, self.block(index, entry.clips, arrays), entry.checksums)

    def restore(self, receipt: Receipt) -> None:
        """Count a block that :meth:`read` found as written."""
        self._receipts[receipt.index] = receipt

    @property
    def receipts(self) -> list[Receipt]:
        """Of the blocks that are in the file, in its order."""
        return [self._receipts[index] for index in sorted(self._receipts)]

    def finish(self, left_out: Mapping[int, str] | None = None) -> None:
        """Complete the file, flush everything to the disk and give it its name.

        Parameters
        ----------
        left_out : mapping of int to str
            The planned rows that are in no block, and why.

        Raises
        ------
        StoreError
            If a block is missing, or `path` came into being in the meantime.
        """
        kept = self._kept(left_out or {})
        receipts = [self._receipts[index] for index in range(len(self._receipts))]
        skipped = [f"{name}: {reason}" for name, reason in skipped_recordings(self.columns, left_out or {})]
        with self._named_errors():
            os.fsync(self._fd)  # the large flush comes first, so that little can happen between here and the name
            os.ftruncate(self._fd, self._ledger)
            for path, place in self.layout.places.items():
                if not path.startswith("checksum/"):
                    clear(self._fd, place.offset + len(kept) * place.row_bytes, place.end)
            layout = complete(self.partial, self._described, _completion(self._described, kept, skipped, receipts))
            self._write_columns(layout, self.columns.take(kept))
            if skipped:
                write_at(self._fd, fixed_strings(skipped), layout.places["skipped"].offset)
            for name in layout.stored:
                sums = np.array([receipt.checksums[name] for receipt in receipts], "<u4")
                write_at(self._fd, sums, layout.places[f"checksum/{name}"].offset)
            os.fsync(self._fd)
            write_at(self._fd, np.frombuffer(sealed_page(self._fd, block_spans(layout.places)), np.uint8), 0)
            os.fsync(self._fd)
            self._check_readable()
            self._check_absent()
            os.replace(self.partial, self.path)
            self.close()
            sync_folder(self.path.parent)

    def _check_readable(self) -> None:
        """Read the finished file as everybody will, before it takes the name and the place of an earlier one."""
        with open(self.partial, "rb") as file:
            try:
                read_seal(file.fileno())
                parse(file)
            except StoreError as error:
                raise StoreError(f"{self.path}: what was written cannot be read ({error}): check the disk and repeat the command") from None

    def _kept(self, left_out: Mapping[int, str]) -> NDArray[np.int64]:
        """The planned rows that are in the file, after making sure that each row is in it or left out."""
        wanted = block_slices(self.n_clips - len(left_out), self.layout.block_rows)
        if missing := [index for index in range(len(wanted)) if index not in self._receipts]:
            raise StoreError(f"{self.path}: {len(missing)} of {len(wanted)} blocks were not written")
        kept = np.concatenate([self._receipts[index].clips for index in range(len(wanted))])
        if not np.array_equal(np.union1d(kept, list(left_out)), np.arange(self.n_clips)) or len(kept) + len(left_out) != self.n_clips:
            raise StoreError(f"{self.path}: the blocks hold {len(kept)} clips, {self.n_clips - len(left_out)} are needed")
        return kept

    @contextmanager
    def _named_errors(self) -> Iterator[None]:
        """A full or broken disk as an error that names the file and the cure."""
        try:
            yield
        except OSError as error:
            cure = "make room" if error.errno in _FULL else "check the disk"
            raise StoreError(
                f"cannot write {self.path}: {reason(error)}: {cure} and repeat the command, it goes on where it stopped"
            ) from error

    def _take_up(self, key: bytes) -> dict[int, Entry]:
        """The blocks of an earlier run, when it was a build of the same."""
        ledger = ledger_of(self._fd, key)
        if ledger is None:
            return {}
        text = read_all(self._fd, ledger)
        found = {entry.index: entry for entry in entries(text)}
        try:
            self.layout = layout_of(self.partial, self._described)
        except (OSError, StoreError):  # killed while HDF5 wrote to it
            return {}
        self._ledger, self._ledger_end = ledger, ledger + len(text)
        return found

    def _create(self, key: bytes) -> dict[int, Entry]:
        try:
            self.layout = create(self.partial, self._described)
            size = os.fstat(self._fd).st_size
            reserve(self._fd, size)
            self._write_columns(self.layout, self.columns)
            os.fsync(self._fd)
            write_at(self._fd, np.frombuffer(unfinished_page(key, size), np.uint8), 0)  # now it may be resumed
        except OSError as error:
            self.discard()
            raise StoreError(f"cannot create {self.path}: {reason(error)}: free some space, or choose an output elsewhere") from error
        self._ledger = self._ledger_end = size
        return {}

    def _write_columns(self, layout: Layout, columns: Columns) -> None:
        for f in fields(Columns):
            write_at(self._fd, getattr(columns, f.name), layout.places[f.name].offset)

    def _check_absent(self) -> None:
        if self.path.is_dir():
            raise StoreError(f"{self.path} is a folder: give the name of a file")
        if self.path.exists() and not self._overwrite:
            raise StoreError(f"{self.path} exists: choose another name or use --overwrite")


_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def skipped_recordings(columns: Columns, left_out: Mapping[int, str]) -> tuple[tuple[str, str], ...]:
    """(recording, reason) of rows that were left out; the variants of one recording are one that cannot be read."""
    return tuple(dict.fromkeys((os.fsdecode(columns.source[row]), why) for row, why in sorted(left_out.items())))


def _completion(described: Description, kept: NDArray[np.int64], skipped: Sequence[str], receipts: Sequence[Receipt]) -> Completion:
    moments = {name: reduce(Moments.merge, (receipt.moments[name] for receipt in receipts)) for name in described.configs}
    peaks = {name: max(receipt.peaks[name] for receipt in receipts) for name in described.configs}
    half = described.dtype == "float16"
    return Completion(
        kept,
        skipped,
        mean={name: m.mean.astype(np.float32) for name, m in moments.items()},
        std={name: m.std.astype(np.float32) for name, m in moments.items()},
        # half a step of the type at the largest value
        float16_error={name: float(np.spacing(np.float16(peak))) / 2 for name, peak in peaks.items()} if half else {},
    )
