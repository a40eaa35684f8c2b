"""Transforms: what they do to a clip, and that a description, a draw and a parameter are three different things."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest

from kwsfeat.augment import (
    Clipping,
    Compose,
    Filter,
    Gain,
    Grid,
    MixNoise,
    Mixup,
    Noise,
    OneOf,
    PitchShift,
    Policy,
    Room,
    SpecMasks,
    Tanh,
    TimeShift,
    TimeStretch,
    Transform,
    load_policy,
    pitch_shift,
    policy_names,
    stretch_and_shift,
    synthetic_noise,
    time_stretch,
    transform_kinds,
    uniforms,
)
from kwsfeat.augment.variants import augmented
from kwsfeat.config.features import FeatureConfig
from kwsfeat.errors import AudioError, ConfigError

SR = 16000
NOISE = Noise([np.random.default_rng(9).standard_normal(3 * SR) * 0.1, np.random.default_rng(8).standard_normal(2 * SR) * 0.05])
TRANSFORMS = {
    "time_stretch": TimeStretch(),
    "pitch_shift": PitchShift(),
    "time_shift": TimeShift(),
    "mix_noise": MixNoise(NOISE, amplitude=(0.0, 0.1)),
    "mix_noise_snr": MixNoise(NOISE, snr_db=(0.0, 20.0)),
    "gain": Gain(),
    "room": Room(),
    "filter": Filter(),
    "clip": Clipping(),
    "tanh": Tanh(),
    "grid": Grid((0.7, 1.0), (-1.0, 0.0)),
    "compose": Compose((TimeShift(), Gain()), p=0.5),
    "one_of": OneOf((Room(), Filter(), Gain())),
}
KEEP_LENGTH = sorted(set(TRANSFORMS) - {"time_stretch", "grid"})


def speech(seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    t = np.arange(SR) / SR
    y = sum(np.sin(2 * np.pi * 140 * h * t + rng.uniform(0, 6)) / h for h in range(1, 12))
    return (0.1 * y * np.exp(-0.5 * ((t - 0.5) / 0.15) ** 2)).astype(np.float32)


def rms(y: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(y, dtype=np.float64))))


@pytest.mark.parametrize("name", TRANSFORMS)
def test_a_draw_is_reproducible_and_json(name):
    transform = TRANSFORMS[name]
    drawn = [transform.draw(np.random.default_rng((7, i))) for i in range(20)]
    assert drawn == [transform.draw(np.random.default_rng((7, i))) for i in range(20)]
    assert json.loads(json.dumps(drawn)) == drawn
    assert any(a != drawn[0] for a in drawn)


@pytest.mark.parametrize("name", TRANSFORMS)
def test_a_description_is_frozen(name):
    field = dataclasses.fields(TRANSFORMS[name])[0].name
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(TRANSFORMS[name], field, None)


@pytest.mark.parametrize("name", TRANSFORMS)
def test_apply_is_a_function_of_its_arguments(name):
    transform, y = TRANSFORMS[name], speech()
    y.setflags(write=False)
    for i in range(4):
        parameters = transform.draw(np.random.default_rng(i))
        first = transform.apply(y, parameters)
        np.testing.assert_array_equal(first, transform.apply(y, parameters))
        assert first.dtype == np.float32
        assert np.isfinite(first).all()
        assert name not in KEEP_LENGTH or first.shape == y.shape


@pytest.mark.parametrize("name", TRANSFORMS)
def test_a_batch_is_its_clips(name):
    transform = TRANSFORMS[name]
    Y = np.stack([speech(i) for i in range(3)])
    parameters = [transform.draw(np.random.default_rng(i)) for i in range(3)]
    alone = [transform.apply(y, parameters[0]) for y in Y]
    np.testing.assert_allclose(transform.apply(Y, parameters[0]), alone, atol=1e-6)
    for y, p, changed in zip(Y, parameters, transform.apply_batch(Y, parameters), strict=True):
        np.testing.assert_array_equal(changed, transform.apply(y, p))


@pytest.mark.parametrize("name", TRANSFORMS)
def test_int16_silence_and_empty_clips(name):
    transform = TRANSFORMS[name]
    parameters = transform.draw(np.random.default_rng(2))
    y = (speech() * 32767).astype(np.int16)
    np.testing.assert_array_equal(transform.apply(y, parameters), transform.apply(y.astype(np.float32) / 32768, parameters))
    silent = transform.apply(np.zeros(SR, np.float32), parameters)
    assert np.isfinite(silent).all()
    if name != "mix_noise":
        assert not silent.any()
    assert transform.apply(np.zeros(0, np.float32), parameters).shape == (0,)
    with pytest.raises(AudioError, match="NaN"):
        transform.apply(np.full(SR, np.nan, np.float32), parameters)


def test_time_shift_fills_with_zeros():
    y = np.arange(1, 11, dtype=np.float32)
    shift = TimeShift(max_ms=1.0, sr=4000)
    np.testing.assert_array_equal(shift.apply(y, {"shift": 3}), [0, 0, 0, 1, 2, 3, 4, 5, 6, 7])
    np.testing.assert_array_equal(shift.apply(y, {"shift": -3}), [4, 5, 6, 7, 8, 9, 10, 0, 0, 0])
    np.testing.assert_array_equal(shift.apply(y, {"shift": 0}), y)
    for far in (10, -10, 99, -99):
        assert not shift.apply(y, {"shift": far}).any()
    drawn = [shift.draw(np.random.default_rng(i))["shift"] for i in range(300)]
    assert (min(drawn), max(drawn)) == (-4, 4)


def test_mix_noise_has_the_snr_or_the_amplitude_that_was_drawn():
    y = speech()
    for snr_db in (0.0, 7.0, 20.0):
        noisy = MixNoise(NOISE, snr_db=(snr_db, snr_db))
        parameters = noisy.draw(np.random.default_rng(0))
        assert 20 * np.log10(rms(y) / rms(noisy.apply(y, parameters) - y)) == pytest.approx(snr_db, abs=0.05)
    parameters = {"recording": 1, "position": 0.5, "amplitude": 0.25}
    added = MixNoise(NOISE, amplitude=(0.0, 1.0)).apply(y, parameters) - y
    np.testing.assert_allclose(added, 0.25 * NOISE.piece(1, 0.5, SR), atol=1e-7)
    loud = MixNoise(NOISE, amplitude=(50.0, 50.0)).apply(y, parameters | {"amplitude": 50.0})
    assert np.abs(loud).max() == 1.0


def test_noise_pieces_stay_within_their_recording():
    noise = Noise([np.full(100, 1, np.int16), np.full(250, 2, np.int16), np.full(30, 3, np.int16)])
    for recording, value in enumerate((1, 2, 3)):
        for position in (0.0, 0.3, 0.999999):
            np.testing.assert_array_equal(noise.piece(recording, position, 100), np.full(100, value / 32768, np.float32))
    with pytest.raises(ConfigError, match="no noise"):
        Noise([])


def test_synthetic_noise_has_three_colours():
    noise = synthetic_noise(SR)
    slopes = []
    for recording in range(3):
        power = np.abs(np.fft.rfft(noise.piece(recording, 0.0, 8 * SR))) ** 2
        octaves = [power[8 * 250 * 2**k : 8 * 500 * 2**k].mean() for k in range(4)]
        slopes.append(10 * np.log10(octaves[3] / octaves[0]) / 3)
    np.testing.assert_allclose(slopes, [0.0, -3.0, -6.0], atol=0.3)


def test_gain():
    y = speech()
    assert rms(Gain().apply(y, {"gain_db": 6.0})) == pytest.approx(rms(y) * 10**0.3, rel=1e-6)


def test_room_keeps_the_level_and_the_place():
    y = np.zeros(SR, np.float32)
    y[4000] = 0.5
    for i in range(5):
        room = Room()
        heard = room.apply(y, room.draw(np.random.default_rng(i)))
        assert np.abs(heard).argmax() == 4000
        assert rms(heard) == pytest.approx(rms(y), rel=1e-3)
        assert np.abs(heard[:3900]).max() < 1e-6
        assert np.abs(heard[4100:5000]).max() > 1e-3
    delayed = np.zeros(50, np.float32)
    delayed[[20, 30]] = 1.0, 0.5
    given = Room(responses=(delayed,)).apply(y, {"response": 0})
    assert given[4010] / given[4000] == pytest.approx(0.5, rel=1e-5)


def test_a_shorter_reverberation_decays_sooner():
    y = np.zeros(SR, np.float32)
    y[0] = 1.0
    tails = [np.square(Room().apply(y, {"rt60_ms": ms, "direct_db": 3.0, "seed": 1}))[1600:].sum() for ms in (100.0, 500.0)]
    assert tails[0] < 1e-3 * tails[1]


def test_filters_take_away_what_they_say():
    y = np.random.default_rng(0).standard_normal(SR).astype(np.float32) * 0.1
    power = lambda x, low, high: np.square(np.abs(np.fft.rfft(x)))[low:high].sum()  # noqa: E731
    low_pass = Filter().apply(y, {"kind": "low-pass", "hz": 1000.0})
    assert power(low_pass, 3000, 8000) < 1e-3 * power(y, 3000, 8000)
    assert power(low_pass, 100, 700) > 0.8 * power(y, 100, 700)
    band_stop = Filter().apply(y, {"kind": "band-stop", "hz": 2000.0, "octaves": 1.0})
    assert power(band_stop, 1800, 2200) < 1e-3 * power(y, 1800, 2200)
    assert power(band_stop, 4000, 7000) > 0.8 * power(y, 4000, 7000)


def test_distortions_keep_the_peak_or_cut_it():
    y = speech()
    clipped = Clipping().apply(y, {"level": 0.3})
    assert np.abs(clipped).max() == pytest.approx(0.3 * np.abs(y).max(), rel=1e-6)
    soft = Tanh().apply(y, {"drive": 4.0})
    assert np.abs(soft).max() == pytest.approx(np.abs(y).max(), rel=1e-5)
    assert rms(soft) > 1.2 * rms(y)
    np.testing.assert_allclose(Tanh().apply(0.5 * y, {"drive": 4.0}), 0.5 * soft, atol=1e-6)


def test_compose_tosses_one_coin_for_all_parts():
    chain = Compose((Gain((6.0, 6.0)), TimeShift()), p=0.8)
    drawn = [chain.draw(np.random.default_rng(i)) for i in range(1000)]
    assert np.mean([p["parts"] is not None for p in drawn]) == pytest.approx(0.8, abs=0.04)
    y = speech()
    np.testing.assert_array_equal(chain.apply(y, {"parts": None}), y)
    both = chain.apply(y, {"parts": [{"gain_db": 6.0}, {"shift": 5}]})
    np.testing.assert_array_equal(both, TimeShift().apply(Gain().apply(y, {"gain_db": 6.0}), {"shift": 5}))


def test_a_part_is_given_float32_whatever_the_clip_is() -> None:
    """A transform of one's own need not know of int16."""
    seen = []

    class Watch(Gain):
        def apply(self, y, parameters):
            seen.append(y.dtype)
            return super().apply(y, parameters)

    chain = Compose((Compose((Watch(),)), Watch()))
    chain.apply(np.full(100, 16384, np.int16), chain.draw(np.random.default_rng(0)))
    assert seen == [np.float32] * 2


def test_one_of_follows_its_weights():
    choice = OneOf((Gain(), TimeShift(), Clipping()), weights=(1.0, 0.0, 3.0))
    counts = np.bincount([choice.draw(np.random.default_rng(i))["choice"] for i in range(1000)], minlength=3)
    assert counts[1] == 0
    assert counts[2] / 1000 == pytest.approx(0.75, abs=0.05)


def test_masks_take_the_mean_and_nothing_else():
    x = np.random.default_rng(0).standard_normal((101, 40)).astype(np.float32)
    masks = SpecMasks(time_masks=2, time_mask_frames=10, feature_masks=1, feature_mask_bins=5)
    for i in range(50):
        parameters = masks.draw(np.random.default_rng(i))
        masked = masks.apply(x, parameters)
        changed = masked != x
        frames, bins = changed.all(axis=1), changed.all(axis=0)
        assert frames.sum() <= 20
        assert bins.sum() <= 5
        np.testing.assert_array_equal(changed, frames[:, None] | bins[None, :])
        np.testing.assert_allclose(masked[changed], x.mean(), atol=1e-6)
    widths = [width for i in range(300) for width, _ in masks.draw(np.random.default_rng(i))["time"]]
    assert (min(widths), max(widths)) == (0, 10)
    batch = np.stack([x, x + 1])
    np.testing.assert_allclose(masks.apply(batch, parameters)[1], masks.apply(x + 1, parameters), atol=1e-6)
    assert SpecMasks(time_mask_frames=99).apply(x[:3], {"time": [[99, 0.5]], "feature": []}).shape == (3, 40)


def test_mixup_mixes_features_and_targets_alike():
    x = np.random.default_rng(0).standard_normal((6, 5, 4)).astype(np.float32)
    targets = np.eye(6, dtype=np.float32)
    parameters = {"weight": 0.75, "seed": 1}
    mixed, mixed_targets = Mixup().apply(x, parameters), Mixup().apply(targets, parameters)
    np.testing.assert_allclose(mixed, np.einsum("bk,k...->b...", mixed_targets, x), atol=1e-6)
    np.testing.assert_allclose(mixed_targets.sum(axis=1), 1.0, atol=1e-6)
    weights = [Mixup(0.2).draw(np.random.default_rng(i))["weight"] for i in range(500)]
    assert np.mean(weights) == pytest.approx(0.5, abs=0.06)
    assert np.mean([s < 0.1 or s > 0.9 for s in weights]) > 0.5  # Beta(0.2, 0.2) lies at the ends


def test_uniforms_are_one_stream_per_epoch():
    table = uniforms(3, 5, 0, 100, 4)
    np.testing.assert_array_equal(table, np.random.default_rng((3, 5)).random((100, 4)))
    np.testing.assert_array_equal(uniforms(3, 5, 42, 2, 4), table[42:44])
    assert not np.array_equal(table, uniforms(3, 6, 0, 100, 4))


@pytest.mark.parametrize("method", ["wsola", "vocoder"])
def test_the_nine_variants_are_the_single_calls(method):
    y = speech()
    shared = stretch_and_shift(y, SR, (0.7, 1.0, 1.3), (-1.0, 0.0, 1.0), method)
    assert [len(v) for v in shared] == [round(SR / rate) for rate in (0.7, 1.0, 1.3) for _ in range(3)]
    np.testing.assert_array_equal(shared[4], y)
    np.testing.assert_array_equal(shared[1], time_stretch(y, 0.7, method=method))
    np.testing.assert_array_equal(shared[5], pitch_shift(y, SR, 1.0, method=method))
    grid = load_policy("nine").bind(SR)
    assert [(p["rate"], p["n_steps"]) for p in grid.all()] == [(r, s) for r in (0.7, 1.0, 1.3) for s in (-1.0, 0.0, 1.0)]
    if method == "wsola":
        for parameters, variant in zip(grid.all(), shared, strict=True):
            np.testing.assert_array_equal(grid.apply(y, parameters), variant)


def test_recipes_by_name():
    assert policy_names() == ["bcresnet", "kws-streaming", "nine", "off", "own-word", "strong", "voices"]
    assert [load_policy(name).n_variants for name in policy_names()] == [2, 2, 9, 1, 9, 2, 2]
    assert load_policy("off").is_off
    bcresnet = load_policy("bcresnet").bind(SR, NOISE)
    assert bcresnet == Compose((TimeShift(100.0, SR), MixNoise(NOISE, amplitude=(0.0, 0.1))), p=0.8)
    with pytest.raises(ConfigError, match="did you mean bcresnet"):
        load_policy("bcresnett")
    with pytest.raises(ConfigError, match="needs noise"):
        load_policy("bcresnet").bind(SR)


def test_a_recipe_from_a_file(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(
        """
        [chain]
        p = 0.9
        [[chain.parts]]
        kind = "one_of"
        weights = [1, 2]
        parts = [{kind = "gain", gain_db = [-3, 3]}, {kind = "compose", parts = [{kind = "clip"}, {kind = "tanh", drive = [1, 2]}]}]
        [[chain.parts]]
        kind = "filter"
        p = 0.5
        kinds = ["low-pass"]
        """
    )
    recipe = load_policy(path)
    assert recipe.name == "mine"
    assert recipe.text == path.read_text()
    assert recipe.bind(8000) == Compose(
        (
            OneOf((Gain((-3, 3)), Compose((Clipping(), Tanh((1, 2))))), weights=(1, 2)),
            Compose((Filter(kinds=("low-pass",), sr=8000),), p=0.5),
        ),
        p=0.9,
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("chain = ", "not TOML"),
        ("[chains]", "unknown key 'chains'"),
        ("[grid]\nrates = [1.0]", "needs rates and steps"),
        ("[grid]\nrates = [99.0]\nsteps = [0]", "rates=.* from 0.1 to 10"),
        ("[grid]\nrates = [1.0]\nsteps = [0]\n[chain]", "exclude each other"),
        ("copies = 0\n[chain]", "copies=0"),
        ("[[chain.parts]]\nkind = 'gian'", "did you mean gain"),
        ("[[chain.parts]]\nkind = 'gain'\ngain = [0, 1]", "'gain' is not a field of gain"),
        ("[[chain.parts]]\nkind = 'gain'\ngain_db = [1, 0]", "gain_db=.* ascending"),
        ("[[chain.parts]]\nkind = 'mix_noise'", "exactly one of amplitude and snr_db"),
        ("[chain]\np = 2", "p=2"),
    ],
)
def test_a_wrong_recipe_is_refused_by_name(tmp_path, text, message):
    path = tmp_path / "wrong.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=message):
        load_policy(path)
    with pytest.raises(ConfigError, match="no such policy file"):
        load_policy(tmp_path / "missing.toml")


def test_a_transform_is_named_in_a_policy_as_soon_as_it_is_defined(monkeypatch):
    """Its fields are the policy's; the sampling rate comes from the clips, and what is not for a policy is refused in one."""
    monkeypatch.setattr("kwsfeat.augment.transform.KINDS", known := dict(transform_kinds()))
    monkeypatch.setattr("kwsfeat.augment.transforms.KINDS", known)

    @dataclasses.dataclass(frozen=True)
    class Delay(Transform, kind="delay"):
        ms: float = 1.0
        table: tuple[float, ...] = dataclasses.field(default=(), metadata={"toml": False})
        sr: int = 16000
        n_uniform = 0

        def parameters(self, u):
            return {}

        def apply(self, y, parameters):
            return np.roll(y, round(self.ms * 1e-3 * self.sr))

    assert transform_kinds()["delay"] is Delay
    chain = Policy("mine", "[[chain.parts]]\nkind = 'delay'\nms = 2.0").bind(8000)
    assert chain == Compose((Delay(2.0, sr=8000),))
    assert chain.apply(np.eye(1, 100, 3, dtype=np.float32)[0], {"parts": [{}]}).argmax() == 19
    with pytest.raises(ConfigError, match="'table' is not a field of delay: there are ms"):
        Policy("mine", "[[chain.parts]]\nkind = 'delay'\ntable = [1.0]").bind(8000)
    with pytest.raises(ConfigError, match=r"kind='delay' is .*Delay already: give .*Again another kind"):

        class Again(Delay, kind="delay"):
            pass


def test_every_file_of_transforms_is_found():
    from importlib.resources import files

    folder = files("kwsfeat.augment") / "transforms"
    modules = {path.name.removesuffix(".py") for path in folder.iterdir() if path.name.endswith(".py")} - {"__init__"}
    found = {kind.__module__.rsplit(".", 1)[-1] for kind in transform_kinds().values()}
    assert modules == found
    assert {"time_stretch", "pitch_shift", "time_shift", "mix_noise", "gain", "room", "filter", "clip", "tanh"} <= set(transform_kinds())


def test_a_policy_needs_noise_where_a_part_of_a_part_does():
    nested = (
        "[[chain.parts]]\nkind = 'one_of'\nparts = [{kind = 'gain'}, {kind = 'compose', parts = [{kind = 'mix_noise', snr_db = [0, 9]}]}]"
    )
    assert Policy("nested", nested).needs_noise
    assert not Policy("gain", "[[chain.parts]]\nkind = 'gain'").needs_noise
    assert [load_policy(name).needs_noise for name in policy_names()] == [True, True, False, False, True, True, True]


@pytest.mark.parametrize("shift", [-16000, 16000, 24000, -24000])
def test_a_shift_that_leaves_nothing_leaves_the_clip(shift: int) -> None:
    y = np.random.default_rng(0).integers(-3000, 3000, 16000).astype(np.int16)
    config = FeatureConfig()
    chain = Compose((TimeShift(max_ms=1500.0),))
    parameters = {"parts": [{"shift": shift}]}
    changed, length = augmented(chain, parameters, y, 9000, config)
    np.testing.assert_array_equal(changed, y / np.float32(32768))
    assert length == 9000
    silent, _ = augmented(chain, parameters, 0 * y, 9000, config)
    assert not silent.any()
