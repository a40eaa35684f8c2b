"""A recording that is made while the server is away waits in the page, and is saved when the server is back."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from chromium import PROGRAM, opened
from door import TOKEN, Door, write_take

uvicorn = pytest.importorskip("uvicorn", reason="the extra studio is not installed")
pytestmark = [pytest.mark.slow, pytest.mark.skipif(PROGRAM is None, reason="Chromium is not installed: the page is tried in it")]


@contextmanager
def running(door: Door, port: int) -> Iterator[None]:
    """The studio's server."""
    server = uvicorn.Server(uvicorn.Config(door.guard, host="127.0.0.1", port=port, log_level="warning", ws="none"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.05)
    yield
    server.should_exit = True
    thread.join(900)
    assert not thread.is_alive()


def test_nothing_is_lost_while_the_server_is_away(door: Door, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    silence = write_take(tmp_path / "microphone.wav")
    with ExitStack() as browser:
        with running(door, port):
            page = browser.enter_context(opened(f"http://127.0.0.1:{port}/{TOKEN}/", silence, tmp_path / "profile"))
            assert page.wait('document.querySelectorAll("#takes li").length === 1'), page.complaints
            assert page.complaints == []
            page.js("fetch('takes/001.wav').then(answer => answer.blob()).then(blob => { globalThis.recorded = blob; })")
        page.js("void studio.takes.add(recorded)")
        assert page.wait('document.querySelectorAll("#waiting li").length === 1')
        assert "Not saved yet" in page.js('document.querySelector("#waiting").textContent')
        assert page.js('document.querySelector("#waiting a").download') == "recording.wav"
        with running(door, port):
            assert page.wait("studio.state.takes.length === 2")
            assert page.wait('document.querySelectorAll("#waiting li").length === 0')
    first, second = sorted((door.folder / "takes").iterdir())
    assert second.name == "002.wav"
    assert second.read_bytes() == first.read_bytes()
