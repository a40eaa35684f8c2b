"""Filters and smoothers in pieces: bit for bit what they give whole, wherever the signal is cut."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import noise_clip

from kwsfeat import ConfigError, FilterState, butter_sos, sosfilt
from kwsfeat.kernels._jit import LANES
from kwsfeat.kernels.spectrum import postprocess as post


def pieces(draw: st.DrawFn, n: int) -> list[slice]:
    """Any cutting of 0 .. n, empty pieces too."""
    cuts = sorted(draw(st.lists(st.integers(0, n), max_size=8)))
    return [slice(a, b) for a, b in zip([0, *cuts], [*cuts, n], strict=True)]


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_filters_in_pieces_equal_the_whole(data):
    order, cutoff_hz = data.draw(st.integers(1, 60)), data.draw(st.floats(500, 7500))
    sos = butter_sos(order, cutoff_hz, sr=16000, btype=data.draw(st.sampled_from(["lowpass", "highpass"])))
    n_clips, n = data.draw(st.sampled_from([None, 1, 3, LANES, LANES + 1])), data.draw(st.integers(0, 500))
    clips = np.stack([noise_clip(n, seed) for seed in range(n_clips or 1)])
    if data.draw(st.booleans()):
        clips = np.rint(32768 * clips).clip(-32768, 32767).astype(np.int16)
    y = clips if n_clips else clips[0]
    state, filtered = FilterState.at_rest(sos, n_clips), []
    for piece in pieces(data.draw, n):
        out, state = sosfilt(sos, y[..., piece], zi=state)
        filtered.append(out)
    np.testing.assert_array_equal(np.concatenate(filtered, axis=-1), sosfilt(sos, y))
    assert state.values.dtype == np.float32
    assert state.values.shape == (*y.shape[:-1], len(sos), 2)


def test_a_state_is_not_changed_by_going_on_from_it():
    """So that it can be kept, stored and restored."""
    sos, y = butter_sos(9, 2000, sr=16000), noise_clip(300, 0)
    _, state = sosfilt(sos, y[:100], zi=FilterState.at_rest(sos))
    kept = state.values.copy()
    first, _ = sosfilt(sos, y[100:], zi=state)
    np.testing.assert_array_equal(state.values, kept)
    again, _ = sosfilt(sos, y[100:], zi=FilterState(kept))
    np.testing.assert_array_equal(again, first)


@pytest.mark.parametrize("zi", [FilterState(np.zeros((3, 2), np.float32)), FilterState(np.zeros((1, 5, 2), np.float32))])
def test_states_of_other_filters_are_refused(zi):
    with pytest.raises(ConfigError, match=r"zi has shape .* and must have \(5, 2\)"):
        sosfilt(butter_sos(9, 2000, sr=16000), noise_clip(10, 0), zi=zi)


def test_scipys_states_in_float64_go_on_with_the_same_bits_too():
    sos, y = butter_sos(9, 2000, sr=16000), noise_clip(600, 0)
    whole, _ = sosfilt(sos, y, zi=np.zeros((5, 2)))
    first, state = sosfilt(sos, y[:251], zi=np.zeros((5, 2)))
    second, _ = sosfilt(sos, y[251:], zi=state)
    assert state.dtype == np.float64
    np.testing.assert_array_equal(np.concatenate([first, second]), whole)
    assert sosfilt(sos, y, zi=np.zeros((5, 2), np.float32))[1].dtype == np.float32


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_pcen_in_pieces_equals_the_whole(data):
    n, seed = data.draw(st.integers(1, 60)), data.draw(st.integers(0, 99))
    bands = np.random.default_rng(seed).exponential(size=(n, 5)).astype(np.float32)
    parameters = [np.float32(v) for v in (0.03, 0.98, data.draw(st.sampled_from([0.0, 2.0])), 0.5, 1e-6)]
    whole, cut = bands.copy(), bands.copy()
    post.pcen(whole, 5, np.ones(5), *parameters)
    state = np.ones(5)
    for piece in pieces(data.draw, n):
        post.pcen(cut[piece], 5, state, *parameters)
    np.testing.assert_array_equal(cut, whole)
