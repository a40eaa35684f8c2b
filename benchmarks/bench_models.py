"""Training steps of every network on arrays in memory: against XLA's own gradients, and against PyTorch's of the same networks.

    TORCH_PYTHON=/path/to/python pytest benchmarks/bench_models.py --benchmark-enable -s

Against PyTorch each engine runs in a process of its own, twice, in turn, on as many cores; cold is the first call, examples/s the
fastest of the later ones, and PyTorch's best layout is the one that counts. $TORCH_PYTHON is a Python that has it; without it this
one is tried, and PyTorch is left out where it is missing. Without --benchmark-enable it runs as a test, with small inputs.
bench_train.py times whole training runs.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from harness.our_step import measure

from kwstrain import operations
from kwstrain.models.layers.operations import PLAIN

HARNESS = Path(__file__).parent / "harness"


@pytest.fixture(scope="module")
def is_benchmark(request: pytest.FixtureRequest) -> bool:
    return bool(request.config.getoption("benchmark_enable"))


@pytest.fixture(scope="module")
def lines() -> Iterator[list[str]]:
    """Lines of the report."""
    rows = ["| network | engine | first call, s | examples/s | kwstrain is so many times as fast | at least |", "|---|---|---|---|---|---|"]
    yield rows
    print("\n\n" + "\n".join(rows) + "\n")


def add(lines: list[str], name: str, batch: int, found: dict[str, dict[str, float]], wanted: float) -> None:
    """A line for each engine, ours among them; `wanted` is how many times as fast as the fastest other one it should be."""
    rates = {engine: numbers["examples_per_s"] for engine, numbers in found.items()}
    fastest = max((engine for engine in rates if engine != "kwstrain"), key=lambda engine: rates[engine], default="")
    for engine, rate in rates.items():
        ratio = rates["kwstrain"] / rate
        asked = f"{wanted:g} {'met' if ratio >= wanted else 'MISSED'}" if engine == fastest else ""
        lines.append(f"| {name}, batch {batch} | {engine} | {found[engine]['cold_s']:.1f} | {rate:,.0f} | {ratio:.2f} | {asked} |")


def test_light_cnn(lines: list[str], is_benchmark: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    batch, n_calls = (64, 10) if is_benchmark else (4, 1)
    shape = (99, 161) if is_benchmark else (30, 28)
    found = {"kwstrain": measure("cnn", shape, batch, n_calls)}
    if is_benchmark:
        with monkeypatch.context() as patch:  # what it would be without kwstrain.operations
            patch.setattr(operations, "for_training", lambda backend: PLAIN)
            found["kwstrain with XLA's own gradients"] = measure("cnn", shape, batch, 3)
    add(lines, "cnn", batch, found, 1.0)


@pytest.mark.parametrize(
    ("name", "batch", "wanted"),
    [
        ("cnn", 64, 1.5),
        ("bcresnet-2", 100, 2.0),
        ("bcresnet-8", 32, 1.5),
        ("ds-cnn-s", 100, 1.0),
        ("matchboxnet-3x2x64", 100, 1.0),
        ("kwt-1", 128, 1.0),
    ],
)
def test_against_pytorch(lines: list[str], is_benchmark: bool, name: str, batch: int, wanted: float) -> None:
    if not is_benchmark:
        pytest.skip("its step takes long to compile: only with --benchmark-enable")
    python = os.environ.get("TORCH_PYTHON", sys.executable)
    has_torch = subprocess.run([python, "-c", "import torch"], capture_output=True, check=False).returncode == 0
    programs = [(sys.executable, "our_step.py"), *[(python, "torch_zoo.py")] * has_torch]
    best: dict[str, dict[str, float]] = {}
    for _ in range(2):
        for program, script in programs:
            command = [program, str(HARNESS / script), name, str(batch), "10"]
            found = json.loads(subprocess.run(command, capture_output=True, check=True, text=True).stdout)
            for engine, numbers in found.items():
                if engine not in best or numbers["examples_per_s"] > best[engine]["examples_per_s"]:
                    best[engine] = numbers
    sizes = [numbers["parameters"] for numbers in best.values()]
    assert max(sizes) < 1.03 * min(sizes)  # DS-CNN's BatchNorm has scales in PyTorch
    add(lines, name, batch, best, wanted)


@pytest.mark.parametrize(
    ("name", "shape", "batch"),
    [
        ("lstm", (35, 64), 64),
        ("cnn-mnist", (99, 161), 16),
        ("cnn-deep", (75, 75), 16),
        ("vgg-160", (160, 160), 4),
        ("vgg16", (99, 161), 4),
        ("resnet50", (99, 161), 4),
        ("inception-v3", (99, 161), 4),
    ],
)
def test_other_networks(lines: list[str], is_benchmark: bool, name: str, shape: tuple[int, int], batch: int) -> None:
    if not is_benchmark and name != "lstm":
        pytest.skip("its step takes long to compile: only with --benchmark-enable")
    add(lines, name, batch, {"kwstrain": measure(name, shape, batch, 3 if is_benchmark else 1)}, 1.0)
