"""How well runs hear what is quiet or too loud: accuracy on validation clips at other levels, rounded to 16 bits as a microphone would.

    python benchmarks/augment/levels.py RUN... --data FILE.h5 [--levels-db 10,0,-10,-20,-30,-40]

The runs must have been trained on features of FILE. What is louder than full scale is cut off.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

import kwstrain
from kwsfeat import FrontEnd, Reader


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", type=Path)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--levels-db", default="10,0,-10,-20,-30,-40")
    given = parser.parse_args()
    levels_db = [float(level) for level in given.levels_db.split(",")]
    print(f"| run | {' | '.join(f'{level_db:g} dB' for level_db in levels_db)} |\n|---|{'---|' * len(levels_db)}")
    with Reader(given.data) as reader:
        rows = reader.rows("validation")
        audio, label = np.asarray(reader.audio[rows]).astype(np.float32), np.asarray(reader.label[rows])
        for run in given.runs:
            classifier = kwstrain.load(run)
            front_end = FrontEnd(classifier.bundle.feature_config)
            cells = []
            for level_db in levels_db:
                heard = np.clip(np.round(audio * 10 ** (level_db / 20)), -32768, 32767).astype(np.int16)
                logits = classifier.logits(front_end.extract_batch(heard))
                cells.append(f"{100 * float(np.mean(logits.argmax(axis=1) == label)):.1f}")
            print(f"| {run.name} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
