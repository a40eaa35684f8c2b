"""A page that compares time-stretching and pitch-shifting by ear and by eye.

    python benchmarks/augment/compare_stretch.py RECORDING... --out compare/

For each recording, every method and peer (librosa, Signalsmith by python-stretch, rubberband by pedalboard) is played at several rates and
pitches, with its spectrogram and its time. The page holds everything: it needs no network and can be sent as one file.
"""

from __future__ import annotations

import argparse
import base64
import html
import io
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import soundfile
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy.signal import spectrogram

from kwsfeat import pitch_shift, time_stretch

Waveform = NDArray[np.float32]
Engine = Callable[[Waveform, int, float, float], Waveform]  # (y, sr, rate, n_steps)

SETTINGS = ((0.7, 0.0), (0.9, 0.0), (1.1, 0.0), (1.3, 0.0), (1.0, -4.0), (1.0, 4.0))


def ours(method: str) -> Engine:
    def change(y: Waveform, sr: int, rate: float, n_steps: float) -> Waveform:
        return pitch_shift(time_stretch(y, rate, sr=sr, method=method), sr, n_steps, method=method)

    return change


def with_librosa(y: Waveform, sr: int, rate: float, n_steps: float) -> Waveform:
    import librosa

    return librosa.effects.pitch_shift(librosa.effects.time_stretch(y, rate=rate), sr=sr, n_steps=n_steps)


def with_signalsmith(y: Waveform, sr: int, rate: float, n_steps: float) -> Waveform:
    from python_stretch import Signalsmith

    stretch = Signalsmith.Stretch()
    stretch.preset(1, sr)
    stretch.setTimeFactor(rate)
    stretch.setTransposeSemitones(n_steps)
    return np.asarray(stretch.process(y[None]))[0]


def with_rubberband(y: Waveform, sr: int, rate: float, n_steps: float) -> Waveform:
    from pedalboard import time_stretch as rubberband

    return np.asarray(rubberband(y, sr, rate, n_steps))[0]


ENGINES: dict[str, Engine] = {
    "kwsfeat wsola": ours("wsola"),
    "kwsfeat vocoder": ours("vocoder"),
    "kwsfeat vocoder-locked": ours("vocoder-locked"),
    "librosa": with_librosa,
    "Signalsmith (python-stretch)": with_signalsmith,
    "rubberband (pedalboard)": with_rubberband,
}


def timed(engine: Engine, y: Waveform, sr: int, rate: float, n_steps: float) -> tuple[Waveform, float]:
    """The result and the best of three times in milliseconds."""
    changed = engine(y, sr, rate, n_steps)
    best = np.inf
    for _ in range(3):
        began = time.perf_counter()
        engine(y, sr, rate, n_steps)
        best = min(best, time.perf_counter() - began)
    return changed, 1e3 * best


def picture(y: Waveform, sr: int, seconds: float) -> str:
    """A spectrogram with axes in seconds and Hz, as a data address."""
    frequency_hz, time_s, power = spectrogram(np.pad(y, (0, sr // 25)), sr, nperseg=sr // 40, noverlap=sr // 40 - sr // 200)
    level_db = 10.0 * np.log10(np.maximum(power, 1e-14))
    figure = Figure(figsize=(4.2, 2.0), layout="constrained")
    axis = figure.subplots()
    axis.pcolormesh(time_s, frequency_hz, level_db, vmin=level_db.max() - 70, vmax=level_db.max(), rasterized=True)
    axis.set(xlim=(0, seconds), xlabel="time (s)", ylabel="frequency (Hz)")
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=75)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


def sound(y: Waveform, sr: int) -> str:
    """A WAV file as a data address."""
    buffer = io.BytesIO()
    soundfile.write(buffer, np.clip(y, -1, 1), sr, format="WAV", subtype="PCM_16")
    return "data:audio/wav;base64," + base64.b64encode(buffer.getvalue()).decode()


def cell(y: Waveform, sr: int, note: str, seconds: float) -> str:
    return f'<td><img src="{picture(y, sr, seconds)}" alt="spectrogram"><br><audio controls src="{sound(y, sr)}"></audio><br>{note}</td>'


def section(path: Path, engines: dict[str, Engine]) -> str:
    """One recording: a row per engine, a column per setting."""
    y, sr = soundfile.read(path, dtype="float32", always_2d=True)
    y = np.ascontiguousarray(y.mean(axis=1))
    seconds = y.size / sr / min(rate for rate, _ in SETTINGS)
    heads = "".join(f"<th>rate {rate:g}, {n_steps:+g} semitones</th>" for rate, n_steps in SETTINGS)
    rows = [f"<tr><th>recording</th>{cell(y, sr, f'{y.size / sr:.2f} s', seconds)}</tr>"]
    for name, engine in engines.items():
        cells = []
        for rate, n_steps in SETTINGS:
            changed, ms = timed(engine, y, sr, rate, n_steps)
            level_db = 10.0 * np.log10(np.mean(changed**2) / np.mean(y**2))
            cells.append(cell(changed, sr, f"{ms:.2f} ms, level {level_db:+.1f} dB, {changed.size} samples", seconds))
        rows.append(f"<tr><th>{html.escape(name)}</th>{''.join(cells)}</tr>")
    return f"<h2>{html.escape(path.name)} ({sr} Hz)</h2><table><tr><th></th>{heads}</tr>{''.join(rows)}</table>"


def installed() -> tuple[dict[str, Engine], list[str]]:
    """The engines that can run here, and the names of those that cannot."""
    silent = np.zeros(4096, np.float32)
    usable: dict[str, Engine] = {}
    missing = []
    for name, engine in ENGINES.items():
        try:
            engine(silent, 16000, 1.1, 0.0)
            usable[name] = engine
        except ImportError:
            missing.append(name)
    return usable, missing


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recordings", nargs="+", type=Path)
    parser.add_argument("--out", type=Path, default=Path("compare"))
    arguments = parser.parse_args()
    engines, missing = installed()
    note = f"<p>Not installed: {', '.join(missing)} (the bench extra brings them).</p>" if missing else ""
    style = "body{font:14px sans-serif}th{text-align:left;vertical-align:top;padding:4px}td{padding:4px}audio{width:300px;height:30px}"
    body = "".join(section(path, engines) for path in arguments.recordings)
    arguments.out.mkdir(parents=True, exist_ok=True)
    page = arguments.out / "stretch.html"
    page.write_text(
        f"<!doctype html><meta charset='utf-8'><title>Stretching compared</title><style>{style}</style><h1>Stretching compared</h1>"
        f"<p>Best of three calls, one thread. Level: RMS against the recording.</p>{note}{body}",
        encoding="utf-8",
    )
    print(page)


if __name__ == "__main__":
    main()
