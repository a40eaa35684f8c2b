"""Recordings that nobody labelled."""

from __future__ import annotations

from kwsfeat.corpus.clip import Clip, Corpus
from kwsfeat.corpus.files import Files
from kwsfeat.corpus.layouts.layout import Evidence, Layout


def propose(files: Files) -> Evidence | None:
    """Most recordings lie in one folder: without names that say more they have no label."""
    flat = sum("/" not in path for path in files.audio)
    return Evidence(0.2, "recordings in one folder") if 2 * flat > len(files.audio) else None


def read(files: Files) -> Corpus:
    """Of a Kaggle archive those in ``test/audio``, else all."""
    kaggle = [path for path in files.audio if path.startswith("test/audio/")]
    return Corpus(files.source, files.root, LAYOUT.name, [Clip(path, "", split="test") for path in kaggle or files.audio])


LAYOUT = Layout("unlabelled", "recordings without labels: of a Kaggle archive those in test/audio, else all", propose, read)
