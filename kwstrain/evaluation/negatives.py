"""How often a trained run takes recordings that hold none of its words for one of them."""

from __future__ import annotations

import heapq
import os
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from kwsfeat import AudioError, clip_parts, is_negative, list_recordings, recordings_once
from kwstrain.evaluation.metrics import wilson_interval
from kwstrain.inference.bundle import Bundle
from kwstrain.inference.classifier import Classifier
from kwstrain.inference.group import Part, Prediction
from kwstrain.inference.predict import predict_all

WORST = 10


@dataclass(frozen=True)
class NegativeRecording:
    """A recording of which clips are taken for a word: how many of how many, the most certain of them, and from where it is heard."""

    path: str
    n_clips: int
    n_taken: int
    n_above_threshold: int
    word: str
    probability: float
    start: int


@dataclass(frozen=True)
class Negatives:
    """How a run classifies recordings without its words, clip by clip.

    Attributes
    ----------
    n_recordings, n_clips : int
        Those that could be read; clips of the length that the run was trained on.
    taken, above_threshold : dict of str to int
        Clips that are taken for each word, the most frequent first; and those of them that reach the run's threshold.
    threshold : float or None
        That below which `predict` gives no word; None where the run has none, and `above_threshold` is then `taken`.
    worst : list of NegativeRecording
        Those with the most clips above the threshold, then with the most certain ones.
    unreadable : list of str
        A sentence for each recording that could not be read.
    """

    n_recordings: int
    n_clips: int
    taken: dict[str, int]
    above_threshold: dict[str, int]
    threshold: float | None
    worst: list[NegativeRecording]
    unreadable: list[str]

    def to_dict(self) -> dict[str, Any]:
        """JSON types, with the shares of the clips and their 95 % intervals, which take the clips for independent."""
        values = asdict(self)
        for name in ("taken", "above_threshold"):
            n = sum(values[name].values())
            values[f"share_{name}"] = n / max(1, self.n_clips)
            values[f"interval_{name}"] = list(wilson_interval(n, self.n_clips))
        return values


def evaluate_negatives(
    run: str | os.PathLike[str],
    folder: str | os.PathLike[str],
    *,
    threads: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Negatives:
    """Classify recordings of noise, or of anything else without the run's words, clip by clip.

    A recording of two clips or more is cut into clips that follow each other; a shorter one is treated as `predict` treats it. One
    that is there again, under another name, counts once. Memory does not grow with the recordings.

    Parameters
    ----------
    run : path
        A run folder.
    folder : path
        A folder with recordings, or one recording.
    threads : int >= 1, optional
        One per processor without it, at most 16.
    progress : callable, optional
        Called with (recordings done, recordings in all).

    Returns
    -------
    Negatives
        How many clips are taken for which word, with and without the run's threshold, and the worst recordings.

    Raises
    ------
    StoreError
        If `run` is not a complete run folder.
    CorpusError
        If there are no recordings.
    AudioError
        If none of them can be read.
    """
    classifier = Classifier(Bundle.load(run))
    paths = [Path(folder)] if Path(folder).is_file() else recordings_once(list_recordings(folder))
    words = {label for label in classifier.labels if not is_negative(label)}
    taken, above, n_clips, unreadable = Counter[str](), Counter[str](), 0, list[str]()
    worst: list[tuple[int, float, int, NegativeRecording]] = []
    answers = predict_all(classifier, _parts(paths, classifier), threads=threads)
    for done, (path, given) in enumerate(groupby(answers, key=lambda pair: pair[0].path), start=1):
        heard = _heard(given, words)
        n_clips += heard.n_clips
        taken += heard.taken
        above += heard.above
        unreadable += heard.errors[:1]
        if heard.most is not None:
            part, most = heard.most
            n_above = heard.above.total()
            one = NegativeRecording(
                os.fspath(path), heard.n_clips, heard.taken.total(), n_above, most.label, most.probability, part.start
            )  # fmt: skip
            push = heapq.heappush if len(worst) < WORST else heapq.heappushpop
            push(worst, (n_above, most.probability, -done, one))
        if progress:
            progress(done, len(paths))
    if not n_clips:
        raise AudioError(f"none of the {len(paths):,} recordings can be read; the first: {unreadable[0]}")
    return Negatives(
        len(paths) - len(unreadable), n_clips, dict(taken.most_common()), dict(above.most_common()), classifier.bundle.threshold,
        [one for *_, one in sorted(worst, reverse=True)], unreadable,
    )  # fmt: skip


@dataclass
class _Heard:
    n_clips: int
    taken: Counter[str]
    above: Counter[str]
    errors: list[str]
    most: tuple[Part, Prediction] | None = None


def _heard(answers: Iterator[tuple[Part, Prediction]], words: set[str]) -> _Heard:
    """The answers to the clips of one recording."""
    heard = _Heard(0, Counter(), Counter(), [])
    for part, answer in answers:
        if answer.error:
            heard.errors.append(answer.error)
            continue
        heard.n_clips += 1
        if answer.label in words:
            heard.taken[answer.label] += 1
            heard.above[answer.label] += not answer.rejected
            if heard.most is None or answer.probability > heard.most[1].probability:
                heard.most = part, answer
    return heard


def _parts(paths: list[Path], classifier: Classifier) -> Iterator[Part]:
    """The clips of all recordings; one that cannot be opened is a part, too, so that its error is an answer."""
    for path in paths:
        try:
            parts = clip_parts(path, classifier.bundle.feature_config)
        except AudioError:
            parts = [(0, None)]
        for start, stop in parts:
            yield Part(path, start, stop)
