"""The border between the commands and the shell: exit codes, errors as one line, streams that are closed. Shared by both programs."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import click

from kwsfeat.cli.console import discard, one_line, remark
from kwsfeat.cli.interrupt import noticed
from kwsfeat.errors import ConfigError, KwsError

FAILED = 1
WRONG_USAGE = 2
SKIPPED = 3
INTERRUPTED = 130


def run_command(commands: click.Group, name: str, arguments: list[str] | None = None) -> int:
    """Run a command line; returns the exit code. The one place where an error becomes a line on stderr."""
    _open_missing_streams()
    code = _run(commands, name, arguments)
    try:
        sys.stdout.flush()
    except BrokenPipeError:  # the reader of our output has gone, as in `| head`
        discard(sys.stdout)
        return FAILED
    except OSError as error:
        discard(sys.stdout)
        return failed(name, f"the output cannot be written: {error.strerror}") if code == 0 else code
    return code


def _run(commands: click.Group, name: str, arguments: list[str] | None) -> int:
    try:
        with noticed():
            code = commands.main(args=arguments, prog_name=name, standalone_mode=False)
    except click.ClickException as error:
        text = io.StringIO()
        error.show(text)
        remark(text.getvalue().rstrip("\n"))
        return error.exit_code
    except KwsError as error:
        return failed(name, str(error), error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        return failed(name, "interrupted", INTERRUPTED)
    except BrokenPipeError:
        return FAILED
    except OSError as error:
        where = f"{os.fsdecode(error.filename)}: " if isinstance(error.filename, str | bytes) else ""
        return failed(name, f"{where}{error.strerror or error}")
    return code if isinstance(code, int) else 0


def failed(name: str, message: str, code: int = FAILED) -> int:
    """Say in one line what failed; returns `code`."""
    remark(f"{name}: {one_line(message)}")
    return code


def ended(code: int, arguments: list[str] | None) -> int:
    """What a program returns; one that was interrupted ends here, because threads may still be compiling, which Python cannot end."""
    if code == INTERRUPTED and arguments is None:  # called by the shell
        with suppress(OSError, ValueError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)
    return code


@contextmanager
def wrong_usage() -> Iterator[None]:
    """Makes a ConfigError end with the exit code of wrong usage: for choices that stand on the command line itself."""
    try:
        yield
    except ConfigError as error:
        error.exit_code = WRONG_USAGE
        raise


def _open_missing_streams() -> None:
    """Give closed streams to the null device, or the next file that is opened would get their number and what is printed."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number, which is this one
    if sys.stdout is None:
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115  # for as long as the program runs
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
