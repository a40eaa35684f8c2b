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
import zlib
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from kwsfeat import __version__
from kwsfeat.audio import load_clip
from kwsfeat.columns import Columns
from kwsfeat.config import FeatureConfig
from kwsfeat.corpus import Clip, Corpus, find_corpus
from kwsfeat.errors import AudioError, CorpusError, StoreError
from kwsfeat.frontend import FrontEnd
from kwsfeat.labels import apply_labels
from kwsfeat.seal import FORMAT_VERSION
from kwsfeat.splits import assign_splits, chosen_rule
from kwsfeat.store import Reader
from kwsfeat.writer import CLIP_FIELDS, Block, Writer

_SKIPPED = -1  # stands in `length` for a recording that could not be read, until its row is taken out


class ClipSource(Protocol):
    """Where the rows of a new file come from: :class:`Recordings` or :class:`EarlierFile`."""

    @property
    def labels(self) -> tuple[str, ...]:
        """Class names."""

    def columns(self) -> Columns:
        """What is known of the rows before their samples are read."""

    def attributes(self) -> Mapping[str, str]:
        """What the file's root says about where its rows came from."""

    def identity(self) -> bytes:
        """Changes whenever the samples may have changed."""

    def load(self, rows: slice, audio: NDArray[np.int16], length: NDArray[np.int32]) -> dict[int, str]:
        """Fill `audio` (n, n_samples) and `length` (n,); returns the reason for each position that could not be read."""


@dataclass(frozen=True)
class Recordings:
    """Clips of a corpus, decoded as `config` says (of which only :data:`~kwsfeat.writer.CLIP_FIELDS` matter here).

    `seed` is for ``crop="random"``; the crop of a clip depends on its path, not on its neighbours. `trim_db`: see
    :func:`~kwsfeat.audio.load_clip`. `split` is the rule that the clips' parts come from. `missing` are the
    folders that a manifest names and that were never there.
    """

    corpus: Corpus
    clips: Sequence[Clip]
    labels: tuple[str, ...]
    config: FeatureConfig
    seed: int = 0
    trim_db: float | None = None
    split: str = ""
    missing: frozenset[str] = frozenset()

    def columns(self) -> Columns:
        """What the corpus says of its clips."""
        index = {label: i for i, label in enumerate(self.labels)}
        return Columns.of(
            [index.get(clip.label, -1) for clip in self.clips],
            [clip.split for clip in self.clips],
            speaker=[clip.speaker for clip in self.clips],
            source=[clip.path for clip in self.clips],
            start=[clip.start for clip in self.clips],
        )

    def attributes(self) -> Mapping[str, str]:
        """Nothing."""
        return {}

    def identity(self) -> bytes:
        """Sizes and modification times of all recordings (of the archive, for one), and what is cut out of them."""
        digest = hashlib.sha256(json.dumps([self.seed, self.trim_db]).encode())
        if self.corpus.unpacked:
            digest.update(_stamp(self.corpus.source))
        else:
            root = os.fspath(self.corpus.root)
            digest.update(b"".join([_stamp(os.path.join(root, path)) for path in dict.fromkeys(clip.path for clip in self.clips)]))
        digest.update("".join([f"{clip.start}:{clip.stop}\n" for clip in self.clips]).encode())
        return digest.digest()

    def load(self, rows: slice, audio: NDArray[np.int16], length: NDArray[np.int32]) -> dict[int, str]:
        """Decode the clips of some rows."""
        bad = {}
        for i, clip in enumerate(self.clips[rows]):
            seed = (self.seed, zlib.crc32(os.fsencode(clip.path)), clip.start)
            try:
                _, length[i] = load_clip(
                    self.corpus.open(clip), self.config, start=clip.start, stop=clip.stop, seed=seed, trim_db=self.trim_db, out=audio[i]
                )
            except AudioError as error:
                self._check_still_there(clip)
                bad[i] = str(error)
        return bad

    def _check_still_there(self, clip: Clip) -> None:
        """A bad recording is skipped, but a disk that went away must not turn into a file that lacks half of the words."""
        folder = os.path.dirname(os.path.join(self.corpus.root, clip.path))
        if folder not in self.missing and not os.path.isdir(folder):
            raise CorpusError(f"{folder} is not there (any more): connect it again and repeat the command, it goes on where it stopped")


def _stamp(path: str | os.PathLike[str]) -> bytes:
    try:
        status = os.stat(path)
    except OSError:
        return b"missing\n"
    return f"{status.st_size}:{status.st_mtime_ns}\n".encode()


def plan_recordings(
    source: str | os.PathLike[str],
    config: FeatureConfig,
    *,
    layout: str | None = None,
    labels: str | Sequence[str] = "all",
    unknown: str | None = None,
    unknown_share: float | None = None,
    silence_share: float | None = None,
    split: str = "auto",
    folds: int = 5,
    fold: int = 0,
    trim_db: float | None = None,
    seed: int = 0,
    strict: bool = False,
) -> Recordings:
    """Find a corpus, give its clips their labels and splits: everything that is decided before a recording is opened.

    Parameters are those of :func:`~kwsfeat.corpus.find_corpus`, :func:`~kwsfeat.labels.apply_labels` and
    :func:`~kwsfeat.splits.assign_splits`, which also say what they raise. With `strict`, a file or folder that does not fit the
    layout, such as a word without recordings, is a CorpusError instead of being left out.
    """
    corpus = find_corpus(source, layout)
    if strict and corpus.skipped:
        name, reason = corpus.skipped[0]
        raise CorpusError(f"{corpus.source}: {name}: {reason}: remove it, or build without strict, which leaves it out")
    clips, names = apply_labels(
        corpus, labels, unknown=unknown, unknown_share=unknown_share, silence_share=silence_share, seed=seed
    )  # fmt: skip
    split = chosen_rule(clips, split)
    clips = assign_splits(clips, split, seed=seed, folds=folds, fold=fold)
    folders = {os.path.dirname(os.path.join(corpus.root, clip.path)) for clip in clips} if corpus.layout == "manifest" else ()
    missing = frozenset(folder for folder in folders if not os.path.isdir(folder))
    return Recordings(corpus, clips, names, config, seed, trim_db, split, missing)


class EarlierFile:
    """The rows of a file that was built before: new features of its audio, without decoding anything.

    Raises
    ------
    StoreError
        If the file holds no audio, or audio that was cut otherwise than `config` says.
    """

    def __init__(self, reader: Reader, config: FeatureConfig) -> None:
        self.reader = reader
        self.labels = reader.labels
        earlier = reader.config()
        for name in CLIP_FIELDS:
            if getattr(earlier, name) != getattr(config, name):
                raise StoreError(
                    f"{reader.path} holds audio with {name}={getattr(earlier, name)!r}, these features need {getattr(config, name)!r}: "
                    "build from the recordings"
                )
        if not reader.has_audio:
            raise StoreError(f"{reader.path} holds no audio, it was built with --no-audio: build from the recordings")

    def columns(self) -> Columns:
        """The columns of the earlier file."""
        return Columns(**{f.name: np.array(self.reader.map(f.name)) for f in fields(Columns)})

    def attributes(self) -> Mapping[str, str]:
        """The recipe of the earlier file, where it was augmented."""
        return {name: str(self.reader.attrs[name]) for name in ("recipe", "recipe_toml") if name in self.reader.attrs}

    def identity(self) -> bytes:
        """The seal of the earlier file, which covers the checksums of its arrays."""
        return self.reader.seal.encode()

    def load(self, rows: slice, audio: NDArray[np.int16], length: NDArray[np.int32]) -> dict[int, str]:
        """Copy the samples of some rows, if they are what was once written."""
        audio[:] = self.reader.checked("audio", rows)
        length[:] = self.reader.checked("length", rows)
        return {}


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
        As :class:`~kwsfeat.writer.Writer`.
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
