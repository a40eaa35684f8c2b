"""What a client of the service sends: messages of the Wyoming protocol, read with suspicion."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

from kwsfeat import AudioError

if TYPE_CHECKING:
    from wyoming.event import Event as Message


MOST_BYTES = 16 << 20  # of a part of a message: 87 s of stereo at 48 kHz


async def read_message(reader: asyncio.StreamReader) -> Message | None:
    """The next message of a client; None where it has gone.

    Raises
    ------
    AudioError
        If it is not a message of the protocol, claims more than MOST_BYTES, or ends in its middle.
    """
    from wyoming.event import Event as Message

    try:
        line = await reader.readline()
        if not line:
            return None
        head = json.loads(line)
        data = {**(head.get("data") or {}), **json.loads(await _part(reader, head, "data_length") or b"{}")}
        return Message(type=head["type"], data=data, payload=await _part(reader, head, "payload_length"))
    except asyncio.IncompleteReadError as error:
        raise AudioError(f"its message ends after {len(error.partial):,} of {error.expected:,} bytes") from None
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise AudioError("its message is not readable") from None


async def _part(reader: asyncio.StreamReader, head: dict[str, object], name: str) -> bytes:
    """The bytes behind the head of a message whose number it gives under `name`."""
    n = head.get(name) or 0
    if not isinstance(n, int) or n < 0:
        raise ValueError(name)
    if n > MOST_BYTES:
        raise AudioError(f"its message claims {n:,} bytes, at most {MOST_BYTES:,} are read: send chunks of a second or less")
    return await reader.readexactly(n)
