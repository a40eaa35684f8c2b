"""A data set of a million rows in a hundred files: how long until it is open, how much memory it takes, how fast rows are gathered.

    pytest benchmarks/cluster/bench_shards.py --benchmark-enable -s

The files are one of 10,000 rows of log-mel (101 x 40, float32, 16 KB a row) under a hundred names, so that all of it stays in the page
cache. Without --benchmark-enable it runs as a test, with few rows.
"""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
from noise_folder import CONFIG, make_folder

from kwsfeat import Reader
from kwsfeat.dataset.columns import Columns


@pytest.fixture(scope="module")
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    n_rows, n_files = (10_000, 100) if request.config.getoption("benchmark_enable") else (100, 3)
    root = tmp_path_factory.mktemp("million") / "set"
    label = np.arange(n_rows) % 10
    split = np.array(["train", "validation", "test"])[np.clip(np.arange(n_rows) % 10 - 7, 0, 2)]
    speaker = [f"speaker{i % 997:05}" for i in range(n_rows)]
    source = [f"word{i % 10}/{i:08}.wav" for i in range(n_rows)]
    columns = Columns.of(label, split, speaker=speaker, source=source)
    make_folder(root, columns, n_files, os.link)
    return root


def test_opening_takes_little_time_and_memory(benchmark, folder: Path) -> None:
    """In a process of its own, with all imports done."""
    benchmark(lambda: Reader(folder).close())
    code = f"""
        import re, time
        from kwsfeat import Reader
        Reader({str(folder / "00000.h5")!r}).close()
        memory = lambda: int(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1]) / 1024
        before, began = memory(), time.perf_counter()
        reader = Reader({str(folder)!r})
        opened, opened_mb = time.perf_counter() - began, memory()
        train = reader.rows("train")
        chosen = time.perf_counter() - began
        batch = reader.features()[train[::max(1, len(train) // 250)]]
        print(f"{{reader.n_clips:,}} rows in {{reader.n_files}} files: open after {{1e3 * opened:.1f}} ms, {{opened_mb:.0f}} MiB resident "
              f"({{opened_mb - before:.1f}} more than before); its training rows known after {{chosen:.2f}} s, {{memory():.0f}} MiB")
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=True)
    if benchmark.enabled:
        print("\n\n" + done.stdout)


def test_a_random_batch(benchmark, folder: Path) -> None:
    with Reader(folder) as reader:
        rows = np.random.default_rng(1).integers(reader.n_clips, size=(50, 256))
        features = reader.features()
        for batch in rows:
            features[batch]
        turns = iter(np.tile(rows, (10_000, 1)))
        assert benchmark(lambda: features[next(turns)]).shape == (256, *CONFIG.shape)


def test_a_random_batch_of_one_file(benchmark, folder: Path) -> None:
    """What NumPy's own memory map takes for it, with 1 % of the rows."""
    with Reader(folder / "00000.h5") as reader:
        rows = np.random.default_rng(1).integers(reader.n_clips, size=(50, 256))
        features = reader.features()
        turns = iter(np.tile(rows, (10_000, 1)))
        assert benchmark(lambda: features[next(turns)]).shape == (256, *CONFIG.shape)
