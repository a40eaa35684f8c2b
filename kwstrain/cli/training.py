"""The command ``fit``, and what the other commands that train need as well."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kwsfeat import SPLITS
from kwsfeat.cli.boundary import wrong_usage
from kwsfeat.cli.console import Console, console_options, one_line, remark
from kwsfeat.cli.options import overwrite_option, part_option
from kwstrain.cli.common.progress import TrainingProgress
from kwstrain.cli.common.several import Several, several_option
from kwstrain.config import DEFAULT_ARCH, DEFAULT_STREAM_ARCH

if TYPE_CHECKING:
    from kwstrain.config import TrainConfig
    from kwstrain.training.fit import FitResult
    from kwstrain.training.folds import FoldsResult

_ARCH_HELP = f"A name that kwstrain models lists  [default: {DEFAULT_ARCH}, {DEFAULT_STREAM_ARCH} with --stream, or that of --from]"
_SET_HELP = "Override a field, such as batch=32 or options.units=64; repeatable."


negatives_option = click.option(
    "--negatives", type=click.Path(path_type=Path), multiple=True, metavar="DIR",
    help="With --stream: recordings that contain none of the words; repeatable.",
)  # fmt: skip

resume_option = click.option("--resume", is_flag=True, help="Continue after the last complete epoch.")


def _folds(context: click.Context, option: click.Parameter, given: str | None) -> int | str | None:
    """A number of folds, or "speakers" for one per speaker."""
    if given in (None, "speakers"):
        return given
    if given.isdecimal() and int(given) >= 2:
        return int(given)
    raise click.BadParameter(f"{given!r} must be a whole number >= 2, or speakers")


@click.command()
@click.argument("path", type=click.Path(path_type=Path), metavar="OUT.h5")
@click.option("--arch", metavar="NAME", help=_ARCH_HELP)
@click.option("--features", metavar="NAME", help="Which feature set of the file  [default: its first]")
@click.option("--epochs", type=int, metavar="N")
@click.option("--batch", type=int, metavar="N", help="Clips per step.")
@click.option("--lr", type=float, metavar="X", help="Learning rate.")
@click.option("--seed", type=int, metavar="N")
@click.option("--augment", metavar="POLICY", help="Fresh augmentation of each clip in each epoch  [default: the network's own, or off]")
@click.option("--stream", is_flag=True, default=None, help="Train in the form that listens: words at any phase within longer audio.")
@negatives_option
@part_option
@click.option("--teacher", type=click.Path(path_type=Path), metavar="RUN", help="Also learn from the answers of a finished run.")
@click.option("--from", "start", type=click.Path(path_type=Path), metavar="RUN", help="Begin with the weights of a finished run.")
@click.option("--weights", metavar="FILE", help="Start from a Keras *_notop.h5 file, or imagenet.")
@click.option("--freeze", metavar="WHAT", help="none, backbone, or a number of layers: not trained.")
@click.option("-s", "--set", "changes", multiple=True, metavar="KEY=VALUE", help=_SET_HELP)
@click.option("--out", type=click.Path(path_type=Path), metavar="RUN", help="The run folder  [default: runs/FILE-ARCH]")
@overwrite_option
@resume_option
@click.option("--folds", callback=_folds, metavar="N|speakers", help="Cross-validation: N runs, or one without each speaker.")
@several_option
@console_options
def fit(
    path: Path, arch: str | None, changes: tuple[str, ...], out: Path | None, overwrite: bool, resume: bool, folds: int | str | None,
    negatives: tuple[Path, ...], part: tuple[int, int], teacher: Path | None, start: Path | None, several: Several,
    console: Console, **options: Any,
) -> None:  # fmt: skip
    """Train a network on OUT.h5 and keep the weights of its best epoch in a run folder.

    \b
    kwstrain fit out.h5 --arch cnn
    kwstrain fit out.h5 --arch lstm --features logmel64 -s options.units=64 -s patience=5
    kwstrain fit digits.h5 --arch lstm --folds speakers
    kwstrain fit out.h5 --arch bcresnet-2 --stream --negatives radio/ --part 1/3
    kwstrain fit out.h5 --distributed --coordinator node1:9876 --processes 2 --process 0
    kwstrain fit out.h5 --arch bcresnet-2 --augment strong -s ema=0.999 --teacher runs/bcresnet-8
    """
    from kwstrain.config import changed
    from kwstrain.models import spec
    from kwstrain.training.fit import fit as fit_run
    from kwstrain.training.folds import cross_validate

    given = {name: value for name, value in options.items() if value is not None}
    with wrong_usage():
        chosen = {**given, **assignments(changes)}
        config = changed(_base(arch, start, stream=bool(options["stream"])), chosen)
        _ = spec(config.arch).options.changed(config.options, of=config.arch)
    out = out or Path("runs") / f"{path.stem}-{config.arch}"
    with several.joined(console) as console:
        if not {"epochs", "steps"} & chosen.keys():
            config = _enough(path, config, console)
        console.detail(f"training config: {config.to_json()}")
        _note_choices(path, config, start, console)
        with TrainingProgress(console) as progress, keeping(out):
            shared: dict[str, Any] = {
                "overwrite": overwrite, "resume": resume, "teacher": teacher, "start": start, "negatives": negatives, "part": part,
                "progress": progress,
            }  # fmt: skip
            if folds:
                across = cross_validate(path, config, out, folds=folds, **shared)
            else:
                result = fit_run(path, config, out, **shared)
    if not several.is_first:
        return
    said = note_remarks(path, console)
    if folds:
        runs = [str(result.bundle.folder) for result in across.results]
        console.data(_folds_text(across, out), {"runs": runs, **across.to_dict(), "remarks": said})
    else:
        console.data(fit_text(result), {**fit_values(result), "remarks": said})
        console.next(f"kwstrain evaluate {out}")


def _base(arch: str | None, start: Path | None, *, stream: bool) -> TrainConfig:
    """The training that the options of the command change: that of `arch`, or of the network of the run it begins with."""
    from kwstrain.config import defaults

    if start is None:
        return defaults(arch or (DEFAULT_STREAM_ARCH if stream else DEFAULT_ARCH))
    from kwstrain.inference.bundle import Bundle

    began = Bundle.load(start).config
    return replace(defaults(began.arch), options=began.options) if arch in (None, began.arch) else defaults(arch)


def _enough(path: Path, config: TrainConfig, console: Console) -> TrainConfig:
    """`config` with more epochs where few clips need them, which is said."""
    from kwsfeat import Reader
    from kwstrain.data.augmentation import enough_epochs

    with Reader(path) as reader:
        config, said = enough_epochs(config, reader)
    if said:
        console.note(said)
    return config


def _note_choices(path: Path, config: TrainConfig, start: Path | None, console: Console) -> None:
    """Print on stderr what was chosen by default: the augmentation, the monitored value, the head of a warm start."""
    from kwsfeat import Reader
    from kwstrain.data.augmentation import policy_for
    from kwstrain.training.start import Start

    with Reader(path) as reader:
        _, said = policy_for(config, reader)
        if said:
            console.note(said)
        if not len(reader.rows("validation")):
            console.note(f"{path} has no validation clips: the training {config.monitor} decides which epoch is kept")
        if start is not None and (begun := Start(start)).new_head(reader.labels):
            console.note(f"{start} knows {', '.join(begun.bundle.labels)}: a new head learns {', '.join(reader.labels)}")


def note_remarks(path: Path, console: Console) -> list[str]:
    """Print on stderr what a network cannot learn from the classes of a file; returns the sentences."""
    from kwsfeat import Reader
    from kwstrain.data.remarks import remarks

    with Reader(path) as reader:
        said = remarks(reader, SPLITS)
    for text in said:
        console.note(text)
    return said


def _folds_text(across: FoldsResult, out: Path) -> str:
    tested = [f"  on {one_line(name)}, left out," for name in across.speakers] or ["  validation"] * len(across.results)
    lines = [f"fold {k}{what} accuracy {value:.4f}" for k, (what, value) in enumerate(zip(tested, across.accuracy, strict=True), start=1)]
    lines += [f"mean {across.mean:.4f}, standard deviation {across.spread:.4f}", f"runs      {out}/fold-1 to {out}/fold-{len(lines)}"]
    return "\n".join(lines)


def fit_values(result: FitResult) -> dict[str, Any]:
    """The results of a training run as JSON types; validation values are None without validation clips."""
    best = {name: None if value != value else value for name, value in result.best.items()}
    return {"run": str(result.bundle.folder), "epochs": len(result.records), "ended": result.ended, "best": best}


def fit_text(result: FitResult) -> str:
    """The best epoch, and the paths of the run and its pictures."""
    best, out = result.best, result.bundle.folder
    split = "validation" if best["val_loss"] == best["val_loss"] else "training"
    accuracy = best["val_accuracy" if split == "validation" else "train_accuracy"]
    return (
        f"{split} accuracy {accuracy:.4f} in epoch {result.best_epoch} of {len(result.records)}, {best['seconds']:.0f} s\n"
        f"run       {out}\npictures  {out / 'curves.png'}, {out / 'confusion.png'}"
    )


@contextmanager
def keeping(out: Path) -> Iterator[None]:
    """After Ctrl-C, print what was kept."""
    try:
        yield
    except KeyboardInterrupt:
        remark(_kept(out))
        raise


def _kept(out: Path) -> str:
    if (out / "weights.npz").is_file():
        return f"{out} keeps the best weights so far; --resume continues after the last complete epoch"
    if (out / "fold-1" / "weights.npz").is_file():
        return f"{out} keeps the folds so far; --resume continues after the last complete epoch"
    return "no epoch was complete: there are no weights to keep"


def assignments(changes: tuple[str, ...]) -> dict[str, Any]:
    """``KEY=VALUE`` texts by key; a value is TOML, or text when it is not TOML."""
    values: dict[str, Any] = {}
    for change in changes:
        key, equals, text = change.partition("=")
        if not equals or not key:
            raise click.BadParameter(f"{change!r} must be KEY=VALUE", param_hint="-s")
        try:
            values[key] = tomllib.loads(f"value = {text}")["value"]
        except tomllib.TOMLDecodeError:
            values[key] = text
    return values
