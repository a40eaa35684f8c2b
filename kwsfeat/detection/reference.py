"""What is said when in a recording: CSV tables and Audacity's labels."""

from __future__ import annotations

import csv
import math
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from kwsfeat.errors import CorpusError, unknown_name

NEAR_MISS = "near-miss"  # the source of words that are not to be detected
COLUMNS = ("start_s", "end_s", "word", "source", "snr_db", "level_db")
_NEEDED = COLUMNS[:3]
SUFFIXES = (".csv", ".txt")


@dataclass(frozen=True, slots=True)
class Interval:
    """A word in a recording, or a section of it without a word of interest.

    Parameters
    ----------
    start_s, end_s : float, s
    word : str
        What is said; empty for a section.
    source : str
        What a section holds: speech, music, noise, near-miss, or any other text.
    snr_db, level_db : float, dB
        Of a word: over what is heard beside it, and its RMS under full scale; infinite where nothing else, or nothing, is heard, and
        NaN where it is not known.

    Examples
    --------
    >>> Interval(1.0, 1.6, word="yes").word, Interval(0.0, 60.0, source="music").source
    ('yes', 'music')
    """

    start_s: float
    end_s: float
    word: str = ""
    source: str = ""
    snr_db: float = math.nan
    level_db: float = math.nan


def read_reference(path: str | os.PathLike[str]) -> list[Interval]:
    """The intervals that a file lists.

    Parameters
    ----------
    path : path
        ``.csv``: a table with the columns start_s, end_s and word, and if known source, snr_db and level_db. A row without a word
        is a section of its source. ``.txt``: labels as Audacity exports them, start, end and word between tabs; a label in square
        brackets, such as ``[music]``, is a section of that source.

    Returns
    -------
    list of Interval
        In the order of their times.

    Raises
    ------
    CorpusError
        If the file is missing, or a line is not what it should be; the message names it.

    Examples
    --------
    >>> from pathlib import Path
    >>> _ = Path("labels.txt").write_text("1.0\\t1.6\\tyes\\n2.0\\t9.0\\t[music]\\n")
    >>> [one.word or one.source for one in read_reference("labels.txt")]
    ['yes', 'music']
    """
    path = Path(path)
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not text in UTF-8"
        raise CorpusError(f"{path}: cannot be read: {why}") from None
    rows = _audacity(path, lines) if path.suffix.lower() == ".txt" else _table(path, lines)
    intervals = [_interval(path, number, row) for number, row in rows]
    return sorted(intervals, key=lambda one: (one.start_s, one.end_s))


def write_reference(path: str | os.PathLike[str], intervals: Iterable[Interval]) -> None:
    """Write intervals as the CSV table that :func:`read_reference` reads: times to a tenth of a millisecond."""
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        for one in intervals:
            decibels = ("" if math.isnan(value) else f"{value:.1f}" for value in (one.snr_db, one.level_db))
            writer.writerow([f"{one.start_s:.4f}", f"{one.end_s:.4f}", one.word, one.source, *decibels])


def _table(path: Path, lines: list[str]) -> Iterator[tuple[int, dict[str, str]]]:
    reader = csv.DictReader(lines)
    try:
        names, rows = reader.fieldnames or (), [(reader.line_num, row) for row in reader]
    except csv.Error as error:  # a cell as long as a book
        raise CorpusError(f"{path}, line {reader.line_num + 1}: {error}: is there a quote that is not closed?") from None
    if missing := [name for name in _NEEDED if name not in names]:
        raise CorpusError(f"{path}: lacks the column {missing[0]}: its first line must be {','.join(COLUMNS)}, of which three are needed")
    for name in names:
        if name not in COLUMNS:
            raise unknown_name(f"column of {path}", name, COLUMNS)
    for number, row in rows:
        if more := [cell for cell in row.get(None, ()) if cell.strip()]:
            raise CorpusError(f"{path}, line {number}: {more[0][:60]!r} is in no column: write a word that has a comma in quotes")
        yield number, {name: value or "" for name, value in row.items() if name in COLUMNS}


def _audacity(path: Path, lines: list[str]) -> Iterator[tuple[int, dict[str, str]]]:
    for number, line in enumerate(lines, start=1):
        if not line.strip() or line.startswith("\\"):  # the frequencies of a spectral selection
            continue
        cells = line.split("\t")
        if len(cells) < 3:
            raise CorpusError(f"{path}, line {number}: {line[:60]!r} is not a label: start, end and text between tabs are needed")
        if more := [cell for cell in cells[3:] if cell.strip()]:
            raise CorpusError(f"{path}, line {number}: {more[0][:60]!r} is not in the label: leave out the tab in front of it")
        text = cells[2].strip()
        kind = ("source", text[1:-1]) if text.startswith("[") and text.endswith("]") else ("word", text)
        yield number, {"start_s": cells[0], "end_s": cells[1], kind[0]: kind[1]}


def _interval(path: Path, number: int, row: dict[str, str]) -> Interval:
    values = {}
    for name in ("start_s", "end_s", "snr_db", "level_db"):
        text = row.get(name, "").strip()
        try:
            values[name] = float(text) if text or name.endswith("_s") else math.nan
        except ValueError:
            raise CorpusError(f"{path}, line {number}: {name} is {text!r}, not a number") from None
    if not 0 <= values["start_s"] <= values["end_s"] < math.inf:
        raise CorpusError(
            f"{path}, line {number}: {values['start_s']:g} to {values['end_s']:g} s is no interval: 0 <= start <= end is needed"
        )
    return Interval(word=row.get("word", "").strip(), source=row.get("source", "").strip(), **values)
