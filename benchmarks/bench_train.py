"""The trainer: examples a second of whole training runs, how long the step waits for input, clips a second of prediction.

    pytest benchmarks/bench_train.py --benchmark-enable -s

Against PyTorch where it is installed: the same Light CNN and the same LSTM over 17,640 samples, the same batch, on as many cores.
Without --benchmark-enable it runs as a test, with few clips.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from kwsfeat import FeatureConfig, Reader, preset
from kwsfeat.store import write_file
from kwstrain.config import TrainConfig
from kwstrain.fit import FitResult, fit
from kwstrain.predict import predict

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


def later_epochs(result: FitResult) -> tuple[float, float]:
    """Median examples/s and share of waiting, without the epoch that compiles."""
    records = result.records[1:]
    return statistics.median(r["examples_per_s"] for r in records), statistics.median(r["wait_share"] for r in records)


@pytest.mark.parametrize("resident_mb", [256, 0], ids=["resident", "streamed"])
def test_light_cnn(table: list[str], tmp_path: Path, is_benchmark: bool, resident_mb: int) -> None:
    """Batch 64 on 99 x 161."""
    path = write_noise(tmp_path / "data.h5", preset("logspec16k"), 2400 if is_benchmark else 160)
    config = TrainConfig(arch="cnn", batch=64, epochs=4 if is_benchmark else 2, resident_mb=resident_mb, gradient_histograms=False)
    rate, waits = later_epochs(fit(path, config, tmp_path / "run"))
    table.append(f"| Light CNN, batch 64, {'streamed' if resident_mb == 0 else 'resident'} | kwstrain | {rate:,.0f} | {waits:.1%} |")
    if is_benchmark:
        assert waits < 0.05
    torch_rate = torch_examples_per_s(torch_light_cnn, (99, 161), 64, n_steps=20 if is_benchmark else 1)
    if torch_rate is not None:
        table.append(f"| Light CNN, batch 64 | PyTorch | {torch_rate:,.0f} | |")
        assert not is_benchmark or rate >= torch_rate


def test_raw_lstm(table: list[str], tmp_path: Path, is_benchmark: bool) -> None:
    """17,640 steps, 32 units, batch 64."""
    config = preset("waveform22k")
    if not is_benchmark:
        config = FeatureConfig.from_partial({"n_samples": 500}, config)
    path = write_noise(tmp_path / "data.h5", config, 320 if is_benchmark else 160)
    train = TrainConfig(arch="lstm-raw", batch=64, epochs=3 if is_benchmark else 2, steps_per_dispatch=1, gradient_histograms=False)
    rate, waits = later_epochs(fit(path, train, tmp_path / "run"))
    table.append(f"| raw LSTM, {config.n_samples:,} steps, batch 64 | kwstrain | {rate:,.1f} | {waits:.1%} |")
    torch_rate = torch_examples_per_s(torch_lstm, config.shape, 64, n_steps=3 if is_benchmark else 1)
    if torch_rate is not None:
        table.append(f"| raw LSTM, {config.n_samples:,} steps, batch 64 | PyTorch | {torch_rate:,.1f} | |")
        assert not is_benchmark or rate >= 2 * torch_rate


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


def torch_examples_per_s(build: Callable[..., Any], shape: tuple[int, int], batch: int, *, n_steps: int) -> float | None:
    """Examples/s of a PyTorch training step with Adam; None where it is not installed."""
    try:
        import torch
    except ImportError:
        return None
    torch.manual_seed(0)
    torch.set_num_threads(os.cpu_count() or 1)
    model = build(torch, shape)
    optimizer = torch.optim.Adam(model.parameters())
    x, y = torch.randn(batch, *shape), torch.arange(batch) % len(LABELS)

    def step() -> float:
        began = time.perf_counter()
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(model(x), y).backward()
        optimizer.step()
        return time.perf_counter() - began

    step()
    return batch / statistics.median(step() for _ in range(n_steps))


def torch_light_cnn(torch: Any, shape: tuple[int, int]) -> Any:
    nn = torch.nn
    after = [((((n - 2) // 2) - 4) // 2 - 2) // 2 for n in shape]
    block = [nn.Unflatten(1, (1, shape[0])), nn.BatchNorm2d(1)]
    for n_in, n_out, size, pool in ((1, 8, 2, False), (8, 8, 2, True), (8, 16, 3, False), (16, 16, 3, True), (16, 32, 3, True)):
        block += [nn.Conv2d(n_in, n_out, size), nn.ReLU(), *([nn.MaxPool2d(2), nn.Dropout(0.2)] if pool else [])]
    dense = [nn.Flatten(), nn.Linear(32 * after[0] * after[1], 128), nn.ReLU(), nn.BatchNorm1d(128)]
    return nn.Sequential(*block, *dense, nn.Linear(128, 128), nn.ReLU(), nn.BatchNorm1d(128), nn.Linear(128, len(LABELS)))


def torch_lstm(torch: Any, shape: tuple[int, int]) -> Any:
    class RawLSTM(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.lstm = torch.nn.LSTM(shape[1], 32, batch_first=True)
            self.head = torch.nn.Sequential(torch.nn.Linear(32, 64), torch.nn.ReLU(), torch.nn.Linear(64, len(LABELS)))

        def forward(self, x: Any) -> Any:
            return self.head(self.lstm(x)[0][:, -1])

    return RawLSTM()
