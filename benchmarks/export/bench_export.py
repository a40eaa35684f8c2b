"""Exported files beside the run that they were made of: clips by onnxruntime, streams by onnxruntime and by the page's JavaScript.

    pytest benchmarks/export/bench_export.py --benchmark-enable -s

The weights are random: a network's time does not depend on them. Every engine begins with waveforms and ends with probabilities, on one
thread but for JAX, which takes all cores. A stream's clip is one second of signal, so that clips/s are how many times faster than the
signal it is.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from harness.race import CALLS, ROUNDS, compare

from kwsfeat import FeatureConfig, FrontEnd, preset
from kwstrain import Recognizer, load

sys.path.append(str(Path(__file__).resolve().parents[2] / "tests"))

SR, SECONDS, CHUNK = 16000, 2, 1280
CLIPS: dict[str, dict[str, Any]] = {"cnn": {}, "bcresnet-2": {}}
STREAMS: dict[str, dict[str, Any]] = {"bcresnet-2": {"causal": True}, "bcresnet-8": {"causal": True}, "mixednet": {}}
NODE = """
const fs = require("fs"), [library, file, sound] = process.argv.slice(2), kws = require(library);
const recognizer = new kws.Recognizer(new kws.Model(fs.readFileSync(file)));
const y = new Float32Array(new Uint8Array(fs.readFileSync(sound)).buffer);
let best = Infinity;
for (let turn = 0; turn < TURNS; turn++) {
  recognizer.reset();
  recognizer.feed(y);
  best = Math.min(best, recognizer.milliseconds / recognizer.steps * recognizer.sr / recognizer.hop);
}
console.log(best);
"""


def exported(folder: Path, arch: str, to: str, options: dict[str, Any]) -> tuple[Path, Path]:
    """A run with random weights, and its file."""
    random_runs = pytest.importorskip("random_runs", reason="needs JAX")
    pytest.importorskip("onnxruntime", reason="the extra export is not installed")
    from kwstrain.export.export import export

    config: FeatureConfig = replace(preset("logmel"), n_samples=2 * SR if arch == "mixednet" else SR)
    run, file = folder / arch, folder / f"{arch}-{to}.onnx"
    random_runs.write_run(run, arch, config, **options)
    export(run, to, file)
    return run, file


def clips_of_run(run: Path, y: np.ndarray) -> Callable[[], object]:
    classifier = load(run)
    front_end = FrontEnd(classifier.bundle.feature_config)
    return lambda: classifier.logits(front_end.extract_batch(y))


@pytest.mark.parametrize("n", [1, 64])
@pytest.mark.parametrize("arch", CLIPS)
def test_clips(benchmark, table, tmp_path, arch, n):
    from kwstrain.inference.exported import ExportedClassifier

    run, file = exported(tmp_path, arch, "onnx", CLIPS[arch])
    y, classifier = 0.1 * np.random.default_rng(0).standard_normal((n, SR), np.float32), ExportedClassifier(file)
    engines = {"kwstrain": clips_of_run(run, y), "onnxruntime": lambda: classifier.probabilities(y)}
    compare(benchmark, table, f"{arch}, {n} at once", engines, {}, dict.fromkeys(engines, n))


def node_seconds(file: Path, folder: Path, y: np.ndarray, turns: int) -> float:
    """Of a second of signal, by ``kws.js``."""
    from kwstrain.export.web.runtime import runtime

    (folder / "kws.js").write_text(runtime(), encoding="utf-8")
    (folder / "time.js").write_text(NODE.replace("TURNS", str(turns)), encoding="utf-8")
    y.astype(np.float32).tofile(folder / "y.f32")
    command = ["node", folder / "time.js", folder / "kws.js", file, folder / "y.f32"]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout) / 1000


def listening(recognizer: Recognizer, y: np.ndarray) -> Callable[[], object]:
    return lambda: [recognizer.feed(y[start : start + CHUNK]) for start in range(0, len(y), CHUNK)]


@pytest.mark.parametrize("arch", STREAMS)
def test_streams(benchmark, table, tmp_path, arch):
    run, file = exported(tmp_path, arch, "onnx-stream", STREAMS[arch])
    y = 0.1 * np.random.default_rng(0).standard_normal(SECONDS * SR, np.float32)
    engines = {"Recognizer": listening(Recognizer(run, mode="stream"), y), "onnxruntime": listening(Recognizer(file), y)}
    compare(benchmark, table, f"{arch}, 80 ms at a time", engines, {}, dict.fromkeys(engines, SECONDS))
    if shutil.which("node"):
        seconds = node_seconds(file, tmp_path, y, ROUNDS * CALLS if benchmark.enabled else 1)
        if benchmark.enabled:
            ours = next(of for work, engine, of, *_ in table.lines if work.startswith(arch) and engine == "Recognizer")
            table.lines.append((f"{arch}, 80 ms at a time", "kws.js in node", 1e6 * seconds, 1e6 * seconds / ours, None))
