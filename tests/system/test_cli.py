"""The kwsfeat command: what goes to stdout and stderr, exit codes, and one clear line for everything that is wrong."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
import termios
import textwrap
import time
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import soundfile
from tones import WORDS, tone_clip

from kwsfeat import Reader, preset
from kwsfeat.cli import main
from kwsfeat.config.toml import read_toml
from kwsfeat.corpus.splits import RULES
from kwsfeat.dataset.verify import verify_file


def failure(capsys: pytest.CaptureFixture[str], *arguments: Any, code: int = 1) -> str:
    """The one line that a failing command prints."""
    assert main([str(argument) for argument in arguments]) == code
    out, err = capsys.readouterr()
    assert out == ""
    lines = [line for line in err.splitlines() if line.startswith("kwsfeat: ")]
    assert len(lines) == 1
    assert "Traceback" not in err
    return lines[0]


@pytest.fixture(scope="module")
def built(tiny_corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("cli") / "built.h5"
    assert main(["build", str(tiny_corpus), str(path), "--quiet"]) == 0
    return path


# --- what works


def test_build_info_verify(tiny_corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "a.h5"
    assert (
        main(["build", str(tiny_corpus), str(out), "--features", "mfcc", "--features", "mel75", "--labels", "yes,no", "--threads", "2"])
        == 0
    )
    printed = capsys.readouterr()
    assert printed.out.startswith(f"{out}: 53 clips")
    assert "layout words" in printed.err
    assert "no speaker is in two splits (12 speakers)" in printed.err
    assert Reader(out).feature_names == ("mfcc", "mel75")
    assert Reader(out).labels == ("yes", "no", "silence")

    assert main(["info", str(out)]) == 0
    text = capsys.readouterr().out
    for fragment in ("53 clips of 1 s at 16,000 Hz", "features mfcc: float32 53 x 101 x 13", "speakers   12", "silence", "9.43 %"):
        assert fragment in text
    assert main(["verify", str(out)]) == 0
    assert "intact" in capsys.readouterr().out


def test_info_as_json(built: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info", str(built), "--json"]) == 0
    values = json.loads(capsys.readouterr().out)
    assert values["n_clips"] == 77
    assert values["features"]["logmel"]["shape"] == [77, 101, 40]
    assert values["features"]["logmel"]["config"] == preset("logmel").to_dict()
    assert {(c["label"], c["count"]) for c in values["classes"]} == {("yes", 24), ("no", 24), ("up", 24), ("silence", 5)}
    assert sum(values["splits"].values()) == 77
    assert values["bytes"] == built.stat().st_size


def test_build_as_json_on_stdout_only(tiny_corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["build", str(tiny_corpus), str(tmp_path / "a.h5"), "--json", "--quiet"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    values = json.loads(out)
    assert (values["n_clips"], values["skipped"], values["n_resumed"]) == (77, [], 0)


def test_build_from_an_earlier_file(built: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["build", str(built), str(tmp_path / "b.h5"), "--features", "mfcc75"]) == 0
    earlier, new = Reader(built), Reader(tmp_path / "b.h5")
    assert new.feature_names == ("mfcc75",)
    np.testing.assert_array_equal(new.audio, earlier.audio)
    np.testing.assert_array_equal(new.split, earlier.split)
    capsys.readouterr()
    assert main(["build", str(built), str(tmp_path / "c.h5"), "--labels", "yes"]) == 2
    assert "--labels cannot change the rows" in capsys.readouterr().err


def test_float16_states_its_error(tiny_corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["build", str(tiny_corpus), str(tmp_path / "a.h5"), "--float16"]) == 0
    capsys.readouterr()
    assert main(["info", str(tmp_path / "a.h5")]) == 0
    assert "float16: each value is within 0.0078 of its float32 value" in capsys.readouterr().out


def test_pad_and_crop_override_every_feature_set(tiny_corpus: Path, tmp_path: Path) -> None:
    command = [
        "build",
        str(tiny_corpus),
        str(tmp_path / "a.h5"),
        "-f",
        "logmel",
        "-f",
        "logspec16k",
        "--pad",
        "center",
        "--crop",
        "loudest",
    ]
    assert main(command) == 0
    assert {Reader(tmp_path / "a.h5").config(name).pad for name in ("logmel", "logspec16k")} == {"center"}


def test_folds_take_turns(tiny_corpus: Path, tmp_path: Path) -> None:
    tested = []
    for fold in range(3):
        out = tmp_path / f"{fold}.h5"
        assert main(["build", str(tiny_corpus), str(out), "--folds", "3", "--fold", str(fold), "--quiet"]) == 0
        reader = Reader(out)
        tested += reader.source[reader.rows("test")].tolist()
    words = [source for source in tested if not source.startswith("_background")]
    assert len(words) == len(set(words)) == 72


def test_warmup(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["warmup", "logmel"]) == 0
    assert "logmel" in capsys.readouterr().out
    assert "did you mean logmel" in failure(capsys, "warmup", "logml", code=2)


def test_presets(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["presets"]) == 0
    text = capsys.readouterr().out
    for name in ("logmel", "mfcc", "mel75", "mfcc75", "logspec16k", "logspec8k", "logmel64", "waveform22k"):
        assert f"\n{name} " in f"\n{text}"
    assert main(["presets", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["mel75"]["config"] == preset("mel75").to_dict()


@pytest.mark.parametrize("name", ["logmel", "mel75", "waveform22k"])
def test_a_written_preset_is_accepted_by_features(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["presets", "--write", name]) == 0
    assert read_toml(tmp_path / f"{name}.toml") == preset(name)


def test_an_edited_toml_names_the_feature_set(tiny_corpus: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text('preset = "mfcc"\nn_mfcc = 20\n')
    assert main(["build", str(tiny_corpus), str(tmp_path / "a.h5"), "--features", str(tmp_path / "mine.toml")]) == 0
    assert Reader(tmp_path / "a.h5").features("mine").shape == (77, 101, 20)


def test_help_is_fast_and_light() -> None:
    heavy = "{'numba', 'h5py', 'scipy', 'soundfile', 'matplotlib', 'jax', 'numpy'}"
    script = f"import sys; from kwsfeat.cli import main; main(['--help']); sys.exit(bool({heavy} & set(sys.modules)))"
    subprocess.run([sys.executable, "-c", script], check=True, stdout=subprocess.DEVNULL)


@pytest.mark.parametrize("command", ["build", "info", "verify", "presets", "warmup"])
def test_every_command_has_help_with_an_example(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([command, "--help"]) == 0
    assert f"kwsfeat {command}" in capsys.readouterr().out.split("Options:")[0].split("\n", 2)[2]


def test_shell_completion() -> None:
    script = "import sys; from kwsfeat.cli import main; main([])"
    environment = os.environ | {"_KWSFEAT_COMPLETE": "bash_complete", "COMP_WORDS": "kwsfeat ver", "COMP_CWORD": "1"}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "plain,verify"


# --- bad input


def test_missing_empty_and_wordless_folders(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "no such folder" in failure(capsys, "build", tmp_path / "missing", tmp_path / "a.h5")
    (tmp_path / "empty").mkdir()
    assert "no recordings" in failure(capsys, "build", tmp_path / "empty", tmp_path / "a.h5")
    assert sorted(os.listdir(tmp_path)) == ["empty"]


def test_a_word_without_files_is_skipped_and_said(tiny_corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    corpus = tmp_path / "corpus"
    corpus.symlink_to(tiny_corpus)
    assert "did you mean no?" in failure(capsys, "build", corpus, tmp_path / "a.h5", "--labels", "noo", code=2)
    (tmp_path / "own" / "maybe").mkdir(parents=True)
    for word in WORDS:
        (tmp_path / "own" / word).symlink_to(tiny_corpus / word)
    assert main(["build", str(tmp_path / "own"), str(tmp_path / "a.h5"), "--silence-share", "0"]) == 3
    assert "maybe: a word without recordings" in capsys.readouterr().err
    assert Reader(tmp_path / "a.h5").n_clips == 72

    wrong = failure(capsys, "build", tmp_path / "own", tmp_path / "b.h5", "--strict")
    assert "own: maybe: a word without recordings: remove it, or build without strict" in wrong
    assert not list(tmp_path.glob("b.h5*"))
    (tmp_path / "own" / "maybe").rmdir()
    assert main(["build", str(tmp_path / "own"), str(tmp_path / "b.h5"), "--strict"]) == 0


def test_the_rule_of_the_split_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """FSDD's own test part is announced as the split only where it is the split."""
    (tmp_path / "fsdd").mkdir()
    for digit in range(10):
        for take in range(10):
            soundfile.write(tmp_path / "fsdd" / f"{digit}_ann_{take}.wav", tone_clip(0, take)[:800], 8000, subtype="PCM_16")
    said = {}
    for rule in ("auto", "stratified:50/50", "speaker-hash"):
        out = tmp_path / f"{rule.partition(':')[0]}.h5"
        assert main(["build", str(tmp_path / "fsdd"), str(out), "--split", rule]) == 0
        lines = capsys.readouterr().err.splitlines()
        (said[rule],) = (line for line in lines if line.startswith("split "))
        assert ("the corpus's own parts are not used: --split given does" in lines) == (rule != "auto")
    assert said["auto"].startswith("split given: the corpus's own parts")
    assert said["stratified:50/50"] == f"split stratified:50/50: {RULES['stratified']}"
    assert said["speaker-hash"].startswith("split speaker-hash: ")
    own, cut = Reader(tmp_path / "auto.h5"), Reader(tmp_path / "stratified.h5")
    assert {source for source, split in zip(own.source, own.split, strict=True) if split == "test"} == {
        f"{digit}_ann_{take}.wav" for digit in range(10) for take in range(5)
    }
    assert (cut.split == "test").sum() == 50
    assert (cut.split != own.split).any()


def test_verbose_lists_everything(tiny_corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The class table and every skipped recording of a build, every finding of a scan."""
    (tmp_path / "own" / "up").mkdir(parents=True)
    for word in ("yes", "no"):
        (tmp_path / "own" / word).symlink_to(tiny_corpus / word)
    for i in range(25):
        (tmp_path / "own" / "up" / f"bad{i}.wav").write_text("no")

    def said(*arguments: str) -> str:
        assert main([*arguments]) == 3
        printed = capsys.readouterr()
        return printed.out + printed.err

    source = str(tmp_path / "own")
    brief = said("build", source, str(tmp_path / "a.h5"))
    full = said("build", source, str(tmp_path / "b.h5"), "-v", "--silence-share", "0")
    assert sum("bad" in line for line in brief.splitlines()) == 20
    assert "and 5 more: -v or --json lists all" in brief
    assert {f"bad{i}.wav" for i in range(25)} <= {Path(line.split(":")[0]).name for line in full.splitlines()}
    assert "more: -v" not in full
    table = [line.split() for line in full.splitlines() if line.endswith("%")]
    assert table == [["up", "25", "34.25", "%"], ["no", "24", "32.88", "%"], ["yes", "24", "32.88", "%"], ["total", "73", "100.00", "%"]]
    assert not [line for line in brief.splitlines() if line.endswith("%")]

    brief, full = said("scan", source), said("scan", source, "--verbose")
    assert sum("bad" in line for line in brief.splitlines()) == 10
    assert sum("bad" in line for line in full.splitlines()) == 25


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    """A word with one recording of every odd but readable kind."""
    folder = tmp_path / "mixed" / "up"
    folder.mkdir(parents=True)
    y = tone_clip(2, 0)
    soundfile.write(folder / "16bit.wav", y, 16000, subtype="PCM_16")
    soundfile.write(folder / "stereo.wav", np.stack([y, y], axis=1), 16000, subtype="PCM_16")
    soundfile.write(folder / "8bit.wav", y, 16000, subtype="PCM_U8")
    soundfile.write(folder / "24bit.wav", y, 16000, subtype="PCM_24")
    soundfile.write(folder / "float.wav", y, 16000, subtype="FLOAT")
    soundfile.write(folder / "44100.wav", np.interp(np.arange(44100) / 44100, np.arange(16000) / 16000, y), 44100, subtype="PCM_16")
    return tmp_path / "mixed"


def test_odd_formats_become_the_same_clip(mixed: Path, tmp_path: Path) -> None:
    assert main(["build", str(mixed), str(tmp_path / "a.h5"), "--quiet"]) == 0
    reader = Reader(tmp_path / "a.h5")
    expected = tone_clip(2, 0)
    worst = {"16bit": 2**-15, "stereo": 2**-15, "24bit": 2**-15, "float": 2**-15, "8bit": 2**-7, "44100": 0.02}
    assert reader.n_clips == len(worst)
    for row, source in enumerate(reader.source):
        error = np.abs(reader.audio[row] / 32768 - expected).max()
        assert error <= worst[Path(source).stem], source


def write_bad(folder: Path) -> dict[str, str]:
    """Files that are not recordings, with a word of what is said about each."""
    (folder / "text.wav").write_text("I am not a recording")
    (folder / "zero.wav").write_bytes(b"")
    soundfile.write(folder / "cut.wav", tone_clip(0, 0), 16000, subtype="PCM_16")
    os.truncate(folder / "cut.wav", 9000)
    soundfile.write(folder / "nosamples.wav", np.zeros(0), 16000, subtype="PCM_16")
    soundfile.write(folder / "nan.wav", np.full(16000, np.nan), 16000, subtype="FLOAT")
    (folder / "link.wav").symlink_to("nowhere.wav")
    return {
        "text": "not a recording",
        "zero": "empty",
        "cut": "truncated",
        "nosamples": "no samples",
        "nan": "nan",
        "link": "link",
    }


def test_bad_recordings_are_skipped_counted_and_listed(mixed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    expected = write_bad(mixed / "up")
    assert main(["build", str(mixed), str(tmp_path / "a.h5")]) == 3
    err = capsys.readouterr().err
    assert f"skipped {len(expected)}:" in err
    for name, reason in expected.items():
        (line,) = (line for line in err.splitlines() if f"up/{name}.wav" in line)
        assert reason in line
    assert Reader(tmp_path / "a.h5").n_clips == 6
    assert verify_file(tmp_path / "a.h5").problems == []
    with h5py.File(tmp_path / "a.h5") as file:
        assert file.attrs["n_skipped"] == len(file["skipped"]) == len(expected)


def test_skipped_recordings_as_json(mixed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    expected = write_bad(mixed / "up")
    assert main(["build", str(mixed), str(tmp_path / "a.h5"), "--json", "--quiet"]) == 3
    values = json.loads(capsys.readouterr().out)
    assert {Path(entry["source"]).stem for entry in values["skipped"]} == set(expected)


def test_strict_fails_at_a_bad_recording(mixed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (mixed / "up" / "text.wav").write_text("no")
    assert "text.wav" in failure(capsys, "build", mixed, tmp_path / "a.h5", "--strict")
    assert not (tmp_path / "a.h5").exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may read everything")
def test_an_unreadable_recording_is_skipped(mixed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (mixed / "up" / "8bit.wav").chmod(0)
    assert main(["build", str(mixed), str(tmp_path / "a.h5")]) == 3
    assert "8bit.wav: cannot be opened: Permission denied" in capsys.readouterr().err


def test_an_output_that_exists(built: Path, tiny_corpus: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = built.read_bytes()
    assert "exists: choose another name or use --overwrite" in failure(capsys, "build", tiny_corpus, built)
    assert built.read_bytes() == before


def test_an_output_that_cannot_be_written(tiny_corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "No such file or directory: make its folder" in failure(capsys, "build", tiny_corpus, tmp_path / "missing" / "a.h5")
    assert "is a folder" in failure(capsys, "build", tiny_corpus, tmp_path)


@pytest.mark.parametrize(
    ("features", "message"),
    [
        ("logml", "did you mean logmel"),
        ("missing.toml", "cannot be read"),
        ("wrong.toml", "'n_mel' is not a field of FeatureConfig: did you mean n_mels"),
        ("broken.toml", "not TOML"),
        ("bounds.toml", "hop_length"),
    ],
)
def test_features_that_do_not_exist(
    tiny_corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, features: str, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("wrong.toml").write_text("n_mel = 40\n")
    Path("broken.toml").write_text("n_mels = \n")
    Path("bounds.toml").write_text("hop_length = 0\n")
    assert message in failure(capsys, "build", tiny_corpus, "a.h5", "--features", features, code=2)
    assert not Path("a.h5").exists()


def test_files_that_are_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "text.h5").write_text("hello")
    for command in ("info", "verify"):
        assert "missing.h5" in failure(capsys, command, tmp_path / "missing.h5")
    assert "not an HDF5 file" in failure(capsys, "info", tmp_path / "text.h5")
    assert main(["verify", str(tmp_path / "text.h5")]) == 4


def test_a_damaged_file_fails_verification(built: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    copy = tmp_path / "copy.h5"
    data = bytearray(built.read_bytes())
    data[Reader(built).extents["audio"].offset + 12345] ^= 4
    copy.write_bytes(data)
    assert main(["verify", str(copy), "--json"]) == 4
    values = json.loads(capsys.readouterr().out)
    assert not values["intact"]
    assert values["problems"] == ["/audio rows 0 to 63 differ from their checksum: they were changed or damaged"]


@pytest.mark.parametrize("arguments", [["build"], ["nosuch"], ["build", "a", "b", "--threads", "0"], ["info", "a", "--nosuch"]])
def test_wrong_usage(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    assert "Usage: kwsfeat" in capsys.readouterr().err


# --- from outside


def start_build(corpus: Path, out: Path, hold_at: int = 0) -> subprocess.Popen[str]:
    """`kwsfeat build` in a process of its own, in small blocks.

    Before it decodes recording number `hold_at` it makes the file `held` beside `out` and waits for it to go: whoever wants to interrupt it
    there need not be quick. The tests that use it ask for `built` too: by then the kernels are compiled.
    """
    script = """
        import sys, time
        from pathlib import Path
        import kwsfeat.pipeline.sources, kwsfeat.dataset.writer
        from kwsfeat.cli import main

        corpus, out, hold_at = sys.argv[1:]
        decode, held, n_decoded = kwsfeat.pipeline.sources.load_clip, Path(out).with_name("held"), 0

        def holding(*args, **options):
            global n_decoded
            n_decoded += 1
            if n_decoded == int(hold_at):
                held.touch()
                while held.exists():
                    time.sleep(0.01)
            return decode(*args, **options)

        kwsfeat.dataset.writer._BLOCK_ROWS = 8
        kwsfeat.pipeline.sources.load_clip = holding
        sys.exit(main(["build", corpus, out, "--threads", "1", "--json"]))
    """
    command = [sys.executable, "-c", textwrap.dedent(script), str(corpus), str(out), str(hold_at)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def wait_until_held(process: subprocess.Popen[str], out: Path) -> Path:
    """The file whose removal lets `process` go on."""
    held = out.with_name("held")
    while not held.exists():
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    return held


def test_ctrl_c(built: Path, tiny_corpus: Path, tmp_path: Path) -> None:
    out = tmp_path / "a.h5"
    process = start_build(tiny_corpus, out, hold_at=50)
    held = wait_until_held(process, out)
    process.send_signal(signal.SIGINT)
    held.unlink()
    printed, err = process.communicate()
    assert process.returncode == 130
    assert printed == ""
    assert err.splitlines()[-1].startswith("kwsfeat: interrupted")
    assert "Traceback" not in err
    assert os.listdir(tmp_path) == ["a.h5.partial"]
    assert start_build(tiny_corpus, out).wait() == 0
    assert verify_file(out).problems == []


def test_killed_at_some_recordings_it_goes_on(built: Path, tiny_corpus: Path, tmp_path: Path) -> None:
    """Each process goes on where the one before was killed: each decodes some more recordings."""
    assert start_build(tiny_corpus, tmp_path / "reference.h5").wait() == 0
    out = tmp_path / "a.h5"
    for hold_at in (3, 19, 31):
        process = start_build(tiny_corpus, out, hold_at)
        held = wait_until_held(process, out)
        process.kill()
        process.communicate()
        assert not out.exists()
        held.unlink()
    process = start_build(tiny_corpus, out)
    n_resumed = json.loads(process.communicate()[0])["n_resumed"]
    assert process.returncode == 0
    assert 0 < n_resumed < 77
    assert out.read_bytes() == (tmp_path / "reference.h5").read_bytes()


def test_a_closed_pipe_is_no_error(built: Path) -> None:
    command = f'{sys.executable} -c \'from kwsfeat.cli import main; main(["info", "{built}"])\' | head -c 10'
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True)
    assert done.stderr == ""


def test_progress_is_for_terminals_only(tiny_corpus: Path, tmp_path: Path) -> None:
    outputs = {}
    for name in ("terminal", "pipe"):
        ours, theirs = pty.openpty() if name == "terminal" else os.pipe()
        if name == "terminal":
            termios.tcsetwinsize(theirs, (24, 120))
        script = "import sys; from kwsfeat.cli import main; sys.exit(main(sys.argv[1:]))"
        command = [sys.executable, "-c", script, "build", str(tiny_corpus), str(tmp_path / f"{name}.h5")]
        process = subprocess.Popen(command, stderr=theirs, stdout=subprocess.DEVNULL)
        os.close(theirs)
        text = b""
        try:
            while part := os.read(ours, 4096):
                text += part
        except OSError:  # the terminal is gone when the process is
            pass
        os.close(ours)
        assert process.wait() == 0
        outputs[name] = text
    assert b"clips/s" in outputs["terminal"]
    assert b"clips/s" not in outputs["pipe"]
    assert b"\r" not in outputs["pipe"]


def test_a_file_size_limit_is_one_line_and_leaves_nothing(tiny_corpus: Path, tmp_path: Path) -> None:
    """HDF5 reports its own failed write in several lines."""
    limited = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000)); "
    code = limited + f"from kwsfeat.cli import main; raise SystemExit(main(['build', {str(tiny_corpus)!r}, 'out.h5', '--quiet']))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 1
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("kwsfeat:")]
    assert done.stderr.splitlines()[-1] == line
    assert "cannot create out.h5: File too large: free some space" in line
    assert not list(tmp_path.iterdir())
