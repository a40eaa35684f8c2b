"""Commands of kwstrain in processes of their own, one or several that do one thing together, and what can be done to them."""

from __future__ import annotations

import csv
import os
import random
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

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
if "HEARS_LATE" in os.environ:
    from kwstrain.processes import _Watch
    heard = _Watch._heard
    def heard_late(self, connection):
        time.sleep(1)
        return heard(self, connection)
    _Watch._heard = heard_late
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
    """Below those that the system gives to whoever asks for any: one of these could be taken before it is used."""
    while True:
        with suppress(OSError), socket.create_server(("127.0.0.1", random.randrange(20_000, 32_000))) as server:
            return int(server.getsockname()[1])


def losses(run: Path) -> list[dict[str, Any]]:
    with open(run / "metrics.csv", newline="") as file:
        return [{name: float(row[name]) for name in ("train_loss", "train_accuracy", "val_loss")} for row in csv.DictReader(file)]
