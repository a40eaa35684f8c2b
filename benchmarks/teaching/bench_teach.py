"""Words of one's own: how many recordings of other people are missed, at so many false accepts an hour of sound that nothing was chosen on.

    python benchmarks/teaching/bench_teach.py WORD_FOLDER... --negatives NEGATIVES [--recordings 0,5,20] [--draws 5] [--snr 10]
        [--apart KIND] [--bad OTHER_WORD_FOLDER] [--plot FILE.png]

Half of the voices are for teaching, the others are missed or found, whole recordings with silence around them. The voice of a recording
is what stands before ``_nohash_`` in its name, as in Speech Commands; without that, recordings are of one voice that are alike. The
threshold is that of the negatives, at which so many events an hour are let through; beside it stands what the run itself has chosen.
With ``--apart`` a further column has the misses at the threshold above every event of the negatives that are not in that folder of them.
With ``--bad`` a second row has a recording of another word and a silent one among as many, and tells in how many draws both were named.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.hierarchy import fcluster, linkage

from kwsfeat import AudioError, list_recordings
from kwstrain.detection.rates import Misses
from kwstrain.teaching.bank import WINDOW, Bank, hear, score_stream, shipped
from kwstrain.teaching.embeddings.embedding import Embedding, embedding
from kwstrain.teaching.heads.detector import Spoken, WordDetector, make_detector
from kwstrain.teaching.heads.thresholds import passed, peaks
from kwstrain.teaching.near import hear_near, teaching
from kwstrain.teaching.takes.copies import halves_of, windows_of_copies
from kwstrain.teaching.takes.recordings import Take, cut, read_takes
from kwstrain.teaching.takes.voices import spoken_takes
from kwstrain.teaching.teach import COPIES, COPIES_OF_VOICE, checked

PER_HOUR = (0.5, 2.0)
BAD = -1  # in place of a voice: another word
APART = 0.25  # cosine distance of recordings by different voices
Vectors = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Word:
    """Recordings of a word, the voice of each, what a stream hears of each, in noise too, and what synthetic voices say."""

    name: str
    takes: list[Take]
    voice: NDArray[np.int64]
    heard: list[Vectors]
    noisy: list[Vectors]
    synthetic: Vectors
    halves: Vectors
    near: list[Vectors]
    copied: dict[int, tuple[Vectors, Vectors]] = field(default_factory=dict)  # of the recordings that were drawn


def read_word(e: Embedding, bank: Bank, folder: Path, snr_db: float | None) -> Word:
    takes, faults = read_takes(list_recordings(folder), e.sr)
    print(f"{folder.name}: {len(takes)} recordings, {len(faults)} left out", flush=True)
    name = folder.name.replace("_", " ")
    spoken = spoken_takes(name, 60, e.sr)
    heard = [e.embed(take.y) for take in takes]
    noisy = [] if snr_db is None else [e.embed(in_noise(take, snr_db, seed)) for seed, take in enumerate(takes)]
    synthetic = windows_of_copies(e, spoken, WINDOW, COPIES_OF_VOICE, seed=1).reshape(-1, WINDOW, e.dim)
    near = teaching(hear_near(e, name))
    return Word(name, takes, voices(e, bank, takes), heard, noisy, synthetic, halves_of(e, spoken[:20], WINDOW), near)


def voices(e: Embedding, bank: Bank, takes: Sequence[Take]) -> NDArray[np.int64]:
    """A number for each recording, the same for those of one voice."""
    if all("_nohash_" in take.path.name for take in takes):
        return np.unique([take.path.name.split("_nohash_")[0] for take in takes], return_inverse=True)[1]
    windows = windows_of_copies(e, takes, WINDOW, 1)[:, 0].reshape(len(takes), -1) - np.tile(bank.mean, WINDOW)
    return np.asarray(fcluster(linkage(windows, "average", metric="cosine"), APART, "distance"), np.int64)


def in_noise(take: Take, snr_db: float, seed: int) -> NDArray[np.float32]:
    """The whole recording in noise whose spectrum falls as that of speech does, so many dB below the word."""
    rng = np.random.default_rng(seed)
    spectrum = np.fft.rfft(rng.standard_normal(len(take.y)))
    noise = np.fft.irfft(spectrum / np.sqrt(np.arange(len(spectrum)) + 20.0), len(take.y))
    word = take.y[take.start : take.end].astype(np.float64)
    noise *= np.sqrt(np.mean(word**2) / np.mean(noise**2) * 10 ** (-snr_db / 10))
    return np.clip(take.y + noise, -1, 1).astype(np.float32)


def with_bad(e: Embedding, word: Word, folder: Path) -> Word:
    """The word with recordings of another one behind its own."""
    takes, _ = read_takes(list_recordings(folder)[:50], e.sr)
    heard = [e.embed(take.y) for take in takes]
    voice = np.append(word.voice, np.full(len(takes), BAD))
    return replace(
        word, takes=word.takes + takes, voice=voice, heard=word.heard + heard, noisy=word.noisy and word.noisy + heard, copied={}
    )


def silence_is_named(e: Embedding, seed: int) -> bool:
    try:
        cut(Path("silence"), np.random.default_rng(seed).normal(0, 3e-4, 2 * e.sr).astype(np.float32), e.sr)
    except AudioError:
        return True
    return False


@dataclass(frozen=True, eq=False)
class Negatives:
    """Vectors of recordings without the word, from vector to vector `hop_s`; those that are not of a kind of their own are the `rest`."""

    streams: list[Vectors]
    rest: list[Vectors]
    hop_s: float

    @property
    def hours(self) -> float:
        return self._hours(self.streams)

    @property
    def hours_of_rest(self) -> float:
        return self._hours(self.rest)

    def _hours(self, streams: Sequence[Vectors]) -> float:
        return sum(map(len, streams)) * self.hop_s / 3600

    def heights(self, kernel: NDArray[np.float64], *, of_rest: bool = False) -> NDArray[np.float64]:
        """Of the events that a detector finds."""
        return peaks((score_stream(one, kernel) for one in (self.rest if of_rest else self.streams)), self.hop_s)


def hear_negatives(e: Embedding, folder: Path, without: str, apart: str) -> Negatives:
    """The recordings in a folder but those that are named, with commas between; `apart` is the folder of those of a kind of their own."""
    known = set(filter(None, without.split(",")))
    heard, _ = hear(e, [path for path in list_recordings(folder) if f"{path.parent.name}/{path.name}" not in known])
    rest = [vectors for path, vectors in heard.items() if apart and path.parent.name != apart]
    return Negatives(list(heard.values()), rest, e.hop_s)


def teach(e: Embedding, bank: Bank, word: Word, chosen: NDArray[np.int64]) -> tuple[WordDetector, set[int]]:
    """A detector, and which recordings were left out as unlike the others."""
    for i in chosen:
        if i not in word.copied:
            one = [word.takes[i]]
            word.copied[i] = windows_of_copies(e, one, WINDOW, COPIES, seed=int(i)), halves_of(e, one, WINDOW)
    none = np.zeros((0, COPIES, WINDOW, e.dim), np.float32)
    copies, kept = np.concatenate([none, *(word.copied[i][0] for i in chosen)]), chosen
    if (word.voice[chosen] == BAD).any():
        takes, copies, _ = checked([word.takes[i] for i in chosen], copies, bank, keep_all=False)
        kept = np.array([i for i in chosen if word.takes[i] in takes])
    made = make_detector(bank, Spoken(
        copies=copies, heard=[windows_of(word.heard[i]) for i in kept],
        voices=word.synthetic, halves=np.concatenate([word.halves, *(word.copied[i][1] for i in kept)]),
        near=word.near,
    ), PER_HOUR[0])  # fmt: skip
    return made, set(chosen.tolist()) - set(kept.tolist())


def windows_of(vectors: Vectors) -> Vectors:
    return np.lib.stride_tricks.sliding_window_view(vectors, WINDOW, axis=0).transpose(0, 2, 1)


def missed(made: WordDetector, heard: Sequence[Vectors], threshold: float) -> int:
    return sum(bool(score_stream(one, made.kernel).max() < threshold) for one in heard)


def measure(e: Embedding, bank: Bank, word: Word, negatives: Negatives, n: int, draws: int, n_bad: int = 0) -> list[float]:
    """Prints a row of the table; returns the means of what was missed, in %."""
    counts, accepted, tested, named = [], [], 0, 0
    for draw in range(draws):
        rng = np.random.default_rng(draw)
        of = rng.permutation(np.unique(word.voice[word.voice != BAD]))
        mine = np.isin(word.voice, of[: len(of) // 2])
        chosen, others = rng.permutation(np.flatnonzero(mine))[:n], np.flatnonzero(~mine & (word.voice != BAD))
        if n_bad:  # the silent one teaches nothing
            bad = rng.permutation(np.flatnonzero(word.voice == BAD))[: n_bad - 1]
            chosen = np.append(chosen[: n - n_bad], bad)
        made, left_out = teach(e, bank, word, chosen)
        named += n_bad > 0 and set(bad.tolist()) <= left_out and silence_is_named(e, draw)
        heights, hours = negatives.heights(made.kernel), negatives.hours
        at = [(heights[k - 1] + heights[k]) / 2 for k in (max(1, round(rate * hours)) for rate in PER_HOUR)]
        kinds = [(word.heard, t) for t in (*at, made.threshold)] + ([(word.noisy, at[0])] if word.noisy else [])
        if negatives.rest:
            kinds.append((word.heard, np.nextafter(negatives.heights(made.kernel, of_rest=True)[0], np.inf)))
        counts.append([missed(made, [vectors[i] for i in others], t) / len(others) for vectors, t in kinds])
        accepted.append(passed(heights, made.threshold) / hours)
        tested += len(others) // draws
    means = [float(one) for one in np.mean(counts, axis=0)]
    cells = [cell(one, tested) for one in means]
    cells.insert(3, f"{np.mean(accepted):.1f}")
    told = f", {n_bad} of them bad, named in {named} of {draws} draws" if n_bad else ""
    print(f"| {word.name} | {n}{told} | {' | '.join(cells)} |", flush=True)
    return [100 * one for one in means]


def cell(share: float, n: int) -> str:
    low, high = Misses("", round(share * n), n).interval
    return f"{100 * share:.1f} ({100 * low:.1f} to {100 * high:.1f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("words", nargs="+", type=Path)
    parser.add_argument("--negatives", type=Path, required=True)
    parser.add_argument("--without", default="", help="names of folder/file of negatives that the bank was made from, with commas")
    parser.add_argument("--embedding", default="google")
    parser.add_argument("--recordings", default="0,1,3,5,10,20,50")
    parser.add_argument("--draws", type=int, default=5)
    parser.add_argument("--snr", type=float, help="a further column: missed in noise, so many dB below the word")
    parser.add_argument("--apart", default="", metavar="KIND", help="a folder of the negatives: a further column is without it")
    parser.add_argument("--bad", type=Path, help="recordings of another word: a further row for each number of them, two of which are bad")
    parser.add_argument("--plot", type=Path)
    given = parser.parse_args()
    e = embedding(given.embedding)
    bank = shipped(e)
    assert bank is not None, f"no bank of {given.embedding} is known"
    negatives = hear_negatives(e, given.negatives, given.without, given.apart)
    apart = f", {negatives.hours_of_rest:.2f} h without {given.apart}" if given.apart else ""
    print(f"{negatives.hours:.2f} h of negatives{apart}", flush=True)
    ns = [int(n) for n in given.recordings.split(",")]
    found = {}
    for folder in given.words:
        word = read_word(e, bank, folder, given.snr)
        found[word.name] = [measure(e, bank, word, negatives, n, given.draws) for n in ns]
        if given.bad:
            spoilt = with_bad(e, word, given.bad)
            for n in ns:
                measure(e, bank, spoilt, negatives, n, given.draws, n_bad=2)
    if given.plot:
        plot(given.plot, ns, found)


def plot(path: Path, ns: Sequence[int], found: dict[str, list[list[float]]]) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.6, 3.4), layout="constrained")
    axes = figure.subplots()
    for i, (name, rows) in enumerate(found.items()):
        for k, line in enumerate(("-", ":")):
            label = f"{name}, {PER_HOUR[k]:g} an hour"
            axes.plot(range(len(ns)), [row[k] for row in rows], line, color=f"C{i}", marker="o", label=label)
    axes.set_xticks(range(len(ns)), [str(n) for n in ns])
    axes.set(xlabel="recordings, beside 60 synthetic voices", ylabel="missed, %", ylim=(0, None))
    figure.legend(loc="outside right upper", frameon=False, fontsize="small", title="false accepts")
    axes.grid(alpha=0.3)
    figure.savefig(path, dpi=120)


if __name__ == "__main__":
    main()
