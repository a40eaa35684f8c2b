"""A word of one person: how many other recordings of that person are missed, and how many of other people.

    python benchmarks/teaching/bench_voice.py fsdd/ --negatives NEGATIVES [--words 3,7] [--recordings 5] [--draws 2]

The recordings are called ``WORD_SPEAKER_NUMBER.wav``, as those of the Free Spoken Digit Dataset are. Each speaker teaches each word, in
some draws. The threshold is that of the negatives at which 0.5 events an hour are let through.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from bench_teach import PER_HOUR, Word, cell, hear_negatives, missed, teach

from kwsfeat import list_recordings
from kwstrain.teaching.bank import WINDOW, shipped
from kwstrain.teaching.embeddings.embedding import Embedding, embedding
from kwstrain.teaching.near import hear_near, teaching
from kwstrain.teaching.takes.copies import halves_of, windows_of_copies
from kwstrain.teaching.takes.recordings import read_takes
from kwstrain.teaching.takes.voices import spoken_takes
from kwstrain.teaching.teach import COPIES_OF_VOICE


def read_word(e: Embedding, folder: Path, name: str) -> Word:
    """A word whose voices are the speakers of the recordings' names."""
    takes, faults = read_takes([path for path in list_recordings(folder) if path.name.startswith(f"{name}_")], e.sr)
    print(f"{name}: {len(takes)} recordings, {len(faults)} left out", flush=True)
    speaker = np.unique([take.path.name.split("_")[1] for take in takes], return_inverse=True)[1]
    spoken = spoken_takes(name, 60, e.sr)
    synthetic = windows_of_copies(e, spoken, WINDOW, COPIES_OF_VOICE, seed=1).reshape(-1, WINDOW, e.dim)
    near = teaching(hear_near(e, name))
    return Word(name, takes, speaker, [e.embed(take.y) for take in takes], [], synthetic, halves_of(e, spoken[:20], WINDOW), near)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--negatives", type=Path, required=True)
    parser.add_argument("--without", default="", help="names of folder/file of negatives that the bank was made from, with commas")
    parser.add_argument("--words", default="0,1,2,3,4,5,6,7,8,9")
    parser.add_argument("--recordings", type=int, default=5)
    parser.add_argument("--draws", type=int, default=2)
    parser.add_argument("--embedding", default="google")
    given = parser.parse_args()
    e = embedding(given.embedding)
    bank = shipped(e)
    assert bank is not None, f"no bank of {given.embedding} is known"
    negatives = hear_negatives(e, given.negatives, given.without, "")
    for name in given.words.split(","):
        word = read_word(e, given.folder, name)
        counts = np.zeros((2, 2), int)  # of the same voice and of others: missed, said
        for speaker in np.unique(word.voice):
            for draw in range(given.draws):
                order = np.random.default_rng(draw).permutation(np.flatnonzero(word.voice == speaker))
                made, _ = teach(e, bank, word, order[: given.recordings])
                heights = negatives.heights(made.kernel)
                k = max(1, round(PER_HOUR[0] * negatives.hours))
                for i, which in enumerate((order[given.recordings :], np.flatnonzero(word.voice != speaker))):
                    counts[i] += missed(made, [word.heard[j] for j in which], (heights[k - 1] + heights[k]) / 2), len(which)
        print(f"| {name} | {' | '.join(cell(n / said, said // given.draws) for n, said in counts)} |", flush=True)


if __name__ == "__main__":
    main()
