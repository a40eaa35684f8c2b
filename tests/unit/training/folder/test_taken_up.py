"""--resume: what a run goes on with, and what would make it another run."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from toy_features import write_toy

pytest.importorskip("jax")

from kwsfeat import ConfigError, Reader
from kwstrain.config import TrainConfig
from kwstrain.data.clips import digest, select
from kwstrain.training.fit import fit
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
