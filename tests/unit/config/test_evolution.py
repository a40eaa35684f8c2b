"""A config may grow: files, runs and fingerprints that exist stay valid, and what is newer than the program is refused by name."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
import pytest

import kwsfeat.dataset.hdf5
import kwstrain.inference.bundle
from kwsfeat import PRESETS, ClipConfig, Config, ConfigError, FeatureConfig, Reader, StoreError, config_class, option, preset
from kwsfeat.config import algorithm
from kwsfeat.config.algorithm import Change, algorithm_version, check_algorithm
from kwsfeat.pipeline.arrays import write_file
from kwstrain.config import TrainConfig
from kwstrain.inference.bundle import Bundle

GOLDEN = Path(__file__).parents[2] / "golden"
CONFIGS = [ClipConfig, FeatureConfig, TrainConfig]
FINGERPRINTS = {
    "logmel": "734bfc2f0d422f68", "mfcc": "9cb7369ece8b3f90", "mel75": "3014cab514e47a9f", "mfcc75": "939e9069683c388e",
    "mfcc75-power": "da3787d57e849a97", "logspec16k": "3153559d3a0faaff", "logspec8k": "ec374886a781bb6b",
    "logmel64": "51a5f88e55e9cf04", "waveform22k": "1f68a1d7dbe73725", "librosa": "74d838a47f5d31ef",
    "torchaudio": "aa782a9031cc39f8", "kaldi": "f686a5021ff572cc", "kaldi-mfcc": "2647be62d6bb7c83",
    "whisper": "b34cf7bbdb2f1bfc", "tf-mfcc": "6394c18a39c5c006", "mlperf-tiny": "43230806e03bf2eb",
    "mlperf-tiny-lfbe": "1da8ae4fb7dc8da4", "bcresnet": "574644ebe90db29d", "python-speech-features": "2a0e712e52bbf752",
}  # fmt: skip


def grown(cls: type[Config]) -> type[Config]:
    """`cls` as a later version may be: one field more, whose default is not what the numbers of before were made with."""

    @config_class
    class Grown(cls):  # type: ignore[misc, valid-type]
        """With one field more."""

        VERSION: ClassVar[int] = cls.VERSION + 1
        noise_gate: float = option(0.5, "Something new.", at_least=0, since=cls.VERSION + 1, neutral=0.0, group="New")

    Grown.__name__ = cls.__name__
    return Grown


@pytest.mark.parametrize("cls", CONFIGS)
def test_a_new_field_breaks_neither_what_is_stored_nor_a_fingerprint(cls: type[Config]) -> None:
    later = grown(cls)
    for stored in (cls().to_dict(), {name: value for name, value in cls().to_dict().items() if name != "config_version"}):
        read = later.from_dict(stored)
        assert read.noise_gate == 0.0
        assert read.fingerprint == cls().fingerprint
    assert later().noise_gate == 0.5
    assert later().fingerprint != cls().fingerprint
    assert later.from_json(later().to_json()) == later()


def test_fingerprints_are_those_of_version_0_1_0() -> None:
    assert {name: preset(name).fingerprint for name in FINGERPRINTS} == FINGERPRINTS


@pytest.mark.parametrize("cls", CONFIGS)
def test_a_newer_version_and_an_unknown_field_are_refused(cls: type[Config]) -> None:
    name = cls.__name__
    with pytest.raises(ConfigError, match=rf"{name} has version {cls.VERSION + 1}, .* up to {cls.VERSION}: install a newer kwsfeat"):
        cls.from_dict(grown(cls)().to_dict())
    with pytest.raises(ConfigError, match=rf"'sed' is not a field of {name}: did you mean" if cls is TrainConfig else "'pda' is not"):
        cls.from_dict({**cls().to_dict(), ("sed" if cls is TrainConfig else "pda"): 1})
    for version in (0, True, "2", None):
        with pytest.raises(ConfigError, match=r"config_version=.* must be a whole number >= 1"):
            cls.from_dict({**cls().to_dict(), "config_version": version})


@pytest.mark.parametrize("cls", CONFIGS)
def test_a_field_that_the_stored_version_had_must_be_there(cls: type[Config]) -> None:
    later = grown(cls)
    values = later().to_dict()
    del values["noise_gate"]
    with pytest.raises(ConfigError, match=f"{cls.__name__} of version {later.VERSION} lacks noise_gate"):
        later.from_dict(values)


@pytest.mark.parametrize("name", ["words.h5", "raw.h5", "augmented.h5"])
def test_golden_files_are_read_by_a_config_that_has_grown(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with Reader(GOLDEN / name) as reader:
        before = {feature: reader.config(feature) for feature in reader.feature_names}
        clip = reader.clip
    monkeypatch.setattr(kwsfeat.dataset.hdf5, "FeatureConfig", grown(FeatureConfig))
    monkeypatch.setattr(kwsfeat.dataset.hdf5, "ClipConfig", grown(ClipConfig))
    with Reader(GOLDEN / name) as reader:
        for feature, config in before.items():
            read = reader.config(feature)  # compares with the stored fingerprint
            assert read.noise_gate == 0.0
            assert read.fingerprint == config.fingerprint == reader.feature_attrs(feature)["fingerprint"]
            assert reader.algorithm(feature) == 1
        assert reader.clip == clip == before[reader.feature_names[0]].clip
        assert clip.trim_db is None


@pytest.mark.parametrize("name", ["cnn", "lstm", "lstm-raw"])
def test_golden_runs_are_read_by_configs_that_have_grown(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    stored = json.loads((GOLDEN / name / "bundle.json").read_text())
    monkeypatch.setattr(kwstrain.inference.bundle, "FeatureConfig", grown(FeatureConfig))
    monkeypatch.setattr(kwstrain.inference.bundle, "TrainConfig", grown(TrainConfig))
    bundle = Bundle.load(GOLDEN / name)
    assert bundle.feature_config.fingerprint == stored["feature_fingerprint"]
    assert bundle.config.noise_gate == bundle.feature_config.noise_gate == 0.0  # type: ignore[attr-defined]
    assert bundle.algorithm == 1


def test_a_run_of_a_newer_version_or_with_an_unknown_field_is_refused(tmp_path: Path) -> None:
    values = json.loads((GOLDEN / "lstm" / "bundle.json").read_text())
    (tmp_path / "bundle.json").write_text(json.dumps({**values, "format_version": 99}))
    with pytest.raises(StoreError, match=r"has version 99, this program reads versions up to .*: install a newer kwsfeat"):
        Bundle.load(tmp_path)
    (tmp_path / "bundle.json").write_text(json.dumps({**values, "algorithms": 2}))
    with pytest.raises(ConfigError, match=r"'algorithms' is not a field of .*did you mean algorithm"):
        Bundle.load(tmp_path)


def test_the_algorithm_is_raised_for_the_configs_that_a_change_concerns_and_is_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    config = FeatureConfig(dither=1.0)
    monkeypatch.setattr(algorithm, "CHANGES", ())
    assert algorithm_version(config) == algorithm_version(FeatureConfig()) == config.algorithm == algorithm.FIRST
    change = Change(2, "dither is drawn otherwise", lambda config: config.dither > 0)
    monkeypatch.setattr(algorithm, "CHANGES", (change,))
    assert config.algorithm == 2
    assert preset("logmel").algorithm == 1
    check_algorithm(config, 2, where="run")
    with pytest.raises(ConfigError, match=r"run has .* version 1, this .* version 2 \(dither is drawn otherwise\): build"):
        check_algorithm(config, 1, where="run")
    with pytest.raises(ConfigError, match="algorithm version 3, this program computes version 2: install a newer kwsfeat"):
        check_algorithm(config, 3, where="run")


@pytest.mark.parametrize("name", PRESETS)
def test_what_version_0_1_0_computed_is_still_what_every_preset_gives(name: str) -> None:
    assert preset(name).algorithm == algorithm.FIRST


def test_changes_are_numbered_in_order() -> None:
    assert [change.version for change in algorithm.CHANGES] == list(range(2, 2 + len(algorithm.CHANGES)))
    assert FeatureConfig(dither=0.5).algorithm == 2


def test_a_run_refuses_a_file_that_another_algorithm_made(monkeypatch: pytest.MonkeyPatch) -> None:
    bundle = Bundle.load(GOLDEN / "lstm")
    monkeypatch.setattr(Reader, "algorithm", lambda self, name=None: 2)
    with Reader(GOLDEN / "words.h5") as reader, pytest.raises(ConfigError, match=r"algorithm version 2, .* was trained on version 1"):
        bundle.check(reader)


@pytest.mark.parametrize("cls", CONFIGS)
def test_every_field_says_what_it_is(cls: type[Config]) -> None:
    for one in fields(cls):
        about = one.metadata
        assert about["doc"].endswith((".", "...")), one.name
        assert about["group"], one.name
        assert 1 <= about["since"] <= cls.VERSION, one.name
        assert about["since"] == 1 or "neutral" in about
        assert one.type != "int" or re.search(r">=? .* <=? ", str(about["bound"])), f"{one.name}: a whole number has two bounds"


@config_class
class Sample(Config):
    """Every type that a field may have."""

    yes: bool = option(True, "A.")
    whole: int = option(1, "B.", at_least=1, at_most=9)
    number: float = option(0.5, "C.", at_least=0, below=1)
    text: str = option("x", "D.", formerly="word")
    choice: Literal["a", "b"] = option("a", "E.")
    maybe: float | Literal["max"] | None = option(None, "F.", above=0)
    many: tuple[int, ...] = option((), "G.")
    table: dict[str, int] = option(dict, "H.")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"yes": 1}, "yes=1 must be true or false"),
        ({"whole": 1.0}, "whole=1.0 must be a whole number"),
        ({"whole": 10}, "whole=10 must be >= 1 and <= 9"),
        ({"whole": 10**5000}, r"whole=\(a number of \d+ bits\) must be >= 1 and <= 9"),
        ({"number": 1}, "number=1.0 must be >= 0 and < 1"),
        ({"number": float("nan")}, "number=nan must be a finite number"),
        ({"number": 10**400}, r"number=\(a number of \d+ bits\) must be a finite number"),
        ({"number": 1e300}, "must be a finite number"),
        ({"text": 3}, "text=3 must be text"),
        ({"choice": "c"}, "choice='c' must be one of a, b"),
        ({"choice": ["a"]}, "must be one of a, b"),
        ({"maybe": 0}, "maybe=0.0 must be > 0"),
        ({"maybe": "min"}, "maybe='min' must be a finite number or 'max'"),
        ({"many": [1, 2.5]}, "must be a list of whole numbers"),
        ({"many": [*range(999), "x"]}, r"many=\[0, 1, .*\.\.\. must be a list of whole numbers"),
        ({"table": []}, "must be a table of options"),
        ({"word": "x", "text": "y"}, "word is the old name of text: give text alone"),
        ({"txt": "x"}, "'txt' is not a field of Sample: did you mean text"),
    ],
)
def test_a_wrong_value_is_refused_with_its_bound(values: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Sample.from_partial(values)


def test_values_are_kept_as_they_are_declared() -> None:
    sample = Sample.from_partial({"number": 0, "many": [1, 2], "maybe": 3, "word": "old"})
    assert (sample.number, sample.many, sample.maybe, sample.text) == (0.0, (1, 2), 3.0, "old")
    assert type(sample.number) is type(sample.maybe) is float
    assert Sample.from_json(sample.to_json()) == sample
    assert Sample().table is not Sample().table
    assert "number : a finite number >= 0 and < 1; default 0.5" in (Sample.__doc__ or "")


def test_a_field_without_a_description_counts_as_new() -> None:
    @dataclass(frozen=True, kw_only=True)
    class Later(FeatureConfig):
        extra: int = field(default=3)

    with Reader(GOLDEN / "words.h5") as reader:
        assert Later.from_json(reader.config().to_json()).extra == 3


def test_a_file_of_a_newer_config_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    later = grown(FeatureConfig)
    y = np.zeros((2, 1600), np.int16)
    configs = {"x": later(n_samples=1600, output="waveform")}
    with monkeypatch.context() as patched:  # a later program, which reads back what it has written
        patched.setattr(kwsfeat.dataset.hdf5, "FeatureConfig", later)
        write_file(tmp_path / "a.h5", audio=y, length=[1600] * 2, label=[0, 0], split=["train"] * 2, labels=["a"], configs=configs)
    with pytest.raises(StoreError, match=r"a\.h5: FeatureConfig has version 3, this program reads versions up to 2: install a newer"):
        Reader(tmp_path / "a.h5").config()
