"""The embedding that comes with the package: what it is, that it streams, a word taught to it, and where that word can go."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from tone_words import FALLING, RISING, SR, STEADY, say, write_takes

from kwsfeat import FrontEnd, preset
from kwstrain import Recognizer
from kwstrain.cli import main
from kwstrain.export.taught import taught_clips
from kwstrain.inference.bundle import Bundle
from kwstrain.models import create
from kwstrain.teaching.bank import shipped
from kwstrain.teaching.embeddings import google
from kwstrain.teaching.embeddings.embedding import embedding
from kwstrain.teaching.embeddings.stored import ours_file


def test_it_is_small_and_has_a_bank(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("onnx", "onnxruntime"):
        monkeypatch.setitem(sys.modules, name, None)  # importing it fails
    monkeypatch.setattr(google, "_WHEEL", "no-such-wheel")
    e = embedding("ours")
    n_weights = sum(value.size for name, value in e.arrays.items() if not name.startswith(("out/", "input_norm/")))
    assert 50_000 <= n_weights <= 300_000
    assert ours_file().stat().st_size <= 1.5e6
    assert (e.dim, e.hop_s, e.has_window) == (88, 0.08, True)
    assert e.features.n_mels == preset("speech-embedding").n_mels == 32
    bank = shipped(e)
    assert bank is not None
    assert bank.hours > 1
    assert bank.word_lags is not None


def test_the_card_says_what_it_is_made_of() -> None:
    card = ours_file().with_suffix(".md").read_text()
    assert f"{ours_file().stat().st_size / 1e6:.2f} MB" in card
    for source in ("Speech Commands", "FSDD", "Asterisk", "opsound", "espeak-ng", "2002.01322"):
        assert source in card, source
    assert "kwstrain distil" in card


def test_vectors_of_a_stream_are_those_of_the_network_in_jax() -> None:
    import jax.numpy as jnp
    from flax import nnx

    e = embedding("ours")
    y = np.concatenate([say(word, i, before_s=0.3, after_s=0.2) for i, word in enumerate((RISING, STEADY, FALLING))])
    frames = np.asarray(FrontEnd(e.features).extract_recording(y), np.float32)
    model = create(e.arch, input_shape=(len(frames), 32), n_classes=2, **e.options)
    state = nnx.state(model)
    for path, variable in nnx.to_flat_state(state):
        if path[0] != "out":
            variable.set_value(jnp.asarray(e.arrays["/".join(map(str, path))]))
    nnx.update(model, state)
    model.eval()
    wanted = np.asarray(nnx.jit(lambda model, x: model.vectors(model.input_norm(x)))(model, frames[None]))[0, :, 0]
    given = e.embed(y)
    assert given.shape == wanted.shape
    np.testing.assert_allclose(given, wanted, atol=1e-4 * np.abs(wanted).max())


@pytest.fixture(scope="module")
def taught(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of twelve recordings."""
    root = tmp_path_factory.mktemp("ours")
    folder = write_takes(root / "rise", RISING, 12)
    assert main(["teach", str(folder), "--out", str(root / "run"), "--embedding", "ours", "--voices", "0", "-q"]) == 0
    return root / "run"


@pytest.mark.slow
def test_a_word_is_heard_where_it_is_said(taught: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = [say(RISING if i % 3 == 2 else STEADY, 200 + i, before_s=1.2) for i in range(9)]
    ends = [sum(map(len, said[: i + 1])) / SR - 0.6 for i in (2, 5, 8)]
    soundfile.write(tmp_path / "evening.wav", np.concatenate(said), SR, subtype="PCM_16")
    assert main(["detect", str(taught), str(tmp_path / "evening.wav"), "--json", "-q"]) == 0
    (found,) = json.loads(capsys.readouterr().out)
    times = np.array([event["time_s"] for event in found["events"]])
    assert all(min(abs(times - end)) < 0.4 for end in ends)
    assert len(times) <= len(ends) + 2
    recognizer = Recognizer(taught)
    assert (recognizer.mode, recognizer.hop_s) == ("stream", 0.08)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("to", "suffix", "extra"),
    [
        ("onnx-stream", ".onnx", "onnxruntime"),
        ("onnx-int8", ".onnx", "onnxruntime"),
        ("web", "", "onnx"),
    ],
)
def test_it_goes_everywhere(to: str, suffix: str, extra: str, taught: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip(extra)
    out = tmp_path / f"rise{suffix}"
    assert main(["export", str(taught), str(out), "--to", to, "-q"]) == 0
    capsys.readouterr()
    assert main(["check", str(out)]) == 0
    assert re.search("rise", capsys.readouterr().out)


def test_ranges_are_measured_on_the_recordings(taught: Path) -> None:
    bundle = Bundle.load(taught)
    y, label = taught_clips(bundle)
    assert len(y) >= 24
    assert (label == 0).sum() == (label == 1).sum() == len(y) // 2
    np.testing.assert_array_equal(y[1], y[0][::-1])
    assert y.shape[1] == bundle.feature_config.n_samples
