"""The commands detect, score and calibrate on tones, where every number can be said beforehand."""

from __future__ import annotations

import csv
import io
import json
import shutil
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from tone_recognizer import SR, ToneRecognizer, tones

from kwsfeat import FeatureConfig, KwsError, StoreError, binomial_interval, poisson_interval

pytest.importorskip("jax")

from kwstrain import Recognizer
from kwstrain.cli import main
from kwstrain.detection.detect import detect
from kwstrain.detection.point import OperatingPoint, listener
from kwstrain.detection.posteriors import PosteriorStore

POINT = {"smoothing_frames": 2, "mode": "windowed", "hop_s": 0.1}


def answer(command: list[str], capsys: pytest.CaptureFixture[str], code: int = 0) -> str:
    assert main(command) == code
    return capsys.readouterr().out


def test_events_have_names_times_and_scores(run: Path, streams: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Smoothed over two frames (a quarter of a second), 0.9 is reached after two, and 0.6 too; 0.45 is below 0.5."""
    assert main(["detect", str(run), str(streams / "a.wav")]) == 0
    out, err = capsys.readouterr()
    rows = [line.split("\t") for line in out.splitlines()]
    assert [(row[1], row[2]) for row in rows] == [("2.20", "yes"), ("8.20", "no"), ("14.20", "yes"), ("30.20", "yes")]
    assert {row[0] for row in rows} == {str(streams / "a.wav")}
    assert [float(row[3]) for row in rows] == pytest.approx([0.9, 0.9, 0.6, 0.7], abs=0.01)
    assert "is not calibrated: every threshold is 0.5" in err


def test_thresholds_on_the_command_line(run: Path, streams: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = answer(["detect", str(run), str(streams), "--threshold", "0.8", "--threshold", "yes=0.65", "--csv"], capsys)
    rows = list(csv.DictReader(io.StringIO(out)))
    assert [(Path(row["path"]).name, row["word"], row["time_s"]) for row in rows] == [
        ("a.wav", "yes", "2.2000"), ("a.wav", "no", "8.2000"), ("a.wav", "yes", "30.2000"),
    ]  # fmt: skip
    for wrong in ("loud", "yess=0.5", "yes=2", "0"):
        assert main(["detect", str(run), str(streams), "--threshold", wrong]) == 2
    assert "did you mean yes" in capsys.readouterr().err


@pytest.mark.slow
def test_labels_pictures_and_json(run: Path, streams: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (streams / "sub").mkdir()
    shutil.copy(streams / "a.wav", streams / "sub" / "a.wav")
    extras = ["--audacity", str(tmp_path / "labels"), "--json", "-q"]
    values = json.loads(answer(["detect", str(run), str(streams), *extras], capsys))
    assert [len(value["events"]) for value in values] == [4, 1, 4]
    assert values[0]["seconds"] == pytest.approx(40)
    lines = (tmp_path / "labels" / "a.txt").read_text().splitlines()
    assert lines[0].split("\t") == [f"{values[0]['events'][0]['start_s']:.4f}", "2.2000", "yes"]
    assert (tmp_path / "labels" / "a-2.txt").read_text().splitlines() == lines
    assert main(["detect", str(run), str(streams), *extras]) == 1
    assert "use --overwrite" in capsys.readouterr().err
    assert main(["detect", str(run), str(streams / "a.wav"), "--plot", str(tmp_path / "pictures"), "-q"]) == 0
    (picture,) = (tmp_path / "pictures").iterdir()
    assert picture.name == "a.png"
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_a_number_is_not_the_name_of_another_recording(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The third is neither a.txt nor a-2.txt, which are those of others; nor is it where they come later."""
    names = ("x/a.wav", "x/a-2.wav", "y/a.wav", "z/a.wav")
    for i, name in enumerate(names):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        soundfile.write(tmp_path / name, tones(4, ("yes", 1 + 0.5 * i, 0.9)), SR)
    for order, written in ((names, ["a", "a-2", "a-3", "a-4"]), (names[::-1], ["a", "a-3", "a-2", "a-4"])):
        folder = tmp_path / f"labels-{order[0][0]}"
        values = json.loads(
            answer(["detect", str(run), *(str(tmp_path / one) for one in order), "--audacity", str(folder), "--json", "-q"], capsys)
        )
        assert sorted(path.stem for path in folder.iterdir()) == sorted(written)
        for value, name in zip(values, written, strict=True):
            assert (folder / f"{name}.txt").read_text().split("\t")[1] == f"{value['events'][0]['time_s']:.4f}"


def test_recordings_that_cannot_be_read_are_listed(run: Path, streams: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (streams / "bad.wav").write_text("no recording")
    y = tones(4, ("yes", 1, 0.9))
    y[30000] = np.nan
    soundfile.write(streams / "nan.wav", y, SR, subtype="FLOAT")
    soundfile.write(streams / "short.wav", np.zeros(1), SR)
    assert main(["detect", str(run), str(streams)]) == 3
    out, err = capsys.readouterr()
    assert len(out.splitlines()) == 5
    assert "bad.wav: not a recording" in err
    assert "nan.wav: sample 30000 is nan" in err
    assert main(["detect", str(run), str(streams / "missing.wav")]) == 3


@pytest.mark.slow
def test_a_score_is_what_can_be_counted_by_hand(run: Path, streams: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["score", str(run), str(streams), "--out", str(tmp_path / "report"), "--json", "--tolerance", "0.7"]) == 0
    out, err = capsys.readouterr()
    values = json.loads(out)
    hours = (60 - 5 * 1.0) / 3600  # five words of 0.3 s, and 0.7 s after each
    assert (values["hits"], values["misses"]["misses"], values["misses"]["said"]) == (4, 1, 5)
    assert values["misses"]["interval"] == pytest.approx(binomial_interval(1, 5))
    assert values["false_accepts"]["false_accepts"] == 1
    assert values["false_accepts"]["hours"] == pytest.approx(hours)
    assert values["false_accepts"]["interval"] == pytest.approx(poisson_interval(1, hours))
    assert [(row["name"], row["misses"], row["said"]) for row in values["misses_by_word"]] == [("yes", 1, 3), ("no", 0, 2)]
    assert {row["name"]: row["false_accepts"] for row in values["false_accepts_by_source"]} == {"other": 0, "music": 1}
    assert {row["name"]: row["false_accepts"] for row in values["false_accepts_by_word"]} == {"yes": 1, "no": 0}
    assert [(row["name"], row["misses"], row["said"]) for row in values["misses_by_snr"]] == [
        ("20 to 25 dB", 0, 1), ("50 to 55 dB", 0, 1), ("80 to 85 dB", 0, 1), ("120 to 125 dB", 1, 1), ("140 to 145 dB", 0, 1),
    ]  # fmt: skip
    assert not values["certified"]
    assert values["certificate"].startswith("cannot certify 0.5/h: needs 9.5 h with 1 false accept")
    assert json.loads((tmp_path / "report" / "score.json").read_text()) == values
    assert "not calibrated" in err
    assert main(["score", str(run), str(streams), "--out", str(tmp_path / "report")]) == 1


def test_an_infinite_ratio_or_level_is_a_group_of_its_own(run: Path, streams: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A word without any noise, and one that is silent; what is not known is left out."""
    rows = ["2,2.3,yes,inf,-12", "8,8.3,no,12,-inf", "14,14.3,yes,inf,", "30,30.3,yes,-inf,nan"]
    (streams / "a.csv").write_text("\n".join(["start_s,end_s,word,snr_db,level_db", *rows]) + "\n")
    values = json.loads(answer(["score", str(run), str(streams / "a.wav"), "--json"], capsys))
    assert [(row["name"], row["said"]) for row in values["misses_by_snr"]] == [("-inf dB", 1), ("10 to 15 dB", 1), ("inf dB", 2)]
    assert [(row["name"], row["said"]) for row in values["misses_by_level"]] == [("-inf dB", 1), ("-20 to -10 dB", 1)]


class Page(HTMLParser):
    """The sources of the players of a page, and its text."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.sounds: list[str] = []
        self.text = ""
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.sounds += [value or "" for name, value in attrs if tag == "audio" and name == "src"]
        assert tag != "b"

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.mark.slow
def test_every_error_can_be_heard(run: Path, streams: Path, tmp_path: Path) -> None:
    """The excerpt of the false accept holds its tone; names are text, not HTML."""
    (streams / "a.wav").rename(streams / "<b>a&.wav")
    (streams / "a.csv").rename(streams / "<b>a&.csv")
    out = tmp_path / "report"
    assert main(["score", str(run), str(streams), "--out", str(out), "-q"]) == 0
    page = Page(out / "index.html")
    assert len(page.sounds) == 2
    false_accept, miss = (soundfile.read(out / sound) for sound in page.sounds)
    assert false_accept[1] == SR
    assert len(false_accept[0]) == 2.5 * SR
    assert np.abs(false_accept[0]).max() == pytest.approx(0.7, abs=0.01)
    assert miss[1] == 16000
    assert len(miss[0]) == round((0.5 + 0.3 + 1.0) * 16000)
    assert not miss[0].any()
    assert "<b>a&.wav" in page.text
    assert {path.name for path in out.iterdir()} == {"index.html", "score.json", "det.png", "roc.png", "excerpts"}


def test_recordings_without_words_are_only_time(run: Path, streams: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "none" / "noise").mkdir(parents=True)
    soundfile.write(tmp_path / "none" / "noise" / "x.wav", tones(36, ("no", 3, 0.9)), SR)
    assert main(["score", str(run), str(tmp_path / "none")]) == 1
    assert "or say --no-words" in capsys.readouterr().err
    values = json.loads(answer(["score", str(run), str(tmp_path / "none"), "--no-words", "--json"], capsys))
    assert values["false_accepts_by_source"][0]["name"] == "noise"
    assert values["false_accepts"]["per_hour"] == pytest.approx(100)
    assert values["misses"]["miss_rate"] is None
    assert main(["score", str(run), str(tmp_path / "none"), "--no-words", "--out", str(tmp_path / "r")]) == 0


def test_a_calibration_is_kept_and_used(run: Path, streams: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """On these streams only thresholds of yes above 0.7 accept nothing false; they miss the soft one, and the silent one."""
    assert main(["calibrate", str(run), str(streams), "--fa-per-hour", "0.5"]) == 0
    out = capsys.readouterr().out
    assert "cannot certify 0.5/h: needs 6 h, there are 0" in out
    point = OperatingPoint.load(run)
    assert point is not None
    assert set(point.thresholds) == {"yes", "no"}
    assert 0.7 < point.thresholds["yes"] <= 0.9
    assert point.calibration["misses"]["misses"] == 2
    assert point.calibration["false_accepts"]["false_accepts"] == 0
    assert point.calibration["target_per_hour"] == 0.5
    assert {Path(name).name for name in point.calibration["recordings"].values()} == {"a.wav", "b.flac"}
    assert point.smoothing_frames == 1

    assert main(["score", str(run), str(streams), "--json"]) == 0
    out, err = capsys.readouterr()
    values = json.loads(out)
    assert (values["misses"]["misses"], values["false_accepts"]["false_accepts"]) == (2, 0)
    assert "2 of 2 recordings are among those that the thresholds were chosen on" in err
    assert "not calibrated" not in err

    out = answer(["detect", str(run), str(streams)], capsys)
    assert [line.split("\t")[2] for line in out.splitlines()] == ["yes", "no", "no"]
    assert main(["calibrate", str(run), str(streams)]) == 1
    assert "detector.json exists" in capsys.readouterr().err
    assert main(["calibrate", str(run), str(streams), "--overwrite", "--fa-per-hour", "100", "--words", "yes"]) == 0
    assert (OperatingPoint.load(run) or point).calibration["false_accepts"]["false_accepts"] == 1


def test_a_word_with_a_comma_is_chosen_in_quotes(
    run: Path, streams: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(ToneRecognizer, "labels", ("hey, you", "no", "silence"))
    for name in ("a.csv", "b.csv"):
        (streams / name).write_text((streams / name).read_text().replace(",yes,", ',"hey, you",'))
    command = ["calibrate", str(run), str(streams), "--json", "--overwrite", "--fa-per-hour", "100", "--words"]
    assert set(json.loads(answer([*command, '"hey, you"'], capsys))["point"]["thresholds"]) == {"hey, you"}
    assert set(json.loads(answer([*command, 'no,"hey, you"'], capsys))["point"]["thresholds"]) == {"hey, you", "no"}


def test_other_streams_are_not_warned_about(run: Path, streams: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What counts is the recording, not its name."""
    assert main(["calibrate", str(run), str(streams), "-q"]) == 0
    other = tmp_path / "other"
    shutil.copytree(streams, other)
    soundfile.write(other / "a.wav", tones(40, ("yes", 2, 0.8)), SR)
    assert main(["score", str(run), str(other)]) == 0
    assert "1 of 2 recordings are among those" in capsys.readouterr().err


@pytest.mark.slow
def test_a_run_that_streams_is_detected_as_its_recognizer_hears_it(tmp_path: Path) -> None:
    """Recordings of two rates in blocks, against all posteriors at once; stored with its own hop, and not with that of windows."""
    from random_runs import write_run

    config = FeatureConfig(sr=SR, n_samples=2800, n_fft=256, win_length=200, hop_length=80, n_mels=10, framing="none")
    run = write_run(tmp_path / "run", "ds-cnn-tiny", config, causal=True, filters=12, blocks=2).folder
    for name, sr in (("a.wav", SR), ("b.wav", 16000)):
        y = 0.1 * np.random.default_rng(sr).standard_normal(20 * sr)
        soundfile.write(tmp_path / name, np.repeat(np.tile([1, 0.01], 10), sr) * y, sr)
    recognizer, point = listener(run)
    assert (recognizer.mode, point.hop_s, point.smoothing_frames) == ("stream", 0.02, 12)
    point = point.with_thresholds(0.4, recognizer.labels)
    point.save(run)
    recognizer, point = listener(run)
    found = list(detect(recognizer, point, [tmp_path / "a.wav", tmp_path / "b.wav"]))
    for one in found:
        y, sr = soundfile.read(one.path, dtype="int16")
        alone = Recognizer(run, sr=sr, mode="stream")
        rows, times = alone.feed(y), alone.frame_times
        last = alone.finish()
        detector = point.detector(alone.labels)
        events = [*detector.feed(rows, times), *detector.feed(last, alone.frame_times)]
        assert one.seconds == pytest.approx(20)
        assert list(one.events) == events
    assert any(one.events for one in found)


@pytest.mark.parametrize(
    ("command", "message", "code"),
    [
        (["score", "{run}", "{streams}/x"], "no such file or folder", 1),
        (["calibrate", "{run}", "{streams}", "--fa-per-hour", "0"], "fa-per-hour=0 must be > 0", 1),
        (["calibrate", "{run}", "{streams}", "--words", "yess"], "did you mean yes", 2),
        (["calibrate", "{run}", "{streams}/b.flac", "--words", "yes,silence"], "silence is never said in these streams", 1),
        (["calibrate", "{run}", "{streams}/silent.wav"], "no word of the run is said in these streams: its words are yes, no", 2),
        (["detect", "{run}", "{streams}", "--csv", "--json"], "exclude each other", 2),
        (["score", "{run}", "{streams}", "--tolerance", "-1"], "tolerance", 2),
    ],
)
def test_what_cannot_be_is_one_line(
    run: Path, streams: Path, capsys: pytest.CaptureFixture[str], command: list[str], message: str, code: int
) -> None:
    soundfile.write(streams / "silent.wav", np.zeros(SR), SR)
    (streams / "silent.csv").write_text("start_s,end_s,word\n0,1,silence\n")
    assert main([part.format(run=run, streams=streams) for part in command]) == code
    assert message in (err := capsys.readouterr().err)
    assert "Traceback" not in err


def test_words_that_no_run_detects_are_said(run: Path, streams: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = (streams / "b.csv").read_text()
    (streams / "b.csv").write_text(text.replace(",yes,", ",Yes,").replace(",no,", ",tree,"))
    assert main(["score", str(run), str(streams)]) == 0
    err = capsys.readouterr().err
    assert "'Yes' is said 1 times and is not detected: did you mean 'yes'?" in err
    assert "2 words are said that are not detected: they are near misses" in err
    (streams / "a.csv").write_text("start_s,end_s,word\n1,2,tree\n")
    assert main(["score", str(run), str(streams)]) == 1
    assert "the references say tree, Yes, and the run detects yes, no: no word is the same" in capsys.readouterr().err


def test_a_reference_of_another_recording_is_refused(run: Path, streams: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (streams / "b.csv").write_text("start_s,end_s,word\n1,2,yes\n50,51,yes\n")
    assert main(["score", str(run), str(streams)]) == 1
    assert "b.flac: the reference continues to 51 s, but the recording ends at 20.0 s" in capsys.readouterr().err


def test_a_recording_that_is_there_again_counts_once(run: Path, streams: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Given twice, by another path, as a copy under another name, or listed twice; calibrate stores no more hours either."""
    once = json.loads(answer(["score", str(run), str(streams), "--json"], capsys))
    for suffix in (".wav", ".csv"):
        shutil.copy(streams / f"a{suffix}", streams / f"copy{suffix}")
    entry = '[[recordings]]\naudio = "{0}"\nreference = "a.csv"\n'
    (streams / "list.toml").write_text(entry.format("a.wav") + entry.format("copy.wav") + entry.format("a.wav"))
    (tmp_path / "other").mkdir()
    given = [str(streams), str(streams / "a.wav"), str(tmp_path / "other" / ".." / "streams" / "b.flac"), str(streams / "list.toml")]
    assert main(["score", str(run), *given, "--json"]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out) == once
    assert "3 recordings: the same as another: counts once  (" in err
    assert f"{streams / 'copy.wav'} = {streams / 'a.wav'}" in err
    assert main(["calibrate", str(run), *given, "--json"]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["point"]["calibration"]["hours"] == pytest.approx(once["false_accepts"]["hours"])
    assert "3 recordings: the same as another" in err


def test_a_recording_with_two_references_is_refused(run: Path, streams: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copy(streams / "a.wav", streams / "c.wav")
    (streams / "c.csv").write_text("start_s,end_s,word\n2,2.3,yes\n")
    assert main(["score", str(run), str(streams)]) == 1
    assert f"{streams / 'c.wav'} is the recording {streams / 'a.wav'}, and their references differ" in capsys.readouterr().err


def test_no_thresholds_keep_an_impossible_target(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "s").mkdir()
    soundfile.write(tmp_path / "s" / "a.wav", 1.1 * np.sin(2 * np.pi * 1000 * np.arange(20 * SR) / SR), SR, subtype="FLOAT")
    (tmp_path / "s" / "a.csv").write_text("start_s,end_s,word\n10,11,yes\n")
    assert main(["calibrate", str(run), str(tmp_path / "s")]) == 1
    assert "no thresholds give at most 0.5 false accepts per hour here (0 in total)" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"format": "x"}, "is not kwstrain-detector 1"),
        ({"format_version": 2}, "is not kwstrain-detector 1"),
        ({"thresholds": [0.5]}, "thresholds is"),
        ({"hop_s": "fast"}, "hop_s is 'fast'"),
        ({"mode": "x"}, "'x' is not known"),
        ({"colour": 1}, "'colour' is not known|colour is not known"),
        ({"smoothing_frames": None}, "smoothing_frames is None"),
        ({"thresholds": {"maybe": 0.5}}, "'maybe' is not a label of this run"),
        ({"hop_s": 0.02}, "calibrated with a frame every 20.0 ms and now has one every 100.0 ms"),
        ({"thresholds": {"yes": 7}}, "threshold 7 of 'yes'"),
    ],
)
def test_a_damaged_operating_point_is_refused(run: Path, changed: dict[str, object], message: str) -> None:
    path = OperatingPoint(thresholds={"yes": 0.7}, **POINT).save(run)  # type: ignore[arg-type]
    values = json.loads(path.read_text())
    assert listener(run)[1].thresholds == {"yes": 0.7}
    path.write_text(json.dumps({**values, **changed}))
    with pytest.raises(KwsError, match=message):
        listener(run)[1].detector(("yes", "no", "silence"))
    path.write_text("{")
    with pytest.raises(StoreError, match="is damaged"):
        OperatingPoint.load(run)


@settings(max_examples=10)
@given(sizes=st.lists(st.integers(0, 50), max_size=6), cut=st.integers(0, 100))
def test_stored_posteriors_come_back(sizes: list[int], cut: int) -> None:
    store = PosteriorStore([2, 0])
    rng = np.random.default_rng(0)
    parts = [(rng.random((n, 3)).astype(np.float32), rng.random(n)) for n in sizes]
    for posteriors, times in parts:
        store.append(posteriors, times)
    n = len(store)
    assert n == sum(sizes)
    first = min(cut, n)
    blocks = list(store.blocks(first, n))
    posteriors = np.concatenate([p for p, _ in parts] + [np.zeros((0, 3), np.float32)])
    times = np.concatenate([t for _, t in parts] + [np.zeros(0)])
    np.testing.assert_array_equal(np.concatenate([p for p, _ in blocks] + [np.zeros((0, 2))]), posteriors[first:, [2, 0]])
    np.testing.assert_array_equal(np.concatenate([t for _, t in blocks] + [np.zeros(0)]), times[first:])
