"""Kinds of recordings that libsndfile lacks, decoded by the command ffmpeg where it is installed."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
from typing import BinaryIO

from kwsfeat.audio.faults import name_of
from kwsfeat.errors import AudioError

FOREIGN_SUFFIXES = (
    ".m4a", ".m4b", ".m4r", ".aac", ".amr", ".awb", ".3gp", ".3gpp", ".3g2", ".webm", ".wma", ".mp4", ".mov", ".mka", ".mkv", ".wv",
    ".ape", ".tta", ".spx", ".ulaw", ".ul",
)  # fmt: skip
CONVERSION = 'install ffmpeg, or convert them: for f in *{suffix}; do ffmpeg -i "$f" "${{f%{suffix}}}.wav"; done'
_TIMEOUT_S = 120
_MOST_BYTES = 1 << 31  # of decoded samples: eighteen hours at 16 kHz
_HEADERLESS = {".ulaw": "mulaw", ".ul": "mulaw"}  # telephone recordings: 8 kHz, one channel


def is_foreign(path: str | os.PathLike[str]) -> bool:
    """Whether a file of this name needs ffmpeg."""
    return suffix_of(path) in FOREIGN_SUFFIXES


def suffix_of(path: str | os.PathLike[str]) -> str:
    """The suffix in lower case, with its dot."""
    return os.path.splitext(os.fspath(path))[1].lower()


def has_ffmpeg() -> bool:
    """Whether the command is there."""
    return shutil.which("ffmpeg") is not None


def decoded(path: str | os.PathLike[str]) -> BinaryIO:
    """The recording as a WAV file in memory, at its own rate.

    Raises
    ------
    AudioError
        Without ffmpeg, and for a recording that it cannot decode in two minutes.
    """
    name = name_of(path)
    if not has_ffmpeg():
        raise AudioError(f"{name}: needs ffmpeg, which is not installed: {CONVERSION.format(suffix=suffix_of(path))}")
    raw = ["-f", _HEADERLESS[suffix_of(path)], "-ar", "8000", "-ac", "1"] if suffix_of(path) in _HEADERLESS else []
    command = ["ffmpeg", "-nostdin", "-v", "error", *raw, "-i", f"file:{os.fspath(path)}", "-vn", "-fs", str(_MOST_BYTES), "-f", "wav", "-"]
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        raise AudioError(f"{name}: ffmpeg is not done after {_TIMEOUT_S} s: convert it or remove it") from None
    except OSError as error:
        raise AudioError(f"{name}: ffmpeg cannot be run ({error.strerror})") from None
    if done.returncode or not done.stdout:
        lines = done.stderr.decode("utf-8", "replace").strip().splitlines()
        why = f" ({lines[-1][:200]})" if lines else ""
        raise AudioError(f"{name}: not a recording that ffmpeg can decode{why}: convert it or remove it")
    file = io.BytesIO(done.stdout)
    file.name = name
    return file
