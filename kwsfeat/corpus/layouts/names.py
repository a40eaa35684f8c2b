"""Recordings in one folder whose names begin with the word: ``yes_01.wav``, ``yes-anna-2.wav``, ``stop12.wav``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from kwsfeat.corpus.clip import Clip, Corpus
from kwsfeat.corpus.files import Files
from kwsfeat.corpus.layouts.layout import Evidence, Layout
from kwsfeat.corpus.names.meaning import as_label, is_noise, name_columns, one_spelling, without_take, word_likeness
from kwsfeat.corpus.names.speakers import name_speakers, speakers_note


def propose(files: Files) -> Evidence | None:
    """Most recordings lie in one folder, and their names without numbers are a few that recur."""
    flat = [path for path in files.audio if "/" not in path]
    if 2 * len(flat) <= len(files.audio):
        return None
    labels = Counter(labels_in_names(flat))
    if len(labels) < 2 or len(flat) < 2 * len(labels):
        return None
    return Evidence(0.5 + 0.2 * word_likeness(labels), f"names that begin with {len(labels):,} words")


def read(files: Files) -> Corpus:
    """The part of the name that looks most like a word is the label."""
    corpus = Corpus(files.source, files.root, LAYOUT.name, [])
    corpus.noise = [path for path in files.audio if is_noise(path)]
    paths = [path for path in files.audio if not is_noise(path)]
    clips = [Clip(path, as_label(label)) for path, label in zip(paths, labels_in_names(paths), strict=True)]
    corpus.clips = name_speakers(clips, depth=0)
    corpus.notes += speakers_note(clips, corpus.clips)
    return corpus


def labels_in_names(paths: Sequence[str]) -> list[str]:
    """The part of each file's name that looks most like a word; where names have different parts, the name without the take's number."""
    columns = [c for c in name_columns(paths) if not any(name.isdigit() for name in c) and 1 < len(set(c)) <= len(c) // 2]
    if columns:
        return max(columns, key=word_likeness)  # the first of equals
    return [one_spelling(without_take(path)) for path in paths]


LAYOUT = Layout("names", "names in one folder that hold the word: LABEL_N.wav, LABEL-SPEAKER-N.wav, SPEAKER-LABEL-N.wav", propose, read)
