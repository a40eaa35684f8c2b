"""Several processes that train one network: the losses of one, each with its own rows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from folders import recordings
from toy_features import CONFIG
from training_processes import fitting, free_port, losses, start, together_or_alone

pytest.importorskip("jax")

from kwsfeat import ConfigError
from kwstrain.cli import main
from kwstrain.processes import together


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


def test_evaluate_and_predict_say_what_one_process_does(
    data: Path, alone: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
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
    assert main(command) == 3
    assert said[0][0] == f"{capsys.readouterr().out}clips read 0\n"
    assert "1 of 150 recordings could not be read and were left out" in said[0][1]
    assert len(said[0][0].splitlines()) == 149 + 1
    assert said[1][0] == "clips read 0\n"


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
