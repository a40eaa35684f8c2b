"""What is doubtful about a corpus as a layout reads it: the check of a guess by its outcome."""

from __future__ import annotations

import os
import re
from collections import Counter, defaultdict
from dataclasses import dataclass

from kwsfeat.corpus.clip import Corpus
from kwsfeat.corpus.names.meaning import SILENCE, UNKNOWN, as_label, is_person, word_likeness
from kwsfeat.errors import CorpusError

_NO_UNICODE = "\ufffd"  # what a byte becomes that is none
_NEGATION = re.compile(r"\b(not|non|no|neg|negative|negatives|without|other|others|fake|hard negatives?)\b")


@dataclass(frozen=True)
class Doubt:
    """Something that the clips of a right guess seldom show: how heavy it weighs (0 to 1, evidence's scale) and a sentence."""

    weight: float
    text: str
    is_error: bool = False


def doubts(corpus: Corpus) -> list[Doubt]:
    """Everything doubtful, heaviest first."""
    labels = Counter(clip.label for clip in corpus.clips if clip.label)
    speakers = {clip.speaker for clip in corpus.clips} - {""}
    words = sorted(labels.keys() - {SILENCE, UNKNOWN})
    found = []
    if not labels:
        return []
    if len(words) == 1:
        found.append(Doubt(0.6, f"all recordings have one label, {words[0]!r}: that is one class"))
    if speakers and all(clip.speaker == clip.label for clip in corpus.clips if clip.label):
        found.append(Doubt(0.6, f"every label is the name of its speaker ({_some(words)}): these are people, not words"))
    elif word_likeness(words) <= -0.5:
        kind = "people" if all(is_person(word) for word in words) else "speakers, dates or takes"
        found.append(Doubt(0.0, f"the labels {_some(words)} look like {kind} rather than words"))
    alike = Counter(word.lower() for word in words)
    if twice := [word for word in words if alike[word.lower()] > 1]:
        found.append(Doubt(0.0, f"the labels {_some(twice)} differ in capitals only, and are classes of their own"))
    if len(words) >= 4 and 2 * sum(labels[word] == 1 for word in words) > len(words):
        found.append(Doubt(0.3, f"most of the {len(words):,} labels have a single recording"))
    if len(speakers) == 1 and len(corpus.clips) > 1:
        found.append(Doubt(0.0, f"one speaker only, {next(iter(speakers))}: how well others are understood cannot be measured"))
    if mixed := _mixed(corpus):
        found.append(mixed)
    return sorted(found, key=lambda doubt: -doubt.weight)


def check_apart(corpus: Corpus) -> None:
    """Refuse two names that differ only in bytes which are no Unicode: both would be one class.

    Raises
    ------
    CorpusError
        Naming both.
    """
    called = defaultdict(set)
    for clip in corpus.clips:
        if _NO_UNICODE in clip.label:
            *folders, file = clip.path.split("/")
            parts = [part.rstrip("0123456789") for part in re.split(r"[_\-. ]+", file)]
            named = [[name for name in names if as_label(name) == clip.label] for names in (folders, parts)]
            called[clip.label].update(named[0] or named[1])
    for label, names in sorted(called.items()):
        if len(names) > 1:
            one, other = (os.fsencode(name).decode("ascii", "backslashreplace") for name in sorted(names)[:2])
            raise CorpusError(f"{corpus.source}: {one} and {other} are no Unicode and would be one class, {label}: rename them")


def _mixed(corpus: Corpus) -> Doubt | None:
    """Folders inside a label that contradict each other: ``wake-word/`` beside ``not-wake-words/``."""
    inside = defaultdict(set)
    for clip in corpus.clips:
        folders = clip.path.split("/")[:-1]
        if clip.label in folders[:-1]:
            inside[clip.label].add(folders[folders.index(clip.label) + 1])
    for label, names in sorted(inside.items()):
        negative = sorted(name for name in names if _NEGATION.search(re.sub(r"[\W_]+", " ", name.lower())))
        positive = sorted(names - set(negative))
        if negative and positive:
            return Doubt(0.0, f"the label {label!r} would hold {positive[0]}/ and {negative[0]}/ alike", is_error=True)
    return None


def _some(names: list[str]) -> str:
    return ", ".join(names[:4]) + (", ..." if len(names) > 4 else "")
