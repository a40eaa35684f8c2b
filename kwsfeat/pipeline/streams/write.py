"""The folder of streams: recordings, their references, and ``stream.toml``, which is written last."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

from kwsfeat.audio.waveform import write_waveform
from kwsfeat.detection.reference import write_reference
from kwsfeat.detection.streams import STREAM_FILE
from kwsfeat.errors import ConfigError, StoreError
from kwsfeat.pipeline.streams.background import find_negatives, sections
from kwsfeat.pipeline.streams.mix import MixConfig, mix
from kwsfeat.pipeline.streams.spoken import Deck, find_clips


@dataclass(frozen=True)
class StreamCorpus:
    """What :func:`make_streams` wrote.

    `said` counts how often each word is said, `recorded` the clips that there are of it, `hours` the audio of each source.
    """

    folder: Path
    n_streams: int
    hours: dict[str, float]
    said: dict[str, int]
    recorded: dict[str, int]
    n_clips: int
    n_speakers: int


def make_streams(
    clips: str | os.PathLike[str],
    folder: str | os.PathLike[str],
    *,
    words: Sequence[str],
    negatives: Sequence[str | os.PathLike[str]],
    noise: Sequence[str | os.PathLike[str]] = (),
    split: str = "test",
    part: tuple[int, int] = (1, 1),
    config: MixConfig | None = None,
    others: float = 0.25,
    hours: float | None = None,
    length_s: float = 600.0,
    sr: int = 16000,
    audio: str = "flac",
    seed: int = 0,
    overwrite: bool = False,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> StreamCorpus:
    """Place clips of one split into recordings without them.

    Equal arguments give equal samples. One section is in memory at a time.

    Parameters
    ----------
    clips : path
        A built file or a corpus; see :func:`~kwsfeat.pipeline.streams.spoken.find_clips`.
    folder : path
        Made when it is missing.
    words : sequence of str
    negatives : sequence of path
        Folders of recordings in which none of `words` is said.
    noise : sequence of path
        Folders of noise, in which clips are placed instead: it is repeated until it is as long as the negatives, which stay as they
        are. Without it clips are placed into the negatives.
    split : {"train", "validation", "test"}
    part : tuple of int
        (k, n): every n-th recording of the negatives and of the noise, from the k-th on.
    config : MixConfig, optional
    others : float, 0 to 1
        Share of clips that are of other words, as near misses.
    hours : float, > 0, optional
        At most so much, evenly from the sources; all there is without it.
    length_s : float, s, 10 to 3600
        Of one stream, at most.
    sr : int, Hz
    audio : {"flac", "wav"}
    seed : int
    overwrite : bool
        Replace what an earlier call wrote.
    progress : callable
        Called with (done, in all): recordings of the negatives, and folders of noise.

    Raises
    ------
    ConfigError, CorpusError, StoreError, AudioError
        If a choice is out of bounds, the clips, negatives or noise are not there, two folders have one name, or `folder` exists.
    """
    folder, config = Path(folder), config or MixConfig()
    if not 10 <= length_s <= 3600:
        raise ConfigError(f"length_s={length_s:g} must be from 10 to 3600: one stream is held in memory")
    if not 0 <= others <= 1:
        raise ConfigError(f"others={others:g} must be a share from 0 to 1")
    if hours is not None and not hours > 0:
        raise ConfigError(f"hours={hours:g} must be > 0")
    if not words:
        raise ConfigError("there is no word to place: name at least one")
    index = folder / STREAM_FILE
    if folder.exists() and any(folder.iterdir()) and not (overwrite and index.exists()):
        raise StoreError(f"{folder} exists: choose another name" + (" or use --overwrite" if index.exists() else ", it holds other files"))
    found = find_clips(clips, split, sr=sr, words=words, others=others > 0)
    sources = find_negatives([Path(one) for one in negatives], part)
    noises = find_negatives([Path(one) for one in noise], part) if noise else {}
    if both := sorted(sources.keys() & noises.keys()):
        raise ConfigError(f"{both[0]} is a folder of the negatives and of the noise: give it once, or another name")
    folder.parent.mkdir(parents=True, exist_ok=True)
    deck, rng = Deck(found, words, others), np.random.default_rng(seed)
    names: list[str] = []
    counted: dict[str, float] = {}
    said: dict[str, int] = {}
    total = sum(map(len, sources.values())) + len(noises)
    with TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-") as begun:  # what fails leaves nothing, and what was there
        for source, k, n_read, background in _backgrounds(sources, noises, sr, length_s, hours):
            here = deck if source in noises or not noises else None
            y, intervals = mix(background, source, here, config, sr=sr, rng=rng)
            names.append(f"{source}-{k:03d}")
            write_waveform(Path(begun, f"{names[-1]}.{audio}"), y, sr)
            write_reference(Path(begun, f"{names[-1]}.csv"), intervals)
            counted[source] = counted.get(source, 0.0) + len(y) / sr / 3600
            for one in intervals:
                if one.word:
                    said[one.word] = said.get(one.word, 0) + 1
            progress(n_read, total)
        progress(total, total)
        if not names:
            raise ConfigError("the negatives are shorter than a stream: give recordings of 5 s or more in all")
        folder.mkdir(exist_ok=True)
        index.unlink(missing_ok=True)
        for path in Path(begun).iterdir():
            path.replace(folder / path.name)
    choices = {"split": split, "part": f"{part[0]}/{part[1]}", "noise": "+".join(noises) or "none", "others": others, "seed": seed}
    _write_index(index, names, audio, words, choices | asdict(config))
    speakers = {clip.speaker for clip in found if clip.speaker}
    recorded = {word: sum(clip.word == word for clip in found) for word in words}
    return StreamCorpus(folder, len(names), counted, dict(sorted(said.items())), recorded, len(found), len(speakers))


def _backgrounds(
    negatives: dict[str, list[Path]], noise: dict[str, list[Path]], sr: int, length_s: float, hours: float | None
) -> Iterator[tuple[str, int, int, NDArray[np.float32]]]:
    """Source, number in it, how many recordings were read, samples; of the noise as much as of the negatives."""
    most_s = np.inf if hours is None else 3600 * hours / len(negatives)
    done, n = 0, 0
    for source, paths in negatives.items():
        for k, (n_read, y) in enumerate(sections(paths, sr, length_s, most_s)):
            n += len(y)
            yield source, k, done + n_read, y
        done += len(paths)
    for i, (source, paths) in enumerate(noise.items()):
        for k, (_, y) in enumerate(sections(paths, sr, length_s, n / sr / len(noise), again=True)):
            yield source, k, done + i, y


def _write_index(path: Path, names: Sequence[str], audio: str, words: Sequence[str], choices: dict[str, object]) -> None:
    """``stream.toml``: the recordings, and for the reader how they were made."""
    made = ", ".join(f"{name} {value}" for name, value in choices.items())
    entries = "".join(f'\n[[recordings]]\naudio = "{_quoted(name)}.{audio}"\nreference = "{_quoted(name)}.csv"\n' for name in names)
    partial = path.with_name(path.name + ".partial")
    partial.write_text(f"# {', '.join(words)} by kwsfeat stream-corpus: {made}\n{entries}", encoding="utf-8")
    partial.replace(path)


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')
