"""The trainer: examples a second of whole training runs, how long the step waits for input, clips per second of prediction.

    TORCH_PYTHON=/path/to/python pytest benchmarks/bench_train.py --benchmark-enable -s

Against PyTorch: the same Light CNN and the same LSTM over 17,640 samples, the same batch, on as many cores. $TORCH_PYTHON is a Python
that has it; without it this one is tried, and PyTorch is left out where it is missing. It runs in a process of its own, before or
after ours, never at the same time. Without --benchmark-enable everything runs as a test, with few clips.
"""

from __future__ import annotations

import csv
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from kwsfeat import FeatureConfig, Reader, preset
from kwsfeat.pipeline.arrays import write_file
from kwstrain.config import TrainConfig
from kwstrain.inference.predict import predict
from kwstrain.training.fit import fit

LABELS = [f"word{i}" for i in range(12)]


@pytest.fixture(scope="module")
def is_benchmark(request: pytest.FixtureRequest) -> bool:
    return bool(request.config.getoption("benchmark_enable"))


@pytest.fixture(scope="module")
def table() -> Iterator[list[str]]:
    """Lines of the report."""
    rows = ["| work | engine | examples/s | waits for input |", "|---|---|---|---|"]
    yield rows
    print("\n\n" + "\n".join(rows) + "\n")


def write_noise(path: Path, config: FeatureConfig, n_clips: int) -> Path:
    """Clips of noise: speed does not depend on what is said."""
    rng = np.random.default_rng(0)
    audio = rng.integers(-3000, 3000, (n_clips, config.n_samples), np.int16)
    write_file(
        path, audio=audio, length=np.full(n_clips, config.n_samples), label=np.arange(n_clips) % len(LABELS),
        split=np.where(np.arange(n_clips) % 10, "train", "validation"), labels=LABELS,
        configs={"features": config}, threads=os.cpu_count() or 1,
    )  # fmt: skip
    return path


def later_epochs(records: Sequence[dict[str, Any]]) -> tuple[float, float]:
    """Median examples/s and share of waiting, without the epoch that compiles."""
    return statistics.median(r["examples_per_s"] for r in records[1:]), statistics.median(r["wait_share"] for r in records[1:])


@pytest.mark.parametrize("resident_mb", [256, 0], ids=["resident", "streamed"])
def test_light_cnn(table: list[str], tmp_path: Path, is_benchmark: bool, resident_mb: int) -> None:
    """Batch 64 on 99 x 161."""
    path = write_noise(tmp_path / "data.h5", preset("logspec16k"), 2400 if is_benchmark else 160)
    config = TrainConfig(arch="cnn", batch=64, epochs=4 if is_benchmark else 2, resident_mb=resident_mb, gradient_histograms=False)
    rate, waits = later_epochs(fit(path, config, tmp_path / "run").records)
    table.append(f"| Light CNN, batch 64, {'streamed' if resident_mb == 0 else 'resident'} | kwstrain | {rate:,.0f} | {waits:.1%} |")
    if is_benchmark:
        assert waits < 0.05
        for layout, torch_rate in pytorch("light-cnn", 64, n_steps=20).items():
            table.append(f"| Light CNN, batch 64 | {layout} | {torch_rate:,.0f} | |")
            assert rate >= torch_rate or layout != "PyTorch"


def test_raw_lstm(table: list[str], tmp_path: Path, is_benchmark: bool) -> None:
    """17,640 steps, 32 units, batch 64; in a process of its own, where each core becomes a device."""
    config = preset("waveform22k")
    if not is_benchmark:
        config = FeatureConfig.from_partial({"n_samples": 500}, config)
    path = write_noise(tmp_path / "data.h5", config, 356 if is_benchmark else 180)
    code = (
        "import sys; from kwstrain.config import TrainConfig; from kwstrain.training.fit import fit\n"
        "train = TrainConfig(arch='lstm-raw', batch=64, epochs=3, steps_per_dispatch=1, gradient_histograms=False)\n"
        "fit(sys.argv[1], train, sys.argv[2])"
    )
    subprocess.run([sys.executable, "-c", code, str(path), str(tmp_path / "run")], check=True, capture_output=True)
    with (tmp_path / "run" / "metrics.csv").open(newline="") as file:
        rate, waits = later_epochs([{name: float(value or "nan") for name, value in row.items()} for row in csv.DictReader(file)])
    table.append(f"| raw LSTM, {config.n_samples:,} steps, batch 64 | kwstrain | {rate:,.1f} | {waits:.1%} |")
    if is_benchmark:
        for layout, torch_rate in pytorch("raw-lstm", 64, n_steps=3).items():
            table.append(f"| raw LSTM, {config.n_samples:,} steps, batch 64 | {layout} | {torch_rate:,.1f} | |")
            assert rate >= 2 * torch_rate


def test_predict(table: list[str], tmp_path: Path, is_benchmark: bool) -> None:
    """Recordings to labels with the Light CNN on 99 x 161, from WAV files."""
    data = write_noise(tmp_path / "data.h5", preset("logspec16k"), 160)
    fit(data, TrainConfig(epochs=1, gradient_histograms=False), tmp_path / "run")
    with Reader(data) as reader:
        paths = [tmp_path / f"{i}.wav" for i in range(20_000 if is_benchmark else 50)]
        for i, path in enumerate(paths):
            soundfile.write(path, reader.audio[i % 160], reader.sr)
    for _ in predict(tmp_path / "run", paths[:256]):  # compiles
        pass
    began = time.perf_counter()
    answers = list(predict(tmp_path / "run", paths))
    rate = len(paths) / (time.perf_counter() - began)
    assert [answer.path for answer in answers] == paths
    table.append(f"| prediction from WAV files, Light CNN | kwstrain | {rate:,.0f} | |")
    assert not is_benchmark or rate >= 1500


def pytorch(network: str, batch: int, *, n_steps: int) -> dict[str, float]:
    """Examples/s by layout; empty where there is no PyTorch."""
    python = os.environ.get("TORCH_PYTHON", sys.executable)
    if subprocess.run([python, "-c", "import torch"], capture_output=True, check=False).returncode:
        return {}
    command = [python, str(Path(__file__).parent / "harness" / "torch_peer.py"), network, str(batch), str(n_steps)]
    rates: dict[str, float] = json.loads(subprocess.run(command, capture_output=True, check=True, text=True).stdout)
    return rates
