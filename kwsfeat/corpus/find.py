"""Recordings on disk as a table of clips: layouts that are found by themselves.

A corpus is a folder, an archive (unpacked safely into a temporary folder) or a manifest. `find_corpus` says which layout
it took; ``layout=`` overrides it.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from kwsfeat.audio.raw import parse_raw
from kwsfeat.corpus.acquire.archive import is_archive, unpack
from kwsfeat.corpus.clip import Clip, Corpus
from kwsfeat.corpus.elsewhere.tars import is_tars, read_tars
from kwsfeat.corpus.elsewhere.urls import is_url
from kwsfeat.corpus.files import Files, list_files, no_recordings, unread_notes
from kwsfeat.corpus.guess import asked_layout, beside, best_layout, wrapper
from kwsfeat.corpus.layouts import LAYOUTS
from kwsfeat.corpus.manifest.rows import SUFFIXES as MANIFEST_SUFFIXES
from kwsfeat.corpus.names.check import check_apart
from kwsfeat.corpus.names.meaning import is_noise_name
from kwsfeat.corpus.pattern import read_level, read_pattern
from kwsfeat.errors import CorpusError, unknown_name


def find_corpus(
    source: str | os.PathLike[str],
    layout: str | None = None,
    *,
    pattern: str | None = None,
    label_level: int | None = None,
    raw: str | None = None,
) -> Corpus:
    """The clips of a folder, an archive or a manifest.

    Parameters
    ----------
    source : path
        A folder, a ``.tar.gz``, ``.tgz``, ``.tar``, ``.zip`` or ``.7z`` archive, a manifest (``.csv``, ``.tsv``, ``.jsonl``), whose
        paths may be URLs, or tar files in the form of WebDataset: ``NAME-{000..099}.tar``, here or at a URL.
    layout : one of LAYOUTS, optional
        Overrides what the names say.
    pattern : str, optional
        Instead of a layout: how paths end, see :func:`~kwsfeat.corpus.pattern.read_pattern`.
    label_level : int, optional
        Instead of a layout: which folder is the label, 1 the outermost and -1 the innermost.
    raw : str, optional
        What files without a header (``.ulaw``, ``.raw`` ...) hold, see :func:`~kwsfeat.audio.raw.parse_raw`: ``ulaw:8000``.

    Raises
    ------
    UnknownNameError
        If there is no such layout.
    CorpusError
        If `source` is missing or holds no recordings, the layout does not fit it, or what it gives cannot be right.
    """
    headerless = parse_raw(raw) if raw else None
    if sum(choice is not None for choice in (layout, pattern, label_level)) > 1:
        raise CorpusError("layout, pattern and label_level exclude each other: give one")
    if layout is not None and layout not in LAYOUTS:
        raise unknown_name("layout", layout, LAYOUTS)
    if is_tars(source):
        if (layout, pattern, label_level) != (None, None, None):
            raise CorpusError(f"{source}: tar files say the labels themselves: leave out layout, pattern and label_level")
        return _packed(source)
    if is_url(source):
        raise CorpusError(f"{source}: only tar files may be a URL, NAME-{{000..099}}.tar: list recordings in a .csv with their URLs")
    source = Path(source)
    if not source.exists():
        raise CorpusError(f"{source}: no such folder, archive or manifest")
    if source.is_file() and source.suffix.lower() in MANIFEST_SUFFIXES:
        if pattern is not None or label_level is not None:
            raise CorpusError(f"{source}: a manifest says the labels itself: leave out pattern and label_level")
        corpus = asked_layout(Files(source, source.parent, source.parent, raw=headerless), "manifest")
        corpus.raw = headerless
        return corpus
    if not source.is_dir() and not is_archive(source):
        raise CorpusError(
            f"{source}: is neither a folder nor a .tar.gz, .zip, .7z, .csv, .tsv or .jsonl file: a list of recordings is a "
            ".csv with the columns path and label"
        )
    unpacked = None if source.is_dir() else tempfile.TemporaryDirectory(prefix="kwsfeat-")
    if unpacked:
        unpack(source, Path(unpacked.name))
    files = list_files(source, Path(unpacked.name) if unpacked else source, raw=headerless is not None)
    files.raw = headerless
    if not files.audio:
        raise no_recordings(files)
    if pattern is not None:
        corpus = read_pattern(files, pattern)
    elif label_level is not None:
        corpus = read_level(files, label_level)
    else:
        corpus = _below_wrappers(files, layout)
    check_apart(corpus)
    corpus.raw, corpus.unpacked = headerless, unpacked
    corpus.skipped += files.skipped
    if files.aliases:
        corpus.notes.append(f"{len(files.aliases):,} links lead to folders that are read under another name, {files.aliases[0]} for one")
    corpus.notes += unread_notes(files)
    return corpus


def _packed(source: str | os.PathLike[str]) -> Corpus:
    """The samples of tar files, in their order."""
    samples, skipped = read_tars(source)
    clips = [Clip(one.path, one.label, one.speaker, one.split) for one in samples if not is_noise_name(one.label)]
    corpus = Corpus(Path(source), Path(), "webdataset", clips, skipped=skipped, packed={one.path: one.member for one in samples})
    for one in samples:
        if is_noise_name(one.label):
            corpus.add_noise(one.path, one.split)
    return corpus


def _below_wrappers(files: Files, layout: str | None) -> Corpus:
    if (inner := wrapper(files)) is not None:  # archives often hold one folder that holds everything
        return beside(_below_wrappers(files.inside(inner), layout), files, inner)
    return asked_layout(files, layout) if layout else best_layout(files)
