"""Errors as one line, exit codes, and streams that are closed or full: for both programs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import click
import pytest

from kwsfeat.cli.boundary import run_command, wrong_usage
from kwsfeat.errors import ConfigError, StoreError, VerificationError, unknown_name


def raising(error: BaseException) -> click.Group:
    @click.group()
    def commands() -> None:
        pass

    @commands.command()
    def work() -> None:
        raise error

    return commands


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (StoreError("a\nb \x1b[31m"), 1, r"tool: a\nb \x1b[31m"),
        (unknown_name("split", "tset", ["test"]), 2, "tool: 'tset' is not a split: did you mean test?"),
        (VerificationError("damaged"), 4, "tool: damaged"),
        (KeyboardInterrupt(), 130, "\ntool: interrupted"),
        (OSError(28, "No space left on device", "out.h5"), 1, "tool: out.h5: No space left on device"),
        (OSError("no disk"), 1, "tool: no disk"),
    ],
)
def test_an_error_is_one_line_and_its_exit_code(error: BaseException, code: int, line: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(raising(error), "tool", ["work"]) == code
    assert capsys.readouterr() == ("", line + "\n")


def test_wrong_usage_says_how_to_use_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(raising(StoreError("")), "tool", ["wrok\x1b"]) == 2
    err = capsys.readouterr().err
    assert "Usage: tool" in err
    assert "\x1b" not in err


def test_a_choice_on_the_command_line_is_usage() -> None:
    error = ConfigError("hop_length=0 must be >= 1")
    with pytest.raises(ConfigError), wrong_usage():
        raise error
    assert error.exit_code == 2
    assert ConfigError.exit_code == 1


@pytest.mark.parametrize("program", ["kwsfeat", "kwstrain"])
@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_streams(program: str, closed: str, tmp_path: Path) -> None:
    """A file that is opened must not get the number of a stream, so that what is printed would be written into it."""
    code = f"from {program}.cli import main; code = main(['--version']); open('file', 'w').close(); print('lost'); raise SystemExit(code)"
    done = subprocess.run(["sh", "-c", f'exec "$0" -c "$1" {closed}', sys.executable, code], cwd=tmp_path, check=False)
    assert done.returncode == 0
    assert (tmp_path / "file").read_bytes() == b""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no full device")
def test_a_full_disk_below_the_output_is_said() -> None:
    code = "from kwsfeat.cli import main; raise SystemExit(main(['presets']))"
    with open("/dev/full", "w") as full:
        done = subprocess.run([sys.executable, "-c", code], stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == "kwsfeat: No space left on device\n"


def test_the_reader_of_the_output_may_leave() -> None:
    code = "from kwsfeat.cli import main; raise SystemExit(main(['presets', '--json']))"
    done = subprocess.run(["sh", "-c", '"$0" -c "$1" | true', sys.executable, code], stderr=subprocess.PIPE, text=True, check=False)
    assert done.stderr == ""
