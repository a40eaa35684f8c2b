"""What fails on a cluster in earnest: processes that are killed, a scheduler that comes back, a disk that is full. Nothing is lost."""

from __future__ import annotations

import os
import random
import resource
import signal
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from builds import CONFIGS, contents, plan

pytest.importorskip("distributed")

from clusters import PATIENCE_S, local_cluster, scheduler_and_workers
from distributed import WorkerPlugin

from kwsfeat import StoreError, build_shards, on_cluster

SHARD_CLIPS = 20
CLIP_S = 0.02  # that a clip takes at least
pytestmark = pytest.mark.slow


class Slow(WorkerPlugin):  # type: ignore[misc]
    """Makes every worker, those that are started again too, take its time."""

    def setup(self, worker: Any) -> None:
        import kwsfeat.pipeline.sources as sources

        load = sources.load_clip

        def slowly(*args: Any, **options: Any) -> Any:
            time.sleep(CLIP_S)
            return load(*args, **options)

        sources.load_clip = slowly


def build(corpus: Path, output: Path, cluster: Any, **options: Any) -> Any:
    return build_shards(plan(corpus, synthesise=True), output, CONFIGS, shard_clips=SHARD_CLIPS, workers=on_cluster(cluster), **options)


@pytest.mark.parametrize("n_workers", [1, 4])
def test_the_bytes_do_not_depend_on_the_number_of_workers(tiny_corpus: Path, folder: Path, tmp_path: Path, n_workers: int) -> None:
    """Two are in the tests of what works."""
    with local_cluster(n_workers) as client:
        assert len(client.run(os.getpid)) == n_workers
        build(tiny_corpus, tmp_path / "set", client)
    assert contents(tmp_path / "set") == contents(folder)


def wait_for_all(client: Any) -> None:
    """Until every worker answers and is the one that its nanny watches: a nanny whose worker is killed as it starts gives it up."""
    deadline = time.monotonic() + PATIENCE_S
    while set(client.run(os.getpid, on_error="ignore").values()) != {nanny.pid for nanny in client.cluster.workers.values()}:
        assert time.monotonic() < deadline, "a worker is not started again"
        time.sleep(0.1)


def test_ten_workers_killed_at_random_moments_lose_nothing(tiny_corpus: Path, folder: Path, tmp_path: Path) -> None:
    """At the latest when all files are there, and the build has not ended."""
    rng = random.Random(1)
    with local_cluster(2) as client:
        client.register_plugin(Slow())

        def kill() -> None:
            os.kill(rng.choice([nanny.pid for nanny in client.cluster.workers.values()]), signal.SIGKILL)

        for attempt in range(10):
            wait_for_all(client)
            killer = threading.Timer(rng.uniform(0, 77 * CLIP_S / 2), kill)

            def killed(done: int, total: int, killer: threading.Timer = killer) -> None:
                if done == total:
                    killer.join()

            killer.start()
            build(tiny_corpus, tmp_path / str(attempt), client, progress=killed)
            assert contents(tmp_path / str(attempt)) == contents(folder)


def test_a_scheduler_that_comes_back_goes_on(tiny_corpus: Path, folder: Path, tmp_path: Path) -> None:
    """It is killed when one file is there; the same command with another one makes only what is missing."""
    with scheduler_and_workers(tmp_path) as (address, scheduler):

        def kill(done: int, total: int) -> None:
            if any((tmp_path / "set.partial").glob("*.h5")):
                scheduler.kill()

        with pytest.raises(StoreError, match="the scheduler is gone: start it again and repeat the command"):
            build(tiny_corpus, tmp_path / "set", address, progress=kill)
    assert not (tmp_path / "set").exists()
    with scheduler_and_workers(tmp_path, port=int(address.rpartition(":")[2])) as (again, _):
        assert again == address
        assert build(tiny_corpus, tmp_path / "set", address).n_resumed >= SHARD_CLIPS
    assert contents(tmp_path / "set") == contents(folder)


def test_a_disk_that_is_full_for_one_worker(tiny_corpus: Path, folder: Path, tmp_path: Path) -> None:
    """The system refuses it files that are as long as ours: as a quota does, for all of a process."""

    def limit(n_bytes: int) -> int:
        most = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes if n_bytes >= 0 else most[1], most[1]))
        return most[0]

    with local_cluster(2) as client:
        full = sorted(client.scheduler_info()["workers"])[0]
        client.run(limit, 100_000, workers=[full])
        with pytest.raises(StoreError, match=rf"^worker {full}: cannot create .*/0000\d\.h5: File too large: free some space"):
            build(tiny_corpus, tmp_path / "set", client)
        assert not (tmp_path / "set").exists()
        client.run(limit, -1, workers=[full])
        build(tiny_corpus, tmp_path / "set", client)
    assert contents(tmp_path / "set") == contents(folder)
