"""Processes that die, hang or fail: none of the others waits for them, and the run goes on where it was."""

from __future__ import annotations

import os
import signal
import socket
import time
from pathlib import Path

import numpy as np
import pytest
from training_processes import fitting, free_port, losses, start, together_or_alone

pytest.importorskip("jax")


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
def test_a_process_that_is_silent_ends_the_others_within_a_minute(data: Path, tmp_path: Path) -> None:
    """One of three is stopped, as a machine that hangs: the others are told, and name it."""
    port, command = free_port(), fitting(data, tmp_path / "run", "--epochs", "300")
    running = [
        start(command, process=i, port=port, processes=3, **({"STOPS_AFTER": "1"} if i == 1 else {})) for i in range(3)
    ]  # fmt: skip
    try:
        os.waitid(os.P_PID, running[1].pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)
        stopped = time.monotonic()
        said = [running[i].communicate(timeout=900) for i in (0, 2)]
        assert time.monotonic() - stopped < 60
    finally:
        running[1].kill()
        running[1].communicate()
    assert [running[i].returncode for i in (0, 2)] == [1, 1]
    assert all("process 1 of 3, on " in error for _, error in said), said


def test_a_process_that_fails_ends_the_other(data: Path, tmp_path: Path) -> None:
    """Also where the other has much else to do."""
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "thesis.tex").touch()
    port = free_port()
    command = fitting(data, tmp_path / "run")
    both = [start(command, process=0, port=port), start(command, process=1, port=port, HEARS_LATE="1")]
    said = [process.communicate(timeout=900) for process in both]
    assert [process.returncode for process in both] == [1, 1]
    assert "run exists: choose another --out" in said[0][1]
    assert f"process 0 of 2, on {socket.gethostname()}, is gone" in said[1][1]


@pytest.mark.parametrize(("option", "name"), [("--seed", "seed"), ("--batch", "batch")])
def test_processes_that_were_told_different_things_do_not_train(data: Path, tmp_path: Path, option: str, name: str) -> None:
    port = free_port()
    command = fitting(data, tmp_path / "run")
    both = [start([*command, option, str(16 + i)], process=i, port=port) for i in range(2)]
    said = [process.communicate(timeout=900) for process in both]
    assert [process.returncode for process in both] == [1, 1]
    cause = f"process 1 has {name}=17, and process 0 {name}=16: start all with the same options"
    assert any(cause in error for _, error in said)  # the other may hear of its end before it comes to say so, too
    assert all(cause in error or "is gone, see what it says" in error for _, error in said)
    assert not (tmp_path / "run").exists()
