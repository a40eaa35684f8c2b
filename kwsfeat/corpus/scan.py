"""What is wrong with a corpus, before anything is built from it."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from kwsfeat.audio.clip import fix_length, frame_power, is_louder_elsewhere
from kwsfeat.audio.describe import describe
from kwsfeat.audio.read import read_samples
from kwsfeat.audio.waveform import Samples
from kwsfeat.config.clip import ClipConfig
from kwsfeat.corpus.clip import NOISE_FOLDER, Clip, Corpus, clip_hash
from kwsfeat.corpus.labels import in_one_line
from kwsfeat.corpus.splits import assign_splits, speakers_in_several_splits
from kwsfeat.errors import AudioError

CLIPPED_RUN = 4  # so many samples in a row at full scale are a clipped peak, not a loud one
SILENT_DB = -60.0
DC_OFFSET = 0.01
_BLOCK = 500  # recordings that are handed to the threads at once, and finished after Ctrl-C


@dataclass(frozen=True, slots=True)
class Measurement:
    """One recording: `n_samples` at `sr` Hz, level (root mean square) in dB of full scale, mean, longest run at full scale.

    `floor_db` is the level that a tenth of its 20 ms stay below, which in most recordings is that of the noise.

    `loud_outside` says that it is longer than 1 s, and that another second is at least 1 dB louder than the middle one.
    """

    clip: Clip
    n_samples: int
    sr: int
    level_db: float
    mean: float
    clipped_run: int
    digest: bytes
    channels: int = 1
    kind: str = ""
    remarks: tuple[str, ...] = ()
    loud_outside: bool = False
    floor_db: float = 0.0

    @property
    def seconds(self) -> float:
        """Duration."""
        return self.n_samples / self.sr


@dataclass
class Scan:
    """The measurements of a corpus and what they say.

    `n_clips` counts all clips; `is_sample` says that only some of them were looked at. `clip_s` is the length in
    seconds that clips should have.
    """

    n_clips: int
    measured: list[Measurement]
    unreadable: list[tuple[str, str]] = field(default_factory=list)
    is_sample: bool = False
    clip_s: float = 1.0

    @property
    def clipped(self) -> list[Measurement]:
        """At least CLIPPED_RUN samples in a row at full scale, worst first."""
        return sorted((m for m in self.measured if m.clipped_run >= CLIPPED_RUN), key=lambda m: -m.clipped_run)

    @property
    def silent(self) -> list[Measurement]:
        """Below SILENT_DB, quietest first."""
        return sorted((m for m in self.measured if m.level_db < SILENT_DB), key=lambda m: m.level_db)

    @property
    def offset(self) -> list[Measurement]:
        """A mean further than DC_OFFSET from zero, worst first."""
        return sorted((m for m in self.measured if abs(m.mean) > DC_OFFSET), key=lambda m: -abs(m.mean))

    @property
    def duplicates(self) -> list[list[Clip]]:
        """Groups of clips with exactly the same samples, those across labels and splits first."""
        groups = defaultdict(list)
        for m in self.measured:
            groups[m.digest, m.sr].append(m.clip)
        found = [group for group in groups.values() if len(group) > 1]
        return sorted(found, key=lambda group: (-is_across(group, "label"), -is_across(group, "split"), group[0].path))

    def lengths(self) -> list[dict[str, Any]]:
        """For each label: clips measured, how many are not exactly `clip_s` long and their percentage, and the range."""
        seconds = defaultdict(list)
        odd: Counter[str] = Counter()
        for m in self.measured:
            seconds[m.clip.label].append(m.seconds)
            odd[m.clip.label] += m.n_samples != round(self.clip_s * m.sr)
        return [
            {
                "label": label,
                "n_clips": len(values),
                "n_odd": odd[label],
                "odd_percent": round(100.0 * odd[label] / len(values), 2),
                "min_s": round(min(values), 4),
                "median_s": round(float(np.median(values)), 4),
                "max_s": round(max(values), 4),
            }
            for label, values in sorted(seconds.items())
        ]

    def to_dict(self) -> dict[str, Any]:
        """Everything, in JSON types."""
        return {
            "n_clips": self.n_clips,
            "n_measured": len(self.measured),
            "seconds": round(sum(m.seconds for m in self.measured), 3),
            "lengths": self.lengths(),
            "sample_rates": _counted(m.sr for m in self.measured),
            "channels": _counted(m.channels for m in self.measured),
            "formats": _counted(m.kind for m in self.measured),
            "unreadable": [{"path": path, "reason": reason} for path, reason in self.unreadable],
            "clipped": [{"path": m.clip.path, "longest_run": m.clipped_run} for m in self.clipped],
            "silent": [{"path": m.clip.path, "level_db": round(m.level_db, 2)} for m in self.silent],
            "dc_offset": [{"path": m.clip.path, "mean": round(m.mean, 4)} for m in self.offset],
            "loud_outside": [m.clip.path for m in self.measured if m.loud_outside],
            "lossy": [{"path": m.clip.path, "remarks": list(m.remarks)} for m in self.measured if m.remarks],
            "duplicates": [
                {
                    "paths": [clip.path for clip in group],
                    "across_labels": is_across(group, "label"),
                    "across_splits": is_across(group, "split"),
                }
                for group in self.duplicates
            ],
            "speakers_in_several_splits": speakers_in_several_splits([m.clip for m in self.measured if m.clip.split]),
        }


def scan_corpus(
    corpus: Corpus,
    clips: Sequence[Clip] | None = None,
    *,
    limit: int | None = None,
    threads: int = 1,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Scan:
    """Read the recordings of a corpus (its noise files too, under the label ``_background_noise_``) and measure them.

    Parameters
    ----------
    corpus : Corpus
    clips : sequence of Clip, optional
        What is measured beside the noise files, in the splits of a plan; without it, all clips of the corpus.
    limit : int, optional
        Measure this many clips, chosen evenly by a hash of their names.
    threads : int, >= 1
    progress : callable
        Called with (recordings done, recordings in all).
    """
    skipped = {path for path, _ in corpus.skipped}
    noise = [clip for path, told in corpus.noise_by_file().items() if path not in skipped for clip in told]
    clips = [*(assign_splits(corpus.clips) if clips is None else clips), *(replace(clip, label=NOISE_FOLDER) for clip in noise)]
    chosen = clips if limit is None or limit >= len(clips) else _sample(clips, limit)
    scan = Scan(len(clips), [], list(corpus.skipped), is_sample=len(chosen) < len(clips))
    with ThreadPoolExecutor(threads) as pool:
        for first in range(0, len(chosen), _BLOCK):
            block = chosen[first : first + _BLOCK]
            for clip, found in zip(block, pool.map(lambda clip: _measure_file(corpus, clip), block), strict=True):
                if isinstance(found, Measurement):
                    scan.measured.append(found)
                else:
                    scan.unreadable.append((clip.path, found))
            progress(first + len(block), len(chosen))
    return scan


def measure(
    clip: Clip, y: Samples, sr: int, *, channels: int = 1, kind: str = "", remarks: Sequence[str] = (), loud_outside: bool = False
) -> Measurement:
    """The measurements of samples `y` (n,), int16 or float in [-1, 1], n >= 1."""
    full = 32768.0 if y.dtype == np.int16 else 1.0
    power = float(np.mean(np.square(y, dtype=np.float64))) / full**2
    return Measurement(
        clip=clip,
        n_samples=len(y),
        sr=sr,
        level_db=_decibels(power),
        mean=float(np.mean(y, dtype=np.float64)) / full,
        clipped_run=_longest_run((y >= 32767 / 32768 * full) | (y <= -full)),
        digest=hashlib.blake2b(np.ascontiguousarray(y).view(np.uint8).data, digest_size=16).digest(),
        channels=channels,
        kind=kind,
        remarks=tuple(remarks),
        loud_outside=loud_outside,
        floor_db=_decibels(float(np.quantile(frame_power(y, max(1, sr // 50)), 0.1)) / full**2),
    )


def _decibels(power: float) -> float:
    return 10.0 * float(np.log10(max(power, 1e-12)))


def is_across(clips: Iterable[Clip], name: str) -> bool:
    """Whether the clips differ in the field `name`, where they have it."""
    return len({getattr(clip, name) for clip in clips} - {""}) > 1


def format_scan(scan: Scan, *, n_listed: int = 10) -> str:
    """The scan for a person; each kind of finding with its first `n_listed` recordings."""
    values = scan.to_dict()
    hours = values["seconds"] / 3600
    lines = [
        f"recordings   {scan.n_clips:,}" + (f", {len(scan.measured):,} of them measured" if scan.is_sample else "") + f", {hours:.2f} h",
        "rates        " + ", ".join(f"{sr:,} Hz: {n:,}" for sr, n in values["sample_rates"].items()),
        "channels     " + ", ".join(f"{channels}: {n:,}" for channels, n in values["channels"].items()),
        "formats      " + ", ".join(f"{kind}: {n:,}" for kind, n in values["formats"].items()),
        "",
        *_length_table(values["lengths"]),
        "",
    ]
    keep = " (build --crop loudest keeps it)"
    findings: list[tuple[str, list[str]]] = [
        ("cannot be read", [f"{path}: {reason}" for path, reason in scan.unreadable]),
        (
            f"clipped ({CLIPPED_RUN} or more samples in a row at full scale)",
            [f"{m.clip.path}: {m.clipped_run} samples" for m in scan.clipped],
        ),
        (f"silent (below {SILENT_DB:g} dB)", [f"{m.clip.path}: {m.level_db:.0f} dB" for m in scan.silent]),
        (f"DC offset (mean beyond {DC_OFFSET:g})", [f"{m.clip.path}: {m.mean:+.3f}" for m in scan.offset]),
        ("longer than 1 s, and the loudest second is not the middle one" + keep * bool(values["loud_outside"]), values["loud_outside"]),
        ("lossy", [f"{m.clip.path}: {remark}" for m in scan.measured for remark in m.remarks]),
        ("exact duplicates", [_duplicate_line(group) for group in scan.duplicates]),
        ("speakers in more than one split", values["speakers_in_several_splits"]),
    ]
    for name, found in findings:
        lines.append(f"{name}: {len(found):,}" if found else f"{name}: none")
        lines += [f"  {in_one_line(line)}" for line in found[:n_listed]]
        if len(found) > n_listed:
            lines.append(f"  and {len(found) - n_listed:,} more: -v or --json lists all")
    return "\n".join(lines)


def _length_table(rows: Sequence[dict[str, Any]]) -> list[str]:
    labels = [in_one_line(row["label"]) or "-" for row in rows]
    wide = max([5, *map(len, labels)])
    return [
        f"{'label':<{wide}}  {'clips':>7}  {'not 1 s':>7}  {'percent':>8}  {'min s':>7}  {'median':>7}  {'max s':>7}",
        *(
            f"{label:<{wide}}  {row['n_clips']:>7,}  {row['n_odd']:>7,}  {row['odd_percent']:>6.2f} %"
            f"  {row['min_s']:>7.3f}  {row['median_s']:>7.3f}  {row['max_s']:>7.3f}"
            for label, row in zip(labels, rows, strict=True)
        ),
    ]


def _duplicate_line(group: Sequence[Clip]) -> str:
    where = [f"across {name}s" for name in ("label", "split") if is_across(group, name)]
    return " = ".join(clip.path for clip in group) + (f"  ({' and '.join(where)})" if where else "")


def _sample(clips: Sequence[Clip], n: int) -> list[Clip]:
    chosen = {clip for _, clip in sorted((clip_hash(0, clip), clip) for clip in clips)[:n]}
    return [clip for clip in clips if clip in chosen]


def _measure_file(corpus: Corpus, clip: Clip) -> Measurement | str:
    """The measurements of a recording, or why it cannot be read."""
    path = str(corpus.root / clip.path)
    remarks: list[str] = []
    try:
        y, sr = read_samples(corpus.open(clip), start=clip.start, stop=clip.stop, remark=remarks.append)
        found = describe(corpus.open(clip))
    except AudioError as error:
        return str(error).removeprefix(f"{path}: ")
    loud_outside = clip.label != NOISE_FOLDER and len(y) > sr and is_louder_elsewhere(y, fix_length(y, ClipConfig(), n_samples=sr)[0])
    return measure(clip, y, sr, channels=found.channels, kind=found.kind, remarks=remarks, loud_outside=loud_outside)


def _longest_run(flags: Samples) -> int:
    if not flags.any():
        return 0
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]]).astype(np.int8)))
    return int((edges[1::2] - edges[::2]).max())


def _counted(values: Iterable[Any]) -> dict[Any, int]:
    return dict(Counter(values).most_common())
