"""The line after an epoch: how long the remaining ones take."""

from __future__ import annotations

from typing import Any

import pytest

from kwsfeat.cli.console import Console
from kwstrain.cli.common.progress import TrainingProgress
from kwstrain.training.fit import Tick


def test_what_is_left_is_told_by_the_last_epoch(capsys: pytest.CaptureFixture[str]) -> None:
    """A run that goes on after three slow epochs of 100 s, of which a quick one says that two minutes are left."""
    record: dict[str, Any] = {
        "train_loss": 1.0, "train_accuracy": 0.5, "val_loss": float("nan"), "val_accuracy": float("nan"), "examples_per_s": 9.0,
    }  # fmt: skip
    with TrainingProgress(Console()) as progress:
        for epoch, seconds in ((3, 300.0), (4, 320.0), (10, 440.0)):
            progress(Tick(epoch, 10, epoch, 10, 1.0, 0.5, 9.0, {**record, "epoch": epoch, "seconds": seconds}))
    left = [line.rpartition("examples/s")[2].strip() for line in capsys.readouterr().err.splitlines() if line.startswith("epoch")]
    assert left == ["12 min left", "2 min left", ""]
