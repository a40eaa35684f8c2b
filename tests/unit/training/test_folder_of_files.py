"""A folder of files trains and is evaluated as the one file that it could be."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from toy_features import CONFIG

pytest.importorskip("jax")

from kwsfeat import Reader, build_file, build_shards
from kwsfeat.pipeline.sources import FromDataset
from kwstrain.config import TrainConfig
from kwstrain.data import order
from kwstrain.evaluation.evaluate import evaluate
from kwstrain.training.fit import fit

pytestmark = pytest.mark.usefixtures("arch_toy")


@pytest.fixture(scope="module")
def data(toy: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The same rows in one file and in four."""
    root = tmp_path_factory.mktemp("data")
    source = FromDataset(Reader(toy), CONFIG)
    build_file(source, root / "one.h5", {"x": CONFIG})
    build_shards(source, root / "four", {"x": CONFIG}, shard_clips=33)
    return root / "one.h5", root / "four"


@pytest.mark.parametrize("choices", [{"resident_mb": 0}, {"augment": "kws-streaming"}], ids=["streamed", "augmented"])
def test_the_losses_and_scores_are_the_same(data: tuple[Path, Path], tmp_path: Path, choices: dict[str, object]) -> None:
    config = TrainConfig(arch="toy", epochs=2, batch=16, gradient_histograms=False, standardize=False, **{"augment": "off", **choices})
    one, four = (fit(path, config, tmp_path / path.stem) for path in data)
    for name in ("train_loss", "train_accuracy", "val_loss", "val_accuracy"):
        assert [record[name] for record in one.records] == [record[name] for record in four.records]
    if "augment" in choices:
        return
    scores = [evaluate(tmp_path / "one", path, n_mistakes=3) for path in data]
    np.testing.assert_array_equal(scores[0].scores.confusion, scores[1].scores.confusion)
    assert [mistake.row for mistake in scores[0].mistakes] == [mistake.row for mistake in scores[1].mistakes]


@pytest.mark.parametrize("choices", [{}, {"augment": "kws-streaming"}, {"sampling": "balanced"}], ids=str)
def test_windows_of_a_folder_and_of_a_file_are_the_same(
    data: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, choices: dict[str, str]
) -> None:
    """As if no memory held the toy: windows of two steps, in pieces of a few clips, each read before it is used."""
    row_bytes = CONFIG.n_samples * 2 if "augment" in choices else 4 * int(np.prod(CONFIG.shape))
    monkeypatch.setattr(order, "_WINDOWED_BYTES", 10 * row_bytes)
    monkeypatch.setattr(order, "_PIECE_BYTES", 3 * row_bytes)
    monkeypatch.setattr(order, "_WINDOW_BYTES", 2 * 16 * row_bytes)
    asked: list[tuple[str, slice]] = []
    read_ahead = Reader.read_ahead

    def recorded(self: Reader, path: str, rows: slice) -> None:
        asked.append((path, rows))
        read_ahead(self, path, rows)

    monkeypatch.setattr(Reader, "read_ahead", recorded)
    config = TrainConfig(
        arch="toy", epochs=2, batch=16, resident_mb=0, gradient_histograms=False, standardize=False, **{"augment": "off", **choices}
    )  # fmt: skip
    one, four = (fit(path, config, tmp_path / path.stem).records for path in data)
    for name in ("train_loss", "train_accuracy", "val_loss"):
        assert [record[name] for record in one] == [record[name] for record in four]
    with Reader(data[0]) as reader:
        wanted = set(reader.rows("train").tolist())
    if choices == {"augment": "kws-streaming"}:
        assert {path for path, _ in asked} == {"audio", "features/x"}  # features validate
    else:
        assert {path for path, _ in asked} == {"features/x"}
    assert wanted <= {row for _, rows in asked for row in range(rows.start, rows.stop)}
