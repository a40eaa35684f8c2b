"""The list of all networks: published sizes exactly, and the commands that show it."""

from __future__ import annotations

import json
import re

import pytest

from kwstrain import models
from kwstrain.cli import main
from kwstrain.recipes import run as recipes

# Exact where the paper or its code gives an exact number; what zoo tables round is given in full. Trainable parameters.
PUBLISHED = {
    "bcresnet-1": 9_232, "bcresnet-1.5": 17_154, "bcresnet-2": 27_284, "bcresnet-3": 54_168, "bcresnet-6": 187_812, "bcresnet-8": 321_068,
    "ds-cnn-s": 22_604, "ds-cnn-m": 135_032, "ds-cnn-l": 410_700, "ds-cnn-tiny": 23_756,
    "tc-resnet8": 65_148, "tc-resnet14 width=1.5": 302_964,
    "matchboxnet-3x1x64": 74_892, "matchboxnet-3x2x64": 90_444,
    "res8": 110_307, "res8-narrow": 19_905, "res15": 237_882, "res26": 438_357,
    "kwt-1": 607_308, "kwt-2": 2_394_252, "kwt-3": 5_360_844,
    "mhatt-rnn": 743_025, "mixednet": 24_354,
}  # fmt: skip


@pytest.fixture(scope="module")
def rows() -> list[models.ModelRow]:
    """Once for all tests: the large networks take their time, though only their shapes are computed."""
    return models.table()


def test_published_sizes_are_exact(rows: list[models.ModelRow]) -> None:
    sizes = {row.name: row.trainable for row in rows}
    assert {name: sizes[name] for name in PUBLISHED} == PUBLISHED


def test_system_b_counts_are_exact(rows: list[models.ModelRow]) -> None:
    sizes = {row.name: (row.total, row.trainable, row.non_trainable) for row in rows}
    assert sizes["cnn"] == (723_968, 723_454, 514)
    assert sizes["vgg16"] == (23_676_748, 23_659_340, 17_408)
    assert sizes["inception-v3"] == (29_185_836, 29_137_068, 48_768)
    assert sizes["cnn-mnist"] == (55_038_988, 54_929_868, 109_120)
    assert sizes["resnet50"] == (75_182_988, 75_029_516, 153_472)
    assert len(sizes) == len(rows), "names are unique"
    assert set(models.names()) <= {name.split()[0] for name in sizes}, "a name may be followed by the options of its published size"


def test_recipes_and_models_are_listed(
    rows: list[models.ModelRow], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(models, "table", lambda: rows)
    assert main(["recipes"]) == 0
    of_recipes, of_networks = capsys.readouterr().out.split("\n\n")
    assert [line.split()[0] for line in of_recipes.splitlines()] == recipes.names()
    assert [line.split()[0] for line in of_networks.splitlines()[1:]] == models.names()
    assert "augment=bcresnet" in of_networks
    assert main(["recipes", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["vgg-160"]["train"]["steps"] == 9000
    assert main(["models"]) == 0
    listed = capsys.readouterr().out
    assert re.search(r"^cnn +99 x 161 +723,968 +723,454 +514 +20.28 +- +- +no ", listed, re.MULTILINE)
    assert re.search(r"^cnn \(8 kHz\) +99 x 81 +314,368 +313,854 +514 ", listed, re.MULTILINE)
    assert re.search(r"^bcresnet-1 +101 x 40 .* 1,170 +580 +causal=true ", listed, re.MULTILINE)
    assert re.search(r"^mixednet +194 x 40 .* 1,550 +0 +yes ", listed, re.MULTILINE)
    assert main(["models", "--json"]) == 0
    given = {row["name"]: row for row in json.loads(capsys.readouterr().out)}
    assert given["resnet50"]["total"] == 75_182_988
    assert given["resnet50"]["input_shape"] == [99, 161]
