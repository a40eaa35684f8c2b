"""Which clips come from one source: pieces of one recording, copies, links, files that are listed twice, other kinds of a file."""

from __future__ import annotations

import hashlib
import logging
import os
import stat
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from math import inf
from pathlib import Path

from kwsfeat.audio.foreign import is_foreign
from kwsfeat.audio.raw import is_raw
from kwsfeat.corpus.clip import SYNTHETIC_SILENCE, Clip
from kwsfeat.corpus.files import is_recording
from kwsfeat.corpus.names.meaning import SILENCE

_PROBE = 4096  # bytes at the front and in the middle that tell most recordings apart
_FEW = 3  # of fewer recordings than that, the pieces are told apart by their samples, for no split could have its own recording


def is_noise_piece(clip: Clip) -> bool:
    """Whether a clip is silence of nobody: a piece of a noise file, or synthesised."""
    return clip.label == SILENCE and not clip.speaker


def is_made_silence(clip: Clip) -> bool:
    """Whether somebody chose how long a silence is: a piece of a noise file, or synthesised."""
    return is_noise_piece(clip) and (clip.stop is not None or clip.path.startswith(SYNTHETIC_SILENCE))


def shared_sources(clips: Sequence[Clip], same: Mapping[str, str]) -> list[str]:
    """A name for the source of each clip: equal names must not lie in different splits.

    The source is the recording, with its :func:`twins`. Where there are only one or two recordings in pieces, those pieces that
    overlap share a source.

    Parameters
    ----------
    clips : sequence of Clip
    same : mapping of str to str
        Paths that hold the same recording as another path, see :func:`equal_recordings`.
    """
    joined = _joined(same, twins(clip.path for clip in clips))
    sources = [joined.get(clip.path, clip.path) for clip in clips]
    for is_noise in (True, False):
        pieces = defaultdict(list)
        for i, clip in enumerate(clips):
            if (clip.start or clip.stop is not None) and is_noise_piece(clip) == is_noise:
                pieces[sources[i]].append(i)
        if len(pieces) < _FEW:
            for path, rows in pieces.items():
                end, name = -1.0, ""
                for i in sorted(rows, key=lambda i: clips[i].start):
                    if clips[i].start >= end:
                        name = f"{path}@{clips[i].start}"
                    sources[i] = name
                    stop = clips[i].stop
                    end = max(end, inf if stop is None else stop)
    return sources


def twins(paths: Iterable[str]) -> dict[str, str]:
    """Recordings beside one of the same name with another suffix, ``a.mp3`` beside ``a.wav``, and that other: the first of them."""
    first: dict[str, str] = {}
    known = (path for path in paths if is_recording(path) or is_foreign(path) or is_raw(path))
    return {path: other for path in known if (other := first.setdefault(os.path.splitext(path)[0], path)) != path}


def _joined(*pairs: Mapping[str, str]) -> dict[str, str]:
    """Each path that belongs to another one, and the path that stands for all that belong together."""
    above: dict[str, str] = {}

    def top(path: str) -> str:
        while path in above:
            path = above[path]
        return path

    for path, other in (pair for mapping in pairs for pair in mapping.items()):
        if (lower := top(path)) != (upper := top(other)):
            above[lower] = upper
    return {path: top(path) for path in above}


def equal_recordings(root: Path, paths: Iterable[str]) -> dict[str, str]:
    """The paths below `root` whose bytes are those of another one, and that other: the first of the equal ones.

    Two files are compared by size, by their front and middle, and where those are equal by a hash of everything; links are
    files like others. What cannot be read, or is not a regular file, equals none.
    """
    by_size = defaultdict(list)
    for path in dict.fromkeys(paths):
        try:
            status = os.stat(root / path)
        except (OSError, ValueError):
            continue
        if stat.S_ISREG(status.st_mode):  # a pipe would be waited for
            by_size[status.st_size].append(path)
    same = {}
    for size, rows in by_size.items():
        for alike in _grouped(root, rows, lambda file, size=size: file.read(_PROBE) + _middle(file, size)):
            for equal in _grouped(root, alike, lambda file: hashlib.file_digest(file, "blake2b").digest()):
                same.update(dict.fromkeys(equal, equal[0]))
    return same


def repeated_recordings(paths: Sequence[str | os.PathLike[str]]) -> dict[int, int]:
    """Which of some recordings are the same as an earlier one: given twice, or files of the same bytes.

    Parameters
    ----------
    paths : sequence of path

    Returns
    -------
    dict of int to int
        Number of each recording that is there again -> number of the first one.

    Examples
    --------
    >>> repeated_recordings(["recordings/no/ann_nohash_0.wav", "recordings/yes/ann_nohash_0.wav", "./recordings/no/ann_nohash_0.wav"])
    {2: 0}
    """
    names = [str(Path(path)) for path in paths]
    same, first = equal_recordings(Path(), names), dict[str, int]()
    found = [first.setdefault(same.get(name, name), i) for i, name in enumerate(names)]
    return {i: k for i, k in enumerate(found) if i != k}


def recordings_once(paths: Sequence[str | os.PathLike[str]]) -> list[Path]:
    """Recordings without those that are the same as an earlier one, of which a warning is logged.

    Parameters
    ----------
    paths : sequence of path

    Returns
    -------
    list of Path
        In the order of `paths`.

    Examples
    --------
    >>> [path.as_posix() for path in recordings_once(["recordings/no/ann_nohash_0.wav", "recordings/no/ann_nohash_0.wav"])]
    ['recordings/no/ann_nohash_0.wav']
    """
    again = repeated_recordings(paths)
    if again:
        i, first = next(iter(again.items()))
        n = f"{len(again):,} recording{'s are' if len(again) > 1 else ' is'}"
        logging.getLogger("kwsfeat").warning(f"{n} there already, and counted once: {paths[i]} = {paths[first]}")
    return [Path(path) for i, path in enumerate(paths) if i not in again]


def _grouped(root: Path, paths: Sequence[str], look) -> list[list[str]]:  # type: ignore[no-untyped-def]
    """Those of `paths` that look alike, in groups of at least two."""
    if len(paths) < 2:
        return []
    groups = defaultdict(list)
    for path in paths:
        try:
            with open(root / path, "rb", buffering=0) as file:
                groups[hashlib.blake2b(look(file), digest_size=16).digest()].append(path)  # a million fronts are too much to keep
        except OSError:
            continue
    return [group for group in groups.values() if len(group) > 1]


def _middle(file, size: int) -> bytes:  # type: ignore[no-untyped-def]
    file.seek(size // 2)
    return bytes(file.read(_PROBE))
