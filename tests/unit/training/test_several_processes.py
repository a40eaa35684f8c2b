"""Several processes that train one network: the losses of one, each with its own rows, and none that waits for the dead."""

from __future__ import annotations

import csv
import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from folders import recordings
from toy_features import CONFIG, write_toy

pytest.importorskip("jax")

from kwsfeat import ConfigError
from kwstrain.cli import main
from kwstrain.processes import together

CODE = """
import os, signal, sys, time
if "CLOCKS_APART_S" in os.environ:
    right, shift_s = time.time, float(os.environ["CLOCKS_APART_S"]) * int(sys.argv[-1])  # the number of the process
    time.time = lambda: right() + shift_s
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
        while not (self.bundle.folder / "checkpoint.npz").exists():  # which the first process writes, after all else of the epoch
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGKILL)
    if str(record["epoch"]) == os.environ.get("STOPS_AFTER"):
        os.kill(os.getpid(), signal.SIGSTOP)
Run._keep = kept
def windows_of(row_bytes):
    from kwstrain.data import order
    order._WINDOWED_BYTES, order._PIECE_BYTES, order._WINDOW_BYTES = 0, 2 * row_bytes, 16 * row_bytes
if "WINDOWS" in os.environ:
    windows_of(int(os.environ["WINDOWS"]))
from kwstrain.cli import main
if __name__ == "__main__":
    code = main(sys.argv[1:])
    print("clips read", sum(read))
    sys.exit(code)
"""
QUICK = ["--arch", "lstm", "-s", "options.units=4", "-s", "options.dropout=0.0", "-s", "gradient_histograms=false", "--batch", "8"]


def start(
    command: list[str], *, process: int | None = None, port: int = 0, processes: int = 2, devices: int = 1, **environment: str
) -> subprocess.Popen[str]:
    """A command of kwstrain in a process, which is one of several unless `process` is None."""
    several = ["--distributed", "--coordinator", f"127.0.0.1:{port}", "--processes", str(processes), "--process", str(process)]
    command = [sys.executable, "-c", CODE, *command, *(several if process is not None else [])]
    environment = {**os.environ, "JAX_NUM_CPU_DEVICES": str(devices), **environment}
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)


def fitting(data: Path, out: Path, *more: str) -> list[str]:
    return ["fit", str(data), "--out", str(out), *QUICK, *more]


def together_or_alone(command: list[str], processes: int, **options: Any) -> list[tuple[str, str]]:
    """What each of `processes` processes says, all of which end well."""
    port = free_port()
    if processes == 1:
        running = [start(command, **options)]
    else:
        running = [start(command, process=i, port=port, processes=processes, **options) for i in range(processes)]
    said = [process.communicate(timeout=900) for process in running]
    assert [process.returncode for process in running] == [0] * processes, said
    return said


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
    together_or_alone(fitting(data, run, "--epochs", "3"), 1, devices=2)
    return run


def test_two_processes_give_the_losses_of_one_with_two_devices(data: Path, alone: Path, tmp_path: Path) -> None:
    """27 training and 9 validation clips: each process reads half of each batch, with what fills up the last ones. Their clocks are ten
    years apart."""
    said = together_or_alone(fitting(data, tmp_path / "two", "--epochs", "3"), 2, CLOCKS_APART_S="3e8")
    assert losses(tmp_path / "two") == losses(alone)
    assert said[0][0].startswith("validation accuracy")  # nothing else is on stdout
    assert "validation accuracy" not in said[1][0]
    read = [int(out.split("clips read ")[1]) for out, _ in said]
    assert read == [3 * (4 * 8 + 2 * 8) // 2] * 2


@pytest.mark.slow
def test_four_processes_and_windows(data: Path, tmp_path: Path) -> None:
    """As if no memory held the 27 clips."""
    row_bytes = 4 * int(np.prod(CONFIG.shape))
    command = ["--epochs", "2", "-s", "resident_mb=0"]
    together_or_alone(fitting(data, tmp_path / "four", *command), 4, WINDOWS=str(row_bytes))
    together_or_alone(fitting(data, tmp_path / "one", *command), 1, devices=4, WINDOWS=str(row_bytes))
    for ours, theirs in zip(losses(tmp_path / "four"), losses(tmp_path / "one"), strict=True):
        np.testing.assert_allclose(list(ours.values()), list(theirs.values()), rtol=1e-5)  # gradients of four are summed in another order


def test_evaluate_and_predict_say_what_one_process_does(data: Path, alone: Path, tmp_path: Path) -> None:
    command = ["evaluate", str(alone), str(data), "--split", "train", "--json"]
    both = together_or_alone(command, 2)
    one = together_or_alone(command, 1, devices=2)
    (values, _), (expected, _) = (json.JSONDecoder().raw_decode(said) for said in (both[0][0], one[0][0]))
    assert values == expected
    assert values["n_clips"] == 27
    assert both[1][0].startswith("clips read")
    waves = recordings(tmp_path / "waves", *(f"{i:03}.wav" for i in range(150)))
    (waves / "001.wav").write_text("nothing that can be heard")
    command = ["predict", str(alone), str(waves)]
    port = free_port()
    running = [start(command, process=i, port=port) for i in range(2)]
    said = [process.communicate(timeout=900) for process in running]
    assert [process.returncode for process in running] == [3, 3], said
    alone_said = start(command).communicate(timeout=900)
    assert said[0][0] == alone_said[0]
    assert "1 of 150 recordings could not be read and were left out" in said[0][1]
    assert len(said[0][0].splitlines()) == 149 + 1
    assert said[1][0] == "clips read 0\n"


def test_a_process_that_dies_ends_the_other_and_the_run_goes_on_without_it(data: Path, alone: Path, tmp_path: Path) -> None:
    """Killed when the first epoch is written, before the second can be; one process goes on, and ends as if nothing had happened."""
    port, command = free_port(), fitting(data, tmp_path / "run", "--epochs", "3")
    both = [start(command, process=0, port=port), start(command, process=1, port=port, DIES_AFTER="1")]
    said = [process.communicate(timeout=900) for process in both]
    assert [process.returncode for process in both] == [1, -signal.SIGKILL], said
    expected = f"kwstrain: process 1 of 2, on {socket.gethostname()}, is gone, see what it says: start all of them again, a training with"
    assert expected in said[0][1]
    assert len(losses(tmp_path / "run")) == 1
    together_or_alone([*command, "--resume"], 1)
    for ours, theirs in zip(losses(tmp_path / "run"), losses(alone), strict=True):
        np.testing.assert_allclose(ours["train_loss"], theirs["train_loss"], rtol=1e-4)


@pytest.mark.slow
def test_a_run_of_one_process_is_resumed_by_two(data: Path, alone: Path, tmp_path: Path) -> None:
    command = fitting(data, tmp_path / "run", "--epochs", "3")
    dying = start(command, devices=2, DIES_AFTER="1")
    dying.communicate(timeout=900)
    assert dying.returncode == -signal.SIGKILL
    assert len(losses(tmp_path / "run")) == 1
    together_or_alone([*command, "--resume"], 2)
    assert losses(tmp_path / "run") == losses(alone)


@pytest.mark.slow
def test_a_process_that_is_silent_ends_the_others(data: Path, tmp_path: Path) -> None:
    """One of three is stopped, as a machine that hangs: the others are told, and name it."""
    port, command = free_port(), fitting(data, tmp_path / "run", "--epochs", "300")
    running = [
        start(command, process=i, port=port, processes=3, **({"STOPS_AFTER": "1"} if i == 1 else {})) for i in range(3)
    ]  # fmt: skip
    try:
        os.waitid(os.P_PID, running[1].pid, os.WSTOPPED)
        said = [running[i].communicate(timeout=900) for i in (0, 2)]
    finally:
        running[1].kill()
        running[1].communicate()
    assert [running[i].returncode for i in (0, 2)] == [1, 1]
    assert all("process 1 of 3, on " in error for _, error in said), said


def test_a_process_that_fails_ends_the_other(data: Path, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "thesis.tex").touch()
    port = free_port()
    both = [start(fitting(data, tmp_path / "run"), process=process, port=port) for process in (0, 1)]
    said = [process.communicate(timeout=900) for process in both]
    assert [process.returncode for process in both] == [1, 1]
    assert "run exists: choose another --out" in said[0][1]
    assert f"process 0 of 2, on {socket.gethostname()}, is gone" in said[1][1]


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
