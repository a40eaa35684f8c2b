"""One self-contained HTML page about a corpus or a dataset file: no network, no scripts, pictures and sound inside."""

from __future__ import annotations

import io
import os
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from urllib.parse import quote

import numpy as np

from kwsfeat import __version__
from kwsfeat.audio.read import read_samples
from kwsfeat.audio.waveform import Samples, as_int16
from kwsfeat.config.features import FeatureConfig
from kwsfeat.config.splits import SPLITS
from kwsfeat.corpus.clip import NOISE_FOLDER, Clip, Corpus, clip_hash
from kwsfeat.corpus.find import find_corpus
from kwsfeat.corpus.labels import COMMANDS, apply_labels, class_table
from kwsfeat.corpus.scan import CLIPPED_RUN, DC_OFFSET, SILENT_DB, Measurement, Scan, is_across, measure, scan_corpus
from kwsfeat.corpus.splits import assign_splits, speakers_in_several_splits
from kwsfeat.dataset.reader import Reader
from kwsfeat.errors import AudioError, CorpusError
from kwsfeat.report.figures import check_matplotlib, clip_picture, features_picture, histogram_picture
from kwsfeat.report.html import STYLE, bar, figure, link, number, player, shown, table

_LISTED = 50  # anomalies of one kind that are listed by name
_SPEAKERS_LISTED = 20  # more than these are shown as a histogram
_OPEN = 12  # a list this short is not folded away
_PICTURED = 60  # labels that get pictures
_PLAYERS = 3  # clips of a label that can be played
_PLAYED_S = 3.0  # of a long recording
_MEASURED = 20_000  # clips that are read

Progress = Callable[[int, int], None]


@dataclass
class _Subject:
    """What a page is about. `load` gives a clip's samples and rate; `link` its address for the reader, or ""."""

    name: str
    about: list[str]
    clips: list[Clip]
    scan: Scan
    load: Callable[[Clip], tuple[Samples, int]]
    link: Callable[[Clip], str]
    notes: list[str] = field(default_factory=list)
    reduced: list[tuple[str, int, float]] = field(default_factory=list)
    features: list[tuple[str, FeatureConfig, bytes]] = field(default_factory=list)


def write_report(
    source: str | os.PathLike[str],
    output: str | os.PathLike[str],
    *,
    layout: str | None = None,
    limit: int = _MEASURED,
    threads: int = 1,
    progress: Progress = lambda done, total: None,
) -> Path:
    """Write a page about `source` to `output`, which is replaced when it exists.

    Classes, splits and speakers are counted over everything. Lengths, levels and faults come from at most `limit` recordings,
    chosen evenly by a hash of their names; the page says so.

    Parameters
    ----------
    source : path
        What :func:`~kwsfeat.corpus.find.find_corpus` takes, or a file made by ``kwsfeat build``.
    output : path
        The .html file.
    layout : str, optional
        For :func:`~kwsfeat.corpus.find.find_corpus`.
    limit : int, >= 1
    threads : int, >= 1
    progress : callable
        Called with (steps done, steps in all), where a step is a recording read or a label drawn.

    Raises
    ------
    CorpusError, StoreError, MissingExtraError
    """
    source, output = Path(source), Path(output)
    if output.is_dir():
        raise CorpusError(f"{output}: is a folder: give the name of an .html file")
    if not output.parent.is_dir():
        raise CorpusError(f"{output.parent}: no such folder: make it, or write the page elsewhere")
    check_matplotlib()
    if source.suffix == ".h5":
        with Reader(source) as reader:
            page = _page(_of_file(reader, limit), progress)
    else:
        page = _page(_of_corpus(find_corpus(source, layout), output, limit, threads, progress), progress)
    part = output.with_name(output.name + ".part")
    part.write_text(page, encoding="utf-8", errors="surrogateescape")
    part.replace(output)
    return output


def _of_corpus(corpus: Corpus, output: Path, limit: int, threads: int, progress: Progress) -> _Subject:
    scan = scan_corpus(corpus, limit=limit, threads=threads, progress=progress)
    clips = assign_splits(corpus.clips)
    notes, reduced = list(corpus.notes), []  # notes before the reduction: its own would puzzle
    if len(set(COMMANDS) & set(corpus.words)) >= len(COMMANDS) // 2:
        reduced = class_table(clip.label for clip in apply_labels(corpus, "commands12")[0])

    def load(clip: Clip) -> tuple[Samples, int]:
        return read_samples(os.path.join(corpus.root, clip.path), start=clip.start, stop=clip.stop)

    def address(clip: Clip) -> str:
        if corpus.unpacked:
            return ""
        return quote(os.fsencode(os.path.relpath(os.path.join(corpus.root, clip.path), output.parent)))

    return _Subject(
        name=str(corpus.source),
        about=[f"layout <b>{corpus.layout}</b>"],
        clips=clips,
        scan=scan,
        load=load,
        link=address,
        notes=notes,
        reduced=reduced,
    )


def _of_file(reader: Reader, limit: int) -> _Subject:
    clips = [
        Clip(source or f"row {i}", reader.labels[label] if label >= 0 else "", speaker, split, start)
        for i, (source, label, speaker, split, start) in enumerate(
            zip(
                reader.source.tolist(),
                reader.label.tolist(),
                reader.speaker.tolist(),
                reader.split.tolist(),
                reader.start.tolist(),
                strict=True,
            )
        )
    ]
    originals = np.flatnonzero(reader.variant == 0).tolist()
    row_of = {clips[i]: i for i in originals}
    at_front = reader.config().pad == "front"

    def load(clip: Clip) -> tuple[Samples, int]:
        i = row_of[clip]
        n = int(reader.length[i]) if reader.config().pad != "center" else reader.n_samples
        return (reader.audio[i, reader.n_samples - n :] if at_front else reader.audio[i, :n]), reader.sr

    chosen = sorted(row_of, key=lambda clip: clip_hash(0, clip))[:limit] if reader.has_audio else []
    measured = [measure(clip, *load(clip), kind="int16") for clip in sorted(chosen, key=row_of.__getitem__)]
    scan = Scan(len(clips), measured, is_sample=0 < len(chosen) < len(originals), clip_s=reader.n_samples / reader.sr)
    features = []
    for name in reader.feature_names:
        config, row = reader.config(name), originals[0]
        features.append((name, config, features_picture(reader.features(name)[row], config, f"{name}: {clips[row].path}")))
    about = [
        f"clips of <b>{reader.n_samples / reader.sr:g} s</b> at <b>{reader.sr:,} Hz</b>",
        f"features <b>{escape(', '.join(reader.feature_names))}</b>",
        f"seed {reader.attrs['seed']}",
    ]
    notes = [] if reader.has_audio else ["The file holds no audio, so there are no waveforms, levels or players."]
    if len(originals) < len(clips):
        notes.append(
            f"{len(clips) - len(originals):,} of the {len(clips):,} rows are augmented copies; they are counted, but not measured."
        )
    return _Subject(
        str(reader.path),
        about,
        clips,
        scan,
        load,
        lambda clip: "",
        notes,
        features=features,
    )


def _page(subject: _Subject, progress: Progress) -> str:
    labels = [name for name, _, _ in class_table(clip.label for clip in subject.clips)]
    noise = [m for m in subject.scan.measured if m.clip.label == NOISE_FOLDER]
    sections = [
        ("Classes", _classes(subject, labels)),
        ("Splits and speakers", _splits(subject)),
        ("Lengths and levels", _lengths(subject)),
        ("Anomalies", _anomalies(subject)),
        ("Recordings", _recordings(subject, labels + ([NOISE_FOLDER] if noise else []), progress)),
        ("Configuration", _configuration(subject)),
    ]
    sections = [(title, body) for title, body in sections if body]
    contents = " · ".join(f'<a href="#s{i}">{title}</a>' for i, (title, _) in enumerate(sections))
    bodies = "\n".join(f'<section id="s{i}"><h2>{title}</h2>\n{body}</section>' for i, (title, body) in enumerate(sections))
    hours = sum(m.seconds for m in subject.scan.measured) / 3600
    speakers = {clip.speaker for clip in subject.clips} - {""}
    facts = [f"<b>{len(subject.clips):,}</b> clips", f"<b>{len(set(labels) - {''})}</b> labels", *subject.about]
    if speakers:
        facts.insert(2, f"<b>{len(speakers):,}</b> speakers")
    if subject.scan.is_sample:
        facts.append(f"lengths, levels and anomalies from a sample of <b>{len(subject.scan.measured):,}</b>")
    elif subject.scan.measured:
        facts.append(f"<b>{hours:.2f} h</b> of audio" + (f" with {len(noise)} noise files" if noise else ""))
    notes = "".join(f"<p class=note>{escape(note)}</p>" for note in subject.notes)
    name = escape(Path(subject.name).name or subject.name)
    return f"""<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{name}</title><style>{STYLE}</style></head><body>
<header><h1>{name}</h1><p class=path>{escape(subject.name)}</p><p>{" · ".join(facts)}</p>{notes}<nav>{contents}</nav></header>
{bodies}
<footer>kwsfeat {__version__} report</footer></body></html>
"""


def _classes(subject: _Subject, labels: Sequence[str]) -> str:
    odd = {row["label"]: row for row in subject.scan.lengths()}
    splits = {split: Counter(clip.label for clip in subject.clips if clip.split == split) for split in SPLITS}
    counts = class_table(clip.label for clip in subject.clips)
    most = counts[0][1]
    largest_odd = max([row["odd_percent"] for name, row in odd.items() if name != NOISE_FOLDER], default=0.0) or 1.0
    rows = []
    for name, n, percent in counts:
        cells = [f"<td>{shown(name)}</td>", number(f"{n:,}"), number(f"{percent:.2f} %"), bar(n / most)]
        cells += [number(f"{splits[split][name]:,}") for split in SPLITS]
        if odd:
            share = odd[name]["odd_percent"] if name in odd else None
            cells += [number("–" if share is None else f"{share:.1f} %"), bar((share or 0.0) / largest_odd, "odd")]
        rows.append(cells)
    heads = ["label", "#clips", "#share", "", *(f"#{split}" for split in SPLITS)] + ([f"#not {subject.scan.clip_s:g} s", ""] if odd else [])
    out = table(heads, rows)
    if NOISE_FOLDER in odd:
        row = odd[NOISE_FOLDER]
        out += (
            f"<p>Noise files, cut into 1 s pieces of silence by a build: {row['n_clips']}, {row['n_odd']} of them not exactly 1 s long"
            f" ({row['min_s']:.1f} to {row['max_s']:.1f} s).</p>"
        )
    if subject.reduced:
        most = subject.reduced[0][1]
        rows = [[f"<td>{shown(name)}</td>", number(f"{n:,}"), number(f"{p:.2f} %"), bar(n / most)] for name, n, p in subject.reduced]
        out += "<h3>Reduced to twelve classes</h3><p>What <code>--labels commands12</code> makes of it.</p>"
        out += table(["label", "#clips", "#share", ""], rows)
    return out


def _splits(subject: _Subject) -> str:
    members = defaultdict(list)
    for clip in subject.clips:
        members[clip.split].append(clip)
    rows = []
    for split in SPLITS:
        speakers = {clip.speaker for clip in members[split]} - {""}
        n = len(members[split])
        rows.append(
            [
                f"<td>{split}</td>",
                number(f"{n:,}"),
                number(f"{100 * n / len(subject.clips):.1f} %"),
                number(f"{len(speakers):,}" if speakers else "–"),
            ]
        )
    out = table(["split", "#clips", "#share", "#speakers"], rows)
    per_speaker = Counter(clip.speaker for clip in subject.clips if clip.speaker)
    if not per_speaker:
        return out + "<p>No speaker is known.</p>"
    shared = speakers_in_several_splits(subject.clips)
    if shared:
        names = ", ".join(escape(name) for name in shared[:10]) + (" …" if len(shared) > 10 else "")
        out += f"<p class=note>{len(shared):,} of {len(per_speaker):,} speakers are in more than one split: {names}.</p>"
    else:
        out += f"<p class=ok>No speaker is in two splits ({len(per_speaker):,} speakers).</p>"
    if len(per_speaker) > _SPEAKERS_LISTED:
        picture = histogram_picture(list(per_speaker.values()), "clips of a speaker", "clips", "speakers")
        return out + figure(picture, "How many clips the speakers have")
    rows = []
    for name, n in per_speaker.most_common():
        parts = ", ".join(split for split in SPLITS if any(clip.speaker == name for clip in members[split]))
        rows.append([f"<td>{shown(name)}</td>", number(f"{n:,}"), f"<td>{parts}</td>"])
    return out + table(["speaker", "#clips", "splits"], rows)


def _lengths(subject: _Subject) -> str:
    measured = [m for m in subject.scan.measured if m.clip.label != NOISE_FOLDER]
    if not measured:
        return ""
    pictures = [
        (histogram_picture([m.seconds for m in measured], "length of the recordings", "s", "clips"), "Lengths"),
        (histogram_picture([m.level_db for m in measured], "level (root mean square)", "dB of full scale", "clips"), "Levels"),
    ]
    out = '<div class="row">' + "".join(figure(picture, name) for picture, name in pictures) + "</div>"
    if not subject.features:
        out += _formats(subject)
    heads = ["label", "#measured", f"#not {subject.scan.clip_s:g} s", "#share", "#shortest", "#median", "#longest"]
    rows = [
        [
            f"<td>{shown(row['label'])}</td>",
            *map(number, (f"{row['n_clips']:,}", f"{row['n_odd']:,}", f"{row['odd_percent']:.2f} %")),
            *map(number, (f"{row['min_s']:.3f} s", f"{row['median_s']:.3f} s", f"{row['max_s']:.3f} s")),
        ]
        for row in subject.scan.lengths()
    ]
    return out + f"<details><summary>Lengths by label</summary>{table(heads, rows)}</details>"


def _formats(subject: _Subject) -> str:
    facts = {
        "sample rate": Counter(f"{m.sr:,} Hz" for m in subject.scan.measured),
        "channels": Counter(str(m.channels) for m in subject.scan.measured),
        "format": Counter(m.kind for m in subject.scan.measured),
    }
    rows = []
    for name, counts in facts.items():
        rows.append([f"<td>{name}</td>", "<td>" + ", ".join(f"{escape(value)} ({n:,})" for value, n in counts.most_common()) + "</td>"])
    return table(["", "recordings"], rows)


def _anomalies(subject: _Subject) -> str:
    scan = subject.scan
    if not scan.measured and not scan.unreadable:
        return ""

    def named(clip: Clip) -> str:
        return link(clip.path, subject.link(clip))

    def of(measured: Iterable[Measurement], text: Callable[[Measurement], str]) -> list[str]:
        return [f"{named(m.clip)}: {text(m)}" for m in measured]

    def where(group: Sequence[Clip]) -> str:
        across = [f"across {name}s" for name in ("label", "split") if is_across(group, name)]
        return f" <b>({' and '.join(across)})</b>" if across else ""

    kinds = [
        ("Cannot be used", [f"{named(Clip(path, ''))}: {shown(reason)}" for path, reason in scan.unreadable]),
        (f"Clipped: {CLIPPED_RUN} or more samples in a row at full scale", of(scan.clipped, lambda m: f"{m.clipped_run} in a row")),
        (f"Silent: below {SILENT_DB:g} dB", of(scan.silent, lambda m: f"{m.level_db:.0f} dB")),
        (f"Off centre: mean beyond {DC_OFFSET:g}", of(scan.offset, lambda m: f"{m.mean:+.3f}")),
        ("Equal to another recording, sample by sample", [" = ".join(map(named, group)) + where(group) for group in scan.duplicates]),
    ]
    out = ""
    for title, found in kinds:
        if not found:
            out += f"<p>{title}: <span class=ok>none</span></p>"
            continue
        more = f"<p>… and {len(found) - _LISTED:,} more: <code>kwsfeat scan</code> lists them all.</p>" if len(found) > _LISTED else ""
        items = "".join(f"<li>{item}</li>" for item in found[:_LISTED])
        unfolded = " open" if len(found) <= _OPEN else ""
        out += f"<details{unfolded}><summary><b>{len(found):,}</b> · {title}</summary><ul>{items}</ul>{more}</details>"
    return out


def _recordings(subject: _Subject, labels: Sequence[str], progress: Progress) -> str:
    """For each label a typical recording (the one of median level) in pictures, and some to listen to."""
    by_label = defaultdict(list)
    for m in subject.scan.measured:
        by_label[m.clip.label].append(m)
    drawn = [label for label in labels if by_label[label]][:_PICTURED]
    out = []
    for done, label in enumerate(drawn, start=1):
        members = sorted(by_label[label], key=lambda m: m.level_db)
        typical = members[len(members) // 2].clip
        others = sorted((m.clip for m in members if m.clip != typical), key=lambda clip: clip_hash(0, clip))
        try:
            y, sr = _beginning(*subject.load(typical))
            players = "".join(_sound(subject, clip) for clip in [typical, *others[: _PLAYERS - 1]])
        except AudioError:
            continue  # it went away since it was measured
        alt = f"waveform, amplitude spectrum, spectrogram, mel spectrogram and MFCC of {typical.path}"
        picture = figure(clip_picture(y, sr, ""), alt)
        out.append(f'<h3>{shown(label)}</h3>{picture}<div class="row">{players}</div>')
        progress(done, len(drawn))
    if not out:
        return ""
    left_out = len([label for label in labels if by_label[label]]) - len(drawn)
    head = "<p>Pictured is the recording of median level of each label; it is also the first to listen to. "
    head += "Spectrogram, mel spectrogram and MFCC have 25 ms windows every 10 ms.</p>"
    if left_out:
        head += f"<p class=note>The {len(drawn)} most frequent labels; {left_out:,} are left out.</p>"
    return head + "\n".join(out)


def _configuration(subject: _Subject) -> str:
    if not subject.features:
        return ""
    out = ""
    for name, config, picture in subject.features:
        default = FeatureConfig().to_dict()
        values = config.to_dict()
        changed = {key: value for key, value in values.items() if value != default[key]}
        out += f"<h3>{escape(name)}</h3><p>{config.n_frames} frames x {config.n_features} values, "
        out += f"fingerprint <code>{config.fingerprint}</code></p>"
        out += figure(picture, f"features {name} of one clip")
        out += _values(changed, "Differs from the defaults in") if changed else "<p>The defaults.</p>"
        out += f"<details><summary>All fields</summary>{_values(values, '')}</details>"
    return out


def _values(values: dict[str, object], title: str) -> str:
    rows = [[f"<td><code>{name}</code></td>", f"<td class=v>{escape(str(value))}</td>"] for name, value in values.items()]
    return (f"<p>{title}</p>" if title else "") + table(["field", "value"], rows)


def _beginning(y: Samples, sr: int) -> tuple[Samples, int]:
    return y[: int(_PLAYED_S * sr)], sr


def _sound(subject: _Subject, clip: Clip) -> str:
    import soundfile

    y, sr = _beginning(*subject.load(clip))
    file = io.BytesIO()
    soundfile.write(file, as_int16(y), sr, format="WAV", subtype="PCM_16")
    return player(file.getvalue(), link(clip.path, subject.link(clip)))
