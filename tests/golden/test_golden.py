"""Files, run folders and features of version 0.1.0: every later version reads them and gives the same numbers."""

from __future__ import annotations

import json
from pathlib import Path

import make
import numpy as np
import pytest

from kwsfeat import PRESETS, FrontEnd, Reader, verify_file
from kwstrain.inference.bundle import Bundle
from kwstrain.models import create

HERE = Path(__file__).parent
FILES = ("words.h5", "raw.h5", "augmented.h5")
RUNS = {"cnn": "words.h5", "lstm": "words.h5", "lstm-raw": "raw.h5"}
SHAPES = {name: tuple(shape) for name, shape in json.loads((HERE / "networks.json").read_text()).items()}


@pytest.fixture(scope="module")
def clips() -> np.ndarray:
    return np.load(HERE / "clips.npz")["y"]


@pytest.fixture(scope="module")
def presets() -> dict[str, np.ndarray]:
    return dict(np.load(HERE / "presets.npz"))


def test_no_preset_went_away(presets: dict[str, np.ndarray]) -> None:
    assert presets.keys() <= PRESETS.keys()


@pytest.mark.parametrize("name", list(np.load(HERE / "presets.npz")))
def test_presets_give_the_same_features(name: str, clips: np.ndarray, presets: dict[str, np.ndarray]) -> None:
    """Bit for bit on the processor that made them; another lane count or another FMA may differ in the last digits."""
    config = PRESETS[name][0]
    x = np.stack([FrontEnd(config).extract(clip, seed=3) for clip in clips])
    every = make.EVERY * 40 if x.shape[-1] == 1 else make.EVERY
    np.testing.assert_allclose(x[:, ::every], presets[name], rtol=2e-4, atol=2e-4)


@pytest.mark.parametrize("name", FILES)
def test_files_are_intact(name: str) -> None:
    verify_file(HERE / name)


@pytest.mark.parametrize("name", FILES)
def test_files_hold_what_their_configs_give(name: str) -> None:
    """The stored features are those that today's front end makes of the stored audio."""
    with Reader(HERE / name) as reader:
        assert reader.labels == ("high", "low", "noise")
        for feature in reader.feature_names:
            config = reader.config(feature)
            assert config.fingerprint == reader.feature_attrs(feature)["fingerprint"]
            if reader.has_audio:
                x = FrontEnd(config).extract_batch(reader.audio, lengths=np.array(reader.length))
                np.testing.assert_allclose(x, reader.features(feature), rtol=2e-4, atol=2e-4)


def test_variants_are_marked() -> None:
    with Reader(HERE / "augmented.h5") as reader:
        assert reader.n_clips == 24 + 8 * 12
        assert set(reader.variant) == set(range(10))
        assert set(reader.split[reader.variant > 0]) == {"train"}


@pytest.mark.slow
@pytest.mark.parametrize("name", RUNS)
def test_runs_give_the_same_logits(name: str) -> None:
    bundle = Bundle.load(HERE / name)
    with Reader(HERE / RUNS[name]) as reader:
        assert bundle.check(reader) == bundle.feature_name
        given = make.logits_of_run(bundle, reader)
    np.testing.assert_allclose(given, np.load(HERE / name / "logits.npy"), rtol=1e-4, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("name", SHAPES)
def test_networks_compute_the_same(name: str) -> None:
    """Seeded weights, by the names under which they are stored, on a seeded input."""
    np.testing.assert_allclose(make.seeded_logits(create, name, SHAPES[name]), np.load(HERE / "networks.npz")[name], rtol=2e-3, atol=2e-4)
