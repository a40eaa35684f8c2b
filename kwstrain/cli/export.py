"""Commands for other runtimes: ``export``, ``check``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from kwsfeat.cli.console import Console, console_options, one_line
from kwsfeat.cli.options import overwrite_option


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.argument("out", type=click.Path(path_type=Path), metavar="OUT")
@click.option("--to", required=True, metavar="FORMAT", help="onnx, onnx-int8, onnx-stream, web, esphome, c.")
@click.option("--license", "license_", metavar="TEXT", help="Licence of the weights, written into the file  [default: not stated]")
@click.option("--word", default="", metavar="NAME", help="The word that esphome and c detect  [default: the run's only word]")
@overwrite_option
@console_options
def export(run: Path, out: Path, to: str, license_: str | None, word: str, overwrite: bool, console: Console) -> None:
    """Write RUN, front end included, as a file for another runtime: samples in, probabilities out.

    \b
    onnx         clips of the length of the training clips; onnxruntime, in any language
    onnx-int8    the same with weights of 8 bits, calibrated on the training clips
    onnx-stream  pieces of a signal and states in, probabilities and states out
    web          a page that listens: OUT is a folder to serve, with listen.html, the same in one file
    esphome      OUT.tflite with 8 bits and its state inside, and its manifest OUT.json, for ESPHome's micro_wake_word
    c            one header with the front end, in integers

    esphome and c need mixednet on the preset micro-frontend, and detect one word.

    \b
    kwstrain export runs/cnn words.onnx --to onnx
    kwstrain export runs/wake wake.tflite --to esphome --word marvin
    kwstrain predict words.onnx clip.wav
    kwstrain export runs/cnn page --to web
    kwstrain check words.onnx
    """
    from kwstrain.export.export import NO_LICENSE
    from kwstrain.export.export import export as export_run

    said = export_run(run, to, out, license=license_ or NO_LICENSE, overwrite=overwrite, word=word, note=console.note)
    console.data(_lines(said), said)


@click.command()
@click.argument("path", type=click.Path(path_type=Path), metavar="FILE")
@console_options
def check(path: Path, console: Console) -> None:
    """Describe an exported FILE or page: inputs and outputs, operations, training data, and the runtimes that cannot run it.

    \b
    kwstrain check words.onnx
    """
    from kwstrain.export.check import check as check_file

    said = check_file(path).to_dict()
    console.data(_lines(said), said)


def _lines(values: dict[str, Any]) -> str:
    """A name and its value on each line."""
    width = max(map(len, values))
    return "\n".join(f"{name:{width}}  {one_line(_text(value))}" for name, value in values.items() if value not in ({}, [], "", None))


def _text(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_text(one)}" for name, one in value.items())
    if isinstance(value, list):
        return ", ".join(map(_text, value))
    return (
        f"{value:,}"
        if isinstance(value, int) and not isinstance(value, bool)
        else f"{value:.4g}"
        if isinstance(value, float)
        else str(value)
    )
