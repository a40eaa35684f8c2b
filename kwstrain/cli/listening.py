"""Commands that listen: ``listen`` and ``serve``."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict, replace
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import click

from kwsfeat.cli.boundary import wrong_usage
from kwsfeat.cli.console import Console, console_options, one_line
from kwstrain.cli.detection import listener_of, threshold_option

if TYPE_CHECKING:
    from kwsfeat import Event
    from kwstrain.listening.session import Session
    from kwstrain.listening.sources import Piece

METER_DB = 60  # the meter's range below full scale


@click.command()
@click.argument("run", type=click.Path(path_type=Path), required=False)
@click.argument("source", type=click.Choice(["-"]), required=False)
@threshold_option
@click.option("--devices", "list_devices", is_flag=True, help="List the microphones.")
@click.option("--device", metavar="N|NAME", help="The microphone  [default: the system's]")
@click.option("--from-wav", "recording", type=click.Path(path_type=Path), metavar="FILE", help="Listen to a recording instead.")
@click.option(
    "--raw", default="s16:16000", show_default=True, metavar="CODING:HZ", help="Coding (s16, f32) and rate of stdin if it is not a WAV."
)
@click.option("--exec", "command", metavar="CMD", help="Run this in a shell for each word; it gets $KWS_WORD, $KWS_TIME and $KWS_SCORE.")
@click.option(
    "--save-triggers",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Keep three seconds of audio around each word as WAV.",
)
@console_options
def listen(
    run: Path | None, source: str | None, thresholds: tuple[str, ...], list_devices: bool, device: str | None, recording: Path | None,
    raw: str, command: str | None, save_triggers: Path | None, console: Console,
) -> None:  # fmt: skip
    """Listen with RUN and print each word that is heard: one line `time<TAB>word<TAB>score`, until Ctrl-C.

    The microphone runs at its own rate. `-` listens to samples on stdin. With --json every word is one line of JSON. The times are
    seconds of audio since the beginning; audio that was lost is reported and counts as time.

    \b
    kwstrain listen --devices
    kwstrain listen runs/wake
    kwstrain listen runs/wake --exec 'notify-send "$KWS_WORD"' --save-triggers heard/
    arecord -f S16_LE -r 16000 -t raw | kwstrain listen runs/wake -
    """
    if list_devices:
        return _print_devices(console)
    if run is None:
        raise click.UsageError("Missing argument 'RUN'.")
    if source and recording:
        raise click.UsageError("- and --from-wav exclude each other")
    from kwstrain.listening.session import Session

    recognizer, point = listener_of(run, thresholds, console)  # before anything is waited for
    pieces = _pieces(source, recording, raw, device, console)
    first = next(pieces, None)
    if first is None:
        console.note("nothing was heard: there were no samples")
        return None
    if first.sr != recognizer.sr:
        recognizer, point = listener_of(run, thresholds, replace(console, quiet=True), sr=first.sr)
    _listen(Session(recognizer, point, sr=first.sr), chain([first], pieces), save_triggers, command, console)
    return None


def _listen(session: Session, pieces: Iterator[Piece], save_triggers: Path | None, command: str | None, console: Console) -> None:
    """Listen to all pieces, until they end or Ctrl-C is pressed."""
    from kwstrain.listening.triggers import Triggers

    triggers = Triggers(save_triggers) if save_triggers else None
    started: list[subprocess.Popen[bytes]] = []
    meter = sys.stderr.isatty() and not console.quiet and not console.as_json

    def say(events: list[Event]) -> None:
        started[:] = [one for one in started if one.poll() is None]
        for event in events:
            _say(event, console)
            if command:
                started.append(_started(command, event))

    with suppress(KeyboardInterrupt):  # the usual end
        for piece in pieces:
            if piece.lost_s:
                session.gap(piece.lost_s)
                console.note(f"{piece.lost_s:.2f} s of audio were lost before {session.heard_s:.2f} s")
            heard = session.feed(piece.samples)
            say(heard.events)
            if triggers:
                _keep(partial(triggers.feed, piece.samples, piece.sr, session.heard_s, heard.events), console)
            if meter:
                click.echo(f"\r\x1b[K{_meter(session, heard.level_db)}", nl=False, err=True)
    if meter:
        click.echo("\r\x1b[K", nl=False, err=True)
    last = session.finish()
    say(last)
    if triggers:
        _keep(partial(triggers.finish, last), console)
    for one in started:
        one.wait()
    console.note(f"{session.heard_s:,.1f} s heard")


def _keep(write: Callable[[], list[Path]], console: Console) -> None:
    """Say which recordings were written; one that cannot be does not end the listening."""
    try:
        for path in write():
            console.note(f"kept {one_line(str(path))}")
    except OSError as error:
        console.note(f"not kept: {one_line(str(error))}")


def _pieces(source: str | None, recording: Path | None, raw: str, device: str | None, console: Console) -> Iterator[Piece]:
    from kwstrain.listening.sources import from_pipe, from_recording

    if source:
        return from_pipe(sys.stdin.buffer, raw, console.note)
    if recording:
        return from_recording(recording, console.note)
    from kwstrain.listening.microphone import from_microphone

    return from_microphone(int(device) if device and device.isdecimal() else device, console.note)


def _print_devices(console: Console) -> None:
    from kwstrain.listening.microphone import devices

    found = devices()
    rows = [f"{one['index']:>3}  {one['sr']:>6} Hz  {one_line(one['name'])}{'  (default)' if one['default'] else ''}" for one in found]
    console.data("\n".join(rows) or "no microphone", found)


def _say(event: Event, console: Console) -> None:
    if console.as_json:
        click.echo(json.dumps(asdict(event)))
    else:
        console.data(f"{event.time_s:.2f}\t{one_line(event.word)}\t{event.score:.3f}", None)
    sys.stdout.flush()  # the reader of a pipe needs the line now


def _started(command: str, event: Event) -> subprocess.Popen[bytes]:
    """Start the command without waiting for it. The word is in a variable, so that a label cannot act as a command."""
    variables = {"KWS_WORD": event.word, "KWS_TIME": f"{event.time_s:.3f}", "KWS_SCORE": f"{event.score:.4f}"}
    return subprocess.Popen(command, shell=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, env={**os.environ, **variables})


def _meter(session: Session, level_db: float) -> str:
    """Level and posteriors as bars in one line of the terminal."""
    width = os.get_terminal_size(sys.stderr.fileno()).columns - 1
    words = sorted(zip(session.recognizer.labels, session.posteriors, strict=True), key=lambda one: -one[1])
    bars = "  ".join(f"{one_line(word)} {_bar(float(p))}" for word, p in words[:3])
    return f"{session.heard_s:8.1f} s  {level_db:4.0f} dB {_bar(1 + level_db / METER_DB)}  {bars}"[:width]


def _bar(level: float, width: int = 8) -> str:
    full = round(min(max(level, 0.0), 1.0) * width)
    return "█" * full + "·" * (width - full)


@click.command()
@click.argument("runs", type=click.Path(path_type=Path), nargs=-1, required=True, metavar="RUN...")
@click.option("--wyoming", "uri", default="tcp://127.0.0.1:10400", show_default=True, metavar="URI", help="Address of the service.")
@console_options
def serve(runs: tuple[Path, ...], uri: str, console: Console) -> None:
    """A wake-word service for Home Assistant: the words of every RUN over the Wyoming protocol, until Ctrl-C.

    Only this machine reaches the default address. Several clients are served at once, each with its own streams.

    \b
    kwstrain serve runs/wake
    kwstrain serve runs/wake runs/lights --wyoming tcp://0.0.0.0:10400
    """
    from kwstrain.listening.service import handler, served, server
    from kwstrain.listening.service import serve as serve_clients

    with wrong_usage():
        service = server(uri)
    known = served(runs)
    words = ", ".join(one_line(word) for one in known for word in one.words)
    connection = handler(known, lambda text: console.note(one_line(text)))
    with suppress(KeyboardInterrupt):
        asyncio.run(serve_clients(service, uri, connection, lambda: console.note(f"{uri} detects {words}; Ctrl-C ends it")))
