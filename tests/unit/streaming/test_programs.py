"""Networks on a stream: every output equal to the offline network's, whatever is computed together; what does not stream, and why."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("jax")

from flax import nnx
from random_runs import write_run

from kwsfeat import ConfigError, FeatureConfig, StoreError
from kwstrain.models import Network
from kwstrain.streaming.compiled import CompiledStep
from kwstrain.streaming.find import streaming_program
from kwstrain.streaming.program import Program

# frames and features of a clip, frames of a stream, options
NETWORKS: dict[str, tuple[int, int, int, dict[str, Any]]] = {
    "bcresnet-1": (50, 20, 90, {"causal": True}),
    "ds-cnn-tiny": (29, 10, 70, {"causal": True, "filters": 12, "blocks": 2}),
    "ds-cnn-m": (30, 11, 70, {"causal": True, "filters": 9, "blocks": 2}),
    "mixednet": (170, 13, 200, {"filters": 10}),
    "speech-embedding": (92, 32, 160, {"width": 6, "window": 2, "templates": 3, "evened": 0.7}),
}
LEVEL = {"speech-embedding": 30.0}  # of the frames: without BatchNorm, twenty layers of random weights leave little of soft ones
pytestmark = pytest.mark.slow


class Case:
    """A network, its program, a recording, and what the offline network gives of it."""

    def __init__(self, name: str, folder: Path) -> None:
        n_clip, n_features, n, options = NETWORKS[name]
        config = FeatureConfig(sr=8000, n_samples=80 * (n_clip - 1), n_fft=256, win_length=200, hop_length=80, n_mels=n_features)
        bundle = write_run(folder / name, name, config, **options)
        self.program = streaming_program(name, options, bundle.weights, config.shape)
        self.x = LEVEL.get(name, 1.0) * np.random.default_rng(1).standard_normal((n, n_features)).astype(np.float32)
        self.clip_logits, self.frames = offline(bundle.model, self.x, n_clip)

    def expected(self) -> np.ndarray:
        """The classifier on the mean of the latest frames, at most as many as in training."""
        p = self.program
        means = [self.frames[max(0, i + 1 - p.n_mean) : i + 1].mean(axis=0) for i in range(len(self.frames))]
        return np.array(means) @ p.kernel + p.bias


def offline(model: Network, x: np.ndarray, n_clip: int) -> tuple[np.ndarray, np.ndarray]:
    """Logits of the first `n_clip` frames, and all frames before the mean."""

    @nnx.jit
    def both(model: Any, x: Any) -> Any:
        return model(x[:, :n_clip]), model.frames(model.input_norm(x))

    logits, frames = both(model, x[None])
    return np.asarray(logits)[0], np.asarray(frames)[0]


def stream(program: Program, x: np.ndarray, n_frames: int) -> np.ndarray:
    """All logits that count, `n_frames` frames at a time."""
    step = CompiledStep(program, n_frames)
    x = np.concatenate([np.zeros((program.lead, x.shape[1]), np.float32), x])
    state, parts = step.start(), []
    for i in range(0, len(x) - n_frames + 1, n_frames):
        given, state = step(x[i : i + n_frames], state, i // program.stride)
        parts.append(given)
    return np.concatenate(parts)[program.first :]


@pytest.fixture(scope="module", params=NETWORKS)
def case(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Case:
    return Case(request.param, tmp_path_factory.mktemp("runs"))


def test_every_output_is_the_offline_networks(case: Case) -> None:
    given, p = stream(case.program, case.x, case.program.stride), case.program
    assert len(given) == len(case.frames)
    np.testing.assert_allclose(given, case.expected(), atol=1e-5)
    np.testing.assert_allclose(given[p.n_mean - 1], case.clip_logits, atol=1e-5)  # the network as it is called in training
    assert np.ptp(given, axis=0).min() > 1e-3  # and they say something


def test_what_is_computed_together_changes_nothing(case: Case) -> None:
    one = stream(case.program, case.x, case.program.stride)
    for together in (2, 5):
        given = stream(case.program, case.x, together * case.program.stride)
        np.testing.assert_array_equal(given, one[: len(given)])


def test_an_impulse_changes_what_has_seen_it_and_nothing_before(case: Case) -> None:
    p, at = case.program, len(case.x) - 12
    changed = case.x.copy()
    changed[at] += 3
    given, other = stream(p, case.x, p.stride), stream(p, changed, p.stride)
    seen = p.newest(p.first, len(given)) >= at
    np.testing.assert_array_equal(given[~seen], other[~seen])
    assert (given[seen] != other[seen]).any(axis=1).all()


def test_an_impulse_is_forgotten(tmp_path: Path) -> None:
    """After the receptive field and the frames of the mean."""
    case = Case("ds-cnn-tiny", tmp_path)
    changed = case.x.copy()
    changed[3] += 3
    given, other = (stream(case.program, x, 2) for x in (case.x, changed))
    reach = 10 + 2 * (2 + 2)  # frames in of one frame out: the stem's 10, and 2 blocks of 3 frames of every second
    last = np.flatnonzero((given != other).any(axis=1)).max()
    newest = case.program.newest(0, len(given))
    assert newest[last] <= 3 + reach - 1 + 2 * (case.program.n_mean - 1)
    assert last < len(given) - 1


def test_networks_that_do_not_stream_say_why() -> None:
    with pytest.raises(ConfigError, match=r"kwt-1 does not stream, only bcresnet-1, .* speech-embedding do: listen in windowed mode"):
        streaming_program("kwt-1", {}, {}, (98, 40))
    with pytest.raises(ConfigError, match=r"bcresnet-2 does not stream as it was trained: .* options.causal=true"):
        streaming_program("bcresnet-2", {}, {}, (98, 40))
    with pytest.raises(ConfigError, match=r"ds-cnn-s does not stream as it was trained"):
        streaming_program("ds-cnn-s", {}, {}, (49, 10))


def test_weights_of_another_network_are_refused(case: Case) -> None:
    with pytest.raises(StoreError, match=r"run/weights.npz lacks stem/kernel: it belongs to another network"):
        streaming_program("mixednet", {}, {}, (194, 40), where="run/weights.npz")
