"""Exported files beside the run that they were made of: clips by onnxruntime, streams by onnxruntime and by the page's JavaScript.

    pytest benchmarks/export/bench_export.py --benchmark-enable -s
    python benchmarks/export/bench_export.py

The second prints the time of the processor instead, of all threads, which says the same on a machine that has other work. The weights
are random: a network's time does not depend on them. Every engine begins with waveforms and ends with probabilities, on one thread but
for JAX and onnxruntime's clips, which take all cores. A stream's clip is one second of signal, so that clips/s are how many times faster
than the signal it is.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

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
  const before = process.cpuUsage();
  recognizer.feed(y);
  const used = process.cpuUsage(before);
  const milliseconds = PROCESSOR ? (used.user + used.system) / 1000 : recognizer.milliseconds;
  best = Math.min(best, milliseconds / recognizer.steps * recognizer.sr / recognizer.hop);
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
    from harness.race import compare

    from kwstrain.inference.exported import ExportedClassifier

    run, file = exported(tmp_path, arch, "onnx", CLIPS[arch])
    y, classifier = 0.1 * np.random.default_rng(0).standard_normal((n, SR), np.float32), ExportedClassifier(file)
    engines = {"kwstrain": clips_of_run(run, y), "onnxruntime": lambda: classifier.probabilities(y)}
    compare(benchmark, table, f"{arch}, {n} at once", engines, {}, dict.fromkeys(engines, n))


def node_seconds(file: Path, folder: Path, y: np.ndarray, turns: int, *, of_processor: bool = False) -> float:
    """Of a second of signal, by ``kws.js``."""
    from kwstrain.export.web.runtime import runtime

    (folder / "kws.js").write_text(runtime(), encoding="utf-8")
    (folder / "time.js").write_text(NODE.replace("TURNS", str(turns)).replace("PROCESSOR", str(of_processor).lower()), encoding="utf-8")
    y.astype(np.float32).tofile(folder / "y.f32")
    command = ["node", folder / "time.js", folder / "kws.js", file, folder / "y.f32"]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout) / 1000


def listening(recognizer: Recognizer, y: np.ndarray) -> Callable[[], object]:
    return lambda: [recognizer.feed(y[start : start + CHUNK]) for start in range(0, len(y), CHUNK)]


@pytest.mark.parametrize("arch", STREAMS)
def test_streams(benchmark, table, tmp_path, arch):
    from harness.race import CALLS, ROUNDS, compare

    run, file = exported(tmp_path, arch, "onnx-stream", STREAMS[arch])
    y = 0.1 * np.random.default_rng(0).standard_normal(SECONDS * SR, np.float32)
    engines = {"Recognizer": listening(Recognizer(run, mode="stream"), y), "onnxruntime": listening(Recognizer(file), y)}
    compare(benchmark, table, f"{arch}, 80 ms at a time", engines, {}, dict.fromkeys(engines, SECONDS))
    if shutil.which("node"):
        seconds = node_seconds(file, tmp_path, y, ROUNDS * CALLS if benchmark.enabled else 1)
        if benchmark.enabled:
            ours = next(of for work, engine, of, *_ in table.lines if work.startswith(arch) and engine == "Recognizer")
            table.lines.append((f"{arch}, 80 ms at a time", "kws.js in node", 1e6 * seconds, 1e6 * seconds / ours, None))


def processor_seconds(run: Callable[[], object], turns: int = 20) -> float:
    """The least that a call took of the processor."""
    run()
    best = np.inf
    for _ in range(turns):
        began = time.process_time()
        run()
        best = min(best, time.process_time() - began)
    return float(best)


def main() -> None:
    """Print milliseconds of the processor: of a clip, and of 80 ms of a stream."""
    from kwstrain.inference.exported import ExportedClassifier

    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        print("| work | kwstrain | onnxruntime | kws.js in node |\n|---|---|---|---|")
        for arch, options in CLIPS.items():
            run, file = exported(Path(folder), arch, "onnx", options)
            classifier = ExportedClassifier(file)
            for n in (1, 64):
                y = 0.1 * rng.standard_normal((n, SR), np.float32)
                ours, theirs = processor_seconds(clips_of_run(run, y)), processor_seconds(lambda y=y, of=classifier: of.probabilities(y))
                print(f"| {arch}, {n} at once: a clip | {1e3 * ours / n:.2f} | {1e3 * theirs / n:.2f} | |", flush=True)
            shutil.rmtree(run)
        for arch, options in STREAMS.items():
            run, file = exported(Path(folder), arch, "onnx-stream", options)
            y = 0.1 * rng.standard_normal(SECONDS * SR, np.float32)
            taken = [processor_seconds(listening(one, y)) / SECONDS for one in (Recognizer(run, mode="stream"), Recognizer(file))]
            taken.append(node_seconds(file, Path(folder), y, 20, of_processor=True))
            print(f"| {arch}, a stream: 80 ms | " + " | ".join(f"{80 * seconds:.2f}" for seconds in taken) + " |", flush=True)


if __name__ == "__main__":
    main()
