"""Six corpora on which version 0.1.0 ended wrong, useless or inflated without a word; each now ends right, or says what cures it.

The recordings are tones; what counts here is how files are called and where they lie.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray
from tones import tone_clip

from kwsfeat import Reader
from kwsfeat.cli import main

pytestmark = pytest.mark.slow
WORDS = ("hello", "lights", "music")
Capture = pytest.CaptureFixture[str]


def corpus(root: Path, paths: Iterable[tuple[str, int]], late: bool = False) -> Path:
    """Recordings at (path, number of the word); `late` puts a second of near-silence before each word."""
    for take, (path, word) in enumerate(paths):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        y = tone_clip(word, take)
        if late:
            y = np.concatenate([1e-4 * np.random.default_rng(take).standard_normal(16000).astype(np.float32), y])
        soundfile.write(root / path, y, 16000, subtype="PCM_16")
    return root


def said(capsys: Capture, *arguments: str, code: int = 0) -> list[str]:
    """The lines that a command says on both streams."""
    assert main(list(arguments)) == code
    out, err = capsys.readouterr()
    return [*err.splitlines(), *out.splitlines()]


def build(capsys: Capture, root: Path, *options: str, code: int = 0) -> tuple[Reader, list[str]]:
    output = root.parent / "out.h5"
    lines = said(capsys, "build", str(root), str(output), "--overwrite", *options, code=code)
    return Reader(output), lines


def recorded(file: Reader) -> NDArray[np.bool_]:
    """The rows that are not silence that was made."""
    return ~np.char.startswith(file.source, "synthetic-silence/")


def classes(file: Reader) -> dict[str, int]:
    """The recordings of each class; words alone have a class silence that was made."""
    counts = {label: int((file.label[recorded(file)] == i).sum()) for i, label in enumerate(file.labels)}
    if counts.get("silence") == 0:
        assert (file.label[~recorded(file)] == file.labels.index("silence")).sum() >= 5
        del counts["silence"]
    return counts


def speakers_by_split(file: Reader) -> list[set[str]]:
    return [set(file.speaker[(file.split == split) & recorded(file)].tolist()) for split in ("train", "validation", "test")]


def line_with(lines: list[str], *words: str) -> str:
    (found,) = [line for line in lines if all(word in line for word in words)]
    return found


SPEAKER_IDS = {
    "names in one folder": "{speaker}_{word}_{take}.wav",
    "folders, names that repeat the speaker": "data/{speaker}/{word}_{speaker}_{take}.wav",
    "folders, words in the names": "{speaker}/{word}-{take}.wav",
    "folders in folders": "{speaker}/{word}/{take}.wav",
}


@pytest.mark.parametrize("pattern", SPEAKER_IDS.values(), ids=SPEAKER_IDS.keys())
def test_labels_that_were_speaker_ids(pattern: str, tmp_path: Path, capsys: Capture) -> None:
    people = ("p01", "p02", "p03", "p04")
    paths = [(pattern.format(speaker=s, word=w, take=n), i) for s in people for i, w in enumerate(WORDS) for n in range(3)]
    root = corpus(tmp_path / "c", paths)
    file, lines = build(capsys, root)
    with file:
        assert classes(file) == dict.fromkeys(WORDS, 12)
        parts = speakers_by_split(file)
    assert set.union(*parts) == set(people)
    assert sum(map(len, parts)) == len(people)  # nobody is in two
    assert all(parts)
    assert line_with(lines, "split by-speaker")
    assert line_with(lines, "no speaker is in two splits (4 speakers)")
    table = said(capsys, "scan", str(root))
    assert all(any(line.split()[:2] == [word, "12"] for line in table) for word in WORDS)
    assert not any(line.startswith("p01 ") for line in table)


def test_one_class_called_audio(tmp_path: Path, capsys: Capture) -> None:
    paths = [(f"audio/{w}/{n}.wav", i) for i, w in enumerate(WORDS) for n in range(10)]
    root = corpus(tmp_path / "c", paths)
    (root / "README.md").write_text("text")
    file, lines = build(capsys, root)
    with file:
        assert classes(file) == dict.fromkeys(WORDS, 10)
        assert [int((recorded(file) & (file.split == split)).sum()) for split in ("train", "validation", "test")] == [24, 3, 3]
        assert file.labels == (*sorted(WORDS), "silence")
    assert line_with(lines, "10 clips of silence are synthesised", "--silence-share says how many, 0 leaves the class out")
    assert line_with(lines, "speakers unknown", "the score will be too good", "--pattern '{label}/{speaker}/*'")
    assert line_with(said(capsys, "scan", str(root)), "total", "40", "100.00 %")


def test_one_class_that_is_one(tmp_path: Path, capsys: Capture) -> None:
    root = corpus(tmp_path / "c", [(f"audio/{n}.wav", n % 3) for n in range(12)])
    file, lines = build(capsys, root)
    with file:
        assert classes(file) == {"audio": 12}
    assert line_with(lines, "one class only, 'audio'", "--silence-share 0.5", "other words")
    for told in (lines, said(capsys, "scan", str(root))):
        assert line_with(told, "all recordings have one label, 'audio'")
        assert line_with(told, "--label-level N", "--pattern")


def test_wake_words_merged_with_their_negatives(tmp_path: Path, capsys: Capture) -> None:
    kinds = ("not-wake-words", "wake-word")
    paths = [(f"{w}/{k}/{n}.wav", i) for w in ("alexa", "computer") for i, k in enumerate(kinds) for n in range(6)]
    root = corpus(tmp_path / "c", paths)
    for command in (["scan", str(root)], ["build", str(root), str(tmp_path / "never.h5")]):
        (line,) = said(capsys, *command, code=1)
        assert "the label 'alexa' would hold wake-word/ and not-wake-words/ alike" in line
        assert "--label-level 2 makes labels of the inner folders" in line
    assert not (tmp_path / "never.h5").exists()
    file, _ = build(capsys, root, "--label-level", "2")
    with file:
        assert classes(file) == dict.fromkeys(kinds, 12)
    file, _ = build(capsys, root / "alexa")
    with file:
        assert classes(file) == dict.fromkeys(kinds, 6)


INFLATED = {
    "a code in the name": "dataset/{word}/{speaker}_NO_0{take}.wav",
    "a folder": "{word}/{speaker}/{take}.wav",
}


@pytest.mark.parametrize("pattern", INFLATED.values(), ids=INFLATED.keys())
def test_speakers_in_train_and_test(pattern: str, tmp_path: Path, capsys: Capture) -> None:
    people = [f"{s:08d}" for s in range(1, 11)]
    paths = [(pattern.format(word=w, speaker=s, take=n), i) for i, w in enumerate(WORDS) for s in people for n in range(1, 4)]
    root = corpus(tmp_path / "c", paths)
    file, lines = build(capsys, root)
    with file:
        assert classes(file) == dict.fromkeys(WORDS, 30)
        parts = speakers_by_split(file)
        assert [len(part) for part in parts] == [8, 1, 1]
        assert set.union(*parts) == set(people)
        assert all(set(file.label[file.rows(split)]) >= {0, 1, 2} for split in ("train", "validation", "test"))
    assert line_with(lines, "10 speakers read from the names")
    assert line_with(lines, "split by-speaker")
    file, lines = build(capsys, root, "--split", "stratified")
    file.close()
    assert line_with(lines, "of 10 speakers", "are in more than one split: by-speaker keeps them apart")
    assert "speakers in more than one split: none" in said(capsys, "scan", str(root))


def test_half_of_the_audio_cut_away(tmp_path: Path, capsys: Capture) -> None:
    paths = [(f"{w}/{n}.wav", i) for i, w in enumerate(WORDS) for n in range(10)]
    root = corpus(tmp_path / "c", paths, late=True)
    file, lines = build(capsys, root, "--crop", "center")
    with file:
        cut = np.square(file.audio[recorded(file)], dtype=np.float64).sum(axis=1)  # the middle second: half of the word
    assert line_with(lines, "30 recordings: longer than a clip, and its loudest part was cut off: --crop loudest keeps it")
    assert line_with(said(capsys, "scan", str(root)), "the loudest second is not the middle one", "build --crop loudest", ": 30")
    file, lines = build(capsys, root)
    assert line_with(lines, "most recordings are longer than a clip of 1 s: the loudest 1 s of each are kept", "--length auto")
    with file:
        whole = np.square(file.audio[recorded(file)], dtype=np.float64).sum(axis=1)
        assert (whole > 1.25 * cut).all()
        assert classes(file) == dict.fromkeys(WORDS, 10)
    assert not any("loudest part was cut off" in line for line in lines)


def test_a_good_corpus(tmp_path: Path, capsys: Capture) -> None:
    people = [f"{0xABC000 + s:08x}" for s in range(30)]
    paths = [(f"{w}/{s}_nohash_{n}.wav", i) for i, w in enumerate(WORDS) for s in people for n in range(2)]
    root = corpus(tmp_path / "c", [*paths, ("_background_noise_/hum.wav", 0)])
    file, lines = build(capsys, root)
    with file:
        assert classes(file) == {**dict.fromkeys(WORDS, 60), "silence": 1}
        parts = speakers_by_split(file)
        assert sum(len(part - {""}) for part in parts) == len(people)
    assert line_with(lines, "layout words, 181 clips, 4 classes")
    assert line_with(lines, "split speaker-hash")
    assert line_with(lines, "no speaker is in two splits (30 speakers)")
    assert not any(word in line for line in lines for word in ("unknown", "doubt", "--layout", "cut off", "skipped"))
    found = said(capsys, "scan", str(root))
    assert not any("--" in line for line in found)
