"""A guess is checked by what it gives, a second best is named, and the user's own pattern or level replaces it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from folders import grid, recordings

from kwsfeat.cli import main
from kwsfeat.corpus import layouts
from kwsfeat.corpus.clip import Corpus
from kwsfeat.corpus.find import find_corpus
from kwsfeat.errors import CorpusError


def found(tmp_path: Path, *paths: str, **options: str | int) -> Corpus:
    return find_corpus(recordings(tmp_path / "c", *paths), **options)  # type: ignore[arg-type]


WORDS = ["hello", "lights", "music"]
TAKES = ["1", "2", "3"]


def speakers_of(corpus: Corpus) -> set[str]:
    return {clip.speaker for clip in corpus.clips}


@pytest.mark.parametrize(
    ("outer", "name"),
    [
        ([f"{i:02d}" for i in range(1, 13)], "rec_{n}.wav"),
        ([f"s{i}" for i in range(1, 6)], "rec_00{n}.wav"),
        (["m1", "f1"], "take{n}.wav"),
        ([str(i) for i in range(21)], "{n}.wav"),
        (["2021-03-04", "2021-03-05"], "clip-{n}.wav"),
        (["student1", "student2", "student3"], "audio_{n}.wav"),
    ],
)
def test_folders_like_speakers_with_nothing_but_numbers_inside_are_the_labels(tmp_path: Path, outer: list[str], name: str) -> None:
    corpus = found(tmp_path, *grid("{o}/" + name, o=outer, n=TAKES))
    assert corpus.words == sorted(outer)
    assert any("look like" in note for note in corpus.notes)
    assert any("--label-level" in note or "--layout" in note for note in corpus.notes)


@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        ("take{n}/{w}-{s}.flac", "{label}-{speaker}"),
        ("rep_0{n}/{s}_{w}.wav", "{speaker}_{label}"),
        ("Take {n}/{w}/{s}.wav", ""),
        ("session{n}/{w}_{s}.wav", "{label}_{speaker}"),
        ("wrap/take{n}/{w}-{s}_x.wav", "{label}-{speaker}_*"),
    ],
)
def test_takes_are_not_speakers(tmp_path: Path, pattern: str, said: str) -> None:
    corpus = found(tmp_path, *grid(pattern, s=["eva", "bob", "carol"], w=["open", "shut"], n=TAKES), "noise/a.wav")
    assert (corpus.layout, corpus.words, len(corpus.clips)) == ("takes", ["open", "shut"], 18)
    assert speakers_of(corpus) == {"eva", "bob", "carol"}
    assert any(f"--pattern '{said}'" in note for note in corpus.notes) == bool(said)
    if said:
        again = find_corpus(tmp_path / "c", pattern=said)
        assert [(clip.label, clip.speaker) for clip in again.clips] == [(clip.label, clip.speaker) for clip in corpus.clips]


@pytest.mark.parametrize("folder", ["clips", "wav", "Audio"])
def test_one_folder_of_names_is_packing(tmp_path: Path, folder: str) -> None:
    corpus = found(tmp_path, *grid("{f}/{w}-{n}-{s}.wav", f=[folder], s=["spk0", "spk1"], w=["open", "shut"], n=TAKES))
    assert (corpus.layout, corpus.words) == ("names", ["open", "shut"])
    assert speakers_of(corpus) == {"spk0", "spk1"}


@pytest.mark.parametrize(
    "pattern",
    ["{s}/{w}/{n}.wav", "{s}/{w}_{n}.wav", "{s}/{s}_{w}_{n}.wav", "{s}/{w}{n}.wav", "{s}/rec_{w}_{n}.wav", "wrap/{s}/{w}/{n}.wav"],
)
@pytest.mark.parametrize("people", [["anna", "bob", "carol"], ["student1", "student2"], ["01", "02", "10"], ["20230501", "20230502"]])
def test_labels_are_not_the_names_of_people(tmp_path: Path, pattern: str, people: list[str]) -> None:
    corpus = found(tmp_path, *grid(pattern, s=people, w=WORDS, n=TAKES))
    assert corpus.words == WORDS
    assert speakers_of(corpus) == set(people)


@pytest.mark.parametrize(
    "pattern",
    ["{w}/{s}/{n}.wav", "{w}/{s}_{n}.wav", "{w}/{s}_NO_0{n}.wav", "{w}/{w}-{s}-{n}.wav", "dataset/{w}/{s}/{n}.wav", "{w}/{s}/x/{n}.wav"],
)
@pytest.mark.parametrize("people", [["anna", "bob", "carol"], ["00000001", "00000002", "00000010"], ["speaker1", "speaker2", "speaker3"]])
def test_speakers_are_found_in_folders_and_names(tmp_path: Path, pattern: str, people: list[str]) -> None:
    corpus = found(tmp_path, *grid(pattern, w=WORDS, s=people, n=TAKES))
    assert corpus.words == WORDS
    assert speakers_of(corpus) == set(people)


@pytest.mark.parametrize(
    "name", ["{w}/{n}.wav", "{w}/rec_{n}.wav", "{w}/take{n}.wav", "{w}/{w}_{n}.wav", "{w}/loud/{n}.wav", "{w}/c00{n}.wav"]
)
def test_takes_are_not_taken_for_speakers(tmp_path: Path, name: str) -> None:
    assert speakers_of(found(tmp_path, *grid("{w}/" + name, w=WORDS, n=TAKES))) == {""}


@pytest.mark.parametrize(
    ("paths", "label", "speakers"),
    [
        (grid("{s}_{w}_{n}.wav", s=["anna", "bob", "carol"], w=["yes", "no"], n=TAKES), ["no", "yes"], {"anna", "bob", "carol"}),
        (grid("{s}-{w}-{n}.wav", s=["anna", "bob", "carol"], w=WORDS, n=TAKES), WORDS, {"anna", "bob", "carol"}),
        (grid("{w}_{n}.wav", w=WORDS, n=TAKES), WORDS, {""}),
        (grid("{w}{n}.wav", w=["light_on", "light_off", "stop"], n=TAKES), ["light_off", "light_on", "stop"], {""}),
    ],
)
def test_names_in_one_folder(tmp_path: Path, paths: list[str], label: list[str], speakers: set[str]) -> None:
    corpus = found(tmp_path, *paths)
    assert corpus.words == label
    assert speakers_of(corpus) == speakers


def test_a_folder_per_part_is_a_split_and_no_word(tmp_path: Path) -> None:
    corpus = found(tmp_path, *grid("{p}/{w}/{n}.wav", p=["train", "val", "Test"], w=WORDS, n=TAKES), "train/_background_noise_/hum.wav")
    assert corpus.layout == "parts"
    assert corpus.words == WORDS
    assert {clip.path.split("/")[0]: clip.split for clip in corpus.clips} == {"train": "train", "val": "validation", "Test": "test"}
    assert corpus.noise == ["train/_background_noise_/hum.wav"]


def test_lists_may_begin_with_a_mark(tmp_path: Path) -> None:
    root = recordings(tmp_path / "c", *grid("{w}/{n}.wav", w=WORDS, n=TAKES))
    first, second = sorted(path.relative_to(root).as_posix() for path in root.rglob("*.wav"))[:2]
    (root / "testing_list.txt").write_text(f"{first}\n", encoding="utf-8-sig")
    (root / "validation_list.txt").write_text(f"{second}\n", encoding="utf-8-sig")
    corpus = find_corpus(root)
    assert {clip.path: clip.split for clip in corpus.clips if clip.split != "train"} == {first: "test", second: "validation"}
    assert not any("not there" in note for note in corpus.notes)


def test_a_wrapper_is_passed_through_beside_noise_strays_and_readmes(tmp_path: Path) -> None:
    paths = grid("audio/{w}/{n}.wav", w=WORDS, n=[str(i) for i in range(9)])
    root = recordings(tmp_path / "c", *paths, "noise/fan.wav", "intro.wav")
    (root / "README.md").write_text("text")
    (root / "docs").mkdir()
    corpus = find_corpus(root)
    assert corpus.words == WORDS
    assert corpus.noise == ["noise/fan.wav"]
    assert corpus.skipped == [("intro.wav", "lies outside audio/")]
    assert all((corpus.root / clip.path).is_file() for clip in corpus.clips)


@pytest.mark.parametrize("inside", [("wake-word", "not-wake-words"), ("positive", "negative"), ("hey", "no_hey"), ("clean", "other words")])
def test_a_word_beside_its_own_negatives_is_an_error(tmp_path: Path, inside: tuple[str, str]) -> None:
    paths = grid("{w}/{k}/{n}.wav", w=["alexa", "computer"], k=list(inside), n=TAKES)
    with pytest.raises(CorpusError, match=rf"'alexa' would hold {inside[0]}/ and {inside[1]}/ alike: --label-level 2"):
        found(tmp_path, *paths)
    assert found(tmp_path, *paths, label_level=2).words == sorted(inside)
    assert any("alike" in note for note in found(tmp_path, *paths, layout="words").notes)


def test_one_class_and_one_speaker_are_said(tmp_path: Path) -> None:
    assert any("one label, 'hey'" in note for note in found(tmp_path, *grid("hey/{n}.wav", n=TAKES)).notes)
    corpus = found(tmp_path / "b", *grid("{w}/anna_nohash_{n}.wav", w=WORDS, n=TAKES))
    assert any("one speaker only, anna" in note for note in corpus.notes)
    corpus = found(tmp_path / "d", *grid("{s}/{s}_nohash_{n}.wav", s=["anna", "bob", "carol"], n=TAKES))
    assert any("every label is the name of its speaker" in note for note in corpus.notes)


@pytest.mark.parametrize(
    "name",
    ["_background_noise_", "background_noise", "noise", "Background-Noise", "bg_noise", "silence", "_silence_", "Silence"],
)
def test_noise_and_silence_are_what_they_say(tmp_path: Path, name: str) -> None:
    corpus = found(tmp_path, *grid("{w}/{n}.wav", w=WORDS, n=TAKES), f"{name}/a.wav", "_unknown_/b.wav")
    assert corpus.noise == [f"{name}/a.wav"]
    assert corpus.words == [*WORDS, "unknown"]


@pytest.mark.parametrize(
    ("pattern", "path", "label", "speaker"),
    [
        ("{speaker}-{label}-{take}", "x/anna-stop-1.wav", "stop", "anna"),
        ("{label}/{speaker}/*", "deep/yes/bob/7.wav", "yes", "bob"),
        ("{session}_{label}", "s1_go.wav", "go", ""),
        ("{label}/*/{speaker}_*.wav", "go/loud/anna_3.wav", "go", "anna"),
        ("*/{label}{take}", "a/go[1].wav", "go[1", ""),
        ("({label})", "a/(go).wav", "go", ""),
    ],
)
def test_a_pattern_describes_the_end_of_the_path(tmp_path: Path, pattern: str, path: str, label: str, speaker: str) -> None:
    (clip,) = found(tmp_path, path, pattern=pattern).clips
    assert (clip.label, clip.speaker) == (label, speaker)


def test_a_pattern_shows_five_matches_and_what_did_not_match(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = recordings(tmp_path / "c", *grid("{s}-{w}-{n}.wav", s=["ann", "bo"], w=["yes", "no"], n=TAKES), "other.wav", "noise/fan.wav")
    assert main(["build", str(root), str(tmp_path / "a.h5"), "--pattern", "{speaker}-{label}-{take}"]) == 3
    said = capsys.readouterr().err
    assert said.count(": label ") == 5
    assert "ann-no-1.wav: label no, speaker ann" in said
    assert "1 recordings do not match: other.wav" in said
    assert find_corpus(root, pattern="{speaker}-{label}-{take}").noise == ["noise/fan.wav"]
    assert main(["scan", str(root), "--pattern", "{speaker}-{label}-{take}"]) == 3


def test_patterns_and_levels_are_checked(tmp_path: Path) -> None:
    root = recordings(tmp_path / "c", "a/yes/1.wav", "a/no/1.wav")
    for options, message in (
        ({"pattern": "{word}/*"}, r"must name \{label\}"),
        ({"pattern": "{label}/{label}"}, r"names \{label\} twice: call one of them otherwise, such as \{label2\}"),
        ({"pattern": "{label}-{take}"}, r"no recording matches the pattern '\{label\}-\{take\}'; the first is"),
        ({"label_level": 7}, "no recording has a folder of level 7: levels go from 1 to"),
        ({"label_level": 0}, "level 0"),
        ({"label_level": 1, "layout": "words"}, "exclude each other"),
    ):
        with pytest.raises(CorpusError, match=message):
            find_corpus(root, **options)  # type: ignore[arg-type]


def test_the_label_level_counts_from_either_end(tmp_path: Path) -> None:
    root = recordings(tmp_path / "c", *grid("{s}/day1/{w}/{n}.wav", s=["a", "b"], w=WORDS, n=TAKES))
    assert find_corpus(root, label_level=3).words == find_corpus(root, label_level=-1).words == WORDS
    assert find_corpus(root, label_level=1).words == ["a", "b"]


@pytest.fixture
def new_layout() -> Iterator[Path]:
    """A file in the folder of the layouts, for the time of a test."""
    folder = Path(layouts.__file__).parent
    (path := folder / "sox_names.py").write_text(
        "from kwsfeat.corpus.clip import Clip, Corpus\n"
        "from kwsfeat.corpus.layouts.layout import Evidence, Layout\n"
        "def read(files):\n"
        "    return Corpus(files.source, files.root, 'sox', [Clip(path, path[0]) for path in files.audio])\n"
        "LAYOUT = Layout('sox', 'first letters', lambda files: Evidence(2.0, 'always'), read)\n"
    )
    yield path
    path.unlink()


def test_a_file_in_the_folder_is_a_layout(new_layout: Path, tmp_path: Path) -> None:
    """In a process of its own, for the registry is filled once."""
    import subprocess

    root = recordings(tmp_path / "c", "yes/1.wav", "no/1.wav")
    code = f"from kwsfeat.corpus.find import find_corpus; c = find_corpus({str(root)!r}); print(c.layout, c.words)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "sox ['n', 'y']"


@pytest.mark.parametrize("inner", [["clean", "noisy", "car"], ["near", "far", "room"], ["train", "dev", "test"]])
def test_conditions_are_not_taken_for_speakers(tmp_path: Path, inner: list[str]) -> None:
    assert speakers_of(found(tmp_path, *grid("{w}/{k}/{n}.wav", w=WORDS, k=inner, n=TAKES))) == {""}


def test_the_speakers_that_were_found_are_shown(tmp_path: Path) -> None:
    corpus = found(tmp_path, *grid("{w}/{s}/{n}.wav", w=WORDS, s=["ann", "bob", "carol", "dave", "eve"], n=TAKES))
    assert "5 speakers read from the names: ann, bob, carol, dave, ..." in corpus.notes


def test_labels_that_differ_in_capitals_only_are_said(tmp_path: Path) -> None:
    corpus = found(tmp_path, *grid("{w}/{n}.wav", w=["Yes", "yes", "no"], n=TAKES))
    assert corpus.words == ["Yes", "no", "yes"]
    assert any("the labels Yes, yes differ in capitals only" in note for note in corpus.notes)


def test_parts_inside_the_words_are_the_split(tmp_path: Path) -> None:
    corpus = found(tmp_path, *grid("{w}/{p}/{n}.wav", w=WORDS, p=["train", "dev", "test"], n=TAKES))
    assert corpus.words == WORDS
    assert {clip.path.split("/")[1]: clip.split for clip in corpus.clips} == {"train": "train", "dev": "validation", "test": "test"}
