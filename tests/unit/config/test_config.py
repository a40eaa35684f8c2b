"""FeatureConfig: strict, self-describing, and refusing what cannot work when it is made."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kwsfeat import PRESETS, ConfigError, FeatureConfig, preset
from kwsfeat.config.features import good_fft_sizes


@pytest.mark.parametrize("name", PRESETS)
def test_json_round_trip_keeps_every_field_and_the_fingerprint(name):
    config = preset(name)
    again = FeatureConfig.from_json(config.to_json())
    assert again == config
    assert again.fingerprint == config.fingerprint


def test_fingerprints_of_all_presets_differ():
    assert len({config.fingerprint for config, _ in PRESETS.values()}) == len(PRESETS)


@pytest.mark.parametrize("name", [f.name for f in fields(FeatureConfig)])
def test_every_field_changes_the_fingerprint(name):
    base = FeatureConfig()
    other = {
        "pad": "front", "crop": "start", "resample": "fft", "output": "mfcc", "window": "hamming", "window_align": "left",
        "framing": "none", "preemph_mode": "frame", "spectrum": "magnitude", "spectrum_norm": "n_fft", "mel_scale": "htk",
        "triangle_domain": "mel", "mel_norm": "none", "log": "db", "dct_norm": "htk", "lifter_kind": "librosa", "energy": "raw",
        "delta_kind": "htk",
        "normalize": "mean", "global_mean": (1.0,), "global_std": (1.0,), "post_clip": (0.0, 1.0), "lowpass_hz": 3000.0, "fmax_hz": 7000.0,
        "top_db": 80.0, "log_ref": 2.0, "n_fft": 600, "delta_width": 7, "deltas": 1, "resample_from_hz": 8000, "trim_db": 30.0,
    }  # fmt: skip
    value = getattr(base, name)
    if name not in other:
        other[name] = (not value) if isinstance(value, bool) else value + 1 if isinstance(value, int) else value / 2 + 0.01
    changed = replace(base, **{name: other[name]})
    assert changed.fingerprint != base.fingerprint
    assert [d.split(":")[0] for d in base.differences(changed)] == [name]


def test_from_dict_refuses_unknown_and_missing_fields_by_name():
    values = FeatureConfig().to_dict()
    with pytest.raises(ConfigError, match=r"'n_mel' is not a field of FeatureConfig: did you mean n_mels"):
        FeatureConfig.from_dict({**values, "n_mel": 3})
    del values["hop_length"]
    with pytest.raises(ConfigError, match="lacks hop_length"):
        FeatureConfig.from_dict(values)


def test_from_json_refuses_other_json():
    with pytest.raises(ConfigError, match="not JSON"):
        FeatureConfig.from_json("{")
    with pytest.raises(ConfigError, match="must be a JSON object, not list"):
        FeatureConfig.from_json("[]")


def test_from_dict_leaves_its_argument_alone():
    values = preset("mel75").to_dict()
    before = dict(values)
    FeatureConfig.from_dict(values)
    assert values == before


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"n_fft": 511}, r"n_fft=511 has a prime factor above 5: the nearest good sizes are 500 and 512"),
        ({"n_fft": 514}, r"n_fft=514 .* 512 and 540"),
        ({"win_length": 600}, r"win_length=600 must be <= n_fft=512"),
        ({"win_length": 2, "window": "hann-symmetric"}, r"win_length=2 must be >= 3 for window='hann-symmetric'"),
        ({"win_length": 2, "window": "povey", "spectrum_norm": "none"}, r"win_length=2 must be >= 3 for window='povey'"),
        ({"fmax_hz": 9000.0}, r"fmax_hz=9000 must be <= sr / 2 = 8000"),
        ({"fmin_hz": 5000.0, "fmax_hz": 4000.0}, r"fmin_hz=5000 must be >= 0 and below fmax_hz=4000"),
        ({"output": "mfcc", "n_mfcc": 41}, r"n_mfcc=41 must be <= n_mels=40"),
        ({"n_mels": 200}, r"n_mels=200 leaves \d+ of the bands without an FFT bin .*: use fewer bands, a larger n_fft"),
        ({"hop_length": 0}, r"hop_length=0 must be >= 1"),
        ({"lowpass_hz": 8000.0}, r"lowpass_hz=8000 must lie between 0 and sr / 2 = 8000"),
        ({"window": "han"}, r"window='han' must be one of hann"),
        ({"sr": 16000.5}, r"sr=16000.5 must be a whole number"),
        ({"sr": True}, r"sr=True must be a whole number"),
        ({"log_floor": float("nan")}, r"log_floor=nan must be a finite number"),
        ({"log_floor": 0.0}, r"silence has no logarithm"),
        ({"log": "none", "top_db": 80.0}, r"need a logarithm"),
        ({"n_samples": 200, "framing": "reflect"}, r"n_samples=200 must be > n_fft / 2 = 256"),
        ({"n_samples": 200, "framing": "none"}, r"gives no frame of 512 samples"),
        ({"deltas": 3}, r"deltas=3 must be >= 0 and <= 2"),
        ({"delta_width": 8}, r"delta_width=8 must be odd"),
        ({"normalize": "global"}, r"global_mean has 0 values and needs n_features=40"),
        ({"post_clip": (1.0, 0.0)}, r"post_clip"),
        ({"log": "pcen", "output": "mfcc"}, r"pcen"),
    ],
)
def test_a_wrong_combination_is_refused_with_field_value_bound_and_cure(wrong, message):
    with pytest.raises(ConfigError, match=message):
        FeatureConfig(**wrong)


def test_whole_numbers_are_accepted_where_a_fraction_may_stand():
    assert FeatureConfig(top_db=80, log="db") == FeatureConfig(top_db=80.0, log="db")


@given(st.integers(1, 5000))
def test_good_fft_sizes_enclose_the_number_and_have_small_factors(n):
    below, above = good_fft_sizes(n)
    assert below <= n <= above
    for size in (below, above):
        for p in (2, 3, 5):
            while size % p == 0:
                size //= p
        assert size == 1


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("logmel", (101, 40)), ("mel75", (75, 75)), ("mfcc75", (75, 75)), ("logspec16k", (99, 161)), ("logspec8k", (99, 81)),
        ("logmel64", (35, 64)), ("waveform22k", (17640, 1)), ("whisper", (100, 80)), ("bcresnet", (101, 40)), ("kaldi", (98, 40)),
        ("tf-mfcc", (49, 20)), ("mlperf-tiny", (49, 10)), ("librosa", (44, 128)),
    ],
)  # fmt: skip
def test_presets_have_the_shapes_that_their_sources_state(name, shape):
    assert preset(name).shape == shape


def test_an_unknown_preset_names_the_near_ones():
    with pytest.raises(ConfigError, match="'logml' is not a preset: did you mean logmel"):
        preset("logml")


OLD_NAMES = {"kind": "output", "edges": "framing", "mel_formula": "mel_scale", "mel_weights": "triangle_domain"}
OLD = {"kind": "mfcc", "edges": "none", "mel_formula": "htk", "mel_weights": "mel"}


def test_old_names_are_read_and_change_no_fingerprint():
    new = FeatureConfig.from_partial({OLD_NAMES[name]: value for name, value in OLD.items()})
    assert FeatureConfig.from_partial(OLD) == new
    values = {old: new.to_dict().pop(name) for old, name in OLD_NAMES.items()}
    rest = {name: value for name, value in new.to_dict().items() if name not in OLD_NAMES.values()}
    assert FeatureConfig.from_dict(rest | values) == new
    assert FeatureConfig().fingerprint == "734bfc2f0d422f68"  # as version 0.1.0 stored it
    assert [getattr(new, old) for old in OLD_NAMES] == list(OLD.values())
    with pytest.raises(ConfigError, match="kind is the old name of output: give output alone"):
        FeatureConfig.from_partial({"kind": "mfcc", "output": "mel"})


def test_old_keyword_arguments_work_with_a_warning():
    with pytest.warns(DeprecationWarning, match="kind is called output now"):
        assert FeatureConfig(kind="mfcc") == FeatureConfig(output="mfcc")  # type: ignore[call-arg]
    with pytest.raises(AttributeError, match="no field 'kinds'"):
        FeatureConfig().kinds  # noqa: B018
