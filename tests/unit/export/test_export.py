"""Golden runs exported: the same answers; what a file says of itself; what is refused, and why."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
import soundfile
from random_runs import write_run

from kwsfeat import AudioError, ConfigError, FeatureConfig, Reader, StoreError, UnknownNameError
from kwstrain.cli import main
from kwstrain.export.check import check
from kwstrain.export.export import export
from kwstrain.inference.description import Description
from kwstrain.inference.exported import ExportedClassifier
from kwstrain.inference.probabilities import probabilities

pytest.importorskip("onnxruntime", reason="the extra export is not installed")
onnx = pytest.importorskip("onnx", reason="the extra export is not installed")

PAGE = Path(__file__).resolve().parents[3] / "docs" / "export.md"
RUNS = {"cnn": "words.h5", "lstm": "words.h5", "lstm-raw": "raw.h5"}


@pytest.fixture(scope="module")
def files(golden: Path) -> dict[str, Path]:
    """Every golden run as an ONNX file."""
    for run in RUNS:
        export(golden / run, "onnx", golden / f"{run}.onnx", license="CC0-1.0")
    return {run: golden / f"{run}.onnx" for run in RUNS}


@pytest.fixture(scope="module")
def recording(golden: Path) -> Path:
    """A word of the golden file."""
    with Reader(golden / "words.h5") as reader:
        soundfile.write(golden / "clip.wav", reader.audio[0][: reader.length[0]], 16000, subtype="PCM_16")
    return golden / "clip.wav"


@pytest.mark.parametrize("run", RUNS)
def test_the_same_answers_on_every_clip(run: str, golden: Path, files: dict[str, Path]) -> None:
    classifier = ExportedClassifier(files[run])
    wanted = probabilities(np.load(golden / run / "logits.npy"))
    with Reader(golden / RUNS[run]) as reader:
        y = reader.audio.astype(np.float32) / np.float32(32768)
        given = classifier.probabilities(y, np.asarray(reader.length))
        assert classifier.labels == reader.labels
    np.testing.assert_allclose(given, wanted, atol=1e-4)
    assert np.array_equal(given.argmax(axis=1), wanted.argmax(axis=1))


def test_predict_takes_the_file_in_the_place_of_the_run(
    golden: Path, files: dict[str, Path], recording: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    answers = []
    for run in (golden / "lstm", files["lstm"]):
        assert main(["predict", str(run), str(recording), str(golden / "none.wav"), "--json", "--all", "-q"]) == 3
        answers.append(json.loads(capfd.readouterr().out))
    for by_run, by_file in zip(*answers, strict=True):
        assert by_run.pop("probability") == pytest.approx(by_file.pop("probability"), abs=1e-4)
        assert by_run.pop("probabilities") == pytest.approx(by_file.pop("probabilities"), abs=1e-4)
        assert by_run == by_file


def test_waveforms_are_padded_and_their_scale_is_looked_at(files: dict[str, Path], recording: Path) -> None:
    classifier = ExportedClassifier(files["lstm"])
    y, _ = soundfile.read(recording, dtype="int16")
    of_file, of_array, loud, stereo = classifier.predict([recording, y, y.astype(np.float32), np.zeros((9, 2), np.float32)])
    assert of_file.probabilities == pytest.approx(of_array.probabilities)
    assert "32768" in loud.error
    assert not loud.label
    assert "one-dimensional" in stereo.error
    for wrong, reason in (
        (np.full((1, 16000), 3e4, np.float32), "32768 for 16-bit values"),
        (np.zeros((1, 48000), np.float32), "to 16000 Hz"),
    ):
        with pytest.raises(AudioError, match=reason):
            classifier.probabilities(wrong)


def test_a_file_tells_what_it_is(files: dict[str, Path]) -> None:
    checked = check(files["lstm"]).to_dict()
    assert checked["inputs"] == {"waveform": "float batch x 16000", "length": "int32 n"}
    assert checked["outputs"] == {"probabilities": "float batch x 3"}
    assert checked["states"] == {}
    assert checked["ops"]["Conv"] == checked["ops"]["Scan"] == 1
    assert not {"STFT", "DFT"} & set(checked["ops"])
    assert checked["bytes"] == files["lstm"].stat().st_size < 100_000
    assert (checked["labels"], checked["license"]) == (["high", "low", "noise"], "CC0-1.0")
    assert checked["card"]["data"]["clips"] == {"high": 8, "low": 8, "noise": 8}
    assert checked["card"]["data"]["file"] == "words.h5"
    assert "WebGL, WebGPU" in checked["not_on"]
    model = onnx.load(str(files["cnn"]))
    assert (model.ir_version, model.opset_import[0].version) == (8, 17)
    assert [one.name for one in model.graph.input] == ["waveform"]


def test_the_same_run_gives_the_same_file(golden: Path, files: dict[str, Path], tmp_path: Path) -> None:
    export(golden / "lstm", "onnx", tmp_path / "again.onnx", license="CC0-1.0")
    assert (tmp_path / "again.onnx").read_bytes() == files["lstm"].read_bytes()


def test_eight_bits(golden: Path, files: dict[str, Path]) -> None:
    said = export(golden / "cnn", "onnx-int8", golden / "cnn8.onnx")
    assert said["bytes"] < 0.5 * said["bytes_float"]
    names = {name for node in onnx.load(str(golden / "cnn8.onnx")).graph.node for name in (node.name, *node.input, *node.output)}
    assert max(map(len, names - {"waveform", "probabilities"})) < 6
    with Reader(golden / "words.h5") as reader:
        y = reader.audio.astype(np.float32) / np.float32(32768)
    given, wanted = (ExportedClassifier(path).probabilities(y) for path in (golden / "cnn8.onnx", files["cnn"]))
    assert 0 < np.abs(given - wanted).max() < 0.1
    ops = check(golden / "cnn8.onnx").ops
    assert ops["QuantizeLinear"] > 4
    with pytest.raises(ConfigError, match="lstm cannot be exported to onnx-int8: it is recurrent"):
        export(golden / "lstm", "onnx-int8", golden / "lstm8.onnx")


def test_what_bfloat16_was_trained_in_goes_in_float32(tmp_path: Path) -> None:
    write_run(tmp_path / "run", "res8", FeatureConfig(n_samples=6000), dtype="bfloat16", filters=4, layers=2)
    export(tmp_path / "run", "onnx", tmp_path / "run.onnx")
    given = ExportedClassifier(tmp_path / "run.onnx").probabilities(np.zeros((2, 6000), np.float32))
    np.testing.assert_allclose(given.sum(axis=1), 1, rtol=1e-5)


def test_refusals_are_one_line_with_the_cure(
    golden: Path, files: dict[str, Path], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(UnknownNameError, match="'onxx' is not a format: did you mean onnx"):
        export(golden / "cnn", "onxx", tmp_path / "no.onnx")
    with pytest.raises(StoreError, match="exists: choose another name"):
        export(golden / "cnn", "onnx", files["cnn"])
    write_run(tmp_path / "dithered", "tc-resnet8", FeatureConfig(n_samples=6000, dither=0.1))
    assert main(["export", str(tmp_path / "dithered"), str(tmp_path / "no.onnx"), "--to", "onnx"]) == 1
    assert capfd.readouterr().err == "kwstrain: dither=0.1 cannot be exported: NumPy draws its noise; train on features with dither=0\n"
    assert not (tmp_path / "no.onnx").exists()
    (tmp_path / "broken.onnx").write_bytes(b"\x08\x08\x12\xff")
    for before, after in (["check"], []), (["predict"], ["x.wav"]):
        assert main([*before, str(tmp_path / "broken.onnx"), *after]) == 1
        assert re.fullmatch(r"kwstrain: .*broken\.onnx.*\n", capfd.readouterr().err)
    with pytest.raises(StoreError, match=r"is not an exported file: those end in \.h, \.json, \.onnx, \.tflite, \.html"):
        check(golden / "words.h5")
    with pytest.raises(StoreError, match="no such file"):
        check(tmp_path / "none.onnx")


@pytest.mark.parametrize("to", ["onnx", "onnx-int8", "onnx-stream", "web"])
def test_a_damaged_weight_is_refused(to: str, golden: Path, recording: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """To every runtime it is another weight."""
    write_run(tmp_path / "run", "mixednet", FeatureConfig(n_samples=32000, framing="none"), filters=8)
    out = tmp_path / ("page" if to == "web" else "words.onnx")
    export(golden / "cnn" if to == "onnx-int8" else tmp_path / "run", to, out)
    path = out / "model.onnx" if to == "web" else out
    good, told = path.read_bytes(), check(path).to_dict()
    weights = max((one.raw_data for one in onnx.load(str(path)).graph.initializer), key=len)
    at = good.index(weights) + len(weights) // 2
    path.write_bytes(good[:at] + bytes([good[at] ^ 1]) + good[at + 1 :])
    for before, after in (["check"], []), (["predict"], [str(recording)]):
        assert main([*before, str(path), *after]) == 1
        assert capfd.readouterr().err == f"kwstrain: {path} is damaged: its content does not fit its digest; copy or export it again\n"
    path.write_bytes(good[:-73])  # as earlier versions wrote it
    assert check(path).to_dict() == {**told, "bytes": len(good) - 73}


def test_foreign_and_damaged_descriptions_are_refused(files: dict[str, Path]) -> None:
    properties = {one.key: one.value for one in onnx.load(str(files["cnn"])).metadata_props}
    again = Description.from_properties(properties, where="x")
    assert again.to_properties() == properties
    for change, reason in (
        ({"kwstrain": "9"}, "install a newer"),
        ({"labels": "["}, "damaged"),
        ({"features": "[]"}, "damaged"),
        ({"threshold": '"high"'}, "damaged"),
    ):
        with pytest.raises(StoreError, match=reason):
            Description.from_properties({**properties, **change}, where="x")
    with pytest.raises(StoreError, match="not exported by kwstrain"):
        Description.from_properties({}, where="x")


def test_the_page_runs(golden: Path, files: dict[str, Path], recording: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clip_code, stream_code = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    (tmp_path / "words.onnx").write_bytes(files["cnn"].read_bytes())
    (tmp_path / "clip.wav").write_bytes(recording.read_bytes())
    write_run(tmp_path / "run", "mixednet", FeatureConfig(n_samples=32000, framing="none"), filters=8)
    export(tmp_path / "run", "onnx-stream", tmp_path / "stream.onnx")
    monkeypatch.chdir(tmp_path)
    found: dict[str, np.ndarray] = {}
    exec(clip_code, found)
    wanted = probabilities(np.load(golden / "cnn" / "logits.npy"))[0]
    np.testing.assert_allclose(found["probabilities"], wanted, atol=1e-4)
    exec(stream_code, found)
    assert found["probabilities"].shape[1] == 3
