"""Where the rows of a new file come from: recordings of a corpus, or a file that was built before."""

from __future__ import annotations

import copy
import hashlib
import json
import os
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from kwsfeat.audio.clip import load_clip
from kwsfeat.audio.faults import CUT, LOUDEST_CUT
from kwsfeat.config.clip import ClipConfig, check_same_clip
from kwsfeat.corpus.clip import SYNTHETIC_SILENCE, Clip, Corpus
from kwsfeat.corpus.find import find_corpus
from kwsfeat.corpus.labels import apply_labels
from kwsfeat.corpus.names.meaning import SILENCE
from kwsfeat.corpus.same_source import equal_recordings, is_made_silence, is_noise_piece
from kwsfeat.corpus.split_notes import split_notes
from kwsfeat.corpus.splits import assign_splits, chosen_rule, parse_rule
from kwsfeat.dataset.columns import Columns, Cut
from kwsfeat.dataset.reader import Reader
from kwsfeat.errors import AudioError, CorpusError, StoreError


class ClipSource(Protocol):
    """Where the rows of a new file come from: :class:`Recordings` or :class:`FromDataset`."""

    @property
    def remarks(self) -> list[tuple[str, str]]:
        """(recording, what was lost or guessed): fills while rows are loaded."""

    @property
    def labels(self) -> tuple[str, ...]:
        """Class names."""

    @property
    def clip(self) -> ClipConfig:
        """What a clip is, as :meth:`load` makes it."""

    def columns(self) -> Columns:
        """What is known of the rows before their samples are read."""

    def attributes(self) -> Mapping[str, str]:
        """What the file's root says about where its rows came from."""

    def identity(self) -> bytes:
        """Changes whenever the samples may have changed."""

    def load(self, rows: slice, audio: NDArray[np.int16], length: NDArray[np.int32], cut: NDArray[np.uint8]) -> dict[int, str]:
        """Fill `audio` (n, n_samples), `length` and `cut` (n,); returns the reason for each position that could not be read."""

    def part(self, rows: slice) -> ClipSource:
        """Some consecutive rows as a source of their own, which another process can have: each row is what it is in the whole."""


@dataclass(frozen=True)
class Recordings:
    """Clips of a corpus, decoded as `config` says.

    `seed` is for ``crop="random"``; the crop of a clip depends on its path, not on its neighbours. `split` is the
    rule that the clips' parts come from. `missing` are the folders that a manifest names and that were never there;
    `split_notes` are sentences about the splits. `remarks`
    fills with (recording, what was lost or guessed) while rows are loaded.
    """

    corpus: Corpus
    clips: Sequence[Clip]
    labels: tuple[str, ...]
    config: ClipConfig
    seed: int = 0
    split: str = ""
    missing: frozenset[str] = frozenset()
    split_notes: tuple[str, ...] = ()
    remarks: list[tuple[str, str]] = field(default_factory=list, compare=False)

    @property
    def clip(self) -> ClipConfig:
        """What a recording becomes."""
        return self.config.clip

    def columns(self) -> Columns:
        """What the corpus says of its clips."""
        index = {label: i for i, label in enumerate(self.labels)}
        return Columns.of(
            [index.get(clip.label, -1) for clip in self.clips],
            [clip.split for clip in self.clips],
            speaker=[clip.speaker for clip in self.clips],
            source=[clip.path for clip in self.clips],
            start=[clip.start for clip in self.clips],
            noise=[clip.label == SILENCE and not clip.path.startswith(SYNTHETIC_SILENCE) for clip in self.clips],
        )

    def attributes(self) -> Mapping[str, str]:
        """Nothing."""
        return {}

    def identity(self) -> bytes:
        """Sizes and modification times of all recordings (of the archive, for one), and what is cut out of them."""
        digest = hashlib.sha256(json.dumps([self.seed, self.clip.to_dict(), str(self.corpus.raw)]).encode())
        if self.corpus.unpacked:
            digest.update(self.corpus.stamp(os.path.abspath(self.corpus.source)))
        else:
            paths = dict.fromkeys(clip.path for clip in self.clips)
            digest.update(b"".join([self.corpus.stamp(path) for path in paths if path not in self.corpus.packed]))
            places = [self.corpus.packed[path] for path in paths if path in self.corpus.packed]
            digest.update("".join([f"{place.offset}:{place.size}\n" for place in places]).encode())
            digest.update(b"".join([place.stamp() for place in {place.tar: place for place in places}.values()]))
        digest.update("".join([f"{clip.start}:{clip.stop}\n" for clip in self.clips]).encode())
        return digest.digest()

    def load(self, rows: slice, audio: NDArray[np.int16], length: NDArray[np.int32], cut: NDArray[np.uint8]) -> dict[int, str]:
        """Decode the clips of some rows."""
        bad = {}
        cut[:] = Cut.WHOLE
        for i, clip in enumerate(self.clips[rows]):
            seed = (self.seed, zlib.crc32(os.fsencode(clip.path)), clip.start)
            try:
                _, length[i] = load_clip(
                    self.corpus.open(clip), self.config, start=clip.start, stop=clip.stop, seed=seed, out=audio[i],
                    remark=partial(self._remark, clip, cut[i : i + 1]),
                )  # fmt: skip
            except AudioError as error:
                self._check_still_there(clip)
                bad[i] = str(error)
        return bad

    def part(self, rows: slice) -> Recordings:
        """The clips of some rows, with the rest of the corpus left behind and its folder by its absolute path."""
        corpus, here = self.corpus, Path(self.corpus.root).absolute()
        clips = self.clips[rows]
        packed = {clip.path: corpus.packed[clip.path] for clip in clips if clip.path in corpus.packed}
        kept = Corpus(corpus.source, here, corpus.layout, [], raw=corpus.raw, piece_s=corpus.piece_s, packed=packed)
        missing = frozenset(os.path.join(here, folder) for folder in self.missing)
        return replace(self, corpus=kept, clips=clips, missing=missing, split_notes=(), remarks=[])

    def _remark(self, clip: Clip, cut: NDArray[np.uint8], text: str) -> None:
        if text in _CUTS and is_made_silence(clip):
            return  # nothing that was recorded is lost
        cut[:] = _CUTS.get(text, cut[0])
        self.remarks.append((clip.path, text))

    def _check_still_there(self, clip: Clip) -> None:
        """A bad recording is skipped, but a disk that went away must not turn into a file that lacks half of the words."""
        if self.corpus.is_elsewhere(clip.path):
            return  # it would not have been opened
        folder = os.path.dirname(os.path.join(self.corpus.root, clip.path))
        if folder not in self.missing and not os.path.isdir(folder):
            raise CorpusError(f"{folder} is not there (any more): connect it again and repeat the command, it goes on where it stopped")


_CUTS = {CUT: Cut.CUT, LOUDEST_CUT: Cut.LOUDEST_CUT}


def plan_recordings(
    source: str | os.PathLike[str],
    config: ClipConfig,
    *,
    layout: str | None = None,
    pattern: str | None = None,
    label_level: int | None = None,
    raw: str | None = None,
    labels: str | Sequence[str] = "all",
    unknown: str | None = None,
    unknown_share: float | None = None,
    silence_share: float | None = None,
    synthesise: bool = False,
    split: str = "auto",
    folds: int = 5,
    fold: int = 0,
    seed: int = 0,
    strict: bool = False,
) -> Recordings:
    """Find a corpus, give its clips their labels and splits: everything that is decided before a recording is opened.

    Parameters
    ----------
    source : path
        A folder, an archive or a manifest, see :func:`~kwsfeat.corpus.find.find_corpus`.
    config : ClipConfig
        What a clip is: its rate, length, trimming, padding and cropping.
    layout, pattern, label_level, raw : optional
        Where labels stand and how files without a header are read, instead of finding out; see :func:`~kwsfeat.corpus.find.find_corpus`.
    labels : str or sequence of str
        ``all``, ``commands12``, ``digits``, or words; see :func:`~kwsfeat.corpus.labels.apply_labels`.
    unknown : {"other", "drop"}, optional
        What becomes of other words.
    unknown_share, silence_share : float, >= 0, optional
        How many unknown and silence clips there are at most, in proportion to the clips of the words.
    synthesise : bool
        Whether a corpus of words only gets silence without being asked, as ``kwsfeat build`` does; see
        :func:`~kwsfeat.corpus.labels.apply_labels`.
    split : str
        A rule, see :func:`~kwsfeat.corpus.splits.assign_splits`.
    folds, fold : int
        For the rule ``folds``.
    seed : int
        For what is drawn: splits, silence, unknown words, crops.
    strict : bool
        Make a file or folder that does not fit the layout, such as a word without recordings, an error instead of leaving it out.

    Returns
    -------
    Recordings
        What :func:`kwsfeat.build_file` takes: `clips` in the order of the rows, `labels`, the `corpus` with its notes and what it skipped.

    Raises
    ------
    UnknownNameError
        For an unknown layout or split rule.
    ConfigError
        For shares or folds that are out of bounds.
    CorpusError
        If there are no recordings, or the corpus does not hold what is asked for.

    Examples
    --------
    >>> from kwsfeat import preset
    >>> rows = plan_recordings("recordings", preset("logmel"), split="stratified:50/25/25")
    >>> rows.labels, len(rows.clips)
    (('no', 'yes'), 8)
    """
    corpus = find_corpus(source, layout, pattern=pattern, label_level=label_level, raw=raw)
    corpus.piece_s = max(1.0, config.n_samples / config.sr)  # what is shorter than a clip would be told by its zeros
    clips, names = apply_labels(
        corpus, labels, unknown=unknown, unknown_share=unknown_share, silence_share=silence_share, synthesise=synthesise, seed=seed
    )  # fmt: skip
    if strict and corpus.skipped:
        name, reason = corpus.skipped[0]
        raise CorpusError(f"{corpus.source}: {name}: {reason}: remove it, or build without strict, which leaves it out")
    decided = parse_rule(chosen_rule(clips, split))[0] == "speaker-hash" or all(clip.split for clip in clips if not is_noise_piece(clip))
    same = {} if decided else equal_recordings(corpus.root, [clip.path for clip in clips if not is_noise_piece(clip)])
    split = chosen_rule(clips, split, same)
    clips = assign_splits(clips, split, seed=seed, folds=folds, fold=fold, same=same)
    notes = split_notes(clips, names, split, same)
    folders = {os.path.dirname(os.path.join(corpus.root, clip.path)) for clip in clips} if corpus.layout == "manifest" else ()
    missing = frozenset(folder for folder in folders if not os.path.isdir(folder))
    return Recordings(corpus, clips, names, config, seed, split, missing, tuple(notes))


class FromDataset:
    """The rows of a file that was built before: new features of its audio, without decoding anything.

    Raises
    ------
    StoreError
        If the file holds no audio.
    ConfigError
        If its clips are not what `config` says.
    """

    def __init__(self, reader: Reader, config: ClipConfig) -> None:
        self.reader = reader
        self.remarks: list[tuple[str, str]] = []
        self._first = 0  # row of the earlier file
        self._columns: Columns | None = None
        self.labels = reader.labels
        check_same_clip(reader.clip, config, names=(f"{reader.path}", "the features"), cure="build from the recordings")
        if not reader.has_audio:
            raise StoreError(f"{reader.path} holds no audio, it was built with --no-audio: build from the recordings")

    @property
    def clip(self) -> ClipConfig:
        """What the clips of the earlier file are."""
        return self.reader.clip

    def columns(self) -> Columns:
        """The columns of the earlier file, checked."""
        if self._columns is None:
            self._columns = self.reader.columns()
        return self._columns

    def attributes(self) -> Mapping[str, str]:
        """The policy of the earlier file, where it was augmented."""
        return {name: str(self.reader.attrs[name]) for name in ("recipe", "recipe_toml") if name in self.reader.attrs}

    def identity(self) -> bytes:
        """The seal of the earlier file, which covers the checksums of its arrays."""
        return self.reader.seal.encode()

    def load(self, rows: slice, audio: NDArray[np.int16], length: NDArray[np.int32], cut: NDArray[np.uint8]) -> dict[int, str]:
        """Copy the samples of some rows, if they are what was once written."""
        rows = slice(self._first + rows.start, self._first + rows.stop)
        cut[:] = self.reader.cut[rows]
        audio[:] = self.reader.checked("audio", rows)
        length[:] = self.reader.checked("length", rows)
        return {}

    def part(self, rows: slice) -> FromDataset:
        """Some rows of these."""
        part = copy.copy(self)
        part.remarks, part._first = [], self._first + rows.start
        part._columns = self.columns().take(np.arange(rows.start, rows.stop))
        return part
