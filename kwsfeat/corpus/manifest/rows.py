"""Manifests: a CSV, TSV or JSONL file with a line for each recording."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from kwsfeat.audio.read import openable
from kwsfeat.errors import CorpusError, nearest

SUFFIXES = (".csv", ".tsv", ".jsonl", ".ndjson")
COLUMNS = ("path", "label", "speaker", "split", "start", "end")
_SPLITS = {
    **{name: name for name in ("", "train", "validation", "test")},
    "training": "train",
    "valid": "validation",
    "val": "validation",
    "dev": "validation",
    "testing": "test",
}


@dataclass(frozen=True, slots=True)
class Row:
    """One recording: `path` as written, `start` and `stop` in samples of the recording (`stop` None is its end)."""

    path: str
    label: str
    speaker: str
    split: str
    start: int
    stop: int | None


def read_manifest(manifest: Path) -> Iterator[Row]:
    """The rows of a manifest, checked.

    Raises
    ------
    CorpusError
        Naming the line: no column or value for the path, a column that looks misspelt, a split or time that makes no sense.
    """

    @cache
    def rate(path: str) -> int | None:
        import soundfile

        try:
            return int(soundfile.info(openable(manifest.parent / path)).samplerate)
        except (soundfile.LibsndfileError, OSError):
            return None  # the build will say what is wrong with it

    for number, values in _lines(manifest):
        where = f"{manifest} line {number}"
        for name in values.keys() - set(COLUMNS):
            if misspelt := [column for column in nearest(name, COLUMNS) if column not in values]:
                raise CorpusError(f"{where}: column {name!r}: did you mean {misspelt[0]}?")
        if not values.get("path"):
            raise CorpusError(f"{where}: no path: the columns are {', '.join(COLUMNS)}, the first line names them")
        if (split := _text(values, "split").lower()) not in _SPLITS:
            raise CorpusError(f"{where}: split {split!r} must be train, validation or test")
        path = str(values["path"])
        start_s, end_s = _seconds(where, values, "start"), _seconds(where, values, "end")
        if end_s is not None and end_s <= (start_s or 0.0):
            raise CorpusError(f"{where}: start {start_s or 0.0:g} s must be before end {end_s:g} s")
        start, stop = 0, None
        if (start_s or end_s) and (sr := rate(path)) is not None:
            start, stop = round((start_s or 0.0) * sr), None if end_s is None else round(end_s * sr)
        yield Row(path, _text(values, "label"), _text(values, "speaker"), _SPLITS[split], start, stop)


def _lines(manifest: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """(line number, values by column) for each line that is not empty."""
    try:
        text = manifest.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise CorpusError(f"{manifest}: cannot be read as UTF-8 text: {error}") from None
    if manifest.suffix.lower() in (".csv", ".tsv"):
        delimiter = "\t" if manifest.suffix.lower() == ".tsv" else ","
        reader = csv.DictReader(io.StringIO(text), delimiter=delimiter, skipinitialspace=True, restkey="")
        for values in reader:
            if "" in values:
                raise CorpusError(f"{manifest} line {reader.line_num}: more values than columns: put values with {delimiter!r} in quotes")
            yield reader.line_num, values
        return
    for number, line in enumerate(text.splitlines(), start=1):
        if line.strip():
            try:
                values = json.loads(line)
            except json.JSONDecodeError as error:
                raise CorpusError(f"{manifest} line {number}: not JSON: {error}") from None
            if not isinstance(values, dict):
                raise CorpusError(f"{manifest} line {number}: must be a JSON object, not {type(values).__name__}")
            yield number, values


def _text(values: dict[str, Any], name: str) -> str:
    value = values.get(name)
    return "" if value is None else str(value).strip()


def _seconds(where: str, values: dict[str, Any], name: str) -> float | None:
    if not (text := _text(values, name)):
        return None
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0.0 <= seconds < 1e9:
        raise CorpusError(f"{where}: {name} {text!r} must be a number of seconds >= 0")
    return seconds
