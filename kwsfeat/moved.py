"""Modules that lie elsewhere since version 0.1.0, and are still found under their earlier names."""

from __future__ import annotations

import sys
import warnings
from importlib import import_module
from importlib.machinery import ModuleSpec
from types import ModuleType

MOVED = {
    "kwsfeat.archive": "kwsfeat.corpus.acquire.archive",
    "kwsfeat.cepstral": "kwsfeat.features.cepstral",
    "kwsfeat.checksum": "kwsfeat.dataset.checksum",
    "kwsfeat.columns": "kwsfeat.dataset.columns",
    "kwsfeat.config_file": "kwsfeat.config.toml",
    "kwsfeat.disk": "kwsfeat.dataset.disk",
    "kwsfeat.fetch": "kwsfeat.corpus.acquire.fetch",
    "kwsfeat.filters": "kwsfeat.features.filtering",
    "kwsfeat.fresh": "kwsfeat.pipeline.fresh",
    "kwsfeat.frontend": "kwsfeat.features.front_end",
    "kwsfeat.layout": "kwsfeat.dataset.format",
    "kwsfeat.mel": "kwsfeat.design.mel",
    "kwsfeat.presets": "kwsfeat.config.presets",
    "kwsfeat.seal": "kwsfeat.dataset.seal",
    "kwsfeat.spectral": "kwsfeat.features.spectral",
    "kwsfeat.splits": "kwsfeat.corpus.splits",
    "kwsfeat.store": "kwsfeat.dataset.reader",
    "kwsfeat.synth": "kwsfeat.corpus.acquire.synth",
    "kwsfeat.windows": "kwsfeat.design.windows",
    "kwsfeat.writer": "kwsfeat.dataset.writer",
    "kwstrain.bundle": "kwstrain.inference.bundle, kwstrain.io",
    "kwstrain.checkpoint": "kwstrain.training.folder.checkpoint",
    "kwstrain.compare": "kwstrain.evaluation.compare",
    "kwstrain.metrics": "kwstrain.evaluation.metrics",
    "kwstrain.optim": "kwstrain.training.optim",
    "kwstrain.pretrained": "kwstrain.models.imagenet.pretrained",
    "kwstrain.step": "kwstrain.training.step",
    "kwstrain.tune": "kwstrain.recipes.tune",
}


class _Moved:
    """Asked last, for what was not found: imports the module's new name instead of the earlier one.

    A finder and loader by what it does: the abstract classes take thirty modules to import.
    """

    def find_spec(self, name: str, path: object, target: ModuleType | None = None) -> ModuleSpec | None:
        return ModuleSpec(name, self) if name in MOVED else None  # type: ignore[arg-type]

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        warnings.warn(f"{spec.name} is {MOVED[spec.name]} now", DeprecationWarning, stacklevel=2)
        module = ModuleType(spec.name)
        for part in map(import_module, MOVED[spec.name].split(", ")):
            module.__dict__.update({name: value for name, value in vars(part).items() if not name.startswith("__")})
        return module

    def exec_module(self, module: ModuleType) -> None:
        """Everything is there already."""


sys.meta_path.append(_Moved())
