"""Which run folder a training may write to, and that a good run in it survives until there is a better one."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from kwsfeat import ConfigError, StoreError
from kwstrain.inference.bundle import Bundle, replaced
from kwstrain.training.folder.lock import held


class RunFolder:
    """The folder of one run. A run that it replaces waits beside it until the new one has completed an epoch."""

    def __init__(self, out: Path) -> None:
        self.out = out
        self._place = out.resolve()  # a link to it stays
        self._replaced = replaced(out)

    @contextmanager
    def opened(self, bundle: Bundle, *, overwrite: bool, resume: bool) -> Iterator[None]:
        """Make the folder, replace the run in it, or take that up; after a failure before the first epoch the old run is there again.

        Raises
        ------
        StoreError
            If something is there that is not to be replaced or that another training writes to, or nothing that can be taken up.
        ConfigError
            If the run that is to be taken up was trained on something else.
        """
        if not resume:
            self._place.parent.mkdir(parents=True, exist_ok=True)
        with held(self.out):
            self._restore()
            if resume:
                self._check_same(bundle)
            else:
                self._make_room(bundle, overwrite=overwrite)
            self._place.mkdir(exist_ok=True)
            try:
                yield
            finally:
                self._restore()

    def keep(self) -> None:
        """The new run has weights: the one that it replaces is no longer needed."""
        if self._replaced.exists():
            shutil.rmtree(self._replaced)

    def _make_room(self, bundle: Bundle, *, overwrite: bool) -> None:
        """What is there must be nothing, or a run that may be replaced; that one goes aside."""
        if not self.out.exists() or (self.out.is_dir() and not any(self.out.iterdir())):
            return
        if not overwrite:
            raise StoreError(f"{self.out} exists: choose another --out, or --overwrite, or --resume")
        if not (self.out / "bundle.json").is_file():
            raise StoreError(f"{self.out} is not a run folder, so it is not overwritten: choose another --out")
        if Path(bundle.data).resolve().is_relative_to(self._place):
            raise StoreError(f"{self.out} holds {bundle.data}, which is to be trained on: choose another --out")
        if Path.cwd().is_relative_to(self._place):
            raise StoreError(f"{self._place} is where you are, so it is not overwritten: go elsewhere, or choose another --out")
        self._place.rename(self._replaced)

    def _restore(self) -> None:
        """Put a replaced run back where its successor came to nothing."""
        if self._replaced.exists():
            if (self.out / "weights.npz").is_file():
                self.keep()
                return
            if self._place.exists():
                shutil.rmtree(self._place)
            self._replaced.rename(self._place)

    def _check_same(self, bundle: Bundle) -> None:
        """The run in the folder must have been trained on the same labels and features, or its weights would mean something else."""
        if not (self.out / "checkpoint.npz").is_file():
            raise StoreError(f"{self.out} holds no checkpoint to resume: start without --resume")
        earlier = Bundle.load(self.out)
        if earlier.labels != bundle.labels:
            raise ConfigError(
                f"{self.out} was trained on the labels {', '.join(earlier.labels)}, {bundle.data} has {', '.join(bundle.labels)}: "
                "give the file that it was trained on, or start without --resume"
            )
        if differences := earlier.feature_config.differences(bundle.feature_config):
            raise ConfigError(
                f"{self.out} was trained on other features (run != file): {'; '.join(differences)}: "
                "give the file that it was trained on, or start without --resume"
            )
        if not (np.array_equal(earlier.mean, bundle.mean) and np.array_equal(earlier.std, bundle.std)):
            raise ConfigError(
                f"{self.out} was trained on other clips than {bundle.data} holds (the mean of the training features differs): "
                "give the file that it was trained on, or start without --resume"
            )
        if earlier.clips and earlier.clips != bundle.clips:  # earlier versions kept no digest
            raise ConfigError(
                f"{self.out} was trained or validated on other clips than those of {bundle.data} (another file, split or number of folds): "
                "give what it was begun with, or start without --resume"
            )
