"""What a recording is, without its samples."""

from __future__ import annotations

import os
from dataclasses import dataclass

from kwsfeat.audio.decode import opened
from kwsfeat.audio.faults import Source
from kwsfeat.audio.foreign import decoded, is_foreign, suffix_of


@dataclass(frozen=True)
class Description:
    """Samples of one channel, their rate in Hz, channels, and the format and its coding."""

    n_samples: int
    sr: int
    channels: int
    kind: str


def describe(source: Source) -> Description:
    """Length, rate, channels and format of a recording.

    Raises
    ------
    AudioError
        If it cannot be opened.
    """
    kind = ""
    if isinstance(source, str | os.PathLike) and is_foreign(source) and os.path.isfile(source):
        kind, source = suffix_of(source).removeprefix(".").upper(), decoded(source)
    with opened(source) as file:
        return Description(file.frames, file.samplerate, file.channels, kind or f"{file.format} {file.subtype}")
