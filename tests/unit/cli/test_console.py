"""Where output goes: data and remarks, JSON, and names that hold what a terminal would obey."""

from __future__ import annotations

import io
import json
import logging
import subprocess
import sys
from pathlib import Path

import pytest

from kwsfeat.cli.console import Console, as_json, one_line, printable

HOSTILE = "y\x1b[31mes \x07\x9b2J \u202egnp\u2066 \r \x7f"


def test_what_a_terminal_obeys_is_shown() -> None:
    assert printable(HOSTILE) == r"y\x1b[31mes \x07\x9b2J \u202egnp\u2066 \r \x7f"
    assert printable("größe\t日本 \u200d\n") == "größe\t日本 \u200d\n"
    assert one_line("a\tb\nc") == r"a\tb\nc"


@pytest.mark.parametrize("name", [HOSTILE, "tab\tline\n", "größe", "not unicode \udcff\udc80", 'quote " and \\'])
def test_json_gives_every_name_exactly(name: str) -> None:
    text = as_json({"path": name})
    assert json.loads(text) == {"path": name}
    assert printable(text) == text
    text.encode("utf-8")


def test_where_data_and_remarks_go(capsys: pytest.CaptureFixture[str]) -> None:
    console = Console()
    console.data("data \x1b[0m", {"a": 1})
    console.note("note \x1b[0m")
    console.detail("detail")
    assert capsys.readouterr() == ("data \\x1b[0m\n", "note \\x1b[0m\n")
    Console(as_json=True, quiet=True, verbose=True).data("text", {"a": 1})
    Console(quiet=True).note("note")
    Console(quiet=True, verbose=True).detail("detail")
    out, err = capsys.readouterr()
    assert json.loads(out) == {"a": 1}
    assert err == "detail\n"


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_streams_that_take_text_only(stream: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in Jupyter, and under contextlib.redirect_stdout."""
    monkeypatch.setattr(sys, stream, text := io.StringIO())
    Console().data("größe \udcff", {})
    Console().note("größe \udcff")
    assert text.getvalue() == "größe ?\n"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no full device")
def test_work_goes_on_where_remarks_cannot_be_written() -> None:
    code = "from kwsfeat.cli.console import Console; Console().note('nobody reads this'); print('done')"
    with open("/dev/full", "w") as full:
        done = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=full, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "done\n")


def test_progress_is_for_terminals(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    with Console().progress("clips") as advance:
        advance(1, 2)
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    with Console().progress("clips") as advance:
        advance(1, 2, "loss 0.5")
        advance(0, 4)
        advance.clear()
    assert "loss 0.5" in capsys.readouterr().err
    with Console(quiet=True).progress("clips") as advance:
        advance(1, 2)
    assert capsys.readouterr().err == ""


def test_remarks_of_the_library_are_shown_while_a_command_runs(capsys):
    logger = logging.getLogger("kwsfeat")
    with Console().with_library_remarks():
        logger.info("compiling kernels")
    assert capsys.readouterr().err == "compiling kernels\n"
    with Console(quiet=True).with_library_remarks():
        logger.warning("compiling kernels")
    logger.info("after")
    assert capsys.readouterr().err == ""
    assert (logger.handlers, logger.level) == ([], logging.NOTSET)
