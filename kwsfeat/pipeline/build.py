"""Recordings, or an earlier file, to a dataset file: in blocks, on threads, in bounded memory, and resumable.

A block of rows is decoded, turned into features, checksummed and written by one thread, so decoding, computing and writing
of different blocks overlap and memory is a few blocks a thread whatever the size of the file. What a block holds depends on
its rows alone, so the file is the same for any number of threads and after any number of interruptions.
"""

from __future__ import annotations

import hashlib
import json
import os
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from kwsfeat import __version__
from kwsfeat.config.features import FeatureConfig
from kwsfeat.dataset.columns import Columns
from kwsfeat.dataset.seal import FORMAT_VERSION
from kwsfeat.dataset.writer import Block, Writer
from kwsfeat.errors import AudioError
from kwsfeat.features.front_end import FrontEnd
from kwsfeat.pipeline.sources import ClipSource

_SKIPPED = -1  # stands in `length` for a recording that could not be read, until its row is taken out


@dataclass(frozen=True)
class BuildReport:
    """What :func:`build` did: the file, its rows, the rows that an earlier run had finished, (recording, reason) of each skip."""

    path: Path
    n_clips: int
    n_resumed: int
    skipped: tuple[tuple[str, str], ...]
    seconds: float


def build(
    source: ClipSource,
    output: str | os.PathLike[str],
    configs: Mapping[str, FeatureConfig],
    *,
    seed: int = 0,
    threads: int = 1,
    audio: bool = True,
    dtype: str = "float32",
    strict: bool = False,
    overwrite: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> BuildReport:
    """Write the file `output`; if a run that was interrupted left finished blocks of the same build, go on from there.

    Parameters
    ----------
    source : ClipSource
    output : path
        Written as ``<output>.partial`` and renamed when complete.
    configs : mapping of str to FeatureConfig
        Feature sets by name; the first is the default of readers.
    seed : int
        For dither.
    threads : int, >= 1
        Does not change the file.
    audio : bool
        Whether to store the samples.
    dtype : {"float32", "float16"}
    strict : bool
        Make a recording that cannot be read an error instead of leaving it out.
    overwrite : bool
        Replace `output`, at the end.
    progress : callable
        Called with (clips done, clips in all) from the calling thread.

    Raises
    ------
    AudioError
        If no recording can be read or, with `strict`, one cannot.
    CorpusError
        If the recordings went away.
    StoreError, ConfigError
        As :class:`~kwsfeat.dataset.writer.Writer`.
    """
    began = time.monotonic()
    columns, labels = source.columns(), source.labels
    key = _key(source, columns, configs, [seed, audio, dtype])
    writer = Writer(
        output, columns=columns, labels=labels, configs=configs, seed=seed, audio=audio, dtype=dtype, overwrite=overwrite, key=key,
        attributes=source.attributes(),
    )  # fmt: skip
    with writer:
        n_resumed, bad = _fill(writer, source, configs, seed=seed, threads=threads, strict=strict, progress=progress)
        # The variants of one recording are one recording that cannot be read.
        skipped = tuple(dict.fromkeys((os.fsdecode(columns.source[row]), reason) for row, reason in sorted(bad.items())))
        if len(bad) == writer.n_clips:
            writer.discard()
            raise AudioError(f"none of the {len(skipped)} recordings can be read; the first: {skipped[0][1]}")
        if skipped:
            keep = np.setdiff1d(np.arange(writer.n_clips), list(bad))
            writer.finish_without(keep, [f"{name}: {reason}" for name, reason in skipped])
        else:
            writer.finish()
    return BuildReport(writer.path, writer.n_clips - len(bad), n_resumed, skipped, time.monotonic() - began)


def _key(source: ClipSource, columns: Columns, configs: Mapping[str, FeatureConfig], settings: list[Any]) -> bytes:
    """A digest that differs whenever the file would."""
    configured = {name: config.to_dict() for name, config in configs.items()}
    digest = hashlib.sha256(json.dumps([__version__, FORMAT_VERSION, source.labels, configured, settings]).encode())
    for f in fields(columns):
        digest.update(getattr(columns, f.name).tobytes())
    digest.update(source.identity())
    return digest.digest()


def _fill(
    writer: Writer,
    source: ClipSource,
    configs: Mapping[str, FeatureConfig],
    *,
    seed: int,
    threads: int,
    strict: bool,
    progress: Callable[[int, int], None] | None,
) -> tuple[int, dict[int, str]]:
    """Make every block that is not there yet; returns the number of rows that were, and the reasons of unreadable rows."""
    front_ends = {name: FrontEnd(config) for name, config in configs.items()}
    stopping = threading.Event()
    local = threading.local()  # each thread fills one block over and over

    def make(index: int) -> tuple[int, dict[int, str]]:
        rows = writer.blocks[index]
        if stopping.is_set():
            return 0, {}
        block = local.block = writer.empty_block(index, getattr(local, "block", None))
        if writer.resumed and writer.read(index, block) and block.arrays["length"].min() > _SKIPPED:
            writer.restore(index, block)
            return rows.stop - rows.start, {}
        bad = source.load(rows, block.arrays["audio"], block.arrays["length"])
        if bad and strict:
            raise AudioError(next(iter(bad.values())))
        _extract(block, front_ends, seed, bad)
        writer.write(index, block)
        return 0, {rows.start + i: reason for i, reason in bad.items()}

    n_resumed = 0
    bad: dict[int, str] = {}
    with ThreadPoolExecutor(threads) as pool:
        results = [pool.submit(make, index) for index in range(len(writer.blocks))]
        try:
            for rows, result in zip(writer.blocks, results, strict=True):
                restored, unreadable = result.result()
                n_resumed += restored
                bad |= unreadable
                if progress:
                    progress(rows.stop, writer.n_clips)
        finally:
            stopping.set()  # after an error or Ctrl-C, the blocks that have not begun do not begin
    return n_resumed, bad


def _extract(block: Block, front_ends: Mapping[str, FrontEnd], seed: int, bad: Mapping[int, str]) -> None:
    rows = sorted(bad)
    block.arrays["audio"][rows] = 0
    block.arrays["length"][rows] = 0
    for name, front_end in front_ends.items():
        out = block.arrays[f"features/{name}"]
        x = front_end.extract_batch(
            block.arrays["audio"],
            out=out if out.dtype == np.float32 else None,
            lengths=block.arrays["length"],
            seed=seed + block.rows.start,
        )
        if out.dtype != np.float32:
            with np.errstate(over="ignore"):  # the writer refuses what became infinite, by name
                out[:] = x
        out[rows] = 0
    block.arrays["length"][rows] = _SKIPPED
