"""Teach several words: a folder for each in, a classifier that refuses everything else out."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from kwsfeat import AudioError, ConfigError, CorpusError, MissingExtraError, list_recordings
from kwstrain.detection.rates import Misses
from kwstrain.teaching.bank import WINDOW
from kwstrain.teaching.choices import OTHER, Choices, Note, bank_of, check_words
from kwstrain.teaching.embeddings.embedding import Embedding, Vectors, embedding
from kwstrain.teaching.heads.classifier import KnownWord, make_classifier
from kwstrain.teaching.run import check_free, write_run
from kwstrain.teaching.takes.copies import clips_as_they_are, clips_of_copies, windows_of_copies
from kwstrain.teaching.takes.recordings import Fault, Take, read_takes
from kwstrain.teaching.takes.voices import spoken_takes

FEWEST = 3  # recordings of a word
N_VECTORS = 11  # that are averaged: 1.6 s
N_COPIES = 4  # of a recording, beside itself
MOST_VOICES = 30  # that say a word
FEWEST_OF_WORD, MOST_OF_WORD = 15, 80  # recordings that say how a word varies


@dataclass(frozen=True, kw_only=True)
class TaughtWords:
    """What was taught, and what is to be said of it; `wrong` counts recordings of each word that were left out when it was made."""

    run: Path
    words: tuple[str, ...]
    embedding: str
    credit: str
    used: int
    faults: tuple[Fault, ...]
    wrong: tuple[Misses, ...]
    threshold: float | None
    sources: tuple[str, ...] = field(default=())

    @property
    def all_wrong(self) -> Misses:
        """Of all words."""
        return Misses("all", sum(one.n for one in self.wrong), sum(one.said for one in self.wrong))

    def to_dict(self) -> dict[str, Any]:
        """JSON types."""
        values = {name: value for name, value in asdict(self).items() if name not in ("faults", "wrong", "run")}
        return {
            "run": str(self.run), **values, "left_out": [{"path": str(one.path), "reason": one.reason} for one in self.faults],
            "wrong": [one.to_dict() for one in self.wrong],
        }  # fmt: skip


def word_folders(folder: Path) -> list[Path]:
    """The folders of words in `folder`; none where it holds recordings itself."""
    if any(path.parent == folder for path in list_recordings(folder)):
        return []
    return sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith((".", "_")))


def windows_of_words(e: Embedding, folder: Path, *, seed: int = 0) -> list[Vectors]:
    """Windows (n, WINDOW, dim) of each word in a folder of folders: of at most MOST_OF_WORD recordings, each in two places.

    Raises
    ------
    ConfigError
        If the embedding hears one vector at a time, or no word has FEWEST_OF_WORD usable recordings.
    """
    if not e.has_window:
        raise ConfigError(f"the embedding {e.name} gives one vector for a word: how words vary is of no use to it; leave --words out")
    found = []
    for word in word_folders(folder):
        paths = list_recordings(word)
        takes, _ = read_takes([paths[i] for i in sorted(np.random.default_rng(seed).permutation(len(paths))[:MOST_OF_WORD])], e.sr)
        if len(takes) >= FEWEST_OF_WORD:
            found.append(windows_of_copies(e, takes, WINDOW, 2, seed=seed).reshape(-1, WINDOW, e.dim))
    if not found:
        raise ConfigError(f"{folder}: no folder in it has {FEWEST_OF_WORD} usable recordings of a word, by as many people")
    return found


def teach_words(
    folders: list[Path], out: str | os.PathLike[str], *, choices: Choices | None = None, overwrite: bool = False,
    note: Note = lambda text: None,
) -> TaughtWords:  # fmt: skip
    """Teach the words that some folders are called.

    Parameters
    ----------
    folders : list of Path
        Each with recordings of one word.
    out : path
        The run folder.
    choices : Choices, optional
        Of these the embedding, the negatives, the seed and the voices count, of which at most MOST_VOICES speak.
    overwrite : bool
        Replace a taught run.
    note : callable
        Called with a sentence about the work now and then.

    Raises
    ------
    CorpusError
        If a word has too few recordings of use.
    ConfigError
        If a folder is called ``unknown``.
    StoreError
        If `out` exists.
    """
    choices, out = choices or Choices(), Path(out)
    check_words([folder.name for folder in folders])
    check_free(out, overwrite=overwrite)
    e = embedding(choices.embedding)
    bank, _ = bank_of(e, choices, note)
    faults: list[Fault] = []
    words = [_word(e, folder, faults, choices, note) for folder in folders]
    made = make_classifier(bank, words, N_VECTORS, seed=choices.seed)
    taught = TaughtWords(
        run=out, words=tuple(one.name for one in words), embedding=e.name, credit=e.credit, used=sum(len(one.copies) for one in words),
        faults=tuple(faults), wrong=made.wrong, threshold=made.threshold, sources=bank.sources,
    )  # fmt: skip
    write_run(
        out, e, (*taught.words, OTHER), made.kernel, made.bias, clip=_clip(e), data=str(folders[0].parent.resolve()),
        threshold=made.threshold, point=None, report=taught.to_dict(),
    )  # fmt: skip
    return taught


def _clip(e: Embedding) -> Any:
    return replace(e.clip(1, N_VECTORS), pad="center", crop="loudest") if e.has_window else e.features


def _word(e: Embedding, folder: Path, faults: list[Fault], choices: Choices, note: Note) -> KnownWord:
    takes, bad = read_takes(list_recordings(folder), e.sr)
    faults += bad
    if len(takes) < FEWEST:
        listed = "; ".join(f"{one.path.name} {one.reason}" for one in bad[:3])
        raise CorpusError(
            f"{folder}: {len(takes)} usable recordings are too few, {FEWEST} are the least" + (f" ({listed})" if listed else "")
        )
    voices = _voices(folder.name.replace("_", " "), e, choices, note)
    note(f"{folder.name}: {len(takes)} recordings, {len(voices)} voices")
    clip = _clip(e)
    copies = [clips_as_they_are(e, takes, clip)[:, None], clips_of_copies(e, takes, clip, N_COPIES, seed=choices.seed)]
    return KnownWord(folder.name, np.concatenate(copies, axis=1), clips_of_copies(e, voices, clip, 1)[:, 0])


def _voices(text: str, e: Embedding, choices: Choices, note: Note) -> list[Take]:
    """What espeak-ng's voices say, as recordings; none without espeak-ng, or of what it cannot say."""
    if not choices.voices:
        return []
    try:
        return spoken_takes(text, min(choices.voices, MOST_VOICES), e.sr, seed=choices.seed)
    except (MissingExtraError, AudioError) as error:
        note(f"no voices say {text!r}: {error}")
        return []
