"""Last layers on vectors of which it is known what can be told apart: closed forms, thresholds, and what is refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from kwstrain.inference.probabilities import probabilities
from kwstrain.teaching.bank import WINDOW as WIDEST
from kwstrain.teaching.bank import Bank, score_stream
from kwstrain.teaching.heads.classifier import KnownWord, make_classifier, whitening_of_words
from kwstrain.teaching.heads.detector import Spoken, WordDetector, make_detector
from kwstrain.teaching.heads.discriminant import Discriminant, word_mean
from kwstrain.teaching.heads.logistic import fit_logistic
from kwstrain.teaching.heads.thresholds import peaks

WINDOW, DIM, HOP_S = 3, 6, 0.08


def bank(seed: int = 0, n: int = 20_000) -> Bank:
    """Vectors that depend on the one before, and vary more in some directions than in others."""
    rng = np.random.default_rng(seed)
    noise = rng.standard_normal((n + 1, DIM)) * np.linspace(0.5, 3, DIM)
    return Bank.of_streams("x", [(noise[1:] + 0.7 * noise[:-1] + 1).astype(np.float32)], HOP_S)


def windows(n: int, seed: int, shift: float = 2.5, turned: bool = False) -> np.ndarray:
    """Of a word: the noise of the bank around a mean of its own."""
    rng = np.random.default_rng(seed)
    mean = shift * np.sin(np.arange(WINDOW * DIM) + (2.0 if turned else 0.0)).reshape(WINDOW, DIM) * np.linspace(0.5, 3, DIM)
    return (1 + mean + 0.6 * np.linspace(0.5, 3, DIM) * rng.standard_normal((n, WINDOW, DIM))).astype(np.float32)


def spoken(n: int, n_voices: int = 0) -> Spoken:
    copies = windows(2 * n, 1).reshape(n, 2, WINDOW, DIM)
    voices = windows(n_voices, 2, turned=False)
    return Spoken(copies=copies, heard=list(copies), voices=voices, halves=np.zeros((0, WINDOW, DIM), np.float32))


def test_a_discriminant_is_the_direction_that_theory_gives() -> None:
    one = Discriminant.of(bank(), WINDOW)
    mean = np.arange(WINDOW * DIM, dtype=float)
    kernel = one.kernel(mean)
    spherical = 0.7 * one.covariance + 0.3 * np.trace(one.covariance) / len(mean) * np.eye(len(mean))
    wanted = np.linalg.solve(spherical, mean - one.mean)
    np.testing.assert_allclose(kernel.ravel() / np.linalg.norm(kernel), wanted / np.linalg.norm(wanted), atol=1e-9)
    assert np.std(score_stream(bank().streams[0], kernel)) == pytest.approx(1.0, rel=0.02)


def test_recordings_count_as_much_as_voices_the_more_there_are() -> None:
    none, voices = np.zeros((0, 2, 4)), np.full((50, 4), 3.0)
    for n, wanted in ((1, 0.2 * 1 + 0.8 * 3), (3, 1 / 3 + 2 / 3 * 3), (300, 2.0)):
        np.testing.assert_allclose(word_mean(np.full((n, 2, 4), 1.0), voices), np.full(4, wanted), atol=0.01)
    np.testing.assert_array_equal(word_mean(none, voices), voices[0])
    np.testing.assert_array_equal(word_mean(np.full((3, 2, 4), 1.0), voices[:0]), np.ones(4))
    assert word_mean(none, voices[:0]) is None


def test_a_direction_in_which_speakers_differ_counts_less() -> None:
    """Both directions tell the word from the negatives equally well; people say it alike in one of them only."""
    rng = np.random.default_rng(3)
    streams = [rng.standard_normal((20_000, 2)).astype(np.float32)]
    words = [(rng.standard_normal(2) + rng.standard_normal((50, WIDEST, 2)) * (0.1, 1.0)).astype(np.float32) for _ in range(6)]
    mean = np.ones(2)
    plain, told = (Discriminant.of(Bank.of_streams("x", streams, HOP_S, words=given), 1).kernel(mean)[0] for given in ([], words))
    assert plain[0] == pytest.approx(plain[1], rel=0.05)
    # Of the words' variances, 0.01 and 1, times 2 / 1.01 so that they are as much as the negatives', 0.12; drawn to the mean by 0.3.
    along, across = (0.7 * (0.88 + 0.12 * 2 / 1.01 * variance) + 0.3 for variance in (0.01, 1.0))
    assert told[0] / told[1] == pytest.approx(across / along, rel=0.05)


def false_accepts(made: WordDetector, other: Bank) -> int:
    return int((peaks((score_stream(one, made.kernel) for one in other.streams), HOP_S) >= made.threshold).sum())


def test_what_sounds_like_the_word_scores_less_where_it_teaches() -> None:
    word, other = windows(6, 5).astype(np.float64), windows(6, 5, turned=True)
    near = list((0.7 * word + 0.3 * other).astype(np.float32))
    plain, told = (make_detector(bank(), replace(spoken(8), near=given), 20.0) for given in ([], near))
    margins = [np.mean([score_stream(one, made.kernel).max() for one in near]) - made.threshold for made in (plain, told)]
    assert margins[1] < margins[0] - 0.01
    assert told.misses.n == 0


@pytest.mark.parametrize("n_voices", [0, 10])
def test_a_detector_finds_the_word_and_keeps_its_promise(n_voices: int) -> None:
    made = make_detector(bank(), spoken(8, n_voices), 20.0)
    assert made.misses.n == 0
    assert made.misses.said == 8
    found = [float((one * made.kernel).sum()) for one in windows(50, 9)]
    assert min(found) > made.threshold
    hours = 20_000 * HOP_S / 3600
    assert 2 <= false_accepts(made, bank(seed=7)) <= 25, f"about {20 * hours:.0f} in negatives of the same kind"
    kernel, bias = made.layer()
    assert kernel.shape == (1, WINDOW, DIM, 2)
    at = made.threshold * kernel[..., 0].ravel() @ kernel[..., 0].ravel() / (kernel[..., 0].ravel() @ made.kernel.ravel())
    assert at + bias[0] == pytest.approx(0, abs=1e-6), "probability 0.5 at the threshold"
    assert not kernel[..., 1].any()


def test_voices_alone_make_a_detector() -> None:
    made = make_detector(bank(), spoken(0, 20), 20.0)
    assert made.misses.said == 20


def test_logistic_regression_finds_the_minimum() -> None:
    rng = np.random.default_rng(0)
    x, label = rng.standard_normal((300, 4)), rng.integers(0, 3, 300)
    x[:, :3] += 1.5 * np.eye(3)[label]
    weight = np.full(300, 1 / 300)

    def loss(kernel: np.ndarray, bias: np.ndarray) -> float:
        z = x @ kernel + bias
        return float(-(weight * (z[np.arange(300), label] - np.logaddexp.reduce(z, axis=1))).sum() + 0.005 * (kernel**2).sum())

    kernel, bias = fit_logistic(x, label, weight, 3, 0.01)
    least = loss(kernel, bias)
    for _ in range(20):
        assert loss(kernel + 0.05 * rng.standard_normal(kernel.shape), bias + 0.05 * rng.standard_normal(3)) > least


def test_a_classifier_tells_words_apart_and_refuses_the_rest() -> None:
    words = [
        KnownWord(name, windows(3 * 40, i, turned=i == 1).mean(axis=1).reshape(40, 3, DIM), np.zeros((0, DIM), np.float32))
        for i, name in enumerate(("yes", "no"))
    ]
    made = make_classifier(bank(), words, WINDOW)
    assert sum(one.n for one in made.wrong) <= 4
    assert made.kernel.shape == (1, 1, DIM, 3)
    for i, turned in enumerate((False, True)):
        z = windows(50, 20 + i, turned=turned).mean(axis=1) @ made.kernel[0, 0] + made.bias
        assert (z.argmax(axis=1) == i).mean() > 0.85
    assert made.threshold is not None
    assert 0 < made.threshold < 1


def test_what_is_refused_is_chosen_on_all_copies() -> None:
    """The first copy of each recording is clear; one in fifty of the others, and of new ones like them, may be refused."""
    rng = np.random.default_rng(4)

    def said(word: int, n: int, clear: float) -> np.ndarray:
        return (clear * np.eye(4)[word] + 0.25 * rng.standard_normal((n, 4))).astype(np.float32)

    words = [
        KnownWord(name, np.stack([said(i, 40, 3.0), *(said(i, 40, 1.0) for _ in range(3))], axis=1), said(i, 30, 2.0))
        for i, name in enumerate(("up", "down"))
    ]
    others = Bank.of_streams("x", [rng.standard_normal((4000, 4)).astype(np.float32) * 0.3], HOP_S)
    made = make_classifier(others, words, 1)
    assert made.threshold is not None
    logits = np.concatenate([said(i, 2000, 1.0) for i in range(2)]).astype(np.float64) @ made.kernel[0, 0] + made.bias
    given = probabilities(logits.astype(np.float32))
    right = given.argmax(axis=1) == np.repeat([0, 1], 2000)
    assert right.mean() > 0.9
    assert 0.002 < (given.max(axis=1)[right] < made.threshold).mean() < 0.05


def test_words_are_told_apart_by_what_their_speakers_say_alike() -> None:
    """Speakers say a word alike in the first direction only, in which the negatives vary as much as in the second."""
    rng = np.random.default_rng(5)
    streams = [rng.standard_normal((20_000, 2)).astype(np.float32)]
    spread = (0.1, 1.0)
    said = [
        (rng.standard_normal(2) + np.repeat(rng.standard_normal((50, 1, 2)) * spread, WIDEST, axis=1)).astype(np.float32) for _ in range(6)
    ]
    plain, told = (whitening_of_words(Bank.of_streams("x", streams, HOP_S, words=given)) for given in ([], said))
    scale = [np.linalg.norm(one, axis=1) for one in (plain, told)]  # of what each direction becomes
    assert scale[0][0] == pytest.approx(scale[0][1], rel=0.05)
    # Variances 0.01 and 1, and 0.3 of their mean beside them.
    assert scale[1][0] / scale[1][1] == pytest.approx(np.sqrt((1.0 + 0.3 * 0.505) / (0.01 + 0.3 * 0.505)), rel=0.1)


def test_voices_count_a_fifth_beside_recordings() -> None:
    """Few recordings of two words lie together; the voices, which are elsewhere, move the border a fifth of the way at most."""
    rng = np.random.default_rng(6)

    def near(x: float, y: float, *shape: int) -> np.ndarray:
        return (np.array([x, y]) + 0.05 * rng.standard_normal((*shape, 2))).astype(np.float32)

    others = Bank.of_streams("x", [rng.standard_normal((4000, 2)).astype(np.float32) * 0.3], HOP_S)
    border = []
    for voices in (near(1.0, 3.0, 0), near(1.0, 3.0, 30)):
        made = make_classifier(others, [KnownWord("up", near(1, 1, 5, 2), voices), KnownWord("down", near(1, -1, 5, 2), near(1, -1, 0))], 1)
        kernel = made.kernel[0, 0]
        along, across = kernel[:, 0] - kernel[:, 1], made.bias[0] - made.bias[1]
        border.append(-(across + along[0]) / along[1])
    assert abs(border[0]) < 0.1
    assert 0 < border[1] - border[0] < 0.3
