"""What every test file shares: how tests are chosen and ordered, where real recordings are, and a corpus made of tones."""

from __future__ import annotations

import atexit
import importlib.util
import os
import random
import resource
import shutil
import signal
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import HealthCheck, settings
from tones import WORDS, tone_clip

HERE = Path(__file__).resolve().parent
LONG_S = 20  # a file that takes longer is named at the end
SLOW_FOLDERS = ("system", "unit/models", "unit/training", "unit/inference", "unit/evaluation")  # the last four compile with JAX

_most_kb = 2_000_000

if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:  # a shell's job in the background, and so every process that tests interrupt
    signal.signal(signal.SIGINT, signal.default_int_handler)
os.environ.setdefault("JAX_NUM_CPU_DEVICES", "1")  # no test changes the devices of the next; those about devices start processes

# What XLA compiles is kept while the tests run, for the processes that they start too: hundreds of small networks share their programs.
# Each worker has a folder of its own, because JAX reads what another process has only begun to write.
if "PYTEST_XDIST_WORKER" in os.environ:
    COMPILED = os.path.join(os.environ["KWS_TESTS_COMPILED"], os.environ["PYTEST_XDIST_WORKER"])
else:
    COMPILED = os.environ["KWS_TESTS_COMPILED"] = tempfile.mkdtemp(prefix="kws-compiled-")
    atexit.register(shutil.rmtree, COMPILED, ignore_errors=True)
os.environ.update(JAX_COMPILATION_CACHE_DIR=COMPILED, JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS="0")

# XLA compiles with most optimisations off, in half the time: the tests spend far more of it on compiling than on what is compiled.
# JAX_DISABLE_MOST_OPTIMIZATIONS=0 before the command turns them on.
os.environ.setdefault("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")

# A property is tried on the same examples each time, however long they take: a test that fails, fails again.
# `pytest --hypothesis-profile search` looks for new ones.
settings.register_profile("repeatable", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("search", settings.get_profile("repeatable"), derandomize=False, max_examples=1000)
settings.load_profile("repeatable")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--shuffle", type=int, metavar="SEED", help="run the files in random order, and the tests of each file too")


def pytest_configure(config: pytest.Config) -> None:
    """What $KWS_REQUIRE names, separated by commas, must be there, as a module or a program: tests that need it are not skipped."""
    required = [name for name in os.environ.get("KWS_REQUIRE", "").split(",") if name]
    if missing := [name for name in required if importlib.util.find_spec(name) is None and shutil.which(name) is None]:
        raise pytest.UsageError(f"KWS_REQUIRE={','.join(required)}, but there is no {', '.join(missing)}: install it")
    config.option.loadscopereorder = False  # pytest-xdist would start the files with the most tests first, which are the quickest


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Files with slow tests, and benchmarks, come first: at the end no worker has a long file left while the others have none."""
    for item in items:
        if any(item.path.is_relative_to(HERE / folder) for folder in SLOW_FOLDERS):
            item.add_marker("slow")
    long = {item.path for item in items if item.get_closest_marker("slow") or not item.path.is_relative_to(HERE)}
    items.sort(key=lambda item: item.path not in long)
    if (seed := config.getoption("shuffle", None)) is not None:
        order = random.Random(seed)
        rank = {path: order.random() for path in dict.fromkeys(item.path for item in items)}
        order.shuffle(items)
        items.sort(key=lambda item: rank[item.path])


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Name the files that take longest, so that one that has become slow is seen."""
    seconds: Counter[str] = Counter()
    for report in (one for reports in terminalreporter.stats.values() for one in reports if isinstance(one, pytest.TestReport)):
        seconds[report.nodeid.partition("::")[0]] += report.duration
    if slow := [(file, s) for file, s in seconds.most_common() if s >= LONG_S]:
        terminalreporter.section(f"files of {LONG_S} s and more, of {seconds.total():.0f} s together")
        for file, s in slow:
            terminalreporter.write_line(f"{s:5.0f} s  {file}")


@pytest.fixture(scope="module", autouse=True)
def _let_programs_go() -> Iterator[None]:
    """What XLA has compiled stays in memory, a megabyte a program: after a file in which a process has grown beyond its most, it goes."""
    global _most_kb
    yield
    if "jax" in sys.modules and (now_kb := resource.getrusage(resource.RUSAGE_SELF).ru_maxrss) > _most_kb:
        sys.modules["jax"].clear_caches()
        _most_kb = now_kb


@pytest.fixture
def optimised(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """XLA compiles as it does for users, also in processes that the test starts: for tests of the very bits."""
    import jax

    monkeypatch.setenv("JAX_DISABLE_MOST_OPTIMIZATIONS", "0")
    chosen = jax.config.read("jax_disable_most_optimizations")
    jax.config.update("jax_disable_most_optimizations", False)
    yield
    jax.config.update("jax_disable_most_optimizations", chosen)


@pytest.fixture(scope="session")
def kws_data() -> Path:
    """The folder with `speech_commands/` and `fsdd/`: $KWS_DATA, or `../shared/data` beside the checkout."""
    root = Path(os.environ.get("KWS_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))
    if not (root / "speech_commands").is_dir():
        pytest.skip(f"no real recordings at {root}: set KWS_DATA")
    return root


@pytest.fixture(scope="session")
def tiny_corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder per word in the Speech Commands layout: 3 words x 12 speakers x 2 takes, and one noise file."""
    root = tmp_path_factory.mktemp("tiny") / "corpus"
    for w, word in enumerate(WORDS):
        (root / word).mkdir(parents=True)
        for speaker in range(12):
            for take in range(2):
                name = f"{0xABC000 + speaker:08x}_nohash_{take}.wav"
                soundfile.write(root / word / name, tone_clip(w, 2 * speaker + take), 16000, subtype="PCM_16")
    (root / "_background_noise_").mkdir()
    noise = 0.05 * np.random.default_rng(0).standard_normal(4 * 16000 + 5000)
    soundfile.write(root / "_background_noise_" / "white.wav", noise, 16000, subtype="PCM_16")
    return root
