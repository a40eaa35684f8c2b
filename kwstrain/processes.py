"""Several processes that train one network, on one machine or many: how they meet, and how all end when one of them does.

JAX's own runtime brings them together. Beside it each process holds a connection to the first one, over which a few bytes go every
five seconds: when it breaks, or is silent, every process says which one is gone, and ends. Without that the others would wait in a
sum that never comes.
"""

from __future__ import annotations

import atexit
import os
import pickle
import select
import socket
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

import jax
import numpy as np

from kwsfeat import ConfigError, StoreError

_BEAT_S = 5.0
_SILENT_S = 30.0
_MEET_S = 300
_AGAIN = "start all of them again, a training with --resume"
_ADDRESS_BYTES = 256
_BEAT, _DONE = b".", b"!"

T = TypeVar("T")


def rank() -> int:
    """The number of this process, from 0."""
    return jax.process_index()


def is_first() -> bool:
    """Whether this process is the one that writes; the only one is."""
    return rank() == 0


def wait(where: str) -> None:
    """Go on when all processes are here."""
    if jax.process_count() > 1:
        from jax.experimental import multihost_utils

        multihost_utils.sync_global_devices(where)


def gathered(mine: T) -> list[T]:
    """What each process has for the others, in their order; all of them call this."""
    from jax.experimental import multihost_utils

    data = np.frombuffer(pickle.dumps(mine), np.uint8)
    sizes = np.asarray(multihost_utils.process_allgather(np.int32(data.size))).ravel()
    padded = np.zeros(sizes.max(), np.uint8)
    padded[: data.size] = data
    parts = np.asarray(multihost_utils.process_allgather(padded)).reshape(len(sizes), -1)
    return [pickle.loads(part[:size].tobytes()) for part, size in zip(parts, sizes, strict=True)]


def check_alike(given: Mapping[str, Any]) -> None:
    """Refuse to work together on different things.

    Raises
    ------
    ConfigError
        In all processes, with the first thing that one of them was given otherwise than the first process.
    """
    if jax.process_count() == 1:
        return
    everyone = gathered(dict(given))
    for process, theirs in enumerate(everyone):
        for name, value in everyone[0].items():
            if theirs[name] != value:
                raise ConfigError(
                    f"process {process} has {name}={theirs[name]!r}, and process 0 {name}={value!r}: start all with the same options, "
                    "on the same data"
                )


@contextmanager
def together(coordinator: str | None = None, processes: int | None = None, process: int | None = None) -> Iterator[None]:
    """Be one of several processes, each of which runs the same program on the same data.

    Parameters
    ----------
    coordinator : str, optional
        ``HOST:PORT`` where the first process listens; without it, from the cluster that JAX recognises (Slurm, Open MPI, Kubernetes,
        TPU pods).
    processes, process : int, optional
        How many there are, and which one this is, from 0; with `coordinator`.

    Yields
    ------
    None
        Inside, the devices of all processes are one row; when one of them dies, all end.

    Raises
    ------
    ConfigError
        If only some of the three are given, or one does not fit.
    StoreError
        If the others do not come.

    Examples
    --------
    >>> with together("127.0.0.1:9999", processes=2, process=2):
    ...     pass
    Traceback (most recent call last):
    kwsfeat.errors.ConfigError: process=2 must be from 0 to 1, as processes=2
    """
    _check(coordinator, processes, process)
    if not jax.distributed.is_initialized():
        try:
            jax.distributed.initialize(coordinator, processes, process, initialization_timeout=_MEET_S)
        except Exception as error:  # of the cluster that is not recognised, or of the runtime
            cure = "give --coordinator, --processes and --process"
            if coordinator:
                cure = f"is {coordinator} in use by another program, then take another port; else see that all are started"
            raise StoreError(f"the processes do not meet ({_first_line(error)}): {cure}") from None
    with _output_to_stderr():
        watch = _Watch()
    try:
        yield
    except BaseException:
        watch.leave()
        raise
    watch.done()


def _check(coordinator: str | None, processes: int | None, process: int | None) -> None:
    given = [value is not None for value in (coordinator, processes, process)]
    if any(given) and not all(given):
        raise ConfigError("coordinator, processes and process belong together: give all three, or none on a cluster that JAX knows")
    if coordinator is None or processes is None or process is None:
        return
    host, _, port = coordinator.rpartition(":")
    if not host or not port.isdigit():
        raise ConfigError(f"coordinator={coordinator!r} must be HOST:PORT")
    if not 0 <= process < processes:
        raise ConfigError(f"process={process} must be from 0 to {processes - 1}, as processes={processes}")


class _Watch:
    """The connections between the first process and the others."""

    def __init__(self) -> None:
        self._me, self._n = jax.process_index(), jax.process_count()
        self._finished, self._failed = threading.Event(), threading.Event()
        self._thread: threading.Thread | None = None
        self._peers: dict[int, socket.socket] = {}
        self._hosts: dict[int, str] = {}  # where they run
        if self._n == 1:
            return
        if self._me == 0:
            listening = socket.create_server(("", 0), backlog=self._n)
            _told(f"{_own_address()}:{listening.getsockname()[1]} {socket.gethostname()}")
            listening.settimeout(_MEET_S)
            while len(self._peers) < self._n - 1:
                connection, _ = listening.accept()
                connection.settimeout(_MEET_S)
                process, size = (int.from_bytes(_exactly(connection, 4), "little") for _ in range(2))
                self._peers[process], self._hosts[process] = connection, _exactly(connection, size).decode()
            listening.close()
        else:
            address, _, first = _told("").partition(" ")
            host, _, port = address.rpartition(":")
            connection = socket.create_connection((host, int(port)), timeout=_MEET_S)
            name = socket.gethostname().encode()
            connection.sendall(b"".join([self._me.to_bytes(4, "little"), len(name).to_bytes(4, "little"), name]))
            self._peers[0], self._hosts[0] = connection, first
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def done(self) -> None:
        """This process has reached its end; it waits for the first one, and that for all."""
        self._finished.set()
        for connection in list(self._peers.values()):
            with suppress(OSError):  # it has ended before
                connection.sendall(_DONE)
        if self._thread is not None:
            self._thread.join()

    def leave(self) -> None:
        """This process has failed: the others are told when it ends, and end, too, without waiting for it."""
        self._failed.set()
        atexit.register(self._exit)  # before JAX's own end, which would wait for the others

    def _exit(self) -> None:
        """End here and now; the first process when the others have ended: it serves JAX's runtime, which aborts those that it leaves."""
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError):
                stream.flush()
        others, until = list(self._peers.values()) if self._me == 0 else [], time.monotonic() + _BEAT_S
        for connection in others:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_WR)
        for connection in others:
            with suppress(OSError):  # too late, or it is broken
                while (left := until - time.monotonic()) > 0:
                    connection.settimeout(left)
                    if not connection.recv(4096):
                        break
        os._exit(1)

    def _run(self) -> None:
        heard = dict.fromkeys(self._peers, time.monotonic())
        beaten = 0.0
        while self._peers and not self._failed.is_set():
            now = time.monotonic()
            if now - beaten >= _BEAT_S:
                beaten = now
                for connection in self._peers.values():
                    self._beat(connection)
            ready, _, _ = select.select(list(self._peers.values()), [], [], _BEAT_S / 5)
            for process, connection in list(self._peers.items()):
                if connection in ready:
                    said = self._heard(connection)
                    if _DONE in said:
                        del self._peers[process]
                        continue
                    told = said.strip(_BEAT)  # the first process tells who else is gone
                    if told or not said:
                        gone, _, host = told.decode().strip().partition(" ")
                        self._end(*((int(gone), host) if told else (process, self._hosts[process])))
                    heard[process] = now
                if now - heard[process] > _SILENT_S:
                    self._end(process, self._hosts[process])

    def _heard(self, connection: socket.socket) -> bytes:
        try:
            return connection.recv(4096)
        except OSError:
            return b""

    def _beat(self, connection: socket.socket) -> None:
        with suppress(OSError):  # found out when it is read
            connection.sendall(_BEAT)

    def _end(self, gone: int, host: str) -> None:
        """Tell the others, say it, and end this process, whatever it is waiting for."""
        if self._finished.is_set() or self._failed.is_set():  # it has nothing more to wait for
            self._peers.pop(gone, None)
            return
        self._peers.pop(gone, None)
        for connection in self._peers.values():
            if self._me == 0:
                with suppress(OSError):
                    connection.sendall(f"{gone} {host}\n".encode())
        sys.stderr.write(f"kwstrain: process {gone} of {self._n}, on {host}, is gone, see what it says: {_AGAIN}\n")
        self._exit()


@contextmanager
def _output_to_stderr() -> Iterator[None]:
    """For what libraries print, as the one that sums over processes does when these meet: stdout is for results."""
    sys.stdout.flush()
    kept = os.dup(1)
    os.dup2(2, 1)
    try:
        yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)


def _own_address() -> str:
    """Where the other machines reach this one."""
    try:
        return socket.gethostbyname(socket.gethostname())
    except OSError:
        return "127.0.0.1"


def _told(text: str) -> str:
    """What the first process says to all."""
    from jax.experimental import multihost_utils

    letters = np.zeros(_ADDRESS_BYTES, np.uint8)
    letters[: len(text)] = np.frombuffer(text.encode(), np.uint8)
    heard = np.asarray(multihost_utils.broadcast_one_to_all(letters))
    return bytes(heard[heard > 0].tolist()).decode()


def _exactly(connection: socket.socket, n: int) -> bytes:
    data = b""
    while len(data) < n:
        part = connection.recv(n - len(data))
        if not part:
            raise StoreError("a process went away before the training began: start all of them again")
        data += part
    return data


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
