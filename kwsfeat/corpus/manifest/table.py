"""A manifest as values by column: its encoding, its separator, its lines."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kwsfeat.errors import CorpusError

SUFFIXES = (".csv", ".tsv", ".jsonl", ".ndjson", ".json")
_BOMS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
_ENDS = re.compile(r"\r\n|\r|\n")  # of lines; str.splitlines() knows more, which may stand in a value
_SHOWN = 40  # characters of a value in a message


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
    """A row in each line."""
    lines = _ENDS.split(text)
    head = next((line for line in lines if line.strip()), "")
    delimiter = max("\t,;" if suffix == ".tsv" else ",;\t", key=head.count)  # the first of equals
    cell = re.compile(rf"""(?:^|{delimiter})(?: *"([^"]*+(?:""[^"]*+)*+)" *(?={delimiter}|$)|([^{delimiter}]*))""")
    names: list[str] | None = None
    for number, line in enumerate(lines, start=1):
        stray = ""
        if '"' in line:
            found = [(quoted.replace('""', '"').strip(), plain.strip()) for quoted, plain in cell.findall(line)]
            values = [quoted or plain for quoted, plain in found]
            if delimiter != "\t":  # tables with tabs, such as Common Voice's, have sentences with quotes as they are
                stray = next((plain for _, plain in found if plain.startswith('"') or plain.endswith('"')), "")
        else:
            values = [value.strip() for value in line.split(delimiter)]
        if not any(values):
            continue
        if stray:
            yield Line(number, {}, f'the quotes of {stray[:_SHOWN]} do not match: a value ends in its line, and " in quotes is ""')
            if names is None:
                return
        elif names is None:
            names = values
        elif len(values) > len(names) and any(values[len(names) :]):
            yield Line(number, {}, f"more values than columns: put values with {delimiter!r} in quotes")
        else:
            yield Line(number, dict(zip(names, values, strict=False)))


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
    for number, line in enumerate(_ENDS.split(text), start=1):
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
