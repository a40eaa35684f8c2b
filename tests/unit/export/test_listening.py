"""Exported files that listen instead of their run: the same rows, the same events."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
from random_runs import write_run
from tone_run import TONE_S, tones, write_tone_run

from kwsfeat import ConfigError, FeatureConfig, StoreError
from kwstrain import Recognizer
from kwstrain.cli import main
from kwstrain.detection.point import OperatingPoint
from kwstrain.export.export import export

pytest.importorskip("onnxruntime", reason="the extra export is not installed")
onnx = pytest.importorskip("onnx", reason="the extra export is not installed")

CONFIGS = {
    "mixednet": (FeatureConfig(n_samples=32000, framing="none", win_length=480), {"filters": 8}),
    "ds-cnn-s on deltas": (FeatureConfig(n_samples=8000, n_mels=10, hop_length=320, deltas=2), {"causal": True, "filters": 8}),
    "ds-cnn-s": (FeatureConfig(n_samples=8000, output="mfcc", n_mfcc=10, hop_length=320, log="db"), {"causal": True, "filters": 8}),
}
SOUND = (np.random.default_rng(3).standard_normal(61234) * 0.2 * np.sin(np.arange(61234) / 6000) ** 2).astype(np.float32)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Networks that stream, and their files."""
    folder = tmp_path_factory.mktemp("runs")
    for name, (config, options) in CONFIGS.items():
        write_run(folder / name, name.split()[0], config, **options)
        export(folder / name, "onnx-stream", folder / f"{name}.onnx")
    return folder


@pytest.mark.parametrize("arch", CONFIGS)
@pytest.mark.parametrize("sr", [16000, 44100])
def test_a_file_of_a_stream_gives_the_rows_of_the_run(arch: str, sr: int, runs: Path) -> None:
    run, file = (Recognizer(path, sr=sr) for path in (runs / arch, runs / f"{arch}.onnx"))
    assert (file.mode, file.labels, file.sr) == ("stream", run.labels, sr)
    assert [file.hop_s, file.warm_up_s] == pytest.approx([run.hop_s, run.warm_up_s])
    rows = []
    for one in (run, file):
        parts, times = [], []
        for start in range(0, len(SOUND), 7001):
            parts.append(one.feed(SOUND[start : start + 7001]))
            times.append(one.frame_times)
        rows.append((np.concatenate([*parts, one.finish()]), np.concatenate([*times, one.frame_times])))
    (wanted, wanted_times), (given, given_times) = rows
    assert given.shape == wanted.shape
    n = len(wanted) - (4 if "deltas" in arch else 0)  # the slopes of the last frames have seen the silence behind them
    np.testing.assert_allclose(given[:n], wanted[:n], atol=1e-4)
    np.testing.assert_allclose(given_times, wanted_times, atol=1e-9)


@pytest.mark.parametrize("sr", [16000, 44100])
def test_a_state_goes_on_elsewhere(sr: int, runs: Path) -> None:
    one, other = (Recognizer(runs / "ds-cnn-s.onnx", sr=sr) for _ in range(2))
    one.feed(SOUND[:20001])
    state = one.state()
    wanted = one.feed(SOUND[20001:])
    other.feed(-SOUND)
    other.restore(state)
    np.testing.assert_allclose(other.feed(SOUND[20001:]), wanted, atol=1e-4 * (sr != 16000))
    np.testing.assert_array_equal(other.frame_times, one.frame_times)
    with pytest.raises(ConfigError, match="it is of another run"):
        Recognizer(runs / "ds-cnn-s.onnx", sr=sr).restore({**state, "state_mean": np.zeros(2)})
    for damaged in ({**state, "waiting": np.zeros((2, 2))}, {**state, "run": "another"}, {**state, "heard": None}):
        with pytest.raises(ConfigError, match="state"):
            one.restore(damaged)


@pytest.mark.parametrize("to", ["onnx", "onnx-stream"])
def test_detect_finds_the_same_events(to: str, runs: Path, golden: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    run = runs / "mixednet" if to == "onnx-stream" else golden / "cnn"
    soundfile.write(tmp_path / "sound.wav", SOUND, 22050)
    listens = Recognizer(run, sr=22050, mode="auto" if to == "onnx-stream" else "windowed", hop_ms=200)
    posteriors = listens.feed(SOUND)
    levels = dict(zip(listens.labels, np.quantile(posteriors, 0.7, axis=0).tolist(), strict=True))
    point = OperatingPoint(
        thresholds=levels, smoothing_frames=2, hysteresis=0.0, refractory_s=0.1, mode=listens.mode, hop_s=listens.hop_s,
        calibration={"target_per_hour": 0.5},
    )  # fmt: skip
    point.save(run)
    export(run, to, tmp_path / "run.onnx")
    found = []
    for one in (run, tmp_path / "run.onnx"):
        assert main(["detect", str(one), str(tmp_path / "sound.wav"), "--json"]) == 0
        out, err = capfd.readouterr()
        assert "not calibrated" not in err
        found.append(json.loads(out)[0]["events"])
    (run / "detector.json").unlink()
    by_run, by_file = found
    assert len(by_run) >= 3
    assert [(event["word"], pytest.approx(event["time_s"])) for event in by_file] == [(event["word"], event["time_s"]) for event in by_run]
    assert [event["score"] for event in by_file] == pytest.approx([event["score"] for event in by_run], abs=1e-4)


def test_eight_bits_listen_too(golden: Path, tmp_path: Path) -> None:
    export(golden / "cnn", "onnx-int8", tmp_path / "cnn8.onnx")
    wanted, given = (Recognizer(one, mode="windowed", hop_ms=500).feed(SOUND) for one in (golden / "cnn", tmp_path / "cnn8.onnx"))
    assert 0 < np.abs(given - wanted).max() < 0.1


def test_score_and_listen_hear_the_words_of_a_file(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    write_tone_run(tmp_path / "tone")
    export(tmp_path / "tone", "onnx-stream", tmp_path / "tone.onnx")
    said = (("low", 2.5), ("high", 5.0), ("low", 7.5))
    (tmp_path / "heard").mkdir()
    soundfile.write(tmp_path / "heard" / "a.wav", tones(10, *said), 16000, subtype="PCM_16")
    rows = "".join(f"{start_s},{start_s + TONE_S},{word}\n" for word, start_s in said)
    (tmp_path / "heard" / "a.csv").write_text("start_s,end_s,word\n" + rows)
    assert main(["score", str(tmp_path / "tone.onnx"), str(tmp_path / "heard"), "--json", "-q"]) == 0
    found = json.loads(capfd.readouterr().out)
    assert (found["hits"], found["misses"]["misses"], found["false_accepts"]["false_accepts"]) == (3, 0, 0)
    assert main(["listen", str(tmp_path / "tone.onnx"), "--from-wav", str(tmp_path / "heard" / "a.wav"), "-q"]) == 0
    assert [line.split("\t")[1] for line in capfd.readouterr().out.splitlines()] == ["low", "high", "low"]


def test_a_file_listens_in_one_mode(runs: Path, golden: Path, tmp_path: Path) -> None:
    export(golden / "cnn", "onnx", tmp_path / "clips.onnx")
    with pytest.raises(ConfigError, match=r"listens in mode windowed, not stream: export the run --to onnx-stream, which does$"):
        Recognizer(tmp_path / "clips.onnx", mode="stream")
    with pytest.raises(ConfigError, match=r"listens in mode stream, not windowed: export the run --to onnx, which does$"):
        Recognizer(runs / "mixednet.onnx", mode="windowed")
    model = onnx.load(str(runs / "mixednet.onnx"))
    kept = [one for one in model.metadata_props if one.key != "first_frame"]
    del model.metadata_props[:]
    model.metadata_props.extend(kept)
    onnx.save(model, str(tmp_path / "old.onnx"))
    with pytest.raises(StoreError, match=r"does not say when its rows are \('first_frame'\): export it again"):
        Recognizer(tmp_path / "old.onnx")


def test_calibration_wants_the_run(runs: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["calibrate", str(runs / "mixednet.onnx"), str(tmp_path)]) == 1
    assert "is an exported file: calibrate the run, then export it again" in capfd.readouterr().err
