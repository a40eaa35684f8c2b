"""The recordings that a manifest lists; rows that make no sense are skipped, as recordings that cannot be read are."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from kwsfeat.audio.describe import Description, describe
from kwsfeat.audio.raw import Raw
from kwsfeat.corpus.clip import Clip, Corpus
from kwsfeat.corpus.elsewhere.urls import is_url
from kwsfeat.corpus.manifest.columns import COLUMNS, find_columns
from kwsfeat.corpus.manifest.table import SUFFIXES, Line, read_lines
from kwsfeat.corpus.names.meaning import SPLIT_NAMES
from kwsfeat.errors import AudioError, CorpusError, nearest

__all__ = ["SUFFIXES", "Manifest", "Row", "read_manifest"]

_FOLDERS = ("", "clips/", "wav/", "wavs/", "audio/", "recordings/")  # where recordings of a bare name may lie beside the manifest
_LONGEST_LABEL = 200  # characters; no keyword is longer
_ROUNDING_S = 0.01  # durations are written with two or three digits


@dataclass(frozen=True, slots=True)
class Row:
    """One recording: `path` relative to the manifest or absolute, `start` and `stop` in samples of it (`stop` None is its end)."""

    path: str
    label: str
    speaker: str
    split: str
    start: int
    stop: int | None


@dataclass
class Manifest:
    """The rows, what was skipped as (line, reason), and sentences for the reader."""

    rows: list[Row] = field(default_factory=list)
    skipped: list[tuple[str, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


class _BadRowError(ValueError):
    """Why a row makes no sense."""


def read_manifest(manifest: Path, raw: Raw | None = None) -> Manifest:
    """The rows of a manifest, checked; `raw` says what headerless recordings hold.

    Raises
    ------
    CorpusError
        If it is not text, has no column for the path, a column that looks misspelt, or no row that makes sense; the message names
        the line.
    """
    lines = list(read_lines(manifest))
    sound = [line for line in lines if not line.fault]
    columns = find_columns(dict.fromkeys(name for line in sound for name in line.values))
    if sound:
        _check_columns(manifest, sound[0], columns)
    if "split" in columns and columns["split"].lower() == "set" and not _are_splits(sound, columns["split"]):
        del columns["split"]  # a set of another kind
    found = Manifest()
    resolve, described = _resolver(manifest.parent), _descriptions(Corpus(manifest, manifest.parent, "manifest", [], raw=raw))
    seen: dict[Row, int] = {}
    for line in lines:
        try:
            if line.fault:
                raise _BadRowError(line.fault)
            row = _row(line.values, columns, resolve, described)
            if row in seen:
                raise _BadRowError(f"the same as line {seen[row]}")
        except _BadRowError as error:
            found.skipped.append((f"{manifest} line {line.number}", str(error)))
        else:
            seen[row] = line.number
            found.rows.append(row)
    if found.skipped and not found.rows:
        where, reason = found.skipped[0]
        more = f" (and {len(found.skipped) - 1:,} lines more)" if len(found.skipped) > 1 else ""
        raise CorpusError(f"{where}: {reason}{more}")
    found.notes += _notes(sound, columns) + _late_ends(seen, described)
    return found


def _check_columns(manifest: Path, line: Line, columns: dict[str, str]) -> None:
    where = f"{manifest} line {line.number}"
    for column in ("path", "label"):
        if column not in columns:
            for name in line.values:
                if name not in columns.values() and column in nearest(str(name), COLUMNS):
                    raise CorpusError(f"{where}: column {name!r}: did you mean {column}?")
    if "path" not in columns:
        raise CorpusError(
            f"{where}: no path: the columns are {', '.join(COLUMNS)}, the first line names {', '.join(map(str, line.values))}"
        )


def _are_splits(lines: list[Line], column: str) -> bool:
    return all(str(line.values.get(column) or "").strip().lower() in {"", *SPLIT_NAMES} for line in lines)


def _notes(lines: list[Line], columns: dict[str, str]) -> list[str]:
    notes = []
    taken = [f"{name} as {purpose}" for purpose, name in columns.items() if name != purpose and purpose != "duration"]
    if taken:
        notes.append(f"columns read: {', '.join(taken)}")
    unused = [str(name) for name in dict.fromkeys(name for line in lines for name in line.values) if name not in columns.values() and name]
    if unused:
        notes.append(f"columns not used: {', '.join(unused)}")
    return notes


def _late_ends(lines: dict[Row, int], described: Callable[[str], Description | None]) -> list[str]:
    """A sentence about rows that end after their recordings do, if there are any."""
    late = []
    for row, number in lines.items():
        if row.stop is not None and (whole := described(row.path)) and row.start < whole.n_samples < row.stop - _ROUNDING_S * whole.sr:
            late.append(f"line {number} ends at {row.stop / whole.sr:.2f} s, and {row.path} has {whole.n_samples / whole.sr:.2f} s")
    return [f"rows that end after their recordings, and get what is there: {len(late):,}, such as {late[0]}"] if late else []


def _row(
    values: dict[str, Any], columns: dict[str, str], resolve: Callable[[str], str], described: Callable[[str], Description | None]
) -> Row:
    def text(purpose: str) -> str:
        return _text(values, columns[purpose]) if purpose in columns else ""

    if not text("path"):
        raise _BadRowError("no path")
    if len(text("label")) > _LONGEST_LABEL:
        raise _BadRowError(f"a label of {len(text('label')):,} characters: at most {_LONGEST_LABEL}")
    if (split := text("split").lower()) and split not in SPLIT_NAMES:
        raise _BadRowError(f"split {split!r} must be train, validation or test")
    path = resolve(text("path"))
    start_s, end_s, duration_s = (_seconds(text(name), name) for name in ("start", "end", "duration"))
    has_end = end_s is not None
    if not has_end and "start" in columns and duration_s:  # without that column it is how long the recording is
        end_s = (start_s or 0.0) + duration_s
    if end_s is not None and end_s <= (start_s or 0.0):
        raise _BadRowError(f"start {start_s or 0.0:g} s must be before end {end_s:g} s")
    start, stop = 0, None
    if (start_s or end_s) and (found := described(path)) is not None:
        start, stop = round((start_s or 0.0) * found.sr), None if end_s is None else round(end_s * found.sr)
        if stop is not None and not has_end and abs(stop - found.n_samples) <= _ROUNDING_S * found.sr:
            stop = None  # the duration of all that follows
    return Row(path, text("label"), text("speaker"), SPLIT_NAMES.get(split, ""), start, stop)


def _text(values: dict[str, Any], name: str) -> str:
    value = values.get(name)
    if isinstance(value, list | dict):
        raise _BadRowError(f"{name} {value!r:.40} must be one text or number")
    try:
        text = "" if value is None else str(value).strip()
    except ValueError:
        raise _BadRowError(f"{name}: a number that is too long") from None
    if "\0" in text:
        raise _BadRowError(f"{name}: holds a NUL character")
    return text


def _seconds(text: str, name: str) -> float | None:
    if not text:
        return None
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0.0 <= seconds < 1e9:
        raise _BadRowError(f"{name} {text!r} must be a number of seconds >= 0")
    return seconds


def _resolver(folder: Path) -> Callable[[str], str]:
    """A function from a path as it is written to one that exists: other slashes, another spelling of "ö", a folder beside."""

    @cache
    def resolve(path: str) -> str:
        if is_url(path):
            return path
        for candidate in _candidates(path):
            if _exists(folder, candidate):
                return candidate
        return path  # the build will say that it is not there

    return resolve


def _candidates(path: str) -> Iterator[str]:
    yield path
    slashed = path.replace("\\", "/").removeprefix("./")
    for spelt in dict.fromkeys((slashed, unicodedata.normalize("NFC", slashed), unicodedata.normalize("NFD", slashed))):
        for folder in _FOLDERS if not os.path.isabs(spelt) else ("",):
            yield folder + spelt


def _exists(folder: Path, path: str) -> bool:
    try:
        return os.path.exists(folder / path)
    except (ValueError, OSError):
        return False


def _descriptions(corpus: Corpus) -> Callable[[str], Description | None]:
    @cache
    def described(path: str) -> Description | None:
        try:
            return describe(corpus.open(Clip(path, "")))
        except (AudioError, ValueError):
            return None  # the build will say what is wrong with it

    return described
