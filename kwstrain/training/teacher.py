"""Distillation: a finished run whose answers another network learns from (Hinton et al. 2015, arXiv:1503.02531)."""

from __future__ import annotations

import os

import jax
from flax import nnx

from kwsfeat import ConfigError, Reader
from kwstrain.config import TrainConfig
from kwstrain.devices import replicated
from kwstrain.inference.bundle import Bundle
from kwstrain.inference.classifier import logits_function
from kwstrain.models import spec


class Teacher:
    """The network of a finished run, inside a compiled step.

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
        model = self.bundle.model
        self._apply = logits_function(model, sequential=spec(self.bundle.config.arch).sequential)
        self._variables = replicated([nnx.state(model)])

    def check(self, reader: Reader, config: TrainConfig) -> None:
        """Whether it can teach a network that is trained on `reader` with `config`.

        Raises
        ------
        ConfigError
            If it was trained on other features or labels, with another kind of loss, or not on a stream, saying which.
        """
        self.bundle.check(reader)
        self.bundle.check_features(reader, config.features or reader.feature_names[0])
        if self.bundle.config.loss != config.loss:
            raise ConfigError(f"{self.bundle.folder} was trained with loss={self.bundle.config.loss}: -s loss={self.bundle.config.loss}")
        if config.stream and not self.bundle.config.stream:
            raise ConfigError(f"{self.bundle.folder} was trained on clips, it cannot teach on a stream: train the teacher with --stream")

    def __call__(self, x: jax.Array, mask: jax.Array) -> jax.Array:
        """Its logits (batch, n_classes) of features as they are extracted, not standardised."""
        return jax.lax.stop_gradient(self._apply(self._variables, x, mask)[0])
