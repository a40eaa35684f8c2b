"""A headless Chromium whose microphone is a recording, driven through its DevTools pipe: no other program is needed."""

from __future__ import annotations

import base64
import fcntl
import json
import os
import select
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

PROGRAM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = [
    "--headless=new", "--no-sandbox", "--no-first-run", "--disable-gpu", "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream", "--autoplay-policy=no-user-gesture-required", "--remote-debugging-pipe",
]  # fmt: skip
PATIENCE_S = 600  # with a machine that has much else to do


class Page:
    """An open page, loaded."""

    def __init__(self, address: str, send: int, receive: int) -> None:
        self._send, self._receive, self._n, self._rest = send, receive, 0, b""
        self.complaints: list[str] = []
        target = self._call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self._call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Runtime", "Page", "Log"):
            self.call(f"{domain}.enable")
        self.call("Page.navigate", url=address)
        assert self.wait(f"location.href === {json.dumps(address)} && document.readyState === 'complete'"), address

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        """A command of the DevTools protocol."""
        return self._call(method, session=self._session, **params)

    def _call(self, method: str, *, session: str = "", **params: Any) -> dict[str, Any]:
        self._n += 1
        message = {"id": self._n, "method": method, "params": params, **({"sessionId": session} if session else {})}
        os.write(self._send, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._read()
            if answer.get("id") == self._n:
                assert "error" not in answer, answer["error"]
                return dict(answer["result"])
            if answer.get("method") in ("Runtime.exceptionThrown", "Log.entryAdded"):
                self.complaints.append(json.dumps(answer["params"])[:500])

    def _read(self) -> dict[str, Any]:
        end = time.monotonic() + PATIENCE_S
        while b"\0" not in self._rest:
            ready, _, _ = select.select([self._receive], [], [], max(0.0, end - time.monotonic()))
            assert ready, "Chromium does not answer"
            part = os.read(self._receive, 1 << 16)
            assert part, "Chromium has ended"
            self._rest += part
        message, _, self._rest = self._rest.partition(b"\0")
        return dict(json.loads(message))

    def js(self, expression: str) -> Any:
        """What JavaScript gives, as a user who clicks."""
        answer = self.call("Runtime.evaluate", expression=expression, userGesture=True, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def wait(self, expression: str) -> bool:
        """Whether an expression has become true in time."""
        end = time.monotonic() + PATIENCE_S
        while not (true := bool(self.js(expression))) and time.monotonic() < end:
            time.sleep(0.1)
        return true

    def choose(self, field: str, path: Path) -> None:
        """Give a field for files a file, as a user who picks it."""
        document = self.call("DOM.getDocument")["root"]["nodeId"]
        node = self.call("DOM.querySelector", nodeId=document, selector=field)["nodeId"]
        self.call("DOM.setFileInputFiles", files=[str(path)], nodeId=node)

    def screenshot(self, path: Path) -> None:
        """A picture of the page."""
        path.write_bytes(base64.b64decode(self.call("Page.captureScreenshot")["data"]))


@contextmanager
def opened(address: str, microphone: Path, folder: Path, *more: str) -> Iterator[Page]:
    """A page at `address`, in a browser of its own whose microphone plays a WAV file once; `folder` is its profile."""
    assert PROGRAM is not None
    to_browser, from_browser = os.pipe(), os.pipe()
    theirs = [fcntl.fcntl(fd, fcntl.F_DUPFD, 10) for fd in (to_browser[0], from_browser[1])]
    command = [PROGRAM, *FLAGS, f"--use-file-for-fake-audio-capture={microphone}%noloop", f"--user-data-dir={folder}", *more]

    browser = subprocess.Popen(
        ["bash", "-c", 'exec "$@" 3<&{} 4>&{}'.format(*theirs), "bash", *command],  # a pipe of the DevTools is 3 and 4
        pass_fds=theirs, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    for fd in (*theirs, to_browser[0], from_browser[1]):
        os.close(fd)
    try:
        yield Page(address, to_browser[1], from_browser[0])
    finally:
        browser.terminate()
        browser.wait(PATIENCE_S)
        os.close(to_browser[1])
        os.close(from_browser[0])
