"""Fixtures that every test file shares: where real recordings are, and a corpus made of tones."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import soundfile
from tones import WORDS, tone_clip

os.environ.setdefault("JAX_NUM_CPU_DEVICES", "1")  # no test changes the devices of the next; those about devices start processes


@pytest.fixture(scope="session")
def kws_data() -> Path:
    """The folder with `speech_commands/` and `fsdd/`: $KWS_DATA, or `../shared/data` beside the checkout."""
    root = Path(os.environ.get("KWS_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))
    if not (root / "speech_commands").is_dir():
        pytest.skip(f"no real recordings at {root}: set KWS_DATA")
    return root


@pytest.fixture(scope="session")
def tiny_corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder per word in the Speech Commands layout: 3 words x 12 speakers x 2 takes, and one noise file."""
    root = tmp_path_factory.mktemp("tiny") / "corpus"
    for w, word in enumerate(WORDS):
        (root / word).mkdir(parents=True)
        for speaker in range(12):
            for take in range(2):
                name = f"{0xABC000 + speaker:08x}_nohash_{take}.wav"
                soundfile.write(root / word / name, tone_clip(w, 2 * speaker + take), 16000, subtype="PCM_16")
    (root / "_background_noise_").mkdir()
    noise = 0.05 * np.random.default_rng(0).standard_normal(4 * 16000 + 5000)
    soundfile.write(root / "_background_noise_" / "white.wav", noise, 16000, subtype="PCM_16")
    return root
