"""Where blocks come from: what is known of them before they are there, and that they are made from the first moment on."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import jax
import numpy as np
import pytest

from kwsfeat import Reader
from kwstrain.config import TrainConfig
from kwstrain.data.batches import plan
from kwstrain.data.clips import select
from kwstrain.data.prefetch import prefetch
from kwstrain.data.source import source

WORDS = Path(__file__).parents[2] / "golden" / "words.h5"

SOURCES = {
    "resident": TrainConfig(batch=5, augment="off"),
    "streamed": TrainConfig(batch=5, augment="off", resident_mb=0, steps_per_dispatch=2),
    "augmented": TrainConfig(batch=5, augment="bcresnet", steps_per_dispatch=2),
    "streams": TrainConfig(arch="ds-cnn-s", batch=5, stream=True, context_s=0.5, augment="off", steps_per_dispatch=2),
}


@pytest.mark.parametrize("name", SOURCES)
def test_a_program_for_the_outline_is_the_one_for_what_comes(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    config = SOURCES[name]
    with Reader(WORDS) as reader:
        clips = select(reader, reader.feature_names[0], np.flatnonzero(reader.variant == 0))
        made = source(clips, config, batch=5, augment=config.augment)
        batches = plan(len(clips), 5)
        outline = made.outline(batches)
        program = jax.jit(lambda block, batches: block.features.sum() + batches.rows.sum())
        program.trace(*outline).lower().compile()
        compiled: list[str] = []
        jax.monitoring.register_event_duration_secs_listener(lambda event, seconds, **more: compiled.append(event))
        for given in made.chunks(batches, 0):
            assert jax.tree.map(_kind, given) == jax.tree.map(_kind, outline)
            compiled.clear()
            program(*given)
            assert not [event for event in compiled if event.endswith("backend_compile_duration")]


def _kind(leaf: jax.Array | jax.ShapeDtypeStruct) -> tuple[object, ...]:
    return leaf.shape, leaf.dtype, leaf.sharding


def test_what_is_prefetched_is_made_from_the_first_moment_on() -> None:
    begun = threading.Event()

    def items() -> Iterator[int]:
        begun.set()
        yield 1

    made = prefetch(items())
    assert begun.wait(60)
    assert list(made) == [1]


def test_a_thread_ends_with_an_iterator_that_nobody_asked() -> None:
    before = threading.active_count()
    made = prefetch(iter(int, 1))
    assert threading.active_count() == before + 1
    made.close()  # type: ignore[attr-defined]
    assert threading.active_count() == before
