"""A studio behind its guard, and requests that no client library would send."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np
import soundfile

from kwsfeat import preset
from kwstrain.studio.app import Studio
from kwstrain.studio.guard import Guard
from kwstrain.studio.project import Project

TOKEN, HOST = "a-token", "127.0.0.1:8765"


@dataclass
class Answer:
    """Status, headers and body, and how many messages of the request were read."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    read: int = 0


@dataclass(frozen=True)
class Door:
    """A studio and its address."""

    studio: Studio
    guard: Guard

    @property
    def folder(self) -> Path:
        return self.studio.project.folder

    def ask(
        self, method: str, path: str, *, headers: dict[str, str] | list[tuple[str, str]] | None = None, token: str = TOKEN,
        query: str = "", body: Iterator[dict[str, Any]] | None = None,
    ) -> Answer:  # fmt: skip
        """One request, as it comes from the wire: `path` in percent-encoding, with whatever is in it."""
        given = headers if headers is not None else {"host": HOST, "origin": f"http://{HOST}"}
        pairs = [(a.encode(), b.encode()) for a, b in (given.items() if isinstance(given, dict) else given)]
        scope = {
            "type": "http", "method": method, "path": unquote(f"/{token}{path}"), "raw_path": f"/{token}{path}".encode(), "root_path": "",
            "query_string": query.encode(), "headers": pairs, "scheme": "http", "http_version": "1.1",
            "client": ("127.0.0.1", 5), "server": ("127.0.0.1", 8765),
        }  # fmt: skip
        messages, answer = body if body is not None else iter([{"type": "http.request"}]), Answer()

        async def receive() -> dict[str, Any]:
            answer.read += 1
            return next(messages, {"type": "http.disconnect"})

        async def send(message: dict[str, Any]) -> None:
            if message["type"] == "http.response.start":
                answer.status = message["status"]
                answer.headers = {a.decode(): b.decode() for a, b in message["headers"]}
            else:
                answer.body += message.get("body", b"")

        asyncio.run(self.guard(scope, receive, send))
        return answer


def door_of(folder: Path, embedding: str = "google") -> Door:
    """A studio of a project."""
    studio = Studio(Project.open(folder), embedding, preset("speech-embedding"))
    return Door(studio, Guard(studio.application(), TOKEN, "127.0.0.1"))


def write_take(path: Path, seed: int = 0, seconds: float = 2.0) -> Path:
    """A sound of half a second in quiet noise."""
    rng = np.random.default_rng(seed)
    y = 1e-3 * rng.standard_normal(round(16000 * seconds))
    y[12000:20000] += 0.3 * np.sin(np.arange(8000) * (0.2 + 0.01 * seed)) * np.hanning(8000)
    soundfile.write(path, y, 16000, subtype="PCM_16")
    return path


def snapshot(folder: Path) -> dict[str, bytes]:
    """Every file below a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}
