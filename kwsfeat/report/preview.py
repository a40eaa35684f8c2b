"""The variants of one recording as files to listen to, and a picture of their spectrograms to look at."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from kwsfeat.audio.clip import resample
from kwsfeat.audio.read import read_samples
from kwsfeat.audio.waveform import as_float32, write_waveform
from kwsfeat.augment import Grid, Noise, Parameters, Policy, Transform, synthetic_noise
from kwsfeat.errors import AudioError, MissingExtraError

if TYPE_CHECKING:
    from matplotlib.axes import Axes


class Variant(NamedTuple):
    """One variant: a name for people, what was drawn, the samples at the recording's rate."""

    name: str
    parameters: Parameters
    y: NDArray[np.float32]


def preview(
    recording: str | os.PathLike[str],
    policy: Policy,
    folder: str | os.PathLike[str],
    *,
    count: int = 8,
    seed: int = 0,
    noise: Iterable[str | os.PathLike[str]] = (),
) -> list[Path]:
    """Write the variants of a recording as ``.wav`` files, ``variants.json`` and ``variants.png``.

    Parameters
    ----------
    recording : path
        Used whole and at its own rate, channels averaged.
    policy : Policy
    folder : path
        Made when it is missing; files of the same names are replaced.
    count : int, >= 1
        Variants to draw from a chain; a grid gives all of its own.
    seed : int
        Variant i draws from ``default_rng((seed, i))``.
    noise : paths
        Recordings to mix in; white, pink and brown noise without any.

    Returns
    -------
    paths : list of Path
        Everything that was written.

    Raises
    ------
    AudioError
        If a recording cannot be read.
    MissingExtraError
        If matplotlib is not installed.
    """
    samples, sr = read_samples(os.fspath(recording))
    y = as_float32(samples)
    if not y.size:
        raise AudioError(f"{recording}: no samples: nothing to augment")
    transform = policy.bind(sr, _noise(noise, sr) if policy.needs_noise else None)
    made = make_variants(transform, y, count=count, seed=seed)
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{Path(recording).stem}_{variant.name}.wav" for variant in made]
    picture = folder / "variants.png"
    is_among = any(np.array_equal(variant.y, y) for variant in made)
    draw_spectrograms(made if is_among else [Variant("recording", {}, y), *made], sr, picture)
    for path, variant in zip(paths, made, strict=True):
        write_waveform(path, variant.y, sr)
    listing = folder / "variants.json"
    entries = [{"file": path.name, "parameters": variant.parameters} for path, variant in zip(paths, made, strict=True)]
    listing.write_text(json.dumps({"recipe": policy.name, "recipe_toml": policy.text, "seed": seed, "variants": entries}, indent=2) + "\n")
    return [*paths, listing, picture]


def make_variants(transform: Transform, y: NDArray[np.float32], *, count: int, seed: int) -> list[Variant]:
    """All variants of a grid, or `count` draws of another transform."""
    if isinstance(transform, Grid):
        return [Variant(f"rate{p['rate']:g}_steps{p['n_steps']:+g}", p, transform.apply(y, p)) for p in transform.all()]
    drawn = [transform.draw(np.random.default_rng((seed, i))) for i in range(count)]
    return [Variant(f"{i:02d}", p, transform.apply(y, p)) for i, p in enumerate(drawn)]


def draw_spectrograms(variants: list[Variant], sr: int, path: Path) -> None:
    """One picture, three panels per row, all with the same time, frequency and level axes (seconds, Hz, dB below the loudest)."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise MissingExtraError("pictures need matplotlib: in a clone, pip install '.[report]'") from None
    n_rows = -(-len(variants) // 3)
    figure = Figure(figsize=(12, 2.4 * n_rows + 0.6), layout="constrained")
    axes = figure.subplots(n_rows, 3, sharex=True, sharey=True, squeeze=False)
    seconds = max(variant.y.size for variant in variants) / sr
    for axis, variant in zip(axes.flat, variants, strict=False):
        _draw_spectrogram(axis, variant, sr)
    for axis in axes.flat[len(variants) :]:
        axis.set_visible(False)
    axes[0, 0].set_xlim(0.0, seconds)
    figure.supxlabel("time (s)")
    figure.supylabel("frequency (Hz)")
    figure.savefig(path, dpi=100)


def _draw_spectrogram(axis: Axes, variant: Variant, sr: int) -> None:
    from scipy.signal import spectrogram

    width = max(16, sr // 100)
    y = np.pad(variant.y, (0, max(0, 4 * width - variant.y.size)))
    frequency_hz, time_s, power = spectrogram(y, sr, nperseg=4 * width, noverlap=3 * width)
    level_db = 10.0 * np.log10(np.maximum(power, 1e-12))
    top_db = float(level_db.max())
    axis.pcolormesh(time_s, frequency_hz, level_db, vmin=top_db - 70.0, vmax=top_db, shading="auto", rasterized=True)
    axis.set_title(variant.name, fontsize=9)


def _noise(paths: Iterable[str | os.PathLike[str]], sr: int) -> Noise:
    recordings = []
    for path in paths:
        y, recorded_sr = read_samples(os.fspath(path))
        recordings.append(y if recorded_sr == sr else resample(y, recorded_sr, sr))
    return Noise(recordings) if recordings else synthetic_noise(sr)
