"""Tar files in the form of WebDataset: files of one name up to its first dot are one sample, a recording and what is said of it.

``speech-{000..999}.tar`` names a thousand of them. Their headers are read once; recordings are then read from their places, in
order, without unpacking.
"""

from __future__ import annotations

import json
import os
import re
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kwsfeat.corpus.elsewhere.urls import Named, is_url, open_url, read_url, stamp_url
from kwsfeat.corpus.files import is_hidden, is_recording
from kwsfeat.corpus.names.meaning import SPLIT_NAMES
from kwsfeat.errors import AudioError, CorpusError

_BRACES = re.compile(r"\{(\d+)\.\.(\d+)\}")
_MOST_TARS = 1_000_000
_MOST_BYTES = 1 << 20  # of what is said about a sample


@dataclass(frozen=True, slots=True)
class Member:
    """Where a recording lies: `size` bytes from `offset` on in the file or URL `tar`."""

    tar: str
    offset: int
    size: int

    def open(self, name: str) -> Named:
        """Its bytes, called `name` in messages."""
        if is_url(self.tar):
            data = read_url(self.tar, self.offset, self.size).getvalue()
        else:
            try:
                with open(self.tar, "rb", buffering=0) as file:
                    data = os.pread(file.fileno(), self.size, self.offset)
            except OSError as error:
                raise CorpusError(f"{self.tar}: {error.strerror}: connect it again and repeat the command, it goes on") from None
        if len(data) < self.size:
            raise AudioError(f"{name}: {self.tar} was cut off")
        return Named(data, name)

    def stamp(self) -> bytes:
        """Changes when the tar file does."""
        if is_url(self.tar):
            return stamp_url(self.tar)
        status = os.stat(self.tar)
        return f"{status.st_size}:{status.st_mtime_ns}\n".encode()


@dataclass(frozen=True, slots=True)
class Sample:
    """A recording in a tar file, and what is said of it; `path` is the name of the tar file and the name in it."""

    path: str
    member: Member
    label: str
    speaker: str
    split: str


def is_tars(source: str | os.PathLike[str]) -> bool:
    """Whether a source names tar files of WebDataset: by a range in braces, or as a URL."""
    text = os.fspath(source)
    return text.lower().endswith(".tar") and (_BRACES.search(text) is not None or is_url(text))


def read_tars(source: str | os.PathLike[str]) -> tuple[list[Sample], list[tuple[str, str]]]:
    """The samples of all tar files that `source` names, in order, and (name, reason) of what could not become one.

    The label is that of ``KEY.json`` (``label``, beside ``speaker`` and ``split``), else the text of ``KEY.cls`` or ``KEY.txt``, else the
    folder in the tar file.

    Raises
    ------
    CorpusError
        If a tar file is missing or damaged, or there is no recording.
    """
    samples: list[Sample] = []
    skipped: list[tuple[str, str]] = []
    for tar in _expanded(os.fspath(source)):
        for key, parts in _grouped(tar):
            inside = tar.rpartition("/")[2]
            name, *others = [name for name in parts if is_recording(name)] or [""]
            path = f"{inside}/{name or key}"
            if not name:
                skipped.append((path, "no recording in this sample"))
                continue
            skipped += [
                (f"{inside}/{other}", f"a second recording of the sample {key}: names differ before their first dot") for other in others
            ]
            try:
                said = _said(key, parts)
            except (ValueError, RecursionError) as error:
                skipped.append((path, f"what is said of it cannot be read ({error})"))
                continue
            samples.append(Sample(path, parts[name], *said))
    if not samples:
        raise CorpusError(f"{source}: no recordings in it: samples are KEY.wav, KEY.flac or the like, with KEY.cls, KEY.txt or KEY.json")
    return samples, skipped


def _expanded(source: str) -> list[str]:
    """A range in braces written out; the numbers keep their zeros."""
    found = _BRACES.search(source)
    if found is None:
        return [source if is_url(source) else os.fspath(Path(source).absolute())]
    first, last = int(found[1]), int(found[2])
    if not first <= last < first + _MOST_TARS:
        raise CorpusError(f"{source}: {found[0]} must be {{FIRST..LAST}}, at most {_MOST_TARS:,} of them")
    width = len(found[1])
    return [tar for n in range(first, last + 1) for tar in _expanded(f"{source[: found.start()]}{n:0{width}}{source[found.end() :]}")]


def _grouped(tar: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """(key, files) of each sample: recordings as members, what is said of them as bytes."""
    key, parts = "", dict[str, Any]()
    for name, part in _members(tar):
        folder, _, base = name.rpartition("/")
        mine = f"{folder}/{base.partition('.')[0]}".lstrip("/")
        if parts and mine != key:
            yield key, parts
            parts = {}
        key = mine
        parts[name] = part
    if parts:
        yield key, parts


def _members(tar: str) -> Iterator[tuple[str, Any]]:
    try:
        with _opened(tar) as opened, tarfile.open(fileobj=opened, mode="r:") as file:
            for one in file:
                name = one.name.removeprefix("./")
                if not one.isfile() or any(map(is_hidden, name.split("/"))):
                    continue
                if is_recording(name):
                    yield name, Member(tar, one.offset_data, one.size)
                elif one.size <= _MOST_BYTES:
                    content = file.extractfile(one)
                    yield name, content.read() if content else b""
                file.members = []  # type: ignore[attr-defined]  # which tarfile would keep, all of them
    except tarfile.TarError as error:
        raise CorpusError(f"{tar}: damaged, or not a tar file without compression ({error}): fetch it again") from None
    except OSError as error:
        raise CorpusError(f"{tar}: {error.strerror or error}") from None


@contextmanager
def _opened(tar: str) -> Iterator[Any]:
    with open_url(tar) if is_url(tar) else open(tar, "rb") as file:
        yield file


def _said(key: str, parts: dict[str, Any]) -> tuple[str, str, str]:
    """Label, speaker and split."""
    texts = {
        name.rpartition("/")[2].partition(".")[2].lower(): text.decode("utf-8-sig")
        for name, text in parts.items()
        if isinstance(text, bytes)
    }
    values = json.loads(texts["json"]) if "json" in texts else {}
    if not isinstance(values, dict):
        raise ValueError("the JSON is no object")
    told = {name: _text(name, value) for name, value in values.items() if name in ("label", "speaker", "split")}
    label = told.get("label", texts.get("cls", texts.get("txt", key.rpartition("/")[0].rpartition("/")[2])).strip())
    split = told.get("split", "").lower()
    if split and split not in SPLIT_NAMES:
        raise ValueError(f"split {split!r} must be train, validation or test")
    return label, told.get("speaker", ""), SPLIT_NAMES.get(split, "")


def _text(name: str, value: object) -> str:
    """A value of the JSON; null says nothing."""
    if isinstance(value, list | dict):
        raise ValueError(f"{name} {value!r:.40} must be one text or number")
    return "" if value is None else str(value).strip()
