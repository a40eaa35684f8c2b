"""How long a clip is: ``build --length``, and what is kept of recordings that are longer."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile

from kwsfeat import Reader
from kwsfeat.cli import main
from kwsfeat.errors import CorpusError
from kwsfeat.pipeline.lengths import fitting_length, longer_share


def write_words(root: Path, seconds: list[float], sr: int = 16000) -> Path:
    """Two words; in each recording, half a second of noise at the end of quieter noise."""
    rng = np.random.default_rng(1)
    for word in ("yes", "no"):
        (root / word).mkdir(parents=True)
        for i, s in enumerate(seconds):
            y = 0.01 * rng.standard_normal(round(s * sr))
            y[-sr // 2 :] *= 20
            soundfile.write(root / word / f"{i:08x}_nohash_0.wav", y, sr, subtype="PCM_16")
    return root


def build(corpus: Path, out: Path, capsys: pytest.CaptureFixture[str], *options: str) -> tuple[Reader, str]:
    words_only = [] if corpus.is_file() else ["--silence-share", "0"]  # unless `options` want silence
    assert main(["build", str(corpus), str(out), *words_only, *options]) == 0
    return Reader(out), capsys.readouterr().err


@pytest.mark.parametrize(
    ("seconds", "wanted"),
    [([1.0] * 50, 1.0), ([0.43] * 50, 0.5), ([0.04], 0.1), ([1.01] * 200, 1.1), ([2.2] * 9, 2.5), ([1.5] * 99 + [3600.0], 6.0)],
)
def test_the_length_is_rounded_up_and_bounded(seconds: list[float], wanted: float) -> None:
    assert fitting_length(np.array(seconds)) == pytest.approx(wanted)


def test_one_in_a_thousand_does_not_count() -> None:
    assert fitting_length(np.sort([1.0] * 999 + [1.9])) == 1.0


def test_a_corpus_without_lengths_has_no_fitting_one() -> None:
    with pytest.raises(CorpusError, match="--length SECONDS"):
        fitting_length(np.zeros(0))
    assert longer_share(np.zeros(0), 1.0) == 0.0


def test_auto_fits_the_corpus_and_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    corpus = write_words(tmp_path / "c", [1.3, 1.4, 1.62, 1.5], sr=8000)
    reader, said = build(corpus, tmp_path / "a.h5", capsys, "--length", "auto")
    assert reader.n_samples == round(1.7 * 16000)
    assert "--length auto: clips of 1.7 s (median 1.50 s, longest 1.62 s)" in said
    assert "cut off" not in said
    assert reader.config().crop == "center"
    assert sorted(set(reader.length.tolist())) == [round(s * 16000) for s in (1.3, 1.4, 1.5, 1.62)]


def test_seconds_hold_for_every_feature_set(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    corpus = write_words(tmp_path / "c", [1.5] * 3)
    reader, said = build(corpus, tmp_path / "a.h5", capsys, "--length", "0.8", "-f", "logmel", "-f", "mfcc")
    assert reader.n_samples == 12800
    assert {reader.config(name).n_samples for name in reader.feature_names} == {12800}
    assert "most recordings are longer" not in said
    assert reader.config().crop == "center"  # who gives a length has thought of it
    assert "6 recordings: longer than a clip, and its loudest part was cut off: --crop loudest keeps it, --length auto" in said


def test_of_long_recordings_the_loudest_part_is_kept_and_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    corpus = write_words(tmp_path / "c", [2.0, 2.0, 2.4, 1.0])
    reader, said = build(corpus, tmp_path / "a.h5", capsys)
    assert reader.config().crop == reader.clip.crop == "loudest"
    assert "most recordings are longer than a clip of 1 s: the loudest 1 s of each are kept; --length auto makes clips of 2.5 s" in said
    assert "its loudest part was cut off" not in said
    assert (np.abs(np.asarray(reader.audio)).max(axis=1) > 3000).all()


@pytest.mark.parametrize("options", [["--crop", "center"], ["--length", "1"]])
def test_what_the_user_chose_stays(options: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    reader, said = build(write_words(tmp_path / "c", [2.0] * 3), tmp_path / "a.h5", capsys, *options)
    assert reader.config().crop == "center"
    assert "most recordings" not in said


def test_a_toml_file_and_a_preset_of_its_own_crop_stay(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    corpus = write_words(tmp_path / "c", [2.0] * 3)
    (tmp_path / "mine.toml").write_text('preset = "logmel"\ncrop = "center"\n')
    assert build(corpus, tmp_path / "a.h5", capsys, "-f", str(tmp_path / "mine.toml"))[0].config().crop == "center"
    assert build(corpus, tmp_path / "b.h5", capsys, "-f", "logspec8k")[0].config().crop == "random"


def test_clips_of_the_usual_length_are_as_before(tiny_corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    reader, said = build(tiny_corpus, tmp_path / "a.h5", capsys)
    assert (reader.n_samples, reader.config().crop) == (16000, "center")
    assert "most recordings" not in said
    assert build(tiny_corpus, tmp_path / "b.h5", capsys, "--length", "auto")[0].n_samples == 16000


def test_recordings_that_nobody_can_read_are_the_error_of_the_build(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "c" / "yes").mkdir(parents=True)
    (tmp_path / "c" / "yes" / "a.wav").write_text("text")
    assert main(["build", str(tmp_path / "c"), str(tmp_path / "a.h5"), "--layout", "words"]) == 1
    assert "none of the 1 recordings can be read" in capsys.readouterr().err
    assert main(["build", str(tmp_path / "c"), str(tmp_path / "a.h5"), "--layout", "words", "--length", "auto"]) == 1
    assert "the length of no recording can be read: give --length SECONDS" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["0", "-1", "long", "nan", "inf", "1e9", "1 s"])
def test_other_lengths_are_wrong_usage(text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["build", str(tmp_path), str(tmp_path / "a.h5"), "--length", text]) == 2
    assert f"'{text}' must be auto, or seconds from 0.001 to 1000" in capsys.readouterr().err


def test_the_clips_of_a_file_have_their_length(tiny_corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    build(tiny_corpus, tmp_path / "a.h5", capsys)
    assert main(["build", str(tmp_path / "a.h5"), str(tmp_path / "b.h5"), "--length", "auto"]) == 2
    assert "build from the recordings" in capsys.readouterr().err
    assert main(["build", str(tmp_path / "a.h5"), str(tmp_path / "b.h5"), "--length", "0.5"]) == 1
    assert "build from the recordings" in capsys.readouterr().err
    assert main(["build", str(tmp_path / "a.h5"), str(tmp_path / "b.h5"), "--length", "1", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["n_clips"] == 72  # without its silence


def test_new_features_of_a_file_take_its_clips(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    corpus = write_words(tmp_path / "c", [2.0, 2.0, 2.4, 1.0])
    first, _ = build(corpus, tmp_path / "a.h5", capsys, "--length", "1.5")
    again, _ = build(tmp_path / "a.h5", tmp_path / "b.h5", capsys, "-f", "mfcc")
    assert again.clip == first.clip
    assert again.config("mfcc").n_samples == 24000
    assert np.array_equal(again.audio, first.audio)
    loud, _ = build(corpus, tmp_path / "c.h5", capsys)
    assert build(tmp_path / "c.h5", tmp_path / "d.h5", capsys, "-f", "mfcc75")[0].clip == loud.clip


@pytest.mark.parametrize(
    ("options", "seconds"), [(["--length", "1.5"], 1.5), (["--length", "auto"], 1.5), (["--length", "0.5"], 0.5), ([], 1)]
)
def test_silence_is_as_long_as_its_clip(options: list[str], seconds: float, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Recorded or synthesised: zeros at the end would tell it from the words."""
    corpus = write_words(tmp_path / "c", [1.5] * 3)
    (corpus / "noise").mkdir()
    for i in range(2):
        soundfile.write(corpus / "noise" / f"{i}.wav", 0.01 * np.random.default_rng(i).standard_normal(round(3.2 * 8000)), 8000)
    reader, _ = build(corpus, tmp_path / "a.h5", capsys, "--silence-share", "2", *options)
    silence = np.flatnonzero(reader.label == reader.labels.index("silence"))
    full = reader.length[silence] == round(16000 * seconds)
    piece = max(1.0, seconds)
    short = round((3.2 - 3.2 // piece * piece) * 16000)  # the end of each file
    assert len(silence) == 12
    assert (~full).sum() == (2 if short < seconds * 16000 else 0)
    assert set(reader.length[silence[~full]].tolist()) <= {short}
    assert set(np.diff(np.unique(reader.start[silence]))[:1].tolist()) <= set(range(1, round(piece * 8000) + 1))
    shutil.rmtree(corpus / "noise")
    reader, _ = build(corpus, tmp_path / "b.h5", capsys, "--silence-share", "0.5", *options)
    made = reader.label == reader.labels.index("silence")
    assert made.sum() == 3
    assert set(reader.length[made].tolist()) == {round(16000 * seconds)}
    assert all(np.abs(y[-100:]).max() > 0 for y in reader.audio[made])


@pytest.mark.parametrize(
    ("text", "crop"),
    [("n_mels = 20", "loudest"), ('preset = "mfcc"', "loudest"), ('crop = "center"', "center"), ("n_samples_ms = 1000", "center")],
)
def test_features_of_a_file_keep_the_loudest_part_too(text: str, crop: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "mine.toml").write_text(text)
    corpus = write_words(tmp_path / "c", [1.5] * 3)
    reader, said = build(corpus, tmp_path / "a.h5", capsys, "--features", str(tmp_path / "mine.toml"))
    assert reader.clip.crop == crop
    assert ("the loudest 1 s of each are kept" in said) == (crop == "loudest")
    assert set(reader.cut.tolist()) == ({1} if crop == "loudest" else {2})
    again, _ = build(tmp_path / "a.h5", tmp_path / "b.h5", capsys, "--features", str(tmp_path / "mine.toml"))
    assert again.clip == reader.clip


def test_what_is_cut_is_counted_in_the_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """By build, after an interruption too, by info, by a file that is built from it, and for its augmented copies."""
    corpus = write_words(tmp_path / "c", [0.8, 1.0, 1.5, 0.9, 0.7])
    y = np.r_[0.3 * np.ones(8000), 0.01 * np.ones(10000)]
    soundfile.write(corpus / "yes" / "00000008_nohash_0.wav", np.r_[np.zeros(2000), y], 16000)  # loud in the middle
    reader, said = build(corpus, tmp_path / "a.h5", capsys, "--augment", "nine", "--split", "stratified:60/20/20")
    middle, outside = "yes/00000008_nohash_0.wav", {"yes/00000002_nohash_0.wav", "no/00000002_nohash_0.wav"}
    for source, cut in zip(reader.source.tolist(), reader.cut.tolist(), strict=True):
        assert cut == (1 if source == middle else 2 if source in outside else 0)
    assert reader.cut.dtype == np.uint8
    assert "2 recordings: longer than a clip, and its loudest part was cut off" in said
    assert f"1 recording: longer than a clip: the rest was cut off; --length auto makes clips that nearly all fit into  ({middle})" in said
    assert main(["info", str(tmp_path / "a.h5")]) == 0
    assert "cut        3 clips are parts of longer recordings, 2 without the loudest" in capsys.readouterr().out
    assert main(["info", str(tmp_path / "a.h5"), "--json"]) == 0
    values = json.loads(capsys.readouterr().out)
    assert (values["cut"], values["loudest_part_cut"]) == (3, 2)

    build(corpus, tmp_path / "plain.h5", capsys)
    again, said = build(tmp_path / "plain.h5", tmp_path / "b.h5", capsys, "--features", "mfcc")
    np.testing.assert_array_equal(again.cut, Reader(tmp_path / "plain.h5").cut)
    assert "2 recordings: longer than a clip, and its loudest part was cut off" in said


def test_a_file_of_an_older_version_does_not_know_what_was_cut(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    golden = Path(__file__).parents[2] / "golden" / "words.h5"
    again, said = build(golden, tmp_path / "again.h5", capsys)
    assert set(Reader(golden).cut.tolist()) == set(again.cut.tolist()) == {3}
    assert "cut" not in said
    assert main(["info", str(tmp_path / "again.h5")]) == 0
    assert "cut        not known" in capsys.readouterr().out


@pytest.mark.parametrize("is_recorded", [False, True])
def test_silence_that_was_made_is_no_recording_that_is_cut(tmp_path: Path, capsys: pytest.CaptureFixture[str], is_recorded: bool) -> None:
    corpus = write_words(tmp_path / "c", [1.0] * 10)
    if is_recorded:
        (corpus / "_background_noise_").mkdir()
        soundfile.write(corpus / "_background_noise_" / "a.wav", 0.01 * np.random.default_rng(0).standard_normal(160000), 16000)
    reader, said = build(corpus, tmp_path / "a.h5", capsys, "--length", "0.5", "--silence-share", "0.5")
    silence = reader.label == reader.labels.index("silence")
    assert silence.sum() == 10
    assert not reader.cut[silence].any()
    assert reader.cut[~silence].all()
    assert "20 recordings: longer than a clip" in said
