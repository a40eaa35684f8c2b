"""The one way from features to logits: evaluation, prediction and the validation of a training all go it."""

from __future__ import annotations

import os
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from functools import cached_property
from typing import Any, BinaryIO, overload

import jax
import numpy as np
from flax import nnx
from numpy.typing import NDArray

from kwsfeat import AudioError, FrontEnd, as_clip, check_algorithm
from kwstrain import operations
from kwstrain.data.batches import Batches, Block, plan, take
from kwstrain.data.clips import Clips, frame_range
from kwstrain.data.negatives import Negatives
from kwstrain.data.source import Source, source
from kwstrain.devices import n_devices, per_device, replicated, whole
from kwstrain.inference.bundle import Bundle
from kwstrain.inference.group import Group, Prediction
from kwstrain.inference.probabilities import probabilities
from kwstrain.models import Network, spec

GROUP = 64  # most clips of one compiled call on arrays
_IN_CACHE = 4  # clips whose convolution maps a CPU keeps near: three times as fast as all of a group at once


class Classifier:
    """A trained network. May be used by several threads at once.

    Parameters
    ----------
    bundle : Bundle
        The run folder.
    model : Network, optional
        A network to use instead of the bundle's; its variables may be replaced at each call.
    """

    def __init__(self, bundle: Bundle, model: Network | None = None) -> None:
        model = bundle.model if model is None else model
        sequential = spec(bundle.config.arch).sequential
        self.bundle = bundle
        self._forward = forward_function(model, sequential=sequential)
        self._variables = [nnx.state(model)]
        self._n_devices = n_devices()
        # The steps of a recurrent network follow each other anyway, so it takes all clips at once, as accelerators do.
        self._at_once = jax.default_backend() != "cpu" or self._n_devices > 1 or sequential
        # Devices that wait for each other must be given their programs in one order.
        self._turn = threading.Lock() if self._n_devices > 1 else nullcontext()

    @property
    def labels(self) -> tuple[str, ...]:
        """The classes, in the order of the logits."""
        return self.bundle.labels

    def logits(self, features: NDArray[np.floating], length: NDArray[np.integer] | None = None) -> NDArray[np.float32]:
        """Logits of clips in memory.

        Parameters
        ----------
        features : ndarray, float, shape (n_clips, n_frames, n_features)
            What the run's FeatureConfig extracts, not standardised.
        length : ndarray of int, shape (n_clips,), optional
            Samples of each clip that are real and not padding; all of them without it.

        Returns
        -------
        ndarray, float32, shape (n_clips, n_classes)
        """
        config = self.bundle.feature_config
        if features.shape[1:] != config.shape:
            raise AudioError(f"features have shape {features.shape[1:]} per clip, {self.bundle.folder} was trained on {config.shape}")
        real = np.full(len(features), config.n_samples, np.int32) if length is None else np.asarray(length, np.int32)
        n_rows = self._n_rows(len(features))
        groups = [slice(start, start + n_rows) for start in range(0, len(features), n_rows)]
        parts = [self._group_logits(features[group], real[group], n_rows) for group in groups]
        return np.concatenate([np.zeros((0, len(self.labels)), np.float32), *parts])

    def logits_of(self, clips: Clips, variables: list[Any] | None = None) -> NDArray[np.float32]:
        """Logits of the clips of a split, in order, float32, shape (len(clips), n_classes)."""
        return self.run(self.source(clips), len(clips), variables)

    def source(self, clips: Clips, negatives: Negatives | None = None) -> Source:
        """The clips of a split, in the batches that :meth:`run` takes; `negatives` are heard in streams of them, as in training."""
        return source(clips, self.bundle.config, batch=self._batch, negatives=negatives)

    def run(self, clips: Source, n_clips: int, variables: list[Any] | None = None) -> NDArray[np.float32]:
        """Logits of all clips of a source; `variables` are states that together hold what the network does, by default its own."""
        batches = plan(n_clips, self._batch)
        # Fetched one by one: blocks that wait for the device would fill the memory.
        parts = [np.asarray(self._forward(variables or self._variables, block, group)) for block, group in clips.chunks(batches, 0)]
        logits: NDArray[np.float32] = np.concatenate(parts)[: len(batches.rows)][batches.weight > 0]
        return logits

    @property
    def _batch(self) -> int:
        return self.bundle.config.batch if self._at_once else _IN_CACHE

    def _n_rows(self, n: int) -> int:
        """Clips of a compiled call for `n` clips or more: of few sizes, so that little is compiled."""
        n_rows = min(GROUP, 1 << (max(1, n) - 1).bit_length())
        return -(-n_rows // self._n_devices) * self._n_devices

    def _group_logits(self, features: NDArray[np.floating], length: NDArray[np.int32], n_rows: int) -> NDArray[np.float32]:
        """Logits of at most `n_rows` clips; the last of them stands in for those that are missing."""
        n = len(features)
        row = np.minimum(np.arange(n_rows), n - 1)
        first, last = frame_range(self.bundle.feature_config, length[row])
        block = Block(features if n == n_rows else features[row], np.zeros(n_rows, np.int32), first, last)
        rows = np.arange(n_rows, dtype=np.int32).reshape(-1, n_rows if self._at_once else min(n_rows, _IN_CACHE))
        with self._turn:
            given = self._forward(self._variables, *replicated((block, Batches(rows, np.ones(rows.shape, np.float32)))))
            return np.asarray(given).reshape(n_rows, -1)[:n]

    @overload
    def predict(self, clips: str | os.PathLike[str] | BinaryIO | NDArray[Any]) -> Prediction: ...

    @overload
    def predict(self, clips: list[Any] | tuple[Any, ...]) -> list[Prediction]: ...

    def predict(self, clips: Any) -> Prediction | list[Prediction]:
        """Classify recordings.

        Parameters
        ----------
        clips : path, binary file object or ndarray, shape (n_samples,), or a list of them
            What libsndfile reads, or a mono waveform at the run's sample rate, float in [-1, 1] or int16; each is padded or
            cropped as the run's features were; what is cut off is among the `remarks` of the answer, and of an
            array a warning.

        Returns
        -------
        Prediction, or a list of them
            One that cannot be read or used has an `error`.
        """
        if not isinstance(clips, (list, tuple)):
            return self.predict([clips])[0]
        answers = [answer for group in groups(clips) for answer in self.predict_group(group, n_clips=len(clips))]
        arrays = (answer for clip, answer in zip(clips, answers, strict=True) if isinstance(clip, np.ndarray))
        for text in sorted({text for answer in arrays for text in answer.remarks}):
            warnings.warn(f"an array is {text}", stacklevel=3)  # once for each line of a program, as Python does
        return answers

    def predict_group(self, clips: Sequence[Any], *, n_clips: int) -> list[Prediction]:
        """:meth:`predict` for one of the :func:`groups` of `n_clips` clips."""
        config = self.bundle.feature_config
        group = Group.read(clips, config)
        features = np.zeros((len(clips), *config.shape), np.float32)
        for i, clip in group.arrays.items():
            try:
                y, group.length[i] = as_clip(clip, config, remark=group.remarks.setdefault(i, []).append)
                features[i] = self._front_end.extract_batch(y[None], lengths=group.length[i : i + 1])[0]
            except AudioError as error:
                group.errors[i] = str(error)
        if files := group.files:
            rows = np.zeros(len(files), np.int64)  # each by itself, as an array is: its dither does not depend on the others
            features[files] = self._front_end.extract_batch(group.audio[files], lengths=group.length[files], rows=rows)
        given = probabilities(self._group_logits(features, group.length, self._n_rows(n_clips)), self.bundle.config.loss)
        return group.answers(given, self.labels, self.bundle.threshold)

    @cached_property
    def _front_end(self) -> FrontEnd:
        check_algorithm(self.bundle.feature_config, self.bundle.algorithm, where=str(self.bundle.folder))
        return FrontEnd(self.bundle.feature_config)


def groups(clips: Sequence[Any]) -> Iterator[Sequence[Any]]:
    """The clips in parts of up to `GROUP`."""
    return (clips[start : start + GROUP] for start in range(0, len(clips), GROUP))


def load(run: str | os.PathLike[str]) -> Classifier:
    """The trained network of a run folder.

    Parameters
    ----------
    run : path
        A run folder, as from :func:`kwstrain.fit`.

    Returns
    -------
    Classifier
        Labels recordings, and gives the logits of features in memory.

    Raises
    ------
    StoreError
        If `run` is not a complete run folder.

    Examples
    --------
    >>> prediction = load("runs/words").predict("recordings/yes/ann_nohash_0.wav")
    >>> prediction.label in ("high", "low", "noise"), 0 < prediction.probability <= 1
    (True, True)
    """
    return Classifier(Bundle.load(run))


def logits_function(model: Network, *, sequential: bool) -> Callable[..., tuple[jax.Array, tuple[()]]]:
    """Give ``apply(variables, x, mask) -> (logits (batch, n_classes), ())`` for evaluation, to be called in a compiled function.

    `variables` is a list of states that together hold all of the model's variables, as ``nnx.split`` gives them.
    """
    model.eval()  # type: ignore[no-untyped-call]
    model.use(operations.for_inference(jax.default_backend()))
    graph = nnx.graphdef(model)

    def logits_of(variables: list[Any], x: jax.Array, mask: jax.Array) -> tuple[jax.Array, tuple[()]]:
        return nnx.merge(graph, *variables)(x, mask), ()

    return per_device(logits_of, n_shared=1) if sequential else logits_of


def forward_function(model: Network, *, sequential: bool) -> Callable[..., jax.Array]:
    """Compile ``forward(variables, block, batches) -> logits (n_steps, batch, n_classes)``; see :func:`logits_function`."""
    apply = logits_function(model, sequential=sequential)

    @jax.jit
    def forward(variables: list[Any], block: Block, batches: Batches) -> jax.Array:
        def one(carry: None, rows: jax.Array) -> tuple[None, jax.Array]:
            return carry, apply(variables, *take(block, rows))[0]

        return whole(jax.lax.scan(one, None, batches.rows)[1])  # type: ignore[no-any-return]

    return forward
