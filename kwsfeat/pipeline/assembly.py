"""Clips, decoded in chunks by any thread, become blocks of rows in the order of the source; those that cannot be read leave no gap.

How many rows a chunk gives is known only when it is decoded, and where they go only when all chunks before it are. So a chunk
waits for those, its thread goes on with the next one, and whoever brings the missing chunk makes the blocks. Nothing is written
twice, and what a block holds does not depend on who made it.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kwsfeat.dataset.block import Block
from kwsfeat.dataset.writer import Writer

Arrays = dict[str, NDArray[Any]]

SAMPLES = ("audio", "length", "cut")  # the arrays that a source fills, in the order of its arguments


class Assembly:
    """The blocks of a file that are still to be made, from the planned clip `first_clip` and the block `first_block` on.

    Parameters
    ----------
    writer : Writer
    first_clip, first_block : int
        What an earlier run has not finished.
    ahead : int, >= 1
        Chunks that may wait for one that takes long.

    Attributes
    ----------
    chunks : list of slice
        Planned clips to be decoded at once.
    left_out : dict of int to str
        Planned clips that could not be read so far, and why.
    """

    def __init__(self, writer: Writer, first_clip: int, first_block: int, ahead: int) -> None:
        self._writer = writer
        self._size = writer.layout.block_rows
        self.chunks = [slice(i, min(i + self._size, writer.n_clips)) for i in range(first_clip, writer.n_clips, self._size)]
        self.left_out: dict[int, str] = {}
        self._ahead = ahead
        self._stopped = False
        self._changed = threading.Condition()
        self._waiting: dict[int, Arrays] = {}
        self._n_taken = 0  # chunks whose rows have their places
        self._index = first_block
        self._clips = np.zeros(0, np.int64)  # of the block that is being filled
        self._arrays: Arrays = {}
        self._ready: deque[tuple[int, NDArray[np.int64], Arrays]] = deque()
        self._spare: list[Arrays] = []

    def room(self, chunk: int) -> Arrays | None:
        """Arrays to decode chunk number `chunk` into, when its turn has come; None after :meth:`stop`."""
        with self._changed:
            self._changed.wait_for(lambda: self._stopped or chunk < self._n_taken + self._ahead)
            if self._stopped:
                return None
            return self._spare.pop() if self._spare else self._writer.new_arrays()

    def add(self, chunk: int, arrays: Arrays, unreadable: Mapping[int, str]) -> None:
        """Bring a decoded chunk; `unreadable` says which of its clips, counted from its first, have no samples, and why."""
        with self._changed:
            self._waiting[chunk] = arrays
            self.left_out |= {self.chunks[chunk].start + i: reason for i, reason in unreadable.items()}
            while arrays := self._waiting.pop(self._n_taken, {}):
                self._place(self.chunks[self._n_taken], arrays)
                self._n_taken += 1
            if self._n_taken == len(self.chunks) and self._clips.size:
                self._emit()
            self._changed.notify_all()

    def take(self) -> Block | None:
        """A block with samples and without features yet; None when there is none now."""
        with self._changed:
            if self._stopped or not self._ready:
                return None
            index, clips, arrays = self._ready.popleft()
            return self._writer.block(index, clips, arrays)

    def give_back(self, block: Block) -> None:
        """Let the arrays of a block that was written be used again."""
        with self._changed:
            self._spare.append(block.arrays)

    def stop(self) -> None:
        """Nothing more is begun."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    def _place(self, chunk: slice, arrays: Arrays) -> None:
        clips = np.array([clip for clip in range(chunk.start, chunk.stop) if clip not in self.left_out], np.int64)
        if not self._clips.size and len(clips) == self._size:
            self._clips, self._arrays = clips, arrays
            self._emit()
            return
        while clips.size:
            if not self._arrays:
                self._arrays = self._spare.pop() if self._spare else self._writer.new_arrays()
            n, at = min(clips.size, self._size - self._clips.size), self._clips.size
            for name in SAMPLES:
                self._arrays[name][at : at + n] = arrays[name][clips[:n] - chunk.start]
            self._clips, clips = np.concatenate([self._clips, clips[:n]]), clips[n:]
            if self._clips.size == self._size:
                self._emit()
        self._spare.append(arrays)

    def _emit(self) -> None:
        self._ready.append((self._index, self._clips, self._arrays))
        self._index, self._clips, self._arrays = self._index + 1, np.zeros(0, np.int64), {}
