"""The kwstrain command from outside: output, exit codes, messages."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from tones import tone_clip
from toy_features import LABELS, write_toy

from kwsfeat import FeatureConfig
from kwsfeat.pipeline.arrays import write_file

pytest.importorskip("jax")

from kwstrain.cli import main

COMMAND = [sys.executable, "-c", "import sys; from kwstrain.cli import main; sys.exit(main())"]
QUICK = ["--arch", "lstm", "-s", "options.units=16", "-s", "gradient_histograms=false", "--batch", "16"]


@pytest.fixture(scope="module")
def tones(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A feature file of tone words, made by the feature engine."""
    takes = np.arange(60)
    audio = np.stack([tone_clip(take % 3, take) for take in takes])
    path = tmp_path_factory.mktemp("tones") / "tones.h5"
    write_file(
        path, audio=np.round(32767 * audio).astype(np.int16), length=np.full(60, 16000), label=takes % 3,
        split=np.array(["train", "train", "train", "validation", "test"])[takes // 3 % 5], labels=list(LABELS),
        configs={"logmel": FeatureConfig(n_mels=20)},
    )  # fmt: skip
    return path


@pytest.fixture(scope="module")
def run(tones: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "tones"
    assert main(["fit", str(tones), *QUICK, "--epochs", "8", "--lr", "0.01", "--out", str(out)]) == 0
    return out


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Unseen recordings, one of them not a recording."""
    folder = tmp_path_factory.mktemp("clips")
    for word, name in ((2, "a"), (0, "b"), (1, "c"), (2, "d")):
        soundfile.write(folder / f"{name}.wav", tone_clip(word, 1000 + word), 16000, subtype="PCM_16")
    (folder / "note.wav").write_text("this is text")
    return folder


def test_fit_reports_progress_result_and_what_comes_next(tones: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fit", *QUICK, "--epochs", "2", str(tones), "--out", str(tmp_path / "run")]) == 0
    out, err = capsys.readouterr()
    assert "epoch 1/2  loss" in err
    assert "examples/s" in err
    assert "validation accuracy" in out
    assert f"next      kwstrain evaluate {tmp_path / 'run'}" in err


def test_the_default_run_folder_is_named_after_file_and_network(tones: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["fit", str(tones), *QUICK, "--epochs", "1", "-q"]) == 0
    assert (tmp_path / "runs" / "tones-lstm" / "weights.npz").is_file()


def test_evaluate_ends_with_accuracy_and_the_next_step(run: Path, tones: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", str(run), str(tones)]) == 0
    out, err = capsys.readouterr()
    assert out.splitlines()[-1].startswith("test accuracy 1.0000")
    assert "95 % interval" in out
    assert "micro F1 1.0000, macro F1 1.0000" in out
    assert f"model     {run}" in out
    for picture in ("curves.png", "test-confusion.png", "test-mistakes.html"):
        assert str(run / picture) in out
        assert (run / picture).is_file()
    assert f"next      kwstrain predict {run} FILE.wav\n          tensorboard --logdir {run}" in err


def test_evaluate_gives_json(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", str(run), "--split", "validation", "--json"]) == 0
    values = json.loads(capsys.readouterr().out)
    assert values["split"] == "validation"
    assert values["classes"]["yes"]["n_clips"] == 4
    assert sum(map(sum, values["confusion"])) == values["n_clips"] == 12


def test_the_page_of_mistakes_lets_hear_and_see_them(run: Path, tones: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from kwsfeat import Reader

    other = tmp_path / "relabelled.h5"  # every clip is called by the next word: all answers are mistakes
    with Reader(tones) as reader:
        write_file(
            other, audio=reader.audio, length=[12000, 16000] * 30, label=(reader.label + 1) % 3, split=reader.split, labels=reader.labels,
            configs={"logmel": reader.config()}, speaker=["ann", ""] * 30,
        )  # fmt: skip
    assert main(["evaluate", str(run), str(other)]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "test accuracy 0.0000"
    page = (run / "relabelled-test-mistakes.html").read_text()
    assert page.count("<audio") == 12
    assert page.count("data:image/png") == 13
    assert "<th>speaker</th><th>length</th>" in page
    assert page.count("<td>ann</td><td class=number>0.75 s</td>") == 6
    assert page.count("<td>unknown</td><td class=number>1.00 s</td>") == 6
    assert "http" not in page


def test_predict_gives_a_line_a_file_in_the_order_given(run: Path, clips: Path, capsys: pytest.CaptureFixture[str]) -> None:
    paths = [str(clips / f"{name}.wav") for name in "dabc"]
    assert main(["predict", str(run), *paths]) == 0
    lines = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    assert [line[0] for line in lines] == paths
    assert [line[1] for line in lines] == ["up", "up", "yes", "no"]
    assert all(1 / 3 < float(line[2]) <= 1 for line in lines)


def test_predict_on_several_devices(run: Path, clips: Path) -> None:
    """More groups than threads: none may wait for another's devices."""
    paths = [str(clips / f"{name}.wav") for name in "abcd"] * 80
    done = subprocess.run(
        [*COMMAND, "predict", str(run), *paths], capture_output=True, text=True, check=True, timeout=900,
        env={**os.environ, "JAX_NUM_CPU_DEVICES": "2"},
    )  # fmt: skip
    assert [line.split("\t")[1] for line in done.stdout.splitlines()] == ["up", "yes", "no", "up"] * 80


def test_predict_lists_what_it_cannot_read(run: Path, clips: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["predict", str(run), str(clips / "note.wav"), str(clips / "a.wav"), str(clips / "gone.wav")]
    assert main(arguments) == 3
    out, err = capsys.readouterr()
    assert [line.split("\t")[0] for line in out.splitlines()] == [str(clips / "a.wav")]
    assert "note.wav" in err
    assert "gone.wav" in err
    assert "2 of 3" in err


def test_predict_writes_a_submission(run: Path, clips: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = tmp_path / "submission.csv"
    assert main(["predict", str(run), str(clips), "--csv", str(table), "--on-error", "no"]) == 3
    with table.open() as file:
        assert list(csv.reader(file)) == [
            ["fname", "label"],
            ["a.wav", "up"],
            ["b.wav", "yes"],
            ["c.wav", "no"],
            ["d.wav", "up"],
            ["note.wav", "no"],
        ]
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["fit", "missing.h5"], 1, "missing.h5: no such file"),
        (["fit", "{tones}", "--arch", "ccn"], 2, "cnn"),
        (["fit", "{tones}", "--features", "logmell"], 2, "logmel"),
        (["fit", "{tones}", "-s", "epoch=3"], 2, "did you mean epochs"),
        (["fit", "{tones}", "-s", "epochs"], 2, "KEY=VALUE"),
        (["fit", "{tones}", "--arch", "lstm", "--resume", "--out", "nowhere"], 1, "no checkpoint"),
        (["fit"], 2, "OUT.h5"),
        (["evaluate", "nowhere"], 1, "not a run folder"),
        (["evaluate", "{run}", "missing.h5"], 1, "missing.h5: no such file"),
        (["predict", "{run}", "missing"], 1, "missing: no such file"),
        (["predict", "{run}", "{empty}"], 1, "no recordings in it"),
        (["predict", "{run}", "{empty}", "--on-error", "yess"], 2, "yes"),
    ],
)
def test_wrong_input_gets_one_line_and_its_exit_code(
    arguments: list[str], code: int, message: str, tones: Path, run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    assert main([argument.format(tones=tones, run=run, empty="empty") for argument in arguments]) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert message in err
    assert code == 2 or len(err.strip().splitlines()) == 1


def test_a_file_of_other_features_is_refused_by_name(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", str(run), str(write_toy(tmp_path / "toy.h5"))]) == 1
    assert "output: 'mel' != 'spectrum'" in capsys.readouterr().err


def test_ctrl_c_keeps_the_best_weights(tones: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    process = subprocess.Popen(
        [*COMMAND, "fit", str(tones), *QUICK, "--epochs", "100000", "--out", str(out)],
        stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith("epoch      3/"):
            process.send_signal(signal.SIGINT)
            break
    _, err = process.communicate(timeout=900)
    assert process.returncode == 130, err
    assert "keeps the best weights" in err
    assert "Traceback" not in err
    assert main(["evaluate", str(out)]) == 0


@pytest.mark.parametrize("arguments", [[], ["fit", "x.h5"]])
def test_without_jax_the_command_says_what_installs_it(arguments: list[str]) -> None:
    code = "import sys; sys.modules['jax'] = None; from kwstrain.cli import main; sys.exit(main())"
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True)
    assert done.returncode == 1
    assert "pip install '.[train]'" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_help_is_instant_and_imports_nothing_heavy() -> None:
    code = "import sys; from kwstrain.cli import main; main(['--help']); print(sys.modules.keys() & {'jax', 'h5py', 'numba', 'matplotlib'})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "set()"


def test_evaluate_shows_the_groups_and_the_majority(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", str(run)]) == 0
    out, err = capsys.readouterr()
    assert "the most frequent class, would be right for 0.3333" in out
    assert "accuracy by length\n1.00 s     12 clips  1.0000" in out
    assert "accuracy by level" in out
    assert "accuracy by speaker" not in out  # none is known
    assert "every sound will be one of your 3 words" in err
    values = json.loads((run / "test.json").read_text())
    assert values["majority_share"] == pytest.approx(1 / 3)
    assert values["groups"]["length"] == [{"name": "1.00 s", "n_clips": 12, "accuracy": 1.0}]
    assert sum(part["n_clips"] for part in values["groups"]["level"]) == 12


def test_another_files_results_never_replace_the_runs_own(run: Path, tones: Path, tmp_path: Path) -> None:
    from kwsfeat import Reader

    assert main(["evaluate", str(run)]) == 0
    before = {name: (run / name).read_bytes() for name in ("test.json", "test-confusion.png", "test-mistakes.html")}
    other = tmp_path / "other.h5"
    with Reader(tones) as reader:
        write_file(
            other, audio=reader.audio, length=reader.length, label=(reader.label + 1) % 3, split=reader.split, labels=reader.labels,
            configs={"logmel": reader.config()},
        )  # fmt: skip
    assert main(["evaluate", str(run), str(other)]) == 0
    assert {name: (run / name).read_bytes() for name in before} == before
    assert json.loads((run / "other-test.json").read_text())["accuracy"] == 0.0


def test_fit_says_what_the_classes_cannot_teach(tones: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fit", str(tones), *QUICK, "--epochs", "1", "--out", str(tmp_path / "run"), "--json"]) == 0
    out, err = capsys.readouterr()
    assert "every sound will be one of your 3 words" in err
    assert len(json.loads(out)["remarks"]) == 1


def test_compare_shows_the_data_and_warns_where_it_differs(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", str(run)]) == 0
    toy = write_toy(tmp_path / "toy.h5", n_clips=60)
    assert main(["fit", str(toy), *QUICK, "--epochs", "1", "--out", str(tmp_path / "toy"), "-q"]) == 0
    capsys.readouterr()
    assert main(["compare", str(run), str(run), "--json"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert [json.loads(out)[0][name] for name in ("classes", "val_clips", "test_clips")] == [3, 12, 12]
    assert main(["compare", str(run), str(tmp_path / "toy"), "--html", str(tmp_path / "page.html")]) == 0
    out, err = capsys.readouterr()
    assert "tones.h5" in out
    assert f"the runs were trained on different files: tones {json.loads((run / 'bundle.json').read_text())['data']}, toy {toy}" in err
    assert "the runs were trained on different files" in (tmp_path / "page.html").read_text()
