"""A run of MixedNet that hears a word: random layers, and a last one that is fitted to tones in a stream, which takes a second."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import soundfile
from random_runs import write_run
from scipy.optimize import minimize
from tones import tone_clip

from kwsfeat import FrontEnd, Reader, preset
from kwsfeat.pipeline.build import build_file
from kwsfeat.pipeline.sources import plan_recordings
from kwstrain.config import TrainConfig
from kwstrain.export.integer.quantise import float_means
from kwstrain.inference.bundle import Bundle
from kwstrain.io import save_arrays
from kwstrain.streaming.find import streaming_program
from kwstrain.streaming.program import Program

CONFIG = replace(preset("micro-frontend"), n_samples=32000)
LABELS = ("marvin", "silence", "unknown")
WORD, SOUNDS = "marvin", {"marvin": 2, "unknown": 0, "silence": None}
TAKES = 40  # of each label, for the fit
_WORD_S, _HEARD_S = 1.0, 0.3  # how long a word is, and for how long after it the network shall say so


def starts(label: str, take: int) -> int:
    """The sample where the word begins in :func:`sound`."""
    return int(np.random.default_rng((len(label), take)).integers(6000, 15000))


def sound(label: str, take: int) -> np.ndarray:
    """Two seconds, int16: noise, and in it what the label says, anywhere."""
    y = 0.003 * np.random.default_rng((take, len(label))).standard_normal(CONFIG.n_samples)
    if (word := SOUNDS[label]) is not None:
        start = starts(label, take)
        y[start : start + 16000] += tone_clip(word, take)
    return np.clip(np.rint(y * 32768), -32768, 32767).astype(np.int16)


def write_file(folder: Path, labels: tuple[str, ...], *, n: int, audio: bool) -> Path:
    """The file of a corpus of `n` recordings a label."""
    for label in labels:
        (folder / "corpus" / label).mkdir(parents=True)
        for take in range(n):
            soundfile.write(folder / "corpus" / label / f"{take}.wav", sound(label, take), CONFIG.sr, subtype="PCM_16")
    build_file(plan_recordings(folder / "corpus", CONFIG), folder / "words.h5", {"micro": CONFIG}, audio=audio)
    return folder / "words.h5"


def write_wake_run(folder: Path, *, filters: int = 16) -> Bundle:
    """A run folder whose network tells the labels apart, beside a file of such sounds."""
    path = write_file(folder, LABELS, n=TAKES, audio=True)
    bundle = write_run(folder / "run", "mixednet", CONFIG, filters=filters)
    with Reader(path) as reader:
        x = reader.features("micro")
        mean, std = x.mean(axis=(0, 1)), 1 + x.std(axis=(0, 1))
        assert reader.labels == LABELS
    weights = {**bundle.weights, "input_norm/mean": mean, "input_norm/std": std}
    kernel, bias = _fitted(*_rows(streaming_program("mixednet", bundle.config.options, weights, CONFIG.shape)))
    save_arrays(folder / "run" / "weights.npz", {**weights, "out/kernel": kernel, "out/bias": bias})
    fitted = replace(
        bundle, labels=LABELS, data=str(path), mean=mean, std=std, feature_name="micro",
        config=TrainConfig(arch="mixednet", options={"filters": filters}),
    )  # fmt: skip
    fitted.save()
    return Bundle.load(folder / "run")


def _rows(program: Program) -> tuple[np.ndarray, np.ndarray]:
    """What the last layer sees in a stream of sounds, and the class: the word just after it, another one while none of it is in sight."""
    order = np.random.default_rng(0).permutation([(label, take) for label in range(len(LABELS)) for take in range(TAKES)])
    stream = np.concatenate([sound(LABELS[label], int(take)) for label, take in order])
    x = float_means(program, FrontEnd(CONFIG).extract_recording(stream)[None])[0]
    clip_s, sees_s = CONFIG.n_samples / CONFIG.sr, (program.receptive_field + program.stride * (program.n_mean - 1)) / 100
    end_s = sees_s + 0.03 * np.arange(len(x)) + 0.02
    wanted, words = np.full(len(x), LABELS.index("silence")), np.zeros(len(x), bool)
    heard = np.zeros(len(x), bool)
    for i, (label, take) in enumerate(order):
        if SOUNDS[LABELS[label]] is not None:
            start_s = clip_s * i + starts(LABELS[label], int(take)) / CONFIG.sr
            in_sight = (end_s > start_s) & (end_s - sees_s < start_s + _WORD_S)
            after = in_sight & (end_s >= start_s + _WORD_S) & (end_s < start_s + _WORD_S + _HEARD_S)
            chosen = after if LABELS[label] == WORD else in_sight
            words |= in_sight & (LABELS[label] == WORD)
            heard |= after & (LABELS[label] == WORD)
            wanted[chosen] = label
    chosen = heard | ~words
    return x[chosen][::2], np.eye(len(LABELS))[wanted[chosen]][::2]


def _fitted(x: np.ndarray, wanted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A logistic regression, every class with the same weight: kernel and bias."""
    mean, std, n = x.mean(axis=0), x.std(axis=0).max(), wanted.shape[1]
    z = np.concatenate([(x - mean) / std, np.ones((len(x), 1))], axis=1)
    weight = (1 / wanted.sum(axis=0))[wanted.argmax(axis=1)] / n

    def loss(w: np.ndarray) -> tuple[float, np.ndarray]:
        logits = z @ w.reshape(-1, n)
        log_p = logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)
        gradient = z.T @ ((np.exp(log_p) - wanted) * weight[:, None])
        return float(-((log_p * wanted).sum(axis=1) * weight).sum() + 1e-5 * w @ w), gradient.ravel() + 2e-5 * w

    w = minimize(loss, np.zeros(z.shape[1] * n), jac=True, method="L-BFGS-B", options={"maxiter": 300}).x.reshape(-1, n)
    return (w[:-1] / std).astype(np.float32), (w[-1] - (mean / std) @ w[:-1]).astype(np.float32)
