"""Pages: what is in them, what they hear in node, what is refused."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from random_runs import write_run
from tone_run import tones, write_tone_run

from kwsfeat import ConfigError, FeatureConfig, StoreError
from kwstrain import Recognizer
from kwstrain.cli import main
from kwstrain.detection.point import OperatingPoint
from kwstrain.export.check import check
from kwstrain.export.export import export

pytest.importorskip("onnx", reason="the extra export is not installed")

Node = Callable[..., Any]
STREAMS: dict[str, tuple[FeatureConfig, dict[str, Any]]] = {
    "mixednet": (FeatureConfig(n_samples=32000, framing="none", win_length=480, preemph=0.9), {"filters": 8}),
    "bcresnet-1": (FeatureConfig(n_samples=6000, n_mels=20), {"causal": True, "tau": 0.5}),
    "ds-cnn-s on PCEN": (
        FeatureConfig(n_samples=8000, log="pcen", deltas=1, framing="reflect", n_mels=12, hop_length=320),
        {"causal": True, "filters": 8},
    ),
    "ds-cnn-s": (FeatureConfig(n_samples=8000, output="mfcc", n_mfcc=10, hop_length=320, log="db"), {"causal": True, "filters": 8}),
}
SOUND = (np.random.default_rng(3).standard_normal(48000) * 0.2 * np.sin(np.arange(48000) / 6000) ** 2).astype(np.float32)
SOUND[20000:26000] = 0


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory, golden: Path) -> dict[str, Path]:
    """Networks that stream, and two that listen in windows."""
    folder = tmp_path_factory.mktemp("runs")
    for name, (config, options) in STREAMS.items():
        write_run(folder / name, name.split()[0], config, **options)
    return {**{name: folder / name for name in STREAMS}, "cnn": golden / "cnn", "lstm": golden / "lstm"}


def crossed(posteriors: np.ndarray) -> float:
    """A threshold that the means of three rows cross, none of them narrowly."""
    scores = np.sort(np.convolve(posteriors, np.full(3, 1 / 3), "valid"))
    middle = scores[len(scores) // 3 : -len(scores) // 5]
    gap = int(np.diff(middle).argmax())
    return float(middle[gap : gap + 2].mean())


@pytest.mark.parametrize("name", [*STREAMS, "cnn", "lstm"])
def test_a_page_hears_what_the_run_hears(name: str, runs: dict[str, Path], node: Node, tmp_path: Path) -> None:
    mode = "stream" if name in STREAMS else "windowed"
    recognizer = Recognizer(runs[name], mode=mode, hop_ms=80 if mode == "stream" else 200)
    wanted = recognizer.feed(SOUND)
    levels = {label: crossed(column) for label, column in zip(recognizer.labels, wanted.T, strict=True)}
    point = OperatingPoint(
        thresholds=levels, smoothing_frames=3, hysteresis=0.0, refractory_s=0.2, mode=recognizer.mode, hop_s=recognizer.hop_s,
        calibration={"target_per_hour": 0.5},
    )  # fmt: skip
    point.save(runs[name])
    said = export(runs[name], "web", tmp_path / "page")
    (runs[name] / "detector.json").unlink()
    assert (said["mode"], said["row_s"]) == (mode, pytest.approx(recognizer.hop_s))
    SOUND.tofile(tmp_path / "sound.f32")
    heard = node("listen", tmp_path / "page" / "model.onnx", tmp_path / "sound.f32", 777)
    n = min(len(wanted), len(heard["rows"]))
    assert n > 0.9 * len(wanted)
    np.testing.assert_allclose(np.array(heard["rows"])[:n], wanted[:n], atol=1e-4)
    np.testing.assert_allclose(heard["times"][:n], recognizer.frame_times[:n], atol=1e-9)
    assert np.ptp(wanted, axis=0).max() > 1e-3
    events = point.detector(recognizer.labels).feed(wanted[:n], recognizer.frame_times[:n])
    given = [event for event in heard["events"] if event["time"] <= recognizer.frame_times[n - 1] + 1e-6]
    assert len(events) >= 2
    assert [(e["word"], round(e["start"], 6), round(e["time"], 6)) for e in given] == [
        (e.word, round(e.start_s, 6), round(e.time_s, 6)) for e in events
    ]
    assert [e["score"] for e in given] == pytest.approx([e.score for e in events], abs=1e-4)


@pytest.fixture(scope="module")
def page(runs: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pages") / "page"
    export(runs["bcresnet-1"], "web", folder, license="CC0-1.0")
    return folder


def test_a_page_needs_nothing_else_and_is_small(page: Path) -> None:
    names = {"index.html", "listen.html", "kws.js", "app.js", "worklet.js", "model.onnx"}
    assert {one.name for one in page.iterdir()} == names
    assert sum((page / name).stat().st_size for name in names - {"listen.html"}) < 600_000
    assert (page / "listen.html").stat().st_size < 600_000
    for name in names - {"model.onnx"}:
        text = re.sub(r"[A-Za-z0-9+/=]{200,}", "", (page / name).read_text(encoding="utf-8"))
        text = re.sub(r'src="(kws|app)\.js"|href="data:,"', "", text)
        assert not re.findall(r"(?:src|href)\s*=|https?://(?!localhost)|//cdn|\bimport\b", text), name


def test_check_reads_the_folder_and_the_single_file(page: Path, tmp_path: Path) -> None:
    folder, single = check(page).to_dict(), check(page / "listen.html").to_dict()
    assert folder["format"] == single["format"] == "web page, ONNX, opset 17, ir_version 8 inside"
    for found in (folder, single):
        assert (found["license"], found["kind"], found["labels"]) == ("CC0-1.0", "stream", ["yes", "no", "up"])
        assert found["card"]["network"] == "bcresnet-1"
    assert folder["bytes"] == sum(one.stat().st_size for one in page.iterdir()) - single["bytes"]
    (tmp_path / "other.html").write_text("<p>Hello</p>")
    with pytest.raises(StoreError, match="is not a page with a network in it"):
        check(tmp_path / "other.html")
    with pytest.raises(StoreError, match=r"is not a page: it has no index.html and model\.onnx"):
        check(tmp_path)


def test_windows_where_no_stream_is_possible_and_why(golden: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["export", str(golden / "cnn"), str(tmp_path / "page"), "--to", "web"]) == 0
    err = capfd.readouterr().err
    assert "it listens in windows, the whole network every 80 ms: cnn does not stream, only bcresnet" in err
    assert main(["export", str(golden / "cnn"), str(tmp_path / "page"), "--to", "web"]) == 1
    assert "exists: choose another name or use --overwrite" in capfd.readouterr().err
    assert main(["export", str(golden / "cnn"), str(tmp_path / "page"), "--to", "web", "--overwrite"]) == 0
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="is a file: web writes a folder"):
        export(golden / "cnn", "web", tmp_path / "file", overwrite=True)
    with pytest.raises(ConfigError, match=r"page\.html names a file, and web writes a folder, with listen\.html"):
        export(golden / "cnn", "web", tmp_path / "page.html")


def test_a_network_that_is_too_slow_is_refused(tmp_path: Path) -> None:
    write_run(tmp_path / "res15", "res15", FeatureConfig())
    with pytest.raises(ConfigError, match=r"res15 cannot go to web: .* 9\d\d million multiplications each are too many"):
        export(tmp_path / "res15", "web", tmp_path / "page")
    assert not (tmp_path / "page").exists()


def test_what_is_no_sound_is_refused_and_changes_nothing(page: Path, node: Node, tmp_path: Path) -> None:
    SOUND.tofile(tmp_path / "sound.f32")
    found = node("refusals", page / "model.onnx", tmp_path / "sound.f32")
    assert found["same"]
    scale = "and must lie between -1 and 1"
    kind = "samples must be a Float32Array"
    assert [text.split(":")[0] for text in found["said"]] == [kind, f"sample 1 is 12000 {scale}", f"sample 0 is NaN {scale}", kind]


PAGE = Path(__file__).resolve().parents[4] / "docs" / "export.md"


def test_the_lines_of_the_page_run(node: Node, tmp_path: Path) -> None:
    """On tones, at the rate of a microphone."""
    program = shutil.which("node")
    assert program is not None
    write_tone_run(tmp_path / "tone")
    export(tmp_path / "tone", "web", tmp_path / "page")
    (code,) = re.findall(r"^```js\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    (tones(7, ("low", 2.5), ("high", 4.5), sr=48000) / 32768).astype(np.float32).tofile(tmp_path / "page" / "y.f32")
    begin = 'const fs = require("fs"), kws = require("./kws.js");\n'
    end = 'const y = new Float32Array(new Uint8Array(fs.readFileSync("y.f32")).buffer);\n'
    end += 'listen(fs.readFileSync("model.onnx"), [y.subarray(0, 50000), y.subarray(50000)]);\n'
    (tmp_path / "page" / "mine.js").write_text(begin + code + end, encoding="utf-8")
    out = subprocess.run([program, "mine.js"], cwd=tmp_path / "page", capture_output=True, text=True, check=True).stdout
    heard = [line.split() for line in out.splitlines()]
    assert [word for word, _, _ in heard] == ["low", "high"]
    assert [float(time) for _, time, _ in heard] == pytest.approx([2.7, 4.7], abs=0.1)


def detection(page: Path) -> dict[str, Any]:
    import onnx

    return json.loads({one.key: one.value for one in onnx.load(str(page / "model.onnx")).metadata_props}["detection"])


def test_another_row_than_the_calibrated_one_is_said(runs: dict[str, Path], golden: Path, tmp_path: Path) -> None:
    """Smoothing covers the same time."""
    assert detection_of(runs["ds-cnn-s"], tmp_path / "none")["remark"].startswith("It is not calibrated")
    values = {"thresholds": {"high": 0.7}, "smoothing_frames": 20, "hop_s": 0.01, "calibration": {"target_per_hour": 0.5}}
    OperatingPoint(mode="stream", **values).save(golden / "cnn")
    found = detection_of(golden / "cnn", tmp_path / "page")
    (golden / "cnn" / "detector.json").unlink()
    assert (found["thresholds"], found["smoothing_frames"], found["hop_s"]) == ({"high": 0.7}, 2, 0.08)
    assert found["remark"] == "It was calibrated with a row every 10 ms, and has one every 80 ms here."


def detection_of(run: Path, folder: Path) -> dict[str, Any]:
    export(run, "web", folder)
    return detection(folder)
