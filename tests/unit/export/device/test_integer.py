"""A network in whole numbers: the reference, LiteRT and TensorFlow Lite for microcontrollers agree in every bit."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from random_runs import write_run
from wake_runs import CONFIG, sound

from kwsfeat import ConfigError, FrontEnd, StoreError
from kwstrain.export.integer.arithmetic import as_multiplier, requantised, short
from kwstrain.export.integer.network import Grid, IntegerNetwork
from kwstrain.export.integer.quantise import INPUT, float_means, quantised
from kwstrain.export.integer.reference import IntegerStream
from kwstrain.export.integer.score import logistic, score_of
from kwstrain.export.integer.wake import last_scores
from kwstrain.export.tflite.arena import arena_bytes
from kwstrain.export.tflite.read import parse_tflite
from kwstrain.export.tflite.write import write_tflite
from kwstrain.streaming.find import streaming_program
from kwstrain.streaming.program import Program

litert = pytest.importorskip("ai_edge_litert.interpreter", reason="ai-edge-litert runs the files")

# Classes, and how they were trained: what the last layers are depends on both.
HEADS = {"two classes": (2, "softmax"), "three classes": (3, "softmax"), "each by itself": (3, "sigmoid")}


@dataclass(frozen=True)
class Case:
    program: Program
    network: IntegerNetwork
    loss: str
    x: np.ndarray  # features (n_clips, n_frames, n_features)


@pytest.fixture(scope="module")
def features() -> np.ndarray:
    return FrontEnd(CONFIG).extract_batch(np.stack([sound(label, take) for label in ("marvin", "unknown", "silence") for take in range(8)]))


@pytest.fixture(scope="module", params=HEADS)
def case(request: pytest.FixtureRequest, features: np.ndarray, tmp_path_factory: pytest.TempPathFactory) -> Case:
    """A network of random weights whose logits spread by about 3 around 0."""
    n_classes, loss = HEADS[request.param]
    bundle = write_run(tmp_path_factory.mktemp("random") / "run", "mixednet", CONFIG, filters=12)
    program = streaming_program("mixednet", bundle.config.options, bundle.weights, CONFIG.shape)
    means = float_means(program, features)[:, -1]
    kernel = program.kernel[:, :n_classes] * (3 / (means @ program.kernel[:, :n_classes]).std(axis=0))
    program = replace(program, kernel=kernel, bias=-(means @ kernel).mean(axis=0))
    return Case(program, quantised(program, score_of(kernel, program.bias, 0, loss=loss), [features]), loss, features)


def frames_of(case: Case) -> np.ndarray:
    """400 steps of noise, as loud as the grid goes, and 400 of real features: int8 (n, n_features)."""
    noise = np.random.default_rng(2).integers(-128, 128, (1200, CONFIG.n_mels)).astype(np.int8)
    return np.concatenate([noise, INPUT.of(case.x).reshape(-1, CONFIG.n_mels)[:1200]])


def interpreted(data: bytes, frames: np.ndarray, resolver: str) -> np.ndarray:
    """What LiteRT gives."""
    kinds = litert.OpResolverType
    interpreter = litert.Interpreter(model_content=data, experimental_op_resolver_type=getattr(kinds, resolver))
    interpreter.allocate_tensors()
    (given,), (made,) = interpreter.get_input_details(), interpreter.get_output_details()
    scores = []
    for step in frames.reshape(-1, *given["shape"]):
        interpreter.set_tensor(given["index"], step)
        interpreter.invoke()
        scores.append(int(interpreter.get_tensor(made["index"])[0, 0]))
    return np.array(scores)


def test_the_reference_is_the_interpreter_bit_for_bit(case: Case) -> None:
    frames = frames_of(case)
    given = IntegerStream(case.network).run(frames[None])[0]
    assert len(given) == 800
    assert np.ptp(given) > 100
    data = write_tflite(case.network, {})
    np.testing.assert_array_equal(given, interpreted(data, frames, "BUILTIN_REF"))
    for_computers = interpreted(data, frames, "AUTO").astype(int)  # rounds some sums the other way
    assert np.abs(for_computers - given).mean() < 2


def test_microcontrollers_give_the_same_and_their_arena_is_large_enough(case: Case) -> None:
    runtime = pytest.importorskip("tflite_micro.python.tflite_micro.runtime", reason="tflite-micro is TensorFlow Lite for microcontrollers")
    frames, data = frames_of(case), write_tflite(case.network, {"kwstrain": b"{}"})
    estimate = arena_bytes(parse_tflite(data, where="the file"))
    interpreter = runtime.Interpreter.from_bytes(data, arena_size=estimate)
    scores = []
    for step in frames.reshape(-1, 1, case.network.stride, CONFIG.n_mels):
        interpreter.set_input(step, 0)
        interpreter.invoke()
        scores.append(int(interpreter.get_output(0)[0, 0]))
    np.testing.assert_array_equal(scores, IntegerStream(case.network).run(frames[None])[0])


def test_scores_are_near_those_of_the_network(case: Case) -> None:
    score = score_of(case.program.kernel, case.program.bias, 0, loss=case.loss)
    wanted = score.of_logits(float_means(case.program, case.x)[:, -1] @ score.kernel + score.bias)
    given = last_scores(case.network, case.x, lead=case.program.lead) / 256
    assert np.abs(given - wanted).mean() < 0.04
    assert np.ptp(given) > 0.3


def test_streams_do_not_share_a_state_and_begin_anew(case: Case) -> None:
    frames = INPUT.of(case.x[:3])
    together = IntegerStream(case.network, 3)
    given = together.run(frames)
    for i in range(3):
        np.testing.assert_array_equal(given[i], IntegerStream(case.network).run(frames[i : i + 1])[0])
    assert (together.run(frames) != given).any()
    together.reset()
    np.testing.assert_array_equal(together.run(frames), given)
    assert together.run(frames[:, :2]).shape == (3, 0)


def test_a_silent_channel_and_one_of_weights_without_size_do_no_harm(case: Case) -> None:
    first = case.program.layers[0]
    kernel, bias = first.kernel.copy(), first.bias.copy()
    kernel[..., 0], bias[0] = 0, 3.0  # always 3
    kernel[..., 1], bias[1] = 0, -3.0  # always 0
    program = replace(case.program, layers=(replace(first, kernel=kernel, bias=bias), *case.program.layers[1:]))
    network = quantised(program, score_of(program.kernel, program.bias, 0, loss=case.loss), [case.x])
    frames = frames_of(case)[:300]
    np.testing.assert_array_equal(
        IntegerStream(network).run(frames[None])[0], interpreted(write_tflite(network, {}), frames, "BUILTIN_REF")
    )


def test_more_states_than_a_device_has_are_refused(case: Case) -> None:
    layer = case.network.layers[1]
    many = replace(case.network, layers=(case.network.layers[0], *(replace(layer) for _ in range(19))))
    with pytest.raises(ConfigError, match="keeps 22 states, a device has room for 20"):
        write_tflite(many, {})


def test_other_layers_than_convolutions_over_time_are_refused(case: Case) -> None:
    first = case.program.layers[0]
    program = replace(case.program, layers=(replace(first, dilation=2), *case.program.layers[1:]))
    with pytest.raises(ValueError, match="layer 0 is more than a convolution over time"):
        quantised(program, score_of(program.kernel, program.bias, 0, loss=case.loss), [case.x])


def naive(total: int, multiplier: int, shift: int) -> int:
    """gemmlowp's two roundings, as its C code says them."""
    product = (total << max(shift, 0)) * multiplier
    nudged = product + (1 << 30 if product >= 0 else 1 - (1 << 30))
    high = int(math.copysign(abs(nudged) // (1 << 31), nudged))
    right = max(-shift, 0)
    mask = (1 << right) - 1
    return (high >> right) + ((high & mask) > (mask >> 1) + (high < 0))


@given(st.integers(-(2**31) + 1, 2**31 - 1), st.floats(1e-9, 0.999))
def test_requantising_rounds_as_devices_do(total: int, real: float) -> None:
    multiplier, shift = as_multiplier(real)
    assert 1 << 30 <= multiplier < 1 << 31
    assert multiplier * 2.0 ** (shift - 31) == pytest.approx(real, rel=2e-9)
    (given,) = requantised(np.array([total]), np.array([multiplier]), np.array([shift]))
    assert given == naive(total, multiplier, shift)
    assert abs(given - total * real) <= 1.01


@given(st.floats(1e-30, 1e30), st.floats(1e-6, 1e6))
def test_the_product_of_two_scales_is_exact_in_float32(scale: float, other: float) -> None:
    a, b = short(scale), short(other)
    assert scale <= a <= scale * (1 + 2.0**-11)
    assert np.float32(a) == a
    if 1e-30 < a * b < 1e30:
        assert float(np.float32(a) * np.float32(b)) == a * b


@given(st.lists(st.floats(-9, 9), min_size=2, max_size=6), st.data())
def test_the_score_is_never_above_the_probability_and_hardly_below(logits: list[float], data: Any) -> None:
    word = data.draw(st.integers(0, len(logits) - 1))
    z = np.array(logits)
    p = float(np.exp(z[word] - np.logaddexp.reduce(z)))
    score = score_of(np.zeros((1, len(z))), z, word, loss="softmax")
    given = float(score.of_logits(score.bias))
    assert p - (1 - p) ** 2 / p - 1e-9 <= given <= p + 1e-9
    if len(z) == 2:
        assert given == pytest.approx(p, abs=1e-12)
    assert logistic(score_of(np.zeros((1, len(z))), z, word, loss="sigmoid").bias)[0] == pytest.approx(1 / (1 + math.exp(-z[word])))


def test_grids_stand_for_numbers() -> None:
    grid = Grid(0.5, -28)
    np.testing.assert_array_equal(grid.of(np.array([0.0, 0.7, -49.9, -1e9, 1e9])), [-28, -27, -128, -128, 127])
    np.testing.assert_array_equal(grid.real(np.array([-28, 127])), [0, 77.5])


def test_files_of_another_kind_are_refused() -> None:
    with pytest.raises(StoreError, match="is not a TensorFlow Lite file"):
        parse_tflite(b"words", where="x.tflite")
    with pytest.raises(StoreError, match=r"x.tflite is damaged \("):
        parse_tflite(b"\xff\xff\xff\x7fTFL3" + bytes(30), where="x.tflite")


def test_nothing_is_answered_before_a_clip_was_heard(case: Case) -> None:
    """As many frames as one output of the network in training has seen, whatever is heard first."""
    network = case.network
    seen = case.program.receptive_field + network.stride * (case.program.n_mean - 1)
    assert network.warm_up * network.stride < seen <= (network.warm_up + 1) * network.stride
    frames = INPUT.of(np.concatenate([case.x[0], case.x[1]]))
    beginnings = [np.concatenate([np.full((99, CONFIG.n_mels), q, np.int8), frames]) for q in (-128, 127)]
    one, other = (IntegerStream(network).run(b[None])[0] for b in beginnings)
    assert not one[: network.warm_up].any()
    assert (one[: 33 + network.warm_up] != other[: 33 + network.warm_up]).any()
    np.testing.assert_array_equal(one[33 + network.warm_up :], other[33 + network.warm_up :])
