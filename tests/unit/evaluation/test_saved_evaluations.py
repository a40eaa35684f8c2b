"""What evaluations leave in a run folder: of which weights, of which file, of which split of it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from toy_features import write_toy

pytest.importorskip("jax")

from toy_network import toy_network

from kwstrain.config import TrainConfig
from kwstrain.evaluation import compare
from kwstrain.evaluation.evaluate import evaluate
from kwstrain.report.evaluation import save
from kwstrain.training.fit import fit

ONCE = TrainConfig(arch="toy", epochs=1, batch=16, lr=0.03, augment="off", gradient_histograms=False)


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_toy(tmp_path_factory.mktemp("toy") / "toy.h5", n_clips=60)


@pytest.fixture(scope="module")
def good(toy: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    out = tmp_path_factory.mktemp("runs") / "run"
    with toy_network():
        fit(toy, ONCE, out)
        yield out


@pytest.fixture
def run(good: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(good, tmp_path / "run"))


def saved(run: Path) -> set[str]:
    return {path.name for path in run.iterdir() if "test" in path.name}


def test_what_was_measured_goes_with_the_weights(toy: Path, run: Path, tmp_path: Path) -> None:
    mine = {"notes-test.json": '{"split": "test"}', "list-test.json": "[]", "test.txt": ""}
    for name, text in mine.items():
        (run / name).write_text(text)
    other = Path(shutil.copy(toy, tmp_path / "other.h5"))
    save(evaluate(run))
    save(evaluate(run, other))
    assert len(saved(run)) == 6 + len(mine)
    assert compare.row(run).values["test_accuracy"] is not None
    fit(toy, ONCE, run, resume=True)  # nothing is left to do: the weights stay
    assert len(saved(run)) == 6 + len(mine)
    fit(toy, replace(ONCE, epochs=2), run, resume=True)
    assert saved(run) == mine.keys()
    assert compare.row(run).values["test_accuracy"] is None
    save(evaluate(run))
    assert compare.row(run).values["test_accuracy"] == json.loads((run / "test.json").read_text())["accuracy"]
