"""What is in a dataset file, in numbers and in words: ``kwsfeat info``."""

from __future__ import annotations

import json
import textwrap
from collections import Counter
from datetime import UTC, datetime
from typing import Any

from kwsfeat.config.splits import SPLITS
from kwsfeat.corpus.labels import class_table, format_class_table
from kwsfeat.dataset.reader import Reader
from kwsfeat.report.cuts import cut_counts


def summary(reader: Reader) -> dict[str, Any]:
    """Sizes, classes, splits, speakers and feature sets of a file, in JSON types.

    ``written`` is the file's modification time: the file itself holds no time, so that equal input gives equal bytes.
    """
    files = [path.stat() for path in reader.files]
    names = ["" if label < 0 else reader.labels[label] for label in reader.label]
    counts = {name: (n, percent) for name, n, percent in class_table(names)}
    unlabelled = counts.pop("", (0, 0.0))[0]
    classes = [{"label": name, "count": n, "percent": round(percent, 2)} for name, (n, percent) in counts.items()]
    classes += [{"label": name, "count": 0, "percent": 0.0} for name in reader.labels if name not in counts]
    splits = Counter(reader.split.tolist())
    n_cut, n_loudest_cut = cut_counts(reader) or (None, None)
    return {
        "path": str(reader.path),
        "files": reader.n_files,
        "bytes": sum(file.st_size for file in files),
        "written": datetime.fromtimestamp(max(file.st_mtime for file in files), UTC).isoformat(timespec="seconds"),
        "format_version": int(reader.attrs["format_version"]),
        "versions": json.loads(reader.attrs["versions"]),
        "n_clips": reader.n_clips,
        "n_skipped": int(reader.attrs["n_skipped"]),
        "seed": int(reader.attrs["seed"]),
        "sr": reader.sr,
        "n_samples": reader.n_samples,
        "audio": reader.has_audio,
        "classes": classes,
        "unlabelled": unlabelled,
        "splits": {name: splits.get(name, 0) for name in SPLITS},
        "n_speakers": len(set(reader.speaker.tolist()) - {""}),
        "n_clips_without_speaker": int((reader.speaker == "").sum()),
        "n_augmented": int((reader.variant != 0).sum()),
        "shorter_than_clip": int((reader.length < reader.n_samples).sum()),
        "cut": n_cut,
        "loudest_part_cut": n_loudest_cut,
        "features": {name: _feature_summary(reader, name) for name in reader.feature_names},
    }


def _feature_summary(reader: Reader, name: str) -> dict[str, Any]:
    attrs = reader.feature_attrs(name)
    values = {
        "shape": list(reader.features(name).shape),
        "dtype": str(reader.features(name).dtype),
        "units": attrs["units"],
        "fingerprint": attrs["fingerprint"],
        "config": reader.config(name).to_dict(),
    }
    if "float16_error" in attrs:
        values["float16_error"] = float(attrs["float16_error"])
    return values


def format_summary(values: dict[str, Any]) -> str:
    """The values of :func:`summary` for a person."""
    clip_s = values["n_samples"] / values["sr"]
    speakers = f"{values['n_speakers']:,}" + (
        f", {values['n_clips_without_speaker']:,} clips without" if values["n_clips_without_speaker"] else ""
    )
    lines = [
        f"{values['path']}: {values['n_clips']:,} clips of {clip_s:g} s at {values['sr']:,} Hz, {values['bytes'] / 1e6:,.1f} MB"
        f"{' in ' + str(values['files']) + ' files' if values['files'] > 1 else ''}, "
        f"written {values['written']}",
        f"format     version {values['format_version']}, kwsfeat {values['versions']['kwsfeat']}, seed {values['seed']}",
        f"audio      {'int16 ' + str(values['n_clips']) + ' x ' + str(values['n_samples']) if values['audio'] else 'not stored'}, "
        f"{values['shorter_than_clip']:,} clips shorter than {clip_s:g} s",
        "splits     " + ", ".join(f"{name} {n:,}" for name, n in values["splits"].items()),
        f"speakers   {speakers}",
    ]
    if values["cut"] is None:
        lines.append("cut        not known: the file, or the one it was made from, is older than the count")
    elif values["cut"]:
        lines.append(
            f"cut        {values['cut']:,} clips are parts of longer recordings, {values['loudest_part_cut']:,} without the loudest"
        )
    if values["n_skipped"]:
        lines.append(f"skipped    {values['n_skipped']:,} recordings that could not be read (dataset /skipped lists them)")
    if values["n_augmented"]:
        lines.append(f"augmented  {values['n_augmented']:,} of the clips are augmented copies")
    for name, feature in values["features"].items():
        lines += [
            "",
            f"features {name}: {feature['dtype']} {' x '.join(map(str, feature['shape']))}, {feature['units']}, {feature['fingerprint']}",
        ]
        if "float16_error" in feature:
            lines.append(f"  float16: each value is within {feature['float16_error']:.2g} of its float32 value")
        config = ", ".join(f"{field}={value}" for field, value in feature["config"].items())
        lines.append(textwrap.fill(config, 100, initial_indent="  ", subsequent_indent="  ", break_on_hyphens=False))
    table = [(c["label"], c["count"], c["percent"]) for c in values["classes"]]
    if values["unlabelled"]:
        table.append(("(unlabelled)", values["unlabelled"], 100.0 * values["unlabelled"] / values["n_clips"]))
    return "\n".join([*lines, "", format_class_table(table)])
