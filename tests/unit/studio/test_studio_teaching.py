"""Teaching beside the page: it says how far it is, can be stopped, and what it makes can be taken away."""

from __future__ import annotations

import io
import json
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from door import TOKEN, Door, door_of
from starlette.testclient import TestClient
from tone_words import FALLING, RISING, SR, say, write_takes

from kwstrain import Recognizer
from kwstrain.export.web.page import model_in

pytestmark = pytest.mark.slow


def opened(door: Door) -> TestClient:
    return TestClient(door.guard, base_url=f"http://127.0.0.1:8765/{TOKEN}/")


def waited(client: TestClient, until: Callable[[dict[str, Any]], bool], seconds: float = 900) -> dict[str, Any]:
    """The state of the lesson when `until` is true of it."""
    end = time.monotonic() + seconds
    while True:
        teaching = dict(client.get("state").json()["teaching"])
        if until(teaching):
            return teaching
        assert time.monotonic() < end, teaching
        assert not is_over(teaching), teaching
        time.sleep(0.2)


def is_over(teaching: dict[str, Any]) -> bool:
    return teaching["state"] != "running"


@pytest.fixture(scope="module")
def taught(tmp_path_factory: pytest.TempPathFactory, small_file: Path, negatives: Path) -> Door:
    """A project whose word was taught: five recordings, and two minutes without the word."""
    folder = tmp_path_factory.mktemp("studio") / "rise"
    door = door_of(folder, str(small_file))
    client = opened(door)
    for path in sorted(write_takes(folder.parent / "given", RISING, 5).iterdir()):
        assert client.post("takes", params={"name": path.name}, content=path.read_bytes()).status_code == 201
    for path in sorted(negatives.iterdir()):
        assert client.post("negatives", content=path.read_bytes()).status_code == 201
    assert client.put("word", json={"word": "rise up", "voices": 0, "per_hour": 300}).status_code == 200
    assert client.post("teaching").status_code == 202
    assert client.post("teaching").status_code == 409
    progress: list[tuple[int, int]] = []

    def watched(teaching: dict[str, Any]) -> bool:
        progress.append((teaching["done"], teaching["total"]))
        return is_over(teaching)

    teaching = waited(client, watched)
    assert (teaching["state"], teaching["error"]) == ("done", "")
    assert teaching["notes"][-1] == "making the page that listens"
    assert progress == sorted(progress)
    assert progress[-1] == (40, 40)
    return door


def test_the_state_has_the_report(taught: Door) -> None:
    state = opened(door_of(taught.folder)).get("state").json()  # of another server: the run is in the folder
    report = state["run"]["report"]
    assert (state["run"]["name"], state["run"]["listens"], state["stale"], state["teaching"]["state"]) == ("001", True, False, "idle")
    assert (report["word"], len(report["used"]), report["left_out"], report["misses"]["said"]) == ("rise up", 5, [], 5)
    assert report["own_hours"] == pytest.approx(
        sum(soundfile.info(path).duration for path in (taught.folder / "negatives").iterdir()) / 3600, rel=0.02
    )


def test_what_is_taken_away_works_elsewhere(taught: Door, tmp_path: Path) -> None:
    client = opened(taught)
    answers = {name: client.get(f"runs/001/{name}") for name in ("run.zip", "stream.onnx", "page.html", "model.onnx")}
    names = {"run.zip": "rise-up.zip", "stream.onnx": "rise-up.onnx", "page.html": "rise-up.html"}
    for name, wanted in names.items():
        assert answers[name].headers["content-disposition"] == f"attachment; filename*=utf-8''{wanted}"
    with zipfile.ZipFile(io.BytesIO(answers["run.zip"].content)) as archive:
        archive.extractall(tmp_path)
    assert not list(tmp_path.rglob("*.wav"))
    assert model_in(answers["page.html"].content, where="x") == answers["model.onnx"].content == answers["stream.onnx"].content
    (tmp_path / "rise.onnx").write_bytes(answers["stream.onnx"].content)
    y = say(RISING, 80, before_s=1.5, after_s=0.5)
    run = Recognizer(tmp_path / "rise-up")
    given = run.feed(y)
    assert (run.labels, given[:, 0].max() > 0.5) == (("rise up", "unknown"), True)
    pytest.importorskip("onnxruntime")
    rows = Recognizer(tmp_path / "rise.onnx").feed(y)
    np.testing.assert_allclose(rows, given[: len(rows)], atol=1e-4)
    assert len(rows) > 10


def test_the_report_plays_false_alarms_and_runs_nothing(taught: Door) -> None:
    client = opened(taught)
    answer = client.get("runs/001/report.html")
    assert answer.headers["content-security-policy"] == (
        "default-src 'none'; style-src 'unsafe-inline'; img-src data:; media-src 'self'; frame-ancestors 'none'"
    )
    alarms = json.loads((taught.folder / "runs" / "001" / "teaching.json").read_text())["alarms"]
    assert answer.text.count("<audio") == len(alarms) > 0
    y, sr = soundfile.read(io.BytesIO(client.get("runs/001/false-alarms/001.wav").content))
    assert (sr, len(y) / sr) == (SR, pytest.approx(2.5, abs=0.01))


def test_new_recordings_are_not_heard_until_it_is_taught_again(taught: Door, tmp_path: Path) -> None:
    client = opened(taught)
    soundfile.write(tmp_path / "x.wav", say(FALLING, 1), SR)
    name = client.post("negatives", content=(tmp_path / "x.wav").read_bytes()).json()["name"]
    assert client.get("state").json()["stale"]
    assert client.delete(f"negatives/{name}").status_code == 204
    assert not client.get("state").json()["stale"]


def test_a_lesson_that_is_stopped_leaves_no_run(taught: Door) -> None:
    client = opened(taught)
    assert client.post("teaching").status_code == 202
    waited(client, lambda teaching: bool(teaching["notes"]))
    assert client.delete("teaching").json()["state"] == "stopped"
    assert client.get("state").json()["run"]["name"] == "001"
    assert [run.name for run in taught.studio.project.runs()] == ["001"]
    assert client.delete("teaching").status_code == 200, "nothing to stop"


def test_a_lesson_that_fails_says_why(tmp_path: Path, small_file: Path) -> None:
    door = door_of(tmp_path / "rise", str(small_file))
    client = opened(door)
    soundfile.write(tmp_path / "x.wav", say(RISING, 1), SR)
    client.post("takes", content=(tmp_path / "x.wav").read_bytes())
    client.put("word", json={"word": "rise", "voices": 0})
    assert client.post("teaching").status_code == 202
    teaching = waited(client, is_over)
    assert teaching["state"] == "failed"
    assert "give folders of sound without the word" in teaching["error"]
    assert door.studio.project.runs() == []


def test_a_process_that_dies_is_no_silence(taught: Door) -> None:
    client = opened(taught)
    assert client.post("teaching").status_code == 202
    taught.studio.teacher._process.kill()
    teaching = waited(client, is_over)
    assert (teaching["state"], teaching["error"]) == ("failed", "teaching ended with exit code -9")
