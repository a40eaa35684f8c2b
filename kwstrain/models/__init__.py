"""The networks by name: ``create(name, ...)``, ``names()``, ``spec(name)``, ``table()``. Adding one is adding a file."""

from kwstrain.models.freeze import trainable
from kwstrain.models.network import Network
from kwstrain.models.options import Options, option
from kwstrain.models.registry import ModelSpec, Published, create, names, spec, specs
from kwstrain.models.table import ModelRow, table

__all__ = ["ModelRow", "ModelSpec", "Network", "Options", "Published", "create", "names", "option", "spec", "specs", "table", "trainable"]
