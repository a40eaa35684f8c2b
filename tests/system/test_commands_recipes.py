"""The recipes of Speech Commands: lists, shares of silence and unknown, the network's own training, the protocol beside the figure."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

pytest.importorskip("jax")

from toy_network import toy_network

from kwsfeat import Reader
from kwsfeat.errors import ConfigError
from kwstrain.cli import main
from kwstrain.config import changed, defaults
from kwstrain.recipes import run as recipes


@pytest.mark.parametrize("name", ["v1-12", "v2-12", "v2-35"])
def test_they_train_as_suits_the_network_whichever_it_is(name: str) -> None:
    recipe = recipes.load(name)
    assert recipe.train == defaults("bcresnet-8")
    other = recipe.changed({"arch": "ds-cnn-s", "epochs": 3, "seed": 2})
    assert other.train == changed(defaults("ds-cnn-s"), {"epochs": 3, "seed": 2})
    assert other.changed({"arch": "bcresnet-1"}).train == changed(defaults("bcresnet-1"), {"epochs": 3, "seed": 2})
    assert "lists" in recipe.protocol


def test_training_is_one_of_two(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text('training = "mine"\n')
    with pytest.raises(ConfigError, match="training='mine' must be recipe, or network"):
        recipes.load(tmp_path / "mine.toml")


@pytest.mark.slow
def test_twelve_classes_of_the_subset_and_what_they_were(kws_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The words that the subset has enough of; the toy network instead of one that takes minutes."""
    corpus = tmp_path / "corpus"
    for word in ("go", "no", "off", "left", "bed", "cat"):
        (corpus / word).mkdir(parents=True)
        for clip in sorted((kws_data / "speech_commands" / word).glob("*.flac"))[:40]:
            shutil.copy(clip, corpus / word)
    shutil.copytree(kws_data / "speech_commands" / "_background_noise_", corpus / "_background_noise_")
    shutil.copy(kws_data / "speech_commands" / "testing_list.txt", corpus)
    out = tmp_path / "run"
    with toy_network():
        few = ["-s", "arch=toy", "-s", "train.augment=off", "-s", "epochs=1", "-s", "labels=go,no,off,left", "-s", "unknown=other"]
        assert main(["run", "v2-12", str(corpus), "--out", str(out), *few, "--json", "-q"]) == 0
    values = json.loads(capsys.readouterr().out)
    with Reader(out.with_suffix(".h5")) as reader:
        assert set(reader.labels) == {"go", "no", "off", "left", "silence", "unknown"}
        n_words = sum(int((reader.label == reader.labels.index(word)).sum()) for word in ("go", "no", "off", "left"))
        for name in ("silence", "unknown"):
            assert int((reader.label == reader.labels.index(name)).sum()) == pytest.approx(0.1 * n_words, abs=1)
        split = values["evaluation"]["split"]
        n_silence = int((reader.label[reader.rows(split)] == reader.labels.index("silence")).sum())
    assert f"{n_silence} of silence" in values["protocol"]
    assert "of unknown words (bed" in values["protocol"] or "of unknown words (cat" in values["protocol"]
    assert values["protocol"].endswith("seed 0")
