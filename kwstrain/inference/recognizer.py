"""Recognizer: a trained run that listens. Samples in, in pieces of any size; probabilities and their times out."""

from __future__ import annotations

import os
from functools import cached_property
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kwsfeat import AudioError, ConfigError, FeatureConfig, as_float32
from kwstrain.inference.bundle import Bundle
from kwstrain.inference.exported import ExportedFile, is_exported, open_exported

Mode = Literal["auto", "stream", "windowed"]
Rows = tuple[NDArray[np.float32], NDArray[np.float64]]  # probabilities (n, n_classes), times (n,) in s

MOST_HZ = 1_000_000


class Engine(Protocol):
    """How rows are computed: from the samples of a stream, at one rate, with a state."""

    @property
    def mode(self) -> Literal["stream", "windowed"]:
        """Its name."""
        ...

    @property
    def hop_s(self) -> float:
        """From row to row."""
        ...

    @property
    def latency(self) -> float:
        """Longest time from a sample to the first row that has seen it."""
        ...

    @property
    def warm_up_s(self) -> float:
        """From the beginning to the first row that has seen as much as a clip."""
        ...

    @property
    def cost(self) -> str:
        """What a row takes, in words."""
        ...

    def push(self, y: NDArray[np.float32]) -> Rows:
        """The rows that `y` (n_samples,) completes."""
        ...

    def finish(self) -> Rows:
        """The rows that were waiting for samples that do not come."""
        ...

    def reset(self) -> None:
        """Begin anew."""
        ...

    def state(self) -> dict[str, Any]:
        """All that the next rows depend on."""
        ...

    def restore(self, state: dict[str, Any]) -> None:
        """Go on where :meth:`state` was taken."""
        ...


class Recognizer:
    """A trained run that listens to a stream of samples.

    It is pure: what it gives depends on the samples alone, not on how they are cut into chunks and on no clock. It is not meant
    for several threads at once; two recognisers of one run share nothing that changes.

    Parameters
    ----------
    run : path
        A run folder, as from :func:`kwstrain.fit`, or an ONNX file that ``kwstrain export`` wrote: one of clips listens in windows,
        one of a stream streams.
    sr : int, optional
        Rate in Hz of what is fed; the run's without it.
    mode : {"auto", "stream", "windowed"}
        ``stream`` carries the state of every layer, so that each frame goes through each layer once, and needs no JAX: networks
        that see no later frame can. ``windowed`` classifies the last clip's length anew every hop: any network, at its full cost.
        ``auto`` streams where that is possible.
    hop_ms : float, > 0
        Windowed: from row to row. Streaming: about how much is computed together; rows come for every frame of the network.

    Raises
    ------
    StoreError
        If `run` is neither a complete run folder nor an exported file.
    ConfigError
        If `mode`, `sr` or `hop_ms` is out of its bounds, or the run cannot stream and `mode` asks for it.

    Examples
    --------
    >>> import numpy as np
    >>> recognizer = Recognizer("runs/words", hop_ms=100)  # its network does not stream
    >>> probabilities = recognizer.feed(np.zeros(4000, np.int16))
    >>> probabilities.shape, recognizer.frame_times, recognizer.labels
    ((2, 3), array([0.1, 0.2]), ('high', 'low', 'noise'))
    """

    def __init__(self, run: str | os.PathLike[str], *, sr: int | None = None, mode: Mode = "auto", hop_ms: float = 80.0) -> None:
        if mode not in ("auto", "stream", "windowed"):
            raise ConfigError(f"mode={mode!r} must be auto, stream or windowed")
        if not 1 <= hop_ms <= 10_000:
            raise ConfigError(f"hop_ms={hop_ms:g} must be from 1 to 10000 ms")
        self._run = str(run)
        self._source: Bundle | ExportedFile = open_exported(run) if is_exported(run) else Bundle.load(run)
        self._asked, self._hop_ms = mode, hop_ms
        self._begin_at(self._features.sr if sr is None else sr)

    def __repr__(self) -> str:
        return f"Recognizer({self._run!r}, sr={self.sr}, {self.cost})"

    @property
    def _features(self) -> FeatureConfig:
        return self._source.feature_config if isinstance(self._source, Bundle) else self._source.description.features

    def _begin_at(self, sr: int) -> None:
        """Ready for a stream at `sr` Hz."""
        if not 1 <= sr <= MOST_HZ:
            raise ConfigError(f"sr={sr} must be from 1 to {MOST_HZ:,} Hz")
        self._sr, self._engine = sr, self._new_engine(sr)
        self._times, self._fed = np.zeros(0), False

    def _new_engine(self, sr: int) -> Engine:
        from kwstrain.inference.engines.exported import engine_of_file
        from kwstrain.inference.engines.streamed import Streamed
        from kwstrain.inference.engines.windowed import Windowed, of_run

        run = self._source
        if not isinstance(run, Bundle):
            return engine_of_file(run, self._asked, sr=sr, hop_ms=self._hop_ms)
        if self._asked != "windowed":
            try:
                return Streamed(run, sr=sr, hop_ms=self._hop_ms)
            except ConfigError:
                if self._asked == "stream":
                    raise
        return Windowed(run.feature_config, len(run.labels), of_run(run), sr=sr, hop_ms=self._hop_ms)

    @property
    def labels(self) -> tuple[str, ...]:
        """The classes, in the order of the columns."""
        return self._source.labels if isinstance(self._source, Bundle) else self._source.description.labels

    @property
    def sr(self) -> int:
        """Rate in Hz of what is fed."""
        return self._sr

    @property
    def mode(self) -> Literal["stream", "windowed"]:
        """How it listens."""
        return self._engine.mode

    @property
    def cost(self) -> str:
        """What a row takes, in words."""
        return self._engine.cost

    @property
    def hop_s(self) -> float:
        """Seconds from row to row."""
        return self._engine.hop_s

    @property
    def latency(self) -> float:
        """Longest time in seconds from a sample to the first row that has seen it."""
        return self._engine.latency

    @property
    def warm_up_s(self) -> float:
        """Seconds from the beginning to the first row that has seen as much as a clip; those before have seen less than in training."""
        return self._engine.warm_up_s

    @property
    def frame_times(self) -> NDArray[np.float64]:
        """Of each row of the last :meth:`feed` or :meth:`finish`: seconds into the stream of the newest sample it has seen.

        What :meth:`finish` gives may have seen zeros behind the end, as the frames at the end of a recording have.
        """
        return self._times

    def feed(self, samples: ArrayLike, sr: int | None = None) -> NDArray[np.float32]:
        """Listen to the next samples.

        Parameters
        ----------
        samples : array_like, shape (n,)
            Mono, float in [-1, 1] or int16; any number of them, none too.
        sr : int, optional
            Their rate in Hz. It may differ from :attr:`sr` before the first sample only.

        Returns
        -------
        ndarray, float32, shape (n_rows, n_classes)
            Probabilities of the rows that these samples complete; :attr:`frame_times` are theirs.

        Raises
        ------
        AudioError
            If the samples are not mono, hold NaN or infinity or values of another scale, or have another rate than those before.
            Nothing of them was taken then: the stream may go on.
        """
        y = _checked(samples)
        if sr is not None and sr != self._sr:
            if self._fed:
                raise AudioError(f"sr={sr} but the stream began at {self._sr} Hz: call reset() first, or make another Recognizer")
            self._begin_at(sr)
        self._fed = self._fed or len(y) > 0
        given, self._times = self._engine.push(y)
        return given

    def finish(self) -> NDArray[np.float32]:
        """The rows that wait for samples that will not come; the next :meth:`feed` begins a new stream.

        Returns
        -------
        ndarray, float32, shape (n_rows, n_classes)
            In windowed mode none.
        """
        given, times = self._engine.finish()
        self.reset()
        self._times = times
        return given

    def reset(self) -> None:
        """Begin a new stream at time 0, as a new object would."""
        self._engine.reset()
        self._times, self._fed = np.zeros(0), False

    def state(self) -> dict[str, Any]:
        """All that the next rows depend on: numbers and arrays, copied.

        Returns
        -------
        dict
            For :meth:`restore` of a recogniser of the same run, rate, mode and hop.
        """
        return {**self._identity, "fed": self._fed, **self._engine.state()}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on where `state` was taken, in this object or another one.

        Parameters
        ----------
        state : dict
            From :meth:`state`.

        Raises
        ------
        ConfigError
            If it was taken of a recogniser of another rate, mode, hop or run, or is no such state. The recogniser is then unchanged.
        """
        try:
            if other := [f"{name}={state.get(name)} is not {value}" for name, value in self._identity.items() if state.get(name) != value]:
                raise ConfigError(f"the state was taken of another recogniser: {'; '.join(other)}")
            fed = bool(state["fed"])
            self._engine.restore(state)
        except ConfigError:
            raise
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise ConfigError(f"this is not a state of a recogniser ({error}): restore what state() returned") from None
        self._times, self._fed = np.zeros(0), fed

    @property
    def _identity(self) -> dict[str, Any]:
        """What a state belongs to."""
        return {"sr": self._sr, "mode": self.mode, "hop_s": self.hop_s, "run": self._fingerprint}

    @cached_property
    def _fingerprint(self) -> str:
        """Of the run: its network and its features, or its file."""
        run = self._source
        return f"{run.fingerprint}-{run.feature_config.fingerprint}" if isinstance(run, Bundle) else run.fingerprint


def _checked(samples: ArrayLike) -> NDArray[np.float32]:
    """The samples as float32 (n,) in [-1, 1], every one a number."""
    y = as_float32(samples, "this piece", check_finite=False)
    if y.ndim != 1:
        raise AudioError(f"this piece has shape {y.shape} and must be mono, (n,): average the channels, or take one")
    if not np.isfinite(y).all():
        where = int(np.argmin(np.isfinite(y)))
        raise AudioError(f"sample {where} of {len(y)} is NaN or infinite: nothing of this piece was taken; leave it out or repair it")
    return y
