"""A prediction depends on its recording alone, and is the same for a file and for an array."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from kwsfeat.audio.faults import CUT, LOUDEST_CUT
from kwstrain.inference.bundle import Bundle
from kwstrain.inference.classifier import Classifier

RUN = Path(__file__).parents[2] / "golden" / "cnn"


def test_dither_does_not_depend_on_the_other_recordings(tmp_path: Path) -> None:
    bundle = Bundle.load(RUN)
    config = replace(bundle.feature_config, dither=0.05)
    classifier = Classifier(replace(bundle, feature_config=config, algorithm=2))
    y = (0.05 * np.random.default_rng(0).standard_normal(config.n_samples) * 32768).round().clip(-32768, 32767).astype(np.int16)
    for name in ("a.wav", "b.wav"):
        soundfile.write(tmp_path / name, y, config.sr, subtype="PCM_16")
    first, second, array = classifier.predict([tmp_path / "a.wav", tmp_path / "b.wav", y])
    assert not first.error
    assert first.probability == second.probability == array.probability


@pytest.mark.parametrize(("crop", "trim_db", "said"), [("center", None, LOUDEST_CUT), ("loudest", 30.0, CUT), ("start", 30.0, CUT)])
def test_an_array_is_trimmed_and_cropped_as_a_file_and_that_is_said(tmp_path: Path, crop: str, said: str, trim_db: float | None) -> None:
    bundle = Bundle.load(RUN)
    config = replace(bundle.feature_config, crop=crop, trim_db=trim_db)
    classifier = Classifier(replace(bundle, feature_config=config))
    n = config.n_samples
    y = np.zeros(4 * n, np.int16)
    y[n // 2 : 3 * n] = 300 * np.random.default_rng(0).standard_normal(5 * n // 2)
    y[n // 2 : n] *= 10
    if crop == "start" and trim_db is None:
        y = y[n // 2 :]
    soundfile.write(tmp_path / "a.wav", y, config.sr, subtype="PCM_16")
    with pytest.warns(UserWarning, match="an array is longer than a clip"):
        file, array = classifier.predict([tmp_path / "a.wav", y])
    assert file.remarks == array.remarks == (said,)
    np.testing.assert_allclose(file.probabilities, array.probabilities, atol=1e-6)
    with pytest.warns(UserWarning, match="an array is longer"):
        floats = classifier.predict(y / 32768)
    np.testing.assert_allclose(floats.probabilities, array.probabilities, atol=1e-5)
    wrong = classifier.predict([np.zeros((2, n)), np.full(n, np.nan), np.arange(n)])
    assert ["one-dimensional" in wrong[0].error, "NaN" in wrong[1].error, "type int64" in wrong[2].error] == [True] * 3
