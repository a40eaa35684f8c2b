"""The registry: a network is a file; its options are checked; nothing else has to know of it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from kwsfeat import ConfigError
from kwstrain import models
from kwstrain.config import TrainConfig, defaults

ROOT = Path(__file__).resolve().parents[3]
TOY = """
from dataclasses import dataclass

import jax
from flax import nnx

from kwstrain.models import ModelSpec, Network, Options, Published, option


@dataclass(frozen=True, kw_only=True)
class ToyOptions(Options):
    width: int = option(8, "of the hidden layer", at_least=1)


class Toy(Network):
    def __init__(self, input_shape, n_classes, options, *, rngs):
        self.hidden = nnx.Linear(input_shape[1], options.width, rngs=rngs)
        self.out = nnx.Linear(options.width, n_classes, rngs=rngs)

    def forward(self, x, mask):
        return self.out(nnx.relu(self.hidden(x.mean(axis=1))))


SPECS = tuple(
    ModelSpec(name=name, network=Toy, options=ToyOptions(width=width), training={"lr": 0.01, "epochs": 2},
              published=(Published(input_shape=(20, 10), n_classes=5, source="a test"),))
    for name, width in (("toy-s", 4), ("toy-l", 16))
)
"""


def test_a_family_is_a_file_too(tmp_path: Path) -> None:
    """A copy of the package with one file more knows both members; tests/system/test_extending.py trains such a network."""
    for package in ("kwsfeat", "kwstrain"):
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "kwstrain" / "models" / "kws" / "toy.py").write_text(TOY)
    code = (
        "import json; from kwstrain import models; from kwstrain.config import defaults\n"
        "known = models.specs()\n"
        "for name in [name for name in known if not name.startswith('toy')]: del known[name]  # they take their time\n"
        "totals = {row.name: row.total for row in models.table()}\n"
        "wide = models.create('toy-s', input_shape=(20, 10), n_classes=5, width=9)\n"
        "print(json.dumps([totals, wide.hidden.kernel.shape, defaults('toy-l').lr]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(tmp_path)}, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    totals = {"toy-s": 10 * 4 + 4 + 4 * 5 + 5, "toy-l": 10 * 16 + 16 + 16 * 5 + 5}
    assert json.loads(done.stdout) == [totals, [10, 9], 0.01]


def test_training_defaults_come_from_the_spec() -> None:
    assert defaults("lstm") == TrainConfig(arch="lstm", schedule="cosine", lr=3e-3, epochs=40, clip_norm=1.0)
    assert defaults("cnn-deep") == TrainConfig(arch="cnn-deep")
    with pytest.raises(ConfigError, match="'ltsm' is not a network: did you mean lstm"):
        defaults("ltsm")


@pytest.mark.parametrize("one", models.specs().values(), ids=models.names())
def test_every_spec_is_whole(one: models.ModelSpec) -> None:
    assert one.published
    assert all(published.source for published in one.published)
    TrainConfig(arch=one.name, **one.training)
    assert issubclass(one.network, models.Network)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"units": 1.5}, r"units=1.5 must be a whole number"),
        ({"units": True}, r"units=True must be a whole number"),
        ({"dropout": "0.3"}, r"dropout='0.3' must be a finite number"),
        ({"dropout": float("nan")}, r"dropout=nan must be a finite number"),
        ({"dropout": 1}, r"dropout=1.0 must be >= 0 and < 1"),
        ({"hidden": 0}, r"hidden=0 must be >= 1"),
        ({"pooling": ["time"]}, r"pooling=\['time'\] must be one of time, units"),
        ({"unit": 3}, r"'unit' is not an option of lstm: did you mean units\?"),
        ({"zzz": 3}, r"'zzz' is not an option of lstm: there are dropout, dtype, hidden, pooling, units"),
    ],
)
def test_a_wrong_option_is_one_line(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message) as error:
        models.create("lstm", input_shape=(9, 5), n_classes=3, **options)
    assert "\n" not in str(error.value)


def test_an_earlier_name_of_an_option_is_understood() -> None:
    raw = models.spec("lstm-raw").options
    assert raw.changed({"memory": 2000}, of="lstm-raw") == raw.changed({"chrono_steps": 2000}, of="lstm-raw")
    with pytest.raises(ConfigError, match="memory is the old name of chrono_steps: give chrono_steps alone"):
        raw.changed({"memory": 2000, "chrono_steps": 3}, of="lstm-raw")
