"""A folder per take, and in it recordings whose names or folders hold the word: ``take1/open-eva.flac``, ``take2/open-eva.flac``."""

from __future__ import annotations

import re
from collections.abc import Sequence

from kwsfeat.corpus.clip import Clip, Corpus
from kwsfeat.corpus.files import Files
from kwsfeat.corpus.layouts.layout import Evidence, Layout
from kwsfeat.corpus.layouts.names import labels_in_names
from kwsfeat.corpus.names.meaning import as_label, is_noise, is_session, is_take, name_columns, one_spelling, stem_of
from kwsfeat.corpus.names.speakers import name_speakers, speakers_note


def propose(files: Files) -> Evidence | None:
    """All outermost folders are numbered takes, or numbered sessions inside of which names tell the speakers."""
    takes = {path.split("/", 1)[0] for path in files.audio if "/" in path and not is_noise(path)}
    if not takes or 2 * sum("/" not in path for path in files.audio) > len(files.audio):
        return None
    if not all(map(is_take, takes)) and not (all(map(is_session, takes)) and any(clip.speaker for clip in read(files).clips)):
        return None
    return Evidence(0.8, f"{len(takes):,} folders of takes")


def read(files: Files) -> Corpus:
    """The folder below the take's is the word, else the part of the name that looks most like one."""
    corpus = Corpus(files.source, files.root, LAYOUT.name, [])
    corpus.noise = [path for path in files.audio if is_noise(path)]
    paths = [path for path in files.audio if "/" in path and not is_noise(path)]
    corpus.skipped = [(path, "lies outside the folders of the takes") for path in files.audio if "/" not in path]
    flat = [path for path in paths if path.count("/") == 1]
    named = dict(zip(flat, labels_in_names(flat), strict=True))
    clips = [Clip(path, as_label(named.get(path) or one_spelling(path.split("/")[1]))) for path in paths]
    corpus.clips = name_speakers(clips, depth=1 if flat else 2)
    corpus.notes += speakers_note(clips, corpus.clips)
    if flat and (pattern := _pattern(flat[0], name_columns(flat), corpus.clips)):
        corpus.notes.append(
            f"the outermost folders are takes, names are read as --pattern '{pattern}': give another one where that is wrong"
        )
    return corpus


def _pattern(path: str, columns: Sequence[Sequence[str]], clips: Sequence[Clip]) -> str:
    """How the names were read, as a pattern with the separators of `path`; "" where they were not read part by part."""
    separators = re.findall(r"[_\-. ]+", one_spelling(stem_of(path)))
    if len(separators) + 1 != len(columns):
        return ""
    fields = []
    for column in columns:
        kind = next((kind for kind in ("label", "speaker") if all(a == getattr(b, kind) for a, b in zip(column, clips, strict=True))), "*")
        fields.append("*" if kind == "*" else f"{{{kind}}}")
    return "".join(a + b for a, b in zip(fields, [*separators, ""], strict=True)) if "{label}" in fields else ""


LAYOUT = Layout("takes", "a folder per take: take1/LABEL-SPEAKER.wav or take1/LABEL/SPEAKER.wav", propose, read)
