"""Names in one folder that say it all, as in the Free Spoken Digit Dataset."""

from __future__ import annotations

import re
from dataclasses import replace

from kwsfeat.corpus.clip import Clip, Corpus
from kwsfeat.corpus.files import Files
from kwsfeat.corpus.layouts.layout import Evidence, Layout
from kwsfeat.corpus.names.meaning import as_label, is_noise, one_spelling, word_likeness

NAME = re.compile(r"(?P<first>[^_]+)_(?P<second>(?!nohash_)[^_]+)_(?P<index>\d+)\.\w+$")


def propose(files: Files) -> Evidence | None:
    """Most recordings lie in one folder, and most of those are called LABEL_SPEAKER_N."""
    flat = [path for path in files.audio if "/" not in path]
    named = sum(bool(NAME.match(path)) for path in flat)
    if 2 * len(flat) > len(files.audio) and 2 * named > len(flat):
        return Evidence(0.9, f"{named:,} names like LABEL_SPEAKER_N")
    return None


def read(files: Files) -> Corpus:
    """LABEL_SPEAKER_N names, or SPEAKER_LABEL_N where the second part looks more like words.

    In the digits' own corpus the recordings 0 to 4 of each digit and speaker are the official test part.
    """
    corpus = Corpus(files.source, files.root, LAYOUT.name, [])
    names = [match for path in files.audio if (match := NAME.match(path.rsplit("/", 1)[-1])) and not is_noise(path)]
    label, speaker = "first", "second"
    if word_likeness(m["first"] for m in names) < word_likeness(m["second"] for m in names):
        label, speaker = speaker, label
        corpus.notes.append("the names are read as SPEAKER_LABEL_N: --pattern '{label}_{speaker}_{take}' reads them the other way round")
    early = []
    for path in files.audio:
        if is_noise(path):
            corpus.noise.append(path)
        elif match := NAME.match(path.rsplit("/", 1)[-1]):
            corpus.clips.append(Clip(path, as_label(match[label]), one_spelling(match[speaker])))
            early.append(int(match["index"]) < 5)
        else:
            corpus.skipped.append((path, "is not called LABEL_SPEAKER_N"))
    if set(corpus.words) == set("0123456789") and 0 < sum(early) <= len(early) // 2:
        corpus.clips = [replace(clip, split="test") if test else clip for clip, test in zip(corpus.clips, early, strict=True)]
        corpus.notes.append("its own test part: recordings 0 to 4 of each digit and speaker")
    return corpus


LAYOUT = Layout("fsdd", "names in one folder: LABEL_SPEAKER_N.wav, as the Free Spoken Digit Dataset", propose, read)
