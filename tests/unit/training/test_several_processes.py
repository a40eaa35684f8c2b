"""Several processes that train one network: the losses of one, each with its own rows, and none that waits for the dead."""

from __future__ import annotations

import csv
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from toy_features import write_toy

pytest.importorskip("jax")

from kwsfeat import ConfigError
from kwstrain.cli import main
from kwstrain.processes import together

CODE = """
import os, signal, sys
from kwstrain.data.clips import Clips
read = []
load = Clips.load
def counted(self, rows, epoch=0):
    read.append(rows.size)
    return load(self, rows, epoch)
Clips.load = counted
from kwstrain.training.run import Run
keep = Run._keep
def kept(self, record):
    keep(self, record)
    if str(record["epoch"]) == os.environ.get("DIES_AFTER"):
        os.kill(os.getpid(), signal.SIGKILL)
Run._keep = kept
from kwstrain.cli import main
if __name__ == "__main__":
    code = main(sys.argv[1:])
    print("clips read", sum(read))
    sys.exit(code)
"""
QUICK = ["--arch", "lstm", "-s", "options.units=4", "-s", "options.dropout=0.0", "-s", "gradient_histograms=false", "--batch", "8"]


def start(
    data: Path, out: Path, process: int | None, port: int = 0, *more: str, devices: int = 1, dies_after: str = ""
) -> subprocess.Popen[str]:
    several = ["--distributed", "--coordinator", f"127.0.0.1:{port}", "--processes", "2", "--process", str(process)]
    command = [sys.executable, "-c", CODE, "fit", str(data), "--out", str(out), *QUICK, *more, *(several if process is not None else [])]
    environment = {**os.environ, "JAX_NUM_CPU_DEVICES": str(devices), "DIES_AFTER": dies_after}
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def losses(run: Path) -> list[dict[str, Any]]:
    with open(run / "metrics.csv", newline="") as file:
        return [{name: float(row[name]) for name in ("train_loss", "train_accuracy", "val_loss")} for row in csv.DictReader(file)]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_toy(tmp_path_factory.mktemp("data") / "toy.h5", n_clips=45)


@pytest.fixture(scope="module")
def alone(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run of one process with two devices."""
    run = tmp_path_factory.mktemp("alone") / "run"
    process = start(data, run, None, 0, "--epochs", "3", devices=2)
    _, error = process.communicate(timeout=300)
    assert process.returncode == 0, error
    return run


def test_two_processes_give_the_losses_of_one_with_two_devices(data: Path, alone: Path, tmp_path: Path) -> None:
    """27 training and 9 validation clips: each process reads half of each batch, with what fills up the last ones."""
    port = free_port()
    both = [start(data, tmp_path / "two", process, port, "--epochs", "3") for process in (0, 1)]
    said = [process.communicate(timeout=300) for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    assert losses(tmp_path / "two") == losses(alone)
    assert said[0][0].startswith("validation accuracy")  # nothing else is on stdout
    assert "validation accuracy" not in said[1][0]
    read = [int(out.split("clips read ")[1]) for out, _ in said]
    assert read == [3 * (4 * 8 + 2 * 8) // 2] * 2


def test_a_process_that_dies_ends_the_other_and_the_run_goes_on_without_it(data: Path, alone: Path, tmp_path: Path) -> None:
    """Killed after the first epoch or, at most, the second; then one process goes on, and ends as if nothing had happened."""
    port, run = free_port(), tmp_path / "run"
    both = [start(data, run, 0, port, "--epochs", "3"), start(data, run, 1, port, "--epochs", "3", dies_after="1")]
    said = [process.communicate(timeout=300) for process in both]
    assert [process.returncode for process in both] == [1, -signal.SIGKILL], said
    assert "kwstrain: process 1 of 2 is gone, see what it says: start all of them again with --resume" in said[0][1]
    assert 1 <= len(losses(run)) < 3
    goes_on = start(data, run, None, 0, "--epochs", "3", "--resume")
    _, error = goes_on.communicate(timeout=300)
    assert goes_on.returncode == 0, error
    for ours, theirs in zip(losses(run), losses(alone), strict=True):
        np.testing.assert_allclose(ours["train_loss"], theirs["train_loss"], rtol=1e-4)


def test_a_process_that_fails_ends_the_other(data: Path, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "thesis.tex").touch()
    port = free_port()
    both = [start(data, tmp_path / "run", process, port) for process in (0, 1)]
    said = [process.communicate(timeout=120) for process in both]
    assert [process.returncode for process in both] == [1, 1]
    assert "run exists: choose another --out" in said[0][1]
    assert "process 0 of 2 is gone" in said[1][1]


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        (("localhost:1", 2, None), "coordinator, processes and process belong together"),
        (("localhost", 2, 0), "coordinator='localhost' must be HOST:PORT"),
        (("localhost:1", 2, 2), "process=2 must be from 0 to 1"),
    ],
)
def test_choices_that_do_not_fit(choices: tuple[Any, ...], message: str) -> None:
    with pytest.raises(ConfigError, match=message), together(*choices):
        pass


def test_wrong_usage(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fit", str(data), "--out", str(tmp_path / "run"), "--process", "0"]) == 2
    assert "are for --distributed" in capsys.readouterr().err
    assert main(["fit", str(data), "--out", str(tmp_path / "run"), "--distributed", "--process", "0"]) == 2
    assert "belong together" in capsys.readouterr().err
