"""Recordings come, are judged, are kept, and are still there when the server starts again."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from door import TOKEN, Door, door_of, snapshot, write_take
from starlette.testclient import TestClient

from kwsfeat import ConfigError, FrontEnd, MissingExtraError, StoreError, preset
from kwstrain.cli import main
from kwstrain.studio.features import front_end_graph
from kwstrain.studio.project import FILE, Project, Word
from kwstrain.studio.server import serve


@pytest.fixture
def client(door: Door) -> TestClient:
    return TestClient(door.guard, base_url=f"http://127.0.0.1:8765/{TOKEN}/")


def test_a_recording_is_kept_as_it_came(client: TestClient, door: Door, tmp_path: Path) -> None:
    content = write_take(tmp_path / "new.wav", 1, seconds=2.5).read_bytes()
    answer = client.post("takes", content=content)
    assert (answer.status_code, answer.json()["name"]) == (201, "002.wav")
    assert answer.json()["seconds"] == 2.5
    assert answer.json()["peak"] == pytest.approx(0.3, abs=0.01)
    assert client.get("takes/002.wav").content == content
    assert (door.folder / "takes" / "002.wav").read_bytes() == content
    assert [client.post("takes", params={"name": "käse 1.wav"}, content=content).json()["name"] for _ in range(2)] == [
        "käse 1.wav",
        "käse 1-2.wav",
    ]
    assert [one["name"] for one in client.get("state").json()["takes"]] == ["001.wav", "002.wav", "käse 1-2.wav", "käse 1.wav"]
    assert client.delete("takes/käse 1.wav").status_code == 204
    assert client.get("takes/käse 1.wav").status_code == 404
    assert len(client.get("state").json()["takes"]) == 3


@pytest.mark.parametrize("stem", ["a" * 116, "käse" * 23 + "a"])
def test_the_longest_name_may_come_twice(stem: str, client: TestClient, door: Door) -> None:
    content = (door.folder / "takes" / "001.wav").read_bytes()
    kept = [client.post("takes", params={"name": f"{stem}.wav"}, content=content).json()["name"] for _ in range(12)]
    listed = [one["name"] for one in client.get("state").json()["takes"]]
    assert (len(set(kept)), kept[0]) == (12, f"{stem}.wav")
    assert sorted(listed) == sorted([*kept, "001.wav"])
    assert all(client.delete(f"takes/{name}").status_code == 204 for name in kept)


def test_a_take_without_a_word_is_said_at_once(client: TestClient, tmp_path: Path) -> None:
    t = np.arange(32000) / 16000
    sounds = {
        "silent": 1e-4 * np.sin(t), "no word stands out": 0.1 * np.sin(2000 * t),
        "is clipped": np.clip(20 * np.sin(900 * t) * (abs(t - 1) < 0.3), -0.5, 0.5),
    }  # fmt: skip
    for said, y in sounds.items():
        soundfile.write(tmp_path / "x.wav", y, 16000)
        answer = client.post("takes", content=(tmp_path / "x.wav").read_bytes())
        assert answer.status_code == 201
        assert said in answer.json()["fault"]
    soundfile.write(tmp_path / "x.flac", np.zeros(100 * 16000), 16000)
    answer = client.post("negatives", params={"name": "room.flac"}, content=(tmp_path / "x.flac").read_bytes())
    assert (answer.status_code, answer.json()["fault"]) == (201, ""), "a minute of silence is a room"


def test_everything_is_there_after_a_restart(client: TestClient, door: Door, tmp_path: Path) -> None:
    word = {"word": "hey marvin", "say": "hey [[m'A:vIn]]", "voices": 0, "per_hour": 2.0, "keep_all": True}
    assert client.put("word", json=word).status_code == 200
    client.post("negatives", content=write_take(tmp_path / "x.wav", 2).read_bytes())
    before = client.get("state").json()
    (door.folder / "takes" / ".half.partial").write_bytes(b"RIFF")  # of a server that was killed
    again = TestClient(door_of(door.folder).guard, base_url=f"http://127.0.0.1:8765/{TOKEN}/")
    assert again.get("state").json() == before
    assert before["word"] == word
    assert not list((door.folder / "takes").glob(".*"))
    read = json.loads((door.folder / FILE).read_text(encoding="utf-8"))
    assert read == {"format": "kwstrain studio", "format_version": 1, **word}


def test_teaching_waits_for_a_name_and_says_what_is_missing(client: TestClient) -> None:
    answer = client.post("teaching")
    assert (answer.status_code, answer.json()) == (400, {"error": "the word has no name yet"})
    assert client.get("runs/001/run.zip").status_code == 404


def test_a_word_that_is_called_as_everything_else_is_not_taught(client: TestClient) -> None:
    assert client.put("word", json={"word": "unknown", "voices": 0}).status_code == 200
    answer = client.post("teaching")
    assert answer.status_code == 400
    assert "'unknown' is what a run calls everything else" in answer.json()["error"]
    assert client.get("state").json()["teaching"]["state"] == "idle"


def test_a_full_disk_is_said(client: TestClient, door: Door, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    before = snapshot(door.folder)
    monkeypatch.setattr(Project, "keep", full)
    answer = client.post("takes", content=write_take(tmp_path / "x.wav", 2).read_bytes())
    assert (answer.status_code, answer.json()) == (507, {"error": "cannot be written: No space left on device"})
    assert snapshot(door.folder) == before


def test_what_somebody_removes_meanwhile_is_not_missed(client: TestClient, door: Door, tmp_path: Path) -> None:
    for name in ("001", "002"):
        (door.folder / "runs" / name).mkdir()
    (door.folder / "runs" / "001" / "teaching.json").write_text('{"word": "rise"}')
    shutil.rmtree(door.folder / "takes")
    state = client.get("state")
    assert (state.status_code, state.json()["takes"], state.json()["run"]["name"]) == (200, [], "001")
    assert client.get("runs/002/run.zip").status_code == 404
    shutil.rmtree(door.folder / "takes")
    assert client.post("takes", content=write_take(tmp_path / "x.wav", 2).read_bytes()).json()["name"] == "001.wav"
    shutil.rmtree(door.folder / "runs")
    assert client.get("state").json()["run"] is None
    (door.folder / "negatives" / "001.wav").unlink()
    (door.folder / "negatives").rmdir()
    (door.folder / "negatives").write_bytes(b"")
    answer = client.get("state")
    path = door.folder / "negatives"
    assert (answer.status_code, answer.json()) == (507, {"error": f"{path} cannot be read or written: File exists"})


def test_a_take_too_many_is_refused(client: TestClient, door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kwstrain.studio.app.MOST", 1)
    answer = client.post("takes", content=(door.folder / "takes" / "001.wav").read_bytes())
    assert (answer.status_code, answer.json()["error"]) == (400, "takes holds 1 recordings, which are the most: remove some first")


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters" / "a.txt").write_text("dear")
    before = snapshot(tmp_path)
    with pytest.raises(StoreError, match="holds something else than a studio's project: give a new folder"):
        Project.open(tmp_path / "letters")
    with pytest.raises(StoreError, match="is a file"):
        Project.open(tmp_path / "letters" / "a.txt")
    assert snapshot(tmp_path) == before
    (tmp_path / "word").mkdir()
    (tmp_path / "word" / FILE).write_text("{}")
    (tmp_path / "word" / "takes").symlink_to(tmp_path / "letters")
    with pytest.raises(StoreError, match=r"takes leads out of the project's folder"):
        Project.open(tmp_path / "word")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "is damaged"), ("[]", "is damaged"), ('{"format": "other"}', "is not kwstrain studio 1"),
        ('{"format": "kwstrain studio", "format_version": 2}', "install a newer kwsfeat"),
        ('{"format": "kwstrain studio", "format_version": 1, "x": 1}', "must be an object with the names"),
        ('{"format": "kwstrain studio", "format_version": 1, "word": 1}', "must be one line"),
    ],
)  # fmt: skip
def test_a_damaged_project_is_named(text: str, said: str, door: Door) -> None:
    (door.folder / FILE).write_text(text)
    with pytest.raises(StoreError, match=said):
        Project.open(door.folder)


def test_runs_are_counted_by_number(tmp_path: Path) -> None:
    project = Project.open(tmp_path / "word")
    assert (project.runs(), project.next_run().name) == ([], "001")
    for name in ("001", "010", "009", "011.partial", "mine"):
        (project.folder / "runs" / name).mkdir()
    assert [run.name for run in project.runs()] == ["001", "009", "010"]
    assert project.next_run().name == "011"


def test_what_the_page_draws_is_what_the_embedding_hears() -> None:
    runtime = pytest.importorskip("onnxruntime")
    config = replace(preset("speech-embedding"), n_samples=16000)
    session = runtime.InferenceSession(front_end_graph(config))
    waveform, *states = session.get_inputs()
    (n,) = waveform.shape
    y = np.random.default_rng(0).normal(0, 0.1, 10 * n).astype(np.float32)
    state, rows = {one.name: np.zeros(one.shape, np.int32 if "int" in one.type else np.float32) for one in states}, []
    for at in range(0, len(y), n):
        frames, *after = session.run(None, {"waveform": y[at : at + n], **state})
        state = dict(zip(state, after, strict=True))
        rows.append(frames)
    wanted = FrontEnd(config).extract_recording(y)
    given = np.concatenate(rows)
    first = next(i for i in range(len(given)) if np.abs(given[i] - wanted[0]).max() < 1e-3)
    np.testing.assert_allclose(given[first:], wanted[: len(given) - first], atol=1e-3)
    assert len(given) - first > 15


def test_the_command_says_in_a_line_what_is_wrong(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    with pytest.raises(MissingExtraError, match=r"uvicorn is not installed: pip install 'kwsfeat\[studio\]'"):
        serve(tmp_path / "word")
    assert main(["studio", str(tmp_path / "word")]) == 1
    assert capsys.readouterr().err == "kwstrain: uvicorn is not installed: pip install 'kwsfeat[studio]'\n"
    monkeypatch.undo()
    assert main(["studio", str(tmp_path / "word"), "--embedding", "nothing"]) == 2
    assert "'nothing' is not an embedding" in capsys.readouterr().err
    assert not (tmp_path / "word").exists()


@pytest.mark.slow
def test_the_command_serves_until_ctrl_c(tmp_path: Path, small_file: Path) -> None:
    """On the address that it prints, which nobody else can use meanwhile."""
    code = "import sys; from kwstrain.cli import main; sys.exit(main())"
    options = ["--no-browser", "--embedding", str(small_file), "-q"]
    command = [sys.executable, "-c", code, "studio", str(tmp_path / "word"), "--port", "0", *options]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ)
    try:
        assert server.stdout is not None
        address = server.stdout.readline().strip()
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+/[\w-]{32}/", address)
        with urllib.request.urlopen(f"{address}state", timeout=900) as answer:
            assert json.load(answer)["sr"] == 16000
        with pytest.raises(urllib.error.HTTPError, match="403"):
            urllib.request.urlopen(address.replace(address.split("/")[3], "x") + "state", timeout=900)
        port = int(address.split(":")[2].split("/")[0])
        with pytest.raises(
            ConfigError, match=rf"cannot listen at 127\.0\.0\.1, port {port} \(Address already in use\): choose another --port"
        ):
            serve(tmp_path / "other", port=port, embedding=str(small_file))
        assert not (tmp_path / "other").exists()
    finally:
        server.send_signal(signal.SIGINT)
        _, err = server.communicate(timeout=900)
    assert (server.returncode, err) == (0, "")


def test_words_are_one_line() -> None:
    assert Word.of({"word": "言葉"}).word == "言葉"
