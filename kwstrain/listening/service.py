"""A wake-word service with the Wyoming protocol, for Home Assistant. Every connection has its own streams."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kwsfeat import AudioError, ConfigError, Event, KwsError
from kwsfeat import __version__ as version
from kwstrain.detection.point import listener
from kwstrain.listening.messages import read_message
from kwstrain.listening.session import Session
from kwstrain.listening.stdio import serve_stdio


@dataclass(frozen=True)
class Served:
    """A run of the service, and the words that it detects."""

    run: Path
    words: tuple[str, ...]


def served(runs: Collection[Path]) -> list[Served]:
    """The runs with their words.

    Raises
    ------
    StoreError, ConfigError
        If a run cannot be used, or two of them detect the same word.
    """
    found: list[Served] = []
    for run in runs:
        recognizer, point = listener(run)
        words = point.detector(recognizer.labels).words
        for other in found:
            if twice := [word for word in words if word in other.words]:
                raise ConfigError(f"{other.run} and {run} both detect {twice[0]!r}: serve one of them, or calibrate one with --words")
        found.append(Served(run, words))
    return found


def server(uri: str) -> Any:
    """Wyoming's server for an address.

    Raises
    ------
    ConfigError
        If the package wyoming is missing, or `uri` is not an address such as ``tcp://127.0.0.1:10400``.
    """
    try:
        from wyoming.server import AsyncServer
    except ImportError:
        raise ConfigError("the service needs the package wyoming: in a clone, pip install '.[listen]'") from None
    try:
        return AsyncServer.from_uri(uri)
    except ValueError as error:
        raise ConfigError(f"{uri!r} is not an address ({error}): give tcp://127.0.0.1:10400 or unix:///run/kws.sock") from None


async def serve(service: Any, uri: str, connection: Callable[..., Any], ready: Callable[[], None]) -> None:
    """Serve until the program is to end, by SIGTERM or by the cancelling of this, or until stdin ends where it is served.

    Parameters
    ----------
    service, uri
        A server, as :func:`server` makes it of its address.
    connection : callable
        As :func:`handler` returns it.
    ready : callable
        Called as soon as clients can come.

    Raises
    ------
    ConfigError
        If the address cannot be listened at.
    """
    if uri.startswith("stdio:"):
        ready()
        await serve_stdio(connection)
        return
    ended = asyncio.Event()
    with suppress(NotImplementedError, RuntimeError):  # where there are no such signals, or this is not the main thread
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    try:
        await service.start(connection)
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ConfigError(f"cannot serve at {uri} ({reason}): choose another address with --wyoming") from None
    ready()
    try:
        await ended.wait()
    finally:
        await service.stop()


def handler(runs: list[Served], remark: Callable[[str], None]) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], Any]:
    """The factory that makes a handler for each connection, as :meth:`wyoming.server.AsyncServer.run` needs it.

    Parameters
    ----------
    runs : list of Served
        As :func:`served` returns them.
    remark : callable
        Called with a sentence when a client is disconnected because of its messages.
    """
    from wyoming.audio import AudioChunk, AudioStart, AudioStop
    from wyoming.event import Event as Message
    from wyoming.info import Describe
    from wyoming.server import AsyncEventHandler
    from wyoming.wake import Detect, Detection, NotDetected

    description = _info(runs).event()

    class Connection(AsyncEventHandler):
        """One client: the words it wants, and the stream it sends."""

        def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            super().__init__(reader, writer)
            self.wanted: Collection[str] = ()
            self.sessions: list[Session] = []
            self.sr = 0
            self.rest = b""  # of a sample whose other bytes come with the next chunk
            self.detected = False

        async def run(self) -> None:
            """Answer until the client has gone, or is disconnected."""
            try:
                while (message := await read_message(self.reader)) is not None and await self.handle_event(message):
                    pass
            except ConnectionError:
                pass  # it has gone
            except AudioError as error:
                remark(f"a client is disconnected: {error}")
            finally:
                self.writer.close()

        async def handle_event(self, event: Message) -> bool:
            """Answer one message; False ends the connection."""
            try:
                await self._answer(event)
            except ConnectionError:
                return False
            except (KwsError, KeyError, TypeError, ValueError) as error:
                remark(
                    f"a client is disconnected: {error if isinstance(error, KwsError) else f'its message {event.type!r} is not readable'}"
                )
                return False
            return True

        async def _answer(self, event: Message) -> None:
            if Describe.is_type(event.type):
                await self.write_event(description)
            elif Detect.is_type(event.type):
                self.wanted = _known(Detect.from_event(event).names or (), runs)
            elif AudioStart.is_type(event.type):
                await self._begin(AudioStart.from_event(event).rate)
            elif AudioChunk.is_type(event.type):
                await self._hear(AudioChunk.from_event(event))
            elif AudioStop.is_type(event.type):
                for session in self.sessions:
                    await self._say(session.finish())
                if not self.detected:
                    await self.write_event(NotDetected().event())
                self.sessions, self.detected = [], False

        async def _begin(self, sr: int) -> None:
            """Begin a new stream, independent of the one before."""
            self.detected, self.sr, self.rest = False, sr, b""
            self.sessions = await asyncio.to_thread(
                lambda: [Session(*listener(one.run, sr=sr), sr=sr) for one in runs if not self.wanted or {*one.words} & {*self.wanted}]
            )

        async def _hear(self, chunk: Any) -> None:
            if not self.sessions or chunk.rate != self.sr:
                await self._begin(chunk.rate)
            y, self.rest = _mono(self.rest + chunk.audio, chunk.width, chunk.channels)
            for session in self.sessions:
                await self._say((await asyncio.to_thread(session.feed, y)).events)

        async def _say(self, events: list[Event]) -> None:
            for event in events:
                if not self.wanted or event.word in self.wanted:
                    self.detected = True
                    await self.write_event(Detection(name=event.word, timestamp=round(1000 * event.time_s)).event())

    return Connection


def _known(names: Collection[str], runs: list[Served]) -> tuple[str, ...]:
    """The `names` that are words of these runs; a client that asks only for other words gets every word."""
    words = {word for one in runs for word in one.words}
    return tuple(name for name in names if name in words)


def _mono(audio: bytes, width: int, channels: int) -> tuple[NDArray[np.int16], bytes]:
    """Samples of a chunk, the mean of its channels, and the bytes behind the last whole one.

    Raises
    ------
    AudioError
        If they are not 16-bit integers.
    """
    if width != 2 or channels < 1:
        raise AudioError(f"audio of {8 * width} bits and {channels} channels is not supported: send 16-bit samples")
    whole = len(audio) // (2 * channels) * 2 * channels
    frames = np.frombuffer(audio[:whole], "<i2").reshape(-1, channels)
    mono = frames[:, 0].astype(np.int16) if channels == 1 else frames.mean(axis=1).round().astype(np.int16)
    return mono, audio[whole:]


def _info(runs: list[Served]) -> Any:
    from wyoming.info import Attribution, Info, WakeModel, WakeProgram

    attribution = Attribution(name="kwsfeat", url="https://github.com/kwsfeat/kwsfeat")
    models = [
        WakeModel(
            name=word, attribution=attribution, installed=True, description=f"{word}, heard by {one.run.name}", version=None, languages=[],
            phrase=word,
        )
        for one in runs for word in one.words
    ]  # fmt: skip
    program = WakeProgram(
        name="kwstrain", attribution=attribution, installed=True, description="Keyword spotting", version=version, models=models
    )
    return Info(wake=[program])
