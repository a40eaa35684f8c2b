"""Layouts are found by themselves, links and names are followed, archives and manifests become clips."""

from __future__ import annotations

import json
import os
import shutil
import tarfile
import unicodedata
import zipfile
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import soundfile

from kwsfeat.audio.clip import load_clip
from kwsfeat.cli import main
from kwsfeat.config.features import FeatureConfig
from kwsfeat.corpus.acquire.archive import unpack
from kwsfeat.corpus.find import find_corpus
from kwsfeat.errors import AudioError, ConfigError, CorpusError

SHORT = np.arange(-800, 800, dtype=np.int16)


def recordings(root: Path, *paths: str) -> Path:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(root / path, SHORT, 16000)
    return root


def labels(root: Path, layout: str | None = None) -> dict[str, str]:
    return {clip.path: clip.label for clip in find_corpus(root, layout).clips}


def test_a_folder_per_word(tiny_corpus: Path) -> None:
    corpus = find_corpus(tiny_corpus)
    assert corpus.layout == "words"
    assert Counter(clip.label for clip in corpus.clips) == {"yes": 24, "no": 24, "up": 24}
    assert len({clip.speaker for clip in corpus.clips}) == 12
    assert corpus.noise == ["_background_noise_/white.wav"]
    assert [clip.path for clip in corpus.clips] == sorted(clip.path for clip in corpus.clips)


def test_the_lists_are_the_split_with_any_suffix(tmp_path: Path) -> None:
    root = recordings(tmp_path, "yes/a_nohash_0.flac", "yes/b_nohash_0.flac", "yes/c_nohash_0.flac", "no/a_nohash_0.ogg")
    (root / "validation_list.txt").write_text("yes/b_nohash_0.wav\n")
    (root / "testing_list.txt").write_text("yes/c_nohash_0.wav\nno/gone_nohash_0.wav\n\n")
    corpus = find_corpus(root)
    assert {clip.path: clip.split for clip in corpus.clips} == {
        "no/a_nohash_0.ogg": "train",
        "yes/a_nohash_0.flac": "train",
        "yes/b_nohash_0.flac": "validation",
        "yes/c_nohash_0.flac": "test",
    }
    assert corpus.notes == ["validation_list.txt and testing_list.txt name 1 recordings that are not there"]


def test_kaggle_leaves_the_unlabelled_out_unless_asked_for_them(tmp_path: Path) -> None:
    root = recordings(
        tmp_path, "train/audio/yes/a_nohash_0.wav", "train/audio/no/b_nohash_0.wav", "test/audio/clip_1.wav", "test/audio/clip_2.wav"
    )
    recordings(root, "train/audio/_background_noise_/hum.wav")
    (root / "train" / "testing_list.txt").write_text("yes/a_nohash_0.wav\n")
    (root / "train" / "validation_list.txt").write_text("no/b_nohash_0.wav\n")
    corpus = find_corpus(root)
    assert corpus.layout == "kaggle"
    assert [(clip.label, clip.split) for clip in corpus.clips] == [("no", "validation"), ("yes", "test")]
    assert corpus.noise == ["train/audio/_background_noise_/hum.wav"]
    assert corpus.notes == ["test/audio holds 2 recordings without labels, left out: --layout unlabelled takes those"]
    assert labels(root, "unlabelled") == {"test/audio/clip_1.wav": "", "test/audio/clip_2.wav": ""}
    test = find_corpus(root / "test" / "audio")
    assert test.layout == "unlabelled"
    assert {clip.path: clip.split for clip in find_corpus(root / "train").clips} == {
        "no/b_nohash_0.wav": "validation",
        "yes/a_nohash_0.wav": "test",
    }
    shutil.rmtree(root / "train")
    assert labels(root) == {"test/audio/clip_1.wav": "", "test/audio/clip_2.wav": ""}
    assert labels(root / "test" / "audio") == {"clip_1.wav": "", "clip_2.wav": ""}


def test_fsdd_names(tmp_path: Path) -> None:
    root = recordings(tmp_path, *(f"{digit}_{speaker}_{i}.wav" for digit in range(10) for speaker in ("ann", "bob") for i in range(3, 8)))
    corpus = find_corpus(root)
    assert corpus.layout == "fsdd"
    assert corpus.words == list("0123456789")
    assert {clip.speaker for clip in corpus.clips} == {"ann", "bob"}
    assert {clip.split for clip in corpus.clips if clip.path.endswith(("_3.wav", "_4.wav"))} == {"test"}
    assert Counter(clip.split for clip in corpus.clips) == {"test": 40, "": 60}


def test_other_words_in_fsdd_names_have_no_official_part(tmp_path: Path) -> None:
    corpus = find_corpus(recordings(tmp_path, *(f"{word}_ann_{i}.wav" for word in ("yes", "no") for i in range(9))))
    assert corpus.layout == "fsdd"
    assert {clip.split for clip in corpus.clips} == {""}


@pytest.mark.parametrize(
    "paths",
    [
        ("speaker1/yes/1.wav", "speaker1/no/1.wav", "speaker2/yes/1.wav"),
        ("anna/yes_1.wav", "anna/no_1.wav", "bob/yes_1.wav", "bob/no-2.wav"),
        ("01/yes_01_0.wav", "01/no_01_1.wav", "02/yes_02_0.wav"),
        ("p225/yes1.wav", "p225/no.wav", "p226/yes.wav"),
    ],
)
def test_a_folder_per_speaker(tmp_path: Path, paths: tuple[str, ...]) -> None:
    corpus = find_corpus(recordings(tmp_path, *paths))
    assert corpus.layout == "speakers"
    assert corpus.words == ["no", "yes"]
    assert {clip.speaker for clip in corpus.clips} == {path.split("/")[0] for path in paths}


@pytest.mark.parametrize(
    "paths",
    [
        ("yes/anna_1.wav", "no/anna_1.wav", "no/bob_1.wav"),
        ("0/a.wav", "1/a.wav", "2/a.wav"),
        ("ja/1.wav", "nein/1.wav"),
        ("yes/session1/a.wav", "no/session1/a.wav"),
    ],
)
def test_a_folder_per_word_is_not_taken_for_speakers(tmp_path: Path, paths: tuple[str, ...]) -> None:
    corpus = find_corpus(recordings(tmp_path, *paths))
    assert corpus.layout == "words"
    assert corpus.words == sorted({path.split("/")[0] for path in paths})


def test_layout_overrides_what_the_names_say(tmp_path: Path) -> None:
    root = recordings(tmp_path, "anna/hello_1.wav", "bob/hello_1.wav")
    assert labels(root) == {"anna/hello_1.wav": "anna", "bob/hello_1.wav": "bob"}
    assert labels(root, "speakers") == {"anna/hello_1.wav": "hello", "bob/hello_1.wav": "hello"}
    with pytest.raises(ConfigError, match=r"'speaker' is not a layout: did you mean speakers"):
        find_corpus(root, "speaker")
    with pytest.raises(CorpusError, match="no clips in the layout 'kaggle'"):
        find_corpus(root, "kaggle")


def test_links_are_followed_and_circles_are_not(tmp_path: Path) -> None:
    recordings(tmp_path / "elsewhere", "a.wav", "b.wav")
    root = recordings(tmp_path / "corpus", "no/c.wav")
    (root / "yes").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    (root / "no" / "d.wav").symlink_to(tmp_path / "elsewhere" / "a.wav")
    (root / "no" / "again").symlink_to(root, target_is_directory=True)
    assert labels(root) == {"no/c.wav": "no", "no/d.wav": "no", "yes/a.wav": "yes", "yes/b.wav": "yes"}


def test_folders_that_link_to_each_other_are_read_once(tmp_path: Path) -> None:
    root = recordings(tmp_path, *(f"w{i}x/a.wav" for i in range(6)))
    for i in range(6):
        for j in range(6):
            if i != j:
                (root / f"w{i}x" / f"l{j}").symlink_to(root / f"w{j}x")
    (root / "alias").symlink_to(root / "w0x")
    corpus = find_corpus(root)
    assert [clip.path for clip in corpus.clips] == [f"w{i}x/a.wav" for i in range(6)]
    assert any(note.startswith("31 links lead to folders that are read under another name") for note in corpus.notes)
    assert corpus.skipped == []


def test_a_folder_that_cannot_be_read_is_skipped_and_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = recordings(tmp_path, "yes/a.wav", "no/a.wav", "lost+found/b.wav")
    real = os.scandir

    def scandir(path: str) -> object:
        if str(path).endswith("lost+found"):
            raise PermissionError(13, "Permission denied", path)
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    corpus = find_corpus(root)
    assert corpus.words == ["no", "yes"]
    assert corpus.skipped == [("lost+found", "cannot be read: Permission denied")]
    with pytest.raises(CorpusError, match=r"lost.found: cannot be read"):
        find_corpus(root / "lost+found")


@pytest.fixture
def ffmpeg(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A command that decodes as ffmpeg would: its files hold the name of a WAV file, and "bad" is none."""
    script = tmp_path / "bin" / "ffmpeg"
    script.parent.mkdir()
    script.write_text(
        "#!/bin/sh\n"
        'while [ "$1" != -i ]; do shift; done\n'
        'name="${2#file:}"; read -r wav < "$name"\n'
        '[ "$wav" = bad ] && { echo "$name: Invalid data found" >&2; exit 1; }\n'
        'exec cat "$wav"\n'
    )
    script.chmod(0o755)
    monkeypatch.setenv("PATH", str(script.parent), prepend=os.pathsep)
    return script


@pytest.mark.skipif(os.name != "posix", reason="the stand-in is a shell script")
@pytest.mark.parametrize("suffix", [".m4a", ".aac", ".amr", ".webm", ".WMA", ".ulaw"])
def test_other_kinds_are_decoded_by_ffmpeg(tmp_path: Path, ffmpeg: Path, suffix: str, capsys: pytest.CaptureFixture[str]) -> None:
    recordings(tmp_path, "kept/x.wav")
    root = recordings(tmp_path / "c", "yes/a.wav", "no/a.wav")
    (root / "yes" / f"b{suffix}").write_text(f"{tmp_path / 'kept' / 'x.wav'}\n")
    (root / "no" / f"b{suffix}").write_text("bad\n")
    corpus = find_corpus(root)
    assert [clip.path for clip in corpus.clips] == ["no/a.wav", f"no/b{suffix}", "yes/a.wav", f"yes/b{suffix}"]
    y, length = load_clip(corpus.open(corpus.clips[3]), FeatureConfig())
    assert length == len(SHORT)
    np.testing.assert_array_equal(y[: len(SHORT)], SHORT)
    assert main(["build", str(root), str(tmp_path / "a.h5")]) == 3
    assert "Invalid data found" in capsys.readouterr().err


def test_without_ffmpeg_they_are_counted_and_the_line_that_converts_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    root = recordings(tmp_path / "c", "yes/a.wav", "no/a.wav")
    for name in ("yes/1.m4a", "yes/2.M4A", "no/1.amr"):
        (root / name).write_bytes(bytes(100))
    said = "2 .m4a and 1 .amr recordings cannot be read without ffmpeg: install ffmpeg, or convert them: for f in *.m4a; do ffmpeg -i"
    corpus = find_corpus(root)
    assert len(corpus.clips) == 2
    assert any(note.startswith(said) for note in corpus.notes)
    for path in root.rglob("a.wav"):
        path.unlink()
    with pytest.raises(CorpusError, match=r"2 \.m4a and 1 \.amr recordings cannot be read without ffmpeg"):
        find_corpus(root)
    with pytest.raises(AudioError, match="needs ffmpeg, which is not installed"):
        load_clip(root / "no" / "1.amr", FeatureConfig())


def test_a_broken_link_is_a_clip_that_cannot_be_read(tmp_path: Path) -> None:
    root = recordings(tmp_path, "yes/a.wav")
    (root / "yes" / "b.wav").symlink_to(tmp_path / "gone.wav")
    assert list(labels(root)) == ["yes/a.wav", "yes/b.wav"]


def test_names_of_any_script_and_one_spelling(tmp_path: Path) -> None:
    corpus = find_corpus(recordings(tmp_path, unicodedata.normalize("NFD", "größe/ä.wav"), "слово/один.wav", "言葉/一.wav"))
    assert set(corpus.words) == {unicodedata.normalize("NFC", "größe"), "слово", "言葉"}
    for clip in corpus.clips:
        assert load_clip(corpus.open(clip), FeatureConfig())[1] == len(SHORT)


@pytest.mark.skipif(os.name != "posix", reason="names are Unicode on this system")
def test_names_that_are_no_unicode(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = recordings(tmp_path / "c", "yes/a.wav", "no/a.flac")
    os.rename(root / "yes" / "a.wav", os.fsencode(root / "yes") + b"/\xff.wav")
    os.rename(root / "no", os.fsencode(root) + b"/n\xff")
    os.rename(os.fsencode(root) + b"/n\xff/a.flac", os.fsencode(root) + b"/n\xff/\xfe.flac")
    corpus = find_corpus(root)
    assert set(corpus.words) == {"n\ufffd", "yes"}
    for clip in corpus.clips:
        assert load_clip(corpus.open(clip), FeatureConfig())[1] == len(SHORT)
    assert main(["scan", str(root)]) == 0
    assert "yes/?.wav" in capsys.readouterr().out


def test_only_recordings_count(tmp_path: Path) -> None:
    root = recordings(tmp_path, "yes/a.wav", "yes/deep/er/b.WAV".lower(), ".hidden/c.wav", "__MACOSX/yes/d.wav")
    (root / "yes" / "notes.txt").write_text("text")
    if hasattr(os, "mkfifo"):
        os.mkfifo(root / "yes" / "pipe.wav")  # opening it would wait for ever
    (root / "README.md").write_text("text")
    assert labels(root, "words") == {"yes/a.wav": "yes", "yes/deep/er/b.wav": "yes"}


def test_a_word_without_recordings_and_a_stray_file_are_listed(tmp_path: Path) -> None:
    root = recordings(tmp_path, "yes/a.wav", "no/a.wav", "stray.wav")
    (root / "up").mkdir()
    assert find_corpus(root).skipped == [("stray.wav", "lies outside the folders of the words"), ("up", "a word without recordings")]


def test_missing_empty_and_wrong_sources(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="no such folder"):
        find_corpus(tmp_path / "missing")
    (tmp_path / "empty").mkdir()
    with pytest.raises(CorpusError, match="no recordings in it"):
        find_corpus(tmp_path / "empty")
    (tmp_path / "a.txt").write_text("text")
    with pytest.raises(CorpusError, match=r"neither a folder nor a \.tar\.gz"):
        find_corpus(tmp_path / "a.txt")


def test_a_csv_manifest(tmp_path: Path) -> None:
    recordings(tmp_path, "audio/one.wav", "audio/two.wav")
    manifest = tmp_path / "rows.csv"
    manifest.write_text(
        "path, label,speaker,split,start,end,mood\naudio/one.wav,yes,ann,train,,,good\naudio/two.wav,no,,valid,0.02,0.05,\n"
    )
    first, second = find_corpus(manifest).clips
    assert (first.label, first.speaker, first.split, first.start, first.stop) == ("yes", "ann", "train", 0, None)
    assert (second.label, second.speaker, second.split, second.start, second.stop) == ("no", "", "validation", 320, 800)
    corpus = find_corpus(manifest)
    y, length = load_clip(corpus.open(second), FeatureConfig(), start=second.start, stop=second.stop)
    assert length == 480
    np.testing.assert_array_equal(y[:480], SHORT[320:800])


def test_a_jsonl_manifest_with_absolute_paths(tmp_path: Path) -> None:
    recordings(tmp_path, "one.wav")
    manifest = tmp_path / "elsewhere" / "rows.jsonl"
    manifest.parent.mkdir()
    manifest.write_text(json.dumps({"path": str(tmp_path / "one.wav"), "label": 7}) + "\n\n")
    corpus = find_corpus(manifest)
    assert [clip.label for clip in corpus.clips] == ["7"]
    assert load_clip(corpus.open(corpus.clips[0]), FeatureConfig())[1] == len(SHORT)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.csv", "name,label\nx.wav,yes\n", "line 2: no path"),
        ("a.csv", "path,lable\nx.wav,yes\n", "line 2: column 'lable': did you mean label"),
        ("a.csv", "path,label\nx.wav,yes,no\n", "line 2: more values than columns"),
        ("a.csv", "path,label,end\nx.wav,yes,-1\n", "end '-1' must be a number of seconds"),
        ("a.csv", "path,label\n,yes\n", "line 2: no path"),
        ("a.csv", "path,label,split\nx.wav,yes,holdout\n", "split 'holdout' must be train, validation or test"),
        ("a.csv", "path,label,start\nx.wav,yes,soon\n", "start 'soon'"),
        ("a.csv", "path,label,start,end\nx.wav,yes,2,1\n", "before end 1 s"),
        ("a.csv", "path,label\n", "no rows"),
        ("a.jsonl", '{"path": "x.wav"\n', "line 1: not JSON"),
        ("a.jsonl", "[1]\n", "must be a JSON object, not list"),
    ],
)
def test_a_wrong_manifest_names_the_line(tmp_path: Path, name: str, text: str, message: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(CorpusError, match=message):
        find_corpus(tmp_path / name)


@pytest.mark.parametrize("suffix", [".tar.gz", ".zip", ".tgz", ".tar"])
def test_an_archive_is_read_like_a_folder(tmp_path: Path, suffix: str) -> None:
    root = recordings(tmp_path / "corpus-1.0", "yes/a_nohash_0.wav", "no/b_nohash_0.wav", "_background_noise_/hum.wav")
    archive = tmp_path / f"corpus{suffix}"
    if suffix == ".zip":
        with zipfile.ZipFile(archive, "w") as pack:
            for path in root.rglob("*.wav"):
                pack.write(path, path.relative_to(tmp_path))
    else:
        with tarfile.open(archive, "w" if suffix == ".tar" else "w:gz") as tar:
            tar.add(root, root.name)
    shutil.rmtree(root)
    corpus = find_corpus(archive)
    assert {clip.path: clip.label for clip in corpus.clips} == {"no/b_nohash_0.wav": "no", "yes/a_nohash_0.wav": "yes"}
    assert len(corpus.noise) == 1
    assert load_clip(corpus.open(corpus.clips[0]), FeatureConfig())[1] == len(SHORT)
    folder = corpus.root
    del corpus
    assert not folder.exists()
    assert os.listdir(tmp_path) == [archive.name]


def test_a_damaged_archive_is_one_line(tmp_path: Path) -> None:
    for name in ("a.tar.gz", "a.zip"):
        (tmp_path / name).write_bytes(b"not an archive")
        with pytest.raises(CorpusError, match="damaged archive"):
            find_corpus(tmp_path / name)
    recordings(tmp_path / "c", *(f"yes/{i}.wav" for i in range(9)))
    with tarfile.open(tmp_path / "b.tar.gz", "w:gz") as tar:
        tar.add(tmp_path / "c", "c")
    data = (tmp_path / "b.tar.gz").read_bytes()
    (tmp_path / "b.tar.gz").write_bytes(data[: len(data) // 2])
    with pytest.raises(CorpusError, match="damaged archive"):
        find_corpus(tmp_path / "b.tar.gz")


def _tar_member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, link
    return member


@pytest.mark.parametrize(
    "member",
    [
        _tar_member("../evil.wav"),
        _tar_member("/tmp/evil.wav"),
        _tar_member("a/../../evil.wav"),
        _tar_member("link", tarfile.SYMTYPE, "../../etc"),
        _tar_member("link", tarfile.SYMTYPE, "/etc/passwd"),
        _tar_member("link", tarfile.LNKTYPE, "../evil.wav"),
        _tar_member("pipe", tarfile.FIFOTYPE),
        _tar_member("device", tarfile.CHRTYPE),
    ],
)
def test_a_malicious_tar_writes_nothing(tmp_path: Path, member: tarfile.TarInfo) -> None:
    good = recordings(tmp_path / "good", "a.wav") / "a.wav"
    with tarfile.open(tmp_path / "evil.tar.gz", "w:gz") as tar:
        tar.add(good, "yes/a.wav")
        tar.addfile(member)
    with pytest.raises(CorpusError, match="refused"):
        unpack(tmp_path / "evil.tar.gz", tmp_path / "target")
    assert list((tmp_path / "target").iterdir()) == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["evil.tar.gz", "good", "target"]


@pytest.mark.parametrize("name", ["../evil.wav", "/tmp/evil.wav", "a/../../evil.wav", "C:\\evil.wav", "..\\evil.wav"])
def test_a_malicious_zip_writes_nothing(tmp_path: Path, name: str) -> None:
    with zipfile.ZipFile(tmp_path / "evil.zip", "w") as pack:
        pack.writestr("yes/a.wav", b"")
        pack.writestr(name, b"evil")
    with pytest.raises(CorpusError, match="refused"):
        unpack(tmp_path / "evil.zip", tmp_path / "target")
    assert list((tmp_path / "target").iterdir()) == []


def test_a_link_in_a_zip_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "evil.zip", "w") as pack:
        link = zipfile.ZipInfo("link")
        link.external_attr = 0o120777 << 16
        pack.writestr(link, "/etc/passwd")
    with pytest.raises(CorpusError, match="link is a link"):
        unpack(tmp_path / "evil.zip", tmp_path / "target")


def test_an_archive_larger_than_the_disk_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recordings(tmp_path, "yes/a.wav")
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        tar.add(tmp_path / "yes", "yes")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(1000, 0, 1000))  # type: ignore[attr-defined]
    with pytest.raises(CorpusError, match="GB free"):
        unpack(tmp_path / "a.tar", tmp_path / "target")


def test_real_corpora(kws_data: Path) -> None:
    commands = find_corpus(kws_data / "speech_commands")
    assert (commands.layout, len(commands.words), len(commands.noise), commands.skipped) == ("words", 35, 6, [])
    assert all(clip.split for clip in commands.clips)
    digits = find_corpus(kws_data / "fsdd")
    assert (digits.layout, len(digits.clips)) == ("fsdd", 2000)
    assert Counter(clip.split for clip in digits.clips) == {"test": 200, "": 1800}
