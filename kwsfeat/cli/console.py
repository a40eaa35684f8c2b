"""Where the output of a command goes: the options ``--json``, ``--quiet`` and ``-v`` of every command of both programs.

Data goes to stdout. Remarks and progress go to stderr; progress only when that is a terminal. Names of files and labels may
hold anything: control characters are shown, never sent to the terminal.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import wraps
from typing import Any, TextIO

import click

from kwsfeat.audio.faults import group_remarks, listed
from kwsfeat.cli.progress import Bar


@dataclass(frozen=True)
class Console:
    """Where a command's output goes."""

    as_json: bool = False
    quiet: bool = False
    verbose: bool = False

    def data(self, text: str, values: Any) -> None:
        """The result of a command on stdout: `text`, or `values` as JSON under ``--json``."""
        output = as_json(values) if self.as_json else printable(text)
        _write(output)

    def note(self, text: str) -> None:
        """A remark on stderr, unless ``--quiet``."""
        if not self.quiet:
            remark(text)

    def next(self, *commands: str) -> None:
        """What to type next, on stderr, so that stdout holds results only."""
        self.note("\n".join(f"{'next' if i == 0 else '':8}  {command}" for i, command in enumerate(commands)))

    def note_recordings(self, remarks: Iterable[tuple[str, str]]) -> None:
        """(recording, remark) pairs on stderr: a line for each remark, with how many recordings it is about and the first of them."""
        for text, names in group_remarks(remarks).items():
            self.note(f"{len(names):,} recording{'s' if len(names) > 1 else ''}: {text}  ({one_line(listed(names))})")

    def detail(self, text: str) -> None:
        """A remark on stderr under ``-v``."""
        if self.verbose:
            remark(text)

    @contextmanager
    def with_library_remarks(self) -> Iterator[Console]:
        """Show what the library logs meanwhile, such as that kernels are being compiled, among this command's own remarks."""
        import logging

        handler = logging.Handler()
        handler.emit = lambda record: self.note(one_line(record.getMessage()))  # type: ignore[method-assign]
        logger = logging.getLogger("kwsfeat")
        level = logger.level
        logger.setLevel(logging.INFO)
        logger.addHandler(handler)
        try:
            yield self
        finally:
            logger.removeHandler(handler)
            logger.setLevel(level)

    def progress(self, unit: str) -> Bar:
        """A bar with rate and time left on stderr; the context gives ``advance(done, total)``, both counts of `unit`."""
        return Bar(unit, shown=not self.quiet and sys.stderr.isatty())


def console_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--json``, ``--quiet`` and ``--verbose`` to a command, which receives them as `console`."""

    @click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
    @click.option("-q", "--quiet", is_flag=True, help="No progress and no remarks.")
    @click.option("-v", "--verbose", is_flag=True, help="Say more on stderr.")
    @wraps(command)
    def wrapper(*args: Any, as_json: bool, quiet: bool, verbose: bool, **options: Any) -> Any:
        with Console(as_json, quiet, verbose).with_library_remarks() as console:
            return command(*args, console=console, **options)

    return wrapper


def remark(text: str) -> None:
    """A line on stderr. Work goes on where nobody can read it."""
    try:
        _write(printable(text), err=True)
    except OSError:
        discard(sys.stderr)


def _write(text: str, err: bool = False) -> None:
    """A line in UTF-8 whatever the locale says; as text where the stream takes nothing else, as in Jupyter."""
    data = text.encode("utf-8", "replace")  # file names need not be Unicode
    stream = sys.stderr if err else sys.stdout
    click.echo(data if hasattr(stream, "buffer") else data.decode(), err=err)


def discard(stream: TextIO) -> None:
    """Send what is still to be written to `stream` nowhere, so that the interpreter does not fail on it at its end."""
    with suppress(OSError, ValueError):  # a stream without a number, as in tests
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, stream.fileno())
        os.close(null)


def printable(text: str) -> str:
    """`text` with what a terminal would obey (escape sequences, changes of direction) written as ``\\x1b``; lines and tabs stay."""
    return _OBEYED.sub(_as_escape, text)


def one_line(text: str) -> str:
    """:func:`printable` for a field of a table: lines and tabs do not stay either."""
    return re.sub(r"[\t\n]", _as_escape, printable(text))


def as_json(values: Any) -> str:
    """`values` as JSON that a terminal shows as it is; a name that is not Unicode keeps its bytes, as Python writes them."""
    text = json.dumps(values, indent=2, ensure_ascii=False)
    return re.sub(f"{_OBEYED.pattern}|[\ud800-\udfff]", lambda found: f"\\u{ord(found[0]):04x}", text)


# All control characters except tab and newline; marks, embeddings and isolates of text direction; separators of lines.
_OBEYED = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")


def _as_escape(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode()
