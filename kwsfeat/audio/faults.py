"""What is wrong with a recording, in one line with its name and the cure."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from typing import BinaryIO

from kwsfeat.errors import AudioError

Source = str | os.PathLike[str] | BinaryIO
Remark = Callable[[str], None]

# Remarks that are counted, so without numbers of their own.
CUT = "longer than a clip: the rest was cut off"
LOUDEST_CUT = "longer than a clip, and its loudest part was cut off"
CANCELLED = "its channels cancel each other: the first one is taken"
DEAD_CHANNEL = "a channel is silent: the mean is quieter for it"
NO_END = "it has no end mark: its end may be missing"
HALF_SAMPLE = "its last sample is incomplete, and left out"
LEFT_S = 0.1  # no word is shorter
TRIMMED = f"trimmed to less than {LEFT_S:g} s, as where a click is louder than the word: a larger --trim (trim_db) keeps more"
OVERDRIVEN = "louder than full scale, and clipped there: export it again with a peak of at most 1"
UNTAGGED = "an MP3 without a length in its header: its end was found by decoding it"

LOWEST_HZ, HIGHEST_HZ = 1000, 1_000_000  # rates beyond these are damage, and resampling would make gigabytes of them


def no_remark(text: str) -> None:
    """Nobody wants to know."""


def group_remarks(remarks: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    """(recording, remark) pairs as remark -> its recordings, the most frequent first; names in order, whatever thread came first."""
    grouped: dict[str, set[str]] = {}
    for name, text in remarks:
        grouped.setdefault(text, set()).add(name)
    return {text: sorted(names) for text, names in sorted(grouped.items(), key=lambda item: (-len(item[1]), item[0]))}


def listed(names: Sequence[str], n: int = 3) -> str:
    """The first `n` of some names."""
    return ", ".join(names[:n]) + (", ..." if len(names) > n else "")


def implausible(source: Source, claim: str) -> AudioError:
    """A header that cannot be true."""
    return AudioError(f"{name_of(source)}: claims {claim}: it is damaged, fetch it again or remove it")


def truncated(source: Source, there: int, promised: int) -> AudioError:
    """Less of the samples is there than the header promises."""
    return AudioError(
        f"{name_of(source)}: truncated: {max(0, there)} of {promised} bytes of samples are there: fetch it again or remove it"
    )


def cannot_open(source: Source, error: OSError | None = None) -> AudioError:
    """A folder, a broken link, a pipe, nothing at all, or what the system says."""
    name = name_of(source)
    if isinstance(source, str | os.PathLike):
        if os.path.isdir(source):
            return AudioError(f"{name}: is a folder, not a recording")
        if os.path.islink(source) and not os.path.exists(source):
            return AudioError(f"{name}: a symbolic link to {os.readlink(source)}, which does not exist")
        if not os.path.exists(source):
            return AudioError(f"{name}: no such file")
    return AudioError(f"{name}: cannot be opened: {error.strerror if error else 'not a regular file'}")


def name_of(source: Source) -> str:
    """The source for a message; bytes that are not Unicode become a question mark."""
    name = os.fspath(source) if isinstance(source, str | os.PathLike) else str(getattr(source, "name", "recording"))
    return os.fsencode(name).decode("utf-8", "replace")
