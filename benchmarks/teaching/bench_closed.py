"""Several words of one's own: how many clips of other speakers a classifier of them recognises, and what it refuses.

    python benchmarks/teaching/bench_closed.py speech_commands/ --words bed,bird,... [--embedding google,ours] [--recordings 5,20]
        [--draws 3] [--list testing]

The folder is laid out as Speech Commands is: a folder for each word, the speaker before ``_nohash_`` in a recording's name, and the
lists of the recordings whose speakers are for validation and for testing. A word's recordings, by as many speakers, are drawn from those
of the others. Everything is done as ``kwstrain teach`` and ``kwstrain predict`` do it, on whole recordings.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kwsfeat import list_recordings
from kwstrain.detection.rates import Misses
from kwstrain.inference.predict import Prediction, predict
from kwstrain.teaching.choices import OTHER, Choices
from kwstrain.teaching.words import teach_words

LISTS = ("validation", "testing")


@dataclass(frozen=True)
class Corpus:
    """The recordings of each word by speakers of no list, and of one list."""

    for_teaching: dict[str, list[Path]]
    for_test: dict[str, list[Path]]

    @classmethod
    def of(cls, folder: Path, tested: str) -> Corpus:
        speakers = {name: {speaker_of(Path(line)) for line in (folder / f"{name}_list.txt").read_text().split()} for name in LISTS}
        words = [path for path in sorted(folder.iterdir()) if path.is_dir() and not path.name.startswith("_")]
        recordings = {word.name: list_recordings(word) for word in words}
        listed = set().union(*speakers.values())
        return cls(
            {word: [path for path in paths if speaker_of(path) not in listed] for word, paths in recordings.items()},
            {word: [path for path in paths if speaker_of(path) in speakers[tested]] for word, paths in recordings.items()},
        )

    def draw(self, word: str, n: int, rng: np.random.Generator) -> list[Path]:
        """`n` recordings of a word, each by another speaker."""
        first: dict[str, Path] = {}
        for i in rng.permutation(len(self.for_teaching[word])):
            first.setdefault(speaker_of(self.for_teaching[word][i]), self.for_teaching[word][i])
        assert len(first) >= n, f"{word}: recordings of {len(first)} speakers are too few to teach {n}"
        return list(first.values())[:n]


def speaker_of(path: Path) -> str:
    return path.name.split("_nohash_")[0]


def measure(corpus: Corpus, words: Sequence[str], embedding: str, n: int, draws: int) -> None:
    """Prints a row of the table."""
    tested = [path for word in words for path in corpus.for_test[word]]
    others = [path for word, paths in corpus.for_test.items() if word not in words for path in paths]
    rows = [shares(*answers(corpus, words, embedding, n, draw, tested, others), words) for draw in range(draws)]
    cells = [_cell([row[k] for row in rows], len(others) if k == 3 else len(tested)) for k in range(4)]
    print(f"| {embedding} | {n} | {' | '.join(cells)} |", flush=True)


def answers(
    corpus: Corpus, words: Sequence[str], embedding: str, n: int, draw: int, tested: list[Path], others: list[Path]
) -> tuple[list[Prediction], list[Prediction]]:
    """What a classifier of the words says of recordings of them, and of others."""
    with tempfile.TemporaryDirectory() as folder:
        folders = [Path(folder, "words", word) for word in words]
        for one in folders:
            one.mkdir(parents=True)
            for path in corpus.draw(one.name, n, np.random.default_rng(draw)):
                (one / path.name).symlink_to(path.resolve())
        run = teach_words(folders, Path(folder, "run"), choices=Choices(embedding=embedding, seed=draw)).run
        given = list(predict(run, tested + others))
    return given[: len(tested)], given[len(tested) :]


def shares(given: Sequence[Prediction], other: Sequence[Prediction], words: Sequence[str]) -> tuple[float, float, float, float]:
    """Right where all answers are words; right, and refused, where there may be no answer; refused of other words."""
    of_classes = np.array([one.probabilities[: len(words)] for one in given])
    meant = [one.path.parent.name for one in given]
    closed = np.mean([words[i] == word for i, word in zip(of_classes.argmax(axis=1), meant, strict=True)])
    right = np.mean([one.label == word and not one.rejected for one, word in zip(given, meant, strict=True)])
    return float(closed), float(right), *(float(np.mean([_is_refused(one) for one in part])) for part in (given, other))


def _is_refused(one: Prediction) -> bool:
    return one.rejected or one.label == OTHER


def _cell(given: Sequence[float], n: int) -> str:
    mean = float(np.mean(given))
    low, high = Misses("", round(mean * n), n).interval
    return f"{100 * mean:.1f} ({100 * low:.1f} to {100 * high:.1f}; {' '.join(f'{100 * one:.1f}' for one in given)})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--words", required=True, help="with commas between")
    parser.add_argument("--embedding", default="google,ours")
    parser.add_argument("--recordings", default="5,20")
    parser.add_argument("--draws", type=int, default=3)
    parser.add_argument("--list", choices=LISTS, default="testing", help="whose speakers' recordings are answered")
    given = parser.parse_args()
    corpus = Corpus.of(given.folder, given.list)
    for embedding in given.embedding.split(","):
        for n in given.recordings.split(","):
            measure(corpus, sorted(given.words.split(",")), embedding, int(n), given.draws)


if __name__ == "__main__":
    main()
