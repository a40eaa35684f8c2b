"""What the student hears beside what the teacher makes of it: features of altered sound, and vectors of the sound as it was.

Parts of some minutes are files, each made from its number and a seed alone, so that a run that was cut off goes on where it stopped.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kwsfeat import FrontEnd, Noise, load_policy
from kwstrain.io import load_arrays, save_arrays
from kwstrain.teaching.distil.sounds import SR, Sounds, VoiceQueue
from kwstrain.teaching.embeddings.embedding import Embedding

POLICY = "own-word"
TRACKS = 60  # of a part: eight minutes
COPIES = 4  # of each track, the first of them as it is


@dataclass(frozen=True, eq=False)
class Pairs:
    """`features` float16 (n_tracks, n_copies, n_frames, n_features), `vectors` float16 (n_tracks, n, dim), `level_db` float16
    (n_tracks, n_frames) of the sound as it was."""

    features: NDArray[np.float16]
    vectors: NDArray[np.float16]
    level_db: NDArray[np.float16]

    @classmethod
    def load(cls, paths: list[Path]) -> Pairs:
        parts = [load_arrays(path) for path in paths]
        return cls(*(np.concatenate([part[name] for part in parts]) for name in ("features", "vectors", "level_db")))


def make_part(path: Path, sounds: Sounds, teacher: Embedding, noise: Noise, *, part: str, index: int, seed: int = 0) -> None:
    """Write part number `index` of ``train`` or ``validation``."""
    front_end = FrontEnd(teacher.features)
    transform = load_policy(POLICY).bind(SR, noise)
    rng = np.random.default_rng((seed, part == "train", index))
    voices = VoiceQueue(int(rng.integers(1 << 30)))
    made: dict[str, list[Any]] = {"features": [], "vectors": [], "level_db": []}
    for _ in range(TRACKS):
        y = sounds.track(part, rng, voices)
        copies = [np.float32(10.0 ** (rng.uniform(-20.0, 6.0) / 20.0)) * y]
        copies += [transform.apply(y, transform.draw(rng)) for _ in range(COPIES - 1)]
        made["features"].append(np.stack([front_end.extract_recording(np.clip(one, -1, 1)) for one in copies]).astype(np.float16))
        made["vectors"].append(teacher.embed(y).astype(np.float16))
        made["level_db"].append(_level_db(y, teacher.features.hop_length).astype(np.float16))
    save_arrays(path, {name: np.stack(rows) for name, rows in made.items()})


def _level_db(y: NDArray[np.float32], hop: int) -> NDArray[np.float64]:
    power = np.square(y[: len(y) // hop * hop], dtype=np.float64).reshape(-1, hop).mean(axis=1)
    return np.asarray(10 * np.log10(power + 1e-10))
