"""What the page sends: bounded, written beside, and looked at before it counts as a recording."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from starlette.exceptions import HTTPException
from starlette.requests import Request

from kwsfeat import AudioError, as_float32, read_blocks, resample
from kwstrain.studio.project import PARTIAL, Kind
from kwstrain.teaching.takes.recordings import LONGEST_S, cut

MOST_BYTES: dict[Kind, int] = {"takes": 16 << 20, "negatives": 128 << 20}
MOST_S: dict[Kind, float] = {"takes": LONGEST_S, "negatives": 15 * 60.0}
_MOST_JSON = 1 << 16


@dataclass(frozen=True)
class Sound:
    """A recording that can be read: its length, its loudest sample from 0 to 1, and why teaching will leave it out, or nothing."""

    seconds: float
    peak: float
    fault: str = ""


async def body_json(request: Request) -> Any:
    """What a short body says."""
    body = b"".join([part async for part in _bounded(request, _MOST_JSON)])
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        raise HTTPException(400, "the body is not JSON") from None


@asynccontextmanager
async def received(request: Request, folder: Path, most: int) -> AsyncIterator[Path]:
    """A hidden file in `folder` with the body of a request, which is removed unless it was renamed meanwhile.

    Raises
    ------
    HTTPException
        413, as soon as the body is known to be larger than `most` bytes.
    """
    number, name = tempfile.mkstemp(prefix=".", suffix=PARTIAL, dir=folder)
    path = Path(name)
    try:
        with os.fdopen(number, "wb") as file:
            async for part in _bounded(request, most):
                file.write(part)
        yield path
    finally:
        path.unlink(missing_ok=True)


async def _bounded(request: Request, most: int) -> AsyncIterator[bytes]:
    too_large = HTTPException(413, f"more than {most / 1e6:.0f} MB: send a shorter recording", {"connection": "close"})
    declared = request.headers.get("content-length", "0")
    if not declared.isdecimal() or int(declared) > most:
        raise too_large
    n = 0
    async for part in request.stream():
        n += len(part)
        if n > most:
            raise too_large
        yield part


def listen_to(path: Path, kind: Kind, sr: int) -> Sound:
    """What a file holds; of a take also whether a word is in it.

    Raises
    ------
    AudioError
        If it is not a recording, or longer than those of its kind may be.
    """
    parts, seconds, rate, peak = [], 0.0, sr, 0.0
    with path.open("rb") as file:  # without a name, so that its content decides what it is
        for y, rate in read_blocks(file):
            part = as_float32(y)
            seconds += len(part) / rate
            peak = max(peak, float(np.abs(part).max(initial=0)))
            if seconds > MOST_S[kind]:
                raise AudioError(f"is longer than {MOST_S[kind]:g} s: cut it" + (" into recordings of one word" if kind == "takes" else ""))
            if kind == "takes":
                parts.append(part)
    fault = ""
    if kind == "takes":
        try:
            cut(path, resample(np.concatenate(parts), rate, sr), sr)
        except AudioError as error:
            fault = str(error)
    return Sound(seconds, peak, fault)
