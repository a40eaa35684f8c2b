"""How good a run's operating point is on streams with a reference."""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from kwsfeat import (
    ConfigError,
    CorpusError,
    Detector,
    Interval,
    Outcome,
    Point,
    Stream,
    StreamFile,
    certificate,
    nearest,
    operating_curve,
    repeated_recordings,
    unknown_name,
)
from kwstrain.detection.point import OperatingPoint
from kwstrain.detection.posteriors import PosteriorStore, listen, no_progress
from kwstrain.detection.rates import FalseAccepts, Misses, bootstrap
from kwstrain.inference.recognizer import Recognizer

AGAIN = "the same as another: counts once"
SNR_STEP_DB, LEVEL_STEP_DB = 5, 10


@dataclass(frozen=True)
class Heard:
    """Streams with their posteriors.

    Parameters
    ----------
    words : tuple of str
        The detected words, which are the columns of the posteriors.
    streams : tuple of Stream
        One per recording.
    digests : dict of str to str
        Digest of the content of each recording -> its name.
    remarks : tuple of (str, str)
        Recording, and a sentence about what was lost or guessed while reading it.
    """

    words: tuple[str, ...]
    streams: tuple[Stream, ...]
    digests: dict[str, str]
    remarks: tuple[tuple[str, str], ...]

    @property
    def hours(self) -> float:
        """Length of all recordings."""
        return sum(stream.duration_s for stream in self.streams) / 3600

    def said(self, word: str) -> int:
        """How often a word is said."""
        return sum(one.word == word for stream in self.streams for one in stream.reference)


def once(files: Sequence[StreamFile]) -> tuple[list[StreamFile], list[tuple[str, str]]]:
    """The recordings without those that are there already, under whatever name; and a remark on each of these.

    Raises
    ------
    CorpusError
        If a recording has two references: nobody knows which is right.
    """
    again, remarks = repeated_recordings([file.audio for file in files]), []
    for i, first in again.items():
        one, other = files[i], files[first]
        if repr(one.reference) != repr(other.reference):  # in which what is not known equals itself
            raise CorpusError(f"{one.audio} is the recording {other.audio}, and their references differ: leave out the wrong one")
        remarks.append((f"{one.audio} = {other.audio}", AGAIN))
    return [file for i, file in enumerate(files) if i not in again], remarks


def hear(
    recognizer: Recognizer, files: Sequence[StreamFile], words: Sequence[str], *, progress: Callable[[float], None] = no_progress
) -> Heard:
    """Compute the posteriors of all streams, once; a recording that is there again, under whatever name, counts once, with a remark.

    Parameters
    ----------
    recognizer : Recognizer
        It is reset before each recording.
    files : sequence of StreamFile
        The recordings with their references.
    words : sequence of str
        The words to detect, all of them labels of `recognizer`.
    progress : callable
        Called with the seconds of each finished block of audio.

    Returns
    -------
    Heard

    Raises
    ------
    AudioError
        If one of the recordings cannot be read to the end: a score of the others would not be the score of the set.
    CorpusError
        If a reference continues for more than one second after the end of its recording, or a recording has two references.
    """
    store = PosteriorStore([recognizer.labels.index(word) for word in words])
    files, remarks = once(files)
    streams, digests = [], {}
    for file in files:
        first, name = len(store), str(file.audio)
        said: dict[str, None] = {}
        seconds = listen(recognizer, file.audio, store.append, remark=said.setdefault, progress=progress)
        streams.append(Stream(name, seconds, file.sections(seconds), partial(store.blocks, first, len(store))))
        digests[_digest(file.audio)] = name
        remarks += [(name, text) for text in said]
        late = [one for one in file.reference if one.end_s > seconds + 1]
        if late:
            raise CorpusError(
                f"{name}: the reference continues to {late[-1].end_s:g} s, but the recording ends at {seconds:.1f} s: they do not belong "
                "together"
            )
    return Heard(tuple(words), tuple(streams), digests, tuple(remarks))


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]


def check_words(files: Sequence[StreamFile], words: Sequence[str]) -> list[str]:
    """Sentences about the words that are said but not detected, with their counts.

    Raises
    ------
    ConfigError
        If words are said, but none of them is one of `words`.
    """
    said = Counter(one.word for file in files for one in file.reference if one.word)
    if said and not said.keys() & set(words):
        heard, known = ", ".join(list(said)[:10]), ", ".join(list(words)[:20])
        raise ConfigError(f"the references say {heard}, and the run detects {known}: no word is the same")
    notes = []
    for word, n in said.items():
        if word not in words and (like := nearest(word, words)) and like[0].casefold() == word.casefold():
            notes.append(f"{word!r} is said {n} times and is not detected: did you mean {like[0]!r}?")
    others = sum(n for word, n in said.items() if word not in words)
    if others:
        notes.append(f"{others:,} words are said that are not detected: they are near misses")
    return notes


def said_words(files: Sequence[StreamFile], labels: Sequence[str], asked: Sequence[str] | None = None) -> list[str]:
    """The labels to detect: those in `asked`, otherwise those that are said and are not a class of other sounds.

    Raises
    ------
    UnknownNameError
        If an entry of `asked` is not a label.
    ConfigError
        If no label is said.
    """
    if asked is not None:
        words = [word.strip() for word in asked if word.strip()]
        for word in words:
            if word not in labels:
                raise unknown_name("label", word, labels)
        return words
    said, detected = {one.word for file in files for one in file.reference}, Detector(labels).words
    chosen = [label for label in detected if label in said]
    if not chosen:
        raise ConfigError(f"no word of the run is said in these streams: its words are {', '.join(detected[:20])}")
    return chosen


@dataclass(frozen=True)
class Score:
    """The result of an operating point on streams; made by :func:`score`.

    Parameters
    ----------
    run : Path
        The run folder.
    point : OperatingPoint
        What was scored.
    heard : Heard
        The streams.
    outcomes : tuple of Outcome
        One per stream.
    curves : dict of str to list of Point
        Word -> its results at all thresholds.
    target : float, 1/h
        False accepts per hour that are allowed.
    reused : tuple of str
        Recordings on which the thresholds were chosen.
    """

    run: Path
    point: OperatingPoint
    heard: Heard
    outcomes: tuple[Outcome, ...]
    curves: dict[str, list[Point]]
    target: float
    reused: tuple[str, ...]

    @cached_property
    def misses(self) -> Misses:
        """Misses of all words."""
        return _misses("all", self.outcomes, lambda one: True)

    @cached_property
    def false_accepts(self) -> FalseAccepts:
        """False accepts of all words in all recordings."""
        return FalseAccepts("all", sum(len(one.false_accepts) for one in self.outcomes), sum(one.total_hours for one in self.outcomes))

    @cached_property
    def bootstrap_per_hour(self) -> list[float] | None:
        """The bootstrap interval of false accepts per hour over recordings; None with fewer than two."""
        return bootstrap([len(one.false_accepts) for one in self.outcomes], [one.total_hours for one in self.outcomes])

    @property
    def certificate(self) -> tuple[bool, str]:
        """Whether the data show that false accepts per hour are at most the target, and a sentence that says it."""
        return certificate(self.false_accepts.n, self.false_accepts.hours, self.target)

    @property
    def duplicates(self) -> int:
        """Number of further events of a word that was already found."""
        return sum(len(one.duplicates) for one in self.outcomes)

    @property
    def confusions(self) -> int:
        """Number of events of another word while a word was said."""
        return sum(len(one.confusions) for one in self.outcomes)

    def misses_by_word(self) -> list[Misses]:
        """Misses of each word that is said."""
        rows = [_misses(word, self.outcomes, lambda one, word=word: one.word == word) for word in self.heard.words]  # type: ignore[misc]
        return [row for row in rows if row.said]

    def false_accepts_by_word(self) -> list[FalseAccepts]:
        """False accepts of each word that is detected."""
        counts = Counter(event.word for one in self.outcomes for event, _ in one.false_accepts)
        return [FalseAccepts(word, counts[word], self.false_accepts.hours) for word in self.heard.words]

    def false_accepts_by_source(self) -> list[FalseAccepts]:
        """False accepts in each source, the source with the most hours first."""
        counts = Counter(source for one in self.outcomes for _, source in one.false_accepts)
        hours: Counter[str] = Counter()
        for outcome in self.outcomes:
            hours.update(outcome.hours)
        return [FalseAccepts(source, counts[source], time) for source, time in hours.most_common()]

    def misses_by_snr(self) -> list[Misses]:
        """Misses by signal-to-noise ratio, in steps of 5 dB, infinite ones apart; words without a known ratio are left out."""
        return self._by_decibel(lambda one: one.snr_db, SNR_STEP_DB)

    def misses_by_level(self) -> list[Misses]:
        """Misses by level, in steps of 10 dB re full scale, silence apart; words without a known level are left out."""
        return self._by_decibel(lambda one: one.level_db, LEVEL_STEP_DB)

    def _by_decibel(self, of: Callable[[Interval], float], step: int) -> list[Misses]:
        def group(one: Interval) -> float:  # infinite for a word without noise, or one that is silent
            return math.floor(of(one) / step) if math.isfinite(of(one)) else of(one)

        def name(k: float) -> str:
            return f"{k * step} to {(k + 1) * step} dB" if math.isfinite(k) else f"{k} dB"

        known = sorted({group(one) for one in _said(self.outcomes) if not math.isnan(of(one))})
        return [_misses(name(k), self.outcomes, lambda one, k=k: group(one) == k) for k in known]  # type: ignore[misc]

    def to_dict(self) -> dict[str, Any]:
        """The counts as JSON types."""
        said = [len(one.hits) + len(one.misses) for one in self.outcomes]
        return {
            "run": str(self.run),
            "recordings": [stream.name for stream in self.heard.streams],
            "reused": list(self.reused),
            "audio_hours": self.heard.hours,
            "thresholds": self.point.detector(self.heard.words).thresholds,
            "smoothing_frames": self.point.smoothing_frames,
            "refractory_s": self.point.refractory_s,
            "tolerance_s": self.point.tolerance_s,
            "hits": self.misses.said - self.misses.n,
            "duplicates": self.duplicates,
            "confusions": self.confusions,
            "misses": {
                **self.misses.to_dict(),
                "bootstrap": bootstrap([len(one.misses) for one in self.outcomes], said),
            },
            "false_accepts": {**self.false_accepts.to_dict(), "bootstrap": self.bootstrap_per_hour},
            "certified": self.certificate[0],
            "certificate": self.certificate[1],
            "misses_by_word": _dicts(self.misses_by_word()),
            "false_accepts_by_word": _dicts(self.false_accepts_by_word()),
            "false_accepts_by_source": _dicts(self.false_accepts_by_source()),
            "misses_by_snr": _dicts(self.misses_by_snr()),
            "misses_by_level": _dicts(self.misses_by_level()),
        }


def score(run: Path, point: OperatingPoint, heard: Heard, *, target: float = 0.5) -> Score:
    """Count hits, misses and false accepts of an operating point on streams, and of all other thresholds.

    Parameters
    ----------
    run : Path
        The run folder, for the report.
    point : OperatingPoint
        What is scored.
    heard : Heard
        The streams.
    target : float, 1/h
        False accepts per hour that are allowed, for :attr:`Score.certificate`.

    Returns
    -------
    Score
    """
    detector = point.detector(heard.words)
    curves = operating_curve(
        heard.streams, heard.words, heard.words, smoothing_frames=point.smoothing_frames, hysteresis=point.hysteresis,
        refractory_s=point.refractory_s, tolerance_s=point.tolerance_s,
    )  # fmt: skip
    outcomes = tuple(stream.outcome(detector, tolerance_s=point.tolerance_s) for stream in heard.streams)
    chosen_on = point.calibration.get("recordings", {})
    reused = tuple(name for digest, name in heard.digests.items() if digest in chosen_on)
    return Score(run, point, heard, outcomes, curves, target, reused)


def _said(outcomes: Iterable[Outcome]) -> list[Interval]:
    return [one for outcome in outcomes for one in (*outcome.misses, *(said for _, said in outcome.hits))]


def _misses(name: str, outcomes: Sequence[Outcome], chosen: Callable[[Interval], bool]) -> Misses:
    return Misses(
        name, sum(chosen(one) for outcome in outcomes for one in outcome.misses), sum(chosen(one) for one in _said(outcomes))
    )  # fmt: skip


def _dicts(rows: Sequence[Misses | FalseAccepts]) -> list[dict[str, Any]]:
    return [row.to_dict() for row in rows]
