"""Listening with any network: every hop, the last clip's length is classified anew, as :func:`kwstrain.predict` would."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from kwsfeat import ConfigError, FeatureConfig, FrontEnd, check_algorithm, resample
from kwstrain.inference.bundle import Bundle
from kwstrain.inference.exported import ExportedClassifier
from kwstrain.inference.probabilities import probabilities

Classify = Callable[[NDArray[np.float32]], NDArray[np.floating]]  # probabilities (n_classes,) of a clip (n_samples,)


def of_run(bundle: Bundle) -> Classify:
    """How a run classifies a clip. Imports JAX.

    Raises
    ------
    ConfigError
        If this program computes its features otherwise.
    """
    from kwstrain.inference.classifier import Classifier

    config = bundle.feature_config
    check_algorithm(config, bundle.algorithm, where=str(bundle.folder))
    classifier, front_end = Classifier(bundle), FrontEnd(config)

    def classify(clip: NDArray[np.float32]) -> NDArray[np.float64]:
        features = front_end.extract(clip)
        given: NDArray[np.float64] = probabilities(classifier.logits(features[None]), bundle.config.loss)[0]
        return given

    return classify


def of_file(classifier: ExportedClassifier) -> Classify:
    """How an exported file classifies a clip."""

    def classify(clip: NDArray[np.float32]) -> NDArray[np.float32]:
        given: NDArray[np.float32] = classifier.probabilities(clip[None])[0]
        return given

    return classify


class Windowed:
    """The last ``n_samples`` of a stream, classified every `hop_ms`; before the stream there was silence.

    One window goes through the compiled network at a time, so that a row's digits do not depend on how the stream was cut.

    Parameters
    ----------
    config : FeatureConfig
        What a clip is.
    n_classes : int
    classify : callable
        As :func:`of_run` gives it.
    sr : int
        Rate of the stream in Hz. At another one than the run's, each window is resampled as a recording of its own is.
    hop_ms : float
        From row to row, rounded to a whole number of samples for the whole stream.
    """

    mode: Literal["windowed"] = "windowed"

    def __init__(self, config: FeatureConfig, n_classes: int, classify: Classify, *, sr: int, hop_ms: float) -> None:
        self._hop = round(hop_ms / 1000 * sr)
        if self._hop < 1:
            raise ConfigError(f"hop_ms={hop_ms:g} is less than one sample at {sr} Hz: raise it")
        self._sr, self._config, self._n_classes, self._classify = sr, config, n_classes, classify
        self._window = -(-config.n_samples * sr // config.sr)
        self.reset()

    @property
    def hop_s(self) -> float:
        """From row to row."""
        return self._hop / self._sr

    @property
    def latency(self) -> float:
        """Longest time from a sample to the first row that has seen it."""
        return self.hop_s

    @property
    def warm_up_s(self) -> float:
        """From the beginning to the first row that has seen a whole clip."""
        return self._window / self._sr

    @property
    def cost(self) -> str:
        """What a row takes, in words."""
        return f"windowed: {self._window / self._sr:.2f} s of audio through the whole network every {1000 * self.hop_s:.0f} ms"

    def reset(self) -> None:
        """Begin anew: silence, at time 0."""
        self._heard = 0
        self._last = np.zeros(self._window, np.float32)

    def push(self, y: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
        """Probabilities (n, n_classes) of the windows that end in `y` (n_samples,), and the times in s at which they end (n,)."""
        first = self._heard // self._hop + 1
        ends = np.arange(first, (self._heard + len(y)) // self._hop + 1) * self._hop
        known = np.concatenate([self._last, y])
        given = np.zeros((len(ends), self._n_classes), np.float32)
        for row, end in zip(given, ends - self._heard, strict=True):
            row[:] = self._classify(self._at_rate_of_run(known[end : end + self._window]))
        self._heard += len(y)
        self._last = known[len(y) :].copy()
        return given, ends / self._sr

    def finish(self) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
        """What is still to come at the end of the stream: nothing."""
        return np.zeros((0, self._n_classes), np.float32), np.zeros(0)

    def state(self) -> dict[str, Any]:
        """All that the next rows depend on."""
        return {"heard": self._heard, "last": self._last.copy()}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on where :meth:`state` was taken."""
        last, heard = np.array(state["last"], np.float32), int(state["heard"])
        if last.shape != self._last.shape:
            raise ConfigError(f"the state holds {last.shape} samples, this recogniser keeps {self._last.shape}: it was taken of another")
        self._heard, self._last = heard, last

    def _at_rate_of_run(self, window: NDArray[np.float32]) -> NDArray[np.float32]:
        """The latest samples, at the rate of the run; its features come from `resample_from_hz` where that is said."""
        config, sr = self._config, self._sr
        if config.resample_from_hz not in (0, sr) and sr != config.sr:
            window, sr = resample(window, sr, config.resample_from_hz), config.resample_from_hz
        return resample(window, sr, config.sr, config.resample)[-config.n_samples :]
