"""Run folders that were cut, changed or mixed up: one line each, and a good run stays as it was."""

from __future__ import annotations

import io
import json
import os
import shutil
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from toy_features import CONFIG, write_toy

pytest.importorskip("jax")

from kwsfeat import FeatureConfig, KwsError, Reader, StoreError
from kwstrain.cli import main
from kwstrain.config import TrainConfig, defaults
from kwstrain.data.clips import select
from kwstrain.evaluation import compare
from kwstrain.inference.bundle import Bundle
from kwstrain.inference.classifier import Classifier, load
from kwstrain.io import load_arrays, save_arrays
from kwstrain.training.fit import DivergedError, Tick, fit
from kwstrain.training.folder import checkpoint

QUICK = replace(defaults("lstm"), epochs=2, batch=16, options={"units": 4, "hidden": 4}, gradient_histograms=False)


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_toy(tmp_path_factory.mktemp("toy") / "toy.h5", n_clips=60)


@pytest.fixture(scope="module")
def good(toy: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "run"
    fit(toy, QUICK, out)
    return out


@pytest.fixture
def run(good: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(good, tmp_path / "run"))


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def edited(**changes: Any) -> Callable[[bytes], bytes]:
    """bundle.json with some values replaced, or dropped where None."""

    def edit(raw: bytes) -> bytes:
        values = {**json.loads(raw), **changes}
        return json.dumps({name: value for name, value in values.items() if value is not None}).encode()

    return edit


def npy(array: np.ndarray) -> bytes:
    out = io.BytesIO()
    np.save(out, array)
    return out.getvalue()


def npz(*, compressed: bool = False, **arrays: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED if compressed else zipfile.ZIP_STORED) as archive:
        for name, raw in arrays.items():
            archive.writestr(f"{name}.npy", raw)
    return out.getvalue()


HUGE = npy(np.zeros(3)).replace(b"(3,), }" + b" " * 10, b"(30000000000,), }")

NEEDED = ("train", "feature_name", "features", "labels", "mean", "std", "data", "parameters")
BUNDLES: dict[str, Callable[[bytes], bytes]] = {
    **{
        f"without {name}": edited(**{name: None}) for name in ("format", "train", "features", "labels", "mean", "std", "data", "parameters")
    },
    **{f"{name} a number": edited(**{name: 7}) for name in ("train", "features", "labels", "mean", "data", "parameters", "feature_name")},
    "labels numbers": edited(labels=[1, 2, 3]),
    "labels equal": edited(labels=["a", "a", "b"]),
    "one label": edited(labels=["a"]),
    "other labels": edited(labels=["a", "b"]),
    "mean text": edited(mean=["a"]),
    "mean too short": edited(mean=[0.0]),
    "mean nested": edited(mean=[[0.0] * 33]),
    "mean not finite": edited(mean=[float("nan")] * 33),
    "std 0": edited(std=[0.0] * 33),
    "std negative": edited(std=[-1.0] * 33),
    "a newer version": edited(format_version=99),
    "a list": lambda raw: b"[]",
    "empty": lambda raw: b"",
    "cut": lambda raw: raw[: len(raw) // 2],
    "not UTF-8": lambda raw: b"\xff\xfe",
    "nested without end": lambda raw: b"[" * 200_000,
}
ARRAYS: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda raw: b"",
    "cut": lambda raw: raw[: len(raw) // 2],
    "an array alone": lambda raw: npy(np.zeros(3)),
    "other arrays": lambda raw: npz(x=npy(np.zeros(3))),
    "noise": lambda raw: b"PK\x03\x04" + np.random.default_rng(0).bytes(500),
    "one bit": lambda raw: raw[: len(raw) // 2] + bytes([raw[len(raw) // 2] ^ 1]) + raw[len(raw) // 2 + 1 :],
    "pickled": lambda raw: npz(**{"lstm/kernel": npy(np.array([{}], object))}),
    "texts": lambda raw: npz(**{"lstm/kernel": npy(np.array(["a"]))}),
    "more than there is": lambda raw: npz(**{"lstm/kernel": HUGE}),
    "compressed": lambda raw: npz(compressed=True, **{"lstm/kernel": npy(np.zeros(10**6))}),
}


@pytest.mark.parametrize("damage", BUNDLES)
def test_damaged_bundle(damage: str, run: Path) -> None:
    (run / "bundle.json").write_bytes(BUNDLES[damage]((run / "bundle.json").read_bytes()))
    with pytest.raises(KwsError) as error:
        Bundle.load(run).model  # noqa: B018
    assert "\n" not in str(error.value)
    assert str(run) in str(error.value)


@pytest.mark.parametrize("damage", ARRAYS)
def test_damaged_weights(damage: str, run: Path) -> None:
    (run / "weights.npz").write_bytes(ARRAYS[damage]((run / "weights.npz").read_bytes()))
    with pytest.raises(StoreError, match=r"weights\.npz") as error:
        Bundle.load(run).model  # noqa: B018
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(("name", "value"), [("input_norm/std", 0.0), ("input_norm/mean", np.nan), ("lstm/kernel", np.inf)])
def test_weights_that_are_not_usable(name: str, value: float, run: Path) -> None:
    arrays = load_arrays(run / "weights.npz")
    save_arrays(run / "weights.npz", {**arrays, name: np.full_like(arrays[name], value)})
    with pytest.raises(StoreError, match=f"{name} holds values that are not usable"):
        Bundle.load(run).model  # noqa: B018


@pytest.mark.parametrize("damage", ARRAYS)
def test_a_damaged_checkpoint_is_refused_and_changes_nothing(damage: str, run: Path, toy: Path) -> None:
    (run / "checkpoint.npz").write_bytes(ARRAYS[damage]((run / "checkpoint.npz").read_bytes()))
    before = content(run)
    with pytest.raises(StoreError, match=r"checkpoint\.npz .*start without --resume|checkpoint\.npz is damaged") as error:
        checkpoint.load(run / "checkpoint.npz", [], QUICK)
    assert "\n" not in str(error.value)
    if damage == "cut":
        with pytest.raises(StoreError, match=r"checkpoint\.npz"):
            fit(toy, replace(QUICK, epochs=3), run, resume=True)
        assert {name: raw for name, raw in content(run).items() if "tfevents" not in name} == {
            name: raw for name, raw in before.items() if "tfevents" not in name
        }


def test_damaged_tables_do_not_end_a_comparison_in_a_traceback(run: Path) -> None:
    compare.row(run)
    for name, raw in (("summary.json", b"{}"), ("summary.json", b"["), ("metrics.csv", b""), ("metrics.csv", b"epoch\nx\n")):
        kept = (run / name).read_bytes()
        (run / name).write_bytes(raw)
        with pytest.raises(StoreError, match=r"damaged"):
            compare.row(run)
        (run / name).write_bytes(kept)


def test_a_refused_resume_leaves_the_run_as_it_was(run: Path, toy: Path, tmp_path: Path) -> None:
    before = content(run)
    other_features = write_toy(tmp_path / "hop.h5", n_clips=60, config=FeatureConfig.from_partial({"hop_length": 40}, CONFIG))
    other_clips = write_toy(tmp_path / "more.h5", n_clips=90)
    longer = replace(QUICK, epochs=3)
    for path, config, message in (
        (other_features, longer, "hop_length"),
        (other_clips, longer, "other clips"),
        (toy, replace(longer, lr=0.5), "lr: 0.5"),
        (toy, replace(longer, options={"units": 5, "hidden": 4}), "options"),
    ):
        with pytest.raises(KwsError, match=message):
            fit(path, config, run, resume=True)
        assert content(run) == before
    assert len(fit(toy, longer, run, resume=True).records) == 3


def test_a_replaced_run_comes_back_when_the_new_one_comes_to_nothing(run: Path, toy: Path) -> None:
    before = content(run)

    def stop(tick: Tick) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit(toy, QUICK, run, overwrite=True, progress=stop)
    assert content(run) == before
    with pytest.raises(DivergedError):
        fit(toy, replace(QUICK, lr=1e30, optimizer="sgd", clip_norm=0.0), run, overwrite=True)
    assert content(run) == before
    fit(toy, replace(QUICK, epochs=1), run, overwrite=True)
    assert [path.name for path in run.parent.iterdir()] == ["run"]
    assert (run / "weights.npz").read_bytes() != before["weights.npz"]


def test_a_file_in_the_run_that_is_replaced_stays(run: Path, toy: Path) -> None:
    inside = run / "toy.h5"
    shutil.copy(toy, inside)
    before = content(run)
    with pytest.raises(StoreError, match=r"holds .*toy\.h5, which is to be trained on: choose another --out"):
        fit(inside, QUICK, run, overwrite=True)
    assert content(run) == before


@pytest.mark.usefixtures("optimised")
def test_one_path_from_features_to_logits(good: Path, toy: Path) -> None:
    """The same logits from a split and from arrays of any number of clips; a run without its statistics in the weights is read too."""
    classifier = load(good)
    with Reader(toy) as reader:
        clips = select(reader, "toy", reader.rows("test"))
        features, length = np.array(reader.features("toy")[clips.rows]), np.array(reader.length[clips.rows])
        expected = classifier.logits_of(clips)
        audio = np.array(reader.audio[clips.rows])
    np.testing.assert_allclose(classifier.logits(features, length), expected, atol=1e-5)
    for n in (1, 3, len(features)):
        np.testing.assert_allclose(classifier.logits(features[:n], length[:n]), expected[:n], atol=1e-5)
    assert classifier.logits(features[:0]).shape == (0, 3)
    one, *rest = classifier.predict([audio[0], audio[1][: length[1]], good / "missing.wav", np.zeros(0, np.float32)])
    assert one.label == classifier.labels[expected[0].argmax()]
    assert [bool(answer.error) for answer in rest] == [False, True, True]
    alone = classifier.predict(audio[0])  # XLA may sum otherwise for one clip than for four
    assert alone.probabilities == pytest.approx(one.probabilities, rel=1e-6)
    assert replace(alone, probability=one.probability, probabilities=one.probabilities) == one
    arrays = load_arrays(good / "weights.npz")
    old = {name: value for name, value in arrays.items() if not name.startswith("input_norm")}
    assert len(old) == len(arrays) - 2
    earlier = Path(shutil.copytree(good, good.with_name("earlier")))
    save_arrays(earlier / "weights.npz", old)
    np.testing.assert_array_equal(Classifier(Bundle.load(earlier)).logits(features, length), classifier.logits(features, length))


def test_labels_with_markup_can_be_drawn() -> None:
    from kwstrain.report.figures import confusion_figure, png, shown

    labels = ("a$\\b$", "^_{", "line\nfeed\x1b[31m", "字" * 60, "<b>&")
    picture = png(confusion_figure(np.eye(5, dtype=np.int64), labels))
    assert picture.startswith(b"\x89PNG")
    assert shown(labels[2]) == "line\\nfeed\\x1b[31m"
    assert len(shown(labels[3])) == 40


def test_the_config_of_a_run_is_one_of_training(run: Path) -> None:
    assert Bundle.load(run).config == TrainConfig.from_dict(json.loads((run / "bundle.json").read_text())["train"])


def without(name: str) -> Callable[[bytes], bytes]:
    """A table without one of its columns."""

    def edit(raw: bytes) -> bytes:
        rows = [line.split(",") for line in raw.decode().splitlines()]
        at = rows[0].index(name)
        return "".join(",".join(row[:at] + row[at + 1 :]) + "\n" for row in rows).encode()

    return edit


@pytest.mark.parametrize(
    ("name", "edit"),
    [
        ("bundle.json", edited(parameters={})),
        ("bundle.json", edited(parameters={"total": "x", "trainable": 1, "non_trainable": 2})),
        ("summary.json", edited(confusion=None)),
        ("summary.json", edited(confusion=[[1, 2], [3, 4]])),
        ("summary.json", edited(confusion=[["a", "b", "c"]] * 3)),
        ("summary.json", edited(split=5)),
        ("test.json", lambda raw: b'{"accuracy": "x"}'),
        ("test.json", lambda raw: b'{"n_clips": [1]}'),
        ("test.json", lambda raw: b"[]"),
        ("metrics.csv", without("epoch")),
    ],
)
def test_what_compare_shows_is_looked_at_first(run: Path, name: str, edit: Callable[[bytes], bytes]) -> None:
    path = run / name
    path.write_bytes(edit(path.read_bytes() if path.exists() else b""))
    with pytest.raises(StoreError, match=r"run.*(damaged|parameters)"):
        compare.row(run)


def test_a_run_whose_name_is_no_text_has_pages(good: Path, toy: Path, tmp_path: Path) -> None:
    run = tmp_path / os.fsdecode(b"r\xff")
    shutil.copytree(good, run)
    assert main(["evaluate", str(run), str(toy)]) == 0
    assert main(["compare", str(run), "--html", str(tmp_path / "a.html"), "--csv", str(tmp_path / "a.csv")]) == 0
    assert b"r\xff" in (tmp_path / "a.html").read_bytes()


def test_scores_that_cannot_be_kept_are_said(run: Path, toy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (run / "test.json.partial").mkdir()
    assert main(["evaluate", str(run), str(toy)]) == 1
    said = capsys.readouterr()
    assert "test accuracy 0." in said.out or "test accuracy 1." in said.out
    assert "test.json.partial" in said.err
