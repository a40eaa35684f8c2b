"""The compiled part of training: many steps in one call, and the statistics of BatchNorm after them."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx
from numpy.typing import NDArray

from kwsfeat import thread_count
from kwstrain import operations
from kwstrain.config import TrainConfig
from kwstrain.data.batches import Batches, Block, take
from kwstrain.devices import AXIS, n_devices, per_device, replicated, rows_of, whole
from kwstrain.kernels.call import compiled_meanwhile, noted
from kwstrain.models import Network
from kwstrain.models.layers.common import BatchNorm
from kwstrain.models.listener import Listener
from kwstrain.models.network import InputStatistic
from kwstrain.training.objective import cross_entropy, imitation, loudest
from kwstrain.training.optim import moved_average
from kwstrain.training.spec_augment import mixup, spec_augment
from kwstrain.training.teacher import Teacher


class State(NamedTuple):
    """What a step changes: trained parameters, everything else in the network, optimiser state, number of steps done, averages."""

    params: Any
    rest: Any
    opt: Any
    step: Any
    average: Any = ()  # moving averages of `params` and `rest`, where the config asks for them


class StepSums(NamedTuple):
    """Per step, (n_steps,): weighted loss and correct clips as sums, the clips counted, the gradient's norm."""

    loss: Any
    correct: Any
    count: Any
    gradient_norm: Any


class TrainStep:
    """The compiled training functions of one run.

    Parameters
    ----------
    model : Network
        Its variables give the first state; its `input_norm` holds the statistics that features are standardised with.
    trainable : filter
        Which variables are trained, for ``nnx.split``.
    config : TrainConfig
    tx : optax.GradientTransformation
    class_weight : ndarray, float32, (n_classes,)
        Factor on the loss of a clip of each class.
    wanted : ndarray, bool, (n_classes,), optional
        The classes that are wanted words, for ``config.loudest``.
    sequential : bool
        Whether the network works step by step in time: each device then runs it on its part of a batch.
    teacher : Teacher, optional
        A trained network whose answers are part of the objective.

    Attributes
    ----------
    first_state : State
    fixed : nnx.State
        The variables that no training changes.
    collects : bool
        Whether the running statistics of BatchNorm need :attr:`collect`: dropout changes what a BatchNorm behind it sees, so that
        what it gathered in training is not what it meets in evaluation.
    """

    def __init__(
        self,
        model: Network,
        *,
        trainable: Any,
        config: TrainConfig,
        tx: optax.GradientTransformation,
        class_weight: NDArray[np.float32],
        wanted: NDArray[np.bool_] | None = None,
        sequential: bool = False,
        teacher: Teacher | None = None,
    ) -> None:
        backend = jax.default_backend()
        model.train()  # type: ignore[no-untyped-call]
        model.use(operations.for_training(backend))
        on_devices = sequential and n_devices() > 1
        if on_devices:
            model.set_attributes(BatchNorm, axis_name=AXIS, raise_if_not_found=False)
        self._rest_filter = nnx.All(nnx.Not(trainable), nnx.Not(InputStatistic))
        self._graph: nnx.GraphDef[Network] = nnx.graphdef(model)
        params, rest = nnx.state(model, trainable), nnx.state(model, self._rest_filter)
        self.fixed = nnx.state(model, InputStatistic)
        self.collects = dropout_meets_batch_norm(model)
        self._collecting = _collecting_graph(model, backend)
        self._config = config
        self._tx = tx
        self._class_weight = class_weight
        self._wanted = jnp.asarray(np.ones(len(class_weight), bool) if wanted is None else wanted)
        self._teacher = teacher
        self._apply = per_device(self._forward_of_device, n_shared=2) if on_devices else self._forward
        average = (params, rest) if config.ema else ()
        state = State(params, rest, jax.jit(tx.init)(params), np.zeros((), np.int32), average)
        # Own buffers: the state is donated to each call, and the model must keep its arrays.
        self.first_state: State = replicated(jax.tree.map(_copied, state))
        self._program = jax.jit(self._train, donate_argnums=0)
        self._compiled = False
        self.collect = jax.jit(self._collect)
        self.gradients = jax.jit(self._gradients)

    def train(self, state: State, block: Block, batches: Batches) -> tuple[State, StepSums]:
        """The state after ``len(batches.rows)`` steps from `state`, which is used up, and their sums."""
        self.compile(state, block, batches)
        return self._program(state, block, batches)  # type: ignore[no-any-return]

    def compile(self, state: State, block: Block, batches: Batches) -> None:
        """Have :meth:`train` compiled, once, for arrays of these shapes, which need not be there yet (``jax.ShapeDtypeStruct``)."""
        if not self._compiled and thread_count() > 1:
            with noted() as kernels:
                traced = self._program.trace(state, block, batches)
            with compiled_meanwhile(kernels):
                traced.lower().compile()
        self._compiled = True

    def _train(self, state: State, block: Block, batches: Batches) -> tuple[State, StepSums]:
        """Run ``len(batches.rows)`` steps; a step whose weights are all 0 changes nothing."""

        def step(state: State, batch: tuple[jax.Array, jax.Array]) -> tuple[State, StepSums]:
            rows, weight = batch
            state, sums = jax.lax.cond(weight.sum() > 0, self._step, _no_step, state, block, rows, weight)
            return state, sums

        return whole(jax.lax.scan(step, state, tuple(batches)))  # type: ignore[no-any-return]

    def _step(self, state: State, block: Block, rows: jax.Array, weight: jax.Array) -> tuple[State, StepSums]:
        gradient, rest, (loss, correct, count) = self._gradient(state, block, rows, weight)
        updates, opt = self._tx.update(gradient, state.opt, state.params)
        sums = StepSums(loss, correct, count, optax.tree.norm(gradient))
        params = optax.apply_updates(state.params, updates)
        average = moved_average(state.average, (params, rest), self._config.ema, state.step) if self._config.ema else ()
        return State(params, rest, opt, state.step + 1, average), sums

    def _gradient(self, state: State, block: Block, rows: jax.Array, weight: jax.Array) -> tuple[Any, Any, tuple[jax.Array, ...]]:
        """Gradient of a step's loss, what else the network then holds, and the step's sums; batch by batch where they accumulate."""
        gradient_of = jax.value_and_grad(self._loss, has_aux=True)
        parts = self._config.accumulate
        if parts == 1:
            (_, (sums, rest)), gradient = gradient_of(state.params, state, block, rows, weight)
            return gradient, rest, sums

        def add(carry: Any, part: tuple[jax.Array, ...]) -> tuple[Any, None]:
            total, rest, sums = carry
            (_, (more, rest)), gradient = gradient_of(state.params, state._replace(rest=rest), block, *part)
            total = jax.tree.map(lambda t, g: t + more[2] * g, total, gradient)  # each clip counts the same, in a last batch too
            return (total, rest, jax.tree.map(jnp.add, sums, more)), None

        nothing = jax.tree.map(jnp.zeros_like, state.params), state.rest, tuple(jnp.zeros(3))
        divided = rows.reshape(parts, -1), weight.reshape(parts, -1), jnp.arange(1, parts + 1)
        (total, rest, sums), _ = jax.lax.scan(add, nothing, divided)
        return jax.tree.map(lambda t: t / sums[2], total), rest, sums

    def averaged(self, state: State) -> State:
        """`state` with the averaged weights instead of the last ones; itself where nothing is averaged."""
        if not self._config.ema:
            return state
        params, rest = state.average
        return state._replace(params=params, rest=rest)

    def _gradients(self, state: State, block: Block, batches: Batches) -> Any:
        """The gradient of the first batch's loss, for its histogram."""
        return whole(self._gradient(state, block, batches.rows[0], batches.weight[0])[0])

    def _loss(
        self, params: Any, state: State, block: Block, rows: jax.Array, weight: jax.Array, part: jax.Array | int = 0
    ) -> tuple[jax.Array, Any]:
        config = self._config
        key = jax.random.fold_in(jax.random.key(config.seed), state.step)
        if config.accumulate > 1:
            key = jax.random.fold_in(key, part)
        x, mask = take(block, rows)
        norm = self._merged(params, state.rest).input_norm
        x = spec_augment(norm(x), jax.random.fold_in(key, 0), config)
        label = rows_of(block.label, rows)
        n_classes = len(self._class_weight)
        target = optax.smooth_labels(jax.nn.one_hot(label, n_classes), config.label_smoothing)
        if config.mixup:
            x, target = mixup(x, target, jax.random.fold_in(key, 1), config.mixup)
        answers, rest = self._apply(params, state.rest, x, mask)
        logits = answers[:, -1]
        loss = cross_entropy(logits, target, config.loss)
        if self._teacher is not None:  # it hears what the student hears: the same masks and mixtures, in its own standardisation
            taught = self._teacher(x * norm.std[...] + norm.mean[...], mask)
            loss = (1 - config.teacher_weight) * loss + config.teacher_weight * imitation(logits, taught, config)
        if config.loudest:
            loss += config.loudest * jnp.where(self._wanted[label], 0, loudest(answers, self._wanted, config.loss))
        loss = (loss * (target @ self._class_weight) * weight).sum()
        correct = ((logits.argmax(-1) == label) * weight).sum()
        count = weight.sum()
        return loss / jnp.maximum(count, 1), ((loss, correct, count), rest)

    def _merged(self, params: Any, rest: Any, graph: nnx.GraphDef[Network] | None = None) -> Network:
        return nnx.merge(graph or self._graph, params, rest, self.fixed, copy=True)

    def _forward(self, params: Any, rest: Any, x: jax.Array, mask: jax.Array) -> tuple[jax.Array, Any]:
        """Logits of standardised features, in rows of which the last is the clip's, and what else the network then holds."""
        model = self._merged(params, rest)
        if self._config.loudest and isinstance(model, Listener):
            return model.rows(x), nnx.state(model, self._rest_filter)
        rows = model.forward(x, mask)[:, None]
        return rows, nnx.state(model, self._rest_filter)

    def _forward_of_device(self, params: Any, rest: Any, x: jax.Array, mask: jax.Array) -> tuple[jax.Array, Any]:
        """The same on one device's part of the batch, with random keys of its own."""
        device = jax.lax.axis_index(AXIS)
        own = jax.tree.map(lambda leaf: jax.random.fold_in(leaf, device) if _is_key(leaf) else leaf, rest)
        rows, after = self._forward(params, own, x, mask)
        return rows, jax.tree.map(lambda old, new: old if _is_key(old) else new, rest, after)

    def _collect(self, state: State, block: Block, batches: Batches) -> State:
        """`state` with the mean and variance that each BatchNorm meets over `batches` without dropout."""

        def one(carry: None, rows: jax.Array) -> tuple[None, list[tuple[jax.Array, jax.Array]]]:
            model = self._merged(state.params, state.rest, self._collecting)
            model(*take(block, rows))
            return carry, [(layer.mean[...], layer.var[...]) for layer in _batch_norms(model)]

        _, found = jax.lax.scan(one, None, batches.rows)
        model = self._merged(state.params, state.rest)
        for layer, (mean, var) in zip(_batch_norms(model), found, strict=True):
            layer.mean[...] = mean.mean(axis=0)
            layer.var[...] = var.mean(axis=0) + mean.var(axis=0)  # within the batches and between them
        return whole(state._replace(rest=nnx.state(model, self._rest_filter)))  # type: ignore[no-any-return]


def dropout_meets_batch_norm(model: Network) -> bool:
    """Whether `model` has both, the one at work and the other not frozen."""
    at_work = any(isinstance(layer, nnx.Dropout) and layer.rate > 0 for _, layer in nnx.iter_modules(model))
    return at_work and bool(_batch_norms(model))


def _batch_norms(model: Network) -> list[BatchNorm]:
    """The BatchNorms that training changes, in the order of the network's graph."""
    return [layer for _, layer in nnx.iter_modules(model) if isinstance(layer, BatchNorm) and not layer.frozen]


def _collecting_graph(model: Network, backend: str) -> nnx.GraphDef[Network]:
    """`model` without dropout, its BatchNorms keeping the statistics of the last batch alone."""
    model = nnx.merge(*nnx.split(model))
    model.use(operations.for_inference(backend))
    model.set_attributes(nnx.Dropout, deterministic=True, raise_if_not_found=False)
    model.set_attributes(BatchNorm, momentum=0.0, axis_name=None, raise_if_not_found=False)
    return nnx.graphdef(model)


def _copied(leaf: Any) -> Any:
    """An array of its own, copied here: no program to compile for each of a hundred shapes."""
    if _is_key(leaf):
        return jax.random.wrap_key_data(_copied(jax.random.key_data(leaf)), impl=jax.random.key_impl(leaf))
    return jax.device_put(np.asarray(leaf), may_alias=False)


def _is_key(leaf: Any) -> bool:
    return bool(jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key))


def _no_step(state: State, block: Block, rows: jax.Array, weight: jax.Array) -> tuple[State, StepSums]:
    return state, StepSums(*jnp.zeros(4))
