"""Hypothesis strategies: random configurations and random clips."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from kwsfeat import ConfigError, FeatureConfig
from kwsfeat.config.features import good_fft_sizes


@st.composite
def configs(draw: st.DrawFn, **fixed: object) -> FeatureConfig:
    """A valid FeatureConfig over every option that the kernels know, clips of 600 to 9,000 samples."""
    output = draw(st.sampled_from(["spectrum", "mel", "mel", "mfcc"]))
    n_fft = good_fft_sizes(draw(st.integers(64, 1100)))[1]
    log = draw(st.sampled_from(["none", "ln", "log10", "db", "pcen"] if output == "mel" else ["none", "ln", "log10", "db"]))
    logarithmic = log not in ("none", "pcen")
    deltas = draw(st.sampled_from([0, 0, 0, 1, 2]))
    values: dict[str, object] = {
        "sr": draw(st.sampled_from([8000, 16000, 22050])),
        "n_samples": draw(st.integers(600, 9000)),
        "peak_normalize": draw(st.booleans()),
        "output": output,
        "n_fft": n_fft,
        "win_length": draw(st.integers(n_fft // 2, n_fft)),
        "hop_length": draw(st.integers(1, n_fft)),
        "window": draw(st.sampled_from(["hann", "hann-symmetric", "hann-offset", "hamming", "hamming-symmetric",
        "povey", "blackman", "rectangular"])),
        "window_align": draw(st.sampled_from(["center", "left"])),
        "framing": draw(st.sampled_from(["zero", "reflect", "symmetric", "none", "end"])),
        "drop_last_frame": draw(st.booleans()),
        "remove_dc": draw(st.booleans()),
        "preemph": draw(st.sampled_from([0.0, 0.0, 0.97, 0.5])),
        "preemph_mode": draw(st.sampled_from(["clip", "frame"])),
        "spectrum": draw(st.sampled_from(["power", "magnitude"])),
        "spectrum_norm": draw(st.sampled_from(["none", "window", "win_length", "n_fft", "density"])),
        "n_mels": draw(st.integers(1, 24)),
        "fmin_hz": draw(st.sampled_from([0.0, 20.0, 125.0])),
        "mel_scale": draw(st.sampled_from(["slaney", "htk"])),
        "triangle_domain": draw(st.sampled_from(["hz", "mel", "bin"])),
        "mel_norm": draw(st.sampled_from(["none", "slaney", "l1", "l2", "linf"])),
        "log": log,
        "log_floor": draw(st.sampled_from([1e-10, 1e-6, 1.19e-7])),
        "log_offset": draw(st.sampled_from([0.0, 1e-6])),
        "log_ref": draw(st.sampled_from([1.0, 0.5, "max"])) if logarithmic else 1.0,
        "top_db": draw(st.sampled_from([None, 80.0, 20.0])) if logarithmic else None,
        "dct_norm": draw(st.sampled_from(["ortho", "htk", "none"])),
        "lifter": draw(st.sampled_from([0.0, 22.0])),
        "lifter_kind": draw(st.sampled_from(["htk", "librosa"])),
        "energy": draw(st.sampled_from(["none", "none", "raw", "windowed"])),
        "energy_floor": draw(st.sampled_from([0.0, 1.0])),
        "energy_last": draw(st.booleans()),
        "deltas": deltas,
        "delta_width": draw(st.sampled_from([3, 5, 9])),
        "delta_kind": draw(st.sampled_from(["librosa", "htk"])),
        "normalize": draw(st.sampled_from(["none", "none", "row-l1", "mean", "mean-variance"])),
        "post_add": draw(st.sampled_from([0.0, 4.0])),
        "post_divide": draw(st.sampled_from([1.0, 4.0])),
    } | fixed  # fmt: skip
    if not values["peak_normalize"]:
        values["input_scale"] = draw(st.sampled_from([1.0, 32768.0]))
    values["n_mfcc"] = draw(st.integers(1, int(str(values["n_mels"]))))
    try:
        return FeatureConfig(**values)  # type: ignore[arg-type]
    except ConfigError:
        # a combination that is refused (an empty band, a clip shorter than its frame): draw another
        from hypothesis import reject

        reject()


def noise_clip(n_samples: int, seed: int) -> np.ndarray:
    """(n_samples,) float32: noise with a slow envelope and a tone, without bands that are 60 dB below others."""
    rng = np.random.default_rng(seed)
    t = np.arange(n_samples)
    envelope = 0.05 + 0.1 * np.abs(np.sin(t / 700.0 + seed % 7))
    y = envelope * rng.standard_normal(n_samples) + 0.1 * np.sin(0.3 * t) + 0.02
    return y.astype(np.float32)
