"""What is known of sound without the word: how windows vary, scores of streams, and the file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from kwsfeat import ConfigError, StoreError
from kwstrain.teaching.bank import STEP, WINDOW, Bank, score_stream


def streams(n: int = 4000, dim: int = 5) -> list[np.ndarray]:
    """Vectors that depend on those before them."""
    rng = np.random.default_rng(0)
    mix = rng.standard_normal((dim, dim))
    noise = rng.standard_normal((2, n + 3, dim)) @ mix + 0.5
    return [(one[:-3] + 0.8 * one[1:-2] - 0.5 * one[3:]).astype(np.float32) for one in noise]


def test_covariance_is_that_of_the_windows() -> None:
    given = streams()
    bank = Bank.of_streams("x", given, 0.08)
    windows = np.concatenate([np.lib.stride_tricks.sliding_window_view(one, 3, axis=0).transpose(0, 2, 1).reshape(-1, 15) for one in given])
    wanted = np.cov(windows.T, bias=True)
    np.testing.assert_allclose(bank.covariance(3), wanted, atol=0.01 * np.abs(wanted).max())
    assert np.linalg.eigvalsh(bank.covariance(8)).min() > 0
    assert bank.hours == pytest.approx(2 * 4000 * 0.08 / 3600)
    with pytest.raises(ConfigError, match=r"window=9 must be <= 8"):
        bank.covariance(9)


def test_scores_are_sums_over_windows() -> None:
    given = streams(40)[0]
    kernel = np.random.default_rng(1).standard_normal((3, 5))
    wanted = [float((given[i : i + 3] * kernel).sum()) for i in range(38)]
    np.testing.assert_allclose(score_stream(given, kernel), wanted, rtol=1e-4, atol=1e-4)
    assert score_stream(given[:2], kernel).shape == (0,)


def test_a_bank_is_read_as_it_was_written_but_for_the_rounding(tmp_path: Path) -> None:
    bank = Bank.of_streams("x", [*streams(), streams(30)[0]], 0.08, ["talk: CC0"])
    bank.save(tmp_path / "bank.npz")
    read = Bank.load(tmp_path / "bank.npz")
    assert (read.of, read.hop_s, read.sources, [len(one) for one in read.streams]) == ("x", 0.08, ("talk: CC0",), [4000, 4000, 30])
    np.testing.assert_allclose(read.covariance(4), bank.covariance(4), rtol=2e-3, atol=2e-3 * np.abs(bank.lags).max())
    covariance = bank.covariance(4) + 0.1 * np.trace(bank.covariance(4)) / 20 * np.eye(20)
    kernel = np.linalg.solve(covariance, np.random.default_rng(2).standard_normal(20)).reshape(4, 5)
    exact, rounded = (np.concatenate([score_stream(stream, kernel) for stream in one.streams]) for one in (bank, read))
    variance, directions = np.linalg.eigh(bank.lags[0])
    steps = STEP * np.sqrt(variance + 0.02 * variance.mean())
    expected = np.sqrt(((kernel @ directions * steps) ** 2).sum() / 12)  # of rounding, which is uniform
    assert np.std(exact - rounded) == pytest.approx(expected, rel=0.05)
    assert (tmp_path / "bank.npz").stat().st_size < 8030 * 5


def test_damaged_banks_and_too_little_sound_are_named(tmp_path: Path) -> None:
    (tmp_path / "bank.npz").write_bytes(b"PK\x03\x04 no bank")
    with pytest.raises(StoreError, match=r"bank.npz is no bank, or damaged"):
        Bank.load(tmp_path / "bank.npz")
    with pytest.raises(StoreError, match=r"no such bank: kwstrain bank makes one"):
        Bank.load(tmp_path / "none.npz")
    with pytest.raises(ConfigError, match=r"2 s of negatives are too few: at least 13 s"):
        Bank.of_streams("x", [np.zeros((30, 8), np.float32)], 0.08)


def test_the_covariance_of_words_is_that_of_speakers_and_positive(tmp_path: Path) -> None:
    """It does not depend on where in the window a vector stands, and the words' own means have no part in it."""
    rng = np.random.default_rng(4)
    mix = rng.standard_normal((5, 5))
    words = []
    for _ in range(8):
        noise = rng.standard_normal((400, WINDOW + 1, 5)) @ mix
        words.append((10 * rng.standard_normal((1, WINDOW, 5)) + noise[:, 1:] + 0.6 * noise[:, :-1]).astype(np.float32))
    bank = Bank.of_streams("x", streams(), 0.08, words=words)
    found, one, next_to = bank.covariance_of_words(3), 1.36 * mix.T @ mix, 0.6 * mix.T @ mix
    wanted = np.block([[one, next_to, 0 * one], [next_to.T, one, next_to], [0 * one, next_to.T, one]])
    np.testing.assert_allclose(found, wanted, atol=0.06 * np.abs(wanted).max())
    assert np.linalg.eigvalsh(bank.covariance_of_words(WINDOW)).min() > -1e-9
    bank.save(tmp_path / "bank.npz")
    np.testing.assert_allclose(Bank.load(tmp_path / "bank.npz").covariance_of_words(3), found, atol=2e-3 * np.abs(found).max())
    assert Bank.of_streams("x", streams(), 0.08).covariance_of_words(3) is None
