"""Distil: recordings and words in, a file with a smaller embedding out, which hears as the teacher does."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from kwsfeat import ConfigError, Noise, list_recordings, load_policy, synthetic_noise
from kwstrain.teaching.bank import fingerprint
from kwstrain.teaching.distil.pairs import POLICY, TRACKS, Pairs, make_part
from kwstrain.teaching.distil.sounds import SR, TRACK_S, Sounds
from kwstrain.teaching.distil.train import ARCH, Distillation, Progress
from kwstrain.teaching.embeddings.embedding import EVENED, Embedding, embedding
from kwstrain.teaching.embeddings.stored import write_stored
from kwstrain.teaching.waveform import read_waveform


@dataclass(frozen=True, kw_only=True)
class Choices:
    """How a student is made.

    Parameters
    ----------
    teacher : str
        An embedding with the layers of Google's.
    width : int
        Of the student, less than the teacher's 24.
    hours : float, h
        Of tracks, each of which is heard in four ways.
    epochs : int
    noise : tuple of Path
        Folders of noise that is mixed in, beside white, pink and brown noise.
    seed : int
    """

    teacher: str = "google"
    width: int = 22
    hours: float = 8.0
    epochs: int = 2
    noise: tuple[Path, ...] = ()
    seed: int = 0

    def __post_init__(self) -> None:
        if not self.hours > 0:
            raise ConfigError(f"hours={self.hours:g} must be > 0")
        if self.epochs < 1:
            raise ConfigError(f"epochs={self.epochs} must be >= 1")


@dataclass(frozen=True, kw_only=True)
class Distilled:
    """What was made: the file, its weights, the best epoch, and mean cosine and mean square on sound of other speakers and words."""

    path: Path
    n_weights: int
    hours: float
    epoch: int
    cosine: float
    loss: float

    def to_dict(self) -> dict[str, Any]:
        """JSON types."""
        return {**asdict(self), "path": str(self.path)}


def distil(
    sounds: Sounds, out: str | os.PathLike[str], choices: Choices | None = None, *, note: Callable[[str], None] = lambda text: None,
    progress: Callable[[int, int], None] = lambda done, total: None, tell: Callable[[Progress], None] = lambda done: None,
) -> Distilled:  # fmt: skip
    """Make an embedding that hears as a larger one does.

    What is heard is kept beside `out`, so that the same call goes on with it. `out` is written whenever an epoch was the best yet.

    Parameters
    ----------
    sounds : Sounds
    out : path
        An ``.npz`` file, which ``--embedding`` takes.
    choices : Choices, optional
    note : callable
        Called with a sentence about the work now and then.
    progress : callable
        Called with how many parts of the sound are made, and how many there will be.
    tell : callable
        Called after each epoch.

    Raises
    ------
    ConfigError
        If the teacher is of another network, or no wider than the student; or nothing is left to hear.
    MissingExtraError
        If the teacher is not installed, or words are to be spoken and the voices are not.
    """
    choices, out = choices or Choices(), Path(out)
    sounds.check()
    for reason in sounds.unreadable:
        note(f"unreadable: {reason}")
    teacher = _as_it_comes(embedding(choices.teacher))
    _check_wider(teacher, choices.width)
    n_train = max(1, round(choices.hours * 3600 / (TRACKS * TRACK_S)))
    todo = [("validation", i) for i in range(max(1, min(2, n_train // 10)))] + [("train", i) for i in range(n_train)]
    folder = _parts_folder(out, sounds, teacher, choices)
    folder.mkdir(parents=True, exist_ok=True)
    note(f"{n_train * TRACKS * TRACK_S / 3600:.1f} h of sound, kept in {folder}")
    noise = _noise(choices)
    paths: dict[str, list[Path]] = {"validation": [], "train": []}
    for done, (part, index) in enumerate(todo):
        progress(done, len(todo))
        paths[part].append(path := folder / f"{part}_{index:04d}.npz")
        if not path.exists():
            make_part(path, sounds, teacher, noise, part=part, index=index, seed=choices.seed)
    progress(len(todo), len(todo))
    train, validation = Pairs.load(paths["train"]), Pairs.load(paths["validation"])
    note("fitting a narrower network")
    student = Distillation(teacher, train, validation, width=choices.width, n_epochs=choices.epochs, seed=choices.seed)
    return _trained(student, out, teacher, choices, len(train.vectors) * TRACK_S / 3600, tell)


def _trained(
    student: Distillation, out: Path, teacher: Embedding, choices: Choices, hours: float, tell: Callable[[Progress], None]
) -> Distilled:
    best: Progress | None = None
    arrays = student.arrays()
    for _ in range(choices.epochs):
        now = student.epoch()
        tell(now)
        if best is None or now.cosine > best.cosine:
            best, arrays = now, student.arrays()
            credit = f"a narrower network that was learnt from {teacher.credit}"
            write_stored(
                out, arch=ARCH, options={"width": choices.width, "evened": EVENED}, features=teacher.features, arrays=arrays, credit=credit
            )
    assert best is not None, "there is an epoch"
    n_weights = sum(value.size for name, value in arrays.items() if not name.startswith(("out/", "input_norm/")))
    return Distilled(path=out, n_weights=n_weights, hours=hours, epoch=best.epoch, cosine=best.cosine, loss=best.loss)


def _as_it_comes(teacher: Embedding) -> Embedding:
    """The teacher before its vectors are evened: a student learns those that follow from the sound by layers alone."""
    options = {name: value for name, value in teacher.options.items() if name != "evened"}
    return replace(teacher, options=options, arrays={name: value for name, value in teacher.arrays.items() if name != "last/bias"})


def _check_wider(teacher: Embedding, width: int) -> None:
    if teacher.arch != ARCH:
        raise ConfigError(f"{teacher.name} is a {teacher.arch}: only {ARCH}, as Google's is, can be a teacher")
    if not width < teacher.dim // 4:
        raise ConfigError(f"width={width} must be below {teacher.dim // 4}, the width of {teacher.name}")


def _parts_folder(out: Path, sounds: Sounds, teacher: Embedding, choices: Choices) -> Path:
    """Beside `out`, one for each choice of what is heard."""
    what = (fingerprint(teacher), sounds, choices.noise, choices.seed, load_policy(POLICY).text)
    return out.with_suffix(".parts") / hashlib.sha256(repr(what).encode()).hexdigest()[:16]


def _noise(choices: Choices) -> Noise:
    made = synthetic_noise(SR, choices.seed)
    pieces: list[Any] = [made.samples[first : first + n] for first, n in zip(made.first, made.length, strict=True)]
    pieces += [read_waveform(path, SR) for folder in choices.noise for path in list_recordings(folder)]
    return Noise(pieces)
