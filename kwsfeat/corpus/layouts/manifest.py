"""A manifest: a file with a line for each recording."""

from __future__ import annotations

from kwsfeat.corpus.clip import Clip, Corpus
from kwsfeat.corpus.files import Files
from kwsfeat.corpus.layouts.layout import Evidence, Layout
from kwsfeat.corpus.manifest.rows import SUFFIXES, Manifest, read_manifest
from kwsfeat.corpus.names.meaning import as_label, is_noise_name, one_spelling
from kwsfeat.errors import CorpusError


def propose(files: Files) -> Evidence | None:
    """The source is a file with the suffix of a manifest."""
    return Evidence(1.0, "a manifest") if files.source.is_file() and files.source.suffix.lower() in SUFFIXES else None


def read(files: Files) -> Corpus:
    """A clip for each row."""
    if propose(files) is None:
        raise CorpusError(f"{files.source}: a manifest is a file called {', '.join(SUFFIXES)}")
    corpus = Corpus(files.source, files.root, LAYOUT.name, [])
    add_rows(corpus, read_manifest(files.source, files.raw))
    if not corpus.clips:
        raise CorpusError(f"{files.source}: no rows: it needs a line with the names path,label and a line for each recording")
    return corpus


def add_rows(corpus: Corpus, manifest: Manifest, split: str = "") -> None:
    """Add the rows of a manifest in the corpus's root, as `split` where they do not say; ``_background_noise_`` marks noise."""
    for row in manifest.rows:
        if is_noise_name(row.label):
            corpus.add_noise(row.path, row.split or split, row.start, row.stop)
        else:
            clip = Clip(row.path, as_label(row.label), one_spelling(row.speaker), row.split or split, row.start, row.stop)
            corpus.clips.append(clip)
    corpus.skipped += manifest.skipped
    corpus.notes += manifest.notes


LAYOUT = Layout("manifest", "a .csv, .tsv or .jsonl file: path, label and optionally speaker, split, start, end (seconds)", propose, read)
