"""The Wyoming service as a client meets it, over a real socket on this machine."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from tone_recognizer import ToneRecognizer, tones

from kwsfeat import ConfigError

pytest.importorskip("jax")
pytest.importorskip("wyoming")

from kwstrain.cli import main
from kwstrain.detection import point
from kwstrain.listening.service import handler, serve, served, server

SR = 16000
GOLDEN = Path(__file__).parents[2] / "golden" / "cnn"


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(point, "Recognizer", ToneRecognizer)
    (tmp_path / "wake").mkdir()
    (tmp_path / "wake" / "bundle.json").write_text("{}")
    return tmp_path / "wake"


def serving(run: Path, tmp_path: Path, talk) -> list[str]:
    """Run `talk(address)` beside a service; what the service said."""
    said: list[str] = []

    async def both() -> None:
        uri = f"unix://{tmp_path}/kws.sock"
        task = asyncio.create_task(server(uri).run(handler(served([run]), said.append)))
        while not (tmp_path / "kws.sock").exists():
            await asyncio.sleep(0.01)
        try:
            await asyncio.wait_for(talk(uri), timeout=900)
        finally:
            task.cancel()

    asyncio.run(both())
    return said


async def stream(client, y: np.ndarray, *, channels: int = 1, width: int = 2, rate: int = SR, n_bytes: int = 2048) -> list[tuple[str, int]]:
    """Send a recording; the words that were detected in it, with their times in ms, or nothing where it was said that there are none."""
    from wyoming.audio import AudioChunk, AudioStart, AudioStop
    from wyoming.wake import Detection, NotDetected

    samples = np.repeat(np.round(y * 32767).astype("<i2"), channels).tobytes()
    await client.write_event(AudioStart(rate=rate, width=width, channels=channels).event())
    for k in range(0, len(samples), n_bytes):
        await client.write_event(AudioChunk(rate=rate, width=width, channels=channels, audio=samples[k : k + n_bytes]).event())
    await client.write_event(AudioStop().event())
    found = []
    while (event := await client.read_event()) is not None:
        if NotDetected.is_type(event.type):
            assert found == []
            return found
        if Detection.is_type(event.type):
            detection = Detection.from_event(event)
            found.append((detection.name, detection.timestamp))
            if detection.timestamp > 1000 * (len(y) / rate - 2):  # the last word stands in the last two seconds
                return found
    return found


def test_words_are_described_and_detected_with_the_time_of_the_audio(run, tmp_path):
    from wyoming.client import AsyncClient
    from wyoming.info import Describe, Info
    from wyoming.wake import Detect

    async def talk(uri: str) -> None:
        async with AsyncClient.from_uri(uri) as client:
            await client.write_event(Describe().event())
            info = Info.from_event(await client.read_event())
            assert [model.name for model in info.wake[0].models] == ["yes", "no"]
            y = tones(6, ("yes", 1, 0.9), ("no", 4.5, 0.9), sr=SR)
            assert await stream(client, y) == [("yes", 1200), ("no", 4700)]
            assert await stream(client, y, channels=2) == [("yes", 1200), ("no", 4700)]
            assert await stream(client, y, n_bytes=2047) == [("yes", 1200), ("no", 4700)], "a sample may be cut"
            assert await stream(client, y, channels=2, n_bytes=2049) == [("yes", 1200), ("no", 4700)]
            assert await stream(client, np.zeros(3 * SR)) == []
            await client.write_event(Detect(names=["no"]).event())
            assert await stream(client, y) == [("no", 4700)]

    assert serving(run, tmp_path, talk) == []


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        (b'{"type":"audio-chunk","data":{"rate":16000,"width":2,"channels":1},"payload_length":2048}\n' + bytes(100), "100 of 2,048 bytes"),
        (b'{"type":"audio-chunk","payload_length":100000000000}\n', "100,000,000,000 bytes, at most 16,777,216 are read: send chunks of"),
        (b'{"type":"describe","data_length":16777217}\n', "claims 16,777,217 bytes, at most 16,777,216 are read"),
        (b'{"type":"audio-start","data_length":40}\n{}', "ends after 2 of 40 bytes"),
        *(
            (line + b"\n", "its message is not readable")
            for line in (
                b"[1]", b"null", b"{}", b"7", b"hello", b"[" * 9999, b"x" * 99999, b'{"type":"audio-chunk","payload_length":"x"}',
                b'{"type":"detect","data":[1]}', b'{"type":"detect","data_length":3}\n[1]', b'{"type":"describe","data_length":-1}',
            )
        ),
        (b'{"type":7}\n', ""),  # a message of a later protocol is none of ours
    ],
)  # fmt: skip
def test_a_client_that_breaks_off_or_sends_something_else_is_one_line(sent, said, run, tmp_path):
    async def talk(uri: str) -> None:
        reader, writer = await asyncio.open_unix_connection(uri.removeprefix("unix://"))
        writer.write(sent)
        writer.write_eof()
        assert await reader.read() == b""
        writer.close()

    lines = serving(run, tmp_path, talk)
    assert len(lines) == bool(said)
    assert all(line.startswith("a client is disconnected: ") and said in line for line in lines)


@pytest.mark.slow
def test_a_hundred_detections_in_one_session_beside_another_client_that_misbehaves(run, tmp_path):
    from wyoming.client import AsyncClient

    said_at = [1 + 2.5 * k for k in range(100)]
    y = tones(250, *(("yes", at, 0.9) for at in said_at), sr=SR)

    async def talk(uri: str) -> None:
        async with AsyncClient.from_uri(uri) as client, AsyncClient.from_uri(uri) as other, AsyncClient.from_uri(uri) as bad:

            async def misbehave() -> None:
                assert await stream(bad, y[:SR], width=4) == []  # disconnected

            long, short, _ = await asyncio.gather(stream(client, y), stream(other, tones(3, ("no", 1.5, 0.9), sr=SR)), misbehave())
            assert [word for word, _ in long] == ["yes"] * 100
            assert np.abs(np.array([at for _, at in long]) / 1000 - 0.2 - said_at).max() < 0.11
            assert short == [("no", 1700)]

    assert serving(run, tmp_path, talk) == [
        "a client is disconnected: audio of 32 bits and 1 channels is not supported: send 16-bit samples"
    ]


@pytest.mark.parametrize(
    ("uri", "reason"),
    [("unix:///nosuch/x.sock", "No such file"), ("tcp://no.such.host.invalid:1", ""), ("tcp://127.0.0.1:PORT", "in use")],
)
def test_an_address_that_cannot_be_listened_at_is_named_with_the_cure(uri, reason, run, capsys):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        uri = uri.replace("PORT", str(taken.getsockname()[1]))
        assert main(["serve", str(run), "--wyoming", uri]) == 1
    (line,) = [line for line in capsys.readouterr().err.splitlines() if "calibrated" not in line]
    assert line.startswith(f"kwstrain: cannot serve at {uri} (")
    assert reason in line
    assert line.endswith("): choose another address with --wyoming")


@pytest.mark.parametrize("kind", ["null device", "file", "pipe"])
def test_stdin_is_served_until_it_ends(kind, tmp_path):
    (tmp_path / "asked").write_bytes(b'{"type":"describe"}\n{"type":"audio-chunk"')
    command = [
        sys.executable,
        "-c",
        "import sys; from kwstrain.cli import main; sys.exit(main())",
        "serve",
        str(GOLDEN),
        "--wyoming",
        "stdio://",
    ]
    with Path(os.devnull if kind == "null device" else tmp_path / "asked").open("rb") as asked, (tmp_path / "out").open("wb") as out:
        given = {"input": asked.read(), "stdout": subprocess.PIPE} if kind == "pipe" else {"stdin": asked, "stdout": out}
        done = subprocess.run(command, **given, stderr=subprocess.PIPE, timeout=300, check=False)
    said, answer = done.stderr.decode(), done.stdout if kind == "pipe" else (tmp_path / "out").read_bytes()
    assert (done.returncode, "Traceback" in said) == (0, False), said
    assert answer.startswith(b'{"type": "info"') == (kind != "null device")
    assert ("its message is not readable" in said) == (kind != "null device")


def test_a_service_says_when_clients_can_come_and_ends_by_sigterm(run, tmp_path):
    uri, said = f"unix://{tmp_path}/kws.sock", []

    def ready() -> None:
        said.append((tmp_path / "kws.sock").exists())
        os.kill(os.getpid(), signal.SIGTERM)

    asyncio.run(serve(server(uri), uri, handler(served([run]), said.append), ready))
    assert said == [True]
    assert not (tmp_path / "kws.sock").exists()


def test_addresses_and_words_that_cannot_be_served(run, tmp_path):
    for uri in ("tcp://127.0.0.1", "http://x:1", "nonsense"):
        with pytest.raises(ConfigError, match="is not an address"):
            server(uri)
    other = tmp_path / "other"
    other.mkdir()
    (other / "bundle.json").write_text("{}")
    with pytest.raises(ConfigError, match="both detect 'yes'"):
        served([run, other])
