"""A studio for each test, and whether anything was written."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

pytest.importorskip("starlette", reason="the extra studio is not installed")
pytest.importorskip("onnx", reason="the extra teach is not installed")

from door import Door, door_of, snapshot, write_take


@pytest.fixture
def door(tmp_path: Path) -> Door:
    """A studio with a take and a negative, and beside its folder a recording that is none of its business."""
    door = door_of(tmp_path / "word")
    for path in ("word/takes/001.wav", "word/negatives/001.wav", "secret.wav"):
        write_take(tmp_path / path)
    return door


@pytest.fixture
def unchanged(tmp_path: Path) -> Iterator[Callable[[], None]]:
    """Fails where a file was written, changed or removed since it was called."""
    before: list[dict[str, bytes]] = []
    yield lambda: before.append(snapshot(tmp_path))
    assert before == [snapshot(tmp_path)]
