"""Work in parts on a few threads: one pool for the whole process, which a forked child makes anew."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait

_MOST = 256  # threads are made when they are needed and kept: a large bound costs nothing

_pool: ThreadPoolExecutor | None = None
_lock = threading.Lock()


def run_parts(work: Callable[[slice], None], parts: Sequence[slice], threads: int) -> None:
    """``work(part)`` for every part, in any order, on `threads` threads at most: the caller's and ``threads - 1`` of the pool.

    After an error the parts that have not begun do not begin; it is raised when those that have are done.
    """
    rest = iter(parts)

    def take() -> None:
        for part in rest:
            work(part)

    helpers = [_threads().submit(take) for _ in range(min(threads, len(parts)) - 1)]
    try:
        take()
        for helper in helpers:
            helper.result()
    finally:
        for _ in rest:
            pass
        wait(helpers)


def _threads() -> ThreadPoolExecutor:
    global _pool
    with _lock:
        if _pool is None:
            _pool = ThreadPoolExecutor(_MOST, thread_name_prefix="kwsfeat")
        return _pool


def _forget() -> None:
    """In a forked child: the pool's threads are not there, and whoever held the lock is not either."""
    global _pool, _lock
    _pool, _lock = None, threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
