"""The files of a data set made by the workers of a Dask cluster.

A task makes one file, in a folder of its own beside the others, and renames it when it is complete: so it may be begun again
anywhere, and twice at once. The workers share the output's file system with this process, which keeps the plan and the table.
"""

from __future__ import annotations

import logging
import os
import queue
import shutil
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kwsfeat import __version__
from kwsfeat.dataset.disk import reason
from kwsfeat.errors import ConfigError, CorpusError, KwsError, MissingExtraError, StoreError
from kwsfeat.pipeline.shards.build import Workers
from kwsfeat.pipeline.shards.parts import read_part, remove_part, write_part
from kwsfeat.pipeline.shards.shard import Made, Progress, Task, find, make
from kwsfeat.pipeline.sources import ClipSource

if TYPE_CHECKING:
    from distributed import Client, Future

_LOGGER = logging.getLogger(__name__)
_LOCAL = "local:"
_HERE = "127.0.0.1"
_CONNECT_S = 10.0
_JOIN_S = 60.0
_TELL_S = 0.5  # between two words of a worker about its progress
_LOST_S = 30.0  # without a scheduler
_AGAIN_S = 600.0  # that a worker of this machine may take to start again, with whatever else the machine does: then Dask gives it up
_PROBE = "probe"


def on_cluster(cluster: str | Client, *, threads: int = 1) -> Workers:
    """Have the workers of a Dask cluster make the files of :func:`kwsfeat.build_shards`.

    Every worker needs the same kwsfeat, and the recordings and the output under the same paths. A worker that dies is replaced by
    another; the bytes do not depend on who makes them.

    Parameters
    ----------
    cluster : str or distributed.Client
        ``tcp://HOST:PORT`` of a scheduler, ``local:N`` for N processes of this machine, or a client.
    threads : int, >= 1
        Of each task. A Dask worker runs as many tasks at once as it has threads of its own.

    Returns
    -------
    callable
        What :func:`kwsfeat.build_shards` takes as `workers`.

    Raises
    ------
    MissingExtraError
        Without the extra ``cluster``.
    ConfigError
        If `cluster` is neither of these.

    Examples
    --------
    >>> workers = on_cluster("local:2")
    >>> on_cluster("local:none")
    Traceback (most recent call last):
    kwsfeat.errors.ConfigError: 'local:none' must be local:N with N >= 1, or the address of a scheduler, tcp://HOST:PORT
    """
    try:
        import distributed  # noqa: F401
    except ImportError:
        raise MissingExtraError("clusters need Dask: pip install 'kwsfeat[cluster]'") from None
    if isinstance(cluster, str):
        _check_address(cluster)

    def work(folder: Path, source: ClipSource, tasks: Sequence[Task], progress: Progress) -> Iterator[tuple[int, Made]]:
        with _connected(cluster) as client:
            _check_workers(client, folder)
            yield from _Coordinator(client, folder.absolute(), threads).run(source, tasks, progress)

    return work


class _Coordinator:
    """Hands out tasks, a few more than there are hands, and gathers what comes back."""

    def __init__(self, client: Client, folder: Path, threads: int) -> None:
        self._client, self._folder, self._threads = client, folder, threads
        self._events: queue.Queue[Any] = queue.Queue()
        self._topic = f"kwsfeat-{uuid.uuid4().hex}"
        self._running: dict[Future, Task] = {}

    def run(self, source: ClipSource, tasks: Sequence[Task], progress: Progress) -> Iterator[tuple[int, Made]]:
        """The number of each file, as soon as it is there."""
        waiting, total = list(reversed(tasks)), tasks[-1].rows.stop
        done = dict.fromkeys((task.number for task in tasks), 0)
        self._client.subscribe_topic(self._topic, self._events.put)
        try:
            while waiting or self._running:
                while waiting and len(self._running) < self._lead():
                    self._submit(waiting.pop(), source)
                event = self._next()
                if isinstance(event, tuple):  # a worker tells how far it is: (time, (file, clips))
                    number, clips = event[1]
                    done[number] = max(done[number], clips)
                elif (task := self._running.pop(event, None)) is not None:
                    made = _result(event, task)
                    remove_part(self._folder, task)
                    done[task.number] = task.n_clips
                    yield task.number, made
                progress(sum(done.values()), total)
        finally:
            with suppress(OSError):  # the scheduler may be gone
                self._client.unsubscribe_topic(self._topic)
                self._client.cancel(list(self._running))

    def _lead(self) -> int:
        try:
            return 2 * max(1, int(sum(self._client.nthreads().values())))
        except OSError:
            raise StoreError(_GONE) from None

    def _submit(self, task: Task, source: ClipSource) -> None:
        try:
            write_part(self._folder, task, source)
        except OSError as error:
            raise StoreError(f"cannot write {self._folder}: {reason(error)}: make room and repeat the command, it goes on") from error
        arguments = (os.fspath(self._folder), task, self._threads, __version__, self._topic)
        future = self._client.submit(_make, *arguments, key=f"{self._topic}-{task.number:05}", pure=False)
        self._running[future] = task
        future.add_done_callback(self._events.put)

    def _next(self) -> Any:
        """What happens next; an error when the scheduler is gone."""
        lost = 0.0
        while True:
            try:
                return self._events.get(timeout=1.0)
            except queue.Empty:
                lost = lost + 1.0 if self._client.status != "running" else 0.0
            if lost >= _LOST_S or self._client.status == "closed":
                raise StoreError(_GONE)


_GONE = "the scheduler is gone: start it again and repeat the command, it goes on with the files that are there"


def _result(future: Future, task: Task) -> Made:
    from distributed import KilledWorker

    if future.status in ("cancelled", "lost"):
        raise StoreError(_GONE)
    error = future.exception()
    if isinstance(error, KilledWorker):
        raise StoreError(
            f"{task.name}: the workers died {error.allowed_failures + 1} times on it, the last was {error.last_worker.address}: see their "
            "logs, memory for one, and repeat the command"
        )
    if error is not None:
        raise error
    made: Made = future.result()
    return made


def _make(folder: str, task: Task, threads: int, version: str, topic: str) -> Made:
    """In a worker: the file of a task, if it is not there yet."""
    from distributed import get_worker

    worker, told = get_worker(), 0.0

    def tell(done: int, total: int) -> None:
        nonlocal told
        if time.monotonic() - told >= _TELL_S:
            told = time.monotonic()
            worker.log_event(topic, (task.number, done))

    try:
        _check_version(version)
        return find(Path(folder, task.name), task, tell) or _make_beside(Path(folder), task, threads, tell)
    except KwsError as error:
        raise type(error)(f"worker {worker.address}: {error}") from None
    except OSError as error:
        raise StoreError(f"worker {worker.address}: {task.name}: {error}: repeat the command, it goes on") from None


def _make_beside(folder: Path, task: Task, threads: int, tell: Progress) -> Made:
    """Nobody else writes where this attempt does; the last to be complete gives the file its name, and all are equal."""
    attempt = folder / f"{task.number:05}-{uuid.uuid4().hex}"
    attempt.mkdir()
    try:
        made = make(attempt / task.name, task, read_part(folder, task), threads=threads, progress=tell)
        if made.facts is not None:
            os.replace(attempt / task.name, folder / task.name)
        return made
    finally:
        shutil.rmtree(attempt, ignore_errors=True)


def _check_version(wanted: str) -> None:
    if __version__ != wanted:
        raise ConfigError(f"it has kwsfeat {__version__}, this build is one of kwsfeat {wanted}: install that")


def _check_address(address: str) -> None:
    count = address.removeprefix(_LOCAL)
    if ("://" not in address and not address.startswith(_LOCAL)) or (address.startswith(_LOCAL) and not (count.isdigit() and int(count))):
        raise ConfigError(f"{address!r} must be local:N with N >= 1, or the address of a scheduler, tcp://HOST:PORT")


@contextmanager
def _connected(cluster: str | Client) -> Iterator[Client]:
    """A client that has workers."""
    import dask
    from distributed import Client, LocalCluster

    with ExitStack() as stack:
        if not isinstance(cluster, str):
            client = cluster
        elif cluster.startswith(_LOCAL):
            n = int(cluster.removeprefix(_LOCAL))
            stack.enter_context(dask.config.set({"distributed.deploy.lost-worker-timeout": _AGAIN_S}))
            local = LocalCluster(
                n_workers=n, threads_per_worker=1, memory_limit=0, host=_HERE, dashboard_address=f"{_HERE}:0", silence_logs=logging.ERROR
            )  # fmt: skip
            client = stack.enter_context(Client(stack.enter_context(local), set_as_default=False))
        else:
            try:
                client = stack.enter_context(Client(cluster, timeout=_CONNECT_S, set_as_default=False))
            except (OSError, ValueError) as error:
                raise StoreError(f"no Dask scheduler answers at {cluster} ({_first_line(error)}): start it, or correct --dask") from None
        try:
            client.wait_for_workers(1, timeout=_JOIN_S)
        except TimeoutError:
            raise StoreError(f"no worker joined the scheduler {client.scheduler.address} within {_JOIN_S:.0f} s: start some") from None
        yield client


def _check_workers(client: Client, folder: Path) -> None:
    """Refuse workers that would write something else, or elsewhere."""
    token = uuid.uuid4().hex
    probe = folder.absolute() / _PROBE
    probe.write_text(token, encoding="utf-8")
    try:
        said_by: dict[str, Any] = client.run(_describe, os.fspath(probe), on_error="return")
    except OSError as error:
        raise StoreError(f"the workers do not answer ({_first_line(error)}): repeat the command") from None
    finally:
        probe.unlink()
    found = {address: said for address, said in said_by.items() if not isinstance(said, OSError)}  # others are just dying
    if not found:
        raise StoreError(f"the workers do not answer ({_first_line(next(iter(said_by.values())))}): repeat the command")
    for address, said in sorted(found.items()):
        if isinstance(said, Exception):
            raise said
        if said["version"] != __version__:
            raise ConfigError(f"worker {address} has kwsfeat {said['version']}, this is {__version__}: install the same on both")
        if said["token"] != token:
            raise CorpusError(f"worker {address} does not see {folder}: the output must lie on a disk that all workers share, at one path")
    if len(lanes := {said["lanes"] for said in found.values()} | {_lanes()}) > 1:
        _LOGGER.info("processors with vectors of %s floats: the last bits of features may differ", " and ".join(map(str, sorted(lanes))))
    _LOGGER.info("%d workers with %d threads; %s", len(found), sum(client.nthreads().values()), client.dashboard_link)


def _describe(probe: str) -> dict[str, Any]:
    """In a worker: what it is, and what it reads at `probe`."""
    try:
        token = Path(probe).read_text(encoding="utf-8")
    except OSError:
        token = ""
    return {"version": __version__, "token": token, "lanes": _lanes()}


def _lanes() -> int:
    from kwsfeat.kernels._jit import LANES

    return int(LANES)


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
