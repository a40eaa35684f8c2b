"""A manifest: a file with a line for each recording."""

from __future__ import annotations

from kwsfeat.corpus.clip import NOISE_FOLDER, Clip, Corpus
from kwsfeat.corpus.files import Files
from kwsfeat.corpus.layouts.layout import Evidence, Layout
from kwsfeat.corpus.manifest.rows import SUFFIXES, read_manifest
from kwsfeat.corpus.names.meaning import one_spelling
from kwsfeat.errors import CorpusError


def propose(files: Files) -> Evidence | None:
    """The source is a file with the suffix of a manifest."""
    return Evidence(1.0, "a manifest") if files.source.is_file() and files.source.suffix.lower() in SUFFIXES else None


def read(files: Files) -> Corpus:
    """A clip for each row; the label ``_background_noise_`` marks noise."""
    if propose(files) is None:
        raise CorpusError(f"{files.source}: a manifest is a file called {', '.join(SUFFIXES)}")
    corpus = Corpus(files.source, files.root, LAYOUT.name, [])
    for row in read_manifest(files.source):
        if row.label == NOISE_FOLDER:
            corpus.noise.append(row.path)
        else:
            corpus.clips.append(Clip(row.path, one_spelling(row.label), one_spelling(row.speaker), row.split, row.start, row.stop))
    if not corpus.clips:
        raise CorpusError(f"{files.source}: no rows: it needs a line with the names path,label and a line for each recording")
    return corpus


LAYOUT = Layout("manifest", "a .csv, .tsv or .jsonl file: path, label and optionally speaker, split, start, end (seconds)", propose, read)
