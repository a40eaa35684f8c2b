"""Recordings without a header, which say nothing of themselves: telephone samples in mu-law, A-law or 16-bit integers."""

from __future__ import annotations

import io
import os
import struct
from dataclasses import dataclass
from typing import BinaryIO

from kwsfeat.audio.faults import HIGHEST_HZ, LOWEST_HZ, cannot_open, name_of
from kwsfeat.errors import AudioError, ConfigError, unknown_name

RAW_SUFFIXES = (".ulaw", ".ul", ".mulaw", ".alaw", ".al", ".raw", ".pcm")
_CODINGS = {"ulaw": (7, 1), "alaw": (6, 1), "s16": (1, 2)}  # WAV's number of it, bytes of a sample


@dataclass(frozen=True)
class Raw:
    """What headerless samples are: their coding, and how many there are in a second; one channel."""

    coding: str
    sr: int


def parse_raw(text: str) -> Raw:
    """``"ulaw:8000"`` as a :class:`Raw`; without a rate it is 8000 Hz.

    Raises
    ------
    ConfigError
        For a coding that is not one of ulaw, alaw and s16 (little-endian), or a rate that speech is not recorded at.
    """
    coding, _, rate = text.partition(":")
    if coding not in _CODINGS:
        raise unknown_name("coding of headerless samples", coding, _CODINGS)
    if not (rate or "8000").isdigit() or not LOWEST_HZ <= int(rate or 8000) <= HIGHEST_HZ:
        raise ConfigError(f"raw {text!r}: the rate {rate!r} must be between {LOWEST_HZ} and {HIGHEST_HZ} Hz, as in ulaw:8000")
    return Raw(coding, int(rate or 8000))


def is_raw(path: str | os.PathLike[str]) -> bool:
    """Whether a file of this name has no header."""
    return os.path.splitext(os.fspath(path))[1].lower() in RAW_SUFFIXES


def without_header(path: str | os.PathLike[str]) -> AudioError:
    """The error about samples that nobody said what they are."""
    return AudioError(
        f"{name_of(path)}: no header says what it holds: build and scan read it with --raw s16:16000 or the like, or convert it"
    )


def as_wav(path: str | os.PathLike[str], raw: Raw) -> BinaryIO:
    """The samples with the header that they lack, in memory.

    Raises
    ------
    AudioError
        If the file cannot be read, or is empty.
    """
    number, width = _CODINGS[raw.coding]
    try:
        with open(path, "rb") as file:
            samples = file.read()
    except OSError as error:
        raise cannot_open(path, error) from None
    if not samples:
        raise AudioError(f"{name_of(path)}: empty, 0 bytes: fetch it again or remove it")
    samples = samples[: len(samples) // width * width]
    form = struct.pack("<HHIIHHH", number, 1, raw.sr, raw.sr * width, width, 8 * width, 0)
    body = b"WAVEfmt " + struct.pack("<I", len(form)) + form + b"data" + struct.pack("<I", len(samples)) + samples
    wav = io.BytesIO(b"RIFF" + struct.pack("<I", len(body)) + body)
    wav.name = name_of(path)
    return wav
