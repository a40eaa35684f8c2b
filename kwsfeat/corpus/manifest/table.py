"""A manifest as values by column: its encoding, its separator, its lines."""

from __future__ import annotations

import codecs
import csv
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kwsfeat.errors import CorpusError

SUFFIXES = (".csv", ".tsv", ".jsonl", ".ndjson", ".json")
_BOMS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
_LONGEST = 1 << 24  # characters of one value


@dataclass(frozen=True)
class Line:
    """One line: its number in the file, and its values by column, or what is wrong with it."""

    number: int
    values: dict[str, Any]
    fault: str = ""


def read_lines(manifest: Path) -> Iterator[Line]:
    """The lines of a manifest that are not empty.

    Raises
    ------
    CorpusError
        If the file is not text.
    """
    text = _text(manifest)
    if manifest.suffix.lower() in (".csv", ".tsv"):
        return _table(text, manifest.suffix.lower())
    return _objects(text)


def _text(manifest: Path) -> str:
    try:
        data = manifest.read_bytes()
        encoding = next((name for bom, name in _BOMS if data.startswith(bom)), "utf-8")
        return data.decode(encoding)
    except OSError as error:
        raise CorpusError(f"{manifest}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise CorpusError(f"{manifest}: cannot be read as UTF-8 text, or UTF-16 with its mark in front: {error}") from None


def _table(text: str, suffix: str) -> Iterator[Line]:
    head = next((line for line in text.splitlines() if line.strip()), "")
    delimiter = max("\t,;" if suffix == ".tsv" else ",;\t", key=head.count)  # the first of equals
    before = csv.field_size_limit(_LONGEST)
    try:
        reader = csv.reader(io.StringIO(text), delimiter=delimiter, skipinitialspace=True)
        names: list[str] | None = None
        while True:
            try:
                values = [value.strip() for value in next(reader)]
            except StopIteration:
                return
            except csv.Error as error:
                yield Line(reader.line_num, {}, f"cannot be read: {error}")
                continue
            if not any(values):
                continue
            if names is None:
                names = values
            elif len(values) > len(names) and any(values[len(names) :]):
                yield Line(reader.line_num, {}, f"more values than columns: put values with {delimiter!r} in quotes")
            else:
                yield Line(reader.line_num, dict(zip(names, values, strict=False)))
    finally:
        csv.field_size_limit(before)


def _objects(text: str) -> Iterator[Line]:
    """A JSON object in each line, or one list of objects."""
    if text.lstrip().startswith("["):
        try:
            rows = json.loads(text)
        except (ValueError, RecursionError):
            rows = None
        if isinstance(rows, list) and any(isinstance(row, dict) for row in rows):
            for number, row in enumerate(rows, start=1):
                yield _object(number, row)
            return
    for number, line in enumerate(text.splitlines(), start=1):
        if line.strip():
            try:
                yield _object(number, json.loads(line))
            except json.JSONDecodeError as error:
                yield Line(number, {}, f"not JSON: {error}")
            except (ValueError, RecursionError) as error:
                yield Line(number, {}, f"not JSON that can be read: {str(error)[:100]}")


def _object(number: int, row: object) -> Line:
    if isinstance(row, dict):
        return Line(number, row)
    return Line(number, {}, f"must be a JSON object, not {type(row).__name__}")
