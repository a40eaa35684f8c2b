"""The command ``augment``."""

from __future__ import annotations

from pathlib import Path

import click

from kwsfeat.cli.boundary import wrong_usage
from kwsfeat.cli.console import Console, console_options
from kwsfeat.cli.options import check_new, overwrite_option, seed_option


@click.command()
@click.argument("recording", type=click.Path(path_type=Path), metavar="FILE.wav")
@click.option(
    "--policy",
    "--recipe",
    "policy",
    default="nine",
    show_default=True,
    metavar="NAME|FILE.toml",
    help="nine, bcresnet, kws-streaming, strong, voices, or your own.",
)
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), required=True, metavar="DIR", help="Where the files go.")
@click.option("--count", type=click.IntRange(min=1), default=8, show_default=True, help="Variants to draw, where the policy is random.")
@click.option("--noise", type=click.Path(path_type=Path), multiple=True, metavar="FILE", help="Noise to mix in; repeatable.")
@seed_option(help="For random policies.")
@overwrite_option
@console_options
def augment(
    recording: Path, policy: str, out: Path, count: int, noise: tuple[Path, ...], seed: int, overwrite: bool, console: Console
) -> None:
    """Write the variants of a recording, to listen to, and a picture of their spectrograms.

    \b
    kwsfeat augment seven.wav --policy nine --out variants/
    kwsfeat augment seven.wav --policy bcresnet --noise _background_noise_/pink_noise.wav --out variants/
    """
    from kwsfeat.augment import load_policy
    from kwsfeat.report.preview import preview

    with wrong_usage():
        loaded = load_policy(policy)
    check_new(out / "variants.json", overwrite=overwrite)
    if loaded.needs_noise and not noise:
        console.note("no --noise given: mixing in white, pink and brown noise")
    if noise and not loaded.needs_noise:
        console.note(f"the policy {policy} mixes in no noise: --noise is not used")
    paths = preview(recording, loaded, out, count=count, seed=seed, noise=noise)
    console.data("\n".join(map(str, paths)), [str(path) for path in paths])
