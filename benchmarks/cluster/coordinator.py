"""What a build on a cluster costs the one process that hands it out: ten million clips, with workers that do nothing.

    python benchmarks/cluster/coordinator.py --clips 10000000

The plan is one of so many rows, cut, pickled and handed out as any other; the worker, a process of its own, reads its part and links
a file that was made before (of 4 floats a clip, the columns are whole) in the place of making one. All else, the checks and the table
at the end too, is `build_shards` as it is. With --recordings N, what finding and labelling N recordings costs, too.
"""

from __future__ import annotations

import argparse
import csv
import os
import resource
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from distributed import Client, LocalCluster
from numpy.typing import NDArray
from scratch import folder

import kwsfeat.pipeline.shards.cluster as cluster_module
from kwsfeat import FeatureConfig, build_shards, on_cluster, plan_recordings, preset
from kwsfeat.dataset.columns import Columns
from kwsfeat.dataset.storage.facts import Facts, examine
from kwsfeat.dataset.storage.file import File
from kwsfeat.dataset.writer import Writer
from kwsfeat.pipeline.shards.shard import Made

CONFIG = FeatureConfig(sr=8000, n_samples=64, output="spectrum", n_fft=4, win_length=4, hop_length=32)
LABELS = tuple(f"word{i}" for i in range(10))


@dataclass
class Rows:
    """A plan without recordings."""

    all: Columns
    labels = LABELS
    clip = CONFIG.clip

    def __post_init__(self) -> None:
        self.remarks: list[tuple[str, str]] = []

    def columns(self) -> Columns:
        return self.all

    def attributes(self) -> Mapping[str, str]:
        return {}

    def identity(self) -> bytes:
        return b"nothing"

    def load(self, rows: slice, audio: NDArray[Any], length: NDArray[Any], cut: NDArray[Any]) -> dict[int, str]:
        raise NotImplementedError

    def part(self, rows: slice) -> Rows:
        return Rows(self.all.take(np.arange(rows.start, rows.stop)))


def columns(n: int) -> Columns:
    """Of ten words by a thousand speakers."""
    number = np.arange(n)
    split = np.array([b"train", b"validation", b"test"])[np.clip(number % 10 - 7, 0, 2)]
    source = np.char.add(np.char.add(b"word/", np.char.zfill(number.astype("S9"), 9)), b".wav")
    speaker = np.char.add(b"s", (number % 1000).astype("S4"))
    zeros = np.zeros(n)
    return Columns(
        (number % 10).astype("<i4"), split, speaker, source, zeros.astype("<i8"), zeros.astype("<i4"), np.zeros(n, "S1"), zeros.astype("u1")
    )  # fmt: skip


def template(path: Path, shard_clips: int) -> Facts:
    """An ordinary file without audio, and what is known of it."""
    with Writer(path, columns=columns(shard_clips), labels=LABELS, configs={"x": CONFIG}, audio=False) as writer:
        for index in range(len(writer.blocks)):
            block = writer.empty_block(index)
            block.arrays["features/x"][:] = 1.0
            block.arrays["length"][:] = CONFIG.n_samples
            writer.write(block)
        writer.finish()
    file = File(path)
    facts = examine(file)
    file.close()
    return facts


def linking(path: Path, facts: Facts) -> Any:
    """What a worker does in the place of :func:`kwsfeat.pipeline.shards.shard.make`."""

    def make(folder: Path, task: Any, threads: int, tell: Any) -> Made:
        source = cluster_module.read_part(folder, task)
        assert len(source.columns().label) == task.n_clips
        os.link(path, folder / task.name)
        prints = np.random.default_rng(task.number).integers(1, 1 << 63, task.n_clips, np.uint64)
        return Made(Facts(facts.rows, facts.seal, 0, facts.splits, facts.moments, facts.float16_error, prints), 0, ())

    return make


def recordings(root: Path, n: int) -> Path:
    """A manifest of `n` recordings that are one file under many names."""
    soundfile.write(root / "first.wav", np.zeros(16, np.int16), 16000)
    with open(root / "all.csv", "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "label", "speaker", "split"])
        for i in range(n):
            path = root / f"{i // 1000:04}" / f"{i:09}.wav"
            path.parent.mkdir(exist_ok=True)
            os.link(root / "first.wav", path) if i % 50_000 else soundfile.write(path, np.zeros(16, np.int16), 16000)
            writer.writerow([path, LABELS[i % 10], f"s{i % 1000}", ("train", "test")[i % 10 == 9]])
    return root / "all.csv"


def used() -> tuple[float, float, float]:
    """Wall seconds, CPU seconds and the most MB of this process."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return time.perf_counter(), usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def report(what: str, n: int, before: tuple[float, float, float]) -> None:
    wall, cpu, mb = (now - then for now, then in zip(used(), before, strict=True))
    print(f"{what}: {n:,} clips, {wall:.1f} s, {cpu:.1f} s of CPU ({1e6 * cpu / n:.2f} us/clip, {n / cpu:,.0f} clips/s), {mb:.0f} MB more")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=10_000_000)
    parser.add_argument("--shard-clips", type=int, default=50_000)
    parser.add_argument("--recordings", type=int, default=0)
    parser.add_argument("--folder", type=folder, help="Where the files go for a while.")
    given = parser.parse_args()
    n = given.clips // given.shard_clips * given.shard_clips
    with tempfile.TemporaryDirectory(dir=given.folder) as name:
        place = Path(name)
        if given.recordings:
            table, before = recordings(place, given.recordings), used()
            plan_recordings(table, preset("logmel"), split="given")
            report("found, labelled and split", given.recordings, before)
        facts = template(place / "template.h5", given.shard_clips)
        source = Rows(columns(n))
        make = linking(place / "template.h5", facts)
        with (
            LocalCluster(n_workers=1, threads_per_worker=1, memory_limit=0, host="127.0.0.1", dashboard_address="127.0.0.1:0") as cluster,
            Client(cluster, set_as_default=False) as client,
        ):
            client.run(lambda: setattr(cluster_module, "_make_beside", make))
            marks = [used()]

            def progress(done: int, total: int) -> None:
                if done == total:
                    marks.append(used())

            build_shards(source, place / "out", {"x": CONFIG}, shard_clips=given.shard_clips, workers=on_cluster(client), progress=progress)
            report("handed out and gathered, with the table", n, marks[0])
            report("of that after the last file", n, marks[1])
            worker = sum(client.run(lambda: sum(os.times()[:2])).values())
            print(f"the worker that did nothing: {worker:.1f} s of CPU, with its start")


if __name__ == "__main__":
    main()
