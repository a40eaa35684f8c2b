"""Teaching beside the page: in a process of its own, which says how far it is."""

from __future__ import annotations

import multiprocessing
import signal
import threading
import traceback
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Literal

from kwsfeat import KwsError

SPAWN = multiprocessing.get_context("spawn")
GRACE_S = 5.0


@dataclass(frozen=True, kw_only=True)
class Lesson:
    """What is to be taught: the arguments of :func:`~kwstrain.teaching.teach.teach_word`, and where the page of the run goes."""

    folder: Path | None
    run: Path
    page: Path
    word: str
    say: str
    choices: dict[str, Any]


@dataclass(frozen=True)
class Progress:
    """How far it is: `done` of `total` windows, and what was said on the way."""

    state: Literal["idle", "running", "done", "failed", "stopped"] = "idle"
    notes: tuple[str, ...] = ()
    done: int = 0
    total: int = 0
    error: str = ""


@dataclass
class Teacher:
    """Teaches one lesson at a time."""

    progress: Progress = field(default_factory=Progress)
    _process: Any = None
    _thread: threading.Thread | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def busy(self) -> bool:
        """Whether a lesson is going on."""
        return self.progress.state == "running"

    def start(self, lesson: Lesson) -> None:
        """Begin; :attr:`progress` tells how it goes on."""
        ours, theirs = SPAWN.Pipe(duplex=False)
        process = SPAWN.Process(target=_teach, args=(theirs, lesson), daemon=True)
        with self._lock:
            self._process, self.progress = process, Progress("running")
        process.start()
        theirs.close()
        self._thread = threading.Thread(target=self._follow, args=(ours, process), daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the lesson; what it has not finished is as if it had not begun."""
        if self._process is None or self._thread is None:
            return
        self._change(self._process, state="stopped")
        self._process.terminate()
        self._thread.join(GRACE_S)

    def _follow(self, connection: Connection, process: Any) -> None:
        try:
            while True:
                what, value = connection.recv()
                if what == "note":
                    self._change(process, notes=(*self.progress.notes, value))
                elif what == "windows":
                    self._change(process, done=value[0], total=value[1])
                else:
                    self._change(process, state=what, error=value)
        except EOFError:
            process.join()
            self._change(process, state="failed", error=f"teaching ended with exit code {process.exitcode}")

    def _change(self, process: Any, **values: Any) -> None:
        """Of a lesson that has ended, or is not the latest, nothing changes any more."""
        with self._lock:
            if self.busy and process is self._process:
                self.progress = replace(self.progress, **values)


def _teach(connection: Connection, lesson: Lesson) -> None:
    """The process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the server, which ends this process
    try:
        from kwstrain.export.export import export
        from kwstrain.teaching.choices import Choices
        from kwstrain.teaching.teach import teach_word

        def note(text: str) -> None:
            connection.send(("note", text))

        teach_word(
            lesson.folder, lesson.run, lesson.word, say=lesson.say, choices=Choices(**lesson.choices), note=note,
            progress=lambda done, total: connection.send(("windows", (done, total))),
        )  # fmt: skip
        note("making the page that listens")
        export(lesson.run, "web", lesson.page, overwrite=True)
        connection.send(("done", ""))
    except KwsError as error:
        connection.send(("failed", str(error)))
    except Exception as error:  # of the work, not of the page, which must say it
        traceback.print_exc()
        connection.send(("failed", f"{type(error).__name__}: {error}"))
