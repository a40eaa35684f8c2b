"""Words that some people teach, said by another: each speaker is left out in turn, and all recordings of that one are answered.

    python benchmarks/teaching/bench_speakers.py fsdd/ [--embedding ours,google] [--takes 20]

The recordings are called ``WORD_SPEAKER_NUMBER.wav``, as those of the Free Spoken Digit Dataset are; of each word those of each other
speaker with numbers from 5 on are taught, so many. Everything is done as ``kwstrain teach`` and ``kwstrain predict --no-reject`` do it.
"""

from __future__ import annotations

import argparse
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from kwsfeat import list_recordings
from kwstrain.inference.predict import predict
from kwstrain.teaching.choices import Choices
from kwstrain.teaching.words import teach_words

FIRST = 5  # of the numbers: those before are the official test part


def parts(path: Path) -> tuple[str, str, int]:
    """Word, speaker and number."""
    word, speaker, number = path.stem.split("_")
    return word, speaker, int(number)


def share_right(recordings: Sequence[Path], speaker: str, embedding: str, takes: int) -> float:
    """Of the recordings of `speaker`, by a classifier that the others have taught."""
    tested = [path for path in recordings if parts(path)[1] == speaker]
    words = sorted({parts(path)[0] for path in recordings})
    with tempfile.TemporaryDirectory() as folder:
        folders = [Path(folder, "words", word) for word in words]
        for one in folders:
            one.mkdir(parents=True)
        for path in recordings:
            word, who, number = parts(path)
            if who != speaker and FIRST <= number < FIRST + takes:
                Path(folder, "words", word, path.name).symlink_to(path.resolve())
        run = teach_words(folders, Path(folder, "run"), choices=Choices(embedding=embedding, voices=0)).run
        answers = [words[int(np.argmax(one.probabilities[: len(words)]))] for one in predict(run, tested)]
    wrong = Counter((parts(path)[0], answer) for path, answer in zip(tested, answers, strict=True) if parts(path)[0] != answer)
    print(f"{embedding} without {speaker}: wrong {', '.join(f'{a} as {b} {n}' for (a, b), n in wrong.most_common(5))}", flush=True)
    return 1 - wrong.total() / len(tested)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--embedding", default="ours")
    parser.add_argument("--takes", type=int, default=20)
    given = parser.parse_args()
    recordings = list_recordings(given.folder)
    speakers = sorted({parts(path)[1] for path in recordings})
    print(f"| embedding | {' | '.join(speakers)} | mean |")
    for embedding in given.embedding.split(","):
        shares = [100 * share_right(recordings, speaker, embedding, given.takes) for speaker in speakers]
        print(f"| {embedding} | {' | '.join(f'{share:.1f}' for share in shares)} | {np.mean(shares):.1f} |", flush=True)


if __name__ == "__main__":
    main()
