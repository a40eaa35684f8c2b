"""Ctrl-C that is not lost: Python drops a KeyboardInterrupt that rises within a callback, as of the garbage collector."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_given = threading.Event()


@contextmanager
def noticed() -> Iterator[None]:
    """Within, an interrupt is remembered, for :func:`check`, and that Python drops one is not printed."""
    _given.clear()
    if not _is_main() or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return
    before = sys.unraisablehook
    signal.signal(signal.SIGINT, _remember)
    sys.unraisablehook = lambda given: None if given.exc_type is KeyboardInterrupt else before(given)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        sys.unraisablehook = before


def check() -> None:
    """Raise the KeyboardInterrupt that was lost, in the main thread; what takes long calls it now and then."""
    if _given.is_set() and _is_main():
        raise KeyboardInterrupt


def _remember(number: int, frame: FrameType | None) -> None:
    _given.set()
    raise KeyboardInterrupt


def _is_main() -> bool:
    return threading.current_thread() is threading.main_thread()
