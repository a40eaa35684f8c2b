"""What names say: one spelling of a text, and which names mean noise, a speaker or a common word."""

from __future__ import annotations

import os
import re
import unicodedata

from kwsfeat.corpus.clip import NOISE_FOLDER

COMMON_WORDS = frozenset(
    (
        "backward", "bed", "bird", "cat", "dog", "down", "eight", "five", "follow", "forward", "four", "go", "happy", "house",
        "learn", "left", "marvin", "nine", "no", "off", "on", "one", "right", "seven", "sheila", "six", "stop", "three", "tree",
        "two", "up", "visual", "wow", "yes", "zero", *"0123456789",
    )
)  # fmt: skip
SPEAKER_FOLDER = re.compile(r"(speaker|spkr|spk|user|subject|person|voice|participant|s|p|m|f)?[-_ ]?\d+$", re.IGNORECASE)


def one_spelling(name: str) -> str:
    """A name as text: macOS stores "ö" as two characters, which become one. Bytes that are no Unicode become a question mark."""
    return unicodedata.normalize("NFC", name if name.isascii() else os.fsencode(name).decode("utf-8", "replace"))


def is_noise(path: str) -> bool:
    """Whether the first folder of a relative path is one of background noise."""
    return path.split("/", 1)[0].lower().strip("_") == NOISE_FOLDER.strip("_") and "/" in path


def nohash_speaker(path: str) -> str:
    """The speaker in Speech Commands' names, such as ``yes/00f0204f_nohash_0.wav``; "" in other names."""
    speaker, found, _ = path.rsplit("/", 1)[-1].partition("_nohash_")
    return one_spelling(speaker) if found else ""
