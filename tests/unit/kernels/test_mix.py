"""The fused kernel of fresh augmentation equals the transforms that it stands for, whatever the numbers."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from kwsfeat.augment import MixNoise, Noise, TimeShift
from kwsfeat.kernels.waveform.mix import mix


@settings(max_examples=150)
@given(
    n=st.integers(1, 100),
    shift=st.integers(-120, 120),
    amplitude=st.sampled_from([0.0, 1e-3, 0.1, 1.0, 30.0]),
    position=st.floats(0, 0.999),
    seed=st.integers(0, 1000),
)
def test_mix_is_shift_then_noise(n, shift, amplitude, position, seed):
    rng = np.random.default_rng(seed)
    audio = rng.integers(-32768, 32768, (3, n)).astype(np.int16)
    audio.setflags(write=False)
    noise = Noise([rng.integers(-32768, 32768, n + 40).astype(np.int16), rng.integers(-32768, 32768, 2 * n).astype(np.int16)])
    rows, recordings = np.array([2, 0, 2]), (0, 1, 1)
    out = np.full((3, n), np.nan, np.float32)
    starts = np.array([noise.start(recording, position, n) for recording in recordings])
    mix(audio, rows, np.array([shift, 0, -shift]), noise.samples, starts, np.full(3, amplitude, np.float32), out)
    transforms = TimeShift(), MixNoise(noise, amplitude=(0.0, 30.0))
    for y, row, moved, recording in zip(out, rows, (shift, 0, -shift), recordings, strict=True):
        shifted = transforms[0].apply(audio[row], {"shift": moved})
        expected = transforms[1].apply(shifted, {"recording": recording, "position": position, "amplitude": amplitude})
        np.testing.assert_allclose(y, expected, atol=2e-6)
