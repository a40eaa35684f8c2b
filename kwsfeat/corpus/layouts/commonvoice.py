"""A language of Common Voice as it is published: ``train.tsv``, ``dev.tsv``, ``test.tsv`` beside ``clips/``."""

from __future__ import annotations

from kwsfeat.corpus.clip import Corpus
from kwsfeat.corpus.files import Files
from kwsfeat.corpus.layouts.layout import Evidence, Layout
from kwsfeat.corpus.layouts.manifest import add_rows
from kwsfeat.corpus.manifest.rows import read_manifest

_PARTS = {"train.tsv": "train", "dev.tsv": "validation", "test.tsv": "test"}


def propose(files: Files) -> Evidence | None:
    """There are ``clips/`` and ``train.tsv``."""
    if "clips" in files.folders and (files.root / "train.tsv").is_file():
        return Evidence(1.0, "clips/ and train.tsv")
    return None


def read(files: Files) -> Corpus:
    """The rows of the three parts; of the whole ``validated.tsv``, give that file itself."""
    corpus = Corpus(files.source, files.root, LAYOUT.name, [])
    for name, split in _PARTS.items():
        if (files.root / name).is_file():
            add_rows(corpus, read_manifest(files.root / name, files.raw), split)
    corpus.notes = list(dict.fromkeys(corpus.notes))
    return corpus


LAYOUT = Layout("commonvoice", "Common Voice: train.tsv, dev.tsv and test.tsv beside clips/", propose, read)
