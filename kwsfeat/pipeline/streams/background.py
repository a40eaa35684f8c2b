"""What is heard between the words: recordings without them, joined by source and cut into sections."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kwsfeat.audio.clip import resample
from kwsfeat.audio.read import read_blocks
from kwsfeat.corpus.files import list_recordings
from kwsfeat.corpus.same_source import recordings_once
from kwsfeat.errors import ConfigError, refuse_one_path

_SHORTEST_S = 5.0  # of a section: what is left of a source below this is dropped


def find_negatives(folders: Sequence[str | Path], part: tuple[int, int]) -> dict[str, list[Path]]:
    """Source -> its recordings; the source is the name of the folder that a recording lies in.

    A recording that is there again, under whatever name, counts once. `part` (k, n) leaves every n-th recording of each source, from
    the k-th on: the parts of one n have none in common.

    Raises
    ------
    CorpusError
        If a folder is missing or holds no recordings.
    ConfigError
        If `part` is out of bounds, nothing is left, or `folders` is one path.
    """
    refuse_one_path("folders", folders)
    k, n = part
    if not 1 <= k <= n:
        raise ConfigError(f"part {k}/{n} must be from 1/{max(n, 1)} to {max(n, 1)}/{max(n, 1)}")
    sources: dict[str, list[Path]] = {}
    for path in recordings_once([path for folder in folders for path in list_recordings(folder)]):
        sources.setdefault(path.resolve().parent.name, []).append(path)
    chosen = {name: paths[k - 1 :: n] for name, paths in sorted(sources.items()) if paths[k - 1 :: n]}
    if not chosen:
        raise ConfigError(f"no recording is left in part {k}/{n}: each source has fewer than {k}")
    return chosen


def read_negatives(
    folders: Sequence[str | Path], sr: int, *, part: tuple[int, int] = (1, 1), section_s: float = 60.0
) -> Iterator[tuple[str, NDArray[np.float32]]]:
    """Recordings in which none of the words is said, source by source.

    Parameters
    ----------
    folders : sequence of path
        The folder that a recording lies in is its source. One that is there again, under whatever name, counts once.
    sr : int
        Rate of the samples in Hz.
    part : pair of int
        (k, n): every n-th recording of each source, from the k-th on.
    section_s : float
        Seconds that are given at a time; a last section under 5 s is dropped.

    Yields
    ------
    tuple of str and ndarray
        The source, and float32 samples in [-1, 1], shape (n,), of its joined recordings.

    Raises
    ------
    CorpusError
        If a folder is missing or holds no recordings.
    ConfigError
        If `part` is out of bounds, nothing is left, or `folders` is one path.

    Examples
    --------
    >>> source, y = next(read_negatives(["recordings/no"], 8000, section_s=0.5))
    >>> source, y.shape
    ('no', (4000,))
    """
    for source, paths in find_negatives(folders, part).items():
        for _, section in sections(paths, sr, section_s, np.inf):
            yield source, section


def sections(
    paths: Sequence[Path], sr: int, length_s: float, most_s: float, *, again: bool = False
) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """The recordings joined, in sections of `length_s`, at most `most_s` in all: (recordings read so far, samples at `sr`).

    With `again` they are joined again and again, until there are `most_s`.
    """
    length, left = round(length_s * sr), round(min(most_s, 1e9) * sr)
    shortest = round(min(_SHORTEST_S, length_s) * sr)
    waiting = np.zeros(0, np.float32)
    for i, block in _blocks(paths, sr, length, again):
        waiting = np.concatenate([waiting, block])
        while len(waiting) >= length and left >= shortest:
            yield i, waiting[: min(length, left)]
            left -= length
            waiting = waiting[length:]
        if left < shortest:
            return
    if len(waiting) >= shortest and left >= shortest:
        yield len(paths), waiting[:left]


def _blocks(paths: Sequence[Path], sr: int, most: int, again: bool) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """Number of the recording, and up to about `most` samples of it."""
    while True:
        for i, path in enumerate(paths):
            yield from ((i, block) for block in _recording(path, sr, most))
        if not again:
            return


def _recording(path: Path, sr: int, most: int) -> Iterator[NDArray[np.float32]]:
    """A recording at `sr`, in blocks of about `most` samples; each is resampled as one."""
    parts, n = [], 0
    own_sr = sr
    for y, own_sr in read_blocks(path):
        parts.append(y)
        n += len(y)
        if n * sr >= most * own_sr:
            yield resample(np.concatenate(parts), own_sr, sr)
            parts, n = [], 0
    if n:
        yield resample(np.concatenate(parts), own_sr, sr)
