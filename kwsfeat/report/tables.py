"""The sections of a page that count and list: classes, splits, lengths, anomalies, configuration; "" where there is nothing to say."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from html import escape

from kwsfeat.audio.faults import CUT, LOUDEST_CUT
from kwsfeat.config.features import FeatureConfig
from kwsfeat.config.splits import SPLITS
from kwsfeat.corpus.clip import NOISE_FOLDER, Clip
from kwsfeat.corpus.labels import class_table
from kwsfeat.corpus.scan import CLIPPED_RUN, DC_OFFSET, SILENT_DB, Measurement, is_across
from kwsfeat.corpus.splits import speakers_in_several_splits
from kwsfeat.report.figures import histogram_picture
from kwsfeat.report.html import bar, figure, link, number, shown, table
from kwsfeat.report.shortcuts import shortcuts
from kwsfeat.report.subject import Subject

_LISTED = 50  # anomalies of one kind that are listed by name
_SPEAKERS_LISTED = 20  # more than these are shown as a histogram
_OPEN = 12  # a list this short is not folded away


def classes(subject: Subject) -> str:
    """How many clips each label has, in each split, and how many of them are not of the usual length."""
    unusual = {row["label"]: row for row in subject.scan.lengths()}
    splits = {split: Counter(clip.label for clip in subject.clips if clip.split == split) for split in SPLITS}
    counts = class_table(clip.label for clip in subject.clips)
    most = counts[0][1]
    rows = []
    for name, n, percent in counts:
        cells = [f"<td>{shown(name)}</td>", number(f"{n:,}"), number(f"{percent:.2f} %"), bar(n / most)]
        cells += [number(f"{splits[split][name]:,}") for split in SPLITS]
        if unusual:
            percent_unusual = unusual[name]["odd_percent"] if name in unusual else None
            cells += [
                number("–" if percent_unusual is None else f"{percent_unusual:.1f} %"),
                bar((percent_unusual or 0.0) / 100, "odd"),
            ]
        rows.append(cells)
    heads = ["label", "#clips", "#percent", "", *(f"#{split}" for split in SPLITS)] + (
        [f"#not {subject.scan.clip_s:g} s", ""] if unusual else []
    )
    out = table(heads, rows)
    if NOISE_FOLDER in unusual:
        row = unusual[NOISE_FOLDER]
        out += (
            f"<p>Noise files, cut into 1 s pieces of silence by a build: {row['n_clips']}, {row['n_odd']} of them not exactly 1 s long"
            f" ({row['min_s']:.1f} to {row['max_s']:.1f} s).</p>"
        )
    if subject.reduced:
        most = subject.reduced[0][1]
        rows = [[f"<td>{shown(name)}</td>", number(f"{n:,}"), number(f"{p:.2f} %"), bar(n / most)] for name, n, p in subject.reduced]
        out += "<h3>Reduced to twelve classes</h3><p>What <code>--labels commands12</code> makes of it.</p>"
        out += table(["label", "#clips", "#percent", ""], rows)
    return out


def splits_and_speakers(subject: Subject) -> str:
    """The sizes of the splits, and whether a speaker is in several."""
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
    out = table(["split", "#clips", "#percent", "#speakers"], rows)
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


def lengths_and_levels(subject: Subject) -> str:
    """Histograms, formats, and the lengths by label."""
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
    heads = ["label", "#measured", f"#not {subject.scan.clip_s:g} s", "#percent", "#shortest", "#median", "#longest"]
    rows = [
        [
            f"<td>{shown(row['label'])}</td>",
            *map(number, (f"{row['n_clips']:,}", f"{row['n_odd']:,}", f"{row['odd_percent']:.2f} %")),
            *map(number, (f"{row['min_s']:.3f} s", f"{row['median_s']:.3f} s", f"{row['max_s']:.3f} s")),
        ]
        for row in subject.scan.lengths()
    ]
    return out + f"<details><summary>Lengths by label</summary>{table(heads, rows)}</details>"


def _formats(subject: Subject) -> str:
    facts = {
        "sample rate": Counter(f"{m.sr:,} Hz" for m in subject.scan.measured),
        "channels": Counter(str(m.channels) for m in subject.scan.measured),
        "format": Counter(m.kind for m in subject.scan.measured),
    }
    rows = []
    for name, counts in facts.items():
        rows.append([f"<td>{name}</td>", "<td>" + ", ".join(f"{escape(value)} ({n:,})" for value, n in counts.most_common()) + "</td>"])
    return table(["", "recordings"], rows)


def anomalies(subject: Subject) -> str:
    """What is wrong with which recordings."""
    scan = subject.scan
    if not scan.measured and not scan.unreadable and not subject.skipped and not subject.cut:
        return ""

    def named(clip: Clip) -> str:
        return link(clip.path, subject.link(clip))

    def of(measured: Iterable[Measurement], text: Callable[[Measurement], str]) -> list[str]:
        return [f"{named(m.clip)}: {text(m)}" for m in measured]

    def where(group: Sequence[Clip]) -> str:
        across = [f"across {name}s" for name in ("label", "split") if is_across(group, name)]
        return f" <b>({' and '.join(across)})</b>" if across else ""

    if subject.features:
        kinds = [
            ("Left out by the build, which could not read them", [shown(text) for text in subject.skipped]),
            *((f"Their recording is {text}", [shown(name) for name in subject.cut.get(text, [])]) for text in (LOUDEST_CUT, CUT)),
            (
                "Perhaps cut: begins or ends about as loud as its loudest part (build --length, --crop)",
                [named(clip) for clip in subject.loud_ends],
            ),
        ]
    else:
        kinds = [
            ("Cannot be used", [f"{named(Clip(path, ''))}: {shown(reason)}" for path, reason in scan.unreadable]),
            (
                "Longer than 1 s, and the loudest second is not the middle one (build --crop loudest keeps it)",
                [f"{named(m.clip)}: {m.seconds:.2f} s" for m in scan.measured if m.loud_outside],
            ),
        ]
    kinds += [
        ("Shortcuts: what tells labels apart without the words", [shown(str(shortcut)) for shortcut in shortcuts(scan.measured)]),
        (f"Clipped: {CLIPPED_RUN} or more samples in a row at full scale", of(scan.clipped, lambda m: f"{m.clipped_run} in a row")),
        (f"Silent: below {SILENT_DB:g} dB", of(scan.silent, lambda m: f"{m.level_db:.0f} dB")),
        (f"Off centre: mean beyond {DC_OFFSET:g}", of(scan.offset, lambda m: f"{m.mean:+.3f}")),
        ("Equal to another recording, sample by sample", [" = ".join(map(named, group)) + where(group) for group in scan.duplicates]),
    ]
    if not scan.measured:
        kinds = kinds[:3] if subject.features else kinds[:1]  # nothing is known of the samples
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


def configuration(subject: Subject) -> str:
    """The feature sets of a file, and where they differ from the defaults."""
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
