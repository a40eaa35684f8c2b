"""Which recordings there are to score, and where their references stand."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kwsfeat.corpus.files import list_recordings
from kwsfeat.detection.reference import SUFFIXES, Interval, read_reference
from kwsfeat.errors import CorpusError, unknown_name

STREAM_FILE = "stream.toml"
_KEYS = ("audio", "reference", "no_words", "source")


@dataclass(frozen=True)
class StreamFile:
    """A recording and what is said in it.

    Parameters
    ----------
    audio : Path
    reference : tuple of Interval
    source : str
        What is heard where the reference names no section; empty where nobody says.

    Examples
    --------
    >>> from pathlib import Path
    >>> StreamFile(Path("a.wav"), (), "music").source
    'music'
    """

    audio: Path
    reference: tuple[Interval, ...]
    source: str = ""

    def sections(self, duration_s: float) -> tuple[Interval, ...]:
        """The reference, with `source` as a section of the whole recording."""
        return ((Interval(0.0, duration_s, source=self.source),) if self.source else ()) + self.reference


def list_streams(path: str | os.PathLike[str], *, no_words: bool = False) -> list[StreamFile]:
    """The recordings that a ``stream.toml`` or a folder lists, with their references.

    Parameters
    ----------
    path : path
        A TOML file with a table ``[[recordings]]`` for each recording: `audio`, and `reference` or ``no_words = true``; `source` says
        what is heard. Or a folder: its ``stream.toml``; without one all recordings in it, each with its reference beside it under
        the same name (``.csv``, or ``.txt`` as Audacity exports labels). Or one recording.
    no_words : bool
        Nothing is said in recordings without a reference, which then need none. The source of a recording is the name of its folder.

    Returns
    -------
    list of StreamFile

    Raises
    ------
    CorpusError
        If something is missing or cannot be read, or a recording has no reference.

    Examples
    --------
    >>> [stream.source for stream in list_streams("recordings", no_words=True)][:1]
    ['no']
    """
    path = Path(path)
    if path.is_dir() and (path / STREAM_FILE).exists():
        path = path / STREAM_FILE
    if not path.exists():
        raise CorpusError(f"{path}: no such file or folder")
    if path.suffix.lower() == ".toml":
        return list(_listed(path))
    return [_beside(audio, no_words) for audio in (list_recordings(path) if path.is_dir() else [path])]


def _beside(audio: Path, no_words: bool) -> StreamFile:
    found = [beside for suffix in SUFFIXES if (beside := audio.with_suffix(suffix)).exists()]
    if found:
        return StreamFile(audio, tuple(read_reference(found[0])), audio.resolve().parent.name if no_words else "")
    if not no_words:
        raise CorpusError(f"{audio}: has no reference: put {audio.stem}.csv or {audio.stem}.txt beside it, or say --no-words")
    return StreamFile(audio, (), audio.resolve().parent.name)


def _listed(path: Path) -> Iterator[StreamFile]:
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise CorpusError(f"{path}: is not TOML: {error}") from None
    except OSError as error:
        raise CorpusError(f"{path}: cannot be read: {error.strerror}") from None
    rows = values.get("recordings")
    if not isinstance(rows, list) or not rows or not all(isinstance(row, dict) for row in rows):
        raise CorpusError(f"{path}: lists no recordings: it needs a table [[recordings]] with audio and reference for each")
    for number, row in enumerate(rows, start=1):
        for name in row:
            if name not in _KEYS:
                raise unknown_name(f"field of a recording in {path}", name, _KEYS)
        yield _row(path, number, row)


def _row(path: Path, number: int, row: dict[str, Any]) -> StreamFile:
    texts = {name: row.get(name, "") for name in ("audio", "reference", "source")}
    if not all(isinstance(text, str) for text in texts.values()) or not texts["audio"]:
        raise CorpusError(f"{path}, recording {number}: audio, reference and source are texts, and audio is needed")
    if bool(texts["reference"]) == bool(row.get("no_words", False)):
        raise CorpusError(f"{path}, recording {number} ({texts['audio']}): needs either reference or no_words = true")
    reference = tuple(read_reference(path.parent / texts["reference"])) if texts["reference"] else ()
    return StreamFile(path.parent / texts["audio"], reference, texts["source"])
