"""The page in a browser whose microphone plays recordings: from the first take to the word that is heard, and a control that is silent."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from chromium import PROGRAM, Page, opened
from scipy.signal import correlate

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(PROGRAM is None, reason="Chromium is not installed: the studio is tried in it"),
    pytest.mark.skipif(find_spec("uvicorn") is None, reason="the extra studio is not installed"),
    pytest.mark.skipif(find_spec("livekit") is None, reason="the extra teach is not installed"),
]

SR = 16000
EVERY_S, AT_S = 5.0, 5.0  # a word begins at 5, 10, ... s of the microphone's recording
EARLY_S = 1.7  # before it Record is pressed: the take begins 0.2 s later
COMMAND = [sys.executable, "-c", "import sys; from kwstrain.cli import main; sys.exit(main())"]
EVENTS = '[...document.querySelectorAll("#events li")].map(e => [e.dataset.word, Number(e.dataset.time)]).reverse()'
RECORD_AT = """async sample => {
  while (studio.ring.n < sample) await new Promise(done => setTimeout(done, 10));
  document.querySelector("#status").textContent = "";
  document.querySelector("#record").click();
}"""
TAKES, PLAYED, SAID = 5, 12, 4  # more words than takes: a busy machine misses some


@pytest.fixture(scope="module")
def words(kws_data: Path) -> list[np.ndarray]:
    """Recordings of one word, each about a second long: `PLAYED` to teach it, then `SAID` by other voices."""
    folder = kws_data / "wake_words" / "snowboy"
    if not folder.is_dir():
        pytest.skip("no recordings of a wake word")
    found = []
    for path in sorted(folder.iterdir())[20 : 20 + PLAYED + SAID]:
        y, sr = soundfile.read(path, dtype="float32")
        assert sr == SR
        middle = int(np.convolve(y**2, np.ones(SR // 20), "same").argmax())
        found.append(y[max(0, middle - 10_000) : middle + 10_000])
    return [*found[:8], *found[12:], *found[8:12]]


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """The command, and the address that it prints; it ends by Ctrl-C."""
    server = subprocess.Popen(
        [*COMMAND, "studio", str(folder), "--port", "0", "--no-browser", "--json", "-q"], stdout=subprocess.PIPE, text=True, env=os.environ
    )
    try:
        assert server.stdout is not None
        lines = [server.stdout.readline() for _ in range(4)]
        yield str(json.loads("".join(lines))["address"])
    finally:
        server.send_signal(signal.SIGINT)
        assert server.wait(900) == 0


@contextmanager
def page_of(address: str, sound: np.ndarray, folder: Path, name: str) -> Iterator[Page]:
    """The page, ready, with a microphone that plays a sound once."""
    soundfile.write(folder / f"{name}.wav", sound + 1e-4 * np.random.default_rng(0).standard_normal(len(sound)), SR, subtype="PCM_16")
    with opened(address, folder / f"{name}.wav", folder / f"profile-{name}") as page:
        assert page.wait("Boolean(globalThis.studio?.live)"), page.complaints
        yield page
        assert page.complaints == []


def spoken(words: list[np.ndarray]) -> np.ndarray:
    """Words in silence."""
    y = np.zeros(round((AT_S + EVERY_S * len(words)) * SR), np.float32)
    for i, word in enumerate(words):
        at = round((AT_S + EVERY_S * i) * SR)
        y[at : at + len(word)] += word
    return y


def likeness(y: np.ndarray, word: np.ndarray) -> float:
    """1 where nothing but the word is in a recording, wherever in it."""
    return float(correlate(y, word / np.linalg.norm(word), "valid", "fft").max() / np.linalg.norm(y))


def heard_by(page: Page, seconds: float) -> list[Any]:
    """The events of the page after it has listened to so much of its microphone."""
    assert page.wait('!document.querySelector("#listen").disabled')
    page.js('document.querySelector("#listen").click()')
    assert page.wait("studio.live.on"), page.js('document.querySelector("#status").textContent')
    assert page.wait(f"studio.ring.n > {round(seconds * SR)}")
    return list(page.js(EVENTS))


@pytest.fixture(scope="module")
def taught(words: list[np.ndarray], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project that was recorded and taught in the browser."""
    folder = tmp_path_factory.mktemp("studio")
    with served(folder / "word") as address, page_of(address, spoken(words[:PLAYED]), folder, "takes") as page:
        page.js('(field => { field.value = "snowboy"; field.dispatchEvent(new Event("change")); })(document.querySelector("#word"))')
        assert page.js("studio.microphone()")
        for i in range(PLAYED):
            page.js(f"({RECORD_AT})({round((AT_S + EVERY_S * i - EARLY_S) * SR)})")
            assert page.wait('document.querySelector("#status button") !== null')
            if page.js("studio.state.takes.at(-1).fault"):
                page.js('[...document.querySelectorAll("#status button")].find(one => one.textContent === "Discard").click()')
                assert page.wait("studio.state.takes.every(one => !one.fault)")
            if page.js("studio.state.takes.length") == TAKES:
                break
        assert page.js("studio.state.takes.length") == TAKES
        page.js('document.querySelector("#teach").click()')
        assert page.wait('studio.state.teaching.state === "running"')
        assert page.wait('studio.state.teaching.state !== "running"')
        assert page.js("studio.state.teaching") | {"notes": [], "total": 0, "done": 0} == {
            "state": "done", "error": "", "notes": [], "done": 0, "total": 0,
        }  # fmt: skip
        assert page.js('document.querySelector("#report").hidden') is False
    return folder / "word"


def test_the_takes_are_what_was_said(taught: Path, words: list[np.ndarray]) -> None:
    """But for 16 bits, and for what a browser drops that must wait for a processor."""
    takes = [soundfile.read(path)[0] for path in sorted((taught / "takes").iterdir())]
    assert [len(y) for y in takes] == TAKES * [round(3.4 * SR)]
    best = [max(likeness(y, word) for word in words[:PLAYED]) for y in takes]
    assert np.median(best) > 0.9, best


def test_the_word_is_heard_and_a_false_alarm_becomes_a_negative(taught: Path, words: list[np.ndarray], tmp_path: Path) -> None:
    """After a restart of the server, by other voices."""
    said = words[PLAYED:]
    with served(taught) as address, page_of(address, spoken(said), tmp_path, "said") as page:
        events = heard_by(page, AT_S + EVERY_S * len(said))
        assert len(events) >= len(said) - 1
        assert {word for word, _ in events} == {"snowboy"}
        gaps_s = np.diff([time for _, time in events])
        np.testing.assert_allclose(gaps_s, EVERY_S * np.round(gaps_s / EVERY_S), atol=1)
        page.js('[...document.querySelectorAll("#events button")].find(one => one.textContent === "False alarm").click()')
        assert page.wait("studio.state.negatives.length === 1")
        assert page.js("studio.state.stale")
    (clip,) = (taught / "negatives").iterdir()
    y, _ = soundfile.read(clip)
    assert len(y) == 3 * SR
    assert max(likeness(y, word) for word in said) > 0.9
    clip.unlink()


def test_a_control_stays_silent(taught: Path, kws_data: Path, tmp_path: Path) -> None:
    speech = [
        soundfile.read(kws_data / "negatives" / name, frames=15 * SR, dtype="float32")[0] for name in ("speech_en/00.ogg", "music/00.ogg")
    ]
    with served(taught) as address, page_of(address, np.concatenate(speech), tmp_path, "control") as page:
        assert heard_by(page, 29.0) == []
        assert page.js("studio.ring.samples.some(value => value > 0.05)"), "the microphone did play"
