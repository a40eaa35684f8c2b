"""PyTorch's training step of the field's networks: ``python benchmarks/harness/torch_zoo.py NAME BATCH N_STEPS`` prints JSON.

The networks as their papers describe them, in plain PyTorch, with 12 classes and the input shapes of kwstrain's. For each layout of
memory: seconds of the first step, and examples/s of the fastest of the others.
"""

from __future__ import annotations

import json
import os
import sys
import time

import torch
from torch import nn
from torch_peer import light_cnn


class SubSpectralNorm(nn.Module):
    """BatchNorm of each of five sub-bands by itself (Chang et al. 2021)."""

    def __init__(self, n: int, parts: int) -> None:
        super().__init__()
        self.parts, self.norm = parts, nn.BatchNorm2d(n * parts)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        batch, n, bands, frames = x.shape
        x = x.reshape(batch, n * self.parts, bands // self.parts, frames)
        return self.norm(x).reshape(batch, n, bands, frames)


class BCBlock(nn.Module):
    """Kim et al. 2021, section 3; images are (bands, frames)."""

    def __init__(self, n_in: int, n: int, stride: int, dilation: int, *, transition: bool) -> None:
        super().__init__()
        self.enter = nn.Sequential(nn.Conv2d(n_in, n, 1, bias=False), nn.BatchNorm2d(n), nn.ReLU()) if transition else None
        self.bands = nn.Sequential(nn.Conv2d(n, n, (3, 1), stride=(stride, 1), padding=(1, 0), groups=n, bias=False), SubSpectralNorm(n, 5))
        self.frames = nn.Sequential(
            nn.Conv2d(n, n, (1, 3), padding=(0, dilation), dilation=(1, dilation), groups=n, bias=False), nn.BatchNorm2d(n),
            nn.SiLU(), nn.Conv2d(n, n, 1, bias=False), nn.Dropout2d(0.1),
        )  # fmt: skip

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        bands = self.bands(x if self.enter is None else self.enter(x))
        y = bands + self.frames(bands.mean(2, keepdim=True))
        return torch.relu(y if self.enter is not None else y + x)


def bcresnet(tau: int) -> nn.Module:
    """``bcresnet-tau`` on 40 bands, 101 frames."""
    layers: list[nn.Module] = [nn.Conv2d(1, 16 * tau, 5, stride=(2, 1), padding=2, bias=False), nn.BatchNorm2d(16 * tau), nn.ReLU()]
    n_in = 16 * tau
    for repeats, channels, stride, dilation in ((2, 8, 1, 1), (2, 12, 2, 2), (4, 16, 2, 4), (4, 20, 1, 8)):
        n = channels * tau
        for i in range(repeats):
            layers.append(BCBlock(n_in, n, stride if i == 0 else 1, dilation, transition=i == 0))
            n_in = n
    layers += [
        nn.Conv2d(n_in, n_in, (5, 5), padding=(0, 2), groups=n_in, bias=False), nn.Conv2d(n_in, 32 * tau, 1, bias=False),
        nn.BatchNorm2d(32 * tau), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Conv2d(32 * tau, 12, 1), nn.Flatten(),
    ]  # fmt: skip
    return nn.Sequential(*layers)


def ds_cnn_s() -> nn.Module:
    """Zhang et al. 2017: 49 frames x 10 coefficients."""
    layers: list[nn.Module] = [nn.ZeroPad2d((1, 1, 4, 5)), nn.Conv2d(1, 64, (10, 4), stride=2, bias=False), nn.BatchNorm2d(64), nn.ReLU()]
    for _ in range(4):
        layers += [
            nn.Conv2d(64, 64, 3, padding=1, groups=64, bias=False), nn.BatchNorm2d(64), nn.ReLU(),
            nn.Conv2d(64, 64, 1, bias=False), nn.BatchNorm2d(64), nn.ReLU(),
        ]  # fmt: skip
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 12))


def _separable(n_in: int, n: int, size: int, *, stride: int = 1, dilation: int = 1) -> nn.Sequential:
    pad = dilation * (size - 1) // 2
    return nn.Sequential(
        nn.Conv1d(n_in, n_in, size, stride=stride, padding=pad, dilation=dilation, groups=n_in, bias=False),
        nn.Conv1d(n_in, n, 1, bias=False), nn.BatchNorm1d(n),
    )  # fmt: skip


class MatchboxBlock(nn.Module):
    """Two separable convolutions and a residual (Majumdar & Ginsburg 2020)."""

    def __init__(self, n_in: int, n: int, size: int) -> None:
        super().__init__()
        self.parts = nn.Sequential(_separable(n_in, n, size), nn.ReLU(), nn.Dropout(0.1), _separable(n, n, size))
        self.residual = nn.Sequential(nn.Conv1d(n_in, n, 1, bias=False), nn.BatchNorm1d(n))
        self.end = nn.Sequential(nn.ReLU(), nn.Dropout(0.1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.end(self.parts(x) + self.residual(x))


def matchboxnet() -> nn.Module:
    """3 x 2 x 64 on 64 features."""
    return nn.Sequential(
        _separable(64, 128, 11, stride=2), nn.ReLU(), nn.Dropout(0.1),
        MatchboxBlock(128, 64, 13), MatchboxBlock(64, 64, 15), MatchboxBlock(64, 64, 17),
        _separable(64, 128, 29, dilation=2), nn.ReLU(), nn.Dropout(0.1),
        nn.Conv1d(128, 128, 1, bias=False), nn.BatchNorm1d(128), nn.ReLU(), nn.Dropout(0.1),
        nn.Conv1d(128, 12, 1), nn.AdaptiveAvgPool1d(1), nn.Flatten(),
    )  # fmt: skip


class KWTLayer(nn.Module):
    """Attention and MLP, each before its LayerNorm (Berg et al. 2021)."""

    def __init__(self) -> None:
        super().__init__()
        self.qkv, self.out = nn.Linear(64, 192, bias=False), nn.Linear(64, 64)
        self.norm1, self.norm2 = nn.LayerNorm(64), nn.LayerNorm(64)
        self.mlp = nn.Sequential(nn.Linear(64, 256), nn.GELU(), nn.Linear(256, 64))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        q, k, v = self.qkv(x).chunk(3, dim=-1)
        x = self.norm1(x + self.out(nn.functional.scaled_dot_product_attention(q, k, v)))
        return self.norm2(x + self.mlp(x))


class KWT(nn.Module):
    """KWT-1 on 98 frames of 40 features."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.out = nn.Linear(40, 64), nn.Linear(64, 12)
        self.token, self.positions = nn.Parameter(torch.zeros(1, 1, 64)), nn.Parameter(torch.randn(1, 99, 64))
        self.layers = nn.Sequential(*(KWTLayer() for _ in range(12)))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.cat([self.token.expand(len(x), -1, -1), self.embed(x)], dim=1) + self.positions
        return self.out(self.layers(x)[:, 0])


# network, shape of an input, whether it is an image that has layouts
NETWORKS = {
    "cnn": (light_cnn, (1, 99, 161), True),
    "bcresnet-2": (lambda: bcresnet(2), (1, 40, 101), True),
    "bcresnet-8": (lambda: bcresnet(8), (1, 40, 101), True),
    "ds-cnn-s": (ds_cnn_s, (1, 49, 10), True),
    "matchboxnet-3x2x64": (matchboxnet, (64, 101), False),
    "kwt-1": (KWT, (98, 40), False),
}


def measure(model: nn.Module, x: torch.Tensor, n_steps: int) -> dict[str, float]:
    """Seconds of the first step with Adam, examples/s of the fastest of `n_steps` later ones, parameters."""
    optimizer = torch.optim.Adam(model.parameters())
    label, seconds = torch.arange(len(x)) % 12, []
    for _ in range(1 + n_steps):
        began = time.perf_counter()
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x), label).backward()
        optimizer.step()
        seconds.append(time.perf_counter() - began)
    return {"cold_s": seconds[0], "examples_per_s": len(x) / min(seconds[1:]), "parameters": sum(p.numel() for p in model.parameters())}


if __name__ == "__main__":
    name, batch, n_steps = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    torch.manual_seed(0)
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    make, shape, is_image = NETWORKS[name]
    layouts = {"PyTorch": torch.contiguous_format} | ({"PyTorch, channels last": torch.channels_last} if is_image else {})
    found = {}
    for engine, layout in layouts.items():
        model, x = make(), torch.randn(batch, *shape)
        found[engine] = measure(model.to(memory_format=layout), x.to(memory_format=layout) if is_image else x, n_steps)
    print(json.dumps(found))
