"""How often recordings without words are taken for one: against every clip predicted by itself."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import soundfile

pytest.importorskip("jax")

from kwsfeat import AudioError, clip_parts
from kwstrain.cli import main
from kwstrain.evaluation import negatives
from kwstrain.evaluation.negatives import evaluate_negatives
from kwstrain.inference.bundle import Bundle
from kwstrain.inference.classifier import Classifier

RUN = Path(__file__).parents[2] / "golden" / "cnn"


@pytest.fixture(scope="module")
def noises(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recording of 3.4 clips at another rate, nine of one clip or a little more, and one that is none."""
    folder, rng = tmp_path_factory.mktemp("negatives"), np.random.default_rng(0)
    config = Bundle.load(RUN).feature_config
    clip_s = config.n_samples / config.sr
    hum = np.sin(np.arange(round(3.4 * clip_s * 22050)) * rng.uniform(0.05, 0.3, (1, 1)))[0]
    soundfile.write(folder / "hum.flac", 0.3 * hum * np.hanning(hum.size), 22050)
    for i in range(9):
        n = round(config.n_samples * (0.5 if i == 8 else 1 + 0.1 * i))
        t = np.arange(n) / config.sr
        soundfile.write(folder / f"{i}.wav", 0.1 * np.sin(2 * np.pi * 200 * (i + 1) * t) + 0.01 * rng.standard_normal(n), config.sr)
    (folder / "bad.wav").write_bytes(b"RIFF")
    return folder


def test_each_clip_counts_once(noises: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bundle = Bundle.load(RUN)
    config, classifier = bundle.feature_config, Classifier(bundle)
    assert classifier.labels == ("high", "low", "noise")
    words = {"high", "low"}
    size = round(22050 * config.n_samples / config.sr)
    assert clip_parts(noises / "hum.flac", config) == [(0, size), (size, 2 * size), (2 * size, 3 * size)]
    y = soundfile.read(noises / "hum.flac", dtype="int16")[0]
    clips = [noises / f"{i}.wav" for i in range(9)]
    for k in range(3):
        soundfile.write(noises / f"part{k}.flac", y[k * size : (k + 1) * size], 22050)
        clips.append(noises / f"part{k}.flac")
    answers = classifier.predict(clips)
    for path in noises.glob("part*"):
        path.unlink()
    threshold = float(np.median([answer.probability for answer in answers]))
    run = Path(shutil.copytree(RUN, tmp_path / "run"))
    (run / "summary.json").write_text(json.dumps({**json.loads((RUN / "summary.json").read_text()), "threshold": threshold}))
    taken = Counter(answer.label for answer in answers if answer.label in words)
    above = Counter(answer.label for answer in answers if answer.label in words and answer.probability >= threshold)

    found = evaluate_negatives(run, noises, threads=2)
    assert (found.n_recordings, found.n_clips, len(found.unreadable)) == (10, 12, 1)
    assert Counter(found.taken) == taken
    assert Counter(found.above_threshold) == above
    values = found.to_dict()
    assert values["share_taken"] == taken.total() / 12
    assert values["share_above_threshold"] == above.total() / 12
    assert values["interval_taken"][0] < values["share_taken"] <= values["interval_taken"][1]
    ranks = [(one.n_above_threshold, one.probability) for one in found.worst]
    assert ranks == sorted(ranks, reverse=True)
    assert sum(one.n_taken for one in found.worst) == taken.total()  # fewer recordings than are listed
    monkeypatch.setattr(negatives, "WORST", 1)
    assert evaluate_negatives(run, noises).worst == found.worst[:1]


def test_a_recording_that_is_there_again_counts_once(noises: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for name in ("a.wav", "b.wav"):
        shutil.copy(noises / "1.wav", tmp_path / name)
    found = evaluate_negatives(RUN, tmp_path)
    assert (found.n_recordings, found.n_clips) == (1, 1)
    assert f"1 recording is there already, and counted once: {tmp_path / 'b.wav'} = {tmp_path / 'a.wav'}" in caplog.text


def test_the_command(noises: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", str(RUN), "--negatives", str(noises)]) == 3
    out, err = capsys.readouterr()
    assert out.startswith(f"{noises}: 10 recordings, 12 clips\ntaken for a word: ")
    assert "unreadable: " in err
    assert "bad.wav" in err
    assert main(["evaluate", str(RUN), "--negatives", str(noises / "hum.flac"), "--json"]) == 0
    values = json.loads(capsys.readouterr().out)
    assert (values["n_recordings"], values["n_clips"], values["threshold"]) == (1, 3, Bundle.load(RUN).threshold)
    assert main(["evaluate", str(RUN), "--negatives", str(noises), "--split", "test"]) == 2
    assert main(["evaluate", str(RUN), "--negatives", str(tmp_path / "nowhere")]) == 1
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "bad.wav").write_bytes(b"RIFF")
    with pytest.raises(AudioError, match="none of the 1 recordings can be read; the first"):
        evaluate_negatives(RUN, tmp_path / "b")
