"""A folder per speaker, the word in a folder or a name inside it."""

from __future__ import annotations

from collections.abc import Sequence

from kwsfeat.corpus.clip import Clip, Corpus
from kwsfeat.corpus.files import Files
from kwsfeat.corpus.layouts.layout import Evidence, Layout
from kwsfeat.corpus.names.meaning import as_label, is_noise, is_noise_name, is_take, name_columns, one_spelling, without_take, word_likeness


def propose(files: Files) -> Evidence | None:
    """The outer folders look less like words than the names inside."""
    paths = [path for path in files.audio if "/" in path and not is_noise(path)]
    if 2 * len(paths) < len(files.audio) or 2 * sum("_nohash_" in path for path in paths) > len(paths):
        return None
    if all(is_take(path.split("/", 1)[0]) for path in paths):  # or none
        return None
    words = _words_below(paths)
    outer, inner = {path.split("/", 1)[0] for path in paths}, set(words)
    if all(word.isdigit() and word == without_take(path) for word, path in zip(words, paths, strict=True)):
        return None  # the numbers of recordings
    return Evidence(0.5 + 0.2 * (word_likeness(inner) - word_likeness(outer)), f"{len(outer):,} folders with {len(inner):,} words inside")


def read(files: Files) -> Corpus:
    """The first folder is the speaker; a recording beside the folders is skipped."""
    corpus = Corpus(files.source, files.root, LAYOUT.name, [])
    inside = []
    for path in files.audio:
        if is_noise(path):
            corpus.noise.append(path)
        elif "/" in path:
            inside.append(path)
        else:
            corpus.skipped.append((path, "lies outside the folders of the speakers"))
    for path, word in zip(inside, _words_below(inside), strict=True):
        if path.count("/") > 1 and is_noise_name(word):
            corpus.noise.append(path)
        else:
            corpus.clips.append(Clip(path, as_label(word), one_spelling(path.split("/", 1)[0])))
    return corpus


def _words_below(paths: Sequence[str]) -> list[str]:
    """The word of each path: the folder below the speaker's, else what the file's name says besides speaker and take.

    "anna/yes/3.wav", "anna/yes_3.wav", "anna/yes3.wav" and "anna/anna_yes_3.wav" are all "yes"; "01/7_01_3.wav" is "7".
    """
    flat = [path for path in paths if path.count("/") == 1]
    named = dict(zip(flat, _words_in_names(flat), strict=True))
    return [named[path] if path in named else one_spelling(path.split("/")[1]) for path in paths]


def _words_in_names(paths: Sequence[str]) -> list[str]:
    columns = name_columns(paths)
    speakers = [one_spelling(path.split("/", 1)[0]) for path in paths]
    others = [c for c in columns if any(name != speaker for name, speaker in zip(c, speakers, strict=True))]
    words = [c for c in others if not any(name.isdigit() for name in c) and len(set(c)) > 1]
    if len(columns) > 1 and words:
        return ["_".join(names) for names in zip(*words, strict=True)]
    if len(others) > 1 and all(name.isdigit() for c in others for name in c):
        return others[0]
    return [without_take(path) for path in paths]


LAYOUT = Layout("speakers", "a folder per speaker: SPEAKER/WORD/*.wav or SPEAKER/WORD_N.wav", propose, read)
