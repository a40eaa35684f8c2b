"""``web``: a page with a microphone, as a folder and as one file; it needs no network connection and no other library."""

from __future__ import annotations

import json
from typing import Any

from kwsfeat import ConfigError
from kwstrain.export.target import Job, Target
from kwstrain.export.web.detection import listener
from kwstrain.export.web.page import SINGLE, folder
from kwstrain.inference.digest import with_digest
from kwstrain.io import write_atomic


def _write(job: Job) -> dict[str, Any]:
    if job.out.suffix in (".html", ".htm"):
        raise ConfigError(
            f"{job.out} names a file, and web writes a folder, with {SINGLE}, the page as one file, in it: give the folder's name"
        )
    chosen = listener(job)
    if chosen.why_windowed:
        job.note(f"it listens in windows, the whole network every {1000 * chosen.point.hop_s:.0f} ms: {chosen.why_windowed}")
    stored = chosen.model.metadata_props.add()
    stored.key, stored.value = "detection", json.dumps(chosen.detection(job.bundle.labels), ensure_ascii=False)
    files = folder(with_digest(chosen.model.SerializeToString()))
    job.out.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        write_atomic(job.out / name, content)
    return {
        "bytes": sum(len(content) for name, content in files.items() if name != SINGLE), "bytes_single": len(files[SINGLE]),
        "files": sorted(files), "mode": chosen.point.mode, "row_s": chosen.point.hop_s, "labels": list(job.bundle.labels),
    }  # fmt: skip


TARGET = Target("web", "", "a page that listens: a folder, and a single HTML file in it", _write)
