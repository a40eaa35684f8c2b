"""One client of the service on stdin and stdout, whatever they are: wyoming's own server wants pipes, and closes them."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any

AT_ONCE = 1 << 16  # bytes


async def serve_stdio(connection: Callable[..., Any]) -> None:
    """Answer the messages on stdin until it ends.

    Parameters
    ----------
    connection : callable
        As :func:`~kwstrain.listening.service.handler` returns it.
    """
    ours, theirs = os.pipe()
    # Neither files nor every device can be waited for, and a thread that waits must not keep the program from ending.
    threading.Thread(target=_copy, args=(sys.stdin.fileno(), theirs), daemon=True).start()
    reader = asyncio.StreamReader()
    with os.fdopen(ours, "rb") as pipe:
        await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), pipe)
        await connection(reader, _Output()).run()


def _copy(source: int, target: int) -> None:
    with suppress(OSError), os.fdopen(target, "wb") as pipe:
        while data := os.read(source, AT_ONCE):
            pipe.write(data)
            pipe.flush()


class _Output:
    """stdout as wyoming writes to a connection."""

    def writelines(self, parts: Iterable[bytes]) -> None:
        sys.stdout.buffer.writelines(parts)

    def write(self, part: bytes) -> None:
        sys.stdout.buffer.write(part)

    async def drain(self) -> None:
        sys.stdout.buffer.flush()

    def close(self) -> None:
        """Stdout is the program's, and stays open."""
