"""Manifests as people write them: separators, encodings, other columns, other slashes; bad rows are skipped and listed."""

from __future__ import annotations

import json
import unicodedata
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from kwsfeat.cli import main
from kwsfeat.corpus.clip import Corpus
from kwsfeat.corpus.find import find_corpus
from kwsfeat.corpus.labels import apply_labels
from kwsfeat.corpus.scan import scan_corpus
from kwsfeat.dataset.reader import Reader
from kwsfeat.errors import CorpusError
from kwsfeat.pipeline.variants import corpus_noise


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("yes/a.wav", "yes/b.wav", "no/a.wav", "no/b.wav"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        soundfile.write(tmp_path / name, np.arange(1600, dtype=np.int16), 16000)
    return tmp_path


def listed(folder: Path, text: str | bytes, name: str = "m.csv") -> Corpus:
    (folder / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    return find_corpus(folder / name)


def labels(corpus: Corpus) -> dict[str, str]:
    return {clip.path: clip.label for clip in corpus.clips}


TABLE = [("path", "label"), ("yes/a.wav", "yes"), ("no/a.wav", "no")]


@pytest.mark.parametrize("name", ["m.csv", "m.tsv"])
@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le-bom"])
def test_separators_and_encodings(folder: Path, name: str, separator: str, encoding: str) -> None:
    text = "\r\n".join(separator.join(row) for row in TABLE)
    data = text.encode("utf-16-be") if encoding == "utf-16-le-bom" else text.encode(encoding)
    if encoding == "utf-16-le-bom":
        data = b"\xfe\xff" + data
    assert labels(listed(folder, data, name)) == {"yes/a.wav": "yes", "no/a.wav": "no"}


def test_blanks_blank_rows_and_empty_columns_at_the_end(folder: Path) -> None:
    text = 'path , label,\n\n yes/a.wav , yes ,\nno/a.wav,"no ",\n   \n,,\n'
    corpus = listed(folder, text)
    assert labels(corpus) == {"yes/a.wav": "yes", "no/a.wav": "no"}
    assert corpus.skipped == []


def test_backslashes_and_either_spelling_of_a_letter(folder: Path) -> None:
    composed = unicodedata.normalize("NFC", "größe")
    (folder / composed).mkdir()
    soundfile.write(folder / composed / "a.wav", np.ones(160, np.int16), 16000)
    decomposed = unicodedata.normalize("NFD", composed)
    corpus = listed(folder, f"path,label\nyes\\a.wav,yes\n.\\no\\a.wav,no\n{decomposed}/a.wav,{decomposed}\n")
    assert labels(corpus) == {"yes/a.wav": "yes", "no/a.wav": "no", f"{composed}/a.wav": composed}
    assert all((folder / clip.path).is_file() for clip in corpus.clips)


@pytest.mark.parametrize(
    ("header", "purpose"),
    [
        ("audio_filepath,word,speaker_id", "word as label"),
        ("filename,class,client_id", "client_id as speaker"),
        ("file,text,speaker", "text as label"),
        ("Path,Label,Speaker", "Path as path"),
        ("Audio Filepath,Category,Spk", "Category as label"),
    ],
)
def test_columns_under_other_names(folder: Path, header: str, purpose: str) -> None:
    corpus = listed(folder, f"{header},mood,gender\nyes/a.wav,yes,ann,,f\nno/a.wav,no,bob,good,\n")
    assert [(clip.label, clip.speaker) for clip in corpus.clips] == [("yes", "ann"), ("no", "bob")]
    assert purpose in corpus.notes[0]
    assert "columns not used: mood, gender" in corpus.notes


@pytest.mark.parametrize("column", ["gender", "age", "locale", "channel", "date", "hash", "state", "set", "batch", "accents", "pathology"])
def test_columns_that_resemble_ours_are_not_refused(folder: Path, column: str) -> None:
    corpus = listed(folder, f"path,label,{column}\nyes/a.wav,yes,x\nno/a.wav,no,x\n")
    assert len(corpus.clips) == 2
    assert f"columns not used: {column}" in corpus.notes


def test_a_set_that_names_parts_is_the_split(folder: Path) -> None:
    corpus = listed(folder, "LINK,WORD,SET\nyes/a.wav,yes,TRAIN\nno/a.wav,no,DEV\nno/b.wav,no,TEST\n")
    assert [clip.split for clip in corpus.clips] == ["train", "validation", "test"]


def test_quotes_in_a_table_with_tabs_are_text_unless_they_hold_the_value(folder: Path) -> None:
    rows = ['yes/a.wav\t\t"yes', 'yes/b.wav\t"ann"\t"so, ""yes"""', 'no/a.wav\t"b\tc"\tno', 'no/b.wav\tbob\tno"']
    corpus = listed(folder, "\n".join(["path\tspeaker\tlabel", *rows]), "m.tsv")
    assert [clip.label for clip in corpus.clips] == ['"yes', 'so, "yes"', "no", 'no"']
    assert [clip.speaker for clip in corpus.clips] == ["", "ann", "b\tc", "bob"]
    assert corpus.skipped == []


@pytest.mark.parametrize("separator", [",", ";"])
def test_quotes_that_do_not_close_cost_no_other_row(folder: Path, separator: str) -> None:
    rows = ['yes/a.wav,"yes', "yes/b.wav,yes", 'no/a.wav,"no', 'no/b.wav, "no" ', 'c.wav,"two', 'lines"', 'd.wav,"e" f', 'e.wav,"yes']
    corpus = listed(folder, "\n".join(["path,label", *rows, 'f.wav,no"']).replace(",", separator))
    assert labels(corpus) == {"yes/b.wav": "yes", "no/b.wav": "no", "c.wav": "two\nlines"}
    assert [line.rsplit(" ", 1)[1] for line, _ in corpus.skipped] == ["2", "4", "8", "9", "10"]
    assert 'the quotes of "yes do not match: close them' in corpus.skipped[0][1]
    with pytest.raises(CorpusError, match=r'm\.csv line 1: the quotes of "label do not match'):
        listed(folder, 'path,"label\nyes/a.wav,yes\nno/a.wav",no\n')


def test_bad_rows_are_all_listed_and_skipped(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [
        "yes/a.wav,yes,0,",
        "no/a.wav,no,9,1",
        ",no,,",
        "no/b.wav,no,soon,",
        "yes/b.wav,yes,0,,,extra",
        "no/a.wav,no,,",
        "no/a.wav,no,,",
    ]
    corpus = listed(folder, "path,label,start,end\n" + "\n".join(rows) + "\n")
    assert len(corpus.clips) == 2
    assert [(line.rsplit(" ", 1)[1], reason.split(":")[0]) for line, reason in corpus.skipped] == [
        ("3", "start 9 s must be before end 1 s"),
        ("4", "no path"),
        ("5", "start 'soon' must be a number of seconds >= 0"),
        ("6", "more values than columns"),
        ("8", "the same as line 7"),
    ]
    assert main(["build", str(folder / "m.csv"), str(folder / "a.h5")]) == 3
    assert "m.csv line 5: start 'soon'" in capsys.readouterr().err
    assert main(["build", str(folder / "m.csv"), str(folder / "b.h5"), "--strict"]) == 1


def test_rows_without_a_label_are_listed_where_others_have_one(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "m.csv").write_text("path,label\nyes/a.wav,yes\nyes/b.wav,\nno/a.wav,no\nno/b.wav\n")
    assert main(["build", str(folder / "m.csv"), str(folder / "a.h5"), "--silence-share", "0"]) == 3
    said = capsys.readouterr().err
    assert "skipped 2:" in said
    assert all(f"{path}: no label" in said for path in ("yes/b.wav", "no/b.wav"))
    assert main(["build", str(folder / "m.csv"), str(folder / "b.h5"), "--strict"]) == 1
    assert "yes/b.wav: no label" in capsys.readouterr().err
    for text in ("path\nyes/a.wav\nno/a.wav\n", "path,label\nyes/a.wav,\nno/a.wav,\n"):
        corpus = listed(folder, text)
        assert (len(apply_labels(corpus)[0]), corpus.skipped) == (2, [])


def test_malformed_values_never_end_in_a_traceback(folder: Path) -> None:
    good = json.dumps({"path": "yes/a.wav", "label": "yes"})
    for line in ('{"path": "no/a.wav", "label": ' + "1" * 5000 + "}", "[" * 100_000, "[1]", '{"path": "no/a.wav"', '{"path": "a\\u0000b"}'):
        corpus = listed(folder, f"{good}\n{line}\n", "m.jsonl")
        assert labels(corpus) == {"yes/a.wav": "yes"}
        assert len(corpus.skipped) == 1
        assert corpus.skipped[0][0].endswith("line 2")
    corpus = listed(folder, '{"path": "yes/a.wav", "label": "\\ud800x"}\n{"path": "no/a.wav", "label": "b"}\n', "m.jsonl")
    assert set(labels(corpus).values()) == {"?x", "b"}
    for text in ("a\0b.wav,yes", "a" * 200_000 + ",yes", f"no/a.wav,{'x' * 5000}"):
        corpus = listed(folder, f"path,label\n{text}\nyes/a.wav,yes\n")
        assert "yes/a.wav" in labels(corpus)
    with pytest.raises(CorpusError, match="cannot be read as UTF-8 text, or UTF-16"):
        listed(folder, b"path,label\n\xff\xfe\xfa,yes\n")


def test_common_voice_as_it_is_published(folder: Path) -> None:
    """cv-corpus-N/LANGUAGE/: tables with the columns of the release, recordings in clips/."""
    language = folder / "cv-corpus-7.0-singleword" / "en"
    (language / "clips").mkdir(parents=True)
    header = "client_id\tpath\tsentence\tup_votes\tdown_votes\tage\tgender\taccents\tlocale\tsegment\n"
    for part, first in (("train", 0), ("dev", 4), ("test", 6)):
        rows = ""
        for i in range(first, first + 2 + 2 * (part == "train")):
            soundfile.write(language / "clips" / f"common_voice_en_{i}.mp3", np.ones(4800), 48000)
            rows += f"c{i // 2:x}f\tcommon_voice_en_{i}.mp3\t{('yes', 'no')[i % 2]}\t2\t0\t\t\t\ten\tBenchmark\n"
        (language / f"{part}.tsv").write_text(header + rows)
    corpus = find_corpus(folder / "cv-corpus-7.0-singleword")
    assert corpus.layout == "commonvoice"
    assert corpus.words == ["no", "yes"]
    assert [clip.split for clip in corpus.clips] == ["train"] * 4 + ["validation"] * 2 + ["test"] * 2
    assert len({clip.speaker for clip in corpus.clips}) == 4
    assert all((corpus.root / clip.path).is_file() for clip in corpus.clips)
    alone = find_corpus(language / "dev.tsv")
    assert [clip.path for clip in alone.clips] == ["clips/common_voice_en_4.mp3", "clips/common_voice_en_5.mp3"]


def test_nemo_as_it_is(folder: Path) -> None:
    rows = [
        {"audio_filepath": str(folder / "yes/a.wav"), "duration": 0.1, "command": "yes"},
        {"audio_filepath": "no/a.wav", "duration": 0.05, "offset": 0.02, "command": "no"},
    ]
    text = "\n".join(json.dumps(row) for row in rows)
    for name, content in (("train_manifest.json", text), ("list.json", json.dumps(rows))):
        first, second = listed(folder, content, name).clips
        assert (first.label, first.start, first.stop) == ("yes", 0, None)
        assert (second.label, second.start, second.stop) == ("no", 320, 1120)


def test_an_offset_of_0_keeps_its_duration(folder: Path) -> None:
    soundfile.write(folder / "long.wav", np.arange(8000, dtype=np.int16), 8000)
    rows = [("long.wav", 0.0, 0.25), ("long.wav", None, 0.5), ("long.wav", 0.5, 0.25), ("long.wav", 0, 1.004), ("long.wav", 0.75, 0.2509)]
    lines = [{"audio_filepath": path, "offset": offset, "duration": duration, "label": "a"} for path, offset, duration in rows]
    clips = listed(folder, "\n".join(map(json.dumps, lines)), "m.jsonl").clips
    assert [(clip.start, clip.stop) for clip in clips] == [(0, 2000), (0, 4000), (4000, 6000), (0, None), (6000, None)]
    alone = listed(folder, '{"audio_filepath": "long.wav", "duration": 0.5, "label": "a"}', "m.jsonl").clips
    assert [(clip.start, clip.stop) for clip in alone] == [(0, None)]


def test_a_line_separator_in_a_text_ends_no_line(folder: Path) -> None:
    texts = {"yes/a.wav": "so\u2028yes", "no/a.wav": "so\x85no"}
    for name, lines in (
        ("m.jsonl", [json.dumps({"path": path, "label": label}, ensure_ascii=False) for path, label in texts.items()]),
        ("m.csv", ["path,label", *(",".join(row) for row in texts.items())]),
    ):
        corpus = listed(folder, "\n".join(lines), name)
        assert labels(corpus) == texts
        assert corpus.skipped == []


def test_carriage_returns_end_lines(folder: Path) -> None:
    assert labels(listed(folder, "path,label\ryes/a.wav,yes\r\rno/a.wav,no\r")) == {"yes/a.wav": "yes", "no/a.wav": "no"}
    assert len(listed(folder, '{"path": "yes/a.wav"}\r{"path": "no/a.wav"}\r', "m.jsonl").clips) == 2


def test_a_list_is_no_label(folder: Path) -> None:
    rows = [{"path": "yes/a.wav", "label": ["yes"]}, {"path": "no/a.wav", "label": "no", "set": ["x"]}, {"path": {}, "label": "no"}]
    corpus = listed(folder, "\n".join(map(json.dumps, rows)), "m.jsonl")
    assert labels(corpus) == {"no/a.wav": "no"}
    assert [why for _, why in corpus.skipped] == ["label ['yes'] must be one text or number", "path {} must be one text or number"]


def test_two_columns_of_one_name_are_refused(folder: Path) -> None:
    with pytest.raises(CorpusError, match=r"m\.csv line 1: there are 2 columns 'label': give one of them another name"):
        listed(folder, "path,label,label\nyes/a.wav,yes,no\n")
    assert len(listed(folder, "path,label,note,note,,\nyes/a.wav,yes,,,,\n").clips) == 1


def test_ends_beyond_the_recordings_are_said(folder: Path) -> None:
    rows = [("yes/a.wav", "0.05,0.5"), ("yes/b.wav", "0,0.105"), ("no/a.wav", "0.01,0.2"), ("no/b.wav", "3,4"), ("no/b.wav", "0,0.1")]
    corpus = listed(folder, "path,label,start,end\n" + "".join(f"{path},{path[:2]},{piece}\n" for path, piece in rows))
    assert corpus.notes == [
        "rows that end after their recordings, and get what is there: 2, such as line 2 ends at 0.50 s, and yes/a.wav has 0.10 s"
    ]
    clips = listed(folder, '{"audio_filepath": "yes/a.wav", "offset": 0.05, "duration": 1, "label": "yes"}', "m.jsonl")
    assert any("line 1 ends at 1.05 s" in note for note in clips.notes)


def test_noise_between_words_is_that_piece_only(folder: Path) -> None:
    soundfile.write(folder / "long.wav", np.repeat(np.arange(6, dtype=np.int16), 8000), 8000)
    rows = [("yes", "2", "3"), ("no", "4", ""), ("_background_noise_", "0", "1.5"), ("noise", "3", "4")]
    corpus = listed(folder, "path,label,start,end\n" + "".join(f"long.wav,{','.join(row)}\n" for row in rows))
    clips, names = apply_labels(corpus)
    assert [(clip.start, clip.stop) for clip in clips if clip.label == "silence"] == [(0, 8000), (8000, 12000), (24000, 32000)]
    assert names == ("no", "yes", "silence")
    more = [clip for clip in apply_labels(corpus, silence_share=10)[0] if clip.label == "silence"]
    assert len(more) == 20
    assert all(clip.start < clip.stop <= 12000 or 24000 <= clip.start < clip.stop <= 32000 for clip in more if clip.stop)
    noise = corpus_noise(corpus, 8000, [replace(clip, split="train") for clip in clips])
    assert noise is not None
    assert noise.length.tolist() == [20000]
    assert sum(m.n_samples for m in scan_corpus(corpus).measured if m.clip.label == "_background_noise_") == 20000
    beyond = listed(folder, "path,label,start\nyes/a.wav,yes,\nyes/b.wav,noise,9\n")
    assert apply_labels(beyond)[1] == ("yes",)
    assert beyond.skipped == [("yes/b.wav", "noise without samples")]


def test_a_label_with_a_comma_is_chosen_by_quotes(folder: Path) -> None:
    (folder / "m.csv").write_text('path,label\nyes/a.wav,"stop, now"\nno/a.wav,no\n')
    assert main(["build", str(folder / "m.csv"), str(folder / "a.h5"), "--labels", '"stop, now",no']) == 0
    with Reader(folder / "a.h5") as reader:
        assert reader.labels == ("stop, now", "no")
