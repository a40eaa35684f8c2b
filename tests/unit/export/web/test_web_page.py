"""The page in a browser whose microphone plays a recording: it hears the words, and nothing in the control."""

from __future__ import annotations

import functools
import http.server
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from chromium import PROGRAM, opened
from tone_run import TONE_S, tones, write_tone_run

from kwstrain import Recognizer
from kwstrain.detection.point import OperatingPoint
from kwstrain.export.export import export

pytest.importorskip("onnx", reason="the extra export is not installed")
pytestmark = [pytest.mark.slow, pytest.mark.skipif(PROGRAM is None, reason="Chromium is not installed: what the page hears is tried in it")]

SR = 44100
SECONDS = 8
SAID = (("low", 2.5), ("high", 5.0))
CONTROL = (("1300", 2.5), ("4500", 5.0))  # tones, too
EVENTS = (
    '[...document.querySelectorAll("#events li")].map(e => [e.dataset.word, Number(e.dataset.time), Number(e.dataset.score)]).reverse()'
)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run and its page."""
    folder = tmp_path_factory.mktemp("page")
    write_tone_run(folder / "tone")
    export(folder / "tone", "web", folder / "page", license="CC0-1.0")
    return folder


class Quiet(http.server.SimpleHTTPRequestHandler):
    """``python -m http.server`` without its log."""

    def log_message(self, *args: Any) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def served(run: Path) -> Iterator[str]:
    """The folder's address."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(run / "page")))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/index.html"
    server.shutdown()
    server.server_close()


def listen(address: str, said: tuple[tuple[str, float], ...], folder: Path) -> dict[str, Any]:
    """What the page has heard once the microphone has played; it waits for the words, or for their time to be over.

    A browser that must wait for a processor drops sound: where it does not hear as many words as were said, it gets two more tries.
    """
    for attempt in range(3):
        found = listen_once(address, said, folder / str(attempt))
        if len(found["events"]) == len(SAID) or said is CONTROL:
            break
    return found


def listen_once(address: str, said: tuple[tuple[str, float], ...], folder: Path) -> dict[str, Any]:
    folder.mkdir(parents=True)
    soundfile.write(folder / "microphone.wav", tones(SECONDS, *said, sr=SR), SR, subtype="PCM_16")
    with opened(address, folder / "microphone.wav", folder / "profile") as page:
        assert page.wait('!document.querySelector("#start").disabled'), page.complaints
        page.js('document.querySelector("#start").click()')
        heard = "Math.max(0, page.listening.recognizer.row * page.listening.recognizer.rowTime)"
        ended = page.wait(f"{heard} > {SECONDS} || document.querySelectorAll('#events li').length >= 2")
        return {
            "ended": ended,
            "events": page.js(EVENTS),
            "status": page.js('document.querySelector("#status").textContent'),
            "facts": page.js('document.querySelector("#about").textContent'),
            "remark": page.js('document.querySelector("#remark").textContent'),
            "level": page.js("page.microphone.context.sampleRate"),
            "settings": page.js("page.microphone.track.getSettings()"),
            "complaints": page.complaints,
        }


@pytest.fixture(scope="module")
def heard(run: Path, served: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """Three browsers at once: for most of their time they wait for sound."""
    folder = tmp_path_factory.mktemp("browsers")
    single = (run / "page" / "listen.html").as_uri()
    asked = {"folder": (served, SAID), "single file": (single, SAID), "control": (served, CONTROL)}
    with ThreadPoolExecutor(3) as pool:
        running = {name: pool.submit(listen, *one, folder / name.replace(" ", "-")) for name, one in asked.items()}
        return {name: one.result() for name, one in running.items()}


@pytest.mark.parametrize("name", ["folder", "single file"])
def test_the_words_are_heard(name: str, heard: dict[str, dict[str, Any]]) -> None:
    """About as far apart as they were said: a browser that must wait for a processor drops sound."""
    found = heard[name]
    assert found["complaints"] == []
    assert [event[0] for event in found["events"]] == [word for word, _ in SAID], found
    (_, first, _), (_, second, _) = found["events"]
    assert second - first == pytest.approx(SAID[1][1] - SAID[0][1], abs=1)
    assert 0 < first < SAID[0][1] + TONE_S + 2


def test_the_control_stays_silent(heard: dict[str, dict[str, Any]]) -> None:
    found = heard["control"]
    assert found["complaints"] == []
    assert found["ended"], found
    assert found["events"] == []


def test_the_page_says_what_it_does(heard: dict[str, dict[str, Any]]) -> None:
    for found in heard.values():
        assert "16,000 Hz" in found["status"], found
        assert "ms of work for 90 ms of sound" in found["status"]
        assert "CC0-1.0" in found["facts"]
        assert found["remark"] == "It is not calibrated: every threshold is 0.5, which is only a starting point."
        off = [found["settings"][name] for name in ("echoCancellation", "noiseSuppression", "autoGainControl")]
        assert off == [False, False, False]
        assert found["level"] > 0


def test_a_recording_is_heard_too(run: Path, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "sound.wav", np.stack([tones(SECONDS, *SAID, sr=SR)] * 2, axis=1), SR, subtype="PCM_16")
    with opened((run / "page" / "listen.html").as_uri(), tmp_path / "sound.wav", tmp_path / "profile") as page:
        assert page.wait('!document.querySelector("#file").disabled')
        page.choose("#file", tmp_path / "sound.wav")
        assert page.wait('document.querySelector("#status").textContent.endsWith("heard.")'), page.js(
            'document.querySelector("#status").textContent'
        )
        events = page.js(EVENTS)
    recognizer = Recognizer(run / "tone", sr=SR)
    point = OperatingPoint.default(recognizer.mode, recognizer.hop_s)
    wanted = point.detector(recognizer.labels).feed(recognizer.feed(tones(SECONDS, *SAID, sr=SR)), recognizer.frame_times)
    assert [event[0] for event in events] == [event.word for event in wanted]
    lag = recognizer.latency - Recognizer(run / "tone").latency  # of soxr, which the times of the page do not have
    assert [event[1] for event in events] == pytest.approx([event.time_s - lag for event in wanted], abs=0.07)
