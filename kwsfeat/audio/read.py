"""Recordings in: any file that libsndfile or ffmpeg reads, as mono samples at the file's own rate."""

from __future__ import annotations

import os
from collections.abc import Iterator

from kwsfeat.audio.decode import Choose, check_promises, decode, has_length_tag, mono, opened, pieces
from kwsfeat.audio.faults import HIGHEST_HZ, LOWEST_HZ, Remark, Source, implausible, name_of, no_remark
from kwsfeat.audio.foreign import decoded, is_foreign
from kwsfeat.audio.wav import read_plain_wav
from kwsfeat.audio.waveform import Samples
from kwsfeat.errors import AudioError

__all__ = ["read_blocks", "read_samples"]


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
    _check_rate(source, sr)
    if not len(y):
        raise AudioError(
            f"{name_of(source)}: no samples" + (f" from {start} to {stop}" if start or stop else "") + ": record it again or remove it"
        )
    return y, sr


def read_blocks(
    source: Source, *, start_s: float = 0.0, stop_s: float | None = None, remark: Remark = no_remark
) -> Iterator[tuple[Samples, int]]:
    """A recording of any length in blocks of a few seconds: only one of them is in memory.

    Parameters
    ----------
    source : path or binary file object
        What libsndfile or ffmpeg reads (what needs ffmpeg is decoded as a whole).
    start_s, stop_s : float, s, ``0 <= start_s < stop_s``
        The part to read; None is the end. What lies outside the recording is left out.
    remark : callable, optional
        Called with a sentence for each thing that was lost or guessed; the same sentence may come again for another block.

    Yields
    ------
    tuple of ndarray and int
        Mono samples, int16 when they are stored so, else float32 in [-1, 1], shape (n,) with n >= 1; and their rate in Hz.

    Raises
    ------
    AudioError
        If it is missing, damaged, truncated or without samples; blocks before the damage have then been given.

    Examples
    --------
    >>> sum(len(y) for y, sr in read_blocks("recordings/yes/ann_nohash_0.wav", stop_s=0.5))
    8000
    """
    if isinstance(source, str | os.PathLike) and is_foreign(source):
        source = decoded(source)
    with opened(source) as file:
        promised, sr = check_promises(source, file, remark), int(file.samplerate)
        _check_rate(source, sr)
        first = round(start_s * sr)
        if first:
            file.seek(min(first, promised))
        wanted = 1 << 62 if stop_s is None else round(stop_s * sr) - first
        n = 0
        for piece in pieces(file, wanted):
            n += len(piece)
            yield mono(source, [piece], remark), sr
        exact = file.format == "FLAC" or (file.format == "MP3" and has_length_tag(source))
    if not first and not n:
        raise AudioError(f"{name_of(source)}: no samples: record it again or remove it")
    if exact and first + n < min(promised, first + wanted):
        raise AudioError(f"{name_of(source)}: truncated: {first + n} of {promised} samples can be read: fetch it again or remove it")


def _check_rate(source: Source, sr: int) -> None:
    if not LOWEST_HZ <= sr <= HIGHEST_HZ:
        raise implausible(source, f"{sr:,} samples a second, and speech has {LOWEST_HZ:,} to {HIGHEST_HZ:,}")
