"""Recordings in, labels out: streamed in batches, with the features that the run was trained on."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import jax
import numpy as np
from flax import nnx

from kwsfeat import AudioError, FrontEnd, check_algorithm, load_clip, thread_count
from kwstrain.data.clips import frame_range
from kwstrain.evaluation.metrics import probabilities
from kwstrain.inference.bundle import Bundle
from kwstrain.models import spec
from kwstrain.training.devices import replicated
from kwstrain.training.step import Batches, Block, forward_function

_GROUP = 64  # clips that one thread works on
_IN_CACHE = 4  # clips whose convolution maps a CPU keeps near: three times as fast as all of a group at once


@dataclass(frozen=True)
class Prediction:
    """The most probable class of one recording; `error` says why there is none, and `label` is then empty."""

    path: Path
    label: str = ""
    probability: float = 0.0
    error: str = ""


def predict(run: str | Path, paths: Sequence[Path], *, threads: int | None = None) -> Iterator[Prediction]:
    """Classify recordings, in the order given.

    Each thread takes 64 clips from recording to label, so that none waits for another and, however many `paths` there are,
    only a few such groups are in memory.

    Parameters
    ----------
    run : path
        A run folder.
    paths : sequence of path
        Anything that libsndfile reads. One that cannot be read gives a Prediction with `error`.
    threads : int >= 1, optional
        One per processor without it, at most 16.

    Yields
    ------
    Prediction
        The most probable label of a recording and its probability; in the order of `paths`.

    Raises
    ------
    StoreError
        If `run` is no complete run folder.

    Examples
    --------
    >>> from pathlib import Path
    >>> for prediction in predict("runs/words", [Path("recordings/yes/ann_nohash_0.wav"), Path("missing.wav")]):
    ...     print(prediction.label in ("high", "low", "noise"), prediction.error)
    True
    False missing.wav: no such file
    """
    n_threads = thread_count(threads)
    classify = _Classifier(Bundle.load(run), n_rows=max(1, min(_GROUP, len(paths))))
    groups = (paths[start : start + _GROUP] for start in range(0, len(paths), _GROUP))
    with ThreadPoolExecutor(n_threads) as pool:
        ahead: deque[Future[list[Prediction]]] = deque()
        try:
            for group in groups:
                ahead.append(pool.submit(classify, group))
                if len(ahead) > 2 * n_threads:
                    yield from ahead.popleft().result()
            while ahead:
                yield from ahead.popleft().result()
        finally:
            for future in ahead:
                future.cancel()


class _Classifier:
    """From a group of recordings to their predictions; every call works on `n_rows` rows, so that nothing compiles twice."""

    def __init__(self, bundle: Bundle, n_rows: int) -> None:
        n_devices = jax.local_device_count()
        self.bundle = bundle
        self.n_rows = -(-n_rows // n_devices) * n_devices
        check_algorithm(bundle.feature_config, bundle.algorithm, where=str(bundle.folder))
        self.front_end = FrontEnd(bundle.feature_config)
        self.forward = forward_function(bundle.model, mean=bundle.mean, std=bundle.std)
        self.variables = [nnx.state(bundle.model)]
        # The steps of a recurrent network follow each other anyway, so it takes all clips at once, as accelerators do.
        whole = jax.default_backend() != "cpu" or n_devices > 1 or spec(bundle.config.arch).sequential or self.n_rows % _IN_CACHE
        rows = np.arange(self.n_rows, dtype=np.int32).reshape(-1, self.n_rows if whole else _IN_CACHE)
        self.batches = replicated(Batches(rows, np.ones(rows.shape, np.float32)))
        # Devices that wait for each other must be given their programs in one order.
        self.turn = threading.Lock() if n_devices > 1 else nullcontext()

    def __call__(self, group: Sequence[Path]) -> list[Prediction]:
        bundle, config = self.bundle, self.bundle.feature_config
        audio = np.zeros((self.n_rows, config.n_samples), np.int16)
        length = np.ones(self.n_rows, np.int32)
        errors: dict[int, str] = {}
        for i, path in enumerate(group):
            try:
                _, length[i] = load_clip(path, config, out=audio[i])
            except AudioError as error:
                audio[i] = 0
                errors[i] = str(error)
        features = self.front_end.extract_batch(audio, lengths=length)
        block = replicated(Block(features, np.zeros(self.n_rows, np.int32), *frame_range(config, length)))
        with self.turn:
            logits = np.asarray(self.forward(self.variables, block, self.batches)).reshape(self.n_rows, -1)
        given = probabilities(logits, bundle.config.loss)
        best = given.argmax(axis=1)
        return [
            Prediction(path, error=errors[i]) if i in errors else Prediction(path, bundle.labels[best[i]], float(given[i, best[i]]))
            for i, path in enumerate(group)
        ]
