"""Posteriors in, events out: smoothing, threshold, hysteresis and refractory time, in the time of the audio."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kwsfeat.corpus.names.meaning import SILENCE, UNKNOWN
from kwsfeat.errors import AudioError, ConfigError, unknown_name

_ROUNDING = 1e-3  # by which a probability may lie outside 0 to 1
_ROUNDING_S = 1e-6  # by which the times of frames are rounded at most: far less than a hop, and more than sums of hops differ by


@dataclass(frozen=True, slots=True)
class Event:
    """A word that was detected.

    Parameters
    ----------
    word : str
    start_s : float, s
        Since when the score had not been below the level that arms the detector again.
    time_s : float, s
        When it was decided: the time of the frame whose score reached the threshold.
    score : float
        The smoothed probability at `time_s`.

    Examples
    --------
    >>> Event("yes", start_s=1.2, time_s=1.3, score=0.8).word
    'yes'
    """

    word: str
    start_s: float
    time_s: float
    score: float


class Detector:
    """Detects words in a stream of posteriors.

    The score of a word is the mean of its last `smoothing_frames` posteriors; what was before the first frame counts as 0. An
    event occurs at the first frame whose score is at or above the word's threshold, while the word is armed and not refractory.
    The event disarms the word, until the score has fallen below threshold - `hysteresis`; so a word that is held is one event.
    Every word has a state of its own. Events depend neither on how the frames are cut into calls nor on any clock.

    Parameters
    ----------
    labels : sequence of str
        The classes, in the order of the posteriors' columns.
    thresholds : float in (0, 1], or mapping of str to float
        One for all words, or one for each word that is to be detected; other classes are then left out.
    smoothing_frames : int, >= 1
        Frames whose mean is the score.
    hysteresis : float, 0 <= hysteresis < every threshold
        How far below the threshold the score must fall to arm the word again.
    refractory_s : float, s, >= 0
        From one event of a word to the next, at least.
    ignore : collection of str
        Labels that are no words, where `thresholds` is one number.

    Raises
    ------
    ConfigError
        If a choice is out of bounds, or nothing is left to detect.
    UnknownNameError
        If `thresholds` names a word that is not one of `labels`.

    Examples
    --------
    >>> detector = Detector(["yes", "silence"], thresholds=0.5, smoothing_frames=2, refractory_s=1.0)
    >>> yes = [0.1, 0.9, 0.9, 0.8, 0.1, 0.0]
    >>> detector.feed([[p, 1 - p] for p in yes], [0.1, 0.2, 0.3, 0.4, 0.5, 0.6])
    [Event(word='yes', start_s=0.2, time_s=0.2, score=0.5)]
    """

    def __init__(
        self,
        labels: Sequence[str],
        *,
        thresholds: float | Mapping[str, float] = 0.5,
        smoothing_frames: int = 1,
        hysteresis: float = 0.05,
        refractory_s: float = 1.0,
        ignore: Collection[str] = (SILENCE, UNKNOWN),
    ) -> None:
        self.labels = tuple(labels)
        if not isinstance(thresholds, Mapping):
            thresholds = {label: thresholds for label in self.labels if label not in ignore}
        for word in thresholds:
            if word not in self.labels:
                raise unknown_name("label", word, self.labels)
        if not thresholds:
            raise ConfigError(f"there is no word to detect: all of {', '.join(self.labels)} are left out")
        for word, threshold in thresholds.items():
            if not hysteresis < threshold <= 1:
                raise ConfigError(f"threshold {threshold:g} of {word!r} must be above hysteresis={hysteresis:g} and at most 1")
        if smoothing_frames < 1:
            raise ConfigError(f"smoothing_frames={smoothing_frames} must be >= 1: 1 is no smoothing")
        if not hysteresis >= 0:
            raise ConfigError(f"hysteresis={hysteresis:g} must be >= 0")
        if not 0 <= refractory_s < np.inf:
            raise ConfigError(f"refractory_s={refractory_s:g} must be a number >= 0")
        self.thresholds = dict(thresholds)
        self.smoothing_frames, self.hysteresis, self.refractory_s = int(smoothing_frames), float(hysteresis), float(refractory_s)
        self._columns = np.array([self.labels.index(word) for word in thresholds])
        self.reset()

    @property
    def words(self) -> tuple[str, ...]:
        """What is detected."""
        return tuple(self.thresholds)

    def reset(self) -> None:
        """Forget what was heard: the next frame is the first."""
        n = len(self.words)
        self._history = np.zeros((self.smoothing_frames - 1, n))
        self._armed = np.ones(n, bool)
        self._risen_s = np.full(n, np.nan)  # since when the score has not been below the arming level; NaN: it is below
        self._event_s = np.full(n, -np.inf)
        self._time_s = -np.inf

    def feed(self, posteriors: ArrayLike, times: ArrayLike) -> list[Event]:
        """The events that further frames bring.

        Parameters
        ----------
        posteriors : array_like, float in [0, 1], shape (n, n_classes)
            Probabilities of the classes at each frame; n may be 0.
        times : array_like, float, s, shape (n,)
            Of each frame, in the time of the audio; never earlier than the one before.

        Returns
        -------
        list of Event
            In the order of the frames, those of one frame in the order of the words.

        Raises
        ------
        AudioError
            If the width is not that of the labels, a posterior is not a probability, or a time is missing, not finite or
            earlier than the one before. Nothing of the call is then taken in.
        """
        frames, times_s = self._checked(posteriors, times)
        if not len(frames):
            return []
        padded = np.concatenate([self._history, frames])
        n = len(frames)
        scores = padded[:n].copy()
        for k in range(1, self.smoothing_frames):  # the same order of sums wherever the stream is cut
            scores += padded[k : k + n]
        scores /= self.smoothing_frames
        self._history = padded[n:].copy()
        found = [(i, w, event) for w in range(len(self.words)) for i, event in self._events(w, scores[:, w], times_s)]
        self._time_s = float(times_s[-1])
        return [event for _, _, event in sorted(found, key=lambda one: one[:2])]

    def _events(self, w: int, score: NDArray[np.float64], times_s: NDArray[np.float64]) -> list[tuple[int, Event]]:
        """The events of word `w`, and at which frames; jumps from one frame that matters to the next."""
        word, threshold = self.words[w], self.thresholds[self.words[w]]
        high = np.flatnonzero(score >= threshold)
        low = np.flatnonzero(score < threshold - self.hysteresis)
        events, i = [], 0
        while True:
            if not self._armed[w]:
                position = int(np.searchsorted(low, i))
                if position == len(low):
                    break
                self._armed[w] = True
                i = int(low[position])
            free = int(np.searchsorted(times_s, self._event_s[w] + self.refractory_s - _ROUNDING_S))
            position = int(np.searchsorted(high, max(i, free)))
            if position == len(high):
                break
            i = int(high[position])
            start_s = self._rise(w, low, i, times_s)
            events.append((i, Event(word, start_s, float(times_s[i]), float(score[i]))))
            self._armed[w] = False
            self._event_s[w] = times_s[i]
            i += 1
        last = len(score) - 1
        self._risen_s[w] = np.nan if len(low) and low[-1] == last else self._rise(w, low, last, times_s)
        return events

    def _rise(self, w: int, low: NDArray[np.intp], i: int, times_s: NDArray[np.float64]) -> float:
        """Since when the score of word `w`, which is not low at frame `i`, has not been low."""
        before = int(np.searchsorted(low, i))
        if before:
            return float(times_s[low[before - 1] + 1])
        return float(times_s[0] if np.isnan(self._risen_s[w]) else self._risen_s[w])

    def _checked(self, posteriors: ArrayLike, times: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The columns of the words (n, n_words) and the times (n,), float64."""
        given, times_s = np.asarray(posteriors, np.float64), np.asarray(times, np.float64)
        if given.size == 0 and given.ndim < 2:
            given = given.reshape(0, len(self.labels))
        if given.ndim != 2 or given.shape[1] != len(self.labels):
            raise AudioError(f"posteriors have shape {given.shape}, and must be (n, {len(self.labels)}): a column for each label")
        if times_s.shape != (len(given),):
            raise AudioError(f"times have shape {times_s.shape}, and must be ({len(given)},): one for each frame of posteriors")
        bad = ~((given >= -_ROUNDING) & (given <= 1 + _ROUNDING))
        if bad.any():
            i, j = np.argwhere(bad)[0]
            raise AudioError(
                f"the posterior of {self.labels[j]!r} at {times_s[i]:g} s is {given[i, j]:g}, not a probability from 0 to 1: "
                "give probabilities, not logits"
            )
        early = ~(np.diff(times_s, prepend=self._time_s) >= 0) | ~np.isfinite(times_s)
        if early.any():
            i = int(np.flatnonzero(early)[0])
            before = times_s[i - 1] if i else self._time_s
            raise AudioError(f"times must be finite and never go back: {times_s[i]:g} s follows {before:g} s; reset() begins a new stream")
        return given[:, self._columns], times_s

    def state(self) -> dict[str, Any]:
        """What the next events depend on, as arrays and numbers of its own."""
        return {
            "words": self.words,
            "history": self._history.copy(),
            "armed": self._armed.copy(),
            "risen_s": self._risen_s.copy(),
            "event_s": self._event_s.copy(),
            "time_s": self._time_s,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on where :meth:`state` was taken, in this or another detector of the same choices.

        Raises
        ------
        ConfigError
            If it is the state of a detector with other words or another smoothing, or none. The detector is then unchanged.
        """
        if wrong := [name for name, value in self.state().items() if not _is_like(state, name, value)]:
            raise ConfigError(f"not the state of this detector ({wrong[0]} differs): restore it into one with the same words and smoothing")
        self._history, self._armed = np.array(state["history"], np.float64), np.array(state["armed"], bool)
        self._risen_s, self._event_s = np.array(state["risen_s"], np.float64), np.array(state["event_s"], np.float64)
        self._time_s = float(state["time_s"])


def _is_like(state: Any, name: str, own: Any) -> bool:
    """Whether a state has the same words as a detector's `own`, or numbers of the same shape."""
    try:
        given = state[name]
        if name == "words":
            return bool(tuple(given) == own)
        return given is not None and np.array(given, np.asarray(own).dtype).shape == np.shape(own)
    except (KeyError, TypeError, ValueError):
        return False
