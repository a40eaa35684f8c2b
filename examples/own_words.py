"""A folder of recordings, one folder a word, becomes a network that knows these words.

    python examples/own_words.py RECORDINGS [--out runs/own-words] [--epochs 20]

Each step is one call, and each leaves a file or a folder that the next one reads.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from kwsfeat import Reader, build_file, list_recordings, plan_recordings, preset
from kwstrain import TrainConfig, evaluate, fit, predict


def main(arguments: Sequence[str] | None = None) -> float:
    """Build, train, evaluate, predict; returns the accuracy on speakers that the network has not heard."""
    parser = argparse.ArgumentParser(description="recordings, one folder a word, to a network that knows these words")
    parser.add_argument("recordings", type=Path)
    parser.add_argument("--out", type=Path, default=Path("runs/own-words"))
    parser.add_argument("--epochs", type=int, default=20)
    options = parser.parse_args(arguments)
    options.out.parent.mkdir(parents=True, exist_ok=True)

    features = preset("logmel")  # 1 s at 16 kHz, 40 mel bands every 10 ms
    words = options.out.with_suffix(".h5")
    report = build_file(plan_recordings(options.recordings, features), words, {"logmel": features}, threads=2, overwrite=True)
    print(f"{words}: {report.n_clips} clips in {report.seconds:.1f} s")
    for recording, reason in report.skipped:
        print(f"left out: {recording}: {reason}")

    with Reader(words) as file:  # arrays are memory maps: nothing is loaded until it is used
        train = file.features()[file.rows("train")]
        print(f"labels {', '.join(file.labels)}; training features {train.shape}")

    config = TrainConfig.from_partial({"arch": "cnn", "epochs": options.epochs, "batch": 16})  # small batches: few clips
    fit(words, config, options.out, overwrite=True)
    accuracy = evaluate(options.out).scores.accuracy
    print(f"accuracy on the test split {accuracy:.3f}")

    for answer in predict(options.out, list_recordings(options.recordings)[:5]):
        print(f"{answer.path}: {answer.label or answer.error} {answer.probability:.2f}")
    return accuracy


if __name__ == "__main__":
    main()
