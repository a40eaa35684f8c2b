"""A feature file in PyTorch: a ``Dataset`` over memory maps, and a small network trained on it.

    python examples/pytorch_dataset.py words.h5

Needs PyTorch (``pip install torch``), which kwsfeat itself does not.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from kwsfeat import Reader


class FeatureDataset(Dataset[tuple[Tensor, int]]):
    """One split of a feature file; an item is the standardised features (n_frames, n_features) and the label of a clip.

    The file is opened where items are asked for, so that each worker of a ``DataLoader`` has its own.
    """

    def __init__(self, path: str | Path, split: str = "train") -> None:
        self.path = Path(path)
        self._reader: Reader | None = None
        with Reader(path) as file:
            rows = file.rows(split)
            self.rows = rows[file.label[rows] >= 0]  # -1 is a clip without a label
            self.labels = file.labels
            self.mean, self.std = (np.array(statistic) for statistic in file.statistics())

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        if self._reader is None:
            self._reader = Reader(self.path)
        row = self.rows[index]
        features = (self._reader.features()[row] - self.mean) / self.std
        return torch.from_numpy(features.astype(np.float32)), int(self._reader.label[row])


def main(path: str, epochs: int = 10) -> float:
    """Train on the training split; returns the accuracy on the test split."""
    torch.manual_seed(0)
    train, test = FeatureDataset(path, "train"), FeatureDataset(path, "test")
    n_frames, n_features = train[0][0].shape
    network = nn.Sequential(
        nn.Unflatten(1, (1, n_frames)), nn.Conv2d(1, 16, 5, stride=2), nn.ReLU(), nn.Conv2d(16, 32, 5, stride=2), nn.ReLU(),
        nn.AdaptiveAvgPool2d((4, 4)), nn.Flatten(), nn.Linear(512, len(train.labels)),
    )  # fmt: skip
    optimizer = torch.optim.Adam(network.parameters(), lr=3e-3)
    for _ in range(epochs):
        for features, labels in DataLoader(train, batch_size=32, shuffle=True):
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(network(features), labels)
            loss.backward()
            optimizer.step()
    with torch.no_grad():
        right = [(network(features).argmax(1) == labels).sum().item() for features, labels in DataLoader(test, batch_size=64)]
    accuracy = sum(right) / len(test)
    print(f"{len(train)} clips of shape ({n_frames}, {n_features}); accuracy on the test split {accuracy:.3f}")
    return accuracy


if __name__ == "__main__":
    main(sys.argv[1])
