"""Who speaks, where folders or names say it plainly."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import replace

from kwsfeat.corpus.clip import Clip
from kwsfeat.corpus.names.meaning import SPLIT_NAMES, is_code, is_person, name_columns, one_spelling, word_likeness

_SHOWN = 4
_CONDITIONS = frozenset(
    (
        "aug", "augmented", "car", "clean", "close", "far", "female", "home", "indoor", "kitchen", "loud", "male", "near", "noisy",
        "office", "original", "outdoor", "processed", "quiet", "raw", "slow", "fast", "soft", "street", "whisper", "whispered",
    )
)  # fmt: skip


def name_speakers(clips: Sequence[Clip], depth: int) -> list[Clip]:
    """The clips with the speakers that their paths name: a folder below the word's, else a part of the file's name.

    Clips that have a speaker keep theirs. `depth` is the number of folders down to the word's own. A column of names is taken
    for the speakers only where the names recur under several labels and do not look like words, parts or numbers of takes.
    """
    unknown = [i for i, clip in enumerate(clips) if not clip.speaker]
    if len(unknown) < len(clips):
        return list(clips)
    labels = [clip.label for clip in clips]
    folders = [clip.path.split("/")[depth:-1] for clip in clips]
    if all(folders):
        inner = [one_spelling(names[0]) for names in folders]
        if _recurs(inner, labels) and not set(inner) <= SPLIT_NAMES.keys() and word_likeness(inner) < 0.5:
            return [replace(clip, speaker=name) for clip, name in zip(clips, inner, strict=True)]
    columns = name_columns([clip.path for clip in clips])
    varying = [column for column in columns if len(set(column)) > 1]
    for column in varying:
        if _are_speakers(column, labels, alone=len(varying) == 1):
            return [replace(clip, speaker=name) for clip, name in zip(clips, column, strict=True)]
    return list(clips)


def _are_speakers(names: Sequence[str], labels: Sequence[str], *, alone: bool) -> bool:
    """Whether a column of file names is the speaker. `alone`: nothing else in the names varies, so it may be the take."""
    distinct = set(names)
    if not _recurs(names, labels) or word_likeness(distinct) > 0.5:
        return False
    if all(is_person(name) for name in distinct):
        return True
    if alone and max(Counter(zip(names, labels, strict=True)).values()) == 1:
        return False
    return all(is_code(name) or is_person(name) or (name.isalpha() and len(name) > 1) for name in distinct)


def _recurs(names: Sequence[str], labels: Sequence[str]) -> bool:
    """Whether at least two names, and half of all of them, occur under several labels; where and how one speaks is nobody's name."""
    if any(name.lower() in _CONDITIONS for name in names):
        return False
    under = defaultdict(set)
    for name, label in zip(names, labels, strict=True):
        under[name].add(label)
    several = sum(len(found) > 1 for found in under.values())
    return several >= 2 and 2 * several >= len(under)


def speakers_note(before: Sequence[Clip], after: Sequence[Clip]) -> list[str]:
    """A sentence about the speakers that :func:`name_speakers` found, or none."""
    found = sorted({clip.speaker for clip in after} - {clip.speaker for clip in before})
    if not found:
        return []
    return [f"{len(found):,} speakers read from the names: {', '.join(found[:_SHOWN])}{', ...' if len(found) > _SHOWN else ''}"]
