"""A prediction depends on its recording alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import soundfile

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
