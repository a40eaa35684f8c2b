"""PyTorch's training step of the same networks: ``python benchmarks/harness/torch_peer.py light-cnn|raw-lstm BATCH N_STEPS`` prints JSON.

Run by bench_train.py in a Python of its own ($TORCH_PYTHON), because PyTorch is not a dependency, and two thread pools in one
process get in each other's way. Prints the best examples/s of each layout.
"""

from __future__ import annotations

import json
import os
import sys
import time

import torch
from torch import nn


def light_cnn() -> nn.Module:
    """``cnn`` on 99 x 161 with 12 classes."""
    return nn.Sequential(
        nn.BatchNorm2d(1), nn.Conv2d(1, 8, 2), nn.ReLU(), nn.Conv2d(8, 8, 2), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(0.2),
        nn.Conv2d(8, 16, 3), nn.ReLU(), nn.Conv2d(16, 16, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(0.2),
        nn.Conv2d(16, 32, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(0.2), nn.Flatten(),
        nn.Linear(5440, 128), nn.ReLU(), nn.BatchNorm1d(128), nn.Linear(128, 128), nn.ReLU(), nn.BatchNorm1d(128), nn.Linear(128, 12),
    )  # fmt: skip


class RawLSTM(nn.Module):
    """``lstm-raw`` without its mask: PyTorch has none for a layer that runs in one call."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(1, 32, batch_first=True)
        self.head = nn.Sequential(nn.Linear(32, 64), nn.ReLU(), nn.Dropout(0.3), nn.Linear(64, 12))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.lstm(x)[0][:, -1])


def examples_per_s(model: nn.Module, x: torch.Tensor, n_steps: int) -> float:
    """Of the fastest of `n_steps` steps with Adam, after one that warms up."""
    optimizer = torch.optim.Adam(model.parameters())
    label = torch.arange(len(x)) % 12
    seconds = []
    for _ in range(1 + n_steps):
        began = time.perf_counter()
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x), label).backward()
        optimizer.step()
        seconds.append(time.perf_counter() - began)
    return len(x) / min(seconds[1:])


if __name__ == "__main__":
    network, batch, n_steps = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    torch.manual_seed(0)
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    if network == "raw-lstm":
        rates = {"PyTorch": examples_per_s(RawLSTM(), torch.randn(batch, 17640, 1), n_steps)}
    else:
        rates = {
            name: examples_per_s(light_cnn().to(memory_format=layout), torch.randn(batch, 1, 99, 161).to(memory_format=layout), n_steps)
            for name, layout in {"PyTorch": torch.contiguous_format, "PyTorch, channels last": torch.channels_last}.items()
        }
    print(json.dumps(rates))
