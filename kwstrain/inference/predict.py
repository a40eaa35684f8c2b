"""Many recordings in, labels out: streamed in groups, with the features that the run was trained on."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import BinaryIO, TypeVar

from kwsfeat import refuse_one_path, thread_count
from kwstrain.devices import alone, n_processes
from kwstrain.inference.classifier import GROUP, Classifier, groups, load
from kwstrain.inference.exported import ExportedClassifier, is_exported
from kwstrain.inference.group import Part, Prediction
from kwstrain.processes import gathered, rank

__all__ = ["Prediction", "predict", "predict_all"]

G = TypeVar("G")
R = TypeVar("R")


def predict(run: str | Path, paths: Sequence[str | Path | BinaryIO], *, threads: int | None = None) -> Iterator[Prediction]:
    """Classify recordings, in the order given.

    Each thread takes 64 clips from recording to label, so that none waits for another and, however many `paths` there are,
    only a few such groups are in memory. Several processes that are :func:`kwstrain.together` take turns with these groups, and all of
    them get all answers.

    Parameters
    ----------
    run : path
        A run folder, or an ONNX file that ``kwstrain export`` wrote.
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
        If `run` is neither a complete run folder nor an exported file.
    ConfigError
        If `paths` is one path.

    Examples
    --------
    >>> for prediction in predict("runs/words", ["recordings/yes/ann_nohash_0.wav", "missing.wav"]):
    ...     print(prediction.label in ("high", "low", "noise"), prediction.error)
    True
    False missing.wav: no such file
    """
    refuse_one_path("paths", paths)
    if (n := n_processes()) == 1:
        yield from chain.from_iterable(_ahead(partial(opened(run).predict_group, n_clips=len(paths)), groups(paths), threads))
        return
    with alone():
        classify = partial(opened(run).predict_group, n_clips=len(paths))
        mine = _ahead(classify, islice(groups(paths), rank(), None, n), threads)
        for _ in range(0, len(paths), n * GROUP):
            yield from chain.from_iterable(gathered(next(mine, [])))


def predict_all(classifier: Classifier, parts: Iterable[Part], *, threads: int | None = None) -> Iterator[tuple[Part, Prediction]]:
    """:func:`predict` for parts of recordings, of which nobody needs to know how many there are: each with its answer, in order."""

    def classify(group: list[Part]) -> list[tuple[Part, Prediction]]:
        return list(zip(group, classifier.predict_group(group, n_clips=GROUP), strict=True))

    iterator = iter(parts)
    for answers in _ahead(classify, iter(lambda: list(islice(iterator, GROUP)), []), threads):
        yield from answers


def _ahead(classify: Callable[[G], R], given: Iterable[G], threads: int | None) -> Iterator[R]:
    """What `classify` makes of each of the groups, in order, by threads that stay a little ahead."""
    n_threads = thread_count(threads)
    with ThreadPoolExecutor(n_threads) as pool:
        ahead: deque[Future[R]] = deque()
        try:
            for group in given:
                ahead.append(pool.submit(classify, group))
                if len(ahead) > 2 * n_threads:
                    yield ahead.popleft().result()
            while ahead:
                yield ahead.popleft().result()
        finally:
            for future in ahead:
                future.cancel()


def opened(run: str | Path) -> Classifier | ExportedClassifier:
    """What classifies: a run folder, or an exported file."""
    return ExportedClassifier(run) if is_exported(run) else load(run)
