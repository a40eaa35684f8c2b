"""The C header, compiled: the features of the front end and the scores of the TensorFlow Lite file, bit for bit."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from wake_runs import CONFIG, WORD, sound

from kwsfeat import FrontEnd, StoreError
from kwstrain.export.c.header import read_card, write_header
from kwstrain.export.check import check
from kwstrain.export.integer.network import IntegerNetwork
from kwstrain.export.integer.quantise import quantised
from kwstrain.export.integer.reference import IntegerStream
from kwstrain.export.integer.score import score_of
from kwstrain.export.integer.wake import WakeWord
from kwstrain.inference.bundle import Bundle
from kwstrain.streaming.find import streaming_program

COMPILER = shutil.which("gcc") or shutil.which("cc")
pytestmark = pytest.mark.skipif(COMPILER is None, reason="there is no C compiler")
PAGE = Path(__file__).resolve().parents[4] / "docs" / "export.md"
FLAGS = ("-std=c99", "-Wall", "-Wextra", "-Werror", "-pedantic", "-O1", "-fsanitize=undefined", "-fno-sanitize-recover")
N_SAID = 18 * CONFIG.sr  # samples of the signal in which the word is said three times
# Prints every frame of features, every score, and whether the word was heard.
PRINTS = """
#include <stdio.h>
#include "wake.h"

int main(void) {
    static kws_state state;
    static kws_front_end front_end;
    int16_t samples[KWS_HOP];
    uint16_t features[KWS_BANDS];
    int i, score;
    kws_start(&state);
    while (fread(samples, sizeof *samples, KWS_HOP, stdin) == KWS_HOP) {
        if (kws_features(&front_end, samples, features)) {
            printf("f");
            for (i = 0; i < KWS_BANDS; i++) printf(" %d", features[i]);
            printf("\\n");
        }
        score = kws_step(&state, samples);
        if (score >= 0) printf("s %d %d\\n", score, kws_heard(&state));
    }
    return 0;
}
"""


def compiled(folder: Path, code: str, header: Path) -> Path:
    (folder / "main.c").write_text(code)
    command = [str(COMPILER), *FLAGS, f"-I{header.parent}", "main.c", "-o", "main"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return folder / "main"


def printed(program: Path, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Features (n_frames, n_bands), and (score, heard) for every score."""
    done = subprocess.run([str(program)], input=y.astype("<i2").tobytes(), capture_output=True, check=True)
    lines = [line.split() for line in done.stdout.decode().splitlines()]
    features, scores = ([list(map(int, line[1:])) for line in lines if line[0] == kind] for kind in "fs")
    return np.array(features), np.array(scores)


def as_the_device_does(features: np.ndarray) -> np.ndarray:
    """Features to 8 bits by whole numbers, int8 (1, n_frames, n_bands)."""
    return np.minimum((features * 256 + 333) // 666 - 128, 127).astype(np.int8)[None]


@pytest.fixture(scope="module")
def signal() -> np.ndarray:
    """Words, noise, digital silence, and a square wave as loud as 16 bits go."""
    loud = np.where(np.arange(16000) // 37 % 2, 32767, -32768).astype(np.int16)
    parts = [sound(label, take) for take in range(300, 303) for label in ("silence", WORD, "unknown")]
    return np.concatenate([*parts, np.zeros(8000, np.int16), loud])


@pytest.fixture(scope="module")
def program(wake: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compiled(tmp_path_factory.mktemp("c"), PRINTS, wake / "wake.h")


def test_features_and_scores_are_those_of_python(program: Path, wake: Path, signal: np.ndarray) -> None:
    litert = pytest.importorskip("ai_edge_litert.interpreter", reason="ai-edge-litert runs the file")
    features, scores = printed(program, signal)
    np.testing.assert_array_equal(features, np.rint(FrontEnd(CONFIG).extract_recording(signal) / 0.0390625).astype(int))
    interpreter = litert.Interpreter(str(wake / "wake.tflite"), experimental_op_resolver_type=litert.OpResolverType.BUILTIN_REF)
    interpreter.allocate_tensors()
    wanted, frames = [], as_the_device_does(features)
    for t in range(0, len(features) - 2, 3):
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], frames[:, t : t + 3])
        interpreter.invoke()
        wanted.append(int(interpreter.get_tensor(interpreter.get_output_details()[0]["index"])[0, 0]))
    np.testing.assert_array_equal(scores[:, 0], wanted)
    assert np.ptp(wanted) > 200


def test_words_are_heard_once_each(program: Path, signal: np.ndarray) -> None:
    _, scores = printed(program, signal[:N_SAID])
    (at,) = np.nonzero(scores[:, 1])
    assert len(at) == 3
    assert all(0 < 0.03 * step - (2 + 6 * i) < 2.8 for i, step in enumerate(at))  # each begins within two seconds


@pytest.mark.parametrize("loss", ["softmax", "sigmoid"])
def test_a_logit_alone_gives_the_score_too(loss: str, wake: Path, tmp_path: Path, signal: np.ndarray) -> None:
    bundle = Bundle.load(wake / "run")
    program = streaming_program("mixednet", bundle.config.options, bundle.weights, CONFIG.shape)
    score = score_of(program.kernel[:, :2], program.bias[:2], 0, loss=loss)
    network: IntegerNetwork = quantised(program, score, [FrontEnd(CONFIG).extract_recording(signal)[None]])
    wake_word = WakeWord(word='h\u00e9 "??/*/', network=network, cutoff=0.5, window=1, said={})
    card = {"license": "/* none */", "word": "*/"}
    (tmp_path / "wake.h").write_text(write_header(wake_word, CONFIG, card, "see /* COPYING */\nthere"), encoding="utf-8")
    assert read_card(tmp_path / "wake.h") == card
    features, scores = printed(compiled(tmp_path, PRINTS, tmp_path / "wake.h"), signal[:100_000])
    np.testing.assert_array_equal(scores[:, 0], IntegerStream(network).run(as_the_device_does(features))[0])
    assert np.ptp(scores[:, 0]) > 50


def test_the_page_runs(wake: Path, tmp_path: Path, signal: np.ndarray) -> None:
    (code,) = re.findall(r"^```c\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    done = subprocess.run(
        [str(compiled(tmp_path, code, wake / "wake.h"))], input=signal[:N_SAID].tobytes(), capture_output=True, check=True
    )
    assert done.stdout.decode().split() == [WORD] * 3


def test_a_header_tells_what_it_is(wake: Path, tmp_path: Path) -> None:
    checked = check(wake / "wake.h").to_dict()
    assert checked["inputs"] == {"samples": "int16 160"}
    assert checked["outputs"] == {"score": "int 0 to 255 every 3 calls, otherwise -1"}
    assert list(checked["states"]) == ["samples", "noise", "layer_0", "layer_1", "layer_3", "layer_5", "layer_7", "layer_9"]
    assert checked["states"]["layer_7"] == "int8 23 x 16"
    assert checked["ops"] == {"convolution": 6, "depthwise convolution": 4}
    assert (checked["word"], checked["license"], checked["probability_cutoff"]) == (WORD, "CC0-1.0", "0.95")
    assert set(checked["not_on"]) == {"ESPHome", "onnxruntime"}
    text = (wake / "wake.h").read_text()
    for damaged in (text[:20000], text.replace("kws_kernel_1[", "kws_kernel_2["), text.replace('"CC0-1.0"', '"CC1-1.0"')):
        (tmp_path / "other.h").write_text(damaged)
        with pytest.raises(StoreError, match="its text does not fit its digest"):
            check(tmp_path / "other.h")
    (tmp_path / "other.h").write_text(re.sub(r', "digest": "\w+"', "", text))  # as earlier versions wrote it
    assert check(tmp_path / "other.h").to_dict()["states"] == checked["states"]
    for text in ("int main;", "KWS_CARD {", "KWS_CARD " + json.dumps([1])):
        (tmp_path / "other.h").write_text(text)
        with pytest.raises(StoreError, match="not a header that kwstrain wrote"):
            check(tmp_path / "other.h")
    (tmp_path / "other.h").write_bytes(b"\xff\xfe")
    with pytest.raises(StoreError, match="it is not text"):
        check(tmp_path / "other.h")
