"""Labels: schemes, unknown and silence, near names, the class table."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from kwsfeat.audio.clip import load_clip
from kwsfeat.config.features import FeatureConfig
from kwsfeat.corpus.clip import Clip, Corpus
from kwsfeat.corpus.find import find_corpus
from kwsfeat.corpus.labels import COMMANDS, DIGITS, apply_labels, class_table, format_class_table
from kwsfeat.corpus.names.meaning import is_negative
from kwsfeat.errors import CorpusError, UnknownNameError


def corpus_of(**counts: int) -> Corpus:
    """A corpus without files: `counts` clips of each word."""
    clips = [Clip(f"{word}/{i}.wav", word, f"speaker{i}") for word, n in sorted(counts.items()) for i in range(n)]
    return Corpus(Path("nowhere"), Path("nowhere"), "words", clips)


def counts(clips: list[Clip]) -> dict[str, int]:
    return dict(Counter(clip.label for clip in clips))


def test_all_words_and_the_silence_of_the_noise_files(tiny_corpus: Path) -> None:
    clips, labels = apply_labels(find_corpus(tiny_corpus))
    assert labels == ("no", "up", "yes", "silence")
    assert counts(clips) == {"no": 24, "up": 24, "yes": 24, "silence": 5}
    silence = [clip for clip in clips if clip.label == "silence"]
    assert [(clip.start, clip.stop) for clip in silence] == [(0, 16000), (16000, 32000), (32000, 48000), (48000, 64000), (64000, 69000)]


def test_the_last_short_piece_of_noise_is_kept_and_padded(tiny_corpus: Path) -> None:
    corpus = find_corpus(tiny_corpus)
    last = apply_labels(corpus)[0][-1]
    y, length = load_clip(corpus.open(last), FeatureConfig(), start=last.start, stop=last.stop)
    assert length == 5000
    np.testing.assert_array_equal(y[:5000], soundfile.read(tiny_corpus / last.path, dtype="int16")[0][64000:])
    assert not y[5000:].any()


def test_twelve_classes() -> None:
    corpus = corpus_of(**dict.fromkeys(COMMANDS, 3), cat=2, bed=4)
    clips, labels = apply_labels(corpus, "commands12")
    assert labels == ("yes", "no", "up", "down", "left", "right", "on", "off", "stop", "go", "silence", "unknown")
    assert counts(clips) == {**dict.fromkeys(COMMANDS, 3), "unknown": 6, "silence": 3}
    assert corpus.notes == [
        "no recordings of noise: 3 clips of silence are synthesised, --silence-share says how many, 0 leaves the class out"
    ]
    dropped = apply_labels(corpus, "commands12", unknown="drop", silence_share=0)[0]
    assert counts(dropped) == dict.fromkeys(COMMANDS, 3)


def test_twelve_classes_say_what_is_missing() -> None:
    corpus = corpus_of(yes=3, no=3, cat=3)
    assert len(apply_labels(corpus, "commands12", silence_share=0)[1]) == 12
    assert corpus.notes == ["no recordings of up, down, left, right, on, off, stop, go: the classes stay, empty"]
    with pytest.raises(CorpusError, match=r"the corpus has none of them: it has cat"):
        apply_labels(corpus_of(cat=3), "commands12")


def test_digits_as_words_or_numbers() -> None:
    assert apply_labels(corpus_of(**dict.fromkeys(DIGITS, 1), yes=1), "digits")[1] == DIGITS
    assert apply_labels(corpus_of(**{str(i): 1 for i in range(10)}, yes=1), "digits")[1] == tuple("0123456789")


@pytest.mark.parametrize("scheme", ["up,no", " up , no ,up", ("up", "no"), ["up", "no"]])
def test_a_list_keeps_its_order(scheme: str | list[str]) -> None:
    clips, labels = apply_labels(corpus_of(yes=2, no=3, up=4), scheme)
    assert labels == ("up", "no")
    assert counts(clips) == {"no": 3, "up": 4}


def test_a_list_may_name_unknown_and_silence() -> None:
    clips, labels = apply_labels(corpus_of(yes=2, no=3, up=4), "up,unknown,silence")
    assert labels == ("up", "silence", "unknown")
    assert counts(clips) == {"up": 4, "unknown": 5}


def test_an_unknown_word_names_the_near_ones() -> None:
    corpus = corpus_of(tree=1, two=1, yes=1)
    with pytest.raises(UnknownNameError, match=r"'three' is not a word of the corpus: did you mean tree\?"):
        apply_labels(corpus, "two,three")
    with pytest.raises(UnknownNameError, match="did you mean commands12"):
        apply_labels(corpus, "comands12")
    corpus.skipped.append(("up", "a word without recordings"))
    with pytest.raises(CorpusError, match="no recordings of 'up': its folder is empty"):
        apply_labels(corpus, "up")
    with pytest.raises(CorpusError, match="name no word"):
        apply_labels(corpus, " , ")


def test_unknown_share_is_a_share_of_the_chosen_words() -> None:
    corpus = corpus_of(yes=100, cat=500, bed=500)
    clips, labels = apply_labels(corpus, "yes", unknown_share=0.3)
    assert labels == ("yes", "unknown")
    assert counts(clips) == {"yes": 100, "unknown": 30}
    words = Counter(clip.path.split("/")[0] for clip in clips if clip.label == "unknown")
    assert min(words.values()) >= 5
    again, _ = apply_labels(corpus, "yes", unknown_share=0.3)
    other, _ = apply_labels(corpus, "yes", unknown_share=0.3, seed=1)
    assert clips == again
    assert clips != other
    assert counts(apply_labels(corpus, "yes", unknown_share=50)[0]) == {"yes": 100, "unknown": 1000}


def test_the_unknown_clips_stay_when_files_are_added() -> None:
    before, _ = apply_labels(corpus_of(yes=100, cat=500), "yes", unknown_share=0.5)
    after, _ = apply_labels(corpus_of(yes=100, cat=505), "yes", unknown_share=0.5)
    kept = {clip.path for clip in before if clip.label == "unknown"} & {clip.path for clip in after if clip.label == "unknown"}
    assert len(kept) >= 45


def test_silence_share(tiny_corpus: Path) -> None:
    corpus = find_corpus(tiny_corpus)
    assert "silence" not in apply_labels(corpus, silence_share=0)[1]
    assert counts(apply_labels(corpus, silence_share=3 / 72)[0])["silence"] == 3
    many = [clip for clip in apply_labels(corpus, silence_share=0.5)[0] if clip.label == "silence"]
    assert len(many) == len(set(many)) == 36
    assert all(clip.start >= 0 and clip.stop is not None and clip.stop <= 69000 for clip in many)
    assert many == [clip for clip in apply_labels(corpus, silence_share=0.5)[0] if clip.label == "silence"]


def test_silence_is_synthesised_without_noise_files() -> None:
    corpus = corpus_of(yes=40)
    assert apply_labels(corpus)[1] == ("yes",)
    clips, labels = apply_labels(corpus, silence_share=0.1)
    assert labels == ("yes", "silence")
    silence = clips[-4:]
    sounds = [load_clip(corpus.open(clip), FeatureConfig())[0] for clip in silence]
    assert len({y.tobytes() for y in sounds}) == 4
    assert all(0 < np.abs(y).max() < 2000 for y in sounds)
    np.testing.assert_array_equal(sounds[0], load_clip(corpus.open(silence[0]), FeatureConfig())[0])


def test_shares_have_bounds() -> None:
    with pytest.raises(CorpusError, match="silence_share=-1 must be between 0 and 100"):
        apply_labels(corpus_of(yes=1), silence_share=-1)
    with pytest.raises(CorpusError, match="unknown='some' must be"):
        apply_labels(corpus_of(yes=1), unknown="some")


def test_noise_that_cannot_be_read_is_listed(tiny_corpus: Path, tmp_path: Path) -> None:
    noise = tmp_path / "_background_noise_"
    noise.mkdir()
    (noise / "bad.wav").write_text("text")
    (tmp_path / "yes").symlink_to(tiny_corpus / "yes")
    corpus = find_corpus(tmp_path)
    assert apply_labels(corpus)[1] == ("yes",)
    assert [path for path, _ in corpus.skipped] == ["_background_noise_/bad.wav"]


def test_unlabelled_clips_stay_so() -> None:
    clips = [Clip("a.wav", ""), Clip("b.wav", "")]
    assert apply_labels(Corpus(Path("x"), Path("x"), "unlabelled", clips)) == (clips, ())


def test_the_class_table() -> None:
    table = class_table(["no"] * 2 + ["yes"] * 5 + ["a"] * 2 + ["b"])
    assert [(name, n) for name, n, _ in table] == [("yes", 5), ("a", 2), ("no", 2), ("b", 1)]
    assert [percent for _, _, percent in table] == [50.0, 20.0, 20.0, 10.0]
    assert format_class_table(table).splitlines() == [
        "yes     5   50.00 %",
        "a       2   20.00 %",
        "no      2   20.00 %",
        "b       1   10.00 %",
        "total  10  100.00 %",
    ]


def test_real_labels(kws_data: Path) -> None:
    clips, labels = apply_labels(find_corpus(kws_data / "speech_commands"), "commands12")
    assert len(labels) == 12
    assert len(clips) == 7341 + counts(clips)["silence"]


@pytest.mark.parametrize("folder", ["silence", "_silence_", "noise", "_background_noise_"])
def test_folders_of_silence_are_silence_and_cut(tmp_path: Path, folder: str) -> None:
    """Under every scheme, also beside other noise; recordings of 3 s are three pieces."""
    for word in (*COMMANDS, "cat"):
        (tmp_path / word).mkdir()
        soundfile.write(tmp_path / word / "a.wav", np.ones(1600, np.int16), 16000)
    for name in {folder, "_background_noise_"}:
        (tmp_path / name).mkdir()
        soundfile.write(tmp_path / name / "long.wav", np.ones(3 * 16000, np.int16), 16000)
    for scheme in ("commands12", "all", "yes,silence"):
        clips, labels = apply_labels(find_corpus(tmp_path), scheme)
        pieces = [clip for clip in clips if clip.label == "silence"]
        assert "silence" in labels
        assert sum(clip.path.startswith(folder + "/") for clip in pieces) == 3
        assert all(clip.stop - clip.start == 16000 for clip in pieces if clip.stop is not None)


def test_silence_and_unknown_of_the_corpus_come_last_and_count() -> None:
    corpus = corpus_of(silence=6, unknown=5, yes=4, no=6)
    clips, labels = apply_labels(corpus)
    assert labels == ("no", "yes", "silence", "unknown")
    assert counts(clips) == {"silence": 6, "unknown": 5, "yes": 4, "no": 6}
    clips, labels = apply_labels(corpus, "yes,silence", silence_share=0.5)
    assert counts(clips) == {"yes": 4, "silence": 2}
    assert "unknown" not in labels
    assert counts(apply_labels(corpus, "yes", unknown="other")[0]) == {"yes": 4, "unknown": 11, "silence": 6}


def test_a_label_with_a_comma_can_be_chosen() -> None:
    clips = [Clip(f"{i}.wav", label) for i, label in enumerate(["stop, now", "no", "yes", "stop"])]
    corpus = Corpus(Path("x"), Path("x"), "manifest", clips)
    assert apply_labels(corpus, '"stop, now",no')[1] == ("stop, now", "no")
    assert apply_labels(corpus, ["stop, now", "no"])[1] == ("stop, now", "no")
    assert apply_labels(corpus, 'no, "stop, now"')[1] == ("no", "stop, now")


def test_one_class_is_said_with_the_cure() -> None:
    corpus = corpus_of(hey=3, dog=3)
    apply_labels(corpus, "hey")
    assert corpus.notes == ["one class only, 'hey', which nothing can be told from: --unknown other makes a class of the other words"]


@pytest.mark.parametrize(
    ("have", "options", "cure"),
    [
        ({"yes": 3, "no": 3}, {}, "recordings of other words in unknown/ become a class"),
        ({"yes": 3, "no": 3, "cat": 1, "dog": 1}, {"scheme": "yes,no"}, "--unknown other makes a class of the 2 other words"),
    ],
)
def test_words_only_are_said_with_the_options_that_cure_it(have: dict[str, int], options: dict[str, str], cure: str) -> None:
    corpus = corpus_of(**have)
    apply_labels(corpus, **options)
    assert corpus.notes == [f"every sound will be one of your 2 words: --silence-share 0.1 adds silence, {cure}"]
    for cured in ({"silence_share": 0.5}, {"unknown": "other"} if len(have) > 2 else {"silence_share": 0.3}):
        corpus = corpus_of(**have)
        labels = apply_labels(corpus, **options, **cured)[1]
        assert len(labels) == 3
        assert corpus.notes == []


@pytest.mark.parametrize("label", ["other", "not-wake-words", "negatives", "_unknown_", "Other_words", "non speech", "nothing"])
def test_a_class_of_what_is_no_word_is_not_missed(label: str) -> None:
    name = "unknown" if label == "_unknown_" else label  # as the layouts write it
    corpus = corpus_of(hey=3, stop=2, **{name: 3})
    apply_labels(corpus)
    assert corpus.notes == []


def test_the_word_no_is_a_word() -> None:
    assert not any(map(is_negative, ("no", "notice", "not", "another", "brother", "nonsense")))


def test_words_alone_get_silence_where_the_build_wants_it() -> None:
    corpus = corpus_of(yes=40, no=80)
    clips, labels = apply_labels(corpus, synthesise=True)
    assert labels == ("no", "yes", "silence")
    assert counts(clips) == {"yes": 40, "no": 80, "silence": 12}
    assert any(
        "12 clips of silence are synthesised, --silence-share says how many, 0 leaves the class out" in note for note in corpus.notes
    )
    assert any(note.startswith("every sound will be one of your 2 words: recordings of other words in unknown/") for note in corpus.notes)
    assert "silence" not in apply_labels(corpus_of(yes=4, no=15), synthesise=True)[1]  # a split might get none
    assert counts(apply_labels(corpus_of(yes=20, no=30), synthesise=True)[0])["silence"] == 10
    published = corpus_of(yes=40, no=60)
    published.clips = [replace(clip, split="train") for clip in published.clips]
    without = [
        apply_labels(corpus_of(yes=40, no=60), synthesise=True, silence_share=0),
        apply_labels(corpus_of(yes=40, no=60), "yes,no", synthesise=True),
        apply_labels(corpus_of(**dict.fromkeys(DIGITS, 20)), "digits", synthesise=True),
        apply_labels(corpus_of(yes=40), synthesise=True),
        apply_labels(corpus_of(yes=40, no=60, other=30), synthesise=True),
        apply_labels(published, synthesise=True),
    ]
    assert not any("silence" in labels for _, labels in without)
    assert apply_labels(corpus_of(yes=4, no=6, unknown=3), synthesise=True)[1] == ("no", "yes", "unknown")
