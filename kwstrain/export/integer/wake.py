"""What a microcontroller gets of a run: the network in whole numbers, the word that it hears, and when it says so."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kwsfeat import ConfigError, FrontEnd, UnknownNameError, is_negative, preset, unknown_name
from kwstrain.detection.point import OperatingPoint
from kwstrain.export.calibration import calibration_clips, judged_clips
from kwstrain.export.integer.network import IntegerNetwork
from kwstrain.export.integer.quantise import INPUT, float_means, quantised
from kwstrain.export.integer.reference import IntegerStream
from kwstrain.export.integer.score import Score, score_of
from kwstrain.export.target import Job
from kwstrain.inference.bundle import Bundle
from kwstrain.inference.probabilities import probabilities
from kwstrain.streaming.find import streaming_program
from kwstrain.streaming.program import Program

NETWORK, PRESET = "mixednet", "micro-frontend"
# The fields that decide what a frame is; how long a clip is, and how it was cut, may differ.
_FRAME = ("sr", "output", "win_length", "hop_length", "n_mels", "fmin_hz", "fmax_hz")
CUTOFF, WINDOW = 0.9, 5  # without a calibration
_HIGHEST_CUTOFF = 0.99  # a device's score ends at 255/256
_AT_ONCE = 256  # clips


@dataclass(frozen=True, kw_only=True)
class WakeWord:
    """A word and what hears it.

    `cutoff` is what the mean of the last `window` scores must exceed. `said` is what was measured on clips: names and values of JSON.
    """

    word: str
    network: IntegerNetwork
    cutoff: float
    window: int
    said: dict[str, Any]


def wake_word(job: Job, to: str) -> WakeWord:
    """The run of a job in whole numbers, calibrated on its training clips and compared on its test clips.

    Raises
    ------
    ConfigError
        If the network or its features cannot go to `to`, or no word is named where there are several.
    StoreError
        If the run's file is gone or holds no audio.
    """
    bundle = job.bundle
    check_goes(bundle, to)
    point = OperatingPoint.load(bundle.folder)
    word = chosen_word(bundle.labels, point, job.word)
    program = streaming_program(
        bundle.config.arch, bundle.config.options, bundle.weights, bundle.feature_config.shape, where=str(bundle.folder / "weights.npz")
    )
    c = bundle.feature_config
    cutoff, window = device_rule(point, word, row_s=program.stride * c.hop_length / c.sr, note=job.note)
    score = score_of(program.kernel, program.bias, bundle.labels.index(word), loss=bundle.config.loss)
    y, _ = calibration_clips(bundle)
    job.note(f"measuring ranges on {len(y)} clips")
    front_end = FrontEnd(bundle.feature_config)
    stream = front_end.extract_recording(y.ravel())  # as a device hears them: one after the other, and the noise is known
    network = quantised(program, score, [front_end.extract_batch(y), stream[None]])
    said = _compared(job, program, score, network, word, cutoff)
    return WakeWord(word=word, network=network, cutoff=cutoff, window=window, said=said)


def check_goes(bundle: Bundle, to: str) -> None:
    """Refuse another network than MixedNet, and other features than those of the device.

    Raises
    ------
    ConfigError
        In a line, with what can go.
    """
    arch = bundle.config.arch
    if arch != NETWORK:
        raise ConfigError(
            f"{arch} cannot go to {to}: only {NETWORK} on the features {PRESET} can, whose layers devices compute; train that, or "
            "export this --to onnx"
        )
    mine, device = bundle.feature_config, preset(PRESET)
    others = [f"{name}={getattr(mine, name)!r}" for name in _FRAME if getattr(mine, name) != getattr(device, name)]
    if others:
        raise ConfigError(
            f"features with {', '.join(others)} cannot go to {to}: a device has those of the preset {PRESET}; build with "
            f"--features {PRESET}, or export this --to onnx-stream"
        )


def chosen_word(labels: Sequence[str], point: OperatingPoint | None, wanted: str) -> str:
    """The word that is heard: `wanted`, or the only one that is calibrated, or the only label that is a word.

    Raises
    ------
    UnknownNameError
        If `wanted` is not a label, or there are several words and none is wanted.
    """
    if wanted:
        if wanted not in labels:
            raise unknown_name("label of the run", wanted, labels)
        return wanted
    calibrated = [] if point is None else [word for word in point.thresholds if word in labels]
    words = [label for label in labels if not is_negative(label)]
    for found in (calibrated, words):
        if len(found) == 1:
            return found[0]
    raise UnknownNameError(f"a device hears one word, the run knows {', '.join(words or labels)}: name it with --word")


def device_rule(point: OperatingPoint | None, word: str, *, row_s: float, note: Callable[[str], None]) -> tuple[float, int]:
    """Cut-off and sliding window in scores of a device, one each `row_s`: the calibrated ones, or a starting point, which is noted."""
    if point is None or word not in point.thresholds:
        note(
            f"{word!r} is not calibrated: a cut-off of {CUTOFF:g} over {WINDOW} scores is a starting point; kwstrain calibrate chooses one"
        )
        return CUTOFF, WINDOW
    cutoff = point.thresholds[word]
    if cutoff > _HIGHEST_CUTOFF:
        note(f"the threshold {cutoff:g} of {word!r} becomes a cut-off of {_HIGHEST_CUTOFF:g}: scores of a device end below 1")
    return round(min(cutoff, _HIGHEST_CUTOFF), 4), max(1, round(point.smoothing_frames * point.hop_s / row_s))


def _compared(job: Job, program: Program, score: Score, network: IntegerNetwork, word: str, cutoff: float) -> dict[str, Any]:
    """How often each of both decides rightly whether a clip is the word, and what 8 bits change in a score."""
    bundle = job.bundle
    y, _, label, split = judged_clips(bundle)
    job.note(f"comparing with the network itself on {len(y)} {split} clips")
    index = bundle.labels.index(word)
    front_end = FrontEnd(bundle.feature_config)
    probability, unrounded, given = [], [], []
    for start in range(0, len(y), _AT_ONCE):
        x = front_end.extract_batch(y[start : start + _AT_ONCE])
        means = float_means(program, x)[:, -1]
        logits = (means @ program.kernel + program.bias).astype(np.float32)
        probability.append(probabilities(logits, bundle.config.loss)[:, index])
        unrounded.append(score.of_logits(means @ score.kernel + score.bias))
        given.append(last_scores(network, x, lead=program.lead) / 256)
    before, after, is_word = np.concatenate(probability), np.concatenate(given), label == index
    return {
        "judged_on": f"{len(y):,} {split} clips",
        "accuracy_float": float(((before > cutoff) == is_word).mean()),
        "accuracy": float(((after > cutoff) == is_word).mean()),
        "score_difference": float(np.abs(np.concatenate(unrounded) - after).mean()),
    }


def last_scores(network: IntegerNetwork, x: NDArray[np.float32], *, lead: int) -> NDArray[np.uint8]:
    """Of clips (n, n_frames, n_features), each heard by itself: the score after its last frame, after `lead` frames of silence."""
    frames = INPUT.of(np.concatenate([np.zeros((len(x), lead, x.shape[2]), np.float32), x], axis=1))
    return IntegerStream(network, len(x)).run(frames)[:, -1]
