"""--folds speakers: who is trained on, who is tested, and that the accuracy is that of the speaker left out."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from toy_features import write_toy

pytest.importorskip("jax")

from toy_network import toy_network

from kwsfeat import ConfigError, Reader
from kwstrain.cli import main
from kwstrain.config import TrainConfig
from kwstrain.inference.bundle import Bundle
from kwstrain.inference.classifier import Classifier
from kwstrain.training.folds import _without, cross_validate


def test_each_speaker_is_tested_by_a_network_that_never_heard_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    toy = write_toy(tmp_path / "toy.h5", n_clips=18)
    with toy_network():
        choices = ["--arch", "toy", "--epochs", "1", "--lr", "0.03", "--augment", "off", "-s", "gradient_histograms=false", "-q"]
        assert main(["fit", str(toy), *choices, "--folds", "speakers", "--out", str(tmp_path / "run")]) == 0
        said = capsys.readouterr().out
        saved = json.loads((tmp_path / "run" / "folds.json").read_text())
        assert saved["speakers"] == ["s0", "s1", "s2"]
        assert saved["mean"] == pytest.approx(np.mean(saved["accuracy"]))
        with Reader(toy) as reader:
            for k, speaker in enumerate(saved["speakers"], start=1):
                theirs = np.flatnonzero(reader.speaker == speaker)
                logits = Classifier(Bundle.load(tmp_path / "run" / f"fold-{k}")).logits(np.array(reader.features()[theirs]))
                assert saved["accuracy"][k - 1] == pytest.approx((logits.argmax(1) == reader.label[theirs]).mean())
                assert f"fold {k}  on {speaker}, left out, accuracy {saved['accuracy'][k - 1]:.4f}" in said
                train, val = _without(reader, speaker)
                assert not set(theirs) & {*train, *val}
                assert set(reader.split[train]) == {"train"}
                assert set(reader.split[val]) <= {"validation"}


def test_too_few_or_too_many_speakers_are_refused(tmp_path: Path) -> None:
    for n_clips, n_speakers in ((6, 1), (606, 101)):
        toy = write_toy(tmp_path / f"{n_clips}.h5", n_clips=n_clips)
        with pytest.raises(ConfigError, match=rf"knows {n_speakers} speakers, one fold each takes 2 to 100: give --folds a number"):
            cross_validate(toy, TrainConfig(arch="lstm"), tmp_path / "run", folds="speakers")


@pytest.mark.parametrize("given", ["1", "speaker", "-2", "2.5"])
def test_other_folds_are_wrong_usage(given: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fit", "x.h5", "--folds", given]) == 2
    assert f"{given!r} must be a whole number >= 2, or speakers" in capsys.readouterr().err
