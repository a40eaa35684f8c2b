"""Compiled kernels on disk: found again, never stale, safe for two processes, optional; and the same values on every processor."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytestmark = pytest.mark.slow
KERNEL_TESTS = ("tests/unit/kernels/test_simd.py", "tests/unit/kernels/test_fft.py")
ROOT = Path(__file__).resolve().parents[3]
FEATURE = """
import sys, time
import numpy as np
from kwsfeat import FeatureConfig, FrontEnd
y = np.sin(np.arange(1000) / 7).astype(np.float32)
front_end = FrontEnd(FeatureConfig(n_samples=1000, output="mfcc", log="db", top_db=60.0, lowpass_hz=3000.0, n_mels=20))
features = front_end.extract_batch(np.tile(y, (20, 1)))
assert (features == features[0]).all()
from kwsfeat.kernels.spectrum import front_end as extract
from kwsfeat.kernels._jit import LANES
hits = sum(extract.extract.stats.cache_hits.values())
print(LANES, hits, *features[0].ravel()[:40].astype(float))
"""
SMALL = """
import numpy as np
from kwsfeat.kernels._jit import LANES
from kwsfeat.kernels.waveform.level import mean_square
value = mean_square(np.sin(np.arange(1000, dtype=np.float32)))
print(LANES, sum(mean_square.stats.cache_hits.values()), float(value))
"""


def run(code: str, folder: Path, source: Path = ROOT, **environment: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "KWSFEAT_CACHE_DIR": str(folder), "PYTHONPATH": str(source), **environment}
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env, cwd=source, timeout=900)


def result(done: subprocess.CompletedProcess[str]) -> tuple[int, int, np.ndarray]:
    assert done.returncode == 0, done.stderr
    lanes, hits, *values = done.stdout.split()
    return int(lanes), int(hits), np.array(values, float)


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, np.ndarray]:
    """A cache folder that one process has filled, and the features that it computed."""
    folder = tmp_path_factory.mktemp("cache")
    _, hits, values = result(run(FEATURE, folder))
    assert hits == 0
    return folder, values


def test_a_second_process_compiles_nothing(filled):
    folder, values = filled
    before = sorted(p.name for p in folder.rglob("*.nbc"))
    _, hits, again = result(run(FEATURE, folder))
    assert hits == 1
    assert sorted(p.name for p in folder.rglob("*.nbc")) == before
    np.testing.assert_array_equal(again, values)


def test_an_edited_kernel_is_compiled_anew(tmp_path):
    """An edit in a file that the cached function only calls into: Numba's own cache does not see it."""
    shutil.copytree(ROOT / "kwsfeat", tmp_path / "kwsfeat", ignore=shutil.ignore_patterns("__pycache__"))
    kernels = tmp_path / "kwsfeat" / "kernels"
    head = "from kwsfeat.kernels._jit import jit, stage\n"
    (kernels / "inner.py").write_text(f"{head}@stage\ndef inner(x):\n    return x + 1.0\n")
    (kernels / "outer.py").write_text(f"{head}from kwsfeat.kernels.inner import inner\n@jit\ndef outer(x):\n    return 2.0 * inner(x)\n")
    code = "from kwsfeat.kernels.outer import outer; value = outer(3.0); print(1, sum(outer.stats.cache_hits.values()), value)"
    _, hits, first = result(run(code, tmp_path / "cache", tmp_path))
    assert (hits, *first) == (0, 8.0)
    _, hits, again = result(run(code, tmp_path / "cache", tmp_path))
    assert (hits, *again) == (1, 8.0)
    (kernels / "inner.py").write_text(f"{head}@stage\ndef inner(x):\n    return x - 1.0\n")
    _, hits, changed = result(run(code, tmp_path / "cache", tmp_path))
    assert (hits, *changed) == (0, 4.0)


def test_two_processes_that_compile_at_once_do_not_break_each_other(tmp_path):
    env = {**os.environ, "KWSFEAT_CACHE_DIR": str(tmp_path), "PYTHONPATH": str(ROOT)}
    processes = [
        subprocess.Popen([sys.executable, "-c", SMALL], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env)
        for _ in range(2)
    ]
    outputs = [p.communicate(timeout=900) for p in processes]
    assert [p.returncode for p in processes] == [0, 0], outputs
    values = [np.array(out.split()[2:], float) for out, _ in outputs]
    np.testing.assert_array_equal(values[0], values[1])
    _, hits, again = result(run(SMALL, tmp_path))
    assert hits == 1
    np.testing.assert_array_equal(again, values[0])


@pytest.mark.parametrize(("cpu", "lanes"), [("haswell", 8), ("generic", 4)])
def test_other_processors_give_the_same_features(filled, tmp_path, cpu, lanes):
    _, values = filled
    used, _, others = result(run(FEATURE, tmp_path, NUMBA_CPU_NAME=cpu, NUMBA_CPU_FEATURES=""))
    assert used == lanes
    np.testing.assert_allclose(others, values, rtol=1e-5, atol=1e-3)


def test_kernel_tests_pass_with_fewer_lanes(tmp_path):
    """The lane count is compiled into every kernel: the type's and the FFT's own tests, for AVX2."""
    env = {**os.environ, "KWSFEAT_CACHE_DIR": str(tmp_path), "NUMBA_CPU_NAME": "haswell", "NUMBA_CPU_FEATURES": ""}
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *KERNEL_TESTS]
    done = subprocess.run(command, capture_output=True, text=True, env=env, cwd=ROOT)
    assert done.returncode == 0, done.stdout[-2000:]


def test_start_up_loads_little():
    """What `import kwsfeat` may load is what its time depends on; the time itself is in benchmarks/."""
    code = "import sys; before = set(sys.modules); import kwsfeat; print(len(set(sys.modules) - before), 'numpy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    n_modules, numpy_loaded = done.stdout.split()
    assert int(n_modules) < 10
    assert numpy_loaded == "False"
