"""Distillation: a small student of a small random teacher, on tones; and what is heard of which folder."""

from __future__ import annotations

from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest
import soundfile
from flax import nnx
from random_runs import write_run
from tone_words import FALLING, RISING, SR, STEADY, say

from kwsfeat import AudioError, ConfigError, FeatureConfig, StoreError
from kwsfeat.corpus.splits import which_set
from kwstrain.cli import main
from kwstrain.models import create
from kwstrain.models.outlines.speech_embedding import CONVOLUTIONS
from kwstrain.teaching.distil import distil as distillation
from kwstrain.teaching.distil import pairs, train
from kwstrain.teaching.distil.distil import Choices, distil
from kwstrain.teaching.distil.narrow import narrowed
from kwstrain.teaching.distil.sounds import Sounds, VoiceQueue
from kwstrain.teaching.embeddings.embedding import embedding
from kwstrain.teaching.embeddings.stored import write_stored


@pytest.fixture
def tones(tmp_path: Path) -> Path:
    """Recordings of three words by sixty speakers, some of them in each part."""
    for k, word in enumerate((RISING, FALLING, STEADY)):
        folder = tmp_path / "tones" / f"word{k}"
        folder.mkdir(parents=True)
        for i in range(60):
            soundfile.write(folder / f"s{i:02d}_nohash_0.wav", say(word, i, before_s=0.1, after_s=0.1), SR, subtype="PCM_16")
    return tmp_path / "tones"


def test_speakers_and_folders_that_are_left_out_are_not_heard(tones: Path) -> None:
    sounds = Sounds((tones,), without=("tones/word1/*",))
    assert {name.split("/")[1] for name, _ in sounds.recordings} == {"word0", "word2"}
    parts = sounds._pieces_of
    assert sum(map(len, parts.values())) == 120
    for part, pieces in parts.items():
        assert {which_set(path.name) for path, *_ in pieces} == {part}, "as Speech Commands' rule has it"


def test_a_long_recording_is_heard_in_pieces(tmp_path: Path) -> None:
    (tmp_path / "talk").mkdir()
    y = 0.1 * np.sin(np.arange(100 * SR) / 7).astype(np.float32)
    soundfile.write(tmp_path / "talk" / "long.wav", y, SR)
    parts = Sounds((tmp_path / "talk",))._pieces_of
    assert sorted(start_s for pieces in parts.values() for _, start_s, _ in pieces) == [8.0 * i for i in range(12)]


def test_recordings_that_cannot_be_read_are_said_and_do_not_go_on_for_ever(tones: Path, tmp_path: Path) -> None:
    (tones / "word0" / "text.wav").write_text("hello")
    sounds = Sounds((tones,))
    sounds.check()
    (reason,) = sounds.unreadable
    assert reason.startswith(f"{tones / 'word0' / 'text.wav'}: ")
    assert sum(map(len, sounds._pieces_of.values())) == 180
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "text.wav").write_text("hello")
    with pytest.raises(ConfigError, match="no recording is left for train, out of 1, 1 of them unreadable"):
        Sounds((tmp_path / "bad",)).check()
    for path, *_ in sounds._pieces_of["train"]:  # they are there when the work begins, and not when they are heard
        path.unlink()
    with pytest.raises(AudioError, match="no such file"):
        sounds.track("train", np.random.default_rng(0), VoiceQueue(0))


@pytest.mark.slow
def test_a_student_comes_near_its_teacher(tones: Path, small_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pairs, "TRACKS", 8)
    monkeypatch.setattr(distillation, "TRACKS", 8)
    monkeypatch.setattr(train, "TRACKS_TO_FIT", 6)
    monkeypatch.setattr(train, "BATCH", 4)
    told: list[train.Progress] = []
    out = tmp_path / "small.npz"
    choices = Choices(teacher=str(small_file), hours=16 * 8 / 3600, epochs=12, width=4)
    made = distil(Sounds((tones,)), out, choices, tell=told.append)
    assert [one.epoch for one in told] == list(range(1, 13))
    assert told[-1].loss < 0.8 * told[0].loss, "on speakers that it has not heard, in all copies"
    assert made.cosine == max(one.cosine for one in told) > 0.2
    teacher, student = embedding(small_file), embedding(out)
    assert (student.dim, student.hop_s, student.has_window) == (16, 0.08, True)
    assert student.credit == "a narrower network that was learnt from the file small.onnx"
    assert made.n_weights == sum(value.size for name, value in student.arrays.items() if not name.startswith(("out/", "input_norm/")))
    # Its vectors tell what those of the teacher tell, at the same times: a linear map leads from the ones to the others.
    y = np.concatenate([say(word, 300 + i, before_s=0.2, after_s=0.2) for i, word in enumerate((RISING, STEADY, FALLING) * 5)])
    given, wanted = distillation._as_it_comes(student).embed(y), teacher.embed(y)
    np.testing.assert_array_equal(student.times(9), teacher.times(9))
    x = given - given.mean(axis=0)
    explained = x @ np.linalg.lstsq(x, wanted - wanted.mean(axis=0), rcond=None)[0]
    assert explained.var() > 0.7 * (wanted - wanted.mean(axis=0)).var()
    kept = sorted(path.name for path in tmp_path.glob("small.parts/*/*"))
    assert kept == ["train_0000.npz", "train_0001.npz", "validation_0000.npz"]


def test_the_same_seed_makes_the_same_part(tones: Path, small_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pairs, "TRACKS", 2)
    sounds, teacher = Sounds((tones,)), embedding(small_file)
    noise = distillation._noise(Choices())
    for name, index in (("a", 3), ("b", 3), ("c", 4)):
        pairs.make_part(tmp_path / f"{name}.npz", sounds, teacher, noise, part="train", index=index)
    a, b, c = ((tmp_path / f"{name}.npz").read_bytes() for name in "abc")
    assert a == b != c


def test_voices_say_words_of_their_part() -> None:
    pytest.importorskip("espeakng_loader")
    words = (
        "yes",
        "no",
        "left",
        "right",
        "window",
        "garden",
        "thunder",
        "seventeen",
        "water",
        "paper",
        "music",
        "orange",
        "table",
        "river",
    )
    sounds = Sounds((), words=words, spoken=1.0)
    assert set(sounds._words_of["train"]) == {word for word in words if which_set(word) == "train"}
    a, b = (sounds.track("train", np.random.default_rng(1), VoiceQueue(5)) for _ in range(2))
    np.testing.assert_array_equal(a, b)
    assert len(a) == 8 * SR
    assert 0.05 < np.abs(a).max() <= 1


def test_bad_choices_are_named(tones: Path, small_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ConfigError, match=r"hours=0 must be > 0"):
        Choices(hours=0)
    assert main(["distil", str(tones), "--out", str(tmp_path / "x.npz"), "--epochs", "0"]) == 2
    assert main(["distil", "--out", str(tmp_path / "x.npz"), "--teacher", str(small_file)]) == 1
    assert "nothing to hear" in capsys.readouterr().err
    call = ["distil", str(tones), "--without", "tones/*", "--out", str(tmp_path / "x.npz"), "--teacher", str(small_file)]
    assert main(call) == 1
    assert "no recording is left for train, out of 0" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["tones"]


def test_files_that_are_no_embedding_are_refused(tmp_path: Path, small_file: Path) -> None:
    with pytest.raises(StoreError, match=r"none.npz: no such file"):
        embedding(tmp_path / "none.npz")
    (tmp_path / "text.npz").write_text("no arrays")
    with pytest.raises(StoreError, match=r"text.npz is damaged"):
        embedding(tmp_path / "text.npz")
    np.savez(tmp_path / "other.npz", x=np.zeros(3))
    with pytest.raises(StoreError, match=r"other.npz is not an embedding, or damaged \('about'\)"):
        embedding(tmp_path / "other.npz")
    e = embedding(small_file)
    write_stored(tmp_path / "same.npz", arch=e.arch, options=e.options, features=e.features, arrays=e.arrays, credit="me")
    y = say(RISING, 1)
    np.testing.assert_array_equal(embedding(tmp_path / "same.npz").embed(y), e.embed(y))


def test_a_teacher_is_wider_and_of_the_same_layers(tones: Path, small_file: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"width=6 must be below 6, the width of"):
        distil(Sounds((tones,)), tmp_path / "x.npz", Choices(teacher=str(small_file), width=6))
    write_run(tmp_path / "run", "bcresnet-1", FeatureConfig(n_samples=8000, n_mels=20), causal=True, tau=0.5)
    with pytest.raises(ConfigError, match=r"run is a bcresnet-1: only speech-embedding, as Google's is, can be a teacher"):
        distil(Sounds((tones,)), tmp_path / "x.npz", Choices(teacher=str(tmp_path / "run")))


@pytest.mark.slow
def test_a_narrow_network_that_could_be_the_wide_one_is_it() -> None:
    """Channels that the next layer does not read are those that go, and then nothing is lost."""
    rng = np.random.default_rng(0)
    wide, width = 5, 4
    channels = [1, *(times * wide for _, times, _ in CONVOLUTIONS)]
    used = [1, *(times * width for _, times, _ in CONVOLUTIONS)]
    arrays: dict[str, np.ndarray] = {"input_norm/mean": np.zeros(32, np.float32), "input_norm/std": np.ones(32, np.float32)}
    for i, (size, _, _) in enumerate(CONVOLUTIONS):
        kernel = rng.standard_normal((*size, channels[i], channels[i + 1])) * np.sqrt(1.6 / (used[i] * np.prod(size)))
        kernel[:, :, used[i] :] = 0
        arrays |= {f"convolutions/{i}/kernel": kernel.astype(np.float32), f"convolutions/{i}/bias": np.zeros(channels[i + 1], np.float32)}
    last = rng.standard_normal((3, 1, channels[-1], channels[-1])).astype(np.float32)
    last[:, :, used[-1] :] = 0
    arrays["last/kernel"] = last
    x = rng.standard_normal((6, 164, 32)).astype(np.float32)
    turned = np.linalg.qr(rng.standard_normal((4 * wide, 4 * width)))[0]
    narrow = narrowed(arrays, width, turned, x)
    vectors = [streamed(one, x[0]) for one in (arrays, narrow)]
    np.testing.assert_allclose(vectors[1], vectors[0] @ turned, atol=2e-2 * np.abs(vectors[0]).max())


def streamed(arrays: dict[str, np.ndarray], x: np.ndarray) -> np.ndarray:
    """The vectors of a network, offline."""
    dim = arrays["last/kernel"].shape[-1]
    model = create("speech-embedding", input_shape=x.shape, n_classes=2, width=dim // 4)
    for path, variable in nnx.to_flat_state(nnx.state(model)):
        if path[0] != "out":
            variable.set_value(jnp.asarray(arrays["/".join(map(str, path))]))
    return np.asarray(nnx.jit(lambda model, x: model.vectors(x))(model, x[None]))[0, :, 0]
