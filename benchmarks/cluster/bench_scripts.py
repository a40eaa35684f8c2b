"""The scripts of this folder say what is wrong with where they shall write, before they begin."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent


@pytest.mark.parametrize("script", ["cold_reading", "workers", "coordinator"])
def test_a_folder_that_is_not_there(script: str) -> None:
    assert said(script, "--folder", "/nowhere") == "argument --folder: /nowhere is not a folder: create it, on a disk with room"


def test_a_disk_without_room(tmp_path: Path) -> None:
    assert said("cold_reading", "--gb", "1e9", "--folder", str(tmp_path)).startswith("1100000000.0 GB are needed, and ")
    assert list(tmp_path.iterdir()) == []


def said(script: str, *options: str) -> str:
    if script != "cold_reading":
        pytest.importorskip("distributed")
    done = subprocess.run([sys.executable, HERE / f"{script}.py", *options], capture_output=True, text=True, timeout=120)
    assert done.returncode == 2
    return done.stderr.splitlines()[-1].removeprefix(f"{script}.py: error: ")
