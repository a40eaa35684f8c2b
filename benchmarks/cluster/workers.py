"""How fast workers build: clips/s of each number of worker processes, and what each second goes to.

    python benchmarks/cluster/workers.py --clips 100000 --workers 1 2

A corpus of short words (2,000 recordings of noise under many names, so that they stay in the page cache) is built by `local:N`
workers with one thread each, as often as --turns says, in turns; the best turn of each counts. The CPU time of the workers and of
this process is what `simulate_cluster.py` begins with: other work on the machine changes it little, unlike the clips/s.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import tempfile
import time
from pathlib import Path

import numpy as np
import soundfile
from distributed import Client, LocalCluster
from scratch import folder

from kwsfeat import build_shards, on_cluster, plan_recordings, preset

CONFIG = preset("logmel")
N_RECORDINGS = 2000


def corpus(root: Path, n_clips: int) -> Path:
    """`n_clips` recordings of a second in ten words, by a thousand speakers."""
    rng = np.random.default_rng(0)
    first = []
    for i in range(n_clips):
        path = root / f"word{i % 10}" / f"{i // 10 % 1000:08x}_nohash_{i // 10_000}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        if i < N_RECORDINGS:
            soundfile.write(path, rng.standard_normal(CONFIG.sr).astype(np.float32) * 0.05, CONFIG.sr, subtype="PCM_16")
            first.append(path)
        else:
            os.link(first[i % N_RECORDINGS], path)
    return root


def cpu_s() -> float:
    """CPU time of this process and all of its threads."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def build(rows: object, out: Path, client: Client, shard_clips: int) -> dict[str, float]:
    """Wall and CPU seconds of one build."""
    workers_before, began_cpu, began = sum(client.run(cpu_s).values()), cpu_s(), time.perf_counter()
    build_shards(rows, out, {"logmel": CONFIG}, shard_clips=shard_clips, workers=on_cluster(client))  # type: ignore[arg-type]
    wall, own = time.perf_counter() - began, cpu_s() - began_cpu
    size = sum(path.stat().st_size for path in out.iterdir())
    shutil.rmtree(out)
    return {"wall": wall, "workers": sum(client.run(cpu_s).values()) - workers_before, "own": own, "bytes": size}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=100_000)
    parser.add_argument("--shard-clips", type=int, default=10_000)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--folder", type=folder, help="Where the corpus and the data sets go for a while.")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=given.folder) as place:
        began = cpu_s()
        rows = plan_recordings(corpus(Path(place) / "corpus", given.clips), CONFIG, split="speaker-hash")
        print(f"{given.clips:,} clips, {given.shard_clips:,} in a file; planned in {cpu_s() - began:.1f} s of CPU, with making the corpus")
        clusters = {
            n: LocalCluster(n_workers=n, threads_per_worker=1, memory_limit=0, host="127.0.0.1", dashboard_address="127.0.0.1:0")
            for n in given.workers
        }
        best: dict[int, dict[str, float]] = {}
        for _ in range(given.turns + 1):  # the first compiles and fills the page cache
            for n, cluster in clusters.items():
                with Client(cluster, set_as_default=False) as client:
                    found = build(rows, Path(place) / "out", client, given.shard_clips)
                best[n] = min(best.get(n, found), found, key=lambda one: one["wall"])
        head = "| workers | s | clips/s | ratio | CPU of the workers, us/clip | of this process, us/clip | B/clip |"
        print(head + "\n" + 7 * "|---" + "|")
        for n, one in best.items():
            per_clip = [1e6 * one[name] / given.clips for name in ("workers", "own")]
            ratio = best[given.workers[0]]["wall"] / one["wall"]
            cells = f"{per_clip[0]:.1f} | {per_clip[1]:.1f} | {one['bytes'] / given.clips:,.0f}"
            print(f"| {n} | {one['wall']:.2f} | {given.clips / one['wall']:,.0f} | {ratio:.2f} | {cells} |")
        for cluster in clusters.values():
            cluster.close()


if __name__ == "__main__":
    main()
