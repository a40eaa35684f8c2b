"""What a page is about: a corpus or a dataset file, counted and measured the same way."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import numpy as np

from kwsfeat.audio.read import read_samples
from kwsfeat.audio.waveform import Samples
from kwsfeat.config.features import FeatureConfig
from kwsfeat.corpus.clip import Clip, clip_hash
from kwsfeat.corpus.labels import COMMANDS, apply_labels, class_table
from kwsfeat.corpus.names.meaning import SILENCE
from kwsfeat.corpus.scan import Scan, measure, scan_corpus
from kwsfeat.dataset.reader import Reader
from kwsfeat.pipeline.rows import clips_of
from kwsfeat.pipeline.sources import Recordings
from kwsfeat.report.cuts import cut_recordings
from kwsfeat.report.figures import features_picture
from kwsfeat.report.html import fact
from kwsfeat.report.planned import with_splits

MEASURED = 20_000  # clips that are read

Progress = Callable[[int, int], None]


@dataclass
class Subject:
    """What a page is about. `about` are facts in HTML; `load` gives a clip's samples and rate; `link` its address, or "".

    Of a file, `skipped` are the recordings that its build left out, `cut` those that are longer than a clip, by remark, and
    `loud_ends` the clips that begin or end in the middle of sound, as a word does that was cut.
    """

    name: str
    about: list[str]
    clips: list[Clip]
    scan: Scan
    load: Callable[[Clip], tuple[Samples, int]]
    link: Callable[[Clip], str]
    notes: list[str] = field(default_factory=list)
    skipped: tuple[str, ...] = ()
    cut: dict[str, list[str]] = field(default_factory=dict)
    loud_ends: list[Clip] = field(default_factory=list)
    reduced: list[tuple[str, int, float]] = field(default_factory=list)
    features: list[tuple[str, FeatureConfig, bytes]] = field(default_factory=list)


def of_corpus(rows: Recordings, output: Path, limit: int, threads: int, progress: Progress) -> Subject:
    """A corpus as a build would take it, of which at most `limit` recordings are read."""
    corpus, clips = rows.corpus, with_splits(rows)
    scan = scan_corpus(corpus, clips, limit=limit, threads=threads, progress=progress)
    notes, reduced = [*corpus.notes, *rows.split_notes], []  # notes before the reduction: its own would puzzle
    if len(set(COMMANDS) & set(corpus.words)) >= len(COMMANDS) // 2:
        reduced = class_table(clip.label for clip in apply_labels(corpus, "commands12")[0])

    def load(clip: Clip) -> tuple[Samples, int]:
        return read_samples(corpus.open(clip), start=clip.start, stop=clip.stop)

    def address(clip: Clip) -> str:
        if corpus.unpacked or corpus.is_elsewhere(clip.path):
            return ""
        return quote(os.fsencode(os.path.relpath(os.path.join(corpus.root, clip.path), output.parent)))

    return Subject(
        name=str(corpus.source),
        about=[fact("layout {}", corpus.layout)],
        clips=clips,
        scan=scan,
        load=load,
        link=address,
        notes=notes,
        reduced=reduced,
    )


def of_file(reader: Reader, limit: int) -> Subject:
    """A dataset file, of which at most `limit` clips are measured, where it holds audio."""
    clips = clips_of(reader)
    originals = np.flatnonzero(reader.variant == 0).tolist() or list(range(len(clips)))  # a file of augmented clips alone
    row_of = {clips[i]: i for i in originals}
    at_front = reader.config().pad == "front"

    def load(clip: Clip) -> tuple[Samples, int]:
        i = row_of[clip]
        n = int(reader.length[i]) if reader.config().pad != "center" else reader.n_samples
        return (reader.audio[i, reader.n_samples - n :] if at_front else reader.audio[i, :n]), reader.sr

    chosen = sorted(row_of, key=lambda clip: clip_hash(0, clip))[:limit] if reader.has_audio else []
    measured = [measure(clip, *load(clip), kind="int16") for clip in sorted(chosen, key=row_of.__getitem__)]
    full = [m.clip for m in measured if m.n_samples == reader.n_samples and m.clip.label != SILENCE]
    scan = Scan(len(clips), measured, is_sample=0 < len(chosen) < len(originals), clip_s=reader.n_samples / reader.sr)
    features = []
    for name in reader.feature_names:
        config, row = reader.config(name), originals[0]
        features.append((name, config, features_picture(reader.features(name)[row], config, f"{name}: {clips[row].path}")))
    about = [
        fact("clips of {} at {}", f"{reader.n_samples / reader.sr:g} s", f"{reader.sr:,} Hz"),
        fact("features {}", ", ".join(reader.feature_names)),
        fact("seed {}", reader.attrs["seed"]),
    ]
    notes = [] if reader.has_audio else ["The file holds no audio, so there are no waveforms, levels or players."]
    if len(originals) < len(clips):
        notes.append(
            f"{len(clips) - len(originals):,} of the {len(clips):,} rows are augmented copies; they are counted, but not measured."
        )
    return Subject(
        str(reader.path),
        about,
        clips,
        scan,
        load,
        lambda clip: "",
        notes,
        features=features,
        skipped=reader.skipped,
        cut=cut_recordings(reader),
        loud_ends=[clip for clip in full if _has_loud_ends(*load(clip))],
    )


def _has_loud_ends(y: Samples, sr: int) -> bool:
    """Whether the first or the last 20 ms are within 10 dB of the loudest 20 ms."""
    frame = max(1, sr // 50)
    power = np.square(y[: len(y) // frame * frame], dtype=np.float64).reshape(-1, frame).mean(axis=1)
    return bool(power.size > 1 and max(power[0], power[-1]) > 0.1 * power.max() > 0.0)
