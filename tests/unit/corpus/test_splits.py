"""Splits: exact counts, stable when files are added, no speaker in two parts."""

from __future__ import annotations

import os
import tracemalloc
from collections import Counter
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
import soundfile

from kwsfeat.cli import main
from kwsfeat.config.features import FeatureConfig
from kwsfeat.corpus.clip import Clip
from kwsfeat.corpus.find import find_corpus
from kwsfeat.corpus.labels import apply_labels
from kwsfeat.corpus.same_source import equal_recordings, shared_sources, twins
from kwsfeat.corpus.split_notes import split_notes
from kwsfeat.corpus.splits import assign_splits, chosen_rule, empty_classes, fold_numbers, parse_rule, speakers_in_several_splits, which_set
from kwsfeat.dataset.reader import Reader
from kwsfeat.errors import ConfigError, CorpusError
from kwsfeat.pipeline.sources import plan_recordings
from kwsfeat.pipeline.variants import corpus_noise


def clips_of(n_words: int = 10, n_speakers: int = 20, n_takes: int = 2, nohash: bool = False) -> list[Clip]:
    name = "{s:08x}_nohash_{t}.wav" if nohash else "s{s}-{t}.wav"
    return [
        Clip(f"w{w}/{name.format(s=s, t=t)}", f"w{w}", f"{s:08x}" if nohash else f"s{s}")
        for w in range(n_words)
        for s in range(n_speakers)
        for t in range(n_takes)
    ]


def parts(clips: list[Clip]) -> dict[str, int]:
    return dict(Counter(clip.split for clip in clips))


def test_which_set_is_the_rule_of_speech_commands(kws_data: Path) -> None:
    for split, name in (("validation", "validation_list.txt"), ("test", "testing_list.txt")):
        listed = (kws_data / "speech_commands" / name).read_text().split()
        assert {which_set(path) for path in listed} == {split}
    assert all(which_set(clip.path) == clip.split for clip in find_corpus(kws_data / "speech_commands").clips)


def test_which_set_on_known_names() -> None:
    """From the published validation and testing lists of v0.02."""
    assert which_set("bed/0c40e715_nohash_0.wav") == "test"
    assert which_set("0c40e715_nohash_5.flac") == "test"
    assert which_set("anything/00f0204f_nohash_0.wav") == "train"


def test_auto_takes_lists_then_the_hash_then_speakers_then_stratified() -> None:
    hashed = clips_of(nohash=True)
    assert [clip.split for clip in assign_splits(hashed)] == [which_set(clip.path) for clip in hashed]
    assert parts(assign_splits(clips_of())) == {"train": 320, "validation": 40, "test": 40}
    assert chosen_rule(clips_of(), "auto") == "by-speaker"
    assert chosen_rule(clips_of(), "auto:60/20/20") == "by-speaker:60/20/20"
    assert chosen_rule([replace(clip, speaker="") for clip in clips_of()], "auto") == "stratified"
    assert chosen_rule(clips_of(n_speakers=2), "auto") == "stratified"
    given = [Clip("a.wav", "a", split="test"), Clip("b.wav", "a", split="train"), Clip("c.wav", "a", split="validation")]
    assert assign_splits(given) == given


EXACT = {
    "stratified": (320, 40, 40),
    "80/20": (320, 0, 80),
    "75/25": (300, 0, 100),
    "90/10": (360, 0, 40),
    "stratified:60/20/20": (240, 80, 80),
}


@pytest.mark.parametrize(("rule", "expected"), EXACT.items())
def test_stratified_counts_are_exact_in_every_label(rule: str, expected: tuple[int, int, int]) -> None:
    clips = assign_splits(clips_of(), rule, seed=2017)
    assert tuple(parts(clips).get(split, 0) for split in ("train", "validation", "test")) == expected
    for w in range(10):
        of_word = parts([clip for clip in clips if clip.label == f"w{w}"])
        assert tuple(10 * of_word.get(split, 0) for split in ("train", "validation", "test")) == expected


def test_the_seed_decides_and_the_order_does_not() -> None:
    clips = clips_of()
    for rule in ("stratified", "by-speaker", "folds"):
        first = {clip.path: clip.split for clip in assign_splits(clips, rule, seed=1)}
        assert first == {clip.path: clip.split for clip in assign_splits(clips[::-1], rule, seed=1)}
        assert first != {clip.path: clip.split for clip in assign_splits(clips, rule, seed=2)}


def test_added_files_move_at_most_the_clips_at_the_borders() -> None:
    before = {clip.path: clip.split for clip in assign_splits(clips_of(n_words=1, n_speakers=100), "stratified")}
    after = assign_splits([*clips_of(n_words=1, n_speakers=100), Clip("w0/new.wav", "w0", "new")], "stratified")
    moved = [clip.path for clip in after if clip.path in before and clip.split != before[clip.path]]
    assert len(moved) <= 2


def test_added_files_never_move_a_hashed_clip() -> None:
    before = {clip.path: clip.split for clip in assign_splits(clips_of(nohash=True, n_speakers=50), "speaker-hash")}
    after = assign_splits(clips_of(nohash=True, n_speakers=60), "speaker-hash")
    assert all(clip.split == before[clip.path] for clip in after if clip.path in before)


def test_the_hash_rule_takes_the_speaker_of_any_layout() -> None:
    clips = assign_splits(clips_of(n_speakers=300, n_takes=1), "speaker-hash")
    assert speakers_in_several_splits(clips) == []
    share = np.array([parts(clips)[split] for split in ("train", "validation", "test")]) / len(clips)
    np.testing.assert_allclose(share, (0.8, 0.1, 0.1), atol=0.06)


def test_no_speaker_is_in_two_parts_by_speaker() -> None:
    for rule, expected in (
        ("by-speaker", (0.8, 0.1, 0.1)),
        ("by-speaker:80/20", (0.8, 0, 0.2)),
        ("by-speaker:50/25/25", (0.5, 0.25, 0.25)),
    ):
        clips = assign_splits(clips_of(n_speakers=40), rule, seed=3)
        assert speakers_in_several_splits(clips) == []
        share = [parts(clips).get(split, 0) / len(clips) for split in ("train", "validation", "test")]
        np.testing.assert_allclose(share, expected, atol=0.03)


def test_by_speaker_gives_every_part_a_speaker() -> None:
    clips = assign_splits(clips_of(n_speakers=3), "by-speaker")
    assert set(parts(clips)) == {"train", "validation", "test"}
    with pytest.raises(CorpusError, match="at least 3 known speakers, and the corpus has 2"):
        assign_splits(clips_of(n_speakers=2), "by-speaker")


def test_shared_speakers_are_named() -> None:
    clips = [
        Clip("a.wav", "a", "ann", "train"),
        Clip("b.wav", "a", "ann", "test"),
        Clip("c.wav", "a", "bob", "test"),
        Clip("d.wav", "a", "", "train"),
    ]
    assert speakers_in_several_splits(clips) == ["ann"]


@pytest.mark.parametrize("n_speakers", [20, 3])
def test_folds_cover_every_clip_once(n_speakers: int) -> None:
    clips = clips_of(n_speakers=n_speakers, n_takes=10)
    numbers = fold_numbers(clips, 5, seed=1)
    sizes = np.bincount(numbers, minlength=5)
    assert sizes.sum() == len(clips)
    assert sizes.max() - sizes.min() <= 0.25 * len(clips) / 5
    tested = [clip.path for k in range(5) for clip in assign_splits(clips, "folds", folds=5, fold=k, seed=1) if clip.split == "test"]
    assert sorted(tested) == sorted(clip.path for clip in clips)
    one = assign_splits(clips, "folds", folds=5, fold=0, seed=1)
    assert set(parts(one)) == {"train", "validation", "test"}
    if n_speakers >= 5:
        assert speakers_in_several_splits(one) == []


def test_folds_on_the_command_line(tiny_corpus: Path, tmp_path: Path) -> None:
    tested = []
    for fold in range(4):
        path = tmp_path / f"{fold}.h5"
        assert main(["build", str(tiny_corpus), str(path), "--folds", "4", "--fold", str(fold), "--silence-share", "0", "--quiet"]) == 0
        with Reader(path) as reader:
            tested += reader.source[reader.rows("test")].tolist()
    assert len(tested) == len(set(tested)) == 72


def test_two_folds_have_no_validation_part() -> None:
    assert set(parts(assign_splits(clips_of(), "folds", folds=2))) == {"train", "test"}
    with pytest.raises(ConfigError, match="fold=5 between 0 and folds - 1"):
        assign_splits(clips_of(), "folds", folds=5, fold=5)


def test_what_the_corpus_leaves_open_is_cut(tmp_path: Path) -> None:
    """A label with a test part gets a validation part from the rest; a label without one is cut in three."""
    clips = [Clip(f"a/{i}.wav", "a", split="test" if i < 10 else "") for i in range(100)] + [Clip(f"b/{i}.wav", "b") for i in range(100)]
    out = assign_splits(clips)
    assert parts([clip for clip in out if clip.label == "a"]) == {"test": 10, "validation": 9, "train": 81}
    assert parts([clip for clip in out if clip.label == "b"]) == {"test": 10, "validation": 10, "train": 80}
    assert all(clip.split == "test" for clip in out[:10])


def test_rules_and_shares_are_checked() -> None:
    assert parse_rule("by-speaker:80/10/10") == ("by-speaker", (0.8, 0.1, 0.1))
    with pytest.raises(ConfigError, match=r"'speaker' is not a split rule: did you mean by-speaker"):
        parse_rule("speaker")
    for shares in ("80/30", "80", "a/b", "80/30/-10", "20/20/20/40"):
        with pytest.raises(ConfigError, match="add up to 100"):
            parse_rule(f"stratified:{shares}")
    with pytest.raises(CorpusError, match="split 'given' needs"):
        assign_splits(clips_of(), "given")


def test_system_e_and_the_official_digits(kws_data: Path) -> None:
    clips, _ = apply_labels(find_corpus(kws_data / "fsdd"))
    stratified = assign_splits(clips, "80/20")
    assert parts(stratified) == {"train": 1600, "test": 400}
    assert set(Counter((clip.label, clip.split) for clip in stratified).values()) == {160, 40}
    official = assign_splits(clips)
    assert parts(official) == {"train": 1620, "validation": 180, "test": 200}
    assert all((clip.split == "test") == (int(clip.path.rsplit("_", 1)[1][:-4]) < 5) for clip in official)


RULES = ("auto", "stratified", "by-speaker", "speaker-hash", "folds")


def noise_pieces(n_files: int, seconds: int, *, overlapping: bool = False) -> list[Clip]:
    step = 4000 if overlapping else 16000
    starts = range(0, 16000 * (seconds - 1) + 1, step)
    return [Clip(f"noise/{k}.wav", "silence", start=s, stop=s + 16000) for k in range(n_files) for s in starts]


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("nohash", [True, False])
def test_silence_and_unknown_never_change_the_rule_or_a_part(rule: str, nohash: bool) -> None:
    clips = clips_of(n_words=3, nohash=nohash)
    others = noise_pieces(4, 200) + [Clip(f"other/{i}.wav", "unknown") for i in range(500)]
    assert chosen_rule(clips + others, rule) == chosen_rule(clips, rule)
    assert assign_splits(clips + others, rule)[: len(clips)] == assign_splits(clips, rule)


@pytest.mark.parametrize("rule", RULES)
def test_a_noise_file_lies_in_one_split_where_there_are_three(rule: str) -> None:
    clips = assign_splits(clips_of(n_words=2, nohash=True) + noise_pieces(6, 60, overlapping=True), rule)
    of_file = {k: {clip.split for clip in clips if clip.path == f"noise/{k}.wav"} for k in range(6)}
    assert all(len(splits) == 1 for splits in of_file.values())
    assert set.union(*of_file.values()) == {"train", "validation", "test"}


@pytest.mark.parametrize("rule", RULES)
def test_pieces_of_one_noise_file_share_no_sample_across_splits(rule: str, tmp_path: Path) -> None:
    (tmp_path / "_background_noise_").mkdir()
    soundfile.write(tmp_path / "_background_noise_" / "n.wav", np.ones(160000, np.int16), 16000)
    for word in ("yes", "no"):
        (tmp_path / word).mkdir()
        for i in range(60):
            soundfile.write(tmp_path / word / f"{i % 30:08x}_nohash_{i // 30}.wav", np.ones(160, np.int16), 16000)
    clips, _ = apply_labels(find_corpus(tmp_path), silence_share=1.0)
    silence = [clip for clip in assign_splits(clips, rule) if clip.label == "silence"]
    assert len(silence) == 120
    assert {clip.split for clip in silence} == {"train", "validation", "test"}
    assert not [(a, b) for a, b in combinations(silence, 2) if a.split != b.split and abs(a.start - b.start) < 16000]


PARTS = {"train": "train", "val": "validation", "test": "test"}


def parts_with_noise(root: Path, noise: tuple[str, ...], order: str = "{part}/{word}/{n}.wav") -> Path:
    """Words in three parts, and two noise files of 4 s in each part of `noise`."""
    for part in PARTS:
        for word in ("yes", "no", "_background_noise_") if part in noise else ("yes", "no"):
            for n in range(2):
                path = root / order.format(part=part, word=word, n=n)
                path.parent.mkdir(parents=True, exist_ok=True)
                soundfile.write(path, np.full(64000 if word.startswith("_") else 160, len(part), np.int16), 16000)
    return root


@pytest.mark.parametrize("kind", ["parts", "wrapped", "inside", "manifest", "pattern"])
def test_noise_stays_in_the_parts_that_the_corpus_gives_it(tmp_path: Path, kind: str) -> None:
    order = "{word}/{part}/{n}.wav" if kind == "inside" else "{part}/{word}/{n}.wav"
    root = source = parts_with_noise(tmp_path / "c" / "data", ("train", "test"), order)
    if kind == "wrapped":
        (tmp_path / "c" / "noise").mkdir()
        soundfile.write(tmp_path / "c" / "noise" / "more.wav", np.ones(16000, np.int16), 16000)
        source = tmp_path / "c"
    elif kind == "manifest":
        paths = [path.relative_to(root) for path in root.rglob("*.wav")]
        source = root / "m.csv"
        source.write_text("path,label,split\n" + "".join(f"{path},{path.parts[1]},{PARTS[path.parts[0]]}\n" for path in paths))
    rows = plan_recordings(source, FeatureConfig(), pattern="{split}/{label}/*" if kind == "pattern" else None)
    clips = [clip for clip in rows.clips if clip.label == "silence" and "more.wav" not in clip.path]
    assert len(clips) == 16
    assert {clip.split == ("test" if "test/" in clip.path else "train") for clip in clips} == {True}
    kept = corpus_noise(rows.corpus, 16000, [clip for clip in rows.clips if clip.label != "silence"])
    assert kept is not None
    assert sorted(kept.length.tolist()) == [16000] * (kind == "wrapped") + [64000] * 2
    again = assign_splits(rows.clips, "stratified")
    assert {clip.split for clip in again if "train/" in clip.path and clip.label == "silence"} != {"train"}


def test_noise_for_training_only_is_cut_as_noise_without_a_part(tmp_path: Path) -> None:
    rows = plan_recordings(parts_with_noise(tmp_path, ("train",)), FeatureConfig())
    assert rows.corpus.layout == "parts"
    assert {clip.split for clip in rows.clips if clip.label == "silence"} == {"train", "validation", "test"}


@pytest.mark.parametrize("rule", ["stratified", "folds", "80/20"])
def test_pieces_of_a_recording_stay_together(rule: str) -> None:
    clips = [Clip(f"{k}.wav", f"w{i % 2}", start=16000 * i, stop=16000 * (i + 1)) for k in range(20) for i in range(10)]
    out = assign_splits(clips, rule)
    assert all(len({clip.split for clip in out if clip.path == f"{k}.wav"}) == 1 for k in range(20))
    assert len(set(parts(out))) > 1


def test_pieces_of_a_single_recording_are_told_apart_by_their_samples() -> None:
    clips = [Clip("talk.wav", "yes", start=8000 * i, stop=8000 * i + 12000) for i in range(2)]
    clips += [Clip("talk.wav", "yes", start=100_000 + 16000 * i, stop=116_000 + 16000 * i) for i in range(40)]
    sources = shared_sources(clips, {})
    assert sources[0] == sources[1]
    assert len(set(sources)) == 41
    assert set(parts(assign_splits(clips))) == {"train", "validation", "test"}


def test_copies_and_links_are_found_and_stay_in_one_split(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for i in range(40):
        soundfile.write(tmp_path / f"a{i:02d}.wav", rng.integers(-9000, 9000, 16000).astype(np.int16), 16000)
    y, _ = soundfile.read(tmp_path / "a00.wav", dtype="int16")
    y[5000] += 1  # neither in the front nor in the middle
    soundfile.write(tmp_path / "near.wav", y, 16000)
    (tmp_path / "b.wav").write_bytes((tmp_path / "a07.wav").read_bytes())
    (tmp_path / "c.wav").symlink_to(tmp_path / "a08.wav")
    names = sorted(path.name for path in tmp_path.iterdir())
    same = equal_recordings(tmp_path, [*names, "missing.wav"])
    assert same == {"a07.wav": "a07.wav", "b.wav": "a07.wav", "a08.wav": "a08.wav", "c.wav": "a08.wav"}
    for seed in range(8):
        out = {clip.path: clip.split for clip in assign_splits([Clip(n, "yes") for n in names], "50/25/25", seed=seed, same=same)}
        assert out["b.wav"] == out["a07.wav"]
        assert out["c.wav"] == out["a08.wav"]


@pytest.mark.parametrize("rule", ["stratified", "folds", "by-speaker"])
def test_kinds_of_one_file_stay_together(rule: str) -> None:
    """Also where one of them is the copy of another file, which has twins of its own."""
    clips = [Clip(f"{w}/{i}.{kind}", w, f"s{i}") for w in ("yes", "no") for i in range(20) for kind in ("flac", "mp3", "WAV")]
    for seed in range(4):
        split = {clip.path: clip.split for clip in assign_splits(clips, rule, seed=seed, same={"yes/3.mp3": "yes/8.mp3"})}
        assert all(split[f"{w}/{i}.flac"] == split[f"{w}/{i}.mp3"] == split[f"{w}/{i}.WAV"] for w in ("yes", "no") for i in range(20))
        assert split["yes/3.WAV"] == split["yes/8.flac"]
    assert set(split.values()) == {"train", "validation", "test"}
    (note,) = [note for note in split_notes(assign_splits(clips), ["yes", "no"], "stratified", {}) if "suffix" in note]
    assert note.startswith("80 recordings lie beside one of the same name with another suffix, yes/0.mp3 beside yes/0.flac for one")


def test_names_that_share_their_beginning_are_no_twins() -> None:
    """A number behind a dot is no suffix, nor is what a URL asks for, and a name in another folder is another one."""
    names = ["a.1", "a.2", "https://x/get.wav?id=1", "https://x/get.wav?id=2", "yes/b.wav", "no/b.mp3", "b.wav"]
    assert twins(names) == {}
    assert twins([*names, "yes/b.opus", "yes/b.wav"]) == {"yes/b.opus": "yes/b.wav"}


def test_speakers_who_share_a_recording_count_as_one() -> None:
    clips = [Clip(f"{s}/{i}.wav", "yes", f"s{s}") for s in range(12) for i in range(5)]
    for seed in range(8):
        split = {clip.path: clip.split for clip in assign_splits(clips, "by-speaker", seed=seed, same={"3/1.wav": "9/2.wav"})}
        assert split["3/1.wav"] == split["9/2.wav"] == split["3/0.wav"]
    everybody = {f"{s}/0.wav": "0/0.wav" for s in range(12)}
    assert chosen_rule(clips, "auto", everybody) == "stratified"


def test_by_speaker_gives_each_split_every_word_that_enough_people_say() -> None:
    """Half of the speakers say two rare words; whole speakers are moved until each split has them."""
    clips = [Clip(f"{s}/{w}.wav", w, f"s{s}") for s in range(60) for w in ("yes", "no", *(("rare", "odd") if s % 10 == 0 else ()))]
    for seed in range(10):
        out = assign_splits(clips, "by-speaker", seed=seed)
        assert empty_classes(out, ["yes", "no", "rare", "odd"]) == {}
        assert speakers_in_several_splits(out) == []


def test_the_notes_say_the_rule_the_copies_the_unknown_speakers_and_empty_classes() -> None:
    clips = [replace(clip, speaker="") for clip in clips_of(n_words=2)] + [Clip("rare/1.wav", "rare")]
    split = assign_splits(clips, "stratified")
    notes = split_notes(split, ["w0", "w1", "rare"], "stratified", {"w0/s1-0.wav": "w0/s2-0.wav"})
    assert notes[0].startswith("split stratified: the same share of every label")
    assert "speakers unknown: the same voices may train and test, the score will be too good" in notes[1]
    assert notes[2].startswith("1 recordings are exact copies")
    assert notes[3:] == ["no clips in validation of rare", "no clips in test of rare"]
    notes = split_notes(assign_splits(clips_of(), "by-speaker"), [f"w{i}" for i in range(10)], "by-speaker", {})
    assert notes[1:] == ["no speaker is in two splits (20 speakers)"]


def test_one_recording_under_two_labels_is_said(tmp_path: Path) -> None:
    copies = [Clip("yes/a.wav", "yes"), Clip("no/z.wav", "no"), Clip("yes/b.wav", "yes", start=80), Clip("yes/b.wav", "no", start=160)]
    (note,) = [note for note in split_notes(copies, ["yes", "no"], "stratified", {"no/z.wav": "yes/a.wav"}) if "under another" in note]
    assert note.startswith("1 recordings are there under another label, too: yes/a.wav is 'yes' and no/z.wav is 'no', for one")
    soundfile.write(tmp_path / "a.wav", np.ones(160, np.int16), 16000)
    (tmp_path / "m.csv").write_text("path,label\na.wav,yes\na.wav,no\n")
    assert any("a.wav is 'yes' and a.wav is 'no'" in note for note in plan_recordings(tmp_path / "m.csv", FeatureConfig()).split_notes)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names here")
def test_pipes_are_not_waited_for_when_copies_are_looked_for(tmp_path: Path) -> None:
    for name in ("a.wav", "b.wav"):
        os.mkfifo(tmp_path / name)
    assert equal_recordings(tmp_path, ["a.wav", "b.wav"]) == {}


def test_the_look_for_copies_keeps_no_recording_in_memory(tmp_path: Path) -> None:
    """Of files of one size, which differ, it holds names and digests: less than a tenth of the parts that are compared."""
    names = [f"{i}.wav" for i in range(300)]
    for i, name in enumerate(names):
        (tmp_path / name).write_bytes(i.to_bytes(4, "little") + bytes(8188))
    equal_recordings(tmp_path, names)
    tracemalloc.start()
    try:
        assert equal_recordings(tmp_path, names) == {}
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 300 * 8192 / 10
