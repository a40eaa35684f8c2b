"""The synthetic corpus: equal arguments give equal bytes, voices differ, the speaker hash finds all three parts."""

from __future__ import annotations

import builtins
import hashlib
import io
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from click.testing import CliRunner

from kwsfeat.audio.synthetic import silence_wav
from kwsfeat.cli import cli
from kwsfeat.corpus.acquire import espeak, synth
from kwsfeat.corpus.find import find_corpus
from kwsfeat.corpus.labels import apply_labels
from kwsfeat.corpus.splits import assign_splits
from kwsfeat.errors import CorpusError, MissingExtraError

pytest.importorskip("espeakng_loader", reason="no espeak-ng wheel for this platform")

WORDS = ("yes", "no", "stop")


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("synth") / "demo"
    assert synth.synth_corpus(folder, WORDS, n_voices=10, n_takes=2) == 60
    return folder


def digest(folder: Path) -> dict[str, str]:
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.rglob("*.wav")}


def test_equal_arguments_give_equal_bytes(corpus: Path, tmp_path: Path) -> None:
    synth.synth_corpus(tmp_path / "again", WORDS, n_voices=10, n_takes=2)
    assert digest(tmp_path / "again") == digest(corpus)
    synth.synth_corpus(tmp_path / "other", WORDS, n_voices=10, n_takes=2, seed=1)
    assert not set(digest(tmp_path / "other").values()) & set(digest(corpus).values())


def test_every_clip_is_a_second_of_speech_in_a_little_noise(corpus: Path) -> None:
    places = []
    for path in corpus.glob("[!_]*/*.wav"):
        y, sr = soundfile.read(path)
        assert (sr, y.shape) == (16000, (16000,))
        assert 0.05 < np.abs(y).max() <= 1.0
        power = np.square(y).reshape(50, -1).mean(axis=1)
        assert power.max() > 5 * np.quantile(power, 0.1)
        places.append(int(np.argmax(power)))
    assert len(set(places)) > 15


def test_no_two_clips_are_equal(corpus: Path) -> None:
    assert len(set(digest(corpus).values())) == 60 + 5


def test_it_is_a_speech_commands_folder_with_three_parts(corpus: Path) -> None:
    found = find_corpus(corpus)
    assert found.layout == "words"
    assert len({clip.speaker for clip in found.clips}) == 10
    assert Counter(clip.split for clip in assign_splits(found.clips)) == {"train": 48, "validation": 6, "test": 6}
    clips, labels = apply_labels(found)
    assert labels == ("no", "stop", "yes", "silence")
    assert sum(clip.label == "silence" for clip in clips) == 50


def test_the_noises_have_their_colours(corpus: Path) -> None:
    def octave_db(name: str) -> float:
        """Power of 2-4 kHz over that of 0.5-1 kHz, a Hz."""
        y, _ = soundfile.read(corpus / "_background_noise_" / f"{name}.wav")
        power = np.abs(np.fft.rfft(y)) ** 2
        hz = np.fft.rfftfreq(len(y), 1 / 16000)
        return float(10 * np.log10(power[(hz > 2000) & (hz < 4000)].mean() / power[(hz > 500) & (hz < 1000)].mean()))

    assert octave_db("white") == pytest.approx(0, abs=0.3)
    assert octave_db("pink") == pytest.approx(-6, abs=0.5)
    assert octave_db("brown") == pytest.approx(-12, abs=0.5)
    hum, _ = soundfile.read(corpus / "_background_noise_" / "hum.wav")
    assert np.argmax(np.abs(np.fft.rfft(hum))) == 50 * len(hum) // 16000
    assert (corpus / "_background_noise_" / "babble.wav").stat().st_size > 300_000


def test_a_second_run_may_repeat_but_not_mix(corpus: Path) -> None:
    before = digest(corpus)
    synth.synth_corpus(corpus, WORDS, n_voices=10, n_takes=2)
    assert digest(corpus) == before
    with pytest.raises(CorpusError, match="not part of this corpus"):
        synth.synth_corpus(corpus, ["yes"], n_voices=10, n_takes=2)


def test_words_are_checked(tmp_path: Path) -> None:
    for word in ("a/b", "_x", "..", "."):
        with pytest.raises(CorpusError, match="cannot be a folder"):
            synth.synth_corpus(tmp_path, [word])
    with pytest.raises(CorpusError, match="no words"):
        synth.synth_corpus(tmp_path, [])
    with pytest.raises(CorpusError, match="voices=0"):
        synth.synth_corpus(tmp_path, ["yes"], n_voices=0)


def test_long_words_keep_their_length(tmp_path: Path) -> None:
    synth.synth_corpus(tmp_path, ["antidisestablishmentarianism"], n_voices=1, n_takes=1)
    (path,) = tmp_path.glob("anti*/*.wav")
    assert soundfile.info(path).duration > 1.0


def test_words_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "words.txt").write_text("größe\n\n yes \nyes\n", encoding="utf-8")
    assert synth.read_words(str(tmp_path / "words.txt")) == ["größe", "yes"]
    assert synth.read_words("yes, no,,yes") == ["yes", "no"]


def test_silence_is_quiet_and_repeats() -> None:
    levels = []
    for i in range(12):
        y, sr = soundfile.read(io.BytesIO(silence_wav(i)))
        assert (sr, len(y)) == (16000, 16000)
        levels.append(10 * np.log10(np.mean(np.square(y))))
    assert -85 < min(levels) < max(levels) < -38
    assert silence_wav(3) == silence_wav(3)
    assert len({silence_wav(i) for i in range(12)}) == 12


def test_without_espeak_the_alternatives_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real_import = builtins.__import__

    def no_wheel(name: str, *args: Any) -> Any:
        if name == "espeakng_loader":
            raise ImportError("No module named 'espeakng_loader'")
        return real_import(name, *args)

    monkeypatch.setattr(builtins, "__import__", no_wheel)
    monkeypatch.setattr(espeak, "find_library", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"pip install '\.\[demo\]'.*kwsfeat fetch.*folder per word"):
        synth.synth_corpus(tmp_path, ["yes"])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("bed", [["b", "'E", "d"]]),
        ("hey [[m'A@vIn]]", [["h", "'eI"], ["m", "'A@", "v", "I", "n"]]),
        ("[[tS'3:tS, dZ'u:Ti]]", [["tS", "'3:", "tS"], ["dZ", "'u:", "T", "i"]]),
        ("open, please", [["'oU", "p", "@", "n"], ["p", "l", "'i:", "z"]]),
        ("...", []),
        ("", []),
    ],
)
def test_phonemes_of_each_word(text: str, words: list[list[str]]) -> None:
    assert espeak.phonemes(text) == words


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="needs Linux's list of what is mapped")
def test_no_copy_of_the_library_stays_loaded(tmp_path: Path) -> None:
    def loaded() -> int:
        return sum("espeak" in line and "r-xp" in line for line in Path("/proc/self/maps").read_text().splitlines())

    before = loaded()
    assert [len(synth.speak("marvin", 2)), len(list(synth.speak_lines(["yes", "no"]))), len(espeak.phonemes("hey"))] == [2, 2, 1]
    synth.synth_corpus(tmp_path / "words", ["yes"], n_voices=2)
    assert loaded() == before
    rest = synth.speak_lines(["yes", "no"])
    first = next(rest)
    assert espeak.phonemes("hey") == [["h", "'eI"]]  # in the middle of the other
    assert min(first[1].size, next(rest)[1].size) > 4000
    assert loaded() == before + 1
    rest.close()
    assert loaded() == before


def test_the_command(tmp_path: Path) -> None:
    result = CliRunner().invoke(cli, ["synth", str(tmp_path / "demo"), "--words", "yes,no", "--voices", "2", "--takes", "3"])
    assert result.exit_code == 0
    assert result.stdout == f"{tmp_path / 'demo'}: 12 clips, 2 words, 2 synthetic voices\n"
    assert len(list((tmp_path / "demo" / "yes").glob("*_nohash_*.wav"))) == 6
