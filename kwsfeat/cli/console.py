"""What every command shares: the options ``--json``, ``--quiet`` and ``-v``, and where output goes.

Data goes to stdout. Notes and progress go to stderr; progress only when that is a terminal.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import wraps
from typing import Any

import click


@dataclass(frozen=True)
class Console:
    """Where a command's output goes."""

    as_json: bool = False
    quiet: bool = False
    verbose: bool = False

    def data(self, text: str, values: Any) -> None:
        """The result of a command on stdout: `text`, or `values` as JSON under ``--json``."""
        output = json.dumps(values, indent=2, ensure_ascii=False) if self.as_json else text
        click.echo(output.encode("utf-8", "replace"))  # file names need not be Unicode

    def note(self, text: str) -> None:
        """A remark on stderr, unless ``--quiet``."""
        if not self.quiet:
            click.echo(text, err=True)

    def detail(self, text: str) -> None:
        """A remark on stderr under ``-v``."""
        if self.verbose:
            click.echo(text, err=True)

    def progress(self, unit: str) -> AbstractContextManager[Callable[[int, int], None]]:
        """A bar with rate and time left on stderr; the context gives ``advance(done, total)``, both counts of `unit`."""
        if self.quiet or not sys.stderr.isatty():
            return nullcontext(lambda done, total: None)
        return _Bar(unit)


class _Bar:
    def __init__(self, unit: str) -> None:
        from tqdm import tqdm

        self._bar = tqdm(unit=unit, file=sys.stderr, dynamic_ncols=True, leave=False)

    def __enter__(self) -> Callable[[int, int], None]:
        return self._advance

    def _advance(self, done: int, total: int) -> None:
        self._bar.total = total
        self._bar.update(done - self._bar.n)

    def __exit__(self, *error: object) -> None:
        self._bar.close()


def console_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--json``, ``--quiet`` and ``--verbose`` to a command, which receives them as `console`."""

    @click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
    @click.option("-q", "--quiet", is_flag=True, help="No progress and no remarks.")
    @click.option("-v", "--verbose", is_flag=True, help="Say more on stderr.")
    @wraps(command)
    def wrapper(*args: Any, as_json: bool, quiet: bool, verbose: bool, **options: Any) -> Any:
        return command(*args, console=Console(as_json, quiet, verbose), **options)

    return wrapper


def layout_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that say where labels stand: ``--layout``, ``--pattern`` and ``--label-level``."""
    for option in (
        click.option("--label-level", type=int, metavar="N", help="Which folder is the label: 1 the outermost, -1 the innermost."),
        click.option("--pattern", metavar="PATTERN", help="How paths end: '{label}/{speaker}/*', '{speaker}-{label}-{take}'."),
        click.option("--layout", metavar="LAYOUT", help="The name of a layout (words, speakers, ...), instead of finding out."),
    ):
        command = option(command)
    return command
