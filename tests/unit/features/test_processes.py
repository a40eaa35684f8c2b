"""A FrontEnd among threads and processes: shared, copied, pickled, forked."""

from __future__ import annotations

import copy
import multiprocessing
import os
import pickle
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from strategies import noise_clip

from kwsfeat import FeatureConfig, FreshFeatures, FrontEnd, Reader, StoreError, preset
from kwsfeat.features.pool import run_parts
from kwsfeat.pipeline.arrays import write_file

pytestmark = pytest.mark.slow

CLIPS = np.stack([noise_clip(16000, seed) for seed in range(40)])


def test_one_front_end_serves_many_threads_at_once():
    front_end = FrontEnd(FeatureConfig())
    clips = [noise_clip(16000, seed) for seed in range(8)]
    expected = [front_end.extract(y) for y in clips]
    with ThreadPoolExecutor(8) as pool:
        for _ in range(5):
            for ours, exact in zip(pool.map(front_end.extract, clips), expected, strict=True):
                np.testing.assert_array_equal(ours, exact)


@pytest.mark.parametrize("name", ["logmel", "mel75"])
@pytest.mark.parametrize("again", [lambda x: pickle.loads(pickle.dumps(x)), copy.copy, copy.deepcopy])
def test_a_copy_gives_the_same_and_shares_no_memory(name, again):
    front_end = FrontEnd(preset(name))
    expected = front_end.extract_batch(CLIPS[:3], threads=2)
    other = again(front_end)
    assert other is not front_end
    assert other.config == front_end.config
    assert other._memories is not front_end._memories
    np.testing.assert_array_equal(other.extract_batch(CLIPS[:3]), expected)


def test_a_spawned_process_takes_a_front_end():
    front_end = FrontEnd(FeatureConfig())
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        there = pool.map(front_end.extract, [CLIPS[0], CLIPS[1]])
    np.testing.assert_array_equal(there, front_end.extract_batch(CLIPS[:2]))


FORKS = """
import os, sys, numpy as np
from kwsfeat import FrontEnd, preset
front_end = FrontEnd(preset("logmel"))
Y = np.random.default_rng(0).uniform(-1, 1, (64, 16000)).astype(np.float32)
expected = front_end.extract_batch(Y, threads=4)
for _ in range(3):
    child = os.fork()
    if child == 0:
        same = np.array_equal(front_end.extract_batch(Y, threads=4), expected)
        grandchild = os.fork()
        if grandchild == 0:
            os._exit(0 if np.array_equal(front_end.extract_batch(Y, threads=2), expected) else 1)
        os._exit(0 if same and os.waitpid(grandchild, 0)[1] == 0 else 1)
    if os.waitpid(child, 0)[1] != 0:
        sys.exit(1)
np.testing.assert_array_equal(front_end.extract_batch(Y, threads=4), expected)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_forked_children_work_and_so_does_the_parent():
    subprocess.run([sys.executable, "-c", FORKS], check=True, timeout=900)


@pytest.mark.parametrize("counts", [(8, 2, 1, 3), (1, 8, 2)])
def test_no_more_threads_work_at_once_than_were_asked_for(counts, monkeypatch):
    """Also after a call with more of them."""
    at_work, most, wanted, changed = 0, 0, 0, threading.Condition()
    extract = FrontEnd._extract

    def counted(self, *arguments):
        nonlocal at_work, most
        with changed:
            at_work += 1
            most = max(most, at_work)
            changed.notify_all()
            changed.wait_for(lambda: most >= wanted, timeout=900)  # all of them come, however slow the machine is
        extract(self, *arguments)
        with changed:
            at_work -= 1

    monkeypatch.setattr(FrontEnd, "_extract", counted)
    front_end = FrontEnd(FeatureConfig())
    clips = np.zeros((32 * front_end._usual.block, 16000), np.int16)
    for threads in counts:
        most, wanted = 0, min(threads, 2)
        front_end.extract_batch(clips, threads=threads)
        assert most <= threads
        assert (most > 1) == (threads > 1)


def test_every_part_is_done_once_and_an_error_stops_the_rest():
    done: list[int] = []
    run_parts(lambda part: done.append(part.start), [slice(i, i + 1) for i in range(100)], 5)
    assert sorted(done) == list(range(100))

    def broken(part: slice) -> None:
        done.append(part.start)
        if part.start == 10:
            raise OSError("the tenth")

    done.clear()
    with pytest.raises(OSError, match="the tenth"):
        run_parts(broken, [slice(i, i + 1) for i in range(10_000)], 3)
    assert len(done) < 10_000
    run_parts(lambda part: done.clear(), [slice(0, 1)], 3)
    assert done == []


def test_readers_and_fresh_augmentation_go_into_other_processes_too(tmp_path):
    path, audio = tmp_path / "words.h5", np.round(CLIPS * 32767).clip(-32768, 32767).astype(np.int16)
    config = FeatureConfig(n_mels=10, dither=1e-3)

    def write(audio: np.ndarray) -> None:
        n = len(audio)
        write_file(path, audio=audio, length=[16000] * n, label=[0] * n, split=["train"] * n, labels=["a"], configs={"mel": config})

    write(audio)
    with Reader(path) as reader:
        fresh = FreshFeatures(reader, "bcresnet", config, seed=3, batch_size=16)
        again = pickle.loads(pickle.dumps(fresh))
        for ours, theirs in zip(fresh.epoch(1), again.epoch(1), strict=True):
            np.testing.assert_array_equal(ours.features, theirs.features)
        there = pickle.dumps(reader)
        np.testing.assert_array_equal(pickle.loads(there).features("mel"), reader.features("mel"))
    write(audio[:5])
    with pytest.raises(StoreError, match=r"words\.h5 was replaced since it was opened: open it again"):
        pickle.loads(there)
