"""One recording in the conventions of several libraries: the same log-mel idea, five results.

    python examples/compare_dialects.py RECORDING dialects.png

A network that was trained on one of these does not work on another: shapes, scales and even the mel axis differ.
"""

from __future__ import annotations

import sys
from pathlib import Path

import matplotlib
import numpy as np

from kwsfeat import FrontEnd, load_clip, preset

matplotlib.use("Agg")
import matplotlib.pyplot as plt

DIALECTS = ("logmel", "librosa", "torchaudio", "kaldi", "whisper")


def main(recording: str, picture: str) -> dict[str, tuple[int, int]]:
    """Draw the features of every dialect; returns their shapes."""
    figure, axes = plt.subplots(1, len(DIALECTS), figsize=(3 * len(DIALECTS), 3.2), layout="constrained")
    shapes = {}
    for name, axis in zip(DIALECTS, axes, strict=True):
        config = preset(name)
        samples, _ = load_clip(recording, config)
        features = FrontEnd(config).extract(samples)
        shapes[name] = features.shape
        axis.imshow(features.T, origin="lower", aspect="auto")
        axis.set_title(f"{name}: {features.shape[0]} x {features.shape[1]}", fontsize=10)
        axis.set_xlabel(f"frames of {config.hop_length / config.sr * 1e3:.0f} ms, values {features.min():.1f} to {features.max():.1f}")
        print(f"{name:12} {features.shape[0]:4} x {features.shape[1]:3}   mean {np.mean(features):8.2f}   std {np.std(features):6.2f}")
    figure.savefig(Path(picture), dpi=100)
    plt.close(figure)
    return shapes


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
