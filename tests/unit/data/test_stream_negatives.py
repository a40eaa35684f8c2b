"""Recordings without the words, as a network that listens hears them in training."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from kwsfeat import ConfigError, CorpusError, Reader
from kwsfeat.cli import main
from kwstrain.config import TrainConfig
from kwstrain.data.negatives import Negatives

GOLDEN = Path(__file__).parents[2] / "golden" / "words.h5"
SR = 8000
LEVELS = {"music": (0.25, 30), "speech": (0.5, 8)}  # of all samples of a source, and the seconds of each of its two recordings


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two sources, whose samples tell which they are of; the second recording of each is the negative of the first."""
    root = tmp_path_factory.mktemp("negatives")
    for source, (level, seconds) in LEVELS.items():
        (root / source).mkdir()
        for i, sign in enumerate((1, -1)):
            soundfile.write(root / source / f"{i}.wav", np.full(seconds * SR, sign * level), SR, subtype="PCM_16")
    return root


def test_every_source_is_heard_as_often_and_from_any_place(folder: Path) -> None:
    negatives = Negatives([folder], SR)
    assert negatives.hours == pytest.approx(2 * (30 + 8) / 3600)
    rng = np.random.default_rng(0)
    pieces = [negatives.piece(rng, 4000) for _ in range(200)]
    assert all(piece.dtype == np.float32 and piece.shape == (4000,) for piece in pieces)
    loud = [float(np.abs(piece).max()) > 0.4 for piece in pieces]
    assert 70 < sum(loud) < 130
    assert {float(np.sign(piece[0])) for piece in pieces} == {1.0, -1.0}
    again = np.random.default_rng(0)
    assert all(np.array_equal(piece, negatives.piece(again, 4000)) for piece in pieces)


def test_a_part_is_other_recordings(folder: Path) -> None:
    rng = np.random.default_rng(0)
    first, second = (Negatives([folder], SR, part) for part in ((1, 2), (2, 2)))
    assert all((first.piece(rng, 100) > 0).all() and (second.piece(rng, 100) < 0).all() for _ in range(20))
    assert first.digest != second.digest
    assert first.digest == Negatives([folder], SR, (1, 2)).digest


def test_a_recording_that_is_there_again_is_heard_once(folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for name in ("0.wav", "1.wav"):
        (tmp_path / name).write_bytes((folder / "music" / "0.wav").read_bytes())
    negatives = Negatives([folder / "music", folder / "music", tmp_path], SR)
    assert negatives.hours == pytest.approx(60 / 3600)
    assert negatives.digest == Negatives([folder / "music"], SR).digest
    assert "4 recordings are there already, and counted once" in caplog.text


def test_a_short_source_is_repeated(folder: Path) -> None:
    piece = Negatives([folder / "speech"], SR, (1, 2)).piece(np.random.default_rng(0), 20 * SR)
    assert len(piece) == 20 * SR
    assert (np.abs(piece) > 0.4).all()


def test_what_is_no_hours_of_sound_is_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(CorpusError):
        Negatives([tmp_path / "missing"], SR)
    with pytest.raises(ConfigError, match="part 3/2 must be from 1/2 to 2/2"):
        Negatives([folder], SR, (3, 2))
    soundfile.write(tmp_path / "short.wav", np.zeros(100), SR)
    with pytest.raises(ConfigError, match="shorter than 5 s"):
        Negatives([tmp_path], SR)


@pytest.mark.slow
def test_examples_without_a_word_are_half_negatives_and_the_run_names_them(folder: Path, tiny_corpus: Path, tmp_path: Path) -> None:
    pytest.importorskip("jax")
    from kwstrain import fit
    from kwstrain.data.clips import select
    from kwstrain.data.streams import Streams

    path = tmp_path / "words.h5"
    assert main(["build", str(tiny_corpus), str(path), "--features", "logmel", "-q"]) == 0
    config = TrainConfig(
        arch="ds-cnn-s", options={"filters": 8, "blocks": 2}, stream=True, context_s=0.5, epochs=1, batch=32, augment="off"
    )  # fmt: skip
    with Reader(path) as reader:
        clips = select(reader, reader.feature_names[0], reader.rows("train"))
        negatives = Negatives([folder], reader.config().sr)
        streams = Streams(clips, config, "off", negatives)
        rows = clips.rows[reader.label[clips.rows] == reader.labels.index("silence")]
        examples = np.concatenate([streams.waveforms(rows[:1], epoch) for epoch in range(40)])
        constant = (np.abs(np.diff(examples[:, 100:-100], axis=1)).max(axis=1) < 1e-3) & (np.abs(examples[:, 200]) > 1e-3)
        assert 10 <= constant.sum() <= 30
        levels_db = 20 * np.log10(np.abs(examples[constant, 200]))
        assert -46 < levels_db.min() < levels_db.max() < -14
    result = fit(path, config, tmp_path / "run", negatives=[folder])
    named = result.bundle.config.negatives
    assert named == negatives.digest
    other = tmp_path / "other"
    with pytest.raises(ConfigError, match="give these as --negatives"):
        fit(path, replace(config, negatives=named), other)
    with pytest.raises(ConfigError, match="are other recordings, or another part"):
        fit(path, replace(config, negatives=named), other, negatives=[folder], part=(1, 2))
    with pytest.raises(ConfigError, match="part 1/2 is one of the negatives"):
        fit(path, config, other, part=(1, 2))
    with pytest.raises(ConfigError, match="add --stream"):
        fit(path, replace(config, stream=False), other, negatives=[folder])
    with pytest.raises(ConfigError, match="has no class for that"):
        fit(GOLDEN, config, other, negatives=[folder])
    assert not other.exists()


@pytest.mark.slow
def test_negatives_are_augmented_as_clips_are(tiny_corpus: Path, tmp_path: Path) -> None:
    """A tone an octave higher and a quarter faster is one of twice its frequency, whole to the last sample."""
    pytest.importorskip("jax")
    from kwstrain.data.clips import select
    from kwstrain.data.streams import Streams

    path, policy, tone = tmp_path / "words.h5", tmp_path / "higher.toml", tmp_path / "tone"
    assert main(["build", str(tiny_corpus), str(path), "--features", "logmel", "-q"]) == 0
    stretch, shift = "kind = 'time_stretch'\np = 1.0\nrate = [1.25, 1.25]", "kind = 'pitch_shift'\np = 1.0\nn_steps = [12, 12]"
    policy.write_text(f"copies = 1\n[chain]\n[[chain.parts]]\n{stretch}\n[[chain.parts]]\n{shift}\n")
    tone.mkdir()
    config = TrainConfig(arch="ds-cnn-s", stream=True, context_s=0.5, augment=str(policy))
    with Reader(path) as reader:
        sr = reader.config().sr
        soundfile.write(tone / "0.wav", 0.3 * np.sin(2 * np.pi * 500 * np.arange(20 * sr) / sr), sr)
        clips = select(reader, reader.feature_names[0], reader.rows("train"))
        streams = Streams(clips, config, str(policy), Negatives([tone], sr))
        row = clips.rows[reader.label[clips.rows] == reader.labels.index("silence")][:1]
        examples = np.concatenate([streams.waveforms(row, epoch) for epoch in range(20)])
    spectra = np.abs(np.fft.rfft(examples * np.hanning(examples.shape[1])))
    peaks_hz = spectra.argmax(axis=1) * sr / examples.shape[1]
    tones = np.abs(peaks_hz - 1000) < 5
    assert 5 <= tones.sum() <= 15
    assert (np.abs(examples[tones][:, -200:]).max(axis=1) > 0.5 * np.abs(examples[tones]).max(axis=1)).all()
