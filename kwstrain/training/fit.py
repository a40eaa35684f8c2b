"""Training: a feature file and a TrainConfig in, a run folder out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kwsfeat import ConfigError, Reader
from kwstrain.config import TrainConfig
from kwstrain.data.augmentation import policy_for
from kwstrain.data.negatives import Negatives
from kwstrain.data.streams import NO_WORDS, for_stream
from kwstrain.devices import one_per_core
from kwstrain.models import spec
from kwstrain.processes import check_alike, is_first
from kwstrain.training.diverged import DivergedError
from kwstrain.training.result import FitResult, Tick
from kwstrain.training.run import Run
from kwstrain.training.start import Start
from kwstrain.training.teacher import Teacher

__all__ = ["DivergedError", "FitResult", "Tick", "fit"]


def fit(
    path: str | Path,
    config: TrainConfig,
    out: str | Path,
    *,
    overwrite: bool = False,
    resume: bool = False,
    teacher: str | Path | None = None,
    start: str | Path | None = None,
    negatives: Sequence[str | Path] = (),
    part: tuple[int, int] = (1, 1),
    rows: tuple[NDArray[np.int64], NDArray[np.int64]] | None = None,
    progress: Callable[[Tick], None] | None = None,
) -> FitResult:
    """Train a network and write its run folder.

    Several processes that are :func:`kwstrain.together` train one network on the devices of all; the first one writes.

    Parameters
    ----------
    path : path
        A file of ``kwsfeat build``.
    config : TrainConfig
        How to train.
    out : path
        The run folder.
    overwrite, resume : bool
        What to do when `out` is there: replace it, or go on after its last complete epoch.
    teacher : path, optional
        A finished run, on the same features and labels, whose answers the network learns from as well (distillation).
    start : path, optional
        A finished run of the same network on the same features, whose weights it begins with. Where that knows other labels, the
        layers that depend on their number begin anew.
    negatives : sequence of path, optional
        Folders of recordings without the words, for a network that is trained to listen (``TrainConfig.stream``): heard in the place
        of half of the clips that are no wanted word, and around and behind the words.
    part : pair of int
        (k, n): every n-th of these recordings, from the k-th on.
    rows : two int64 arrays, optional
        Training and validation rows instead of the file's own splits.
    progress : callable, optional
        Called with a :class:`Tick` after every compiled call.

    Returns
    -------
    FitResult
        The run, a record of each epoch, and which epoch's weights were kept.

    Raises
    ------
    StoreError, ConfigError
        If the file, a choice or the teacher does not fit.
    DivergedError
        When the loss becomes NaN or infinite, with step, batch and the likely cause.
    KeyboardInterrupt
        After the best weights and the pictures were saved.

    Examples
    --------
    >>> from kwstrain import TrainConfig
    >>> result = fit("words.h5", TrainConfig(arch="lstm", options={"units": 4}, epochs=1), "runs/new")
    >>> len(result.records), result.best_epoch
    (1, 1)
    """
    if spec(config.arch).sequential:
        one_per_core(at_most=config.batch // 8)
    with Reader(path) as reader:
        config = for_stream(replace(config, augment=policy_for(config, reader)[0]), reader)
        teaches = Teacher(teacher) if teacher else None
        begins = Start(start) if start else None
        config = replace(
            config,
            teacher=_checked("teacher", "--teacher", config.teacher, teaches, config, reader),
            start=_checked("start", "--from", config.start, begins, config, reader),
        )
        heard = _heard(negatives, part, config, reader)
        config = replace(config, negatives=heard.digest if heard else "")
        run = Run(reader, config, Path(out), rows, teaches, begins, heard)
        check_alike({**config.to_dict(), "resume": resume, "clips": run.bundle.clips})
        with run.folder.opened(run.bundle, overwrite=overwrite, resume=resume) if is_first() else nullcontext():
            if resume:
                run.resume()
            if is_first():
                run.bundle.save()
            return run.go(progress or (lambda tick: None))


def _heard(folders: Sequence[str | Path], part: tuple[int, int], config: TrainConfig, reader: Reader) -> Negatives | None:
    """The negatives that were given, which must be those that `config` names, where it names some."""
    wanted = config.negatives
    if not folders:
        if wanted:
            raise ConfigError(f"negatives={wanted!r} is the digest of recordings: give these as --negatives, and their --part")
        if part != (1, 1):
            raise ConfigError(f"part {part[0]}/{part[1]} is one of the negatives: give these as --negatives")
        return None
    if not config.stream:
        raise ConfigError("negatives are heard by a network that is trained to listen: add --stream")
    if not set(NO_WORDS) & set(reader.labels):
        raise ConfigError(f"negatives are no word, and {reader.path} has no class for that: build it with --silence-share or --unknown")
    found = Negatives(folders, reader.config(config.features or None).sr, part)
    if wanted not in ("", found.digest):
        raise ConfigError(f"negatives={wanted!r} are other recordings, or another part, than these, whose digest is {found.digest!r}")
    return found


def _checked(field: str, option: str, wanted: str, run: Teacher | Start | None, config: TrainConfig, reader: Reader) -> str:
    """The fingerprint of the run that was given, which must be the one that `config` names, where it names one."""
    if run is None:
        if wanted:
            raise ConfigError(f"{field}={wanted!r} is the fingerprint of a run: give that run as {option}")
        return ""
    if wanted not in ("", run.fingerprint):
        raise ConfigError(f"{field}={wanted!r} is another run than {run.bundle.folder}, whose fingerprint is {run.fingerprint!r}")
    run.check(reader, config)
    return run.fingerprint
