"""A manifest as values by column: its encoding, its separator, its lines."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kwsfeat.corpus.manifest.columns import find_columns
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
    """A row in each line, but that quoted values may have lines of their own where no tabs separate."""
    lines = _ENDS.split(text)
    head = next((line for line in lines if line.strip()), "")
    delimiter = max("\t,;" if suffix == ".tsv" else ",;\t", key=head.count)  # the first of equals
    names: list[str] | None = None
    end = 0
    for number, line in enumerate(lines, start=1):
        if number <= end:
            continue  # of a value that began above
        values, stray = _values(line, delimiter)
        if stray and names:
            record, last = _record(lines, number)
            several, still_stray = _values(record, delimiter)
            if not still_stray and not _hold_rows(several, delimiter, len(names)):
                values, stray, end = several, "", last
        if stray:
            yield Line(number, {}, f'the quotes of {stray[:_SHOWN]} do not match: close them, and write " in quotes as ""')
            if names is None:
                return
        elif not any(values):
            continue
        elif names is None:
            names = values
            if twice := [name for name in find_columns(names).values() if names.count(name) > 1]:
                yield Line(number, {}, f"there are {names.count(twice[0])} columns {twice[0]!r}: give one of them another name")
                return
        elif len(values) > len(names) and any(values[len(names) :]):
            yield Line(number, {}, f"more values than columns: put values with {delimiter!r} in quotes")
        else:
            yield Line(number, dict(zip(names, values, strict=False)))


def _values(line: str, delimiter: str) -> tuple[list[str], str]:
    """The values of a line, and the first whose quotes do not match.

    Tables with tabs, such as Common Voice's, have texts with quotes as they are: there, quotes that do not hold a value are text.
    """
    if '"' not in line:
        return [value.strip() for value in line.split(delimiter)], ""
    cell = rf"""(?:^|{delimiter})(?: *"([^"]*+(?:""[^"]*+)*+)" *(?={delimiter}|$)|([^{delimiter}]*))"""
    found = [(quoted.replace('""', '"').strip(), plain.strip()) for quoted, plain in re.findall(cell, line)]
    stray = "" if delimiter == "\t" else next((plain for _, plain in found if plain.startswith('"') or plain.endswith('"')), "")
    return [quoted or plain for quoted, plain in found], stray


def _record(lines: list[str], first: int) -> tuple[str, int]:
    """Line `first` and those that follow until every quote has its other, and the last of them."""
    n_quotes = 0
    for number in range(first, len(lines) + 1):
        n_quotes += lines[number - 1].count('"')
        if n_quotes % 2 == 0:
            return "\n".join(lines[first - 1 : number]), number
    return lines[first - 1], first


def _hold_rows(values: list[str], delimiter: str, n_columns: int) -> bool:
    """Whether a value of several lines looks like rows between two quotes that have nothing to do with each other."""
    return any(line.count(delimiter) >= n_columns - 1 for value in values for line in value.split("\n")[1:])


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
