"""Recipes with the systems' numbers, running one, comparing runs, cross-validation, search."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from toy_features import write_toy

pytest.importorskip("jax")

from kwsfeat import Reader, folds_of_rows, load_policy, preset
from kwsfeat.errors import ConfigError, StoreError
from kwstrain.cli import main
from kwstrain.config import defaults
from kwstrain.evaluation import compare
from kwstrain.models import names as networks
from kwstrain.recipes import run as recipes
from kwstrain.recipes.tune import TuneResult, tune
from kwstrain.training.fit import fit
from kwstrain.training.folds import cross_validate

QUICK = replace(defaults("lstm"), epochs=2, batch=16, options={"units": 8}, gradient_histograms=False)


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_toy(tmp_path_factory.mktemp("toy") / "toy.h5")


A = {"optimizer": "adam", "lr": 1e-4, "batch": 64, "loss": "softmax"}
B = {"batch": 32, "patience": 3, "monitor": "loss", "loss": "softmax"}
SYSTEMS: dict[str, dict[str, Any]] = {
    "mel-cnn": {**A, "arch": "cnn-deep", "epochs": 30, "features": "mel75", "split": "stratified:90/10/0"},
    "mfcc-cnn": {**A, "arch": "cnn-deep", "epochs": 100, "features": "mfcc75", "split": "stratified:90/10/0"},
    "mel-resnet50": {**A, "arch": "resnet50", "weights": "imagenet", "freeze": "none", "options": {"head": "A"}},
    "mel-inception": {**A, "arch": "inception-v3", "weights": "imagenet", "freeze": "none", "options": {"head": "A"}},
    "light-cnn": {**B, "arch": "cnn", "features": "logspec16k", "labels": "commands12", "split": "stratified:80/20/0"},
    "mnist": {**B, "arch": "cnn-mnist"},
    **{name: {**B, "arch": name, "weights": ""} for name in ("vgg16", "inception-v3", "resnet50")},
    **{f"{name}-pretrained": {**B, "arch": name, "weights": "imagenet"} for name in ("vgg16", "inception-v3", "resnet50")},
    "logspec-cnn": {
        "arch": "cnn", "features": "logspec8k", "labels": "commands12", "split": "stratified:75/25/0", "optimizer": "adam",
        "loss": "sigmoid", "batch": 16, "epochs": 3, "seed": 2017,
    },
    "vgg-160": {"arch": "vgg-160", "optimizer": "adam", "lr": 1e-3, "batch": 32, "steps": 9000, "loss": "softmax"},
    "raw-lstm": {"arch": "lstm-raw", "features": "waveform22k", "augment": "off", "split": "stratified:80/0/20"},
    "raw-lstm-nine": {"arch": "lstm-raw", "features": "waveform22k", "augment": "nine", "split": "stratified:80/0/20"},
    "mel-lstm": {"arch": "lstm", "features": "logmel64", "augment": "off", "gradient_histograms": True},
    "stream-bcresnet": {"arch": "bcresnet-2", "features": "logmel", "stream": True, "context_s": 1.0, "loudest": 1.0},
    "stream-mixednet": {"arch": "mixednet", "features": "logmel", "stream": True, "n_samples": 32_000},
    "mel-lstm-nine": {"arch": "lstm", "features": "logmel64", "augment": "nine", "gradient_histograms": True},
}  # fmt: skip


COMMANDS = ("v1-12", "v2-12", "v2-35")


def test_there_is_a_recipe_for_each_training_of_the_systems() -> None:
    assert recipes.names() == sorted([*SYSTEMS, *COMMANDS])


@pytest.mark.parametrize("name", sorted(SYSTEMS))
def test_a_recipe_has_the_numbers_of_its_system_and_refers_to_what_exists(name: str) -> None:
    recipe = recipes.load(name)
    fields = {**recipe.train.to_dict(), **recipe.build}
    assert {key: fields[key] for key in SYSTEMS[name]} == SYSTEMS[name]
    assert recipe.about
    preset(recipe.build["features"])
    load_policy(recipe.build.get("augment", "off"))
    assert recipe.train.arch in networks()


def test_any_field_can_be_overridden() -> None:
    recipe = recipes.load("mel-lstm").changed(
        {
            "train.lr": 0.5,
            "epochs": 2,
            "labels": "yes,no",
            "build.split": "80/10/10",
            "options.units": 7,
            "train.options.hidden": 9,
            "seed": 3,
        }
    )
    assert (recipe.train.lr, recipe.train.epochs, recipe.train.options) == (0.5, 2, {"units": 7, "hidden": 9})
    assert (recipe.build["labels"], recipe.build["split"]) == ("yes,no", "80/10/10")
    assert recipe.build["seed"] == recipe.train.seed == 3


@pytest.mark.parametrize(
    ("change", "message"), [("train.epoch", "epochs"), ("build.label", "labels"), ("learning", "'learning' is not a field of TrainConfig")]
)
def test_a_field_that_does_not_exist_is_refused(change: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        recipes.load("mel-lstm").changed({change: 1})


def test_unknown_recipes_are_answered_with_the_near_ones(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="mel-cnn"):
        recipes.load("mel-cn")
    (tmp_path / "mine.toml").write_text("[trian]\n")
    with pytest.raises(ConfigError, match="unknown part 'trian'"):
        recipes.load(tmp_path / "mine.toml")
    (tmp_path / "mine.toml").write_text("[build]\nlabel = 1\n")
    with pytest.raises(ConfigError, match="no field 'label'"):
        recipes.load(tmp_path / "mine.toml")


def test_run_goes_from_recordings_to_an_evaluated_run(tiny_corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "run"
    arguments = [
        "run",
        "mel-lstm",
        str(tiny_corpus),
        "--out",
        str(out),
        "-s",
        "split=stratified:70/15/15",
        "-s",
        "epochs=2",
        "-s",
        "batch=8",
    ]
    arguments += ["-s", "augment=nine", "-s", "options.units=8", "-s", "labels=yes,no", "-q"]
    assert main(arguments) == 0
    assert capsys.readouterr().out.splitlines()[-1].startswith("test accuracy")
    with Reader(out.with_suffix(".h5")) as reader:
        assert reader.labels == ("yes", "no", "silence")
        assert reader.config() == preset("logmel64")
        assert (reader.variant[reader.rows("train")] > 0).any()
        assert json.loads((out / "test.json").read_text())["n_clips"] == len(reader.rows("test")) > 0
    assert main(arguments) == 1
    assert "exists" in capsys.readouterr().err
    built = out.with_suffix(".h5").stat()
    assert main([*arguments, "-s", "epochs=3", "--resume"]) == 0  # with the file as it is
    assert out.with_suffix(".h5").stat() == built
    assert len((out / "metrics.csv").read_text().splitlines()) == 1 + 3


def test_what_goes_on_is_the_file_that_was_given(toy: Path, tmp_path: Path) -> None:
    """Beside the run may lie the file of another recipe."""
    (beside := tmp_path / "run.h5").touch()
    recipe = recipes.load("mel-lstm")
    assert recipes.build(recipe, toy, beside, keep=True) == toy
    assert recipes.build(recipe, tmp_path / "corpus", beside, keep=True) == beside


def test_fresh_augmentation_changes_the_training_and_repeats_with_its_seed(tmp_path: Path, tiny_corpus: Path) -> None:
    recipe = recipes.load("mel-lstm").changed({"build.split": "stratified:70/15/15", "features": "logmel", "labels": "yes,no"})
    path = recipes.build(recipe, tiny_corpus, tmp_path / "words.h5")
    losses = []
    for name, augment in (("plain", "off"), ("fresh", "bcresnet"), ("again", "bcresnet")):
        result = fit(path, replace(QUICK, augment=augment, dtype="float32"), tmp_path / name)
        losses.append([record["train_loss"] for record in result.records])
    assert losses[0] != losses[1] == losses[2]


def test_bfloat16_computes_and_stores_float32(toy: Path, tmp_path: Path) -> None:
    result = fit(toy, replace(QUICK, dtype="bfloat16", epochs=3), tmp_path / "run")
    assert result.best["val_accuracy"] == 1.0
    with np.load(tmp_path / "run" / "weights.npz") as arrays:
        assert {arrays[name].dtype for name in arrays.files} == {np.dtype(np.float32)}


def test_compare_gives_the_tables_of_system_b(toy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    runs = [tmp_path / "small", tmp_path / "large"]
    for run, units in zip(runs, (4, 16), strict=True):
        fit(toy, replace(QUICK, options={"units": units}), run)
    assert main(["evaluate", str(runs[0])]) == 0
    capsys.readouterr()
    assert main(["compare", *map(str, runs), "--csv", str(tmp_path / "t.csv"), "--html", str(tmp_path / "t.html")]) == 0
    text = capsys.readouterr().out
    for title in ("Complexity", "Best epoch", "After the first epoch"):
        assert title in text
    small, large = csv.DictReader(io.StringIO((tmp_path / "t.csv").read_text()))
    assert (small["run"], large["run"]) == ("small", "large")
    assert int(small["total"]) < int(large["total"])
    assert float(small["first_seconds"]) < float(small["seconds"])
    assert small["test_accuracy"] != ""
    assert large["test_accuracy"] == ""
    page = (tmp_path / "t.html").read_text()
    assert page.count("data:image/png") == 4
    assert "http" not in page
    assert compare.row(runs[0]).values["input"] == "26 x 33"


def test_compare_needs_runs_that_came_to_an_end(tmp_path: Path, toy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fit(toy, replace(QUICK, epochs=1), tmp_path / "run")
    (tmp_path / "run" / "summary.json").unlink()
    assert main(["compare", str(tmp_path / "run")]) == 1
    assert "not finished" in capsys.readouterr().err


def test_folds_keep_speakers_together_and_use_every_clip_once(toy: Path) -> None:
    with Reader(toy) as reader:
        number = folds_of_rows(reader, 5, seed=0)
        assert np.bincount(number).tolist() == [24] * 5
        for speaker in set(reader.speaker.tolist()):
            assert len(set(number[reader.speaker == speaker])) == 1
        by_recording = folds_of_rows(reader, 30, seed=0)  # 20 speakers: too few
        for label in range(3):
            counts = np.bincount(by_recording[reader.label == label], minlength=30)
            assert counts.max() - counts.min() <= 1
        with pytest.raises(ConfigError, match="folds=121"):
            folds_of_rows(reader, 121, seed=0)


def test_cross_validation_reports_mean_and_spread(toy: Path, tmp_path: Path) -> None:
    result = cross_validate(toy, replace(QUICK, epochs=1), tmp_path / "run", folds=3)
    saved = json.loads((tmp_path / "run" / "folds.json").read_text())
    assert saved["mean"] == pytest.approx(np.mean(saved["accuracy"])) == result.mean
    assert saved["spread"] == pytest.approx(np.std(saved["accuracy"], ddof=1))
    held = [json.loads((tmp_path / "run" / f"fold-{k}" / "summary.json").read_text())["n_clips"] for k in (1, 2, 3)]
    assert sum(held) == 96  # all that are not in the test split


def test_tune_searches_and_goes_on(toy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("optuna")
    recipe = tmp_path / "mine.toml"
    recipe.write_text(
        '[train]\narch = "lstm"\nepochs = 1\nbatch = 16\ngradient_histograms = false\n'
        '[search]\n"train.lr" = { low = 1e-4, high = 1e-1, log = true }\n"train.options.units" = [4, 8]\n'
    )
    arguments = ["tune", str(recipe), str(toy), "--out", str(tmp_path / "tune"), "--trials"]
    assert main([*arguments, "1", "-q"]) == 0
    assert main([*arguments, "3"]) == 0
    out, err = capsys.readouterr()
    assert "best      trial" in out
    assert f"next      kwstrain run {recipe} {toy} -s train.lr=" in err
    assert "kwstrain run" not in out  # a table of results and nothing else
    assert sorted(path.name for path in (tmp_path / "tune").glob("trial-*")) == ["trial-0", "trial-1", "trial-2"]
    assert (tmp_path / "tune" / "accuracy-against-time.png").read_bytes().startswith(b"\x89PNG")
    rates = {json.loads((run / "bundle.json").read_text())["train"]["lr"] for run in (tmp_path / "tune").glob("trial-*")}
    assert len(rates) == 3


def test_tune_survives_bad_trials_changed_spaces_and_other_builds(tmp_path: Path, tiny_corpus: Path) -> None:
    """What differs gets names of its own; a trial that fails is left out; nothing that is there is written over."""
    pytest.importorskip("optuna")
    out = tmp_path / "tune"

    def search(space: dict[str, Any], data: Path, n_trials: int, lr: float = 0.01) -> TuneResult:
        train = replace(QUICK, epochs=1, batch=32, features="", lr=lr)
        recipe = recipes.Recipe("mine", "", {"features": "logmel", "split": "stratified:60/20/20"}, train, space)
        return tune(recipe, data, out, n_trials=n_trials)

    first = search({"build.labels": ["yes,no", "no,yes"]}, tiny_corpus, 3)
    for trial in first.trials:
        labels = json.loads((out / f"trial-{trial.number}" / "bundle.json").read_text())["labels"]
        assert ",".join(labels[:2]) == trial.choices["build.labels"]  # then comes silence
    n_files = len(list(out.glob("features-*.h5")))
    assert n_files == len({trial.choices["build.labels"] for trial in first.trials})
    kept = {path: path.read_bytes() for path in out.glob("trial-*/weights.npz")}
    changed = search({"build.labels": ["yes,no", "no,yes", "yes,up"], "train.lr": [0.1, 1e30]}, tiny_corpus, 3)
    assert all(trial.number >= 3 for trial in changed.trials)
    assert all(trial.choices["train.lr"] == 0.1 for trial in changed.trials), "the others diverged"
    assert kept == {path: path.read_bytes() for path in kept}
    assert search({"build.labels": ["yes,no", "no,yes"]}, tiny_corpus, 3).trials == first.trials, "it goes on with its own trials"
    with pytest.raises(ConfigError, match=r"no trial of 'mine' came to an end; the last: .*learning rate"):
        search({"train.lr": [1e30, 1e29]}, tiny_corpus, 2)
    for space in ([], {"low": 1}, {"low": 2, "high": 1}, {"low": 0.0, "high": 1.0, "log": True}, [[1]]):
        with pytest.raises(ConfigError, match=r"search space of 'train.lr'"):
            search({"train.lr": space}, tiny_corpus, 1)
    (out / "study.db").write_bytes(b"not a database")
    with pytest.raises(StoreError, match="is not a study"):
        search({"train.lr": [0.1]}, tiny_corpus, 1)


def test_tune_without_a_search_space_says_how_to_add_one(toy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("optuna")
    assert main(["tune", "vgg-160", str(toy), "--out", str(tmp_path / "tune"), "-q"]) == 1
    assert "[search]" in capsys.readouterr().err
