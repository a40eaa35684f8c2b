"""Some recordings on their way to answers: read, and what was wrong with each; the same for a run and for an exported file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from kwsfeat import AudioError, FeatureConfig, load_clip


@dataclass(frozen=True)
class Prediction:
    """The most probable class of one recording; `error` says why there is none, and `label` is then empty.

    `path` is ``Path()`` for a waveform that came as an array. `probabilities` are those of all classes, in the order of the run's
    labels. `remarks` say what of the recording was lost or guessed. `rejected` is True where `probability` is below the run's
    threshold, so that the recording is likely none of its classes.
    """

    path: Path
    label: str = ""
    probability: float = 0.0
    error: str = ""
    probabilities: tuple[float, ...] = ()
    remarks: tuple[str, ...] = ()
    rejected: bool = False


@dataclass(frozen=True)
class Part:
    """A part of a recording: samples `start` to `stop` (None: its end) at the recording's own rate."""

    path: Path
    start: int = 0
    stop: int | None = None


@dataclass
class Group:
    """Clips of one call.

    `audio` int16 (n, n_samples) holds those of `files`, whose places are listed; `arrays` are waveforms by place. `length` int32 (n,)
    are the samples of each that are real.
    """

    clips: Sequence[Any]
    audio: NDArray[np.int16]
    length: NDArray[np.int32]
    files: list[int]
    arrays: dict[int, NDArray[Any]]
    errors: dict[int, str] = field(default_factory=dict)
    remarks: dict[int, list[str]] = field(default_factory=dict)

    @classmethod
    def read(cls, clips: Sequence[Any], config: FeatureConfig) -> Group:
        """Read the recordings among `clips`; one that cannot be read is silence with an error."""
        arrays = {i: clip for i, clip in enumerate(clips) if isinstance(clip, np.ndarray)}
        group = cls(
            clips, np.zeros((len(clips), config.n_samples), np.int16), np.ones(len(clips), np.int32),
            [i for i in range(len(clips)) if i not in arrays], arrays,
        )  # fmt: skip
        for i in group.files:
            source, start, stop = _opened(clips[i])
            remark = group.remarks.setdefault(i, []).append
            try:
                _, group.length[i] = load_clip(source, config, start=start, stop=stop, out=group.audio[i], remark=remark)
            except AudioError as error:
                group.audio[i] = 0
                group.errors[i] = str(error)
        return group

    def answers(self, given: NDArray[np.floating], labels: Sequence[str], threshold: float | None) -> list[Prediction]:
        """One for each clip, from probabilities (n, n_classes)."""
        return [self._answer(i, given[i], labels, threshold or 0.0) for i in range(len(self.clips))]

    def _answer(self, i: int, given: NDArray[np.floating], labels: Sequence[str], threshold: float) -> Prediction:
        path = path_of(self.clips[i])
        if i in self.errors:
            return Prediction(path, error=self.errors[i])
        best = int(given.argmax())
        remarks = tuple(self.remarks.get(i, ()))
        return Prediction(path, labels[best], float(given[best]), "", tuple(given.tolist()), remarks, bool(given[best] < threshold))


def _opened(clip: Any) -> tuple[Path | BinaryIO, int, int | None]:
    if isinstance(clip, Part):
        return clip.path, clip.start, clip.stop
    return (clip if hasattr(clip, "read") else Path(clip)), 0, None


def path_of(clip: Any) -> Path:
    """Where a clip came from: ``Path()`` for an array, the name of a file object."""
    if isinstance(clip, Part):
        return clip.path
    if isinstance(clip, np.ndarray):
        return Path()
    return Path(str(getattr(clip, "name", ""))) if hasattr(clip, "read") else Path(clip)
