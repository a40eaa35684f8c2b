"""The preset micro-frontend against pymicro-features, the C code that microWakeWord was trained with: every bit."""

from __future__ import annotations

import ctypes
import ctypes.util

import numpy as np
import pytest

from kwsfeat import FrontEnd, StreamFrontEnd, list_recordings, load_clip, preset

pymicro = pytest.importorskip("pymicro_features", reason="pymicro-features is not installed")

MICRO = preset("micro-frontend")


@pytest.fixture(scope="module", autouse=True)
def devices_logarithm() -> None:
    """The C code asks the C library of this machine for a logarithm, and three weights depend on its last bit."""
    libm = ctypes.CDLL(ctypes.util.find_library("m"))
    libm.log1pf.restype, libm.log1pf.argtypes = ctypes.c_float, [ctypes.c_float]
    mels = [np.float32(1127.0 * libm.log1pf(np.float32(k * 31.25) / np.float32(700.0))).view(np.int32) for k in (149, 221, 225)]
    if mels != [1158632965, 1160251892, 1160327138]:
        pytest.skip("this C library rounds log1pf otherwise than those of microcontrollers")


def theirs(y: np.ndarray) -> np.ndarray:
    """(n_frames, 40) float32 of int16 samples."""
    front_end, audio, out, at = pymicro.MicroFrontend(), y.tobytes(), [], 0
    while at + 320 <= len(audio):
        result = front_end.process_samples(audio[at : at + 320])
        at += 2 * result.samples_read
        if result.features:
            out.append(result.features)
    return np.array(out, np.float32)


SIGNALS = {
    "noise": lambda rng: (rng.standard_normal(32000) * 3000).astype(np.int16),
    "full scale": lambda rng: rng.integers(-32768, 32768, 32000).astype(np.int16),
    "bits": lambda rng: rng.integers(-1, 2, 32000).astype(np.int16),
    "silence": lambda rng: np.zeros(8000, np.int16),
    "lowest": lambda rng: np.full(8000, -32768, np.int16),
    "square": lambda rng: np.where(np.arange(32000) // 37 % 2, 32767, -32768).astype(np.int16),
    "sweep": lambda rng: (32767 * np.sin(np.arange(32000) ** 2 * 4e-5)).astype(np.int16),
    "steps": lambda rng: (rng.standard_normal(32000) * np.repeat(2.0 ** np.arange(16), 2000) / 4).clip(-32768, 32767).astype(np.int16),
}


@pytest.mark.parametrize("name", SIGNALS)
def test_made_signals(name):
    y = SIGNALS[name](np.random.default_rng(0))
    np.testing.assert_array_equal(FrontEnd(MICRO).extract_recording(y), theirs(y))


@pytest.mark.slow
def test_real_clips(kws_data):
    """1,000 words, each alone; and the same as one signal, in pieces of any size."""
    paths = list_recordings(kws_data / "speech_commands")
    clips = np.stack([load_clip(path, MICRO)[0] for path in paths[:: max(1, len(paths) // 1000)][:1000]])
    np.testing.assert_array_equal(FrontEnd(MICRO).extract_batch(clips), np.stack([theirs(y) for y in clips]))
    y = clips[:100].ravel()
    stream, cuts = StreamFrontEnd(MICRO), np.cumsum(np.random.default_rng(0).integers(0, 3000, 2000))
    pieces = [stream.push(piece) for piece in np.split(y, cuts[cuts < y.size])]
    np.testing.assert_array_equal(np.concatenate(pieces), theirs(y))
