"""Slow, obvious float64 twins of the kernels. Every kernel test compares with these, and nothing here is shared with them."""

from __future__ import annotations

import numpy as np
import scipy.fft
import scipy.signal
from twins import naive_micro

from kwsfeat import FeatureConfig


def features(y: np.ndarray, c: FeatureConfig) -> np.ndarray:
    """(n_frames, n_features) float64 of a clip of exactly c.n_samples, float in [-1, 1]."""
    if c.output == "micro":
        return naive_micro.features(np.clip(np.rint(y * 32768.0), -32768, 32767).astype(np.int16)) * 0.0390625
    y = y.astype(np.float64)
    if c.peak_normalize and y.max() > 0:
        y = y / y.max()
    y = y * c.input_scale
    if c.lowpass_hz is not None:
        y = scipy.signal.sosfilt(scipy.signal.butter(c.lowpass_order, c.lowpass_hz, fs=c.sr, output="sos"), y)
    if c.preemph_mode == "clip":
        y = y - c.preemph * np.concatenate([[0.0], y[:-1]])
    if c.output == "waveform":
        x = y[:, None]
    else:
        x = _spectral(y, c)
    return _after(x, c)


def _spectral(y: np.ndarray, c: FeatureConfig) -> np.ndarray:
    frames = framed(y, c)
    if c.remove_dc:
        frames = frames - frames.mean(axis=1, keepdims=True)
    raw_energy = (frames**2).sum(axis=1)
    if c.preemph_mode == "frame":
        frames = frames - c.preemph * np.concatenate([frames[:, :1], frames[:, :-1]], axis=1)
    w = window(c)
    frames = frames * w
    energy = raw_energy if c.energy == "raw" else (frames**2).sum(axis=1)
    S = np.abs(np.fft.rfft(frames, c.n_fft, axis=1)) ** 2
    win = w[w != 0] if c.window_align == "center" else w
    S = (
        S
        / {"none": 1.0, "window": (win**2).sum(), "win_length": c.win_length, "n_fft": c.n_fft, "density": c.sr * (win**2).sum()}[
            c.spectrum_norm
        ]
    )
    if c.spectrum_norm == "density":
        S[:, 1 : (None if c.n_fft % 2 else -1)] *= 2.0
    if c.spectrum == "magnitude":
        S = np.sqrt(S)
    if c.output != "spectrum":
        S = S @ mel_basis(c).T
    if c.log == "pcen":
        S = pcen(S, c)
    elif c.log != "none":
        base = {"ln": np.log, "log10": np.log10, "db": lambda v: 10 * np.log10(v)}[c.log]
        S = base(np.maximum(S, c.log_floor) + c.log_offset)
        S = S - (S.max() if c.log_ref == "max" else base(c.log_ref))
        if c.top_db is not None:
            S = np.maximum(S, S.max() - {"ln": np.log(10) / 10, "log10": 0.1, "db": 1.0}[c.log] * c.top_db)
    if c.output == "mfcc":
        S = scipy.fft.dct(S, type=2, axis=1, norm="ortho" if c.dct_norm == "ortho" else None)[:, : c.n_mfcc]
        if c.dct_norm == "htk":
            S = S / np.sqrt(2.0 * c.n_mels)
        if c.lifter:
            n = np.arange(c.n_mfcc) + (c.lifter_kind == "librosa")
            S = S * (1 + c.lifter / 2 * np.sin(np.pi * n / c.lifter))
    if c.energy != "none":
        e = np.log(np.maximum(energy, max(c.energy_floor, 1.1920929e-07)))[:, None]
        S = S[:, 1:] if c.output == "mfcc" else S
        S = np.concatenate([S, e] if c.energy_last else [e, S], axis=1)
    return S


def framed(y: np.ndarray, c: FeatureConfig) -> np.ndarray:
    """(n_frames, frame length) of the padded clip."""
    length, hop, n = c.win_length if c.window_align == "left" else c.n_fft, c.hop_length, len(y)
    if c.framing in ("zero", "reflect"):
        y = np.pad(y, c.n_fft // 2, mode="constant" if c.framing == "zero" else "reflect")
        n_frames, start = 1 + (len(y) - c.n_fft) // hop, 0
    elif c.framing == "symmetric":
        n_frames, start = (n + hop // 2) // hop, hop // 2 - length // 2
        y = np.pad(y, 2 * length + hop, mode="symmetric")
        start += 2 * length + hop
    elif c.framing == "end":
        n_frames, start = 1 + max(0, int(np.ceil((n - length) / hop))), 0
        y = np.concatenate([y, np.zeros(length + hop)])
    else:
        n_frames, start = 1 + (n - length) // hop, 0
    n_frames -= c.drop_last_frame
    y = np.concatenate([y, np.zeros(length)])  # a left-aligned window is shorter than the centred padding
    return np.stack([y[start + t * hop : start + t * hop + length] for t in range(n_frames)])


def window(c: FeatureConfig) -> np.ndarray:
    """(frame length,) float64."""
    names = {"hann": ("hann", True), "hann-symmetric": ("hann", False), "hamming": ("hamming", True), "povey": ("hann", False),
             "blackman": ("blackman", True), "rectangular": ("boxcar", True), "hamming-symmetric": ("hamming", False)}  # fmt: skip
    if c.window == "hann-offset":
        w = 0.5 - 0.5 * np.cos(2 * np.pi * (np.arange(c.win_length) + 0.5) / c.win_length)
    else:
        name, periodic = names[c.window]
        w = scipy.signal.get_window(name, c.win_length, fftbins=periodic)
    if c.window == "povey":
        w = np.maximum(w, 0) ** 0.85
    if c.window_align == "left":
        return w
    left = (c.n_fft - c.win_length) // 2
    return np.pad(w, (left, c.n_fft - c.win_length - left))


def mel_basis(c: FeatureConfig) -> np.ndarray:
    """(n_mels, bins), one triangle at a time."""
    top = c.sr / 2 if c.fmax_hz is None else c.fmax_hz
    edges = np.linspace(to_mel(c.fmin_hz, c), to_mel(top, c), c.n_mels + 2)
    edges_hz = np.array([to_hz(m, c) for m in edges])
    basis = np.zeros((c.n_mels, c.n_fft // 2 + 1))
    for m in range(c.n_mels):
        for k in range(c.n_fft // 2 + 1):
            hz = k * c.sr / c.n_fft
            if c.triangle_domain == "hz":
                x, (a, b, d) = hz, edges_hz[m : m + 3]
            elif c.triangle_domain == "mel":
                x, (a, b, d) = to_mel(hz, c), edges[m : m + 3]
            else:
                x, (a, b, d) = k, np.floor((c.n_fft + 1) * edges_hz[m : m + 3] / c.sr + 1e-9)
            if a <= x < b:
                basis[m, k] = (x - a) / (b - a)
            elif b <= x < d:
                basis[m, k] = (d - x) / (d - b)
        if c.mel_norm == "slaney":
            basis[m] *= 2 / (edges_hz[m + 2] - edges_hz[m])
        elif c.mel_norm != "none":
            basis[m] /= np.linalg.norm(basis[m], {"l1": 1, "l2": 2, "linf": np.inf}[c.mel_norm])
    return basis


def to_mel(hz: float, c: FeatureConfig) -> float:
    if c.mel_scale == "htk":
        return 1127.0 * np.log(1 + hz / 700)
    return 3 * hz / 200 if hz < 1000 else 15 + 27 * np.log(hz / 1000) / np.log(6.4)


def to_hz(mel: float, c: FeatureConfig) -> float:
    if c.mel_scale == "htk":
        return 700 * (np.exp(mel / 1127.0) - 1)
    return 200 * mel / 3 if mel < 15 else 1000 * 6.4 ** ((mel - 15) / 27)


def pcen(S: np.ndarray, c: FeatureConfig) -> np.ndarray:
    T = c.pcen_time_s * c.sr / c.hop_length
    s = (np.sqrt(1 + 4 * T**2) - 1) / (2 * T**2)
    M, out = np.ones(S.shape[1]), np.empty_like(S)
    for t in range(len(S)):
        M = (1 - s) * M + s * S[t]
        out[t] = (S[t] / (c.pcen_eps + M) ** c.pcen_gain + c.pcen_bias) ** c.pcen_power - c.pcen_bias**c.pcen_power
    return out


def _after(x: np.ndarray, c: FeatureConfig) -> np.ndarray:
    if c.deltas and c.output != "waveform":
        parts, h = [x], c.delta_width // 2
        for order in range(1, c.deltas + 1):
            if c.delta_kind == "librosa":
                parts.append(scipy.signal.savgol_filter(x, c.delta_width, deriv=order, polyorder=order, axis=0, mode="interp"))
            else:
                padded = np.pad(parts[-1], ((h, h), (0, 0)), mode="edge")
                slope = sum(k * (padded[h + k : h + k + len(x)] - padded[h - k : h - k + len(x)]) for k in range(1, h + 1))
                parts.append(slope / (2 * sum(k * k for k in range(1, h + 1))))
        x = np.concatenate(parts, axis=1)
    if c.normalize == "row-l1":
        total = np.abs(x).sum(axis=0)
        x = x / np.where(total > 0, total, 1)
    elif c.normalize in ("mean", "mean-variance"):
        x = x - x.mean(axis=0)
        if c.normalize == "mean-variance":
            x = x / np.maximum(x.std(axis=0), 1e-5)
    elif c.normalize == "global":
        x = (x - np.array(c.global_mean)) / np.array(c.global_std)
    x = (x + c.post_add) / c.post_divide
    return x if c.post_clip is None else np.clip(x, *c.post_clip)
