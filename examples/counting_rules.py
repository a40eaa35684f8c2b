"""The same posteriors, counted by four rules: this project's, openWakeWord's, livekit-wakeword's and TensorFlow's.

    python examples/counting_rules.py RUN STREAMS [--threshold 0.5]

STREAMS is what `kwsfeat stream-corpus` writes. The rules of the others are written anew from what their programs do:

openWakeWord (`openwakeword/metrics.py`): frames at or above the threshold are to be grouped, at most one in 50. The length of a
    group is min(number of groups - position, 50), which is negative but for the first frames, so that nothing is grouped: frames
    are counted as events. Hours are frames times 0.08 s, whatever the hop is.
livekit-wakeword (`training/metrics.py`, `eval/evaluate.py`): every window at or above the threshold counts, and every window is
    booked with the length of a clip: windows that overlap make more hours than there are. A word is found when the highest window
    of its clip reaches the threshold, wherever in the clip.
TensorFlow (`speech_commands/recognize_commands.py`, `accuracy_utils.py`): the best class of an average over 0.5 s, if it is above
    the threshold, another one than the last, and 1.5 s later. The same word again is heard only after another class in between.
    What is found takes the first word within 0.75 s of its time, right or wrong; only what finds none is a false positive, and
    these are stated in per cent of the words, not by the hour.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kwsfeat import Interval, Stream, list_streams
from kwstrain.detection.point import OperatingPoint, listener
from kwstrain.detection.score import Heard, hear

WINDOW_S = 1.0  # of what a network of these runs hears at once


@dataclass(frozen=True)
class Count:
    """What a rule says."""

    found: int
    said: int
    false_accepts: int
    hours: float

    @property
    def per_hour(self) -> float:
        """False accepts per hour, as the rule would state it."""
        return self.false_accepts / self.hours


@dataclass(frozen=True)
class Recording:
    """Scores (n, n_classes) at times (n,), and the words that are said."""

    scores: np.ndarray
    times: np.ndarray
    said: Sequence[Interval]
    seconds: float

    def outside(self, word: str) -> np.ndarray:
        """Which frames lie outside the intervals of a word, with a second after each."""
        inside = np.zeros(len(self.times), bool)
        for one in self.said:
            inside |= (one.word == word) & (self.times >= one.start_s) & (self.times <= one.end_s + 1)
        return ~inside


def ours(heard: Heard, point: OperatingPoint) -> Count:
    """Events, not frames; hours of audio outside the words."""
    detector = point.detector(heard.words)
    outcomes = [stream.outcome(detector, tolerance_s=point.tolerance_s) for stream in heard.streams]
    found = sum(len(one.hits) for one in outcomes)
    false = sum(len(one.false_accepts) for one in outcomes)
    return Count(found, found + sum(len(one.misses) for one in outcomes), false, sum(one.total_hours for one in outcomes))


def openwakeword(recordings: Sequence[Recording], columns: dict[str, int], threshold: float) -> Count:
    """Frames that are hardly ever grouped."""
    false, frames = 0, 0
    for recording in recordings:
        for word, column in columns.items():
            free = recording.outside(word)
            high = recording.scores[free, column] >= threshold
            rises = [found.end() for found in re.finditer("01", "".join("1" if one else "0" for one in high))]
            for at in rises:
                length = min(len(rises) - at, 50)
                if length > 0 and at < len(high) and high[at]:
                    high[at : at + length] = False
            false += int(high.sum())
            frames += int(free.sum())
    return Count(*_reached(recordings, columns, threshold), false, frames / len(columns) * 0.08 / 3600)


def livekit(recordings: Sequence[Recording], columns: dict[str, int], threshold: float) -> Count:
    """Windows, each as long as a clip."""
    false, windows = 0, 0
    for recording in recordings:
        for word, column in columns.items():
            free = recording.outside(word)
            false += int((recording.scores[free, column] >= threshold).sum())
            windows += int(free.sum())
    return Count(*_reached(recordings, columns, threshold), false, windows / len(columns) * WINDOW_S / 3600)


def _reached(recordings: Sequence[Recording], columns: dict[str, int], threshold: float) -> tuple[int, int]:
    """(words whose highest frame reaches the threshold, words said)."""
    peaks = [
        recording.scores[(recording.times >= one.start_s) & (recording.times <= one.end_s + 1), columns[one.word]].max(initial=0)
        for recording in recordings
        for one in recording.said
        if one.word in columns
    ]
    return sum(peak >= threshold for peak in peaks), len(peaks)


def tensorflow(
    recordings: Sequence[Recording], columns: dict[str, int], threshold: float, *, labels: Sequence[str], average_s: float = 0.5
) -> Count:
    """The best class that differs from the last one."""
    right, said, false = 0, 0, 0
    for recording in recordings:
        words = [one for one in recording.said if one.word in columns]
        taken: list[Interval] = []
        for word, time_s in _commands(recording, labels, threshold, average_s):
            near = [one for one in words if abs(one.start_s - time_s) <= 0.75]
            if not near:
                false += 1
            else:
                right += near[0].word == word and near[0] not in taken
                taken.append(near[0])
        said += len(words)
    return Count(right, said, false, sum(recording.seconds for recording in recordings) / 3600)


def _commands(recording: Recording, labels: Sequence[str], threshold: float, average_s: float) -> list[tuple[str, float]]:
    found: list[tuple[str, float]] = []
    last, last_s, first = "silence", -np.inf, 0
    for i, time_s in enumerate(recording.times):
        while recording.times[first] < time_s - average_s:
            first += 1
        if i + 1 - first < 3 or time_s - recording.times[first] < average_s / 4:
            continue
        mean = recording.scores[first : i + 1].mean(axis=0)
        label = labels[int(mean.argmax())]
        since = np.inf if last == "silence" else time_s - last_s
        if mean.max() > threshold and label != last and since > 1.5:
            last, last_s = label, time_s
            if label != "silence":
                found.append((label, time_s - WINDOW_S))  # its time is that of the window's beginning
    return found


def main(arguments: Sequence[str] | None = None) -> dict[str, Count]:
    """Print the table; returns its rows."""
    parser = argparse.ArgumentParser(description="The same posteriors, counted by four rules.")
    parser.add_argument("run", type=Path)
    parser.add_argument("streams", type=Path)
    parser.add_argument("--threshold", type=float, help="of every word, for all rules  [default: as calibrated, the mean for the others]")
    choices = parser.parse_args(arguments)
    recognizer, point = listener(choices.run)
    if choices.threshold is not None:
        point = point.with_thresholds(choices.threshold, recognizer.labels)
    thresholds = point.detector(recognizer.labels).thresholds
    threshold = float(np.mean(list(thresholds.values())))
    labels = recognizer.labels
    every = hear(recognizer, list_streams(choices.streams), labels)
    recordings = [_recording(stream) for stream in every.streams]
    columns = {word: labels.index(word) for word in thresholds}
    heard = Heard(labels, every.streams, every.digests, every.remarks)
    rules: dict[str, Callable[[], Count]] = {
        "ours": lambda: ours(heard, point.with_thresholds(thresholds, labels)),
        "openWakeWord": lambda: openwakeword(recordings, columns, threshold),
        "livekit-wakeword": lambda: livekit(recordings, columns, threshold),
        "TensorFlow": lambda: tensorflow(recordings, columns, threshold, labels=labels),
    }
    print(f"{len(recordings)} recordings, {every.hours:.2f} h, threshold {threshold:.4f}, a frame every {1000 * point.hop_s:.0f} ms")
    print(f"{'rule':18}{'found':>14}{'false accepts':>15}{'hours':>9}{'per hour':>10}")
    counts = {name: rule() for name, rule in rules.items()}
    for name, count in counts.items():
        share = f"{count.found}/{count.said}"
        print(f"{name:18}{share:>14}{count.false_accepts:>15}{count.hours:>9.2f}{count.per_hour:>10.2f}")
    return counts


def _recording(stream: Stream) -> Recording:
    blocks = list(stream.blocks())
    scores, times = (np.concatenate([np.asarray(block[k]) for block in blocks]) for k in (0, 1))
    return Recording(scores, times, [one for one in stream.reference if one.word], stream.duration_s)


if __name__ == "__main__":
    main()
