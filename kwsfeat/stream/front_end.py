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
    """Extracts the features that a FeatureConfig describes from samples that come in pieces of any size.

    However the signal is cut, its frames are bit for bit those that :meth:`kwsfeat.FrontEnd.extract_recording` gives of it as a whole; at
    another rate, of what :func:`kwsfeat.load_clip` makes of it: resampled by soxr and rounded to 16 bits. Memory is taken once; a push
    allocates its result only.

    Parameters
    ----------
    config : FeatureConfig
        What to compute; one that streams.
    sr : int, optional
        Sampling rate in Hz of the samples that are pushed; ``config.sr`` by default.
    seed : int or tuple of int
        Of the dither.

    Raises
    ------
    ConfigError
        If a choice of `config` needs the whole clip, naming the field and the reason; if `sr` is out of 1,000 .. 1,000,000.

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
        """Seconds of signal after which the first frame is there; frame t is there ``t * hop_s`` later, at the latest."""
        ahead = 0 if self._context is None else self._context.ahead
        samples = self._frames.first_after + ahead * self._frames.hop
        return samples / self.config.sr + (0.0 if self._resampler is None else self._resampler.lag_s)

    @property
    def n_frames(self) -> int:
        """Frames given since the beginning."""
        return self._frames.n_frames if self._context is None else self._context.n_out

    def push(self, samples: ArrayLike) -> NDArray[np.float32]:
        """The frames that these samples complete.

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
            If `samples` are not one-dimensional, have a type or values of another scale, or hold NaN or infinity, or if the stream
            has been finished. Nothing of them is taken then: the stream goes on as if they had not come.
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
        """The signal ends here: the frames that waited for more, as they are at the end of a recording.

        Returns
        -------
        features : ndarray, float32, shape (n_new_frames, n_features)
            None where the whole signal was too short for a frame, for its mirrored edge or for its deltas.
        """
        if self._finished:
            raise AudioError("the stream has ended: reset() begins another")
        self._finished = True
        rest = self._resampler.push(_NOTHING, last=True) if self._resampler is not None else _NOTHING
        return self._features(rest, last=True)

    def reset(self) -> None:
        """Before the first sample: equal to a new object."""
        if self._resampler is not None:
            self._resampler.reset()
        self._conditioning.reset()
        self._frames.reset()
        if self._context is not None:
            self._context.reset()
        self._finished = False

    def state(self) -> dict[str, Any]:
        """All that the next frames depend on, to go on from elsewhere or later.

        Returns
        -------
        state : dict
            Copies: numbers, arrays, and dicts of these; what it belongs to is in it. It does not change with the stream. It is
            exact but for the resampling of another rate, whose filter begins again with the last samples: one in some hundred
            samples may then differ by one step of 16 bits.
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
        """Go on as if what led to `state` had been pushed here.

        Parameters
        ----------
        state : dict
            What :meth:`state` gave, of a stream of this configuration and rate.

        Raises
        ------
        ConfigError
            If it belongs to another configuration or rate, or is no such state.
        """
        before = self.state()
        try:
            self._take(state)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            self._take(before)
            raise ConfigError(
                f"this is no state of this stream ({error}): restore what state() gave of one with this config and sr"
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
        """The same frames, before what looks beyond them."""
        frames = self._frames
        for start in range(0, y.size, frames.at_once):
            yield from frames.push(self._conditioning.push(y[start : start + frames.at_once]))
        if last:
            yield from frames.finish()


def _restored(config: FeatureConfig, sr: int, seed: Seed, state: dict[str, Any]) -> StreamFrontEnd:
    stream = StreamFrontEnd(config, sr=sr, seed=seed)
    stream.restore(state)
    return stream
