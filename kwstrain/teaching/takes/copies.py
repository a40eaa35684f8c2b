"""Windows of a word: what the last layer sees of it, also in other places, speeds, rooms and noises."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from kwsfeat import FeatureConfig, as_clip, as_float32, load_clip, load_policy, synthetic_noise, time_stretch
from kwstrain.teaching.embeddings.embedding import Embedding
from kwstrain.teaching.takes.recordings import Samples, Take

POLICY = "own-word"
BEHIND_S = 0.12  # from the word's end to the window's, in the middle
SHIFT_S = 0.1
SPEED = 0.08
BEFORE_WORD = (0.35, 0.65)  # share of a clip's time without the word that is before it


def windows_of_copies(
    embedding: Embedding, takes: Sequence[Take], window: int, n_copies: int, *, seed: int = 0, advance: Callable[[], None] = lambda: None
) -> NDArray[np.float32]:
    """Vectors of windows that end soon after the word.

    Parameters
    ----------
    embedding : Embedding
    takes : sequence of Take
    window : int
        Vectors of a window.
    n_copies : int, >= 1
        Of each take; the first is the recording itself.
    seed : int
        Of what is drawn.
    advance : callable
        Called after each copy.

    Returns
    -------
    ndarray, float32, shape (n_takes, n_copies, window, dim)
    """
    sr, n_samples = embedding.sr, embedding.clip(window).n_samples
    given = np.zeros((len(takes), n_copies, window, embedding.dim), np.float32)
    for i, k, y, end, rng in _copies(takes, n_copies, sr, seed):
        behind = BEHIND_S + (float(rng.uniform(-SHIFT_S, SHIFT_S)) if k else 0.0)
        given[i, k] = embedding.embed(_ending(y, end + round(behind * sr), n_samples))[:window]
        advance()
    return given


def clips_of_copies(
    embedding: Embedding, takes: Sequence[Take], clip: FeatureConfig, n_copies: int, *, seed: int = 0
) -> NDArray[np.float32]:
    """Mean vectors of clips that hold the word, float32 (n_takes, n_copies, dim).

    The first copy is the recording with little around the word, and zeros up to a clip's length. In the others the word is somewhere near
    the middle of the clip.
    """
    sr = embedding.sr
    given = np.zeros((len(takes), n_copies, embedding.dim), np.float32)
    for i, k, y, end, rng in _copies(takes, n_copies, sr, seed):
        if k:
            spare = clip.n_samples - round((takes[i].end - takes[i].start) * end / takes[i].end)
            part = _ending(y, end + spare - round(float(rng.uniform(*BEFORE_WORD)) * spare), clip.n_samples)
        else:
            part = as_float32(as_clip(y[max(0, takes[i].start - round(0.3 * sr)) : end + round(0.25 * sr)], clip)[0])
        given[i, k] = embedding.embed(part).mean(axis=0)
    return given


def clips_as_they_are(embedding: Embedding, takes: Sequence[Take], clip: FeatureConfig) -> NDArray[np.float32]:
    """Mean vectors of whole recordings, float32 (n_takes, dim), padded or cropped as they are when they are classified."""
    clips = (as_float32(load_clip(take.path, clip)[0]) for take in takes)
    return np.array([embedding.embed(y).mean(axis=0) for y in clips], np.float32)


def _copies(takes: Sequence[Take], n_copies: int, sr: int, seed: int) -> Iterator[tuple[int, int, Samples, int, np.random.Generator]]:
    """Number of the take and of the copy, its waveform, where the word ends in it, and what to draw further choices from."""
    transform = load_policy(POLICY).bind(sr, synthetic_noise(sr, seed))
    for i, take in enumerate(takes):
        for k in range(n_copies):
            rng = np.random.default_rng((seed, i, k))
            y, end = take.y, take.end
            if k:
                rate = float(rng.uniform(1 - SPEED, 1 + SPEED))
                y, end = time_stretch(y, rate, sr=sr), round(end / rate)
                y = np.clip(transform.apply(y, transform.draw(rng)), -1, 1)
            yield i, k, y, end, rng


def windows_of_take(embedding: Embedding, take: Take, window: int) -> NDArray[np.float32]:
    """All windows of a take, as a stream would see them: float32 (n, window, dim)."""
    vectors = embedding.embed(take.y)
    return np.lib.stride_tricks.sliding_window_view(vectors, window, axis=0).transpose(0, 2, 1)


def halves_of(embedding: Embedding, takes: Sequence[Take], window: int) -> NDArray[np.float32]:
    """Windows of halves of the word, quiet where the other half was: float32 (2 n_takes, window, dim)."""
    n_samples, behind = embedding.clip(window).n_samples, round(BEHIND_S * embedding.sr)
    given = np.zeros((2 * len(takes), window, embedding.dim), np.float32)
    for i, take in enumerate(takes):
        middle = (take.start + take.end) // 2
        quiet = np.float32(1e-4) * np.random.default_rng(i).standard_normal(len(take.y), np.float32)
        first, second = quiet.copy(), quiet.copy()
        first[:middle], second[middle:] = take.y[:middle], take.y[middle:]
        given[2 * i] = embedding.embed(_ending(first, middle + behind, n_samples))[:window]
        given[2 * i + 1] = embedding.embed(_ending(second, take.end + behind, n_samples))[:window]
    return given


def _ending(y: Samples, end: int, n: int) -> Samples:
    """The `n` samples of `y` that end at `end`; zeros where it has none."""
    out = np.zeros(n, np.float32)
    part = y[max(0, end - n) : end]
    first = max(0, n - end)
    out[first : first + len(part)] = part
    return out
