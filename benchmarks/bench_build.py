"""From recordings to a finished file: against reading them, against a librosa + h5py loop, and as the number of clips grows.

    pytest benchmarks/bench_build.py --benchmark-enable -s

Each round runs every contender once, one after the other, so that a busy moment hits all of them; the best round counts.
Without --benchmark-enable it runs as a test, with few clips.

A build with N threads has N that decode, compute, check and write, and the one that called it, which waits for them. All of it counts:
finding the recordings, their splits, reading back every block, and the last fsync. The system writes to the disk meanwhile.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import h5py
import numpy as np
import pytest
import soundfile

from kwsfeat import Reader, preset
from kwsfeat.dataset.verify import verify_file
from kwsfeat.pipeline.build import build_file as build
from kwsfeat.pipeline.sources import plan_recordings
from kwsfeat.pipeline.warmup import warm_up

CONFIG = preset("logmel")
_WAV_HEADER = 44  # bytes, of the files that soundfile writes


@pytest.fixture(scope="module")
def is_benchmark(request: pytest.FixtureRequest) -> bool:
    return bool(request.config.getoption("benchmark_enable"))


@pytest.fixture(scope="module")
def table() -> Iterator[list[str]]:
    """Lines of the report."""
    rows = ["| work | clips | threads | s | us per clip | clips/s |", "|---|---|---|---|---|---|"]
    yield rows
    print("\n\n" + "\n".join(rows) + "\n")


def add(table: list[str], work: str, n_clips: int, threads: int, seconds: float) -> None:
    table.append(f"| {work} | {n_clips:,} | {threads} | {seconds:.2f} | {1e6 * seconds / n_clips:,.0f} | {n_clips / seconds:,.0f} |")


@pytest.fixture(scope="module")
def corpora(is_benchmark: bool, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The same one-second clips as WAV and as FLAC in a folder per word: real ones where there are any, tones otherwise."""
    root = tmp_path_factory.mktemp("corpora")
    shared = Path(os.environ.get("KWS_DATA", Path(__file__).resolve().parents[2] / "shared" / "data")) / "speech_commands"
    n_clips = 5000 if is_benchmark else 100
    real = sorted(path for path in shared.glob("[!_]*/*.flac"))[:n_clips]
    rng = np.random.default_rng(0)
    for i in range(n_clips):
        y = soundfile.read(real[i % len(real)], dtype="int16")[0] if real else (2000 * rng.standard_normal(16000)).astype(np.int16)
        for suffix in ("wav", "flac"):
            folder = root / suffix / (real[i % len(real)].parent.name if real else f"word{i % 10}")
            folder.mkdir(parents=True, exist_ok=True)
            soundfile.write(folder / f"{i:05d}.{suffix}", y, 16000, subtype="PCM_16")
    warm_up([CONFIG])
    return {suffix: root / suffix for suffix in ("wav", "flac")}


def paths_in(corpus: Path) -> list[str]:
    return sorted(map(str, corpus.glob("*/*")))


def build_file(corpus: Path, output: Path, threads: int) -> None:
    build(plan_recordings(corpus, CONFIG), output, {"logmel": CONFIG}, threads=threads)


def read_all(paths: list[str], threads: int, dtype: str) -> int:
    """What any program that reads the recordings has to do."""

    def n_samples(path: str) -> int:
        return len(soundfile.read(path, dtype=dtype)[0])

    with ThreadPoolExecutor(threads) as pool:
        return sum(pool.map(n_samples, paths))


def librosa_loop(paths: list[str], output: Path) -> None:
    """How it is usually done: load, log-mel, append to a list, write."""
    import librosa

    features, audio = [], []
    for path in paths:
        y, sr = librosa.load(path, sr=16000)
        y = librosa.util.fix_length(y, size=16000)
        S = librosa.feature.melspectrogram(y=y, sr=sr, n_fft=512, win_length=400, hop_length=160, n_mels=40)
        features.append(np.log(np.maximum(S, 1e-10)).T.astype(np.float32))
        audio.append((y * 32768).astype(np.int16))
    with h5py.File(output, "w") as file:
        file["features"] = np.stack(features)
        file["audio"] = np.stack(audio)


def best_of(rounds: int, contenders: dict[str, Callable[[], object]], *outputs: Path) -> dict[str, float]:
    """The best time of each contender; the `outputs` of the one before are gone when it begins."""
    best = dict.fromkeys(contenders, float("inf"))
    for _ in range(rounds):
        for name, work in contenders.items():
            for output in outputs:
                output.unlink(missing_ok=True)  # takes a while for a large file, and is not a part of making one
            began = time.perf_counter()
            work()
            best[name] = min(best[name], time.perf_counter() - began)
    return best


@pytest.mark.parametrize("kind", ["wav", "flac"])
@pytest.mark.parametrize("threads", [1, 2])
def test_build_against_reading(
    corpora: dict[str, Path], table: list[str], tmp_path: Path, is_benchmark: bool, kind: str, threads: int
) -> None:
    paths = paths_in(corpora[kind])
    output = tmp_path / "ours.h5"
    contenders = {
        f"soundfile reads the {kind} as int16": lambda: read_all(paths, threads, "int16"),
        f"soundfile reads the {kind} as float64 (its default)": lambda: read_all(paths, threads, "float64"),
        f"{kind} to verified file": lambda: build_file(corpora[kind], output, threads),
    }
    for name, seconds in best_of(7 if is_benchmark else 1, contenders, output).items():
        add(table, name, len(paths), threads, seconds)
    report = verify_file(output)
    assert report.problems == []
    assert report.n_clips == len(paths)


def test_build_against_librosa(corpora: dict[str, Path], table: list[str], tmp_path: Path, is_benchmark: bool) -> None:
    pytest.importorskip("librosa")
    paths = paths_in(corpora["wav"])
    loops, ours = tmp_path / "loop.h5", tmp_path / "ours.h5"
    librosa_loop(paths[:2], loops)
    contenders = {
        "librosa + h5py loop does the same": lambda: librosa_loop(paths, loops),
        "wav to verified file again": lambda: build_file(corpora["wav"], ours, 1),
    }
    for name, seconds in best_of(5 if is_benchmark else 1, contenders, loops, ours).items():
        add(table, name, len(paths), 1, seconds)
    paths = paths[:100]
    librosa_loop(paths, loops)
    with Reader(ours) as reader, h5py.File(loops) as file:
        order = {source: row for row, source in enumerate(reader.source)}
        rows = [order[os.path.relpath(path, corpora["wav"])] for path in paths]
        np.testing.assert_array_equal(reader.audio[rows], file["audio"][:])
        np.testing.assert_allclose(np.exp(reader.features()[rows]), np.exp(file["features"][:]), rtol=1e-3, atol=1e-10)


GROWTH = """
import re, sys, time
from pathlib import Path
from kwsfeat import preset
from kwsfeat.pipeline.build import build_file as build
from kwsfeat.pipeline.sources import plan_recordings
config = preset("logmel")
began = time.perf_counter()
build(plan_recordings(sys.argv[1], config), sys.argv[2], {"logmel": config}, threads=2)
peak_kb = re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]  # ru_maxrss would count the parent too
print(time.perf_counter() - began, int(peak_kb) / 1024)
"""


@pytest.mark.parametrize("n_clips", [1_000, 10_000, 100_000])
def test_growth(corpora: dict[str, Path], table: list[str], tmp_path: Path, is_benchmark: bool, n_clips: int) -> None:
    """Time and memory by number of clips, each in a process of its own.

    The clips repeat, but for their first two samples, which count: copies would be left out.
    """
    if n_clips > 1_000 and not is_benchmark:
        pytest.skip("only with --benchmark-enable: it writes up to 5 GB")
    words = [(Path(path).parent.name, Path(path).read_bytes()) for path in paths_in(corpora["wav"])]
    for i in range(n_clips):
        _, wav = words[i % len(words)]
        (tmp_path / f"{i}.wav").write_bytes(wav[:_WAV_HEADER] + i.to_bytes(4, "little") + wav[_WAV_HEADER + 4 :])
    rows = [f"{i}.wav,{words[i % len(words)][0]}\n" for i in range(n_clips)]
    (tmp_path / "list.csv").write_text("path,label\n" + "".join(rows))
    command = [sys.executable, "-c", GROWTH, str(tmp_path / "list.csv"), str(tmp_path / "out.h5")]
    seconds, memory_mb = map(float, subprocess.run(command, check=True, capture_output=True, text=True).stdout.split())
    with Reader(tmp_path / "out.h5") as reader:
        assert np.count_nonzero(~reader.noise[:]) >= n_clips
    shutil.rmtree(tmp_path)
    add(table, f"manifest to file, {memory_mb:,.0f} MB of memory at most", n_clips, 2, seconds)
    assert memory_mb < 400
