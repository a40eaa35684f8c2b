"""What a recording is, without its samples."""

from __future__ import annotations

import os
from dataclasses import dataclass

from kwsfeat.audio.decode import opened
from kwsfeat.audio.faults import Source
from kwsfeat.audio.foreign import decoded, is_foreign, suffix_of
from kwsfeat.config.clip import ClipConfig


@dataclass(frozen=True)
class Description:
    """Samples of one channel, their rate in Hz, channels, and the format and its coding."""

    n_samples: int
    sr: int
    channels: int
    kind: str


def clip_parts(source: Source, config: ClipConfig) -> list[tuple[int, int | None]]:
    """Where the clips of a recording lie that is cut into clips one after the other.

    Parameters
    ----------
    source : path or binary file object
        Anything libsndfile reads.
    config : ClipConfig
        How long a clip is; a FeatureConfig is one, too.

    Returns
    -------
    list of (int, int or None)
        `start` and `stop` of each part in samples at the recording's own rate, as :func:`kwsfeat.load_clip` takes them. A
        recording of less than two clips is one part, ``(0, None)``; what follows the last whole clip is left out.

    Raises
    ------
    AudioError
        If it cannot be opened.

    Examples
    --------
    >>> from kwsfeat import preset
    >>> clip_parts("recordings/yes/ann_nohash_0.wav", preset("logmel"))
    [(0, None)]
    """
    found = describe(source)
    size = max(1, round(found.sr * config.n_samples / config.sr))
    if found.n_samples < 2 * size:
        return [(0, None)]
    return [(start, start + size) for start in range(0, found.n_samples - size + 1, size)]


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
