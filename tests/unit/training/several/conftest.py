"""What several processes train on, and what one process makes of it."""

from __future__ import annotations

from pathlib import Path

import pytest
from toy_features import write_toy
from training_processes import fitting, together_or_alone


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_toy(tmp_path_factory.mktemp("data") / "toy.h5", n_clips=45)


@pytest.fixture(scope="session")
def alone(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run of one process with two devices."""
    run = tmp_path_factory.mktemp("alone") / "run"
    together_or_alone(fitting(data, run, "--epochs", "3"), 1, devices=2)
    return run
