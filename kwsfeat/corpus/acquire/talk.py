"""Hours of talk: a text that espeak-ng's voices read, sentence by sentence. Negatives for a network that learns to listen."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

from kwsfeat.audio.synthetic import SR
from kwsfeat.audio.waveform import write_waveform
from kwsfeat.corpus.acquire.synth import speak_lines
from kwsfeat.errors import CorpusError

_LETTERS = (20, 400)  # of a sentence: a shorter one is joined to the next, a longer one is cut at a space
_PAUSE_S = (0.05, 0.4)  # between two sentences
_PEAK_DB = (-20.0, -3.0)  # of a sentence
_FILE_S = 300.0


def talk_corpus(
    folder: str | os.PathLike[str],
    texts: Sequence[str | os.PathLike[str]],
    *,
    hours: float,
    without: Sequence[str] = (),
    seed: int = 0,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> float:
    """Write ``00000.flac`` and so on, 16 kHz, mono, 16-bit: sentences in random order, each read by a voice of its own.

    Equal arguments give equal samples.

    Parameters
    ----------
    folder : path
        Made; empty if it exists.
    texts : sequence of path
        Plain text, UTF-8, of any length and language: all are read as English.
    hours : float, > 0
        As many as are wanted; fewer where the texts end before.
    without : sequence of str
        Words, or parts of words, that are not said: a sentence with one is left out, whatever its case.
    seed : int
        Decides the order, the voices, levels and pauses.
    progress : callable
        Called with (seconds written, seconds wanted).

    Returns
    -------
    float
        Hours that were written.

    Raises
    ------
    MissingExtraError
        Without espeak-ng's library.
    CorpusError
        If a text cannot be read, none of its sentences is left, or the folder is not empty.
    """
    folder = Path(folder)
    if not 0 < hours < np.inf:
        raise CorpusError(f"hours={hours} must be > 0")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise CorpusError(f"{folder}: already exists and is not empty: choose another folder or remove it")
    sentences = _sentences(texts, without)
    order = np.random.default_rng((seed, 0x7A1C)).permutation(len(sentences))
    n_wanted, n_written = round(hours * 3600 * SR), 0
    n_file = round(_FILE_S * SR)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-") as begun:  # what fails leaves nothing
        files = Path(begun, folder.name)
        files.mkdir()
        for i, y in enumerate(_files((sentences[k] for k in order), min(n_file, n_wanted), seed)):
            y = y[: n_wanted - n_written]
            write_waveform(files / f"{i:05d}.flac", y, SR)
            n_written += len(y)
            progress(n_written // SR, n_wanted // SR)
            if n_written >= n_wanted:
                break
        files.replace(folder)
    return n_written / SR / 3600


def _sentences(texts: Sequence[str | os.PathLike[str]], without: Sequence[str]) -> list[str]:
    unwanted = [word.casefold() for word in without if word.strip()]
    found = []
    for text in texts:
        try:
            content = Path(text).read_text(encoding="utf-8-sig")
        except UnicodeDecodeError as error:
            raise CorpusError(f"{text}: is not text in UTF-8 ({error.reason} at byte {error.start}): convert it first") from None
        except OSError as error:
            raise CorpusError(f"{text}: cannot be read ({error.strerror}): give files of plain text") from None
        found += [one for one in _of(content) if not any(word in one.casefold() for word in unwanted)]
    if not found:
        raise CorpusError(f"no sentence of {_LETTERS[0]} letters is left in {', '.join(map(str, texts))}: give a longer text")
    return found


def _of(content: str) -> Iterator[str]:
    """Sentences of a text, without marks that are not said: one ends at a full stop, question or exclamation mark, or empty line."""
    shortest, longest = _LETTERS
    begun = ""
    for part in re.split(r"(?<=[.!?…])\s+|\n\s*\n", content):
        said = re.sub(r"[^\w\s.,;:!?…’'-]+|_+", " ", part)
        begun = " ".join(f"{begun} {said}".split())
        while len(begun) > longest:
            end = begun.rfind(" ", 0, longest)
            yield begun[: end if end > 0 else longest]
            begun = begun[end if end > 0 else longest :].strip()
        if sum(letter.isalpha() for letter in begun) >= shortest:
            yield begun
            begun = ""


def _files(sentences: Iterator[str], n: int, seed: int) -> Iterator[NDArray[np.float32]]:
    """What is read, in pieces of `n` samples; a last one may be shorter."""
    rng = np.random.default_rng((seed, 0x7A1C, 1))
    parts: list[NDArray[np.float32]] = []
    n_parts = 0
    for _, y in speak_lines(sentences, seed=seed):
        pause = np.zeros(round(rng.uniform(*_PAUSE_S) * SR), np.float32)
        parts += [y * np.float32(10 ** (rng.uniform(*_PEAK_DB) / 20)), pause]
        n_parts += len(y) + len(pause)
        while n_parts >= n:
            joined = np.concatenate(parts)
            yield joined[:n]
            parts, n_parts = [joined[n:]], n_parts - n
    if n_parts:
        yield np.concatenate(parts)
