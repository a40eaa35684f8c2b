"""Names in one folder that say it all, as in the Free Spoken Digit Dataset."""

from __future__ import annotations

import re
from dataclasses import replace

from kwsfeat.corpus.clip import Clip, Corpus
from kwsfeat.corpus.files import Files
from kwsfeat.corpus.layouts.layout import Evidence, Layout
from kwsfeat.corpus.naming import is_noise, one_spelling

NAME = re.compile(r"(?P<label>[^_]+)_(?P<speaker>(?!nohash_)[^_]+)_(?P<index>\d+)\.\w+$")


def propose(files: Files) -> Evidence | None:
    """Most recordings lie in one folder, and most of those are called LABEL_SPEAKER_N."""
    flat = [path for path in files.audio if "/" not in path]
    named = sum(bool(NAME.match(path)) for path in flat)
    if 2 * len(flat) > len(files.audio) and 2 * named > len(flat):
        return Evidence(0.9, f"{named:,} names like LABEL_SPEAKER_N")
    return None


def read(files: Files) -> Corpus:
    """LABEL_SPEAKER_N names; in the digits' own corpus the recordings 0 to 4 of each are the official test part."""
    corpus = Corpus(files.source, files.root, LAYOUT.name, [])
    early = []
    for path in files.audio:
        if is_noise(path):
            corpus.noise.append(path)
        elif match := NAME.match(path.rsplit("/", 1)[-1]):
            corpus.clips.append(Clip(path, one_spelling(match["label"]), one_spelling(match["speaker"])))
            early.append(int(match["index"]) < 5)
        else:
            corpus.skipped.append((path, "is not called LABEL_SPEAKER_N"))
    if set(corpus.words) == set("0123456789") and 0 < sum(early) <= len(early) // 2:
        corpus.clips = [replace(clip, split="test") if test else clip for clip, test in zip(corpus.clips, early, strict=True)]
        corpus.notes.append("its own test part: recordings 0 to 4 of each digit and speaker")
    return corpus


LAYOUT = Layout("fsdd", "names in one folder: LABEL_SPEAKER_N.wav, as the Free Spoken Digit Dataset", propose, read)
