"""The folder of a run: who may write to it, and by what names."""

from __future__ import annotations

import errno
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("jax")

from kwsfeat import StoreError
from kwstrain.config import TrainConfig
from kwstrain.inference.bundle import Bundle
from kwstrain.training.fit import Tick, fit
from kwstrain.training.folder import lock

pytestmark = pytest.mark.usefixtures("arch_toy")
ONCE = TrainConfig(arch="toy", epochs=1, lr=0.03, augment="off", gradient_histograms=False)


@pytest.fixture(scope="module")
def good(toy: Path, arch_toy: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "run"
    fit(toy, ONCE, out)
    return out


@pytest.fixture
def run(good: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(good, tmp_path / "run"))


def test_a_folder_that_is_trained_into_is_refused_and_stays(toy: Path, run: Path) -> None:
    refused: list[str] = []

    def meanwhile(tick: Tick) -> None:
        if tick.record is None:  # in the first epoch: the old run waits, the new one has no weights yet
            for choices in ({}, {"overwrite": True}, {"resume": True}):
                with pytest.raises(StoreError, match="run is in use by another fit: wait for it, or choose another --out") as error:
                    fit(toy, ONCE, run, **choices)
                refused.append(str(error.value))

    fit(toy, replace(ONCE, seed=7), run, overwrite=True, progress=meanwhile)
    assert len(refused) >= 3
    assert Bundle.load(run).config.seed == 7
    assert [path.name for path in run.parent.iterdir()] == ["run"]


@pytest.mark.parametrize("none", ["module", "on this disk"])
def test_without_locks_a_training_goes_on(none: str, toy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_locks(fd: int, how: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    if none == "module":
        monkeypatch.setattr(lock, "fcntl", None)
    else:
        monkeypatch.setattr(lock.fcntl, "flock", no_locks)
    fit(toy, ONCE, tmp_path / "new")
    assert [path.name for path in tmp_path.iterdir()] == ["new"]


def test_a_lock_that_was_left_by_a_killed_training_holds_nobody(toy: Path, tmp_path: Path) -> None:
    (tmp_path / ".new.lock").touch()
    fit(toy, ONCE, tmp_path / "new")
    assert [path.name for path in tmp_path.iterdir()] == ["new"]


def test_a_refused_resume_makes_no_folders(toy: Path, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no checkpoint to resume"):
        fit(toy, ONCE, tmp_path / "runs" / "new", resume=True)
    assert not (tmp_path / "runs").exists()


def test_a_link_to_a_run_stays_when_that_is_replaced(toy: Path, run: Path) -> None:
    link = run.parent / "link"
    link.symlink_to(run.name)
    for seed in (1, 2):
        fit(toy, replace(ONCE, seed=seed), link, overwrite=True)
        assert link.readlink() == Path(run.name)
        assert Bundle.load(run).config.seed == seed
        assert sorted(path.name for path in run.parent.iterdir()) == ["link", "run"]


@pytest.mark.parametrize("out", [".", "", "../new"])
def test_the_folder_where_one_is_takes_a_run_when_it_is_empty(out: str, toy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "new").mkdir()
    monkeypatch.chdir(tmp_path / "new")
    fit(toy, ONCE, out)
    assert (tmp_path / "new" / "weights.npz").is_file()
    with pytest.raises(StoreError, match="exists: choose another --out, or --overwrite"):
        fit(toy, ONCE, out)
    with pytest.raises(StoreError, match="new is where you are, so it is not overwritten: go elsewhere"):
        fit(toy, ONCE, out, overwrite=True)
    assert len(fit(toy, replace(ONCE, epochs=2), out, resume=True).records) == 2
    assert [path.name for path in tmp_path.iterdir()] == ["new"]


def test_the_root_is_no_place_for_a_run(toy: Path) -> None:
    with pytest.raises(StoreError, match="/ exists"):
        fit(toy, ONCE, "/")


@pytest.mark.parametrize("killed", ["before anything is written", "in the first epoch"])
def test_a_run_that_waits_for_its_successor_is_named(killed: str, toy: Path, run: Path) -> None:
    waits = run.parent / ".run.replaced"
    run.rename(waits)
    if killed == "in the first epoch":
        run.mkdir()
        shutil.copy(waits / "bundle.json", run)
    with pytest.raises(StoreError, match=r"run holds no weights yet, the run that it replaces waits in .*\.run\.replaced: give that one"):
        _ = Bundle.load(run).model
    assert Bundle.load(waits).model
    assert len(fit(toy, replace(ONCE, epochs=2), run, resume=True).records) == 2  # it is taken up
    assert Bundle.load(run).model
    assert [path.name for path in run.parent.iterdir()] == ["run"]
