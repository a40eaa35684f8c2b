"""How words are taught: what the caller chooses, and the negatives that follow from it."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path

from kwsfeat import ConfigError, list_recordings, recordings_once
from kwstrain.teaching.bank import Bank, fingerprint, hear, shipped
from kwstrain.teaching.embeddings.embedding import Embedding, Vectors

N_VOICES = 60
OTHER = "unknown"  # the class of everything that is not one of the words
Note = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Choices:
    """How a word is taught.

    Parameters
    ----------
    embedding : str
        A name of :data:`~kwstrain.teaching.embeddings.embedding.EMBEDDINGS`, a run folder, or an ONNX file.
    negatives, hard : tuple of Path
        Folders of sound without the word, beside what comes with the package; and of what was mistaken for the word.
    per_hour : float, 1/h
        False accepts that are allowed.
    voices : int
        Number of synthetic voices that speak the word.
    keep_all : bool
        Use recordings, too, that are unlike the others.
    seed : int
    """

    embedding: str = "google"
    negatives: tuple[Path, ...] = ()
    hard: tuple[Path, ...] = ()
    per_hour: float = 0.5
    voices: int = N_VOICES
    keep_all: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        if not self.per_hour > 0:
            raise ConfigError(f"fa-per-hour={self.per_hour:g} must be > 0")
        if not 0 <= self.voices <= 10_000:
            raise ConfigError(f"voices={self.voices} must be from 0 to 10000")


def check_words(words: Collection[str]) -> None:
    """Refuse a word that a run could not tell from everything else.

    Raises
    ------
    ConfigError
        If one of `words` is called as the class of everything else is.
    """
    if OTHER in words:
        raise ConfigError(f"the word {OTHER!r} is what a run calls everything else: give it another name (--name), or rename its folder")


def bank_of(e: Embedding, choices: Choices, note: Note) -> tuple[Bank, dict[Path, Vectors]]:
    """The shipped bank with the caller's negatives, or a bank of these; and these by themselves."""
    given: dict[Path, Vectors] = {}
    folders = (*choices.negatives, *choices.hard)
    once = set(recordings_once([path for folder in folders for path in list_recordings(folder)]))
    for folder in folders:
        note(f"listening to {folder}")
        heard, failed = hear(e, [path for path in list_recordings(folder) if path in once and path not in given])
        for path, reason in failed:
            note(f"unreadable: {path}: {reason}")
        given |= heard
    bank, streams = shipped(e), list(given.values())
    if bank is not None:
        return bank.and_also(streams), given
    if not streams:
        raise ConfigError(f"no bank of negatives for the embedding {e.name}: give folders of sound without the word with --negatives")
    return Bank.of_streams(fingerprint(e), streams, e.hop_s), given
