"""The compiled part: many training steps, or many forward passes, in one call.

A call gets a block of clips and the rows of each batch in it. The block is the whole split when that lies on the device, or
the clips of just these steps when they come from the file: one function serves both, and shapes never change.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx
from jax.sharding import NamedSharding, PartitionSpec
from numpy.typing import NDArray

from kwstrain.config import TrainConfig
from kwstrain.training.devices import mesh, replicated


class Block(NamedTuple):
    """Clips: features float32 (n, n_frames, n_features), label int32 (n,), first and last int32 (n,): real frames [first, last)."""

    features: Any
    label: Any
    first: Any
    last: Any


class Batches(NamedTuple):
    """Steps of one call: rows int32 (n_steps, batch) into a block, weight float32 (n_steps, batch), 0 for fillers."""

    rows: Any
    weight: Any


class State(NamedTuple):
    """What a step changes: trained parameters, everything else in the network, optimiser state, number of steps done."""

    params: Any
    rest: Any
    opt: Any
    step: Any


class StepSums(NamedTuple):
    """Per step, (n_steps,): weighted loss and correct clips as sums, the clips counted, the gradient's norm."""

    loss: Any
    correct: Any
    count: Any
    gradient_norm: Any


def forward_function(model: nnx.Module, *, mean: NDArray[np.float32], std: NDArray[np.float32]) -> Callable[..., jax.Array]:
    """Compile ``forward(variables, block, batches) -> logits (n_steps, batch, n_classes)`` for evaluation.

    `variables` is a list of states that together hold all of the model's variables, as ``nnx.split`` gives them.
    """
    model.eval()
    graph = nnx.graphdef(model)
    prepare = _preparation(mean, std)

    @jax.jit
    def forward(variables: list[Any], block: Block, batches: Batches) -> jax.Array:
        def one(carry: None, rows: jax.Array) -> tuple[None, jax.Array]:
            x, mask = prepare(block, rows)
            return carry, nnx.merge(graph, *variables)(x, mask)

        return jax.lax.scan(one, None, batches.rows)[1]

    return forward


class TrainStep:
    """The compiled training functions of one run.

    Parameters
    ----------
    model : nnx.Module
        Its variables give the first state.
    trainable : filter
        Which variables are trained, for ``nnx.split``.
    config : TrainConfig
    tx : optax.GradientTransformation
    mean, std : ndarray, float32, (n_features,)
        Subtracted from and divided out of every frame.
    class_weight : ndarray, float32, (n_classes,)
        Factor on the loss of a clip of each class.
    """

    def __init__(
        self,
        model: nnx.Module,
        *,
        trainable: Any,
        config: TrainConfig,
        tx: optax.GradientTransformation,
        mean: NDArray[np.float32],
        std: NDArray[np.float32],
        class_weight: NDArray[np.float32],
    ) -> None:
        model.train()
        self._graph: nnx.GraphDef[nnx.Module] = nnx.graphdef(model)
        params, rest = nnx.state(model, trainable), nnx.state(model, nnx.Not(trainable))
        self._rest_filter = nnx.Not(trainable)
        self._config = config
        self._tx = tx
        self._prepare = _preparation(mean, std)
        self._class_weight = class_weight
        state = State(params, rest, tx.init(params), jnp.zeros((), jnp.int32))
        # Own buffers: the state is donated to each call, and the model must keep its arrays.
        self.first_state: State = replicated(jax.tree.map(jnp.copy, state))
        self.train = jax.jit(self._train, donate_argnums=0)
        self.gradients = jax.jit(self._gradients)

    def _train(self, state: State, block: Block, batches: Batches) -> tuple[State, StepSums]:
        """Run ``len(batches.rows)`` steps; a step whose weights are all 0 changes nothing."""

        def step(state: State, batch: tuple[jax.Array, jax.Array]) -> tuple[State, StepSums]:
            rows, weight = batch
            state, sums = jax.lax.cond(weight.sum() > 0, self._step, _no_step, state, block, rows, weight)
            return state, sums

        state, sums = jax.lax.scan(step, state, tuple(batches))
        return state, sums

    def _step(self, state: State, block: Block, rows: jax.Array, weight: jax.Array) -> tuple[State, StepSums]:
        (_, ((loss, correct, count), rest)), gradient = jax.value_and_grad(self._loss, has_aux=True)(
            state.params, state, block, rows, weight
        )
        updates, opt = self._tx.update(gradient, state.opt, state.params)
        sums = StepSums(loss, correct, count, optax.tree.norm(gradient))
        return State(optax.apply_updates(state.params, updates), rest, opt, state.step + 1), sums

    def _gradients(self, state: State, block: Block, batches: Batches) -> Any:
        """The gradient of the first batch's loss, for its histogram."""
        return jax.grad(self._loss, has_aux=True)(state.params, state, block, batches.rows[0], batches.weight[0])[0]

    def _loss(self, params: Any, state: State, block: Block, rows: jax.Array, weight: jax.Array) -> tuple[jax.Array, Any]:
        config = self._config
        key = jax.random.fold_in(jax.random.key(config.seed), state.step)
        x, mask = self._prepare(block, rows)
        x = spec_augment(x, jax.random.fold_in(key, 0), config)
        label = block.label[rows]
        n_classes = len(self._class_weight)
        target = optax.smooth_labels(jax.nn.one_hot(label, n_classes), config.label_smoothing)
        if config.mixup:
            x, target = mixup(x, target, jax.random.fold_in(key, 1), config.mixup)
        model = nnx.merge(self._graph, params, state.rest, copy=True)
        logits = model(x, mask)
        if config.loss == "softmax":
            loss = optax.softmax_cross_entropy(logits, target)
        else:
            loss = optax.sigmoid_binary_cross_entropy(logits, target).mean(-1)
        loss = (loss * (target @ self._class_weight) * weight).sum()
        correct = ((logits.argmax(-1) == label) * weight).sum()
        count = weight.sum()
        return loss / count, ((loss, correct, count), nnx.state(model, self._rest_filter))


def _no_step(state: State, block: Block, rows: jax.Array, weight: jax.Array) -> tuple[State, StepSums]:
    return state, StepSums(*jnp.zeros(4))


def spec_augment(x: jax.Array, key: jax.Array, config: TrainConfig) -> jax.Array:
    """Zero random runs of frames and of features, drawn for each clip (arXiv:1904.08779, section 2); 0 is the mean."""
    for axis, n_masks, widest in ((1, config.time_masks, config.time_mask_frames), (2, config.feature_masks, config.feature_mask_bins)):
        n = x.shape[axis]
        place = jnp.arange(n)
        for i in range(n_masks):
            width_key, start_key = jax.random.split(jax.random.fold_in(key, 100 * axis + i))
            width = jax.random.randint(width_key, (x.shape[0], 1), 0, min(widest, n) + 1)
            start = jax.random.randint(start_key, (x.shape[0], 1), 0, n - width + 1)
            kept = (place < start) | (place >= start + width)
            x = jnp.where(jnp.expand_dims(kept, 3 - axis), x, 0.0)
    return x


def mixup(x: jax.Array, target: jax.Array, key: jax.Array, alpha: float) -> tuple[jax.Array, jax.Array]:
    """Blend each clip and its target with another of the batch (arXiv:1710.09412); the share is drawn from Beta(alpha, alpha)."""
    share_key, order_key = jax.random.split(key)
    share = jax.random.beta(share_key, alpha, alpha)
    order = jax.random.permutation(order_key, x.shape[0])
    return share * x + (1 - share) * x[order], share * target + (1 - share) * target[order]


def _preparation(mean: NDArray[np.float32], std: NDArray[np.float32]) -> Callable[[Block, jax.Array], tuple[jax.Array, jax.Array]]:
    """``prepare(block, rows) -> x (batch, n_frames, n_features), mask (batch, n_frames)``, divided among the devices."""
    by_batch = NamedSharding(mesh(), PartitionSpec("batch"))
    scale = 1.0 / std

    def prepare(block: Block, rows: jax.Array) -> tuple[jax.Array, jax.Array]:
        x = (block.features[rows].astype(jnp.float32) - mean) * scale
        frame = jnp.arange(x.shape[1])
        mask = (frame >= block.first[rows, None]) & (frame < block.last[rows, None])
        x, mask = jax.lax.with_sharding_constraint((x, mask), by_batch)
        return x, mask

    return prepare
