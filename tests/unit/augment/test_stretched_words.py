"""Speech keeps its words: a network that never heard stretched speech still knows it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from kwsfeat import FeatureConfig, Reader, time_stretch
from kwsfeat.audio.clip import fix_length
from kwsfeat.audio.waveform import as_int16
from kwsfeat.augment import real_part
from kwsfeat.pipeline.arrays import write_file
from kwsfeat.pipeline.build import build_file as build
from kwsfeat.pipeline.sources import plan_recordings

pytestmark = pytest.mark.slow

CONFIG = FeatureConfig(hop_length=320)
WORDS = ("bird", "five", "happy", "stop", "up", "zero")


def test_stretched_words_are_understood(kws_data, tmp_path):
    pytest.importorskip("jax")
    from kwstrain.config import defaults
    from kwstrain.evaluation.evaluate import evaluate
    from kwstrain.training.fit import fit

    plain, run = tmp_path / "plain.h5", tmp_path / "run"
    build(plan_recordings(kws_data / "speech_commands", CONFIG, labels=WORDS, unknown="drop"), plain, {"mel": CONFIG}, threads=2)
    fit(plain, replace(defaults("cnn"), epochs=8, batch=32, lr=2e-3, gradient_histograms=False), run)
    recorded = evaluate(run, plain).scores.accuracy
    assert recorded > 0.75
    with Reader(plain) as reader:
        rows = reader.rows("test")
        for rate in (0.9, 1.1):
            audio, length = np.zeros((rows.size, 16000), np.int16), np.zeros(rows.size, np.int32)
            for i, row in enumerate(rows):
                y = real_part(reader.audio[row], int(reader.length[row]), CONFIG)
                stretched, length[i] = fix_length(time_stretch(y, rate, sr=16000), CONFIG)
                audio[i] = as_int16(stretched)
            path = tmp_path / f"{rate}.h5"
            write_file(
                path, audio=audio, length=length, label=reader.label[rows], split=["test"] * rows.size, labels=reader.labels,
                configs={"mel": CONFIG},
            )  # fmt: skip
            assert recorded - evaluate(run, path).scores.accuracy < 0.03, f"rate {rate}"
