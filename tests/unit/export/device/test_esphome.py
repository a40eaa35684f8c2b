"""A run exported for ESPHome: what runs there hears the word and stays silent on others; what does not go is refused in a line."""

from __future__ import annotations

import contextlib
import json
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from wake_runs import LABELS, WORD, sound, write_file

from kwsfeat import FeatureConfig, StoreError
from kwstrain import fit
from kwstrain.cli import main
from kwstrain.config import TrainConfig
from kwstrain.detection.point import OperatingPoint
from kwstrain.export.check import check
from kwstrain.export.checks.tflite import REGISTERED
from kwstrain.export.export import export
from kwstrain.export.integer.wake import device_rule
from kwstrain.export.tflite.arena import arena_bytes
from kwstrain.export.tflite.graph import Graph, to_bytes
from kwstrain.export.tflite.read import read_tflite
from kwstrain.inference.bundle import Bundle

pytest.importorskip("tflite", reason="the extra export is not installed")

PAGE = Path(__file__).resolve().parents[4] / "docs" / "export.md"


def told(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def spoken(label: str, take: int) -> np.ndarray:
    """Six seconds, of which the middle two say it."""
    return np.concatenate([sound("silence", take), sound(label, take), sound("silence", take + 1)])


def heard(folder: Path, y: np.ndarray) -> float:
    """The highest mean score after the first second that pymicro-wakeword gives."""
    pymicro = pytest.importorskip("pymicro_wakeword", reason="pymicro-wakeword runs the files as ESPHome does")
    model, features = pymicro.MicroWakeWord.from_config(folder / "wake.json"), pymicro.MicroWakeWordFeatures()
    scores = [model.process_streaming_prob(frame) for frame in features.process_streaming(y.astype("<i2").tobytes())]
    return max(scores[100:])


def test_the_word_is_heard_and_others_are_not(wake: Path) -> None:
    cutoff = told(wake / "wake.json")["micro"]["probability_cutoff"]
    takes = range(200, 206)
    assert all(heard(wake, spoken(WORD, take)) > cutoff for take in takes)
    assert all(heard(wake, spoken("unknown", take)) < cutoff for take in takes)
    assert heard(wake, spoken("silence", 200)) < cutoff


@pytest.mark.slow
def test_a_network_that_was_trained_loses_nothing(wake: Path, tmp_path: Path) -> None:
    config = TrainConfig(arch="mixednet", options={"filters": 12}, epochs=8, batch=16, lr=5e-3, augment="off")
    fit(wake / "words.h5", config, tmp_path / "run")
    said = export(tmp_path / "run", "esphome", tmp_path / "wake.tflite")
    assert (said["accuracy"], said["accuracy_float"]) == (1, 1)
    assert said["score_difference"] < 0.01
    assert heard(tmp_path, spoken(WORD, 200)) > 0.7
    assert heard(tmp_path, spoken("unknown", 200)) < 0.3


def test_the_manifest_has_the_fields_that_esphome_takes_and_no_others(wake: Path) -> None:
    values = told(wake / "wake.json")
    assert list(values) == ["type", "wake_word", "author", "website", "model", "trained_languages", "version", "micro"]
    assert (values["type"], values["version"], values["model"], values["wake_word"]) == ("micro", 2, "wake.tflite", WORD)
    assert values["website"].startswith("https://")
    micro = values["micro"]
    assert micro.pop("tensor_arena_size") == arena_bytes(read_tflite(wake / "wake.tflite"))
    assert micro == {
        "probability_cutoff": 0.95, "feature_step_size": 10, "sliding_window_size": 5, "minimum_esphome_version": "2024.7.0"
    }  # fmt: skip


def test_the_file_has_the_form_of_its_kind(wake: Path) -> None:
    checked = check(wake / "wake.tflite").to_dict()
    assert checked["inputs"] == {"features": "int8 1 x 3 x 40, scale 0.10196079, zero -128"}
    assert checked["outputs"] == {"score": "uint8 1 x 1, scale 0.00390625, zero 0"}
    assert [text.split(",")[0] for text in checked["states"].values()] == [
        "int8 1 x 2 x 1 x 40", "int8 1 x 4 x 1 x 32", "int8 1 x 10 x 1 x 16", "int8 1 x 14 x 1 x 16", "int8 1 x 22 x 1 x 16",
        "int8 1 x 14 x 1 x 16", "int8 1 x 65 x 1 x 1",
    ]  # fmt: skip
    assert set(checked["ops"]) <= REGISTERED
    assert "ESPHome" not in checked["not_on"]
    assert (checked["word"], checked["license"]) == (WORD, "CC0-1.0")
    assert checked["card"]["data"]["clips"] == {"marvin": 40, "silence": 40, "unknown": 40}
    main_graph, first = read_tflite(wake / "wake.tflite").graphs
    ops = [operation.op for operation in main_graph.operations]
    assert ops[:16] == ["CALL_ONCE", *["VAR_HANDLE"] * 7, *["READ_VARIABLE"] * 7, "RESHAPE"]
    assert ops[16:20] == ["CONCATENATION", "STRIDED_SLICE", "ASSIGN_VARIABLE", "CONV_2D"]
    assert ops[-1] == "QUANTIZE"
    assert [operation.op for operation in first.operations] == ["VAR_HANDLE", "ASSIGN_VARIABLE"] * 7


def test_check_reads_the_manifest_too(wake: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(wake / "wake.json"), "--json"]) == 0
    checked = json.loads(capfd.readouterr().out)
    assert checked["path"] == str(wake / "wake.json")
    assert (checked["probability_cutoff"], checked["sliding_window_size"], checked["wake_word"]) == (0.95, 5, WORD)
    (tmp_path / "wake.tflite").write_bytes((wake / "wake.tflite").read_bytes())
    assert "missing: ESPHome reads that first" in check(tmp_path / "wake.tflite").about["manifest"]
    values = told(wake / "wake.json")
    values["micro"]["tensor_arena_size"] = 9000
    (tmp_path / "wake.json").write_text(json.dumps(values))
    assert "9000 may be too small" in check(tmp_path / "wake.json").not_on["newer ESPHome"]
    for change, reason in (
        ({"version": 1}, "is not the manifest of a micro wake word, version 2"),
        ({"micro": {}}, "damaged: probability_cutoff is missing"),
        ({"model": 3}, "damaged: model is missing or of another type"),
        ({"model": "none.tflite"}, "no such file"),
    ):
        (tmp_path / "wake.json").write_text(json.dumps({**values, **change}))
        with pytest.raises(StoreError, match=reason):
            check(tmp_path / "wake.json")


def test_damaged_and_foreign_files_are_refused_in_a_line(wake: Path, tmp_path: Path) -> None:
    data = (wake / "wake.tflite").read_bytes()
    path = tmp_path / "wake.tflite"
    for damaged in (data[:40], data[: len(data) // 2], data[:8] + bytes(60)):
        path.write_bytes(damaged)
        with pytest.raises(StoreError, match=r"wake\.tflite is damaged"):
            check(path)
    rng = np.random.default_rng(0)
    for _ in range(60):  # whatever is changed: a line, or a file that can still be read
        changed = bytearray(data)
        for place in rng.integers(1, 6000, 3):  # the tables lie at the end
            changed[-place] = rng.integers(256)
        path.write_bytes(changed)
        with contextlib.suppress(StoreError):
            check(path).to_dict()
    path.write_bytes(to_bytes([Graph("main")], "", {}))
    with pytest.raises(StoreError, match="was not exported by kwstrain"):
        check(path)


def test_what_a_device_does_not_run_is_said(wake: Path, tmp_path: Path) -> None:
    graph = Graph("main")
    a, b = (graph.tensor(name, "FLOAT32", (1, 4)) for name in "ab")
    graph.run("SOFTMAX", [a], [b])
    graph.inputs, graph.outputs = (a,), (b,)
    note = read_tflite(wake / "wake.tflite").metadata
    (tmp_path / "float.tflite").write_bytes(to_bytes([graph], "", note))
    said = check(tmp_path / "float.tflite").not_on["ESPHome"]
    assert said == (
        "SOFTMAX not registered; float32 1 x 4 where one int8 of 3 axes belongs; float32 1 x 4 where one uint8 of 2 axes belongs"
    )


def test_the_calibrated_operating_point_goes_along(wake: Path, tmp_path: Path) -> None:
    point = OperatingPoint(thresholds={"unknown": 0.63}, smoothing_frames=8, mode="stream", hop_s=0.03)
    notes: list[str] = []
    assert device_rule(point, "unknown", row_s=0.03, note=notes.append) == (0.63, 8)
    windowed = replace(point, thresholds={WORD: 1.0}, mode="windowed", hop_s=0.09)
    assert device_rule(windowed, WORD, row_s=0.03, note=notes.append) == (0.99, 24)
    assert device_rule(point, WORD, row_s=0.03, note=notes.append) == device_rule(None, WORD, row_s=0.03, note=notes.append) == (0.9, 5)
    assert notes == [
        "the threshold 1 of 'marvin' becomes a cut-off of 0.99: scores of a device end below 1",
        *["'marvin' is not calibrated: a cut-off of 0.9 over 5 scores is a starting point; kwstrain calibrate chooses one"] * 2,
    ]
    shutil.copytree(wake / "run", tmp_path / "run")
    point.save(tmp_path / "run")
    said = export(tmp_path / "run", "esphome", tmp_path / "wake.tflite")
    assert (said["word"], said["probability_cutoff"], said["sliding_window_size"]) == ("unknown", 0.63, 8)
    assert check(tmp_path / "wake.json").about["operating_point"]["thresholds"] == {"unknown": 0.63}


def changed_run(wake: Path, folder: Path, **changes: Any) -> Path:
    """A run folder that says something else of itself."""
    folder.mkdir()
    replace(Bundle.load(wake / "run"), folder=folder, **changes).save()
    return folder


def test_refusals_are_one_line_with_the_cure(wake: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    def refused(run: Path, *more: str, to: str = "esphome", out: str = "no.tflite") -> tuple[int, str]:
        code = main(["export", str(run), str(tmp_path / out), "--to", to, *more])
        return code, capfd.readouterr().err

    assert refused(changed_run(wake, tmp_path / "other", config=TrainConfig(arch="bcresnet-1"))) == (
        1,
        "kwstrain: bcresnet-1 cannot go to esphome: only mixednet on the features micro-frontend can, whose layers devices compute; train "
        "that, or export this --to onnx\n",
    )
    mel = FeatureConfig(n_samples=32000, framing="none")
    code, text = refused(changed_run(wake, tmp_path / "mel", feature_config=mel, algorithm=mel.algorithm), to="c", out="no.h")
    assert code == 1
    assert re.fullmatch(r"kwstrain: features with output='mel', win_length=400.* cannot go to c: .* build with --features .*\n", text)
    assert refused(wake / "run", "--word", "marwin") == (2, "kwstrain: 'marwin' is not a label of the run: did you mean marvin?\n")
    assert refused(wake / "run", "--word", WORD, to="onnx", out="no.onnx") == (
        2,
        "kwstrain: a file for onnx hears every word of the run: a word is chosen for c and esphome only\n",
    )
    code, text = refused(wake / "run", out="no.bin")
    assert code == 1
    assert text.endswith("no.bin must end in .tflite: files of the same name that end in .json go with it\n")
    assert refused(changed_run(wake, tmp_path / "words", labels=("yes", "no", "up"))) == (
        2,
        "kwstrain: a device hears one word, the run knows yes, no, up: name it with --word\n",
    )
    (tmp_path / "no.json").write_text("{}")
    code, text = refused(wake / "run")
    assert code == 1
    assert text.endswith("no.json exists: choose another name or use --overwrite\n")
    assert not (tmp_path / "no.tflite").exists()


def test_a_file_that_is_gone_or_without_audio_cannot_be_calibrated_on(wake: Path, tmp_path: Path) -> None:
    shutil.copytree(wake / "run", tmp_path / "run")
    path = write_file(tmp_path, LABELS, n=6, audio=False)
    replace(Bundle.load(tmp_path / "run"), folder=tmp_path / "run", data=str(path)).save()
    with pytest.raises(StoreError, match=r"words\.h5 holds no audio, on which ranges are measured: build it again without --no-audio"):
        export(tmp_path / "run", "c", tmp_path / "no.h")
    path.unlink()
    with pytest.raises(StoreError, match=r"words\.h5.*no such file"):
        export(tmp_path / "run", "c", tmp_path / "no.h")


def test_published_models_need_no_more_than_the_estimate() -> None:
    """At least what their manifests say, which is too little for newer kernels, and not twice as much."""
    models = Path(pytest.importorskip("pymicro_wakeword", reason="its models").__file__).parent / "models"
    for path in models.glob("*.tflite"):
        declared = told(path.with_suffix(".json"))["micro"]["tensor_arena_size"]
        assert 1.3 * declared < arena_bytes(read_tflite(path)) < 1.6 * declared


def test_the_page_says_what_esphome_takes() -> None:
    yaml = pytest.importorskip("yaml", reason="reads the YAML of the page")
    (text,) = re.findall(r"^```yaml\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    values = yaml.safe_load(text)
    assert list(values) == ["micro_wake_word"]
    assert values["micro_wake_word"]["models"] == [{"model": "wake.json"}]
    assert set(values["micro_wake_word"]) <= {"models", "on_wake_word_detected", "stop_after_detection", "microphone", "vad"}
