"""Golden runs that know where their file lies, and what runs an exported graph, here and in node."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from wake_runs import WORD, write_wake_run

from kwstrain.detection.point import OperatingPoint
from kwstrain.export.export import export
from kwstrain.export.web.runtime import runtime

DRIVER = Path(__file__).with_name("web") / "drive.js"
GOLDEN = Path(__file__).resolve().parents[2] / "golden"


@pytest.fixture(scope="session")
def golden(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The golden runs and files, each run beside the file that it was trained on."""
    folder = tmp_path_factory.mktemp("golden")
    for run, file in {"cnn": "words.h5", "lstm": "words.h5", "lstm-raw": "raw.h5"}.items():
        shutil.copytree(GOLDEN / run, folder / run)
        shutil.copy(GOLDEN / file, folder / file)
        bundle = json.loads((folder / run / "bundle.json").read_text())
        (folder / run / "bundle.json").write_text(json.dumps({**bundle, "data": str(folder / file)}))
    return folder


@pytest.fixture(scope="session")
def run_graph() -> Callable[..., list[np.ndarray]]:
    """What a model gives: ``run_graph(model, name=array, ...)``."""
    runtime = pytest.importorskip("onnxruntime", reason="the extra export is not installed")

    def run(model: Any, **inputs: np.ndarray) -> list[np.ndarray]:
        options = runtime.SessionOptions()
        options.log_severity_level = 3
        session = runtime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
        return list(session.run(None, inputs))

    return run


@pytest.fixture(scope="session")
def node(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Any]:
    """What ``drive.js`` answers: ``node("listen", ...)``."""
    program = shutil.which("node")
    if program is None:
        pytest.skip("node is not installed: what runs in the page is tried in it")
    library = tmp_path_factory.mktemp("runtime") / "kws.js"
    library.write_text(runtime(), encoding="utf-8")

    def run(*command: object) -> Any:
        done = subprocess.run([program, str(DRIVER), str(library), *map(str, command)], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return run


@pytest.fixture(scope="session")
def wake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a run that hears a word among three classes, exported for ESPHome and as C."""
    pytest.importorskip("tflite", reason="the extra export is not installed")
    folder = tmp_path_factory.mktemp("wake")
    run = write_wake_run(folder).folder
    OperatingPoint(thresholds={WORD: 0.95}, smoothing_frames=5, mode="stream", hop_s=0.03).save(run)
    export(run, "esphome", folder / "wake.tflite", license="CC0-1.0")
    export(run, "c", folder / "wake.h", license="CC0-1.0")
    return folder
