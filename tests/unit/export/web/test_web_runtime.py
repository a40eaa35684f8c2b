"""The page's JavaScript in node against Python: graphs, detector, resampler."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kwsfeat import Detector, resample

onnx = pytest.importorskip("onnx", reason="the extra export is not installed")

GRAPH = Path(__file__).resolve().parents[4] / "kwstrain" / "export" / "graph"
Node = Callable[..., Any]


def test_every_operation_that_a_graph_may_have_is_known(node: Node) -> None:
    written = {word for file in GRAPH.rglob("*.py") for word in re.findall(r'"([A-Z][A-Za-z]+)"', file.read_text())}
    operations = {word for word in written if onnx.defs.has(word)}
    assert len(operations) > 45
    assert operations - set(node("operations")) == set()


def test_the_detector_gives_the_events_of_python(node: Node, tmp_path: Path) -> None:
    """Posteriors that wander, at thresholds, smoothings and refractory times of all kinds."""
    rng = np.random.default_rng(7)
    labels = ["yes", "no", "silence"]
    cases, wanted = [], []
    for case in range(40):
        steps = rng.normal(0, 0.3, (300, 3)).cumsum(axis=0)
        posteriors = (1 / (1 + np.exp(-steps))).astype(np.float32).astype(np.float64)
        times = (0.1 + 0.08 * np.arange(300)) + rng.uniform(0, 0.01, 300) * (case % 2)
        options = {
            "thresholds": {"yes": rng.uniform(0.3, 0.9), "no": rng.uniform(0.3, 0.9)}, "smoothing_frames": int(rng.integers(1, 8)),
            "hysteresis": rng.uniform(0, 0.29), "refractory_s": rng.choice([0.0, 0.5, 0.8, 2.0]),
        }  # fmt: skip
        cases.append({"labels": labels, "options": options, "rows": posteriors.tolist(), "times": times.tolist()})
        wanted.append([asdict(event) for event in Detector(labels, **options).feed(posteriors, times)])
    (tmp_path / "cases.json").write_text(json.dumps(cases))
    given = node("detect", tmp_path / "cases.json")
    as_python = [[{"word": e["word"], "start_s": e["start"], "time_s": e["time"], "score": e["score"]} for e in events] for events in given]
    assert sum(map(len, wanted)) > 100
    assert as_python == wanted


def resampled(node: Node, y: np.ndarray, sr: int, to: int, folder: Path, size: int = 128) -> np.ndarray:
    y.astype(np.float32).tofile(folder / "y.f32")
    return np.array(node("resample", sr, to, folder / "y.f32", size))


RATES = [(48000, 16000), (44100, 16000), (96000, 16000), (22050, 16000), (8000, 16000), (48000, 8000)]


@pytest.mark.parametrize(("sr", "to"), RATES)
def test_sines_keep_their_level_and_phase(sr: int, to: int, node: Node, tmp_path: Path) -> None:
    """Up to 0.9 of the lower rate's half."""
    edge = 0.45 * min(sr, to)
    hz = np.array([60, 440, 0.5 * edge, edge])
    t, phase = np.arange(sr // 2) / sr, np.arange(4)
    given = resampled(node, 0.2 * np.sin(2 * np.pi * hz * t[:, None] + phase).sum(axis=1), sr, to, tmp_path)
    wanted = 0.2 * np.sin(2 * np.pi * hz * (np.arange(len(given)) / to)[:, None] + phase).sum(axis=1)
    inner = slice(to // 50, None)
    assert len(given) > 0.48 * to
    np.testing.assert_allclose(given[inner], wanted[inner], atol=1e-3)


@pytest.mark.parametrize(("sr", "to"), [(sr, to) for sr, to in RATES if sr > to])
def test_what_the_new_rate_cannot_hold_is_gone(sr: int, to: int, node: Node, tmp_path: Path) -> None:
    """Aliases lie more than 60 dB below."""
    t = np.arange(sr // 4) / sr
    for hz in np.linspace(0.501 * to, 0.499 * sr, 4):
        given = resampled(node, np.sin(2 * np.pi * hz * t), sr, to, tmp_path)[to // 50 :]
        assert np.abs(given).max() < 1e-3, hz


def test_images_of_a_lower_rate_are_gone(node: Node, tmp_path: Path) -> None:
    y = np.sin(2 * np.pi * 3000 * np.arange(4000) / 8000)
    given = resampled(node, y, 8000, 16000, tmp_path)[400:4400]
    spectrum = np.abs(np.fft.rfft(given * np.blackman(4000)))
    assert spectrum[1000:].max() < 1e-3 * spectrum.max()  # above 4 kHz


def test_pieces_change_nothing_and_words_are_those_of_soxr(node: Node, tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    low = np.convolve(rng.standard_normal(20000), np.hanning(31) / 15.5, "same")  # little above 7 kHz at 44.1 kHz
    y = (0.1 * low).astype(np.float32)
    whole, *others = (resampled(node, y, 44100, 16000, tmp_path, size) for size in (20000, 1, 128, 4001))
    for one in others:
        np.testing.assert_array_equal(one, whole)
    np.testing.assert_allclose(whole[200:], resample(y, 44100, 16000)[200 : len(whole)], atol=2e-3)
