"""An iterator that is made a little ahead of its use, by a thread."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from typing import TypeVar

T = TypeVar("T")

_READ_AHEAD = 2


def prefetch(items: Iterator[T]) -> Iterator[T]:
    """`items`, made by a thread from now on, a little ahead; its exception is raised here, and it ends with this iterator."""
    made = _made(items)
    next(made)  # the thread begins
    return made  # type: ignore[return-value]  # None was the first


def _made(items: Iterator[T]) -> Iterator[T | None]:
    ready: queue.Queue[tuple[T | None, BaseException | None]] = queue.Queue(_READ_AHEAD)
    stopped = threading.Event()

    def put(entry: tuple[T | None, BaseException | None]) -> None:
        while not stopped.is_set():
            try:
                ready.put(entry, timeout=0.1)
                return
            except queue.Full:
                continue

    def work() -> None:
        try:
            for item in items:
                put((item, None))
                if stopped.is_set():
                    return
            put((None, StopIteration()))
        except BaseException as error:
            put((None, error))

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        yield None
        while True:
            item, error = ready.get()
            if isinstance(error, StopIteration):
                return
            if error is not None:
                raise error
            yield item
    finally:
        stopped.set()
        thread.join()
