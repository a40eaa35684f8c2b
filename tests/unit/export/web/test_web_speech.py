"""The exported page with real speech: it hears a taught word in other recordings, and is silent while others speak.

The page is given recordings as files: a microphone that waits for a busy processor drops sound.
"""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from chromium import PROGRAM, opened

pytest.importorskip("onnx", reason="the extra export is not installed")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(PROGRAM is None, reason="Chromium is not installed: what the page hears is tried in it"),
    pytest.mark.skipif(find_spec("livekit") is None, reason="the extra teach is not installed"),
]

SR = 16000
EVERY_S, AT_S, SAID = 6.0, 5.0, 4  # a word begins at 5, 11, ... s
COMMAND = [sys.executable, "-c", "import sys; from kwstrain.cli import main; sys.exit(main())"]
EVENTS = '[...document.querySelectorAll("#events li")].map(e => [e.dataset.word, Number(e.dataset.time)]).reverse()'


@pytest.fixture(scope="module")
def recordings(kws_data: Path) -> list[Path]:
    folder = kws_data / "wake_words" / "snowboy"
    if not folder.is_dir() or not (kws_data / "negatives").is_dir():
        pytest.skip("no recordings of a wake word, or of others")
    return sorted(folder.iterdir())


@pytest.fixture(scope="module")
def page(recordings: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The single file, of a run that was taught from twenty recordings."""
    folder = tmp_path_factory.mktemp("speech")
    (folder / "snowboy").mkdir()
    for path in recordings[:20]:
        (folder / "snowboy" / path.name).symlink_to(path)
    for command in (
        ["teach", str(folder / "snowboy"), "--voices", "0", "--out", str(folder / "run"), "-q"],
        ["export", str(folder / "run"), str(folder / "page"), "--to", "web", "-q"],
    ):
        subprocess.run([*COMMAND, *command], check=True, timeout=900)
    return folder / "page" / "listen.html"


def heard(page: Path, sound: np.ndarray, folder: Path) -> list[list[Any]]:
    """The events of the page, which has heard all of `sound`."""
    soundfile.write(folder / "sound.wav", sound, SR, subtype="PCM_16")
    with opened(page.as_uri(), folder / "sound.wav", folder / "profile") as browser:
        assert browser.wait('!document.querySelector("#file").disabled'), browser.complaints
        browser.choose("#file", folder / "sound.wav")
        assert browser.wait('document.querySelector("#status").textContent.endsWith("heard.")'), browser.complaints
        assert browser.complaints == []
        assert browser.js("page.listening.recognizer.row * page.listening.recognizer.rowTime") > len(sound) / SR - 2
        return list(browser.js(EVENTS))


def test_the_word_is_heard_in_other_recordings(page: Path, recordings: list[Path], tmp_path: Path) -> None:
    sound = 1e-4 * np.random.default_rng(0).standard_normal(round((AT_S + EVERY_S * SAID) * SR))
    for i, path in enumerate(recordings[28 : 28 + SAID]):
        word = soundfile.read(path)[0][: round(EVERY_S * SR)]
        at = round((AT_S + EVERY_S * i) * SR)
        sound[at : at + len(word)] += word
    events = heard(page, sound, tmp_path)
    assert [word for word, *_ in events] == SAID * ["snowboy"]
    assert [int((time - AT_S) / EVERY_S) for _, time in events] == list(range(SAID))


def test_it_is_silent_while_others_speak(page: Path, kws_data: Path, tmp_path: Path) -> None:
    parts = ("speech_en/01.ogg", "speech_es/00.ogg", "music/01.ogg")
    speech = [soundfile.read(kws_data / "negatives" / name, start=60 * SR, frames=20 * SR)[0] for name in parts]
    assert all(np.abs(y).max() > 0.1 for y in speech)
    assert heard(page, np.concatenate(speech), tmp_path) == []
