"""A warm start: a network begins with the weights of a finished run, with a new head where it knows other classes."""

from __future__ import annotations

import os

import numpy as np
from flax import nnx
from numpy.typing import NDArray

from kwsfeat import ConfigError, Reader
from kwstrain.config import TrainConfig
from kwstrain.inference.bundle import Bundle, set_weights, weights_of
from kwstrain.models import Network, create_shapes, spec


class Start:
    """The finished run that another begins with.

    Parameters
    ----------
    run : path
        Its run folder.

    Raises
    ------
    StoreError
        If `run` is not a complete run folder.
    """

    def __init__(self, run: str | os.PathLike[str]) -> None:
        self.bundle = Bundle.load(run)
        self.fingerprint = self.bundle.fingerprint

    @property
    def statistics(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Mean and deviation that its weights expect features to be standardised with."""
        return self.bundle.mean, self.bundle.std

    def check(self, reader: Reader, config: TrainConfig) -> None:
        """Whether a network that is trained on `reader` with `config` can begin with it.

        Raises
        ------
        ConfigError
            If it is another network or was trained on other features, saying which.
        """
        self.bundle.check_features(reader, config.features or reader.feature_names[0])
        ours, theirs = (spec(one.arch).options.changed(one.options, of=one.arch) for one in (config, self.bundle.config))
        if config.arch != self.bundle.config.arch:
            raise ConfigError(f"{self.bundle.folder} is a {self.bundle.config.arch}: give --arch {self.bundle.config.arch}")
        if ours != theirs:
            raise ConfigError(f"{self.bundle.folder} has other options of {config.arch}: {'; '.join(theirs.differing(ours))}")
        if config.weights:
            raise ConfigError(f"weights={config.weights!r} and the weights of {self.bundle.folder} exclude each other: give one")

    def new_head(self, labels: tuple[str, ...]) -> bool:
        """Whether a network for `labels` needs another head than the run has."""
        return labels != self.bundle.labels

    def fill(self, model: Network, labels: tuple[str, ...]) -> None:
        """Give `model`, which tells `labels` apart, the weights of the run; its head stays as it is where the labels differ."""
        new = self._head(len(labels)) if self.new_head(labels) else set()
        head = {name: value for name, value in weights_of([nnx.state(model, nnx.Param)]).items() if name in new}
        set_weights(model, {**self.bundle.weights, **head}, where=str(self.bundle.folder))

    def _head(self, n_classes: int) -> set[str]:
        """Names of the variables whose shape follows from the number of classes."""
        config = self.bundle.config

        def shapes(n: int) -> dict[str, tuple[int, ...]]:
            model = create_shapes(config.arch, input_shape=self.bundle.feature_config.shape, n_classes=n, **config.options)
            return {"/".join(map(str, path)): value.shape for path, value in nnx.to_flat_state(nnx.state(model, nnx.Param))}

        fewer, more = shapes(n_classes), shapes(n_classes + 1)
        return {name for name, shape in fewer.items() if more[name] != shape}
