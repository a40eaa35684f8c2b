"""Many recordings in, labels out: streamed in groups, with the features that the run was trained on."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import BinaryIO

from kwsfeat import thread_count
from kwstrain.inference.classifier import Prediction, groups, load

__all__ = ["Prediction", "predict"]


def predict(run: str | Path, paths: Sequence[Path | BinaryIO], *, threads: int | None = None) -> Iterator[Prediction]:
    """Classify recordings, in the order given.

    Each thread takes 64 clips from recording to label, so that none waits for another and, however many `paths` there are,
    only a few such groups are in memory.

    Parameters
    ----------
    run : path
        A run folder.
    paths : sequence of path or binary file object
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
        If `run` is not a complete run folder.

    Examples
    --------
    >>> from pathlib import Path
    >>> for prediction in predict("runs/words", [Path("recordings/yes/ann_nohash_0.wav"), Path("missing.wav")]):
    ...     print(prediction.label in ("high", "low", "noise"), prediction.error)
    True
    False missing.wav: no such file
    """
    n_threads = thread_count(threads)
    classify = partial(load(run).predict_group, n_clips=len(paths))
    with ThreadPoolExecutor(n_threads) as pool:
        ahead: deque[Future[list[Prediction]]] = deque()
        try:
            for group in groups(paths):
                ahead.append(pool.submit(classify, group))
                if len(ahead) > 2 * n_threads:
                    yield from ahead.popleft().result()
            while ahead:
                yield from ahead.popleft().result()
        finally:
            for future in ahead:
                future.cancel()
