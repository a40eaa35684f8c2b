"""Recordings in: any file that libsndfile or ffmpeg reads, as mono samples at the file's own rate."""

from __future__ import annotations

import os

from kwsfeat.audio.decode import Choose, decode, openable
from kwsfeat.audio.faults import HIGHEST_HZ, LOWEST_HZ, Remark, Source, implausible, name_of, no_remark
from kwsfeat.audio.foreign import decoded, is_foreign
from kwsfeat.audio.wav import read_plain_wav
from kwsfeat.audio.waveform import Samples
from kwsfeat.errors import AudioError

__all__ = ["openable", "read_samples"]


def read_samples(
    source: Source,
    *,
    start: int = 0,
    stop: int | None = None,
    remark: Remark = no_remark,
    choose: Choose = lambda file, start, stop: None,
) -> tuple[Samples, int]:
    """Samples of a recording, mono: int16 when it is stored so, else float32 in [-1, 1]; and its rate in Hz.

    Parameters
    ----------
    source : path or binary file object
    start, stop : int, samples at the source's own rate, ``0 <= start < stop``
        The part to read; None is the end.
    remark : callable, optional
        Called with a sentence for each thing that was lost or guessed and that does not make the recording unusable.
    choose : callable, optional
        May take over a recording that libsndfile has opened: see :func:`~kwsfeat.audio.decode.decode`.

    Raises
    ------
    AudioError
        As :func:`~kwsfeat.audio.clip.load_clip`.
    """
    plain = None
    if isinstance(source, str | os.PathLike):
        plain = read_plain_wav(source, start, stop, remark)
        if plain is None and is_foreign(source):
            source = decoded(source)
    y, sr = plain or decode(source, start, stop, remark, choose)
    if not LOWEST_HZ <= sr <= HIGHEST_HZ:
        raise implausible(source, f"{sr:,} samples a second, and speech has {LOWEST_HZ:,} to {HIGHEST_HZ:,}")
    if not len(y):
        raise AudioError(
            f"{name_of(source)}: no samples" + (f" from {start} to {stop}" if start or stop else "") + ": record it again or remove it"
        )
    return y, sr
