"""The command ``studio``."""

from __future__ import annotations

from pathlib import Path

import click

from kwsfeat.cli.boundary import wrong_usage
from kwsfeat.cli.console import Console, console_options, one_line
from kwstrain.cli.teaching import embedding_option


@click.command()
@click.argument("folder", type=click.Path(path_type=Path), default=Path("studio"), metavar="[FOLDER]")
@click.option("--port", type=click.IntRange(0, 65535), default=8765, show_default=True, help="0 is any that is free.")
@click.option("--host", default="127.0.0.1", show_default=True, metavar="ADDRESS", help="Where to listen; 0.0.0.0 is every network.")
@click.option("--no-browser", is_flag=True, help="Print the address only.")
@embedding_option
@console_options
def studio(folder: Path, port: int, host: str, no_browser: bool, embedding: str, console: Console) -> None:
    """A page on this machine: record a word, teach it, hear it detected; until Ctrl-C.

    FOLDER, "studio" without it, keeps everything: takes/, negatives/, runs/ and studio.json. The page records with the browser's
    microphone or takes files, teaches as kwstrain teach does, listens, makes negatives of false alarms, and gives the run away as a web
    page, as ONNX, or as it is. Nothing leaves this machine, and only who has the address, with its token, gets in.

    \b
    kwstrain studio
    kwstrain studio marvin/
    kwstrain studio marvin/ --port 9000 --no-browser      # then, elsewhere: ssh -L 9000:127.0.0.1:9000 THIS-MACHINE
    """
    from kwstrain.studio.server import serve

    def say(address: str) -> None:
        console.data(address, {"address": address, "folder": str(folder)})
        console.note("Ctrl-C ends it")

    def note(text: str) -> None:
        console.note(one_line(text))

    with wrong_usage():
        serve(folder, host=host, port=port, embedding=embedding, browser=not no_browser, note=note, say=say)
