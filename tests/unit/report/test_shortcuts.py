"""What tells labels apart without a word being heard is found; what is alike, or by chance, is not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from kwsfeat.corpus.clip import NOISE_FOLDER, Clip
from kwsfeat.corpus.scan import Measurement, measure
from kwsfeat.report.shortcuts import FEWEST, shortcuts


def measurements(n: int = 20, labels: tuple[str, ...] = ("down", "no", "up", "yes"), seed: int = 0) -> list[Measurement]:
    """Recordings that differ by chance only."""
    rng = np.random.default_rng(seed)
    return [
        Measurement(
            Clip(f"{label}/{i}.wav", label), int(rng.integers(12000, 16001)), 16000, float(rng.normal(-25, 5)), 0.0, 0, b"",
            kind="WAV PCM_16", floor_db=float(rng.normal(-60, 6)),
        )
        for label in labels
        for i in range(n)
    ]  # fmt: skip


def changed(found: list[Measurement], labels: tuple[str, ...], **values: Any) -> list[Measurement]:
    return [replace(m, **values) if m.clip.label in labels else m for m in found]


@pytest.mark.parametrize("n", [2, FEWEST, 300])
def test_chance_is_no_shortcut(n: int) -> None:
    for seed in range(20):
        assert shortcuts(measurements(n, seed=seed)) == []


@pytest.mark.parametrize(
    ("name", "values", "said"),
    [
        ("format", {"kind": "OGG VORBIS"}, "mostly OGG VORBIS"),
        ("rate", {"sr": 8000, "n_samples": 7000}, "mostly 8,000 Hz"),
        ("level", {"level_db": -50.0}, "median -50 dB"),
        ("noise floor", {"floor_db": -120.0}, "median -120 dB"),
        ("length", {"n_samples": 8000}, "median 0.50 s"),
        ("number of channels", {"channels": 2}, "mostly 2"),
    ],
)
@pytest.mark.parametrize("labels", [("no",), ("no", "yes")])
def test_each_property_is_found_and_stated(name: str, values: dict[str, Any], said: str, labels: tuple[str, ...]) -> None:
    (found,) = shortcuts(changed(measurements(), labels, **values))
    assert (found.name, found.labels) == (name, labels) or (found.name, found.labels) == (name, ("down", "up"))
    assert found.right == 1.0
    assert said in (found.here, found.there)
    assert f"{name} tells {', '.join(found.labels)} from the rest, 100% right" in str(found)
    assert found.n + found.n_others == 80


def test_a_difference_that_nobody_hears_is_not_named() -> None:
    one = changed(measurements(labels=("no", "yes")), ("no", "yes"), level_db=-16.01)
    assert shortcuts(changed(one, ("yes",), level_db=-16.02)) == []
    assert [found.name for found in shortcuts(changed(one, ("yes",), level_db=-18.02))] == ["level"]


def test_nearly_always_counts_and_often_does_not() -> None:
    clean = measurements(100, ("no", "yes"))
    for share, wanted in ((5, 1), (30, 0)):
        mixed = [replace(m, kind="FLAC PCM_16") if m.clip.label == "yes" and i % 100 >= share else m for i, m in enumerate(clean)]
        assert len(shortcuts(mixed)) == wanted


def test_a_few_recordings_say_nothing() -> None:
    assert shortcuts(changed(measurements(FEWEST - 1, ("no", "yes")), ("no",), kind="FLAC PCM_16")) == []


def test_silence_and_noise_should_differ() -> None:
    found = measurements(20, ("no", "yes", "silence", NOISE_FOLDER, ""))
    assert shortcuts(changed(found, ("silence", NOISE_FOLDER, ""), level_db=-80.0, floor_db=-90.0, n_samples=960000)) == []
    assert shortcuts(measurements(20, ("yes",))) == []
    assert shortcuts([]) == []


def test_the_noise_floor_is_that_of_the_quietest_tenth() -> None:
    rng = np.random.default_rng(0)
    y = 0.001 * rng.standard_normal(16000)
    y[4000:12000] += 0.3 * rng.standard_normal(8000)
    assert measure(Clip("a", "yes"), y, 16000).floor_db == pytest.approx(-60, abs=1.5)
    assert measure(Clip("a", "yes"), np.zeros(16000, np.int16), 16000).floor_db == -120.0
    assert measure(Clip("a", "yes"), np.full(3, 16384, np.int16), 16000).floor_db == pytest.approx(-6.02, abs=0.01)
