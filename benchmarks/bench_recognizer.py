"""A run that listens, without JAX: 80 ms at a time on one core; and that no row of three hours drifts.

    pytest benchmarks/bench_recognizer.py --benchmark-enable -s
    python benchmarks/bench_recognizer.py HOURS

The weights are random: a network's time does not depend on them. A clip is one second of signal here, so that clips/s are how many
times faster than the signal it is.
"""

from __future__ import annotations

import resource
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from harness.race import compare

from kwsfeat import FeatureConfig, preset
from kwstrain import Recognizer

SR, SECONDS, CHUNK = 16000, 2, 1280
_PIECE = 16 * CHUNK  # of hours, fed at a time; computed 80 ms at a time all the same
NETWORKS: dict[str, dict[str, Any]] = {
    "bcresnet-2": {"causal": True}, "bcresnet-1": {"causal": True}, "bcresnet-8": {"causal": True}, "ds-cnn-s": {"causal": True},
    "mixednet": {},
}  # fmt: skip


def random_run(folder: Path, arch: str, config: FeatureConfig, options: dict[str, Any]) -> Recognizer:
    sys.path.append(str(Path(__file__).resolve().parents[1] / "tests"))
    from random_runs import write_run

    return Recognizer(write_run(folder / arch, arch, config, **options).folder, mode="stream")


def features(arch: str) -> FeatureConfig:
    return replace(preset("logmel"), n_samples=2 * SR if arch == "mixednet" else SR)


def listening(recognizer: Recognizer) -> Callable[[], object]:
    sound = 0.1 * np.random.default_rng(0).standard_normal(SECONDS * SR, np.float32)

    def call() -> None:
        for start in range(0, len(sound), CHUNK):
            recognizer.feed(sound[start : start + CHUNK])

    return call


def test_stream(benchmark, table, tmp_path):
    pytest.importorskip("jax")
    engines = {name: listening(random_run(tmp_path, name, features(name), options)) for name, options in NETWORKS.items()}
    compare(benchmark, table, "Recognizer, 80 ms at a time", engines, {}, dict.fromkeys(engines, SECONDS))


def drift(hours: float) -> None:
    """Feed so many hours; every minute, compare each of its rows with the offline network's on the latest seconds alone."""
    with tempfile.TemporaryDirectory() as folder:
        recognizer = random_run(Path(folder), "bcresnet-2", features("bcresnet-2"), NETWORKS["bcresnet-2"])
        offline = offline_network(Path(folder) / "bcresnet-2")
        rng = np.random.default_rng(0)
        recognizer.feed(np.zeros(CHUNK, np.float32))  # compiled once
        recognizer.reset()
        heard, worst, busy, n_rows = np.zeros(0, np.float32), 0.0, 0.0, 0
        n_minutes = max(1, round(60 * hours))
        for minute in range(1, n_minutes + 1):
            heard, rows, times = heard[-6 * SR :], [], []
            for i in range(round(60 * SR / _PIECE)):
                loud = 0.2 * abs(np.sin(i / 4)) * (i % 50 > 3)  # and silence now and then
                chunk = (loud * rng.standard_normal(_PIECE, np.float32)).clip(-1, 1)
                began = time.thread_time()
                rows.append(recognizer.feed(chunk))
                busy += time.thread_time() - began
                times.append(recognizer.frame_times)
                heard = np.concatenate([heard, chunk])
            n_samples = minute * round(60 * SR / _PIECE) * _PIECE
            expected = offline(heard, np.concatenate(times), n_samples)
            worst = max(worst, float(np.abs(np.concatenate(rows) - expected).max()))
            n_rows += len(expected)
            if minute % max(1, n_minutes // 10) == 0:
                done = f"{n_samples / SR / 3600:.2f} h  {n_rows:,} rows  largest difference {worst:.1e}"
                print(f"{done}  {n_samples / SR / busy:.0f} x real time", flush=True)
        print(f"memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB, with JAX for the comparison")


def offline_network(folder: Path) -> Callable[[np.ndarray, np.ndarray, int], np.ndarray]:
    """Rows at some times of a stream of so many samples, of which `latest` are the last: by FrontEnd and the network in JAX."""
    from flax import nnx

    from kwsfeat import FrontEnd
    from kwstrain.inference.bundle import Bundle
    from kwstrain.inference.probabilities import probabilities

    bundle = Bundle.load(folder)
    config = bundle.feature_config
    front_end = FrontEnd(config)
    frames_of = nnx.jit(lambda model, x: model.frames(model.input_norm(x)))
    kernel, bias = np.asarray(bundle.model.out.kernel[...])[0, 0], np.asarray(bundle.model.out.bias[...])

    def rows(latest: np.ndarray, times: np.ndarray, n_samples: int) -> np.ndarray:
        skipped = -(n_samples - len(latest)) % config.hop_length  # so that frames fall where they fall in the whole stream
        y = latest[skipped : skipped + (len(latest) - skipped) // config.hop_length * config.hop_length]
        first = (n_samples - len(latest) + skipped) // config.hop_length
        frames = np.asarray(frames_of(bundle.model, front_end.extract_recording(y)[None]))[0]
        ends = np.rint(times * config.sr / config.hop_length - config.n_fft / 2 / config.hop_length).astype(int) - first + 1
        means = np.stack([frames[max(0, end - config.n_frames) : end].mean(axis=0, dtype=np.float64) for end in ends])
        return probabilities((means @ kernel + bias).astype(np.float32))

    return rows


if __name__ == "__main__":
    drift(float(sys.argv[1]))
