"""What augmentation does to accuracy, on real recordings: two tables.

    python benchmarks/augment/augment_accuracy.py ../shared/data/speech_commands --out runs/augment

1. The effect of each recipe: the same network, trained with fresh augmentation by each recipe, several seeds; mean and spread.
2. Whether stretched speech keeps its words: the networks trained without augmentation, on test clips stretched by 1.1 and 0.9.

A run that is already in the output folder is not trained again.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from kwsfeat import FeatureConfig, Reader, policy_names, time_stretch
from kwsfeat.audio.clip import fix_length
from kwsfeat.audio.waveform import as_int16
from kwsfeat.augment import real_part
from kwsfeat.pipeline.arrays import write_file
from kwsfeat.pipeline.build import build_file as build
from kwsfeat.pipeline.sources import plan_recordings
from kwstrain.config import defaults
from kwstrain.evaluation.evaluate import evaluate
from kwstrain.training.fit import fit

WORDS = ["bed", "bird", "cat", "down", "eight", "five", "four", "go", "happy", "left", "one", "right", "stop", "up", "zero"]
RATES = (0.9, 1.1)
METHODS = ("wsola", "vocoder-locked", "vocoder", "speed")


def build_once(recordings: Path, path: Path, config: FeatureConfig) -> None:
    """The words above and the background noise, without augmentation."""
    if not path.exists():
        build(plan_recordings(recordings, config, labels=WORDS), path, {"logmel": config}, threads=2)


def stretched_test_file(source: Path, path: Path, rate: float, method: str) -> None:
    """The test clips of `source`, stretched, as a file of their own."""
    with Reader(source) as reader:
        config, rows = reader.config(), reader.rows("test")
        audio, length = np.zeros((rows.size, reader.n_samples), np.int16), np.zeros(rows.size, np.int32)
        for i, row in enumerate(rows):
            y = real_part(reader.audio[row], int(reader.length[row]), config)
            changed, length[i] = fix_length(time_stretch(y, rate, sr=reader.sr, method=method), config)
            audio[i] = as_int16(changed)
        write_file(
            path, audio=audio, length=length, label=reader.label[rows], split=["test"] * rows.size, labels=reader.labels,
            configs={reader.feature_names[0]: config},
        )  # fmt: skip


def train(source: Path, out: Path, recipe: str, seed: int, epochs: int) -> tuple[float, float]:
    """Test accuracy of one run, and the seconds that its training took (0 when it was there)."""
    began = time.monotonic()
    if not (out / "weights.npz").is_file():
        fit(source, replace(defaults("cnn"), augment=recipe, seed=seed, epochs=epochs), out, overwrite=True)
    seconds = time.monotonic() - began
    return evaluate(out, source).scores.accuracy, seconds


def percent(values: list[float]) -> str:
    spread = f" ± {100 * np.std(values, ddof=1):.1f}" if len(values) > 1 else ""
    return f"{100 * np.mean(values):.1f}{spread}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recordings", type=Path)
    parser.add_argument("--out", type=Path, default=Path("runs/augment"))
    parser.add_argument("--recipes", default=",".join(["off", *(name for name in policy_names() if name != "off")]))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=30)
    arguments = parser.parse_args()
    out: Path = arguments.out
    out.mkdir(parents=True, exist_ok=True)
    source = out / "plain.h5"
    build_once(arguments.recordings, source, FeatureConfig())

    print(f"| recipe | test accuracy % (mean ± standard deviation of {arguments.seeds} seeds) | each seed | s a run |\n|---|---|---|---|")
    for recipe in arguments.recipes.split(","):
        runs = [train(source, out / f"{recipe}-{seed}", recipe, seed, arguments.epochs) for seed in range(arguments.seeds)]
        accuracies = [accuracy for accuracy, _ in runs]
        each = ", ".join(f"{100 * accuracy:.1f}" for accuracy in accuracies)
        print(f"| {recipe} | {percent(accuracies)} | {each} | {np.mean([seconds for _, seconds in runs]):.0f} |", flush=True)

    plain = [out / f"off-{seed}" for seed in range(arguments.seeds) if (out / f"off-{seed}" / "weights.npz").is_file()]
    if not plain:
        return
    print("\n| trained without augmentation, tested on | test accuracy % | points lost |\n|---|---|---|")
    recorded = [evaluate(run, source).scores.accuracy for run in plain]
    print(f"| the recordings | {percent(recorded)} | |")
    for method in METHODS:
        for rate in RATES:
            path = out / f"test-{method}-{rate:g}.h5"
            stretched_test_file(source, path, rate, method)
            changed = [evaluate(run, path).scores.accuracy for run in plain]
            lost = 100 * (np.mean(recorded) - np.mean(changed))
            print(f"| {method}, rate {rate:g} | {percent(changed)} | {lost:.1f} |", flush=True)


if __name__ == "__main__":
    main()
