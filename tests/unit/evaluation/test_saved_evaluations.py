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

from kwstrain.cli import main
from kwstrain.config import TrainConfig
from kwstrain.evaluation import compare
from kwstrain.evaluation.evaluate import evaluate
from kwstrain.report.evaluation import save
from kwstrain.training.fit import fit
from kwstrain.training.folds import cross_validate

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


@pytest.mark.usefixtures("good")
def test_a_file_that_was_built_anew_with_other_training_clips_is_remarked_on(
    toy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def said(run: Path) -> bool:
        assert main(["evaluate", str(run), "--json"]) == 0
        out, err = capsys.readouterr()
        text = f"{own} was built anew since {run} was trained on it, with other training or validation clips"
        assert json.loads((run / "test.json").read_text())["remarks"] == json.loads(out)["remarks"]
        assert (text in err) == any(one.startswith(text) for one in json.loads(out)["remarks"])
        return text in err

    own, run = Path(shutil.copy(toy, tmp_path / "own.h5")), tmp_path / "run"
    fit(own, ONCE, run)
    cross_validate(own, ONCE, tmp_path / "folds", folds=2)
    for one in (run, tmp_path / "folds" / "fold-1"):
        assert not said(one)
    write_toy(own, n_clips=90)  # the first 60 clips are the same, in the same splits
    for one in (run, tmp_path / "folds" / "fold-1"):
        assert said(one)
    (run / "bundle.json").write_text(json.dumps({**json.loads((run / "bundle.json").read_text()), "splits": ""}))  # an earlier run
    assert not said(run)


def test_files_of_one_name_do_not_replace_each_others_scores(
    toy: Path, run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (run / "words-3-test.json").write_text("[]")  # of whatever
    files = []
    for i in range(3):
        (tmp_path / str(i)).mkdir()
        files.append(Path(shutil.copy(toy, tmp_path / str(i) / "words.h5")))
    names = ["words-test", "words-2-test", "words-4-test"]
    for _ in range(2):
        for path, name in zip(files, names, strict=True):
            monkeypatch.chdir(path.parent)
            assert main(["evaluate", str(run), "words.h5"]) == 0  # one and the same relative path
            assert str(run / f"{name}-mistakes.html") in capsys.readouterr().out
    found = {name: json.loads((run / f"{name}.json").read_text())["file"] for name in names}
    assert found == dict(zip(names, (str(path.resolve()) for path in files), strict=True))
    assert (run / "words-3-test.json").read_text() == "[]"
    assert sum(path.name.endswith("-mistakes.html") for path in run.iterdir()) == 3
