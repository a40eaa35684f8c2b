"""Pictures of features that a network took for another word: seconds below, and MFCC without the level in the colours."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from kwsfeat import FeatureConfig, FrontEnd

figures = pytest.importorskip("kwstrain.report.figures", reason="the trainer needs JAX and matplotlib")


def drawn(config: FeatureConfig) -> tuple[Any, NDArray[np.float32]]:
    from matplotlib.figure import Figure

    axes, y = Figure().subplots(), 0.1 * np.random.default_rng(0).standard_normal(config.n_samples).astype(np.float32)
    features = FrontEnd(config).extract(y)
    figures.draw_features(axes, features, config)
    return axes, features


@pytest.mark.parametrize(
    ("output", "ylabel"), [("spectrum", "bin"), ("mel", "mel band"), ("mfcc", "coefficient"), ("waveform", "amplitude")]
)
def test_axes_are_in_seconds(output: str, ylabel: str) -> None:
    axes, _ = drawn(FeatureConfig(output=output, n_samples=12000))  # type: ignore[arg-type]
    assert axes.get_xlim() == (0, 0.75)
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("s", ylabel)
    end = axes.images[0].get_extent()[1] if axes.images else axes.lines[0].get_xdata()[-1]
    assert end == pytest.approx(0.75, abs=0.02)


def test_the_level_is_not_in_the_colours_of_mfcc() -> None:
    axes, features = drawn(FeatureConfig(output="mfcc"))
    norm = axes.images[0].norm
    assert norm.vmax == -norm.vmin == np.abs(features[:, 1:]).max()
    assert np.abs(features[:, 0]).max() > norm.vmax
