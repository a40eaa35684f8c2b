"""StreamFrontEnd: a FeatureConfig made ready to run on a signal that has not ended."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kwsfeat.audio.waveform import Samples, as_float32, as_samples, check_samples
from kwsfeat.config.features import FeatureConfig
from kwsfeat.errors import AudioError, ConfigError
from kwsfeat.features.front_end import Seed
from kwsfeat.stream.conditioning import Conditioning
from kwsfeat.stream.context import Context, looks_beyond
from kwsfeat.stream.frames import Frames
from kwsfeat.stream.micro import MicroFrames
from kwsfeat.stream.resampler import StreamResampler
from kwsfeat.stream.streamable import check_streams

_NOTHING = np.empty(0, np.float32)


class StreamFrontEnd:
    """Extracts the features that a FeatureConfig describes from samples that arrive in pieces of any size.

    Wherever the signal is cut, its frames are bit for bit those that :meth:`kwsfeat.FrontEnd.extract_recording` computes from the whole
    signal. Samples at another rate are treated as :func:`kwsfeat.load_clip` treats a recording: resampled by soxr and rounded to 16
    bits. Memory is allocated once; after that, a push allocates only its result.

    Parameters
    ----------
    config : FeatureConfig
        What to compute; one that streams.
    sr : int, optional
        Sampling rate in Hz of the samples that are pushed; ``config.sr`` by default.
    seed : int or tuple of int
        Seed of the dither.

    Raises
    ------
    ConfigError
        If a field of `config` needs the whole clip (the message names it and gives the reason), or `sr` is not between 1,000 and
        1,000,000.

    Examples
    --------
    >>> import numpy as np
    >>> from kwsfeat import preset
    >>> stream = StreamFrontEnd(preset("logmel"))
    >>> y = np.zeros(16000, np.float32)
    >>> stream.push(y[:1280]).shape, stream.push(y[1280:]).shape, stream.finish().shape
    ((7, 40), (92, 40), (2, 40))
    """

    def __init__(self, config: FeatureConfig, *, sr: int | None = None, seed: Seed = 0) -> None:
        self.config = config
        self.sr = config.sr if sr is None else sr
        check_streams(config, self.sr)
        self._seed = seed
        self._resampler = StreamResampler(self.sr, config.sr) if self.sr != config.sr else None
        self._context = Context(config) if looks_beyond(config) else None
        self._frames = MicroFrames(config) if config.output == "micro" else Frames(config, affine=self._context is None)
        self._conditioning = Conditioning(config, seed, self._frames.at_once)
        self._finished = False

    @property
    def hop_s(self) -> float:
        """Seconds from one frame to the next."""
        return self._frames.hop / self.config.sr

    @property
    def latency(self) -> float:
        """Seconds of signal that the first frame needs; frame t is complete at most ``t * hop_s`` later."""
        ahead = 0 if self._context is None else self._context.ahead
        samples = self._frames.first_after + ahead * self._frames.hop
        return samples / self.config.sr + (0.0 if self._resampler is None else self._resampler.lag_s)

    @property
    def n_frames(self) -> int:
        """Number of frames returned since the stream began."""
        return self._frames.n_frames if self._context is None else self._context.n_out

    def push(self, samples: ArrayLike) -> NDArray[np.float32]:
        """Take the next samples and return the frames that they complete.

        Parameters
        ----------
        samples : array_like, shape (n,)
            The next samples at `sr`, mono, n >= 0, float in [-1, 1] or int16.

        Returns
        -------
        features : ndarray, float32, shape (n_new_frames, n_features)

        Raises
        ------
        AudioError
            If `samples` are not one-dimensional, have another type or scale, or hold NaN or infinity, or if the stream is finished.
            The stream is then unchanged.
        """
        if self._finished:
            raise AudioError("the stream has ended: reset() begins another")
        y = as_samples(samples, "samples")
        if y.ndim != 1:
            raise AudioError(f"samples have shape {y.shape} and must be one-dimensional (n_samples,): mix or choose a channel")
        check_samples(y, "samples")
        if self._resampler is not None:
            y = self._resampler.push(as_float32(y))
        return self._features(y, last=False)

    def finish(self) -> NDArray[np.float32]:
        """End the signal and return the remaining frames, computed as at the end of a recording.

        Returns
        -------
        features : ndarray, float32, shape (n_new_frames, n_features)
            No rows if the whole signal was too short for one frame, for its mirrored edge or for its deltas.

        Raises
        ------
        AudioError
            If the stream is already finished.
        """
        if self._finished:
            raise AudioError("the stream has ended: reset() begins another")
        self._finished = True
        rest = self._resampler.push(_NOTHING, last=True) if self._resampler is not None else _NOTHING
        return self._features(rest, last=True)

    def reset(self) -> None:
        """Return to the state before the first sample, that of a new object."""
        if self._resampler is not None:
            self._resampler.reset()
        self._conditioning.reset()
        self._frames.reset()
        if self._context is not None:
            self._context.reset()
        self._finished = False

    def state(self) -> dict[str, Any]:
        """Everything that the next frames depend on, so that the stream can be continued later or in another process.

        Returns
        -------
        state : dict
            Copies of numbers and arrays, in nested dicts, with the fingerprint and the rate that they belong to. It is exact unless the
            stream resamples: the filter then restarts from the last samples, and about one in some hundred samples may differ by one
            16-bit step.
        """
        return {
            "fingerprint": self.config.fingerprint,
            "sr": self.sr,
            "finished": self._finished,
            "resampler": None if self._resampler is None else self._resampler.state(),
            "conditioning": self._conditioning.state(),
            "frames": self._frames.state(),
            "context": None if self._context is None else self._context.state(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Continue as if the samples that led to `state` had been pushed to this stream.

        Parameters
        ----------
        state : dict
            A result of :meth:`state` from a stream with the same configuration and rate.

        Raises
        ------
        ConfigError
            If `state` belongs to another configuration or rate, or is not such a result. The stream is then unchanged.
        """
        before = self.state()
        try:
            self._take(state)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            self._take(before)
            raise ConfigError(
                f"this is not a state of this stream ({error}): restore what state() returned for a stream with the same config and sr"
            ) from None

    def _take(self, state: dict[str, Any]) -> None:
        for name, mine in (("fingerprint", self.config.fingerprint), ("sr", self.sr)):
            if state[name] != mine:
                raise ValueError(f"{name} is {state[name]!r}, not {mine!r}")
        self._finished = bool(state["finished"])
        if self._resampler is not None:
            self._resampler.restore(state["resampler"])
        self._conditioning.restore(state["conditioning"])
        self._frames.restore(state["frames"], finished=self._finished)
        if self._context is not None:
            self._context.restore(state["context"], n_in=self._frames.n_frames, finished=self._finished)

    def __reduce__(self) -> tuple[Any, ...]:
        return _restored, (self.config, self.sr, self._seed, self.state())

    def _features(self, y: Samples, *, last: bool) -> NDArray[np.float32]:
        """The frames that samples at the configured rate complete, or with `last` end."""
        frames, context = self._frames, self._context
        n_samples = frames.n_samples + y.size
        n_in = frames.in_all(n_samples) if last else frames.ready(n_samples)
        n_out = n_in if context is None else context.ready(n_in, last=last)
        out = np.empty((n_out - self.n_frames, self.config.n_features), np.float32)
        at = 0
        for block in self._blocks(y, last=last):
            if context is None:
                out[at : at + len(block)] = block
                at += len(block)
            else:
                at += context.push(block, out[at:])
        if last and context is not None:
            context.push(frames.none, out[at:], last=True)
        return out

    def _blocks(self, y: Samples, *, last: bool) -> Iterator[NDArray[np.float32]]:
        """The same frames, before the steps that need their neighbours."""
        frames = self._frames
        for start in range(0, y.size, frames.at_once):
            yield from frames.push(self._conditioning.push(y[start : start + frames.at_once]))
        if last:
            yield from frames.finish()


def _restored(config: FeatureConfig, sr: int, seed: Seed, state: dict[str, Any]) -> StreamFrontEnd:
    stream = StreamFrontEnd(config, sr=sr, seed=seed)
    stream.restore(state)
    return stream
