"""Ctrl-C ends a command, also where Python has dropped it."""

from __future__ import annotations

import os
import signal
import threading

import pytest

from kwsfeat.cli.interrupt import check, noticed
from kwsfeat.cli.progress import Bar


class Swallows:
    """What is raised while it is deleted goes nowhere."""

    def __del__(self) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        for _ in range(1000):  # the interpreter looks for signals between its steps
            pass


def test_an_interrupt_that_was_dropped_comes_with_the_next_progress(capsys: pytest.CaptureFixture[str]) -> None:
    with noticed():
        Bar("clips", shown=False)(0, 10)
        thing = Swallows()
        del thing
        with pytest.raises(KeyboardInterrupt):
            Bar("clips", shown=False)(1, 10)
    with noticed():  # the next command knows nothing of it
        check()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert capsys.readouterr().err == ""


def test_other_threads_and_handlers_are_left_alone() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with noticed():
            assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)
    raised = []

    def work() -> None:
        with noticed():
            check()
        raised.append(False)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert raised == [False]
