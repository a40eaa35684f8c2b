"""The words that are placed: clips of one split of a corpus, or of a file that was built from it."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kwsfeat.audio.clip import resample, trim_silence
from kwsfeat.audio.read import read_samples
from kwsfeat.audio.waveform import Samples, as_float32
from kwsfeat.config.clip import ClipConfig
from kwsfeat.corpus.clip import Clip, Corpus
from kwsfeat.corpus.names.meaning import SILENCE
from kwsfeat.corpus.same_source import is_noise_piece
from kwsfeat.dataset.reader import Reader
from kwsfeat.errors import CorpusError, StoreError
from kwsfeat.pipeline.sources import plan_recordings

TRIM_DB = 25.0  # a word begins and ends with a frame that is not more than this below its loudest


@dataclass(frozen=True)
class SpokenClip:
    """A clip of a word; `load` gives it, float32, from where its voice begins to where it ends."""

    word: str
    speaker: str
    load: Callable[[], NDArray[np.float32]]


class Deck:
    """Clips to draw from: each word is as likely as another, and no clip comes again before all of its word have come.

    Parameters
    ----------
    clips : sequence of SpokenClip
    words : sequence of str
        The words of interest, each of which must have a clip.
    others : float, 0 to 1
        Share of draws that are clips of other words.
    """

    def __init__(self, clips: Sequence[SpokenClip], words: Sequence[str], others: float) -> None:
        self.words, self._others = tuple(words), others
        self._clips: dict[str, list[SpokenClip]] = {word: [] for word in (*words, "")}
        for clip in clips:
            self._clips[clip.word if clip.word in words else ""].append(clip)
        self._left: dict[str, list[int]] = {word: [] for word in self._clips}

    def draw(self, rng: np.random.Generator) -> SpokenClip:
        """The next clip."""
        u, which = rng.random(), int(rng.integers(len(self.words)))
        word = "" if u < self._others else self.words[which]
        if not self._left[word]:
            self._left[word] = rng.permutation(len(self._clips[word])).tolist()
        return self._clips[word][self._left[word].pop()]


def find_clips(source: str | os.PathLike[str], split: str, *, sr: int, words: Sequence[str], others: bool) -> list[SpokenClip]:
    """The clips of a split.

    Parameters
    ----------
    source : path
        A file that was built, whose splits are then those of the training; or a corpus, whose splits are those of its build.
    split : {"train", "validation", "test"}
    sr : int, Hz
        The rate at which they are loaded.
    words : sequence of str
    others : bool
        Whether clips of other words are wanted, too.

    Raises
    ------
    CorpusError
        If a word has no clip in the split, or none that is not augmented, or there are no others where they are wanted.
    StoreError
        If the file holds no audio.
    """
    path = Path(source)
    clips = _of_file(path, split, sr) if path.suffix.lower() in (".h5", ".hdf5") else _of_corpus(path, split, sr)
    known = {clip.word for clip in clips}
    for word in words:
        if word not in known:
            raise CorpusError(f"{path}: no clip of {word!r} in its {split} split: it has {', '.join(sorted(known)[:20]) or 'none at all'}")
    if others and not known - set(words):
        raise CorpusError(f"{path}: no clips of other words in its {split} split: use --others 0")
    return [clip for clip in clips if others or clip.word in words]


def _of_corpus(path: Path, split: str, sr: int) -> list[SpokenClip]:
    rows = plan_recordings(path, ClipConfig(sr=sr, n_samples=sr))
    chosen = [clip for clip in rows.clips if clip.split == split and clip.label not in (SILENCE, "") and not is_noise_piece(clip)]
    return [SpokenClip(clip.label, clip.speaker, partial(_load_clip, rows.corpus, clip, sr)) for clip in chosen]


def _load_clip(corpus: Corpus, clip: Clip, sr: int) -> NDArray[np.float32]:
    y, own_sr = read_samples(corpus.open(clip), start=clip.start, stop=clip.stop)
    return _voice(y, own_sr, sr)


def _of_file(path: Path, split: str, sr: int) -> list[SpokenClip]:
    reader = Reader(path)
    if not reader.has_audio:
        raise StoreError(f"{path} holds no audio, it was built with --no-audio: build it again, or give the recordings")
    rows = [row for row in reader.rows(split).tolist() if not reader.noise[row] and reader.labels[reader.label[row]] != SILENCE]
    recorded = [row for row in rows if reader.variant[row] == 0]
    if rows and not recorded:
        raise CorpusError(
            f"{path}: all {len(rows):,} clips of words in its {split} split are augmented: take another split, or the recordings that it "
            "was built from"
        )
    return [SpokenClip(reader.labels[reader.label[row]], str(reader.speaker[row]), partial(_load_row, reader, row, sr)) for row in recorded]


def _load_row(reader: Reader, row: int, sr: int) -> NDArray[np.float32]:
    return _voice(reader.audio[row, : reader.length[row]], reader.sr, sr)


def _voice(y: Samples, own_sr: int, sr: int) -> NDArray[np.float32]:
    return as_float32(trim_silence(resample(y, own_sr, sr), sr, TRIM_DB))
