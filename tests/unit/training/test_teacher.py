"""Distillation: the loss by its definition, what the teacher hears, and which teachers are refused."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from toy_features import CONFIG, write_toy

pytest.importorskip("jax")


from kwsfeat import ConfigError, FeatureConfig, Reader, StoreError
from kwstrain.config import TrainConfig
from kwstrain.data.clips import select
from kwstrain.inference.bundle import Bundle
from kwstrain.inference.classifier import Classifier
from kwstrain.training.fit import fit
from kwstrain.training.objective import imitation
from kwstrain.training.teacher import Teacher

TOY = TrainConfig(arch="toy", batch=72, epochs=1, augment="off", gradient_histograms=False)


pytestmark = pytest.mark.usefixtures("arch_toy")


@pytest.fixture(scope="module")
def teacher(toy: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "teacher"
    fit(toy, replace(TOY, epochs=2, lr=3e-2), out)
    return out


def softmax(z: np.ndarray) -> np.ndarray:
    e = np.exp(z - z.max(1, keepdims=True))
    return np.asarray(e / e.sum(1, keepdims=True))


def test_imitation_by_its_definition() -> None:
    rng = np.random.default_rng(0)
    student, taught = rng.standard_normal((2, 5, 4)).astype(np.float32) * 3
    expected = -9.0 * (softmax(taught / 3) * np.log(softmax(student / 3))).sum(1)
    np.testing.assert_allclose(imitation(student, taught, TrainConfig(temperature=3.0)), expected, rtol=1e-5)
    p, q = 1 / (1 + np.exp(-taught / 3)), 1 / (1 + np.exp(-student / 3))
    expected = -9.0 * (p * np.log(q) + (1 - p) * np.log(1 - q)).mean(1)
    np.testing.assert_allclose(imitation(student, taught, TrainConfig(temperature=3.0, loss="sigmoid")), expected, rtol=1e-4)


def test_the_first_loss_mixes_labels_and_answers(toy: Path, teacher: Path, tmp_path: Path) -> None:
    """One batch is the whole split: its loss is that of the student's first weights."""
    kept = {}
    for name, weight in (("labels", None), ("mixed", 0.25), ("answers", 1.0)):
        config = TOY if weight is None else replace(TOY, teacher_weight=weight, temperature=2.0)
        result = fit(toy, config, tmp_path / name, teacher=None if weight is None else teacher)
        kept[name] = result.records[0]["train_loss"]
    assert kept["mixed"] == pytest.approx(0.75 * kept["labels"] + 0.25 * kept["answers"], rel=1e-4)
    # Learning from itself alone, a network starts at the entropy of its own softened answers, times T^2.
    with Reader(toy) as reader:
        clips = select(reader, "toy", reader.rows("train"))
        logits = Classifier(Bundle.load(teacher)).logits_of(clips)
    p = softmax(logits.astype(np.float64) / 2)
    assert kept["answers"] > 4 * float(-(p * np.log(p)).sum(1).mean())


def test_the_run_remembers_its_teacher(toy: Path, teacher: Path, tmp_path: Path) -> None:
    fit(toy, TOY, tmp_path / "run", teacher=teacher)
    config = Bundle.load(tmp_path / "run").config
    assert config.teacher == Teacher(teacher).fingerprint
    assert len(config.teacher) == 16
    with pytest.raises(ConfigError, match="is the fingerprint of a run: give that run as --teacher"):
        fit(toy, replace(config, epochs=2), tmp_path / "run", resume=True)
    with pytest.raises(ConfigError, match="teacher: '', was"):
        fit(toy, replace(TOY, epochs=2), tmp_path / "run", resume=True)
    other = Teacher(tmp_path / "run").fingerprint
    assert other != config.teacher
    with pytest.raises(ConfigError, match=f"is another run than .*{other}"):
        fit(toy, replace(config, epochs=2), tmp_path / "run", resume=True, teacher=tmp_path / "run")
    assert len(fit(toy, replace(config, epochs=2), tmp_path / "run", resume=True, teacher=teacher).records) == 2


def test_a_teacher_of_something_else_is_refused_in_one_line(toy: Path, teacher: Path, tmp_path: Path) -> None:
    other = write_toy(tmp_path / "other.h5", config=FeatureConfig.from_partial({"hop_length": 40}, CONFIG))
    with pytest.raises(ConfigError, match="hop_length: 80 != 40") as refused:
        fit(other, TOY, tmp_path / "run", teacher=teacher)
    assert "\n" not in str(refused.value)
    with pytest.raises(ConfigError, match="was trained with loss=softmax"):
        fit(toy, replace(TOY, loss="sigmoid"), tmp_path / "run", teacher=teacher)
    with pytest.raises(StoreError, match="is not a run folder"):
        fit(toy, TOY, tmp_path / "run", teacher=tmp_path)
    unfinished = tmp_path / "unfinished"
    shutil.copytree(teacher, unfinished)
    (unfinished / "weights.npz").unlink()
    with pytest.raises(StoreError, match="holds no weights"):
        fit(toy, TOY, tmp_path / "run", teacher=unfinished)
    assert not (tmp_path / "run").exists()
