"""--resume: what a run goes on with, and what would make it another run."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from toy_features import write_toy

pytest.importorskip("jax")

from kwsfeat import ConfigError, Reader, StoreError
from kwstrain.cli import main
from kwstrain.cli.training import keeping
from kwstrain.config import TrainConfig
from kwstrain.data.clips import digest, select
from kwstrain.training.fit import Tick, fit
from kwstrain.training.folds import cross_validate

pytestmark = pytest.mark.usefixtures("arch_toy")
ONCE = TrainConfig(arch="toy", epochs=1, batch=16, lr=0.03, augment="off", gradient_histograms=False)
TWICE = replace(ONCE, epochs=2)


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.mark.parametrize("begun", ["unstandardized", "from"])
def test_a_run_goes_on_with_its_own_clips_only(begun: str, toy: Path, tmp_path: Path) -> None:
    """Also where the statistics, which do not come from the file, are those of any."""
    config, start = replace(ONCE, standardize=begun != "unstandardized"), None
    if begun == "from":
        start = tmp_path / "first"
        fit(toy, ONCE, start)
    fit(toy, config, tmp_path / "run", start=start)
    before = content(tmp_path / "run")
    with Reader(toy) as reader:
        rows = reader.rows("train"), reader.rows("validation")
    more = write_toy(tmp_path / "more.h5", n_clips=150)
    for path, clips in ((more, None), (toy, (rows[0][:-1], rows[1])), (toy, (rows[0], rows[1][:-1])), (toy, rows[::-1])):
        with pytest.raises(ConfigError, match=r"run was trained or validated on other clips than those of .*start without --resume"):
            fit(path, replace(config, epochs=2), tmp_path / "run", start=start, rows=clips, resume=True)
        assert content(tmp_path / "run") == before
    moved = write_toy(tmp_path / "moved.h5")  # the same clips
    assert len(fit(moved, replace(config, epochs=2), tmp_path / "run", start=start, resume=True).records) == 2


def test_a_run_that_kept_no_digest_is_taken_up(toy: Path, tmp_path: Path) -> None:
    fit(toy, ONCE, tmp_path / "run")
    path = tmp_path / "run" / "bundle.json"
    values = json.loads(path.read_text())
    assert len(values.pop("clips")) == 16
    path.write_text(json.dumps(values))
    assert len(fit(toy, TWICE, tmp_path / "run", resume=True).records) == 2


def test_the_digest_is_of_the_clips_their_labels_and_their_order(toy: Path, tmp_path: Path) -> None:
    with Reader(toy) as reader, Reader(write_toy(tmp_path / "again.h5")) as again:
        rows = np.arange(70_000) % reader.n_clips  # more than are digested at a time
        found = digest(select(reader, "toy", rows))
        assert found == digest(select(again, "toy", rows))
        again.__dict__["label"] = (again.label + 1) % 3
        others = [(reader, rows[::-1]), (reader, rows[:-1]), (again, rows)]
        assert len({found, *(digest(select(one, "toy", chosen)) for one, chosen in others)}) == 4


@pytest.mark.parametrize("folds", [2, 3, "speakers"])
def test_folds_are_not_those_of_another_number(folds: int | str, tmp_path: Path) -> None:
    toy = write_toy(tmp_path / "toy.h5", n_clips=18)
    cross_validate(toy, ONCE, tmp_path / "run", folds=4)
    before = content(tmp_path / "run")
    with pytest.raises(ConfigError, match=r"fold-1 was trained or validated on other clips .*another file, split or number of folds"):
        cross_validate(toy, ONCE, tmp_path / "run", folds=folds, resume=True)
    assert content(tmp_path / "run") == before


@pytest.mark.parametrize("stopped_after", [1, 2, 3, 4])
def test_a_cross_validation_goes_on_where_it_stopped(stopped_after: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Within a fold, between two, and in the first epoch of one."""
    toy = write_toy(tmp_path / "toy.h5", n_clips=18)
    whole = cross_validate(toy, TWICE, tmp_path / "whole", folds=3)
    n_epochs = 0

    def stop(tick: Tick) -> None:
        nonlocal n_epochs
        n_epochs += tick.record is not None
        if n_epochs >= stopped_after and (tick.record is None or stopped_after % 2):  # after 2 and 4 in the epoch that follows
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cross_validate(toy, TWICE, tmp_path / "run", folds=3, progress=stop)
    assert not (tmp_path / "run" / "folds.json").exists()
    choices = ["--arch", "toy", "--epochs", "2", "--batch", "16", "--lr", "0.03", "--augment", "off", "-s", "gradient_histograms=false"]
    assert main(["fit", str(toy), *choices, "--out", str(tmp_path / "run"), "--folds", "3", "--resume"]) == 0
    said = capsys.readouterr().out
    for k, result in enumerate(whole.results, start=1):
        assert f"fold {k}  validation accuracy {result.best['val_accuracy']:.4f}" in said
        one, other = (np.load(tmp_path / name / f"fold-{k}" / "weights.npz") for name in ("run", "whole"))
        assert all(np.array_equal(one[name], other[name]) for name in other.files)
    assert json.loads((tmp_path / "run" / "folds.json").read_text()) == whole.to_dict()


def test_a_cross_validation_that_never_began_is_not_resumed(toy: Path, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="fold-1 holds no checkpoint to resume"):
        cross_validate(toy, ONCE, tmp_path / "run", folds=3, resume=True)
    assert not (tmp_path / "run").exists()


def test_after_ctrl_c_the_folds_are_said_to_be_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "fold-1").mkdir()
    for name, said in (("x", "no epoch was complete"), ("weights.npz", f"{tmp_path} keeps the folds so far; --resume continues")):
        (tmp_path / "fold-1" / name).touch()
        with pytest.raises(KeyboardInterrupt), keeping(tmp_path):
            raise KeyboardInterrupt
        assert said in capsys.readouterr().err


@pytest.mark.parametrize(("dropout", "ema"), [(0.0, 0.0), (0.5, 0.9)])
def test_a_budget_that_ended_inside_an_epoch_goes_on_there(dropout: float, ema: float, toy: Path, tmp_path: Path) -> None:
    """With the clips that follow, to the bit, and without counting steps that were not made."""
    config = replace(ONCE, options={"dropout": dropout}, ema=ema)
    whole = fit(toy, replace(config, steps=12), tmp_path / "whole")
    assert [record["step"] for record in whole.records] == [5, 10, 12]
    for steps, rows in ((3, [3]), (7, [3, 5, 7]), (7, [3, 5, 7]), (2, [3, 5, 7]), (12, [3, 5, 7, 10, 12])):
        ticks: list[Tick] = []
        result = fit(toy, replace(config, steps=steps), tmp_path / "run", resume=steps != 3, progress=ticks.append)
        assert [record["step"] for record in result.records] == rows
        assert [record["epoch"] for record in result.records] == list(range(1, len(rows) + 1))
        assert all(tick.n_epochs == len(rows) for tick in ticks)
    with np.load(tmp_path / "run" / "checkpoint.npz") as one, np.load(tmp_path / "whole" / "checkpoint.npz") as other:
        for name in one.files:
            if name != "about":
                np.testing.assert_array_equal(one[name], other[name])
