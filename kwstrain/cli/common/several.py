"""The options of a command that several processes may run together, and how it is one of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import wraps
from typing import Any

import click

from kwsfeat.cli.boundary import wrong_usage
from kwsfeat.cli.console import Console


@dataclass(frozen=True)
class Several:
    """Which of several processes this one is, as the command line says."""

    distributed: bool
    coordinator: str | None
    processes: int | None
    process: int | None

    @contextmanager
    def joined(self, console: Console) -> Iterator[Console]:
        """Be one of them; gives where the output goes, which is nowhere but in the first."""
        with ExitStack() as stack:
            if self.distributed:
                from kwstrain.processes import together

                with wrong_usage():
                    stack.enter_context(together(self.coordinator, self.processes, self.process))
            yield console if self.is_first else replace(console, quiet=True)

    @property
    def is_first(self) -> bool:
        """Whether this process writes and prints; once it has :meth:`joined`."""
        if not self.distributed:
            return True
        from kwstrain.processes import is_first

        return is_first()


def several_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--distributed``, ``--coordinator``, ``--processes`` and ``--process`` to a command, which receives them as `several`."""

    @click.option("--distributed", is_flag=True, help="Be one of several processes, on any machines, that do this together.")
    @click.option("--coordinator", metavar="HOST:PORT", help="Where the first of them listens  [default: as the cluster says]")
    @click.option("--processes", type=click.IntRange(min=1), metavar="N", help="How many there are.")
    @click.option("--process", type=click.IntRange(min=0), metavar="I", help="Which of them this is, from 0.")
    @wraps(command)
    def wrapper(
        *args: Any, distributed: bool, coordinator: str | None, processes: int | None, process: int | None, **options: Any
    ) -> Any:  # fmt: skip
        if not distributed and (coordinator or processes or process is not None):
            raise click.UsageError("--coordinator, --processes and --process are for --distributed: give that, too")
        return command(*args, several=Several(distributed, coordinator, processes, process), **options)

    return wrapper
