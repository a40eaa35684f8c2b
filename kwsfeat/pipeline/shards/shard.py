"""One file of a data set, from its part of the source: made once, whoever makes it and however often he begins."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from kwsfeat.dataset.storage.facts import Facts, examine
from kwsfeat.dataset.storage.file import File
from kwsfeat.errors import AudioError, StoreError
from kwsfeat.pipeline.build import Settings, write_rows
from kwsfeat.pipeline.sources import ClipSource

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Task:
    """A file to be made: its number, the clips of the plan that go into it, and what stands for all that they are made from."""

    number: int
    rows: slice
    settings: Settings
    key: bytes

    @property
    def name(self) -> str:
        """What the file is called."""
        return f"{self.number:05}.h5"

    @property
    def n_clips(self) -> int:
        """Planned clips."""
        return int(self.rows.stop - self.rows.start)


@dataclass(frozen=True)
class Made:
    """A file that is there: its facts (None where none of its recordings can be read, and there is no file), and what the report says."""

    facts: Facts | None
    n_resumed: int
    skipped: tuple[tuple[str, str], ...]
    remarks: tuple[tuple[str, str], ...] = ()


def find(path: Path, task: Task, progress: Progress | None = None) -> Made | None:
    """The file that an earlier run has made at `path`, if it is there and every byte of it is intact; a damaged one is removed."""
    if not path.exists():
        return None
    try:
        file = File(path)
        facts = examine(file, progress)
    except StoreError:
        path.unlink()
        return None
    lines = [os.fsdecode(line) for line in file.map("skipped")] if file.has("skipped") else []
    file.close()
    skipped = tuple((name, why or name) for name, _, why in (line.partition(": ") for line in lines))
    if skipped and task.settings.strict:
        raise AudioError(skipped[0][1])
    return Made(facts, facts.rows, skipped)


def make(path: Path, task: Task, source: ClipSource, *, threads: int, progress: Progress | None = None) -> Made:
    """Write the file at `path`, or go on with what was begun there, of `source`, which has the clips of the task only."""
    key = task.key + task.number.to_bytes(8, "little")
    written = write_rows(
        source, source.columns(), path, task.settings, key=key, first=task.rows.start, threads=threads, lock=False, progress=progress
    )  # fmt: skip
    facts = None
    if written.n_clips:
        file = File(path)
        facts = Facts.of(file, written.receipts)
        file.close()
    return Made(facts, written.n_resumed, written.skipped, tuple(source.remarks))
