"""What a file claims is bounded before time or memory is spent on it."""

from __future__ import annotations

import resource
import subprocess
import sys
import time
from dataclasses import fields

import numpy as np
import pytest

import kwsfeat
from kwsfeat import Config, ConfigError, FeatureConfig
from kwsfeat.config.features import good_fft_sizes
from kwstrain.config import TrainConfig

pytestmark = pytest.mark.slow

HUGE = (2**33 + 7, 10**15 + 7, 2**63, 10**400, -1 - 10**15)
WHOLE = [(cls, one.name) for cls in (FeatureConfig, TrainConfig) for one in fields(cls) if one.type == "int"]


@pytest.mark.parametrize(("cls", "name"), WHOLE)
@pytest.mark.parametrize("value", HUGE)
def test_every_whole_number_is_bounded_at_once(cls: type[Config], name: str, value: int) -> None:
    began = time.process_time()
    with pytest.raises(ConfigError, match=name):
        FeatureConfig.from_partial({name: value}) if cls is FeatureConfig else TrainConfig.from_partial({name: value})
    assert time.process_time() - began < 20


@pytest.mark.parametrize(
    "values",
    [
        {"n_samples": 2**24, "hop_length": 1},
        {"n_samples": 2**24, "sr": 1, "resample_from_hz": 10_000_000, "output": "waveform"},
        {"n_samples": 2**31 - 1, "output": "waveform"},
        {"n_fft": 2**20, "n_mels": 8192},
        {"n_fft": 2**20, "win_length": 2**20 + 1},
        {"n_fft": 2**20 - 1},
        {"n_mels": 8192},
        {"n_samples": 2**20, "hop_length": 1, "output": "spectrum"},
    ],
)
def test_combinations_are_bounded_in_time_and_memory(values: dict) -> None:
    """In a process of its own that may have 2 GB."""
    code = (
        "import resource; resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30))\n"
        "from kwsfeat import FeatureConfig, ConfigError\n"
        f"try: FeatureConfig(**{values})\n"
        "except ConfigError as error: print('refused:', error)"
    )
    assert resource.getrlimit(resource.RLIMIT_AS)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=900)
    assert done.stdout.startswith("refused:"), done.stderr[-500:]


def test_the_largest_that_is_allowed_is_made_in_seconds() -> None:
    began = time.process_time()
    FeatureConfig(n_samples=2**24, hop_length=2**19, n_fft=2**20, win_length=2**20, n_mels=31, fmin_hz=20.0)
    for n in (2**20 - 1, 2**20, 999_983):
        good_fft_sizes(n)
    assert time.process_time() - began < 20


@pytest.mark.parametrize(
    "call",
    [
        lambda y: kwsfeat.stft(y, n_fft=10**15),
        lambda y: kwsfeat.spectrogram(y, sr=16000, n_fft=2**40),
        lambda y: kwsfeat.melspectrogram(y, sr=16000, n_mels=10**12),
        lambda y: kwsfeat.mfcc(y, sr=10**18),
        lambda y: kwsfeat.mel_filterbank(sr=16000, n_fft=10**15, n_mels=40),
        lambda y: kwsfeat.mel_filterbank(sr=16000, n_fft=512, n_mels=10**15),
        lambda y: kwsfeat.analysis_window("hann", 10**15),
        lambda y: kwsfeat.delta(np.zeros((100, 3), np.float32), width=10**15 + 1, kind="htk"),
        lambda y: kwsfeat.butter_sos(10**15, 1000.0, sr=16000, btype="lowpass"),
    ],
)
def test_functions_bound_what_they_are_given(call) -> None:
    began = time.process_time()
    with pytest.raises(ConfigError):
        call(np.zeros(16000, np.float32))
    assert time.process_time() - began < 20
