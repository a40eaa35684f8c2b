"""The training of a student: its vectors come near those of the teacher, frame by frame, most of all where something is heard."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx
from numpy.typing import NDArray

from kwstrain import operations
from kwstrain.inference.bundle import weights_of
from kwstrain.models import create
from kwstrain.models.outlines.speech_embedding import RECEPTIVE_FIELD, STRIDE
from kwstrain.teaching.distil.narrow import narrowed
from kwstrain.teaching.distil.pairs import Pairs
from kwstrain.teaching.embeddings.embedding import Embedding
from kwstrain.training.optim import moved_average

ARCH = "speech-embedding"
BATCH = 8
N_VECTORS = 40  # of a track that are learnt at a time
TRACKS_TO_FIT = 32  # on which the student begins
_FRAMES = RECEPTIVE_FIELD + STRIDE * (N_VECTORS - 1)
_EVEN = 0.05  # of the mean variance is added to that of every direction before they are made alike
_EMA = 0.99
_AUDIBLE_DB, _SOFT_DB, _LEAST = -50.0, 5.0, 0.1  # a vector that has heard less counts a tenth
_AT_ONCE = 20  # tracks in validation


@dataclass(frozen=True)
class Progress:
    """After an epoch: mean losses, and the mean cosine on validation."""

    epoch: int
    train_loss: float
    loss: float
    cosine: float
    seconds: float


class Distillation:
    """A student and what it learns from.

    It begins as the teacher with fewer channels, and gives those directions of the teacher's vectors in which they vary most.

    Parameters
    ----------
    teacher : Embedding
    train, validation : Pairs
    width : int
        Of the student; a vector has four times as many numbers.
    n_epochs : int, >= 1
    lr : float
    seed : int
    """

    def __init__(
        self, teacher: Embedding, train: Pairs, validation: Pairs, *, width: int, n_epochs: int, lr: float = 1e-3, seed: int = 0
    ) -> None:
        self.pairs, self.validation, self._seed = train, validation, seed
        vectors = train.vectors.reshape(-1, train.vectors.shape[-1]).astype(np.float64)
        variance, directions = np.linalg.eigh(np.cov(vectors.T))
        rotation = directions[:, ::-1][:, : 4 * width]
        self._scale = np.sqrt(np.maximum(variance[::-1][: 4 * width], 0) + _EVEN * variance.mean())
        whiten = rotation / self._scale
        self._middle = (vectors.mean(axis=0) @ whiten).astype(np.float32)
        self._targets = [
            (one.vectors.astype(np.float32) @ whiten.astype(np.float32), _weights(one.level_db)) for one in (train, validation)
        ]
        start = narrowed(teacher.arrays, width, whiten, _some(train, seed))
        model = create(ARCH, input_shape=(_FRAMES, train.features.shape[-1]), n_classes=2, seed=seed, width=width)
        for path, variable in nnx.to_flat_state(nnx.state(model)):
            if path[0] != "out":
                variable.set_value(jnp.asarray(start["/".join(map(str, path))]))
        model.use(operations.for_training(jax.default_backend()))
        self._graph: Any = nnx.graphdef(model)
        self.params: Any = nnx.state(model, nnx.Param)
        self._fixed: Any = nnx.state(model, nnx.Not(nnx.Param))
        self.n_steps = len(train.features) // BATCH
        rate = optax.cosine_onecycle_schedule(self.n_steps * n_epochs, lr, pct_start=0.1, final_div_factor=1e3)
        self._tx = optax.chain(optax.clip_by_global_norm(1.0), optax.adam(rate))
        self.opt, self.average, self.done = self._tx.init(self.params), self.params, 0
        self._train, self._evaluate = jax.jit(self._step), jax.jit(self._judged)

    def _apart(self, params: Any, x: jax.Array, target: jax.Array, weight: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Weighted means of the square of what vectors differ by, and of the cosine between them."""
        model: Any = nnx.merge(self._graph, params, self._fixed, copy=True)
        given = model.vectors(model.input_norm(x))[:, :, 0]
        squares = jnp.square(given - target).mean(axis=-1)
        a, b = given - self._middle, target - self._middle
        cosine = (a * b).sum(axis=-1) / jnp.sqrt(jnp.square(a).sum(axis=-1) * jnp.square(b).sum(axis=-1) + 1e-6)
        return (weight * squares).sum() / weight.sum(), (weight * cosine).sum() / weight.sum()

    def _step(
        self, params: Any, opt: Any, average: Any, done: jax.Array, x: jax.Array, target: jax.Array, weight: jax.Array
    ) -> tuple[Any, Any, Any, jax.Array]:
        def loss(params: Any) -> jax.Array:
            squares, cosine = self._apart(params, x, target, weight)
            return squares + 1 - cosine

        value, gradient = jax.value_and_grad(loss)(params)
        updates, opt = self._tx.update(gradient, opt, params)
        params = optax.apply_updates(params, updates)
        return params, opt, moved_average(average, params, _EMA, done), value

    def _judged(self, params: Any, x: jax.Array, target: jax.Array, weight: jax.Array) -> jax.Array:
        return jnp.stack(self._apart(params, x, target, weight))

    def epoch(self) -> Progress:
        """Hear a part of each track, of one of its copies, in an order of its own."""
        began = time.monotonic()
        rng = np.random.default_rng((self._seed, 0xD15, self.done))
        order, losses = rng.permutation(len(self.pairs.features)), []
        for i in range(self.n_steps):
            x, target, weight = self._batch(order[i * BATCH : (i + 1) * BATCH], rng)
            now = jnp.asarray(self.done * self.n_steps + i)
            self.params, self.opt, self.average, loss = self._train(self.params, self.opt, self.average, now, x, target, weight)
            losses.append(loss)
        self.done += 1
        squares, cosine = self.judge()
        return Progress(self.done, float(np.mean(np.array(losses))), squares, cosine, time.monotonic() - began)

    def _batch(self, rows: NDArray[np.int64], rng: np.random.Generator) -> tuple[NDArray[np.float32], ...]:
        target, weight = self._targets[0]
        first = rng.integers(target.shape[1] - N_VECTORS + 1, size=len(rows))
        copy = rng.integers(self.pairs.features.shape[1], size=len(rows))
        frames = STRIDE * first[:, None] + np.arange(_FRAMES)
        vectors = first[:, None] + np.arange(N_VECTORS)
        x = self.pairs.features[rows[:, None], copy[:, None], frames].astype(np.float32)
        return x, target[rows[:, None], vectors], weight[rows[:, None], vectors]

    def judge(self) -> tuple[float, float]:
        """Mean square and mean cosine of the averaged student on validation, all copies."""
        target, weight = self._targets[1]
        found = [
            self._evaluate(self.average, self.validation.features[i : i + _AT_ONCE, k].astype(np.float32), target[i : i + _AT_ONCE],
                           weight[i : i + _AT_ONCE])
            for k in range(self.validation.features.shape[1]) for i in range(0, len(target), _AT_ONCE)
        ]  # fmt: skip
        squares, cosine = np.mean(np.array(found), axis=0)
        return float(squares), float(cosine)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """The averaged weights, by name, the last layer of which gives vectors about their mean in the teacher's units."""
        arrays = weights_of([self.average, self._fixed])
        kept = {name: value for name, value in arrays.items() if not name.startswith("out/")}
        return {
            **kept, "last/kernel": (arrays["last/kernel"] * self._scale).astype(np.float32),
            "last/bias": (-self._middle * self._scale).astype(np.float32),
            "out/kernel": np.zeros((1, 1, len(self._scale), 1), np.float32),
        }  # fmt: skip


def _weights(level_db: NDArray[np.float16]) -> NDArray[np.float32]:
    """How much each vector counts, (n_tracks, n), by the loudest tenth of a second that it has heard."""
    heard = np.lib.stride_tricks.sliding_window_view(level_db.astype(np.float32), 10, axis=1).mean(axis=-1)
    starts = range(0, level_db.shape[1] - RECEPTIVE_FIELD + 1, STRIDE)
    loudest = np.stack([heard[:, t + 10 : t + RECEPTIVE_FIELD - 10].max(axis=1) for t in starts], axis=1)
    return np.asarray(_LEAST + (1 - _LEAST) / (1 + np.exp(-(loudest - _AUDIBLE_DB) / _SOFT_DB)), np.float32)


def _some(pairs: Pairs, seed: int) -> NDArray[np.float32]:
    """Tracks on which the student is fitted, one of the copies of each."""
    rng = np.random.default_rng((seed, 0xF17))
    rows = rng.permutation(len(pairs.features))[:TRACKS_TO_FIT]
    copies = rng.integers(pairs.features.shape[1], size=len(rows))
    return pairs.features[rows, copies, :_FRAMES].astype(np.float32)
