"""The routes of the page: recordings in, teaching, what was taught."""

from __future__ import annotations

import io
import mimetypes
import re
import zipfile
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

from kwsfeat import AudioError, FeatureConfig, KwsError, StoreError
from kwstrain.export.web.page import MODEL, SINGLE
from kwstrain.export.web.runtime import listening, runtime, static, worklet
from kwstrain.io import read_json
from kwstrain.studio.features import front_end_graph
from kwstrain.studio.project import Kind, Project, Word
from kwstrain.studio.uploads import MOST_BYTES, Sound, body_json, listen_to, received
from kwstrain.studio.work import Lesson, Teacher
from kwstrain.teaching.choices import check_words
from kwstrain.teaching.report import CLIPS, PAGE
from kwstrain.teaching.run import REPORT
from kwstrain.teaching.teach import MOST

_STATIC = Path(__file__).parent / "static"
_REPORT_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; media-src 'self'; frame-ancestors 'none'"
_STATUS = {StoreError: 404, AudioError: 415}
Answer = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True)
class Studio:
    """The page of one project.

    Parameters
    ----------
    project : Project
    embedding : str
        What hears, as ``kwstrain teach --embedding`` takes it.
    features : FeatureConfig
        Of this embedding.
    teacher : Teacher
    """

    project: Project
    embedding: str
    features: FeatureConfig
    teacher: Teacher = field(default_factory=Teacher)
    _sounds: dict[tuple[Path, int, int], Sound] = field(default_factory=dict)

    def application(self) -> Starlette:
        """The routes."""
        kinds: tuple[Kind, ...] = ("takes", "negatives")
        of_kinds = [
            route
            for kind in kinds
            for route in (
                Route(f"/{kind}", self._upload(kind), methods=["POST"]),
                Route(f"/{kind}/{{name}}", self._recording(kind)),
                Route(f"/{kind}/{{name}}", self._remove(kind), methods=["DELETE"]),
            )
        ]
        app = Starlette(
            routes=[
                Route("/state", self._state),
                Route("/word", self._name, methods=["PUT"]),
                Route("/teaching", self._begin, methods=["POST"]),
                Route("/teaching", self._stop, methods=["DELETE"]),
                *of_kinds,
                Route("/runs/{run}/{name}", self._of_run),
                Route(f"/runs/{{run}}/{CLIPS}/{{name}}", self._clip),
                Route("/front-end.onnx", self._front_end),
                Route("/{name:path}", _file),
            ],
            exception_handlers={KwsError: _refused, OSError: _refused, HTTPException: _refused, ClientDisconnect: _gone},
        )
        app.router.redirect_slashes = False  # it would leave the token out
        return app

    async def _state(self, request: Request) -> Response:
        return JSONResponse(await run_in_threadpool(self._all))

    def _all(self) -> dict[str, Any]:
        project, runs = self.project, self._taught()
        latest = None
        if runs:
            has_page = (project.page_of(runs[-1]) / "index.html").is_file()
            latest = {"name": runs[-1].name, "path": str(runs[-1]), "report": read_json(runs[-1] / REPORT), "listens": has_page}
        return {
            "word": asdict(project.word()), "run": latest, "stale": bool(runs) and self._is_stale(runs[-1]), "sr": self.features.sr,
            "most_bytes": MOST_BYTES, "teaching": asdict(self.teacher.progress),
            **{kind: [self._described(path, kind) for path in project.recordings(kind)] for kind in MOST_BYTES},
        }  # fmt: skip

    def _taught(self) -> list[Path]:
        """The runs that can be offered: those whose report nobody has removed."""
        return [run for run in self.project.runs() if (run / REPORT).is_file()]

    def _is_stale(self, run: Path) -> bool:
        """Whether a recording has come since the run was taught."""
        taught = (run / REPORT).stat().st_mtime_ns
        return any(path.stat().st_mtime_ns > taught for kind in MOST_BYTES for path in self.project.recordings(kind))

    def _described(self, path: Path, kind: Kind) -> dict[str, Any]:
        status = path.stat()
        key = (path, status.st_mtime_ns, status.st_size)
        if key not in self._sounds:
            try:
                self._sounds[key] = listen_to(path, kind, self.features.sr)
            except AudioError as error:  # somebody has put it there
                self._sounds[key] = Sound(0.0, 0.0, str(error).removeprefix(f"{path}: "))
        return {"name": path.name, **asdict(self._sounds[key])}

    async def _name(self, request: Request) -> Response:
        word = Word.of(await body_json(request))
        self.project.save(word)
        return JSONResponse(asdict(word))

    def _upload(self, kind: Kind) -> Answer:
        async def upload(request: Request) -> Response:
            name = request.query_params.get("name") or self.project.next_name(kind)
            self.project.check_free(kind, name, MOST)
            async with received(request, self.project.folder / kind, MOST_BYTES[kind]) as partial:
                try:
                    await run_in_threadpool(listen_to, partial, kind, self.features.sr)
                except AudioError as error:
                    raise AudioError(f"{name}: {str(error).removeprefix(f'{partial}: ')}") from None
                path = self.project.keep(kind, partial, name)
            return JSONResponse(await run_in_threadpool(self._described, path, kind), 201)

        return upload

    def _recording(self, kind: Kind) -> Answer:
        async def recording(request: Request) -> Response:
            return FileResponse(self.project.recording(kind, request.path_params["name"]))

        return recording

    def _remove(self, kind: Kind) -> Answer:
        async def remove(request: Request) -> Response:
            self.project.recording(kind, request.path_params["name"]).unlink()
            return Response(status_code=204)

        return remove

    async def _begin(self, request: Request) -> Response:
        project, word = self.project, self.project.word()
        if self.teacher.busy:
            raise HTTPException(409, "it is being taught: wait, or stop it first")
        if not word.word:
            raise HTTPException(400, "the word has no name yet")
        check_words([word.word])
        if outside := next(project.links(), None):
            raise HTTPException(400, f"{outside.parent.name}/{outside.name} leads out of the project's folder: remove it")
        run = project.next_run()
        hard = (project.folder / "negatives",) if project.recordings("negatives") else ()
        choices = {
            "embedding": self.embedding, "hard": hard, "per_hour": float(word.per_hour), "voices": word.voices, "keep_all": word.keep_all,
        }  # fmt: skip
        folder = project.folder / "takes" if project.recordings("takes") else None
        self.teacher.start(Lesson(folder=folder, run=run, page=project.page_of(run), word=word.word, say=word.say, choices=choices))
        return JSONResponse(asdict(self.teacher.progress), 202)

    async def _stop(self, request: Request) -> Response:
        await run_in_threadpool(self.teacher.stop)
        return JSONResponse(asdict(self.teacher.progress))

    async def _of_run(self, request: Request) -> Response:
        """The parts of a run: its network, its report, and what is taken away."""
        run, name = self._run(request), request.path_params["name"]
        page, file = self.project.page_of(run), re.sub(r"[^\w-]+", "-", str(read_json(run / REPORT).get("word", "word")))
        if name == "run.zip":
            return Response(await run_in_threadpool(_zipped, run, file), headers=_attachment(f"{file}.zip"), media_type="application/zip")
        parts = {
            "model.onnx": (page / MODEL, {}),
            "stream.onnx": (page / MODEL, _attachment(f"{file}.onnx")),
            "page.html": (page / SINGLE, _attachment(f"{file}.html")),
            PAGE: (run / PAGE, {"content-security-policy": _REPORT_POLICY}),
        }
        path, headers = parts.get(name, (page, {}))
        if not path.is_file():
            raise HTTPException(404, f"the run {run.name} has no {name}: teach the word again")
        return FileResponse(path, headers=headers)

    async def _clip(self, request: Request) -> Response:
        run, name = self._run(request), request.path_params["name"]
        path = run / CLIPS / name
        if not re.fullmatch(r"\d+\.wav", name) or not path.is_file():
            raise HTTPException(404, "there is no such clip")
        return FileResponse(path)

    def _run(self, request: Request) -> Path:
        for run in self._taught():
            if run.name == request.path_params["run"]:
                return run
        raise HTTPException(404, "there is no such run")

    async def _front_end(self, request: Request) -> Response:
        return Response(await run_in_threadpool(front_end_graph, self.features), media_type="application/octet-stream")


async def _file(request: Request) -> Response:
    """A part of the page itself: there are no others than these."""
    made: dict[str, Callable[[], str]] = {
        "kws.js": runtime, "listening.js": listening, "worklet.js": worklet, "page.css": lambda: static("page/style.css"),
    }  # fmt: skip
    name = request.path_params["name"] or "index.html"
    media_type = mimetypes.guess_type(name)[0]
    if name in made:
        return Response(made[name](), media_type=media_type)
    if name in {path.name for path in _STATIC.iterdir()}:
        return FileResponse(_STATIC / name, media_type=media_type)
    raise HTTPException(404, "there is no such page")


def _zipped(run: Path, name: str) -> bytes:
    """The run as a folder `name`, without its report, which holds sound of the room."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(run.iterdir()):
            if path.is_file() and not path.is_symlink() and path.name != PAGE:
                archive.write(path, f"{name}/{path.name}")
    return content.getvalue()


def _attachment(name: str) -> dict[str, str]:
    return {"content-disposition": f"attachment; filename*=utf-8''{quote(name)}"}


async def _refused(request: Request, error: Exception) -> Response:
    if isinstance(error, HTTPException):
        return JSONResponse({"error": error.detail}, error.status_code, headers=dict(error.headers or {}))
    if isinstance(error, KwsError):
        return JSONResponse({"error": str(error)}, _STATUS.get(type(error), 400))
    path, reason = getattr(error, "filename", None), getattr(error, "strerror", None) or error
    return JSONResponse({"error": f"{path} cannot be read or written: {reason}" if path else f"cannot be written: {reason}"}, 507)


async def _gone(request: Request, error: Exception) -> Response:
    return Response(status_code=400)  # nobody reads it
