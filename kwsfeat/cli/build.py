"""The command ``build``."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kwsfeat.audio.faults import CUT, LOUDEST_CUT
from kwsfeat.cli.boundary import SKIPPED, wrong_usage
from kwsfeat.cli.console import Console, console_options, one_line
from kwsfeat.cli.options import layout_options, overwrite_option, seed_option, threads_option
from kwsfeat.corpus.elsewhere.urls import source_path

if TYPE_CHECKING:
    from kwsfeat.config.features import FeatureConfig
    from kwsfeat.pipeline.build import BuildReport
    from kwsfeat.pipeline.sources import FromDataset, Recordings

_LONGEST_S = 1000
_LISTED = 20  # skipped recordings that are named without -v


_CURES = {
    CUT: "; --length auto makes clips that nearly all fit into",
    LOUDEST_CUT: ": --crop loudest keeps it, --length auto makes clips that nearly all fit into",
}


def _seconds_or_auto(context: click.Context, parameter: click.Parameter, text: str | None) -> float | str | None:
    """The value of ``--length``."""
    if text is None or text == "auto":
        return text
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0.001 <= seconds <= _LONGEST_S:
        raise click.BadParameter(f"{text!r} must be auto, or seconds from 0.001 to {_LONGEST_S}.")
    return seconds


@click.command()
@click.argument("source", type=source_path, metavar="SOURCE")
@click.argument("output", type=click.Path(path_type=Path), metavar="OUT")
@click.option(
    "-f", "--features", multiple=True, default=("logmel",), show_default=True, metavar="PRESET|FILE.toml", help="A feature set; repeatable."
)
@click.option("--labels", metavar="SCHEME|WORD,WORD,...", help="all, commands12, digits, or a list of words.  [default: all]")
@click.option("--unknown", type=click.Choice(["other", "drop"]), help="What becomes of words outside --labels.")
@click.option(
    "--unknown-share", type=click.FloatRange(min=0), help="At most this many unknown clips, as a share of the clips of the words."
)
@click.option(
    "--silence-share", type=click.FloatRange(min=0), help="This many silence clips, as a share of the clips of the words; 0 is none."
)
@click.option("--split", metavar="RULE", help="auto, given, speaker-hash, stratified:80/10/10, by-speaker:80/20, folds.  [default: auto]")
@click.option("--folds", type=click.IntRange(min=2), metavar="N", help="Cross-validation in N parts: --split folds.  [default: 5]")
@click.option("--fold", type=click.IntRange(min=0), metavar="K", help="Which of the folds is the test part.  [default: 0]")
@layout_options
@click.option(
    "--length", callback=_seconds_or_auto, metavar="SECONDS|auto",
    help="How long a clip is, instead of what the features say; auto: as long as 99 of 100 recordings need.",
)  # fmt: skip
@click.option("--pad", type=click.Choice(["end", "front", "center"]), help="Where short clips get zeros, instead of what the features say.")
@click.option(
    "--crop", type=click.Choice(["start", "center", "random", "loudest"]),
    help="What is kept of long clips.  [default: what the features say; loudest where most are longer than a clip]",
)  # fmt: skip
@click.option(
    "--trim", "trim_db", type=click.FloatRange(min=0, min_open=True), metavar="DB", help="Cut off ends this far below the loudest 20 ms."
)
@click.option(
    "--augment",
    default="off",
    metavar="POLICY|FILE.toml",
    help="Store variants of the training clips: nine, bcresnet, kws-streaming, strong, voices.",
)
@click.option("--no-audio", is_flag=True, help="Do not store the recordings: smaller, but no new features from this file.")
@click.option("--float16", is_flag=True, help="Store features in half the space; kwsfeat info states the error.")
@click.option("--shard-clips", type=click.IntRange(min=1), metavar="N", help="Make OUT a folder of files with N clips each.")
@click.option(
    "--dask", metavar="tcp://HOST:PORT|local:N",
    help="Have the workers of a Dask cluster, or N processes, make a folder of files, each with --threads threads, 1 without it.",
)  # fmt: skip
@threads_option
@seed_option(help="For random splits, crops, silence and dither.")
@click.option("--strict", is_flag=True, help="Fail where a recording would be left out, or a word has none.")
@overwrite_option
@click.option("--no-lock", is_flag=True, help="For a file system without locks, when no other build writes OUT.")
@console_options
def build(
    source: Path | str,
    output: Path,
    features: tuple[str, ...],
    length: float | str | None,
    pad: str | None,
    crop: str | None,
    trim_db: float | None,
    augment: str,
    no_audio: bool,
    float16: bool,
    shard_clips: int | None,
    dask: str | None,
    threads: int | None,
    seed: int,
    strict: bool,
    overwrite: bool,
    no_lock: bool,
    console: Console,
    **corpus_options: Any,
) -> int:
    """Turn recordings into a file of features.

    SOURCE is a folder, an archive, a manifest, or what was built earlier, whose audio then gives the new features. OUT is a file, or
    with --shard-clips a folder of files, which every command takes as it takes a file. It is written beside its name and appears when
    it is complete; the same command goes on where an interrupted one stopped.

    \b
    kwsfeat build speech_commands/ sc.h5 --labels commands12 --unknown-share 0.1 --silence-share 0.1
    kwsfeat build recordings.csv out.h5 --features mfcc --features mel75 --split by-speaker:80/10/10
    kwsfeat build out.h5 more.h5 --features mfcc75

    Exit code 3: OUT is complete, but recordings that cannot be read were left out of it.
    """
    from kwsfeat.audio.faults import group_remarks, listed
    from kwsfeat.augment import load_policy
    from kwsfeat.config.clip import common_clip
    from kwsfeat.config.toml import chooses_clip
    from kwsfeat.dataset.disk import network_file_system
    from kwsfeat.dataset.reader import Reader
    from kwsfeat.dataset.storage.open import is_dataset
    from kwsfeat.pipeline.build import build_file
    from kwsfeat.pipeline.shards.build import SHARD_CLIPS, build_shards
    from kwsfeat.pipeline.shards.cluster import on_cluster
    from kwsfeat.pipeline.variants import augment_source
    from kwsfeat.report.cuts import cut_recordings
    from kwsfeat.threads import thread_count

    with wrong_usage():
        configs = _configs(features, {name: value for name, value in (("pad", pad), ("crop", crop), ("trim_db", trim_db)) if value}, length)
        policy = load_policy(augment)
        _check_split(corpus_options)
        workers = on_cluster(dask, threads=threads or 1) if dask else None
    skipped: list[tuple[str, str]] = []
    rows: Recordings | FromDataset
    is_free = length is None and crop is None and not any(map(chooses_clip, features))
    _check_output(source, output)
    if is_dataset(source):
        if length == "auto":
            raise click.UsageError(f"--length auto: the clips of {source} have a length: build from the recordings for another one")
        rows = _earlier_file(source, configs, corpus_options, is_free=is_free)
    else:
        rows, skipped = _recordings(source, configs, corpus_options, seed, strict, console)
        rows = _fitted(rows, configs, is_auto=length == "auto", is_free=is_free, console=console)
        if length == "auto" and rows.clip.n_samples > rows.clip.sr:
            rows = _planned(source, configs, corpus_options, seed, strict)  # silence in pieces as long as the clips
    augmented = augment_source(rows, policy, common_clip(configs), seed=seed)
    if network := network_file_system(output):
        console.note(f"{output} lies on a network disk ({network}): a local one is faster, and sure to lock; copy the finished file")
    write = partial(build_shards, shard_clips=shard_clips or SHARD_CLIPS, workers=workers) if shard_clips or dask else build_file
    try:
        with console.progress("clips") as progress:
            report = write(
                augmented, output, configs, seed=seed, threads=thread_count(threads), audio=not no_audio,
                dtype="float16" if float16 else "float32", strict=strict, overwrite=overwrite, lock=not no_lock, progress=progress,
            )  # fmt: skip
    except KeyboardInterrupt:
        console.note(f"{output} is unfinished: repeat the command, it goes on with the blocks that are there")
        raise
    skipped += report.skipped
    _list_skipped(skipped, console)
    with Reader(report.path) as written:  # it knows what an interrupted run has cut, too
        remarks = cut_recordings(written)
        size = sum(path.stat().st_size for path in written.files)
    remarks |= group_remarks((name, text) for name, text in report.remarks if text not in _CURES)
    for text, names in remarks.items():
        console.note(f"{len(names):,} recording{'s' if len(names) > 1 else ''}: {text}{_CURES.get(text, '')}  ({listed(names)})")
    if report.copies:
        n = len(report.copies)
        cure = "remove one of each"
        if getattr(rows, "split", "").startswith(("given", "speaker-hash")):  # which part equal files, too
            cure += ", or --split stratified keeps equal files together"
        console.note(
            f"{n:,} recording{'s are copies' if n > 1 else ' is a copy'} of others in another split, the score will be too good: "
            f"{one_line(listed([' = '.join(pair) for pair in report.copies]))}; {cure}"
        )
    _print_report(report, size, skipped, remarks, console)
    return SKIPPED if skipped else 0


def _check_split(options: dict[str, Any]) -> None:
    from kwsfeat.corpus.splits import parse_rule

    rule, _ = parse_rule(options["split"] or "auto")
    for name in ("folds", "fold"):
        if options["split"] and rule != "folds" and options[name] is not None:
            raise click.UsageError(f"--{name} is of --split folds, not of --split {options['split']}, which cuts the clips once")
    if options["unknown"] == "drop" and options["unknown_share"]:
        raise click.UsageError("--unknown drop keeps no unknown clips, --unknown-share says how many there are: give one of them")


def _check_output(source: Path | str, output: Path) -> None:
    """Not even --overwrite replaces what is read: the list or the archive of the recordings, or one of these."""
    from kwsfeat.corpus.files import is_recording
    from kwsfeat.dataset.storage.open import is_dataset
    from kwsfeat.errors import StoreError

    is_source = isinstance(source, Path) and source.is_file() and output.is_file() and output.samefile(source) and not is_dataset(source)
    if is_source or (output.is_file() and is_recording(output.name)):
        raise StoreError(f"{output} exists, and is {'what is read' if is_source else 'a recording'}: choose another name")


def _configs(features: tuple[str, ...], changes: dict[str, Any], length: float | str | None) -> dict[str, FeatureConfig]:
    from kwsfeat.config.features import FeatureConfig
    from kwsfeat.config.toml import named_config

    configs: dict[str, FeatureConfig] = {}
    for text in features:
        name, config = named_config(text)
        if name in configs:
            raise click.UsageError(f"--features {name} is given twice: a name can stand for one feature set only")
        if isinstance(length, float):
            changes = {**changes, "n_samples": round(length * config.sr)}
        configs[name] = FeatureConfig.from_partial(changes, config)
    return configs


def _fitted(rows: Recordings, configs: dict[str, FeatureConfig], *, is_auto: bool, is_free: bool, console: Console) -> Recordings:
    """The same rows with what ``--length auto`` finds; where the user left it free, with the loudest part of recordings that are long."""
    from kwsfeat.config.clip import common_clip
    from kwsfeat.pipeline.lengths import fitting_length, longer_share, recorded_seconds

    clip = rows.clip
    clip_s = clip.n_samples / clip.sr
    if not is_auto and not (is_free and clip.crop == "center"):
        return rows
    seconds = recorded_seconds(rows)
    if not is_auto and not longer_share(seconds, clip_s) > 0.5:
        return rows
    found = fitting_length(seconds)
    if is_auto:
        change: dict[str, Any] = {"n_samples": round(found * clip.sr)}
        console.note(f"--length auto: clips of {found:g} s (median {seconds[len(seconds) // 2]:.2f} s, longest {seconds[-1]:.2f} s)")
    else:
        change = {"crop": "loudest"}
        console.note(
            f"most recordings are longer than a clip of {clip_s:g} s: the loudest {clip_s:g} s of each are kept; "
            f"--length auto makes clips of {found:g} s, --crop center keeps the middle"
        )
    for name, config in configs.items():
        configs[name] = replace(config, **change)
    return replace(rows, config=common_clip(configs))


def _earlier_file(source: Path | str, configs: dict[str, FeatureConfig], corpus_options: dict[str, Any], *, is_free: bool) -> FromDataset:
    from kwsfeat.config.clip import common_clip
    from kwsfeat.dataset.reader import Reader
    from kwsfeat.pipeline.sources import FromDataset

    if given := [name for name, value in corpus_options.items() if value is not None]:
        option = "--" + given[0].replace("_", "-")
        raise click.UsageError(f"{option} cannot change the rows of {source}: build from the recordings")
    reader = Reader(source)
    for name, config in configs.items():  # features take clips that options and defaults made: trimmed, of another length
        if config.trim_db is None:
            config = replace(config, trim_db=reader.clip.trim_db)
        if is_free and config.sr == reader.sr and config.crop == "center":
            config = replace(config, n_samples=reader.n_samples, crop=reader.clip.crop)
        configs[name] = config
    return FromDataset(reader, common_clip(configs))


def _recordings(
    source: Path | str, configs: dict[str, FeatureConfig], corpus_options: dict[str, Any], seed: int, strict: bool, console: Console
) -> tuple[Recordings, list[tuple[str, str]]]:
    from kwsfeat.config.splits import SPLITS
    from kwsfeat.corpus.labels import class_table, format_class_table

    rows = _planned(source, configs, corpus_options, seed, strict)
    corpus = rows.corpus
    console.note(f"{source}: layout {corpus.layout}, {len(rows.clips):,} clips, {len(rows.labels)} classes")
    for note in corpus.notes:
        console.note(note)
    for note in rows.split_notes:
        console.note(note)
    if not rows.split.startswith("given") and any(clip.split for clip in corpus.clips):
        console.note("the corpus's own parts are not used: --split given does")
    console.detail(format_class_table(class_table(clip.label or "(unlabelled)" for clip in rows.clips)))
    if empty := [split for split in SPLITS if not any(clip.split == split for clip in rows.clips)]:
        console.note(f"no clips in the split {' and '.join(empty)}: --split stratified:80/10/10 fills all three")
    return rows, list(corpus.skipped)


def _planned(source: Path | str, configs: dict[str, FeatureConfig], corpus_options: dict[str, Any], seed: int, strict: bool) -> Recordings:
    from kwsfeat.config.clip import common_clip
    from kwsfeat.pipeline.sources import plan_recordings

    chosen = {name: value for name, value in corpus_options.items() if value is not None}
    if "folds" in chosen or "fold" in chosen:
        chosen.setdefault("split", "folds")
    return plan_recordings(source, common_clip(configs), **chosen, synthesise=True, seed=seed, strict=strict)


def _list_skipped(skipped: list[tuple[str, str]], console: Console) -> None:
    if not skipped:
        return
    console.note(f"skipped {len(skipped):,}:")
    shown = skipped if console.verbose else skipped[:_LISTED]
    for name, reason in shown:
        console.note("  " + one_line(reason if name in reason else f"{name}: {reason}"))
    if len(shown) < len(skipped):
        console.note(f"  and {len(skipped) - len(shown):,} more: -v or --json lists all")


def _print_report(report: BuildReport, size: int, skipped: list[tuple[str, str]], remarks: dict[str, list[str]], console: Console) -> None:
    rate = report.n_clips / report.seconds
    resumed = f", {report.n_resumed:,} of them finished by an earlier run" if report.n_resumed else ""
    console.data(
        f"{report.path}: {report.n_clips:,} clips, {size / 1e6:,.1f} MB, {report.seconds:.1f} s ({rate:,.0f} clips/s){resumed}",
        {
            "path": str(report.path),
            "n_clips": report.n_clips,
            "n_resumed": report.n_resumed,
            "n_skipped": len(skipped),
            "skipped": [{"source": name, "reason": reason} for name, reason in skipped],
            "remarks": [{"remark": text, "sources": names} for text, names in remarks.items()],
            "copies_across_splits": [list(pair) for pair in report.copies],
            "bytes": size,
            "seconds": round(report.seconds, 3),
        },
    )
