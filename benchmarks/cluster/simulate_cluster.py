"""A build on many nodes, simulated from what one machine was measured to do: how long it takes, and what its cores wait for.

    python benchmarks/cluster/simulate_cluster.py                       # the measured machine, then 16 and 256 nodes
    python benchmarks/cluster/simulate_cluster.py --nodes 64 --storage-gb-s 40

One task makes one file. A core that has a task computes, and reads and writes over its node's link and the storage that all share;
where the tasks ask for more than one of these gives, all of them slow down by the same factor. The coordinator prepares tasks one after
the other, never more than twice as many as there are cores, and does the planning before and the table after.
"""

from __future__ import annotations

import argparse
from collections import deque
from dataclasses import dataclass, replace

import numpy as np


@dataclass(frozen=True)
class Cluster:
    """What a build meets.

    `cpu_us`, `read_bytes` and `write_bytes` are those of a clip; `link_gb_s` is what a node moves, `storage_gb_s` what all of them move
    together; `plan_us` and `hand_us` are CPU time of the coordinator for a clip, the first before and after all tasks, the second with
    them; `task_s` is what a task takes beside its clips; `spread` is the deviation of the logarithm of a core's speed from task to task.
    """

    nodes: int
    cores: int
    cpu_us: float
    read_bytes: float
    write_bytes: float
    link_gb_s: float
    storage_gb_s: float
    plan_us: float
    hand_us: float
    task_s: float = 0.05
    spread: float = 0.05


@dataclass(frozen=True)
class Outcome:
    """Seconds of the whole, and of what the coordinator does before and after; shares of the cores' time between, which add up to 1."""

    seconds: float
    planning: float
    computing: float
    moving: float
    coordinator: float
    tail: float


def simulate(cluster: Cluster, n_clips: int, shard_clips: int, seed: int = 0) -> Outcome:
    """A build of `n_clips`."""
    n_tasks = -(-n_clips // shard_clips)
    n_cores = cluster.nodes * cluster.cores
    slowness = np.exp(np.random.default_rng(seed).normal(0, cluster.spread, n_tasks))
    prepare_s = 1e-6 * cluster.hand_us * shard_clips
    moved = cluster.read_bytes + cluster.write_bytes
    fixed = cluster.task_s / shard_clips  # spread over the clips of a task

    now = computing = moving = starved = tail = 0.0
    idle, ready = deque(range(n_cores)), deque[int]()
    prepared = done = 0
    next_ready = prepare_s  # when the coordinator has the next task; it waits where that is infinite
    left, compute_s = np.zeros(n_cores), np.zeros(n_cores)  # of each core's task: clips to come, and computing time for one
    busy = np.zeros(n_cores, bool)
    while done < n_tasks:
        while idle and ready:
            core, task = idle.popleft(), ready.popleft()
            left[core], busy[core] = shard_clips, True
            compute_s[core] = 1e-6 * cluster.cpu_us * slowness[task] + fixed
        rate = np.zeros(n_cores)  # clips/s
        rate[busy] = 1 / (compute_s[busy] + moved / (1e9 * cluster.link_gb_s))
        by_node = rate.reshape(cluster.nodes, cluster.cores).sum(axis=1) * moved
        rate *= np.repeat(np.minimum(1, 1e9 * cluster.link_gb_s / np.maximum(by_node, 1)), cluster.cores)
        rate *= min(1.0, 1e9 * cluster.storage_gb_s / max(1.0, rate.sum() * moved))
        seconds = min(np.min(left[busy] / rate[busy], initial=np.inf), next_ready - now)
        shares = (rate[busy] * compute_s[busy]).sum() * seconds
        computing, moving = computing + shares, moving + busy.sum() * seconds - shares
        waiting = (n_cores - busy.sum()) * seconds
        starved, tail = (starved, tail + waiting) if prepared == n_tasks else (starved + waiting, tail)
        left -= rate * seconds
        now += seconds
        if now >= next_ready:
            ready.append(prepared)
            prepared, next_ready = prepared + 1, np.inf
        ended = np.flatnonzero(busy & (left < 1e-6 * shard_clips))
        busy[ended] = False
        idle.extend(ended.tolist())
        done += len(ended)
        if next_ready == np.inf and prepared < n_tasks and prepared - done < 2 * n_cores:
            next_ready = now + prepare_s
    planning = 1e-6 * cluster.plan_us * n_clips
    total = n_cores * now
    return Outcome(planning + now, planning, computing / total, moving / total, starved / total, tail / total)


# The machine of RESULTS.md, "Recordings to a verified file": a thread takes 83 us for a WAV clip, whose bytes lie in the page cache; two
# are held up by the disk, at 1.2 GB/s read and written. The last two are what `coordinator.py` prints.
MEASURED = Cluster(
    nodes=1, cores=1, cpu_us=83, read_bytes=32_044, write_bytes=48_232, link_gb_s=100, storage_gb_s=1.2, plan_us=38.6, hand_us=0.41,
    task_s=0, spread=0,
)  # fmt: skip
CLUSTER = replace(MEASURED, task_s=0.05, spread=0.05)


def line(name: str, cluster: Cluster, n_clips: int, shard_clips: int) -> str:
    """A row of the table."""
    found = simulate(cluster, n_clips, shard_clips)
    shares = " | ".join(f"{share:.0%}" for share in (found.computing, found.moving, found.coordinator, found.tail))
    return f"| {name} | {found.seconds / 60:,.1f} | {found.planning / 60:,.1f} | {n_clips / found.seconds:,.0f} | {shares} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=100_000_000)
    parser.add_argument("--shard-clips", type=int, default=50_000)
    parser.add_argument("--nodes", type=int, nargs="+", default=[1, 16, 256])
    parser.add_argument("--cores", type=int, default=16, help="Of each node.")
    parser.add_argument("--link-gb-s", type=float, default=1.25, help="What a node moves: 10 Gbit/s.")
    parser.add_argument("--storage-gb-s", type=float, nargs="+", default=[10.0, 100.0], help="What the shared storage moves.")
    given = parser.parse_args()
    print("| | min | planning, min | clips/s | compute | move data | wait for the coordinator | wait at the end |\n" + 8 * "|---" + "|")
    for workers in (1, 2):
        print(line(f"{workers} cores here, 100,000 clips", replace(MEASURED, cores=workers, plan_us=0), 100_000, 10_000))
    for nodes in given.nodes:
        for storage in given.storage_gb_s:
            cluster = replace(CLUSTER, nodes=nodes, cores=given.cores, link_gb_s=given.link_gb_s, storage_gb_s=storage)
            print(line(f"{nodes} nodes, {storage:g} GB/s", cluster, given.clips, given.shard_clips))


if __name__ == "__main__":
    main()
