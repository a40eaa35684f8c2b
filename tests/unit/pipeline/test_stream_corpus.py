"""Streams: what the reference says is where and how loud it says, parts and speakers stay apart, equal arguments give equal samples."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import soundfile
from builds import run

from kwsfeat import AudioError, ConfigError, CorpusError, StoreError, list_streams
from kwsfeat.cli import main
from kwsfeat.pipeline.streams.background import find_negatives
from kwsfeat.pipeline.streams.mix import MixConfig, mix
from kwsfeat.pipeline.streams.spoken import Deck, SpokenClip, find_clips
from kwsfeat.pipeline.streams.write import make_streams

SR = 16000


@pytest.fixture(scope="module")
def negatives(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four noises of 20 s at two rates, three short pieces of music, and what is too short to use."""
    root = tmp_path_factory.mktemp("negatives")
    rng = np.random.default_rng(0)
    for name, n, seconds, sr in (("noise", 4, 20, 8000), ("music", 3, 7, SR), ("short", 1, 2, SR)):
        (root / name).mkdir()
        for i in range(n):
            soundfile.write(root / name / f"{i}.wav", 0.1 * rng.standard_normal(seconds * sr), sr)
    return root


def words_of(folder: Path) -> list[str]:
    return [one.word for stream in list_streams(folder) for one in stream.reference if one.word]


def test_a_corpus_of_streams(tiny_corpus: Path, negatives: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "streams"
    command = ["stream-corpus", str(tiny_corpus), str(out), "--words", "yes,no", "--negatives", str(negatives), "--length", "30"]
    assert main([*command, "--gap", "1:2", "--split", "train", "--json"]) == 0
    made = json.loads(capsys.readouterr().out)
    streams = list_streams(out)
    assert [stream.audio.name for stream in streams] == ["music-000.flac", *(f"noise-00{i}.flac" for i in range(3))]
    assert made["n_streams"] == 4
    assert made["hours"] == pytest.approx({"music": 21 / 3600, "noise": 80 / 3600})
    assert sum(made["said"].values()) == len(words_of(out))
    for stream in streams:
        info = soundfile.info(stream.audio)
        section, *said = stream.reference
        assert (section.source, section.word, section.start_s, section.end_s) == (stream.audio.name[:-9], "", 0.0, info.duration)
        assert {one.source for one in said} <= {"", "near-miss"}
        assert all((one.word in ("yes", "no")) == (one.source == "") for one in said)
        gaps = [b.start_s - a.end_s for a, b in pairwise(said)]
        assert len(said) > 3
        assert min(gaps) >= 1 - 1e-3
        assert max(gaps) <= 2 + 1e-3
        assert said[-1].end_s <= info.duration
    assert main(command) == 1
    assert "exists: choose another name or use --overwrite" in capsys.readouterr().err
    assert main([*command, "--overwrite", "--part", "1/2", "-q"]) == 0


def test_few_clips_that_are_said_often_are_said(
    tiny_corpus: Path, negatives: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["stream-corpus", str(tiny_corpus), str(tmp_path / "streams"), "--words", "yes,no", "--negatives", str(negatives)]
    assert main([*command, "--length", "30", "--gap", "1:2", "--split", "test", "--json"]) == 0
    printed, remarks = capsys.readouterr()
    made = json.loads(printed)
    for word in ("yes", "no"):
        assert 1 < made["recorded"][word] < 20
        assert f"{word}: {made['recorded'][word]} clips are said {made['said'][word]} times: little is learned from so few" in remarks


def test_equal_arguments_give_equal_samples(tiny_corpus: Path, negatives: Path, tmp_path: Path) -> None:
    choices = {"words": ["yes"], "negatives": [negatives], "split": "train", "config": MixConfig(gap_s=(1, 2), room=0.5)}
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        make_streams(tiny_corpus, tmp_path / name, seed=seed, **choices)
    a, b, c = ({path.name: path.read_bytes() for path in (tmp_path / name).iterdir()} for name in "abc")
    assert a == b
    assert a.keys() == c.keys()
    assert a["noise-000.flac"] != c["noise-000.flac"]


def test_parts_of_the_negatives_have_no_recording_in_common(tiny_corpus: Path, negatives: Path, tmp_path: Path) -> None:
    quiet = MixConfig(gap_s=(100, 100), level_db=(-20, -20))
    for k in (1, 2):
        make_streams(
            tiny_corpus, tmp_path / str(k), words=["yes"], negatives=[negatives], split="train", part=(k, 2), config=quiet, others=0
        )
    first, second = (np.concatenate([soundfile.read(s.audio)[0] for s in list_streams(tmp_path / k)]) for k in "12")
    assert len(first) == (40 + 14) * SR
    assert len(second) == (40 + 7) * SR
    spectra = [np.fft.rfft(y[: 40 * SR]) for y in (first, second)]
    shared = np.fft.irfft(spectra[0] * spectra[1].conj())
    assert np.abs(shared).max() < 10 * shared.std()  # of equal pieces it would be hundreds


def test_a_recording_that_is_there_again_is_heard_once(
    tiny_corpus: Path, negatives: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A folder that is given twice, and a copy of its first recording in another one, which would be in the other part."""
    (tmp_path / "more" / "noise").mkdir(parents=True)
    (tmp_path / "more" / "noise" / "z.wav").write_bytes((negatives / "noise" / "0.wav").read_bytes())
    given = [str(negatives / "noise"), str(negatives / "music" / ".." / "noise"), str(tmp_path / "more")]
    command = ["stream-corpus", str(tiny_corpus), str(tmp_path / "streams"), "--words", "yes", "--split", "train", "--json"]
    assert main([*command, *(part for folder in given for part in ("--negatives", folder))]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["hours"] == pytest.approx({"noise": 80 / 3600})
    assert f"5 recordings are there already, and counted once: {given[1]}/0.wav = {given[0]}/0.wav" in err
    first, second = ({path.read_bytes() for path in find_negatives(given, (k, 2))["noise"]} for k in (1, 2))
    assert (len(first), len(second), len(first & second)) == (2, 2, 0)


def test_words_in_noise_leave_the_negatives_as_they_are(tiny_corpus: Path, negatives: Path, tmp_path: Path) -> None:
    """The noise, 80 s in all, is repeated for as long as the two sources of negatives are, and it alone has words."""
    choices = {"words": ["yes"], "split": "train", "config": MixConfig(gap_s=(1, 2), level_db=(-20, -20)), "length_s": 15}
    music, noise = negatives / "music", negatives / "noise"
    made = make_streams(tiny_corpus, tmp_path / "in_noise", negatives=[music], noise=[noise], **choices)
    assert made.hours == pytest.approx({"music": 21 / 3600, "noise": 21 / 3600})
    make_streams(tiny_corpus, tmp_path / "over_all", negatives=[music], **choices)
    streams = {stream.audio.stem: stream for stream in list_streams(tmp_path / "in_noise")}
    assert list(streams) == ["music-000", "music-001", "noise-000", "noise-001"]
    for name, stream in streams.items():
        assert bool([one for one in stream.reference if one.word]) == name.startswith("noise")
    raw = np.concatenate([soundfile.read(music / f"{i}.wav")[0] for i in range(3)])[: 15 * SR]
    left, _ = soundfile.read(streams["music-000"].audio)
    assert np.corrcoef(left, raw)[0, 1] > 0.999
    with pytest.raises(ConfigError, match="music is a folder of the negatives and of the noise"):
        make_streams(tiny_corpus, tmp_path / "twice", negatives=[music], noise=[music], **choices)
    assert not (tmp_path / "twice").exists()


def test_what_fails_on_the_way_leaves_nothing_and_what_was_there(tiny_corpus: Path, negatives: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad"
    bad.mkdir()
    soundfile.write(bad / "a.wav", np.zeros(20 * SR), SR)
    (bad / "b.wav").write_bytes((bad / "a.wav").read_bytes()[:1000])
    choices = {"words": ["yes"], "split": "train", "length_s": 10}
    with pytest.raises(AudioError, match=r"b\.wav: truncated"):
        make_streams(tiny_corpus, tmp_path / "new", negatives=[negatives], noise=[bad], **choices)
    make_streams(tiny_corpus, tmp_path / "old", negatives=[negatives / "music"], **choices)
    before = {path.name: path.read_bytes() for path in (tmp_path / "old").iterdir()}
    with pytest.raises(AudioError):
        make_streams(tiny_corpus, tmp_path / "old", negatives=[bad], overwrite=True, **choices)
    assert {path.name: path.read_bytes() for path in (tmp_path / "old").iterdir()} == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bad", "old"]


def test_hours_are_shared_by_the_sources(tiny_corpus: Path, negatives: Path, tmp_path: Path) -> None:
    made = make_streams(tiny_corpus, tmp_path / "a", words=["yes"], negatives=[negatives], split="train", hours=0.015, length_s=10)
    assert made.hours == pytest.approx({"music": 0.005, "noise": 0.005}, rel=1e-3)


def test_words_are_as_loud_and_where_the_reference_says() -> None:
    """Words of one frequency in a background of another: their RMS and place can be measured in the mixture."""
    t = np.arange(SR // 2) / SR
    word = np.sin(2 * np.pi * 2000 * t).astype(np.float32) * np.float32(0.1)
    deck = Deck([SpokenClip("yes", "", lambda: word), SpokenClip("up", "", lambda: word)], ["yes"], 0.5)
    background = np.sin(2 * np.pi * 100 * np.arange(60 * SR) / SR).astype(np.float32)
    config = MixConfig(gap_s=(1, 2), snr_db=(0, 30), level_db=(-40, -20))
    y, (section, *said) = mix(background, "hum", deck, config, sr=SR, rng=np.random.default_rng(0))
    assert section.source == "hum"
    assert {one.word for one in said} == {"yes", "up"}
    assert {one.snr_db >= 15 for one in said} == {True, False}
    gap = y[: round(said[0].start_s * SR)]
    level_db = 20 * np.log10(np.sqrt(np.mean(gap**2)))
    assert -40.2 < level_db < -19.8
    for one in said:
        start = round(one.start_s * SR)
        assert round(one.end_s * SR) - start == len(word)
        amplitude = 2 * abs(np.mean(y[start : start + len(word)] * np.exp(-2j * np.pi * 2000 * t)))
        assert 20 * np.log10(amplitude / np.sqrt(2)) == pytest.approx(one.level_db, abs=0.1)
        assert one.level_db - level_db == pytest.approx(one.snr_db, abs=0.2)


def test_a_word_that_would_clip_is_softer_and_the_reference_says_so() -> None:
    word = np.sin(np.arange(8000) / 3).astype(np.float32)
    deck = Deck([SpokenClip("yes", "", lambda: word)], ["yes"], 0.0)
    background = np.random.default_rng(0).standard_normal(10 * SR).astype(np.float32)
    config = MixConfig(gap_s=(1, 1), snr_db=(40, 40), level_db=(-20, -20))
    y, (_, *said) = mix(background, "noise", deck, config, sr=SR, rng=np.random.default_rng(0))
    assert np.abs(y).max() <= 1
    assert all(one.snr_db == pytest.approx(16.9, abs=0.3) for one in said)


def test_words_do_not_stand_at_the_same_place_of_a_clip() -> None:
    """Positives that are always centred hide that a detector needs them there: against a grid of a second every phase occurs."""
    deck = Deck([SpokenClip("yes", "", lambda: np.ones(4000, np.float32))], ["yes"], 0.0)
    config = MixConfig(gap_s=(1, 5))
    _, (_, *said) = mix(np.ones(900 * SR, np.float32), "x", deck, config, sr=SR, rng=np.random.default_rng(0))
    counts, _ = np.histogram([one.start_s % 1 for one in said], 10, (0, 1))
    assert counts.min() > 0.5 * len(said) / 10


def test_no_clip_comes_twice_before_all_have_come() -> None:
    deck = Deck([SpokenClip("yes", str(i), lambda: np.ones(1)) for i in range(20)], ["yes"], 0.0)
    rng = np.random.default_rng(0)
    drawn = [deck.draw(rng).speaker for _ in range(40)]
    assert sorted(drawn[:20]) == sorted(drawn[20:]) == sorted(map(str, range(20)))
    assert drawn[:20] != drawn[20:]


def test_speakers_of_the_training_are_not_heard_in_the_test(tiny_corpus: Path, tmp_path: Path) -> None:
    """From the corpus and from the file that was built of it, the same clips."""
    path = tmp_path / "words.h5"
    run(tiny_corpus, path)
    of = {}
    for source in (tiny_corpus, path):
        for split in ("train", "test"):
            found = find_clips(source, split, sr=SR, words=["yes"], others=True)
            of[source, split] = {(clip.word, clip.speaker) for clip in found}
            assert all(0 < len(clip.load()) <= SR for clip in found)
        train, test = ({speaker for _, speaker in of[source, split]} for split in ("train", "test"))
        assert train
        assert test
        assert not train & test
    assert of[tiny_corpus, "test"] == of[path, "test"]


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ({"words": ["yess"]}, "no clip of 'yess' in its train split: it has no, up, yes"),
        ({"words": []}, "no word to place"),
        ({"words": ["yes", "no", "up"]}, "no clips of other words .* use --others 0"),
        ({"length_s": 5}, "length_s=5 must be from 10 to 3600"),
        ({"others": 1.5}, "others=1.5 must be a share"),
        ({"hours": 0}, "hours=0 must be > 0"),
        ({"part": (3, 2)}, "part 3/2 must be from 1/2 to 2/2"),
        ({"part": (5, 9)}, "no recording is left in part 5/9"),
    ],
)
def test_choices_that_cannot_be_are_one_line(
    tiny_corpus: Path, negatives: Path, tmp_path: Path, choices: dict[str, object], message: str
) -> None:
    with pytest.raises((ConfigError, CorpusError), match=message):
        make_streams(tiny_corpus, tmp_path / "a", **{"words": ["yes"], "negatives": [negatives], "split": "train", **choices})  # type: ignore[arg-type]
    assert not (tmp_path / "a" / "stream.toml").exists()


def test_a_split_of_augmented_clips_alone_is_said(tiny_corpus: Path, tmp_path: Path) -> None:
    path = tmp_path / "nine.h5"
    assert main(["build", str(tiny_corpus), str(path), "--features", "logmel", "--augment", "nine", "-q"]) == 0
    with pytest.raises(CorpusError, match="clips of words in its train split are augmented: take another split, or the recordings"):
        find_clips(path, "train", sr=SR, words=["yes"], others=True)
    assert find_clips(path, "test", sr=SR, words=["yes"], others=True)


def test_a_folder_with_other_files_is_left_alone(tiny_corpus: Path, negatives: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(StoreError, match="holds other files"):
        make_streams(tiny_corpus, tmp_path, words=["yes"], negatives=[negatives], overwrite=True)
    with pytest.raises(ConfigError, match="gap_s"):
        MixConfig(gap_s=(3, 2))
    with pytest.raises(ConfigError, match="room=2 must be a share"):
        MixConfig(room=2)


@pytest.mark.parametrize(("option", "value"), [("--gap", "5:1"), ("--snr", "loud"), ("--part", "1"), ("--gap", "-3")])
def test_wrong_options_are_wrong_usage(tmp_path: Path, capsys: pytest.CaptureFixture[str], option: str, value: str) -> None:
    assert main(["stream-corpus", "x", str(tmp_path / "o"), "--words", "yes", "--negatives", "y", option, value]) == 2
    assert "Error" in (err := capsys.readouterr().err) or "gap_s" in err
