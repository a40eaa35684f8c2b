# The public names, where each is defined. `kwstrain.models` reads this file when it is imported, and type checkers do.

__all__: list[str]

from .freeze import trainable as trainable
from .network import Network as Network
from .options import (
    Options as Options,
    option as option,
)
from .overview import (
    ModelRow as ModelRow,
    table as table,
)
from .registry import (
    ModelSpec as ModelSpec,
    Published as Published,
    create as create,
    create_shapes as create_shapes,
    names as names,
    spec as spec,
    specs as specs,
)
