"""The picture of the README: clips per second by library, one panel a feature."""

from __future__ import annotations

from pathlib import Path

from harness.race import Table

WORKS = {
    "log-mel 512/160/40": "log-mel",
    "MFCC 40 -> 13": "MFCC",
    "Whisper log-mel 400/160/80": "Whisper log-mel",
    "Kaldi fbank 40": "Kaldi fbank",
    "light CNN, log-spectrogram 320/160, 99 x 161": "log-spectrogram",
    "Butterworth order 35": "low-pass, order 35",
}
OURS, THEIRS = "#1f6f8b", "#b8b8b8"


def plot(table: Table, path: Path) -> None:
    """Bars of clips per second on one thread; `path` is a PNG file."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(2, 3, figsize=(12, 5.2), layout="constrained")
    for axis, (work, title) in zip(axes.flat, WORKS.items(), strict=True):
        bars = [(engine, 1e6 / us) for w, engine, us, _, _ in table.lines if w == work and "," not in engine]
        bars.sort(key=lambda bar: bar[1])
        names, speeds = [b[0] for b in bars], [b[1] for b in bars]
        axis.barh(names, speeds, color=[OURS if name == "kwsfeat" else THEIRS for name in names], height=0.6)
        axis.set_title(title, loc="left", fontsize=11, fontweight="bold")
        for y, speed in enumerate(speeds):
            axis.text(speed, y, f" {speed:,.0f}", va="center", fontsize=9)
        axis.set_xlim(0, max(speeds) * 1.22)
        axis.set_xticks([])
        axis.spines[["top", "right", "bottom"]].set_visible(False)
        axis.tick_params(axis="y", length=0)
    figure.suptitle("One-second clips per second, one thread, float32, 16 kHz", x=0.01, ha="left", fontsize=12)
    figure.savefig(path, dpi=110)
    plt.close(figure)
