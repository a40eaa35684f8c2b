"""How far the engine is from what the machine can do, and whether a size falls off a cliff.

    pytest benchmarks/bench_limits.py --benchmark-enable -s

The peaks are measured here: multiply-adds on registers, and a copy of memory larger than the caches, one thread each.
"""

from __future__ import annotations

import math
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
from harness.race import race

from kwsfeat import FeatureConfig, FrontEnd, preset
from kwsfeat.kernels._jit import LANES, jit
from kwsfeat.kernels.simd import fma, load, splat, store

N_CLIPS = 32


@jit
def _multiply_adds(n, out):
    """8 * n dependent-free vector multiply-adds on registers."""
    x, y = splat(np.float32(0.999)), splat(np.float32(1e-3))
    a = b = c = d = e = f = g = h = load(out, 0)
    for _ in range(n):
        a, b, c, d = fma(a, x, y), fma(b, x, y), fma(c, x, y), fma(d, x, y)
        e, f, g, h = fma(e, x, y), fma(f, x, y), fma(g, x, y), fma(h, x, y)
    store(out, 0, a + b + c + d + e + f + g + h)


@pytest.fixture(scope="module")
def lines() -> Iterator[list[str]]:
    made: list[str] = []
    yield made
    if made:
        print("\n\n" + "\n".join(made) + "\n")


def flops_of(c: FeatureConfig) -> float:
    """Arithmetic of one clip: window, real FFT (2.5 n log2 n), power, sparse bands (2 bins each), logarithm (20), DCT."""
    bins = c.n_fft // 2 + 1
    per_frame = c.win_length + 2.5 * c.n_fft * math.log2(c.n_fft) + 3 * bins
    if c.output in ("mel", "mfcc"):
        per_frame += 4 * bins + 20 * c.n_mels
    if c.output == "spectrum":
        per_frame += 20 * bins
    if c.output == "mfcc":
        per_frame += 2 * c.n_mels * c.n_mfcc
    return per_frame * c.n_frames


def seconds_of(c: FeatureConfig) -> float:
    rng = np.random.default_rng(0)
    clips = (0.1 * rng.standard_normal((N_CLIPS, c.n_samples))).astype(np.float32)
    front_end, out = FrontEnd(c), np.empty((N_CLIPS, *c.shape), np.float32)
    return race({"ours": lambda: front_end.extract_batch(clips, out)})["ours"] / N_CLIPS


def test_distance_to_the_machine(benchmark, lines):
    out = np.ones(LANES, np.float32)
    big = np.ones(32 * 1024 * 1024, np.float32)
    target = np.empty_like(big)
    benchmark(lambda: _multiply_adds(1000, out))
    if not benchmark.enabled:
        return
    peak = race({"fma": lambda: _multiply_adds(100_000, out), "copy": lambda: np.copyto(target, big)})
    gflops = 8 * 100_000 * LANES * 2 / peak["fma"] / 1e9
    gbytes = 2 * big.nbytes / peak["copy"] / 1e9
    lines += [
        f"measured peak, one thread: {gflops:.0f} GFLOP/s of multiply-adds in {LANES} lanes, {gbytes:.1f} GB/s of copied memory", "",
        "| preset | us per clip | GFLOP/s | share of peak | GB/s in and out | share of copy |", "|---|---|---|---|---|---|",
    ]  # fmt: skip
    for name in ("logmel", "mfcc", "whisper", "mel75", "logspec16k", "logmel64", "kaldi"):
        c = preset(name)
        t = seconds_of(c)
        rate, moved = flops_of(c) / t / 1e9, 4 * (c.n_samples + c.n_frames * c.n_features) / t / 1e9
        lines.append(f"| {name} | {1e6 * t:.1f} | {rate:.1f} | {100 * rate / gflops:.0f} % | {moved:.2f} | {100 * moved / gbytes:.0f} % |")


def test_no_cliffs(benchmark, lines):
    sizes = [
        *({"n_fft": n, "win_length": n} for n in (256, 320, 400, 480, 512, 640, 800, 1000, 1024, 1200, 2048, 2250, 4096)),
        *({"n_mels": n, "n_fft": 1024} for n in (10, 20, 40, 64, 80, 128)),
        *({"n_samples": 160 * n} for n in (1, 4, 15, 16, 17, 31, 32, 49, 100, 101, 300, 1000, 3000)),
        *({"hop_length": n} for n in (8, 40, 80, 100, 128, 160, 214, 256, 512)),
    ]
    benchmark(lambda: FrontEnd(FeatureConfig(**sizes[0])))
    if not benchmark.enabled:
        return
    lines += [
        "",
        "| n_fft | hop | bands | frames | us per clip | ns per frame | ns per frame and n log2 n |",
        "|---|---|---|---|---|---|---|",
    ]
    for change in sizes:
        c = FeatureConfig(**change)
        t = seconds_of(c)
        per_frame = 1e9 * t / c.n_frames
        work = c.n_fft * math.log2(c.n_fft)
        lines.append(
            f"| {c.n_fft} | {c.hop_length} | {c.n_mels} | {c.n_frames} | {1e6 * t:.1f} | {per_frame:.0f} | {per_frame / work:.3f} |"
        )


ON_AVX2 = """
import sys
import numpy as np
from harness.race import race
from kwsfeat import FrontEnd, preset

clips = (0.05 * np.random.default_rng(0).standard_normal((32, 16000))).astype(np.float32)
runs = {}
for name in sys.argv[1:]:
    front_end = FrontEnd(preset(name))
    out = np.empty((32, *front_end.shape), np.float32)
    runs[name] = lambda f=front_end, out=out: f.extract_batch(clips, out)
for _ in sys.stdin:
    print(*(seconds / 32 for seconds in race(runs).values()), flush=True)
"""


def test_a_machine_with_avx2(benchmark, lines, tmp_path: Path):
    """The same processor told to be a Haswell, in turns with itself as it is: at most 1.4 times the time."""
    names = ("logmel", "whisper", "logspec16k")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *sys.path])}
    haswell = {"NUMBA_CPU_NAME": "haswell", "NUMBA_CPU_FEATURES": ""}
    benchmark(lambda: FrontEnd(preset(names[0])))
    if not benchmark.enabled:
        return
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", ON_AVX2, *names], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment | other
        )
        for other in ({}, haswell)
    ]
    best = np.full((2, len(names)), np.inf)
    for _ in range(6):
        for i, worker in enumerate(workers):
            worker.stdin.write("\n")
            worker.stdin.flush()
            best[i] = np.minimum(best[i], [float(x) for x in worker.stdout.readline().split()])
    for worker in workers:
        worker.stdin.close()
        worker.wait()
    lines += ["", f"| preset | us per clip, {LANES} lanes | us per clip, AVX2 | ratio, at most 1.4 |", "|---|---|---|---|"]
    for name, (here, avx2) in zip(names, 1e6 * best.T, strict=True):
        lines.append(f"| {name} | {here:.1f} | {avx2:.1f} | {avx2 / here:.2f} {'met' if avx2 <= 1.4 * here else 'MISSED'} |")


def test_the_first_build(benchmark, lines, tmp_path: Path):
    """A build that has to compile its kernels, and one that finds them: at most 12 s on a quiet machine."""
    corpus = tmp_path / "corpus"
    for word in ("yes", "no"):
        (corpus / word).mkdir(parents=True)
        for i in range(8):
            noise = (3000 * np.random.default_rng(i).standard_normal(16000)).astype(np.int16)
            soundfile.write(corpus / word / f"s{i}_nohash_0.wav", noise, 16000)
    environment = {**os.environ, "KWSFEAT_CACHE_DIR": str(tmp_path / "cache")}
    command = [sys.executable, "-c", "import sys; from kwsfeat.cli import main; sys.exit(main(sys.argv[1:]))", "build", str(corpus)]

    def build(name: str) -> tuple[float, float]:
        """Seconds by the clock, and of the processor."""
        began, used = time.perf_counter(), _children()
        subprocess.run([*command, str(tmp_path / name), "--overwrite", "--quiet"], check=True, env=environment)
        return time.perf_counter() - began, _children() - used

    benchmark(lambda: FrontEnd(preset("logmel")))
    if not benchmark.enabled:
        return
    lines += ["", "| build of 16 recordings | seconds | of the processor |", "|---|---|---|"]
    for cache, name in (("empty (compiles), at most 12", "cold.h5"), ("warm", "warm.h5")):
        seconds, used = build(name)
        lines.append(f"| cache {cache} | {seconds:.1f} | {used:.1f} |")


def _children() -> float:
    times = os.times()
    return times.children_user + times.children_system


def test_start_up(benchmark, lines, tmp_path: Path):
    """Whole processes: import, help, the first feature with an empty and with a filled cache."""
    environment = {**os.environ, "KWSFEAT_CACHE_DIR": str(tmp_path)}
    feature = (
        "import os, numpy as np; from kwsfeat import FrontEnd, preset\n"
        "FrontEnd(preset('logmel')).extract(np.zeros(16000, np.int16)); os._exit(0)"  # what Python tidies up is not waited for
    )
    commands = {
        "python -c pass": ["-c", "pass"],
        "import kwsfeat": ["-c", "import kwsfeat"],
        "kwsfeat --help": ["-c", "from kwsfeat.cli import main; main(['--help'])"],
        "first feature, empty cache (compiles)": ["-c", feature],
        "first feature, warm cache": ["-c", feature],
    }

    def seconds(arguments: list[str]) -> float:
        began = time.perf_counter()
        subprocess.run([sys.executable, *arguments], check=True, capture_output=True, env=environment)
        return time.perf_counter() - began

    benchmark.pedantic(lambda: seconds(["-c", "import kwsfeat"]), rounds=1)
    if not benchmark.enabled:
        return
    lines += ["", "| process | seconds |", "|---|---|"]
    for name, arguments in commands.items():
        n = 1 if "empty" in name else 5
        lines.append(f"| {name} | {min(seconds(arguments) for _ in range(n)):.2f} |")
