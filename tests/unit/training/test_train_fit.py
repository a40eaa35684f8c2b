"""fit: what a run folder holds, early stopping, resuming, interruption, divergence."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from toy_features import CONFIG, LABELS, write_toy

pytest.importorskip("jax")

import jax

from kwsfeat import FeatureConfig, Reader
from kwsfeat.errors import ConfigError, StoreError
from kwstrain.config import TrainConfig, defaults
from kwstrain.evaluation.evaluate import evaluate
from kwstrain.inference.bundle import Bundle
from kwstrain.report.evaluation import save
from kwstrain.training.fit import DivergedError, Tick, fit
from kwstrain.training.folder.events import Events
from kwstrain.training.step import TrainStep

QUICK = replace(defaults("lstm"), epochs=3, batch=16, options={"units": 16, "hidden": 8}, gradient_histograms=False)


@pytest.fixture(scope="module")
def run(toy: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "run"
    fit(toy, replace(QUICK, gradient_histograms=True), out)
    return out


def weights(run: Path) -> dict[str, np.ndarray]:
    with np.load(run / "weights.npz", allow_pickle=False) as arrays:
        return dict(arrays)


def same_weights(one: Path, other: Path) -> bool:
    a, b = weights(one), weights(other)
    return a.keys() == b.keys() and all(np.array_equal(a[name], b[name]) for name in a)


def test_the_run_folder_holds_all_that_the_network_needs(run: Path, toy: Path) -> None:
    bundle = Bundle.load(run)
    assert bundle.labels == LABELS
    assert bundle.feature_config == CONFIG
    assert bundle.config.arch == "lstm"
    mean, std = Reader(toy).statistics()
    np.testing.assert_array_equal(bundle.mean, mean)
    np.testing.assert_array_equal(bundle.std, std)
    assert json.loads((run / "bundle.json").read_text())["versions"].keys() >= {"kwsfeat", "jax", "flax", "optax", "numpy"}
    for picture in ("curves.png", "confusion.png"):
        assert (run / picture).read_bytes().startswith(b"\x89PNG")
    n_parameters = 33 * 64 + 16 * 64 + 64 + 16 * 8 + 8 + 8 * 3 + 3
    assert bundle.parameters == {"total": n_parameters, "trainable": n_parameters, "non_trainable": 0}


def test_metrics_csv_has_a_row_an_epoch(run: Path) -> None:
    with (run / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == ["1", "2", "3"]
    assert [row["step"] for row in rows] == ["5", "10", "15"]  # 72 clips in batches of 16
    assert float(rows[-1]["train_loss"]) < float(rows[0]["train_loss"])
    assert float(rows[-1]["val_accuracy"]) == 1.0
    assert float(rows[-1]["examples_per_s"]) > 0
    assert 0 <= float(rows[-1]["wait_share"]) < 1


def test_tensorboard_gets_scalars_histograms_and_images(run: Path) -> None:
    (events,) = run.glob("events.out.tfevents.*")
    content = events.read_bytes()
    for tag in (b"loss/train", b"loss/validation", b"accuracy/validation", b"micro-F1/validation", b"learning_rate",
                b"gradients/lstm/kernel", b"confusion"):  # fmt: skip
        assert tag in content


def test_the_network_learned_and_evaluation_says_so(run: Path) -> None:
    evaluation = evaluate(run)
    assert evaluation.scores.n_clips == 24
    assert evaluation.scores.accuracy == 1.0
    assert evaluation.mistakes == []
    assert [path.name for path in save(evaluation)] == ["test-confusion.png", "test-mistakes.html"]


def test_the_same_seed_gives_the_same_weights(toy: Path, run: Path, tmp_path: Path) -> None:
    fit(toy, QUICK, tmp_path / "again")
    assert same_weights(run, tmp_path / "again")
    fit(toy, replace(QUICK, seed=1), tmp_path / "other")
    assert not same_weights(run, tmp_path / "other")


def test_neither_streaming_nor_the_length_of_a_call_changes_the_result(toy: Path, run: Path, tmp_path: Path) -> None:
    fit(toy, replace(QUICK, resident_mb=0), tmp_path / "streamed")
    assert same_weights(run, tmp_path / "streamed")
    fit(toy, replace(QUICK, steps_per_dispatch=2), tmp_path / "short")
    for name, value in weights(run).items():
        np.testing.assert_allclose(weights(tmp_path / "short")[name], value, atol=1e-5)


def test_a_resumed_run_ends_like_one_that_never_stopped(toy: Path, run: Path, tmp_path: Path) -> None:
    def stop_after_two(tick: Tick) -> None:
        if tick.record and tick.epoch == 2:
            raise KeyboardInterrupt

    out = tmp_path / "run"
    with pytest.raises(KeyboardInterrupt):
        fit(toy, QUICK, out, progress=stop_after_two)
    assert json.loads((out / "summary.json").read_text())["ended"] == "interrupted"
    assert evaluate(out).scores.n_clips == 24  # the best weights so far are there
    result = fit(toy, QUICK, out, resume=True)
    assert [record["epoch"] for record in result.records] == [1, 2, 3]
    assert same_weights(run, out)
    with np.load(out / "checkpoint.npz") as one, np.load(run / "checkpoint.npz") as other:
        assert one.files == other.files
        for name in one.files:
            if name != "about":
                np.testing.assert_array_equal(one[name], other[name])


def test_resume_refuses_other_choices_and_needs_a_checkpoint(toy: Path, run: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"lr: 0.5, was 0.003"):
        fit(toy, replace(QUICK, lr=0.5), run, resume=True)
    with pytest.raises(StoreError, match="no checkpoint"):
        fit(toy, QUICK, tmp_path / "nothing", resume=True)


def test_a_run_is_replaced_only_when_asked_and_only_when_it_is_one(toy: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    once = replace(QUICK, epochs=1)
    fit(toy, once, out)
    with pytest.raises(StoreError, match="--overwrite"):
        fit(toy, once, out)
    fit(toy, once, out, overwrite=True)
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter1.tex").write_text("precious")
    with pytest.raises(StoreError, match="not a run folder"):
        fit(toy, once, tmp_path / "thesis", overwrite=True)
    assert (tmp_path / "thesis" / "chapter1.tex").read_text() == "precious"


def test_patience_ends_a_run_that_no_longer_improves(toy: Path, tmp_path: Path) -> None:
    # Validation accuracy is 1 from some epoch on, and a tie is not an improvement.
    result = fit(toy, replace(QUICK, epochs=30, patience=2, monitor="accuracy", schedule="constant"), tmp_path / "run")
    assert result.ended == "patience"
    assert len(result.records) == result.best_epoch + 2 < 30


def test_a_budget_in_steps_ends_inside_an_epoch(toy: Path, tmp_path: Path) -> None:
    result = fit(toy, replace(QUICK, steps=7), tmp_path / "run")
    assert [record["step"] for record in result.records] == [5, 7]


def test_without_validation_clips_the_training_loss_decides(toy: Path, tmp_path: Path) -> None:
    with Reader(toy) as reader:
        rows = reader.rows("train"), np.array([], np.int64)
    result = fit(toy, QUICK, tmp_path / "run", rows=rows)
    assert np.isnan(result.best["val_loss"])
    assert result.best["train_loss"] == min(record["train_loss"] for record in result.records)
    assert ",,," in (tmp_path / "run" / "metrics.csv").read_text()


def test_a_learning_rate_out_of_this_world_is_named_as_the_cause(toy: Path, tmp_path: Path) -> None:
    config = replace(QUICK, lr=1e30, optimizer="sgd", schedule="constant", clip_norm=0.0)
    with pytest.raises(DivergedError, match=r"step \d+ \(rows \d+, .*learning rate 1e\+30 is likely too high"):
        fit(toy, config, tmp_path / "run")


def test_features_that_are_not_finite_are_named_as_the_cause(tmp_path: Path) -> None:
    path = write_toy(tmp_path / "toy.h5")
    with Reader(path) as reader:
        place, row = reader.extents["features/toy"], int(reader.rows("train")[7])
    with path.open("r+b") as file:
        file.seek(place.offset + row * place.row_bytes)
        file.write(np.array([np.nan], "<f4").tobytes())
    with pytest.raises(DivergedError, match=f"features of row {row} are not finite"):
        fit(path, QUICK, tmp_path / "run")


def test_validation_features_that_are_not_finite_are_named(tmp_path: Path) -> None:
    path = write_toy(tmp_path / "toy.h5")
    fit(path, QUICK, tmp_path / "good")
    with Reader(path) as reader:
        place = reader.extents["features/toy"]
        rows = {split: int(reader.rows(split)[3]) for split in ("validation", "test")}
    for row in rows.values():
        with path.open("r+b") as file:
            file.seek(place.offset + row * place.row_bytes)
            file.write(np.array([np.nan], "<f4").tobytes())
    with pytest.raises(StoreError, match=f"features of row {rows['validation']} are not finite; run kwsfeat verify"):
        fit(path, QUICK, tmp_path / "run")
    with pytest.raises(StoreError, match=f"features of row {rows['test']} are not finite"):
        evaluate(tmp_path / "good", path)


def test_a_run_that_no_epoch_was_kept_of_has_failed(toy: Path, tmp_path: Path) -> None:
    """One step of an epoch has a finite loss; what it made of the weights has not."""
    config = replace(QUICK, lr=1e30, optimizer="sgd", schedule="constant", clip_norm=0.0, batch=72, epochs=1)
    with pytest.raises(DivergedError, match=r"validation loss was never finite .* learning rate 1e\+30 is likely too high: lower --lr"):
        fit(toy, config, tmp_path / "run")


def test_too_little_memory_is_said_in_one_line(toy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: TrainStep, *given: Any) -> None:
        raise jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 41417333088 bytes")

    monkeypatch.setattr(TrainStep, "train", full)
    with pytest.raises(ConfigError, match=r"a step of 1,000 clips \(of 72\) needs more memory than there is: lower --batch"):
        fit(toy, replace(QUICK, batch=1000), tmp_path / "run")


def test_rows_that_the_file_has_not_are_refused(toy: Path, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"has the rows 0 to 119: 5 to 120 were asked for"):
        fit(toy, QUICK, tmp_path / "run", rows=(np.array([5, 120]), np.array([1])))


def test_layers_to_freeze_may_be_a_number() -> None:
    assert TrainConfig.from_partial({"freeze": 2}).freeze == "2"
    with pytest.raises(ConfigError, match="freeze='-1' must be none, backbone or a number of layers"):
        TrainConfig.from_partial({"freeze": -1})


def test_a_file_with_other_features_is_refused_with_the_fields(run: Path, tmp_path: Path) -> None:
    other = FeatureConfig.from_partial({"hop_length": 40}, CONFIG)
    with pytest.raises(ConfigError, match=r"hop_length: 80 != 40"):
        evaluate(run, write_toy(tmp_path / "other.h5", config=other))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"epochs": 0}, "epochs=0 must be >= 1"),
        ({"lr": -1.0}, "lr=-1.0 must be > 0"),
        ({"optimizer": "adamax"}, "optimizer='adamax' must be one of adam, adamw, sgd"),
        ({"batch": 1.5}, "batch=1.5 must be a whole number"),
        ({"learning_rate": 1.0}, "'learning_rate' is not a field of TrainConfig"),
        ({"batches": 1}, "did you mean batch"),
        ({"label_smoothing": 1}, "label_smoothing=1.0 must be >= 0 and < 1"),
    ],
)
def test_a_wrong_choice_is_refused_with_its_bound(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        TrainConfig.from_partial(values)


def test_config_survives_json_and_refuses_strangers() -> None:
    config = replace(QUICK, lr=0.1)
    assert TrainConfig.from_json(config.to_json()) == config
    values = config.to_dict()
    del values["lr"]
    with pytest.raises(ConfigError, match="lacks lr"):
        TrainConfig.from_dict(values)


def test_gradients_that_have_no_histogram_are_passed_over(tmp_path: Path) -> None:
    """TensorBoard's writer fails on infinities; the step after them ends the run with a cause, this must not."""
    with Events(tmp_path) as events:
        events.gradients(1, {"bad": np.array([np.inf, 1.0]), "none": np.array([np.nan]), "huge": np.full(3, 3e38, np.float32)})
    written = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert b"gradients/huge" in written
    assert b"gradients/bad" not in written
    assert b"gradients/none" not in written


def test_one_class_is_refused_with_the_cure(tmp_path: Path) -> None:
    from kwsfeat.cli import main

    rng = np.random.default_rng(0)
    for i in range(10):
        (tmp_path / "c" / "hey").mkdir(parents=True, exist_ok=True)
        soundfile.write(tmp_path / "c" / "hey" / f"{i}.wav", rng.integers(-9000, 9000, 1600).astype(np.int16), 16000)
    assert main(["build", str(tmp_path / "c"), str(tmp_path / "a.h5"), "-q"]) == 0
    with pytest.raises(StoreError, match=r"has one class, 'hey', which nothing can be told from: build it with --unknown other"):
        fit(tmp_path / "a.h5", QUICK, tmp_path / "run")
    assert not (tmp_path / "run").exists()
