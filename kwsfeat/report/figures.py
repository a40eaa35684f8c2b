"""Pictures of one recording and of a distribution, with axes in seconds and Hz. Needs matplotlib (the extra ``report``)."""

from __future__ import annotations

import io
import os
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from kwsfeat.audio.waveform import Samples, as_float32
from kwsfeat.config.features import FeatureConfig, good_fft_sizes
from kwsfeat.design.mel import hz_to_mel
from kwsfeat.errors import MissingExtraError
from kwsfeat.features.front_end import FrontEnd
from kwsfeat.features.spectral import amplitude_spectrum

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_COLOUR = "#2a5d9f"
_TICKS_HZ = (250, 500, 1000, 2000, 4000, 8000, 16000)


def clip_picture(y: Samples, sr: int, title: str, file: str | os.PathLike[str] | None = None) -> bytes:
    """Waveform, amplitude spectrum, spectrogram, mel spectrogram and MFCC of a recording, as one PNG.

    Parameters
    ----------
    y : ndarray, int16 or float in [-1, 1], shape (n,), n >= 1
    sr : int, Hz
    title : str
    file : path, optional
        Also written here.

    Returns
    -------
    bytes
        The PNG.
    """
    y = as_float32(y)
    figure = _figure(11.0, 5.2)
    grid = figure.add_gridspec(2, 6, left=0.06, right=0.98, bottom=0.1, top=0.88 if title else 0.94, wspace=0.9, hspace=0.45)
    figure.suptitle(title, fontsize=11, x=0.01, ha="left", parse_math=False)
    _waveform(figure.add_subplot(grid[0, :3]), y, sr)
    _amplitude_spectrum(figure.add_subplot(grid[0, 3:]), y, sr)
    for i, output in enumerate(("spectrum", "mel", "mfcc")):
        config = _short_time(sr, output)
        axes = figure.add_subplot(grid[1, 2 * i : 2 * i + 2])
        features_axes(axes, FrontEnd(config).extract_recording(y), config, len(y) / sr)
    return _png(figure, file)


def features_picture(features: NDArray[Any], config: FeatureConfig, title: str) -> bytes:
    """Features (n_frames, n_features) made with `config`, as a PNG."""
    figure = _figure(5.4, 2.8)
    figure.suptitle(title, fontsize=10, x=0.01, ha="left", parse_math=False)
    axes = figure.add_axes((0.13, 0.18, 0.84, 0.62))
    if config.output == "waveform":
        _waveform(axes, features[:, 0], config.sr)
    else:
        features_axes(axes, features, config, config.n_samples / config.sr)
    return _png(figure)


def histogram_picture(values: Sequence[float], title: str, xlabel: str, ylabel: str) -> bytes:
    """How often each value occurs, as a PNG; the counts on a logarithmic axis, so that rare values are seen."""
    figure = _figure(5.4, 2.6)
    axes = figure.add_axes((0.13, 0.19, 0.84, 0.68))
    edges = np.histogram_bin_edges(values, 60)
    if all(isinstance(value, int) for value in values):
        axes.locator_params(axis="x", integer=True)
        if np.ptp(values) < 100:
            edges = np.arange(min(values) - 0.5, max(values) + 1.5)
    axes.hist(values, bins=edges.tolist(), color=_COLOUR)
    axes.set_yscale("log")
    axes.set_ylim(0.7, 1.5 * np.histogram(values, edges)[0].max())
    axes.yaxis.set_major_formatter("{x:,.0f}")
    axes.yaxis.set_minor_formatter("")
    axes.set(title=title, xlabel=xlabel, ylabel=ylabel)
    return _png(figure)


def features_axes(axes: Axes, features: NDArray[Any], config: FeatureConfig, seconds: float) -> None:
    """Draw features (n_frames, n_features) of `seconds`: time in seconds against Hz, or against the number of the coefficient."""
    n_frames, n_features = features.shape
    bottom, top = -0.5, n_features - 0.5
    values = np.asarray(features, np.float32)
    limits: dict[str, Any] = {"cmap": "magma"}
    if config.output == "spectrum":
        title, ylabel, bottom, top = "spectrogram", "Hz", 0.0, config.sr / 2
    elif config.output in ("mel", "micro"):
        title, ylabel = f"mel spectrogram, {config.n_mels} bands", "Hz"
        top_hz = config.fmax_hz or config.sr / 2
        low, high = hz_to_mel(np.array([config.fmin_hz, top_hz]), config.mel_scale)
        rows = (hz_to_mel(np.array(_TICKS_HZ), config.mel_scale) - low) / (high - low) * (config.n_mels + 1) - 1
        shown = [(row, f"{hz}") for row, hz in zip(rows, _TICKS_HZ, strict=True) if bottom <= row <= top]
        axes.set_yticks([row for row, _ in shown], [text for _, text in shown])
    else:
        title, ylabel = f"MFCC, {config.n_mfcc} coefficients", "coefficient"
        widest = float(np.abs(values[:, 1:]).max(initial=1e-6))  # coefficient 0, the level, is far larger and would hide the others
        limits = {"cmap": "coolwarm", "vmin": -widest, "vmax": widest}
    extent = (0.0, n_frames * config.hop_length / config.sr, bottom, top)
    image = axes.imshow(values.T, origin="lower", aspect="auto", interpolation="nearest", extent=extent, **limits)
    axes.set(title=title, xlabel="s", ylabel=ylabel, xlim=(0, seconds))
    bar = axes.figure.colorbar(image, ax=axes, pad=0.02)
    bar.ax.set_title("dB" if config.log == "db" and config.output != "mfcc" and config.normalize == "none" else "")


def _waveform(axes: Axes, y: NDArray[np.float32], sr: int) -> None:
    axes.plot(np.arange(len(y)) / sr, y, color=_COLOUR, linewidth=0.5)
    axes.set(title="waveform", xlabel="s", ylabel="amplitude", xlim=(0, len(y) / sr))


def _amplitude_spectrum(axes: Axes, y: NDArray[np.float32], sr: int) -> None:
    axes.plot(*amplitude_spectrum(y, sr=sr), color=_COLOUR, linewidth=0.5)
    axes.set(title="amplitude spectrum, 2/N |FFT|", xlabel="Hz", ylabel="amplitude", xlim=(0, sr / 2))


def _short_time(sr: int, output: Any) -> FeatureConfig:
    """25 ms windows every 10 ms at any rate, in dB; for recordings of any length."""
    n_fft = 2 * good_fft_sizes(max(8, round(0.0125 * sr)))[1]
    return FeatureConfig(
        sr=sr, n_samples=2 * n_fft, output=output, n_fft=n_fft, win_length=n_fft, hop_length=max(1, round(0.01 * sr)), log="db", top_db=80.0
    )


def check_matplotlib() -> None:
    """Raise MissingExtraError where matplotlib is not installed: before the work that would end in a picture."""
    try:
        import matplotlib.figure  # noqa: F401
    except ImportError as error:
        raise MissingExtraError(f"pictures need matplotlib ({error}): in a clone, pip install '.[report]'") from None


def _figure(width: float, height: float) -> Figure:
    check_matplotlib()
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=80)
    FigureCanvasAgg(figure)
    return figure


def _png(figure: Figure, file: str | os.PathLike[str] | None = None) -> bytes:
    for axes in figure.axes:
        axes.tick_params(labelsize=8)
        for text in (axes.title, axes.xaxis.label, axes.yaxis.label):
            text.set_fontsize(9)
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")  # a title in a script that the font lacks
        figure.savefig(buffer, format="png", metadata={"Software": None})
    if file is not None:
        with open(file, "wb") as out:
            out.write(buffer.getvalue())
    return buffer.getvalue()
