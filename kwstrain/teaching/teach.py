"""Teach: recordings of a word, or its spelling, in; a run that detects it out."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np

from kwsfeat import AudioError, CorpusError, MissingExtraError, list_recordings
from kwstrain.detection.point import OperatingPoint
from kwstrain.detection.rates import FalseAccepts, Misses
from kwstrain.teaching.alarms import FalseAlarm, false_alarms
from kwstrain.teaching.bank import WINDOW, Bank
from kwstrain.teaching.choices import OTHER, Choices, Note, bank_of, check_words
from kwstrain.teaching.embeddings.embedding import Embedding, embedding
from kwstrain.teaching.heads.detector import Spoken, WordDetector, make_detector
from kwstrain.teaching.near import Near, hear_near, mistaken, teaching
from kwstrain.teaching.report import save_report
from kwstrain.teaching.run import check_free, write_run
from kwstrain.teaching.takes.checks import alike, check_one_word, is_one_voice, unlike_faults
from kwstrain.teaching.takes.copies import halves_of, windows_of_copies, windows_of_take
from kwstrain.teaching.takes.recordings import Fault, Take, read_takes
from kwstrain.teaching.takes.voices import spoken_takes

COPIES_OF_VOICE, COPIES = 4, 8
FEWEST = 3  # recordings without a voice beside them
MOST = 500
MISTAKEN = 0.5  # share of voices above which a word that sounds like it is named
_WRITTEN = ("used", "faults", "found", "false_accepts", "alarms", "run")  # otherwise than a dataclass is


@dataclass(frozen=True, kw_only=True)
class Taught:
    """What was taught, and what is to be said of it.

    `used` are the recordings, `faults` those that were left out; `alarms` the events in the caller's own negatives, of which there are
    `own_hours`; `near` what sounds like the word, the most mistaken first; `remarks` what whoever reads should know.
    """

    run: Path
    word: str
    embedding: str
    credit: str
    used: tuple[Path, ...]
    voices: int
    faults: tuple[Fault, ...]
    found: Misses
    false_accepts: FalseAccepts
    per_hour: float
    sources: tuple[str, ...]
    alarms: tuple[FalseAlarm, ...] = ()
    own_hours: float = 0.0
    near: tuple[Near, ...] = ()
    remarks: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """JSON types."""
        values = {name: value for name, value in asdict(self).items() if name not in _WRITTEN}
        return {
            "run": str(self.run), **values, "used": [str(path) for path in self.used],
            "left_out": [{"path": str(one.path), "reason": one.reason} for one in self.faults],
            "misses": self.found.to_dict(), "false_accepts": self.false_accepts.to_dict(),
            "alarms": [{**asdict(one), "path": str(one.path)} for one in self.alarms],
        }  # fmt: skip


def teach_word(
    folder: Path | None, out: str | os.PathLike[str], word: str, *, say: str = "", choices: Choices | None = None,
    overwrite: bool = False, note: Note = lambda text: None, progress: Callable[[int, int], None] = lambda done, total: None,
) -> Taught:  # fmt: skip
    """Teach one word.

    Parameters
    ----------
    folder : Path, optional
        Recordings of the word, of any length up to 30 s; without it the voices alone.
    out : path
        The run folder.
    word : str
        What it is called.
    say : str
        What the voices say; the word without it.
    choices : Choices, optional
    overwrite : bool
        Replace a taught run.
    note : callable
        Called with a sentence about the work now and then.
    progress : callable
        Called with how many windows of the word are made, and how many there will be: nearly all of the work.

    Raises
    ------
    CorpusError, ConfigError
        If the recordings are too few, or are of two words, or the word is called ``unknown``.
    StoreError
        If `out` exists.
    MissingExtraError
        If the embedding is not installed, or the voices are not and there is nothing else.
    """
    choices, out = choices or Choices(), Path(out)
    check_words([word])
    check_free(out, overwrite=overwrite)
    e = embedding(choices.embedding)
    remarks: list[str] = []
    takes, faults = ([], []) if folder is None else read_takes(_recordings(folder), e.sr)
    bank, own = bank_of(e, choices, note)
    voices = _voices(say or word, e.sr, choices, remarks, needed=len(takes) < FEWEST)
    window = WINDOW if e.has_window else 1
    if len(takes) + (FEWEST if voices else 0) < FEWEST:
        listed = "; ".join(f"{one.path.name} {one.reason}" for one in faults[:3])
        raise CorpusError(
            f"{folder}: {len(takes)} usable recordings are too few for {word!r}, {FEWEST} are the least"
            + (f" ({listed})" if listed else "") + ": record more, or let voices say it with --say"
        )  # fmt: skip
    note(f"{len(takes)} recordings, {len(voices)} voices, {bank.hours:.1f} h of negatives")
    done, n_windows = count(1), COPIES * len(takes) + COPIES_OF_VOICE * len(voices)

    def advance() -> None:
        progress(next(done), n_windows)

    copies = windows_of_copies(e, takes, window, COPIES, seed=choices.seed, advance=advance)
    takes, copies, unlike = checked(takes, copies, bank, keep_all=choices.keep_all)
    faults += unlike
    near = {}
    if voices:
        note("listening to what sounds like it")
        near = hear_near(e, say or word, seed=choices.seed)
    spoken = Spoken(
        copies=copies, heard=[windows_of_take(e, take, window) for take in takes],
        voices=windows_of_copies(e, voices, window, COPIES_OF_VOICE, seed=choices.seed + 1, advance=advance).reshape(-1, window, e.dim),
        halves=halves_of(e, [*takes, *voices[:20]], window), near=teaching(near),
    )  # fmt: skip
    note("choosing the last layer and the threshold")
    made = make_detector(bank, spoken, choices.per_hour)
    point = _point(made, word, e.hop_s, choices.per_hour)
    deceiving = mistaken(near, made)
    remarks += _remarks(made, spoken, takes, e, choices, bank) + _remarks_on(deceiving)
    taught = Taught(
        run=out, word=word, embedding=e.name, credit=e.credit, used=tuple(take.path for take in takes), voices=len(voices),
        faults=tuple(faults), found=made.misses, false_accepts=made.false_accepts, per_hour=choices.per_hour, sources=bank.sources,
        alarms=tuple(false_alarms(own, e, word, made.layer(), point)), own_hours=sum(map(len, own.values())) * e.hop_s / 3600,
        near=tuple(deceiving), remarks=tuple(remarks),
    )  # fmt: skip
    write_run(
        out, e, (word, OTHER), *made.layer(), clip=e.clip(window) if e.has_window else e.features,
        data="" if folder is None else str(folder.resolve()), threshold=None, point=point, report=taught.to_dict(),
        page=partial(save_report, taught),
    )  # fmt: skip
    return taught


def _recordings(folder: Path) -> list[Path]:
    paths = list_recordings(folder)
    if len(paths) > MOST:
        raise CorpusError(
            f"{folder} holds {len(paths):,} recordings, at most {MOST} are taught: kwsfeat build and kwstrain fit take them all"
        )
    return paths


def _voices(text: str, sr: int, choices: Choices, remarks: list[str], *, needed: bool) -> list[Take]:
    """What espeak-ng's voices say, as recordings."""
    if not choices.voices:
        return []
    try:
        return spoken_takes(text, choices.voices, sr, seed=choices.seed)
    except MissingExtraError:
        if needed:
            raise
        remarks.append("espeak-ng is not installed: its voices would halve the misses (pip install 'kwsfeat[demo]')")
        return []
    except AudioError as error:
        raise CorpusError(
            f"espeak-ng says {text!r} in a way that cannot be used: {error}; spell it otherwise, or in [[phonemes]]"
        ) from None


def checked(
    takes: list[Take], copies: np.ndarray[Any, np.dtype[np.float32]], bank: Bank, *, keep_all: bool
) -> tuple[list[Take], np.ndarray[Any, np.dtype[np.float32]], list[Fault]]:
    """The recordings that are of one word, their copies, and the others."""
    if keep_all or len(takes) < FEWEST:
        return takes, copies, []
    window, dim = copies.shape[2:]
    covariance = bank.covariance(window)
    variance, directions = np.linalg.eigh(covariance + 0.3 * np.eye(len(covariance)) * np.trace(covariance) / len(covariance))
    likeness = alike(copies.mean(axis=1).reshape(len(takes), window * dim), np.tile(bank.mean, window), directions / np.sqrt(variance))
    check_one_word(takes, likeness)
    faults = unlike_faults(takes, likeness)
    left = {one.path for one in faults}
    kept = [i for i, take in enumerate(takes) if take.path not in left]
    return [takes[i] for i in kept], copies[kept], faults


def _remarks(made: WordDetector, spoken: Spoken, takes: Sequence[Take], e: Embedding, choices: Choices, bank: Bank) -> list[str]:
    remarks = []
    if not takes:
        remarks.append("no recording: what people say is not tested; five recordings of your own would tell")
    elif len(takes) < 10:
        remarks.append(f"{len(takes)} recordings say little: record 20, by several people and in several rooms")
    if is_one_voice(takes, e.sr):
        remarks.append("all recordings seem to be of one voice: another one may be heard less well")
    scores = np.einsum("nwd,wd->n", spoken.halves, made.kernel)
    if len(scores) and (share := float((scores >= made.threshold).mean())) > 0.2:
        remarks.append(
            f"half of the word is often enough ({100 * share:.0f} % of halves are mistaken for it): a longer word would be safer"
        )
    if choices.per_hour * bank.hours < 3:
        remarks.append(
            f"{choices.per_hour:g} false accepts an hour are estimated from {bank.hours:.1f} h of negatives: more sound without the word "
            "tells better (--negatives)"
        )
    return remarks


def _remarks_on(near: Sequence[Near]) -> list[str]:
    worst = [one for one in near if one.mistaken > MISTAKEN * one.said]
    if not worst:
        return []
    named = ", ".join(one.word for one in worst[:3])
    return [f"{len(worst)} of {len(near)} words that sound like it are mistaken for it more often than not: {named}"]


def _point(made: WordDetector, word: str, hop_s: float, per_hour: float) -> OperatingPoint:
    return OperatingPoint(
        thresholds={word: 0.5}, smoothing_frames=1, refractory_s=1.0, mode="stream", hop_s=hop_s,
        calibration={
            "target_per_hour": per_hour, "hours": made.false_accepts.hours, "recordings": {},
            "false_accepts": made.false_accepts.to_dict(), "misses": made.misses.to_dict(),
        },
    )  # fmt: skip
