"""The archive of Kaggle's TensorFlow Speech Recognition Challenge."""

from __future__ import annotations

from kwsfeat.corpus.clip import Clip, Corpus
from kwsfeat.corpus.files import Files
from kwsfeat.corpus.layouts.layout import Evidence, Layout
from kwsfeat.corpus.layouts.words import apply_lists, read_words


def propose(files: Files) -> Evidence | None:
    """Nothing else has ``train/audio/`` or ``test/audio/``."""
    if any(path.startswith(("train/audio/", "test/audio/")) for path in files.audio):
        return Evidence(1.0, "train/audio or test/audio")
    return None


def read(files: Files) -> Corpus:
    """The words below ``train/audio``; without it the recordings of ``test/audio``, which have no label."""
    corpus = read_words(files, "train/audio/")
    corpus.layout = LAYOUT.name
    unlabelled = [Clip(path, "", split="test") for path in files.audio if path.startswith("test/audio/")]
    if unlabelled and corpus.clips:
        corpus.notes.append(f"test/audio holds {len(unlabelled):,} recordings without labels, left out: --layout unlabelled takes those")
    else:
        corpus.clips += unlabelled
    apply_lists(corpus, [files.root, files.root / "train"])
    return corpus


LAYOUT = Layout("kaggle", "the Kaggle archive: train/audio/WORD/*.wav, and test/audio/*.wav without labels", propose, read)
