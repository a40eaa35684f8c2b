"""Dask clusters of real processes on this machine, and what can be done to them."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import dask
from distributed import Client, LocalCluster

PATIENCE_S = 600  # with a machine that has much else to do


@contextmanager
def local_cluster(n_workers: int) -> Iterator[Client]:
    """Worker processes, which are started again when they die."""
    choices = {"memory_limit": 0, "host": "127.0.0.1", "dashboard_address": "127.0.0.1:0", "silence_logs": 50}
    with (
        dask.config.set({"distributed.deploy.lost-worker-timeout": PATIENCE_S}),  # one that takes longer to start again is given up
        LocalCluster(n_workers=n_workers, threads_per_worker=1, **choices) as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        yield client


@contextmanager
def changed(client: Client, module: str, name: str, value: Any) -> Iterator[None]:
    """In every worker, `name` of `module` is what `value` makes of it.

    A worker that is started meanwhile has its own.
    """

    def change() -> None:
        from importlib import import_module

        there = import_module(module)
        there.kept = getattr(there, name)  # type: ignore[attr-defined]
        setattr(there, name, value(there.kept))

    def restore() -> None:
        from importlib import import_module

        there = import_module(module)
        setattr(there, name, there.__dict__.pop("kept", getattr(there, name)))

    client.wait_for_workers(1, timeout=PATIENCE_S)
    client.run(change)
    try:
        yield
    finally:
        client.wait_for_workers(1, timeout=PATIENCE_S)
        client.run(restore)


def started(part: str, *options: str, before: str = "") -> subprocess.Popen[bytes]:
    """``dask scheduler`` or ``dask worker`` as a process, which does `before` first."""
    code = f"{before}\nfrom distributed.cli.dask_{part} import main; main()"
    command = [sys.executable, "-c", code, *options, "--no-dashboard"]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def address_in(known: Path) -> str:
    """Where the scheduler is that writes this file, once all of that is written."""
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until:
        with suppress(FileNotFoundError, ValueError):
            return str(json.loads(known.read_text())["address"])
        time.sleep(0.1)
    raise TimeoutError(f"{known} is not written")


@contextmanager
def scheduler_and_workers(folder: Path, port: int = 0, workers: Sequence[str] = ("",)) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """A scheduler and `workers`, each of which does something before, as on a cluster: the scheduler's address and its process."""
    known = folder / "scheduler.json"
    known.unlink(missing_ok=True)
    scheduler = started("scheduler", "--host", "127.0.0.1", "--port", str(port), "--scheduler-file", str(known))
    running = [scheduler]
    try:
        address = address_in(known)
        running += [started("worker", address, "--nthreads", "1", "--no-nanny", before=before) for before in workers]
        with Client(address, timeout=PATIENCE_S, set_as_default=False) as client:
            client.wait_for_workers(len(workers), timeout=PATIENCE_S)
        yield address, scheduler
    finally:
        for process in reversed(running):
            process.kill()
            process.wait()
