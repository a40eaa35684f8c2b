"""Recordings, or an earlier file, to a dataset file: in blocks, on threads, in bounded memory, and resumable.

A block of rows is decoded, turned into features, checksummed and written by one thread, so decoding, computing and writing
of different blocks overlap and memory is a few blocks per thread whatever the size of the file. What a block holds depends on
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
from itertools import takewhile
from pathlib import Path

import numpy as np

from kwsfeat import __version__
from kwsfeat.config.clip import check_same_clip, common_clip
from kwsfeat.config.features import FeatureConfig
from kwsfeat.config.seed import check_seed
from kwsfeat.dataset.block import Block, Receipt
from kwsfeat.dataset.columns import Columns
from kwsfeat.dataset.reader import Reader
from kwsfeat.dataset.seal import FORMAT_VERSION
from kwsfeat.dataset.writer import Writer, skipped_recordings
from kwsfeat.errors import AudioError
from kwsfeat.features.front_end import FrontEnd
from kwsfeat.pipeline.assembly import SAMPLES, Assembly
from kwsfeat.pipeline.copies import copies_across
from kwsfeat.pipeline.sources import ClipSource

_AHEAD = 3  # chunks for each thread that may wait for one that takes long to decode


@dataclass(frozen=True)
class BuildReport:
    """What :func:`build` did: the file, its rows, the rows that an earlier run had finished, (recording, reason) of each skip.

    `copies` are pairs of recordings that hold the same samples and are in different splits, `remarks` are (recording, what was lost
    or guessed).
    """

    path: Path
    n_clips: int
    n_resumed: int
    skipped: tuple[tuple[str, str], ...]
    seconds: float
    copies: tuple[tuple[str, str], ...] = ()
    remarks: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Settings:
    """What is made of the clips, whatever file or files they go to.

    `seed` is for dither, `audio` says whether the samples are stored, `dtype` is that of the features, and `strict` makes a recording
    that cannot be read an error.
    """

    configs: Mapping[str, FeatureConfig]
    seed: int = 0
    audio: bool = True
    dtype: str = "float32"
    strict: bool = False

    def __post_init__(self) -> None:
        check_seed(self.seed)

    def key(self, source: ClipSource, columns: Columns) -> bytes:
        """A digest that differs whenever what is built of `source` would."""
        configured = {name: [config.to_dict(), config.algorithm] for name, config in self.configs.items()}
        settings = [self.seed, self.audio, self.dtype]
        digest = hashlib.sha256(json.dumps([__version__, FORMAT_VERSION, source.labels, configured, settings]).encode())
        for f in fields(columns):
            digest.update(getattr(columns, f.name).tobytes())
        digest.update(source.identity())
        return digest.digest()


@dataclass(frozen=True)
class Written:
    """A file that :func:`write_rows` wrote: the receipts of its blocks, the rows that an earlier run had finished, what was left out."""

    receipts: tuple[Receipt, ...]
    n_clips: int
    n_resumed: int
    skipped: tuple[tuple[str, str], ...]


def build_file(
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
    lock: bool = True,
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
    lock : bool
        As in :class:`~kwsfeat.dataset.writer.Writer`: without it, on a file system that has no locks.
    progress : callable
        Called with (clips done, clips in all) from the calling thread.

    Returns
    -------
    BuildReport
        Where the file is, how many clips it has, what was left out, and how long it took.

    Raises
    ------
    AudioError
        If no recording can be read or, with `strict`, one cannot.
    CorpusError
        If the recordings went away.
    StoreError, ConfigError
        As :class:`~kwsfeat.dataset.writer.Writer`.

    Examples
    --------
    >>> from kwsfeat import plan_recordings, preset
    >>> config = preset("logmel")
    >>> report = build_file(plan_recordings("recordings", config), "new.h5", {"logmel": config})
    >>> report.n_clips, len(report.skipped)
    (8, 0)
    """
    began = time.monotonic()
    check_same_clip(source.clip, common_clip(configs), names=("the recordings", "the features"), cure="give one to both")
    settings, columns = Settings(configs, seed, audio, dtype, strict), source.columns()
    key = settings.key(source, columns)
    written = write_rows(
        source, columns, output, settings, key=key, threads=threads, overwrite=overwrite, lock=lock, progress=progress
    )  # fmt: skip
    if not written.n_clips:
        raise AudioError(f"none of the {len(written.skipped)} recordings can be read; the first: {written.skipped[0][1]}")
    with Reader(output) as reader:
        copies = copies_across(reader, np.concatenate([receipt.prints for receipt in written.receipts]))
    seconds = time.monotonic() - began
    return BuildReport(Path(output), written.n_clips, written.n_resumed, written.skipped, seconds, copies, tuple(source.remarks))


def write_rows(
    source: ClipSource,
    columns: Columns,
    output: str | os.PathLike[str],
    settings: Settings,
    *,
    key: bytes,
    first: int | None = None,
    threads: int = 1,
    overwrite: bool = False,
    lock: bool = True,
    progress: Callable[[int, int], None] | None = None,
) -> Written:
    """Write the clips of a source to one file, or go on with it where it was begun with the same `key`.

    `first` is the number of its first clip in the whole of which it is a part: dither is then drawn by these numbers, so that it does
    not depend on where the whole is cut, nor on what is left out. There is no file where no clip can be read.
    """
    writer = Writer(
        output, columns=columns, labels=source.labels, configs=settings.configs, seed=settings.seed, audio=settings.audio,
        dtype=settings.dtype, overwrite=overwrite, key=key, attributes=source.attributes(), lock=lock,
    )  # fmt: skip
    with writer:
        n_resumed, left_out = _fill(writer, source, settings, first=first, threads=threads, progress=progress)
        if len(left_out) == writer.n_clips:
            writer.discard()
        else:
            writer.finish(left_out)
    return Written(tuple(writer.receipts), writer.n_clips - len(left_out), n_resumed, skipped_recordings(columns, left_out))


def _fill(
    writer: Writer,
    source: ClipSource,
    settings: Settings,
    *,
    first: int | None,
    threads: int,
    progress: Callable[[int, int], None] | None,
) -> tuple[int, dict[int, str]]:
    """Make every block that is not there yet; returns the number of rows that were, and the clips that are left out, with reasons."""
    front_ends, strict = {name: FrontEnd(config) for name, config in settings.configs.items()}, settings.strict
    with ThreadPoolExecutor(threads) as pool:
        n_resumed, left_out = _take_up(writer, source, pool, strict=strict)
        assembly = Assembly(writer, n_resumed + len(left_out), -(-n_resumed // writer.layout.block_rows), _AHEAD * threads)
        if progress and n_resumed:
            progress(n_resumed + len(left_out), writer.n_clips)

        def make(index: int) -> None:
            chunk, arrays = assembly.chunks[index], assembly.room(index)
            if arrays is None:
                return
            n = chunk.stop - chunk.start
            bad = source.load(chunk, *(arrays[name][:n] for name in SAMPLES))
            if bad and strict:
                raise AudioError(next(iter(bad.values())))
            assembly.add(index, arrays, bad)
            while (block := assembly.take()) is not None:
                _extract(block, front_ends, settings.seed, first)
                writer.write(block)
                assembly.give_back(block)

        results = [pool.submit(make, index) for index in range(len(assembly.chunks))]
        try:
            for chunk, result in zip(assembly.chunks, results, strict=True):
                result.result()
                if progress:
                    progress(chunk.stop, writer.n_clips)
        finally:
            assembly.stop()  # after an error or Ctrl-C, the chunks that have not begun do not begin
    return n_resumed, left_out | assembly.left_out


def _take_up(writer: Writer, source: ClipSource, pool: ThreadPoolExecutor, *, strict: bool) -> tuple[int, dict[int, str]]:
    """Count the blocks of an earlier run as written: from the first on, while they are intact and what they leave out is unreadable.

    Returns the number of their rows, and the clips that are left out before and among them.
    """
    local = threading.local()  # each thread fills one block over and over

    def read(index: int) -> Receipt | None:
        if not hasattr(local, "arrays"):
            local.arrays = writer.new_arrays()
        return writer.read(index, local.arrays)

    arrays = writer.new_arrays()
    n_rows, left_out = 0, dict[int, str]()
    for receipt in pool.map(read, takewhile(writer.finished.__contains__, range(len(writer.blocks)))):
        first = n_rows + len(left_out)
        if receipt is None or receipt.clips[0] < first:
            break
        gaps = np.setdiff1d(np.arange(first, receipt.clips[-1]), receipt.clips)
        still = {}
        for clip in map(int, gaps):
            if unreadable := source.load(slice(clip, clip + 1), *(arrays[name][:1] for name in SAMPLES)):
                still[clip] = unreadable[0]
        if strict and still:
            raise AudioError(next(iter(still.values())))
        is_last = receipt.clips[-1] == writer.n_clips - 1
        if len(still) < len(gaps) or (len(receipt.clips) < writer.layout.block_rows and not is_last):
            break
        writer.restore(receipt)
        n_rows += len(receipt.clips)
        left_out |= still
    return n_rows, left_out


def _extract(block: Block, front_ends: Mapping[str, FrontEnd], seed: int, first: int | None) -> None:
    numbers = np.arange(block.rows.start, block.rows.stop) if first is None else first + block.clips
    for name, front_end in front_ends.items():
        out = block.arrays[f"features/{name}"]
        x = front_end.extract_batch(
            block.arrays["audio"],
            out=out if out.dtype == np.float32 else None,
            lengths=block.arrays["length"],
            seed=seed,
            rows=numbers,
        )
        if out.dtype != np.float32:
            with np.errstate(over="ignore"):  # the writer refuses what became infinite, by name
                out[:] = x
