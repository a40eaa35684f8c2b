"""What sounds like a word and is not it: in one of three phonemes another one. A little of it teaches the detector, the rest tells how
often the detector is deceived.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

import numpy as np

from kwsfeat import AudioError, phonemes
from kwstrain.teaching.bank import score_stream
from kwstrain.teaching.embeddings.embedding import Embedding, Vectors
from kwstrain.teaching.heads.detector import WordDetector
from kwstrain.teaching.takes.voices import spoken_takes

PER_CHANGE = 3  # phonemes of the word for each that is another
MOST = 12  # words
N_VOICES, N_TEACHING = 10, 4  # that say each, and those of them who teach
TRIES = 100
_MARKED = re.compile(r"([',%=]*)(.*?)[#;^]*")

# English phonemes as espeak-ng writes them, and those that are heard for them.
NEIGHBOURS = {
    "p": "b t", "b": "p d", "t": "d p k", "d": "b t g", "k": "g t", "g": "k d", "f": "T v", "v": "f b", "T": "f s", "D": "d v",
    "s": "S z", "z": "s D", "S": "s tS", "Z": "S dZ", "tS": "t S", "dZ": "d tS", "m": "n b", "n": "m l", "N": "n m", "l": "r w",
    "r": "l w", "w": "v r", "j": "l w", "h": "f k",
    "a": "E V", "aa": "a A:", "E": "I a eI", "I": "E i:", "I2": "E", "i": "I @", "i:": "I eI", "0": "V O:", "A:": "0 V", "A@": "0 E",
    "O:": "0 oU", "O@": "oU U", "o@": "oU u:", "V": "a 0", "U": "V u:", "u:": "U oU", "3:": "E O:", "3": "i @", "@": "I", "@L": "i",
    "eI": "E aI", "aI": "eI OI", "oU": "O: aU", "aU": "a oU", "OI": "aI oU", "e@": "eI i:", "i@": "i: e@", "U@": "u:",
}  # fmt: skip


def sounds_like(text: str, *, seed: int = 0) -> list[str]:
    """Up to twelve words, in ``[[phonemes]]``, that sound like the one or several of `text`.

    In one of three phonemes, rounded, they have a neighbour of it; in words of two to four phonemes that is one. None where espeak-ng
    writes phonemes that have no neighbour here.

    Raises
    ------
    MissingExtraError
        Without espeak-ng's library.
    """
    words = phonemes(text)
    places = [(w, i) for w, word in enumerate(words) for i, one in enumerate(word) if _neighbours(one)]
    rng = np.random.default_rng((seed, 0x11CE))
    found: dict[str, None] = {}
    for _ in range(TRIES if places else 0):
        spelled = [list(word) for word in words]
        for k in rng.permutation(len(places))[: max(1, round(len(places) / PER_CHANGE))]:
            w, i = places[k]
            others = _neighbours(words[w][i])
            spelled[w][i] = others[rng.integers(len(others))]
        found.setdefault(f"[[{' '.join(''.join(word) for word in spelled)}]]")
    return list(found)[:MOST]


def _neighbours(phoneme: str) -> list[str]:
    """With the marks of stress that it has."""
    mark, bare = _MARKED.fullmatch(phoneme).groups()  # type: ignore[union-attr]  # which anything matches
    return [mark + other for other in NEIGHBOURS.get(bare, "").split()]


def hear_near(e: Embedding, text: str, *, seed: int = 0) -> dict[str, list[Vectors]]:
    """The vectors (n, dim) of each word that sounds like `text`, as several voices say it.

    Raises
    ------
    MissingExtraError
        Without espeak-ng's library.
    """
    heard = {}
    for word in sounds_like(text, seed=seed):
        with suppress(AudioError):  # a voice may have no such phoneme
            heard[word] = [e.embed(take.y) for take in spoken_takes(word, N_VOICES, e.sr, seed=seed)]
    return heard


def teaching(heard: Mapping[str, Sequence[Vectors]]) -> list[Vectors]:
    """What the first voices say: it teaches the detector."""
    return [one for spoken in heard.values() for one in spoken[:N_TEACHING]]


@dataclass(frozen=True)
class Near:
    """A word that sounds like another, in ``[[phonemes]]``: how many voices said it, and of how many it was mistaken for the other."""

    word: str
    mistaken: int
    said: int


def mistaken(heard: Mapping[str, Sequence[Vectors]], made: WordDetector) -> list[Near]:
    """How often what the other voices say is mistaken for the word, the worst first."""
    scores = {word: [float(score_stream(one, made.kernel).max()) for one in spoken[N_TEACHING:]] for word, spoken in heard.items()}
    found = [Near(word, sum(score >= made.threshold for score in of_word), len(of_word)) for word, of_word in scores.items()]
    return sorted(found, key=lambda one: -one.mistaken / one.said)
