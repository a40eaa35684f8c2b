"""The public corpora of docs/corpora.md, small, under the names and in the folders that they are published with."""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
import soundfile
from folders import grid

from kwsfeat import preset
from kwsfeat.corpus.clip import Clip
from kwsfeat.pipeline.sources import Recordings, plan_recordings

WORDS = ["go", "happy", "stop"]
DIGITS = list("0123456789")
HASHES = [f"{0xABC000 + 77 * i:08x}" for i in range(12)]
TAKES = ["0", "1", "2"]


def recordings(root: Path, paths: list[str]) -> None:
    """Noise of a tenth of a second, another at each path, so that no two are copies."""
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        y = 0.1 * np.random.default_rng(zlib.crc32(path.encode())).standard_normal(1600)
        form = {"format": "OGG", "subtype": "OPUS"} if path.endswith(".opus") else {}
        soundfile.write(root / path, y, 48000 if path.endswith(".opus") else 16000, **form)


@dataclass(frozen=True)
class Entry:
    """A corpus: `write` makes it in a folder and gives what `build` gets; then what is expected of it, and of its options."""

    write: Callable[[Path], Path]
    layout: str
    classes: list[str]
    speakers: set[str]
    rule: str
    options: dict[str, str] = field(default_factory=dict)


def speech_commands(root: Path) -> Path:
    words = grid("{w}/{s}_nohash_{n}.wav", w=WORDS, s=HASHES, n=["0", "1"])
    recordings(root, [*words, "_background_noise_/pink_noise.wav", "_background_noise_/doing_the_dishes.wav"])
    (root / "testing_list.txt").write_text("\n".join(path for path in words if HASHES[0] in path))
    (root / "validation_list.txt").write_text("\n".join(path for path in words if HASHES[1] in path))
    for name in ("README.md", "LICENSE"):
        (root / name).write_text("text")
    return root


def kaggle(root: Path) -> Path:
    words = grid("{w}/{s}_nohash_0.wav", w=["yes", "no", "bed"], s=HASHES)
    recordings(root, [f"train/audio/{path}" for path in words])
    recordings(root, ["train/audio/_background_noise_/white_noise.wav", "test/audio/clip_000044442.wav", "test/audio/clip_0000adecb.wav"])
    (root / "train" / "testing_list.txt").write_text("\n".join(path for path in words if HASHES[0] in path))
    (root / "train" / "validation_list.txt").write_text("\n".join(path for path in words if HASHES[1] in path))
    (root / "sample_submission.csv").write_text("fname,label\nclip_000044442.wav,silence\n")
    return root


def fsdd(root: Path) -> Path:
    recordings(root, grid("recordings/{d}_{s}_{n}.wav", d=DIGITS, s=["theo", "jackson"], n=[str(i) for i in range(12)]))
    (root / "metadata.py").write_text("text")
    (root / "README.md").write_text("text")
    return root


def common_voice(root: Path) -> Path:
    folder, n = root / "cv-corpus-7.0-singleword" / "en", 0
    folder.mkdir(parents=True)
    head = "client_id\tpath\tsentence\tup_votes\tdown_votes\tage\tgender\taccent\tlocale\tsegment\n"
    for part, people in (("train", "abcd"), ("dev", "e"), ("test", "f")):
        rows = ""
        for person in people:
            for word in ("yes", "no", "Firefox"):
                name = f"common_voice_en_{18837156 + n}.mp3"
                recordings(folder, [f"clips/{name}"])
                rows += f"{person * 64}\t{name}\t{word}\t2\t0\t\t\t\ten\tSingleword Benchmark\n"
                n += 1
        (folder / f"{part}.tsv").write_text(head + rows)
    (folder / "reported.tsv").write_text("sentence\tsentence_id\tlocale\treason\n")
    return folder


def nemo(root: Path) -> Path:
    rows = []
    for path in grid("data/{w}/{s}_{n}.wav", w=WORDS, s=["ann", "bob", "eve", "joe"], n=TAKES):
        recordings(root, [path])
        rows.append({"audio_filepath": str(root / path), "duration": 0.1, "command": path.split("/")[1], "offset": 0.0})
    (root / "train_manifest.json").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return root / "train_manifest.json"


def audio_mnist(root: Path) -> Path:
    people = [f"{i:02d}" for i in range(1, 11)]
    recordings(root, grid("data/{s}/{d}_{s}_{n}.wav", s=people, d=DIGITS, n=["0", "1"]))
    (root / "data" / "audioMNIST_meta.txt").write_text("{}")
    return root


def hey_snips(root: Path) -> Path:
    for part, people in (("train", range(8)), ("dev", (8,)), ("test", (9,))):
        rows = []
        for person in people:
            for hot in (0, 0, 1):
                name = f"audio_files/{part}{person}-{len(rows):03d}-e825-4b0e.wav"
                recordings(root, [name])
                worker = f"{person:032x}"
                rows.append({"duration": 0.1, "worker_id": worker, "audio_file_path": name, "id": name[12:-4], "is_hotword": hot})
        (root / f"{part}.json").write_text(json.dumps(rows, indent=2))
    return root / "train.json"


def spoken_words(root: Path) -> Path:
    names = [f"{w}/common_voice_en_{170 * k + i}.opus" for k, w in enumerate(WORDS) for i in range(8)]
    recordings(root, [f"en/clips/{name}" for name in names])
    parts = ["TRAIN"] * 6 + ["DEV", "TEST"]
    rows = [f"{parts[i % 8]},{name},{name.split('/')[0]},True,{i % 8:064x},NAN" for i, name in enumerate(names)]
    (root / "en" / "en_splits.csv").write_text("SET,LINK,WORD,VALID,SPEAKER,GENDER\n" + "\n".join(rows))
    return root / "en"


def arabic(root: Path) -> Path:
    people = [f"{i:08d}" for i in range(1, 11)]
    recordings(root, grid("dataset/{w}/{s}_NO_0{n}.wav", w=["backward", "forward", "ok"], s=people, n=["1", "2"]))
    recordings(root, ["background_noise/a.wav"])
    (root / "README.md").write_text("text")
    return root


GALLERY = {
    "Speech Commands v2": Entry(speech_commands, "words", [*WORDS, "silence"], set(HASHES), "given"),
    "Kaggle's challenge": Entry(
        kaggle, "kaggle", ["yes", "no", "silence", "unknown"], set(HASHES), "given", {"labels": "yes,no,unknown,silence"}
    ),
    "Free Spoken Digit Dataset": Entry(fsdd, "fsdd", DIGITS, {"theo", "jackson"}, "given"),
    "Common Voice single word": Entry(common_voice, "commonvoice", ["Firefox", "no", "yes"], {c * 64 for c in "abcdef"}, "given"),
    "NeMo manifest": Entry(nemo, "manifest", WORDS, {""}, "stratified"),
    "AudioMNIST": Entry(audio_mnist, "speakers", DIGITS, {f"{i:02d}" for i in range(1, 11)}, "by-speaker"),
    "Hey Snips": Entry(hey_snips, "manifest", ["0", "1"], {f"{i:032x}" for i in range(8)}, "by-speaker"),
    "Multilingual Spoken Words": Entry(spoken_words, "words", WORDS, {""}, "stratified"),
    "Arabic Speech Commands": Entry(
        arabic, "words", ["backward", "forward", "ok", "silence"], {f"{i:08d}" for i in range(1, 11)}, "by-speaker"
    ),
}


def words_of(rows: Recordings) -> list[Clip]:
    return [clip for clip in rows.clips if clip.label != "silence"]


@pytest.mark.parametrize("name", GALLERY)
def test_a_public_corpus_is_read_as_it_is_published(name: str, tmp_path: Path) -> None:
    entry = GALLERY[name]
    rows = plan_recordings(entry.write(tmp_path / "c"), preset("logmel"), **entry.options)
    assert rows.corpus.layout == entry.layout
    assert list(rows.labels) == entry.classes
    assert {clip.speaker for clip in words_of(rows)} == entry.speakers
    assert rows.split.split(":")[0] == entry.rule
    assert rows.corpus.skipped == []
    assert {clip.split for clip in rows.clips} >= {"train", "test"}
    assert all((rows.corpus.root / clip.path).is_file() for clip in rows.clips)
    parts = [{clip.speaker for clip in words_of(rows) if clip.split == split} for split in ("train", "validation", "test")]
    unknown = any("speakers unknown" in note for note in rows.split_notes)
    assert unknown == (entry.speakers == {""})
    if len(entry.speakers) > 2:
        assert not parts[0] & parts[2]
        assert not parts[0] & parts[1]


def test_the_spoken_words_with_their_table_have_speakers_and_parts(tmp_path: Path) -> None:
    root = spoken_words(tmp_path / "c")
    rows = plan_recordings(root / "en_splits.csv", preset("logmel"))
    assert list(rows.labels) == WORDS
    assert len({clip.speaker for clip in rows.clips}) == 8
    assert rows.split == "given"
    assert [sum(clip.split == split for clip in rows.clips) for split in ("train", "validation", "test")] == [18, 3, 3]


def test_the_page_has_the_gallery() -> None:
    page = (Path(__file__).resolve().parents[3] / "docs" / "corpora.md").read_text(encoding="utf-8")
    gallery = page.partition("## Gallery")[2].partition("\n## ")[0]
    assert re.findall(r"^\| \*\*(.+?)\*\*", gallery, re.MULTILINE) == list(GALLERY)
    for row, entry in zip(re.findall(r"^\| \*\*.*", gallery, re.MULTILINE), GALLERY.values(), strict=True):
        assert f"`{entry.layout}`" in row
        assert entry.rule in row
