"""Compiled kernels on disk that are damaged, in the way, or cannot be written: the work is done all the same, and it is said once."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from kwsfeat.kernels import _cache, _jit
from kwsfeat.kernels._cache import KernelCache
from kwsfeat.kernels._jit import jit

pytestmark = pytest.mark.slow

KEY = "0123456789abcdef"
WARNING = "kernels are compiled anew in every process"


def _twice(x):
    return 2 * x


def _thrice(x):
    return 3 * x


@pytest.fixture
def run(monkeypatch, caplog, tmp_path) -> Callable[..., tuple[bool, list[str]]]:
    """Calls a kernel as a new process would: whether it came from the cache `tmp_path / KEY`, and what was said."""

    def call(base: Path = tmp_path) -> tuple[bool, list[str]]:
        monkeypatch.setattr(_jit, "cache_folder", lambda: base / KEY)
        monkeypatch.setattr(_cache, "_warned", set())
        _cache._mark_as_used.cache_clear()
        caplog.clear()
        with caplog.at_level(logging.WARNING, "kwsfeat"):
            kernels = jit(_twice), jit(_thrice)  # two kernels, and still one warning
            assert [kernel(21) for kernel in kernels] == [42, 63]
        hits = {sum(kernel.stats.cache_hits.values()) for kernel in kernels}
        assert len(hits) == 1
        return hits == {1}, [record.getMessage() for record in caplog.records]

    return call


def files(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.nbc"))


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda data: b"",
    "cut inside the digest": lambda data: data[:10],
    "cut": lambda data: data[:100],
    "without its end": lambda data: data[:-1],
    "one bit of the machine code": lambda data: data[: len(data) // 2] + bytes([data[len(data) // 2] ^ 1]) + data[len(data) // 2 + 1 :],
    "something else": lambda data: b"\x00" * len(data),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_damaged_files_are_said_once_and_replaced(run, tmp_path, damage):
    assert run() == (False, [])
    for path in files(tmp_path):
        path.write_bytes(damage(path.read_bytes()))
    hit, said = run()
    assert not hit
    assert said in [[f"a compiled kernel is made anew, because {path} is damaged"] for path in files(tmp_path)]
    assert run() == (True, [])
    assert len(os.listdir(tmp_path / KEY)) == 2


def test_the_file_of_another_kernel_is_not_run(run, tmp_path):
    run()
    [first, second] = files(tmp_path)
    first.write_bytes(second.read_bytes())
    second.write_bytes(b"")
    assert run()[0] is False
    assert run() == (True, [])


def test_a_folder_in_the_place_of_a_file_costs_one_warning(run, tmp_path):
    run()
    for path in files(tmp_path):
        path.unlink()
        path.mkdir()
    hit, [said] = run()
    assert not hit
    assert said.startswith(WARNING)


@pytest.mark.parametrize("blocked", ["cache", f"cache/{KEY}"])
def test_a_file_in_the_place_of_the_folder_costs_one_warning(run, tmp_path, blocked):
    (tmp_path / blocked).parent.mkdir(exist_ok=True)
    (tmp_path / blocked).write_text("not a folder")
    hit, [said] = run(tmp_path / "cache")
    assert not hit
    assert said.startswith(WARNING)
    assert "set KWSFEAT_CACHE_DIR" in said
    assert (tmp_path / blocked).read_text() == "not a folder"


@pytest.mark.skipif(sys.platform == "win32", reason="limits on files are POSIX")
def test_a_full_disk_costs_one_warning_and_leaves_nothing_behind(run, tmp_path):
    import resource

    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        hit, [said] = run()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert not hit
    assert said.startswith(WARNING)
    assert os.listdir(tmp_path / KEY) == []
    assert run() == (False, [])
    assert run() == (True, [])


def test_a_warning_reaches_a_user_who_has_not_set_up_logging(tmp_path):
    """And without a home, or a folder to write to, a program works."""
    (tmp_path / "file").write_text("not a folder")
    code = "import numpy as np; from kwsfeat.kernels.waveform.level import mean_square; print(mean_square(np.full(600, 2, np.float32)))"
    homeless = f"import pathlib\ndef home(): raise RuntimeError\npathlib.Path.home = home\n{code}"
    for program, folder, lines in ((code, str(tmp_path / "file" / "cache"), 1), (homeless, "", 0)):
        env = {**os.environ, "KWSFEAT_CACHE_DIR": folder, "XDG_CACHE_HOME": "", "PYTHONPATH": str(Path(__file__).resolve().parents[3])}
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=env, cwd=tmp_path)
        assert (done.returncode, done.stdout) == (0, "4.0\n"), done.stderr
        assert done.stderr.count(WARNING) == done.stderr.count("\n") == lines
    assert os.listdir(tmp_path) == ["file"]


def test_old_folders_go_when_a_new_one_comes(run, tmp_path):
    now, day = time.time(), 86400.0

    def folder(number: int, age_days: float, name: str = "") -> Path:
        made = tmp_path / (name or f"{number:016x}")
        made.mkdir()
        (made / "kernel.nbc").write_bytes(b"")
        os.utime(made, (now - age_days * day,) * 2)
        return made

    recent = [folder(i, 2 + i / 100) for i in range(10)]
    in_use = [folder(100 + i, 0.5) for i in range(3)]
    old = folder(200, 31)
    foreign = folder(0, 400, "somebody-elses")
    run()
    left = {p.name for p in tmp_path.iterdir()}
    assert old.name not in left
    assert foreign.name in left
    assert {p.name for p in in_use} <= left
    assert [p.name in left for p in recent] == [i < 5 for i in range(10)]  # with those in use, the eight most recently used
    assert run()[0]


def test_a_folder_in_use_is_not_old(run, tmp_path):
    run()
    os.utime(tmp_path / KEY, (0, 0))
    assert run()[0]
    assert time.time() - (tmp_path / KEY).stat().st_mtime < 3600


def test_what_is_typed_at_a_prompt_is_not_kept(tmp_path):
    exec(compile("def typed(): pass", "<stdin>", "exec"), namespace := {})
    cache = KernelCache(namespace["typed"], tmp_path)
    assert cache.load_overload((), None) is None
    cache.save_overload((), None)
    assert os.listdir(tmp_path) == []
