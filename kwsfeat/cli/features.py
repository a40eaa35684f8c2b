"""Commands about features themselves: ``presets`` and ``warmup``."""

from __future__ import annotations

import time
from pathlib import Path

import click

from kwsfeat.cli.console import Console, console_options
from kwsfeat.cli.options import check_new, overwrite_option


@click.command(short_help="List the feature presets, or write one as TOML.")
@click.option("--write", "name", metavar="NAME", help="Write the preset's configuration instead, to edit and give to build --features.")
@click.option("--out", type=click.Path(path_type=Path), metavar="FILE", help="Where --write goes  [default: NAME.toml]")
@overwrite_option
@console_options
def presets(name: str | None, out: Path | None, overwrite: bool, console: Console) -> None:
    """List the feature presets, or write one as a TOML file.

    \b
    kwsfeat presets
    kwsfeat presets --write mfcc            writes mfcc.toml
    kwsfeat build recordings/ out.h5 --features mfcc.toml
    """
    from kwsfeat.config.presets import PRESETS, preset
    from kwsfeat.config.toml import write_toml

    if name is None and out is not None:
        raise click.UsageError(f"--out {out} is where --write NAME goes: say which preset to write")
    if name is not None:
        config, path = preset(name), out or Path(f"{name}.toml")
        check_new(path, overwrite=overwrite)
        path.unlink(missing_ok=True)
        write_toml(config, path)
        console.data(str(path), {"path": str(path)})
        return
    rows = [(key, *config.shape, text) for key, (config, text) in PRESETS.items()]
    width = max(len(row[0]) for row in rows)
    table = "\n".join(f"{key:{width}}  {f'{frames} x {features}':>9}  {text}" for key, frames, features, text in rows)
    console.data(table, {key: {"about": text, "config": config.to_dict()} for key, (config, text) in PRESETS.items()})


@click.command(short_help="Compile the feature kernels now.")
@click.argument("names", nargs=-1, metavar="[PRESET]...")
@console_options
def warmup(names: tuple[str, ...], console: Console) -> None:
    """Compile the feature kernels now, for all presets or some, so that no later run has to wait for it.

    \b
    kwsfeat warmup
    kwsfeat warmup logmel mfcc
    """
    from kwsfeat.config.presets import PRESETS, preset
    from kwsfeat.pipeline.warmup import warm_up

    chosen = names or tuple(PRESETS)
    configs = [preset(name) for name in chosen]
    began = time.perf_counter()
    warm_up(configs)
    seconds = time.perf_counter() - began
    console.data(f"kernels of {', '.join(chosen)} compiled and cached in {seconds:.1f} s", {"presets": list(chosen), "seconds": seconds})
