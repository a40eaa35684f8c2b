"""Recordings on disk as a table of clips: layouts that are found by themselves.

A corpus is a folder, an archive (unpacked safely into a temporary folder) or a manifest. `find_corpus` says which layout
it took; ``layout=`` overrides it.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from kwsfeat.corpus.archive import is_archive, unpack
from kwsfeat.corpus.clip import Corpus
from kwsfeat.corpus.files import Files, list_files, no_recordings
from kwsfeat.corpus.layouts import LAYOUTS
from kwsfeat.corpus.layouts.fsdd import NAME
from kwsfeat.corpus.manifest import SUFFIXES as MANIFEST_SUFFIXES
from kwsfeat.errors import CorpusError, unknown_name


def find_corpus(source: str | os.PathLike[str], layout: str | None = None) -> Corpus:
    """The clips of a folder, an archive or a manifest.

    Parameters
    ----------
    source : path
        A folder, a ``.tar.gz``, ``.tgz``, ``.tar`` or ``.zip`` archive, or a manifest (``.csv``, ``.tsv``, ``.jsonl``).
    layout : one of LAYOUTS, optional
        Overrides what the names say.

    Raises
    ------
    UnknownNameError
        If there is no such layout.
    CorpusError
        If `source` is missing or holds no recordings, or the layout does not fit it.
    """
    source = Path(source)
    if layout is not None and layout not in LAYOUTS:
        raise unknown_name("layout", layout, LAYOUTS)
    if not source.exists():
        raise CorpusError(f"{source}: no such folder, archive or manifest")
    if source.is_file() and source.suffix.lower() in MANIFEST_SUFFIXES:
        return LAYOUTS["manifest"].read(Files(source, source.parent, source.parent))
    if source.is_dir():
        return _folder(source, source, layout)
    if not is_archive(source):
        raise CorpusError(f"{source}: is neither a folder nor a .tar.gz, .zip, .csv or .jsonl file")
    unpacked = tempfile.TemporaryDirectory(prefix="kwsfeat-")
    unpack(source, Path(unpacked.name))
    corpus = _folder(source, Path(unpacked.name), layout)
    corpus.unpacked = unpacked
    return corpus


def _folder(source: Path, top: Path, layout: str | None) -> Corpus:
    files = list_files(source, top)
    while (inner := _wrapper(files)) is not None:  # archives often hold one folder that holds everything
        files = files.inside(inner)
    if not files.audio:
        raise no_recordings(source)
    chosen = LAYOUTS[layout or _guess_layout(files)]
    corpus = chosen.read(files)
    if not corpus.clips and not corpus.noise:
        raise CorpusError(f"{source}: no clips in the layout {chosen.name!r} ({chosen.about}): choose another with --layout")
    return corpus


def _guess_layout(files: Files) -> str:
    """The layout with the best evidence."""
    found = {name: evidence for name, layout in LAYOUTS.items() if (evidence := layout.propose(files)) is not None}
    return max(found, key=lambda name: found[name].score)


def _wrapper(files: Files) -> str | None:
    """The one folder that holds every recording in folders of its own (or FSDD's recordings/): not a word, but packing."""
    tops = {path.split("/", 1)[0] for path in files.audio}
    if len(tops) != 1 or any("/" not in path for path in files.audio):
        return None
    (top,) = tops
    others = [f for f in files.folders if "/" not in f and f != top]
    nested = all(path.count("/") > 1 for path in files.audio)
    named = all(NAME.match(path.rsplit("/", 1)[-1]) for path in files.audio)
    is_kaggle = any(folder in ("train/audio", "test/audio") for folder in files.folders)
    return top if (nested or named) and not is_kaggle and (named or not others) else None
