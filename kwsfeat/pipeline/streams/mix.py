"""Words into a section: where, how loud, in which room; and the reference of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kwsfeat.augment.transform import check_bounds
from kwsfeat.augment.transforms.room import Room
from kwsfeat.detection.reference import NEAR_MISS, Interval
from kwsfeat.errors import ConfigError
from kwsfeat.pipeline.streams.spoken import Deck

_LOUDEST = 0.99  # peak of a word
_TAIL_S = 0.3  # of a room after the word
_QUIET_DB = 10.0  # in a pause the background counts as this far below the mean of its section


@dataclass(frozen=True)
class MixConfig:
    """How words are placed; ranges are drawn from evenly.

    `gap_s` is from the end of a word to the next one, `snr_db` of a word over the RMS of the background under it, `level_db` the RMS
    of the background under full scale, `room` the share of words that are heard in a room.
    """

    gap_s: tuple[float, float] = (4.0, 12.0)
    snr_db: tuple[float, float] = (0.0, 20.0)
    level_db: tuple[float, float] = (-40.0, -25.0)
    room: float = 0.0

    def __post_init__(self) -> None:
        check_bounds("gap_s", self.gap_s, 0.0, 3600.0)
        check_bounds("snr_db", self.snr_db, -60.0, 100.0)
        check_bounds("level_db", self.level_db, -100.0, 0.0)
        if not 0 <= self.room <= 1:
            raise ConfigError(f"room={self.room:g} must be a share from 0 to 1")


def mix(
    background: NDArray[np.float32], source: str, deck: Deck | None, config: MixConfig, *, sr: int, rng: np.random.Generator
) -> tuple[NDArray[np.float32], list[Interval]]:
    """The section with words in it, none without `deck`, and its reference: the section itself and each word.

    The SNR in the reference is the one that a word has: one that would be louder than full scale is made softer.
    """
    y = background * np.float32(_gain(_rms(background), rng.uniform(*config.level_db)))
    mean_rms = _rms(y)
    intervals = [Interval(0.0, len(y) / sr, source=source)]
    at = round(rng.uniform(*config.gap_s) * sr)
    while deck:
        clip = deck.draw(rng)
        word = clip.load()
        snr_db, gap_s = rng.uniform(*config.snr_db), rng.uniform(*config.gap_s)
        in_room, seed = rng.random() < config.room, rng.integers(2**32)
        stop = at + len(word)
        if stop > len(y):
            break
        under = max(_rms(y[at:stop]), mean_rms * 10 ** (-_QUIET_DB / 20), 1e-5)
        if in_room:
            room = Room(sr=sr)
            heard = np.pad(word, (0, min(round(_TAIL_S * sr), len(y) - stop)))
            word = room.apply(heard, room.draw(np.random.default_rng(int(seed))))
        rms, peak = _rms(word[: stop - at]), float(np.abs(word).max(initial=0.0))
        if peak > 0:
            gain = min(under * 10 ** (snr_db / 20) / rms, _LOUDEST / peak)
            snr_db, level_db = _db(gain * rms / under), _db(gain * rms)
            y[at : at + len(word)] += np.float32(gain) * word
            other = "" if clip.word in deck.words else NEAR_MISS
            intervals.append(Interval(at / sr, stop / sr, clip.word, other, snr_db, level_db))
        at = stop + max(1, round(gap_s * sr))
    return np.clip(y, -1, 1, out=y), intervals


def _rms(y: NDArray[np.float32]) -> float:
    return float(np.sqrt(np.mean(np.square(y, dtype=np.float64)))) if len(y) else 0.0


def _gain(rms: float, level_db: float) -> float:
    return float(10 ** (level_db / 20) / rms) if rms > 0 else 1.0


def _db(ratio: float) -> float:
    return float(20 * np.log10(ratio))
