"""What a clip is, is one choice: stored in the file, and the same for every way in which a recording can come."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from kwsfeat import (
    ClipConfig,
    ConfigError,
    FeatureConfig,
    FreshFeatures,
    FrontEnd,
    Reader,
    build_file,
    load_clip,
    plan_recordings,
    verify_file,
)
from kwsfeat.audio.clip import trim_silence
from kwsfeat.cli import main
from kwsfeat.config.clip import check_same_clip, common_clip
from kwstrain.config import TrainConfig
from kwstrain.recipes.run import Recipe
from kwstrain.recipes.run import build as build_recipe

SMALL = {"sr": 8000, "n_samples": 4000, "n_fft": 256, "win_length": 200, "hop_length": 80, "n_mels": 20}
CONFIG = FeatureConfig.from_partial(SMALL)
TRIMMED = replace(CONFIG, trim_db=30.0)
TOML = "\n".join(f"{name} = {value}" for name, value in SMALL.items())


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A short word somewhere in three seconds of faint noise: without trimming, most crops miss it."""
    folder = tmp_path_factory.mktemp("clips") / "corpus"
    rng = np.random.default_rng(1)
    for word, hz in (("high", 900.0), ("low", 200.0)):
        (folder / word).mkdir(parents=True)
        for take in range(4):
            y = 1e-4 * rng.standard_normal(24000)
            at = 1000 + 5000 * take
            y[at : at + 3000] += 0.5 * np.sin(2 * np.pi * hz * np.arange(3000) / 8000)
            soundfile.write(folder / word / f"{take}.wav", y, 8000)
    return folder


@pytest.fixture(scope="module")
def trimmed(recordings: Path) -> Path:
    (recordings.parent / "small.toml").write_text(TOML)
    path = recordings.parent / "trimmed.h5"
    assert build_command(recordings, path, recordings.parent, "--trim", "30", "--split", "stratified:50/25/25", "--silence-share", "0") == 0
    return path


def build_command(source: Path, out: Path, folder: Path, *options: str) -> int:
    return main(["build", str(source), str(out), "-f", str(folder / "small.toml"), *options])


def test_trimming_is_stored_and_part_of_the_fingerprint(trimmed: Path) -> None:
    assert verify_file(trimmed).problems == []
    with Reader(trimmed) as reader:
        assert reader.clip == TRIMMED.clip
        assert reader.clip.trim_db == reader.config().trim_db == 30.0
        assert reader.config() == TRIMMED
        assert reader.config().fingerprint != CONFIG.fingerprint


def test_a_recording_is_the_same_clip_wherever_it_is_read(trimmed: Path, recordings: Path) -> None:
    """What predict does, with nothing but the stored config, gives the rows of the file; without trimming it would not."""
    with Reader(trimmed) as reader:
        front_end = FrontEnd(reader.config())
        for row, source in enumerate(reader.source):
            y, length = load_clip(recordings / source, reader.config())
            np.testing.assert_array_equal(y, reader.audio[row])
            assert length == reader.length[row] < 4000
            np.testing.assert_allclose(front_end.extract_batch(y[None], lengths=np.array([length]))[0], reader.features()[row], atol=1e-5)
            assert np.abs(load_clip(recordings / source, CONFIG)[0] - y).max() > 1000
            whole = soundfile.read(recordings / source, dtype="int16")[0]
            np.testing.assert_array_equal(y[:length], trim_silence(whole, 8000, 30.0))


def test_new_features_of_a_trimmed_file_are_of_trimmed_clips(trimmed: Path, tmp_path: Path) -> None:
    assert build_command(trimmed, tmp_path / "more.h5", trimmed.parent) == 0
    with Reader(tmp_path / "more.h5") as reader:
        assert reader.clip.trim_db == 30.0
    assert build_command(trimmed, tmp_path / "again.h5", trimmed.parent, "--trim", "30") == 0
    assert build_command(trimmed, tmp_path / "other.h5", trimmed.parent, "--trim", "20") != 0
    assert not (tmp_path / "other.h5").exists()


def test_a_recipe_trims_as_the_command_does(recordings: Path, trimmed: Path, tmp_path: Path) -> None:
    options = {"features": str(trimmed.parent / "small.toml"), "trim_db": 30.0, "split": "stratified:50/25/25"}
    file = build_recipe(Recipe("x", "", options, TrainConfig(), {}), recordings, tmp_path / "recipe.h5")
    with Reader(file) as made, Reader(trimmed) as reader:
        assert made.clip == reader.clip
        np.testing.assert_array_equal(made.audio, reader.audio)


def test_features_and_recordings_must_agree(recordings: Path, trimmed: Path, tmp_path: Path) -> None:
    message = r"disagree about what a clip is \(trim_db: None != 30.0\)"
    with pytest.raises(ConfigError, match=message):
        build_file(plan_recordings(recordings, CONFIG), tmp_path / "a.h5", {"small": TRIMMED})
    with pytest.raises(ConfigError, match=r"features 'a' and features 'b' " + message):
        common_clip({"a": CONFIG, "b": TRIMMED})
    with pytest.raises(ConfigError, match="at least one feature set"):
        common_clip({})
    with Reader(trimmed) as reader, pytest.raises(ConfigError, match=r"disagree .* \(trim_db: 30.0 != None\): build a file for them"):
        FreshFeatures(reader, "nine", CONFIG)


def test_an_interrupted_build_is_not_taken_up_with_another_trim(recordings: Path) -> None:
    keys = {plan_recordings(recordings, config).identity() for config in (CONFIG, TRIMMED, replace(CONFIG, trim_db=20.0))}
    assert len(keys) == 3


@pytest.mark.parametrize("changes", [{}, {"trim_db": 12}, {"crop": "loudest", "pad": "front", "resample_from_hz": 4000}])
def test_the_clip_of_a_feature_config_is_its_first_part(changes: dict[str, Any]) -> None:
    config = FeatureConfig.from_partial(changes, CONFIG)
    assert config.clip == ClipConfig.from_partial({"sr": 8000, "n_samples": 4000, **changes})
    assert type(config.clip) is ClipConfig
    assert config.clip.clip == config.clip
    assert ClipConfig.from_json(config.clip.to_json()) == config.clip
    check_same_clip(config, config.clip, names=("a", "b"), cure="c")
    with pytest.raises(ConfigError, match=r"^a and b disagree about what a clip is \(sr: 8000 != 9000\): c$"):
        check_same_clip(config, replace(config, sr=9000), names=("a", "b"), cure="c")
