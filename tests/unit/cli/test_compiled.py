"""What is kept of compiled programs: whole entries only, up to a size, and a second process uses them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from kwstrain.cli import compiled

TIMED = (
    "import os, sys; from kwstrain.cli.compiled import kept_compiled\n"
    "with kept_compiled():\n"
    "    import jax; from jax import monitoring\n"
    "    seen = []; monitoring.register_event_listener(lambda name, **about: seen.append(name))\n"
    "    print(float(jax.jit(lambda x: (x @ x).sum())(jax.numpy.ones((8, 8)))), '/jax/compilation_cache/cache_hits' in seen)\n"
)


def entries(folder: Path, sizes: dict[str, int]) -> None:
    for age, (name, size) in enumerate(sizes.items()):
        path = folder / f"{name}-cache"
        path.write_bytes(name[:1].encode() * size)
        os.utime(path, (1e9 - age, 1e9 - age))


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_only_what_was_sealed_and_is_unchanged_stays(tmp_path: Path) -> None:
    entries(tmp_path, {"good": 100, "flipped": 100, "cut": 100})
    compiled.seal(tmp_path)
    (tmp_path / "flipped-cache").write_bytes(b"f" * 99 + b"g")
    (tmp_path / "cut-cache").write_bytes(b"c" * 50)
    entries(tmp_path, {"unfinished": 10})
    compiled.tidy(tmp_path)
    assert names(tmp_path) == ["good-cache", "good-digest"]


def test_the_oldest_go_when_there_is_too_much(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiled, "_MOST_BYTES", 250)
    entries(tmp_path, {"newest": 100, "second": 100, "large": 100, "small": 40})
    compiled.seal(tmp_path)
    compiled.tidy(tmp_path)
    assert [name for name in names(tmp_path) if name.endswith("-cache")] == ["newest-cache", "second-cache", "small-cache"]


def test_what_cannot_be_written_is_said_and_does_no_harm(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("KWSTRAIN_CACHE", str(tmp_path / "file"))
    monkeypatch.delitem(sys.modules, "jax", raising=False)
    monkeypatch.delenv("JAX_COMPILATION_CACHE_DIR", raising=False)
    with compiled.kept_compiled():
        assert "JAX_COMPILATION_CACHE_DIR" not in os.environ
    assert "cannot be written" in capsys.readouterr().err


@pytest.mark.slow
def test_a_second_process_finds_what_the_first_compiled_and_not_what_is_damaged(tmp_path: Path) -> None:
    pytest.importorskip("jax")
    kept = {name: value for name, value in os.environ.items() if name != "JAX_COMPILATION_CACHE_DIR"}

    def said() -> str:
        done = subprocess.run(
            [sys.executable, "-c", TIMED], capture_output=True, text=True, check=True, env={**kept, "KWSTRAIN_CACHE": str(tmp_path)}
        )
        assert done.stderr == ""
        return done.stdout.strip()

    assert said() == "512.0 False"
    assert said() == "512.0 True"
    for entry in tmp_path.rglob("*-cache"):
        entry.write_bytes(entry.read_bytes()[:-20] + bytes(20))
    assert said() == "512.0 False"
