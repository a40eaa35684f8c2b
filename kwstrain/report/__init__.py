"""Pictures of a training."""

import lazy_loader  # type: ignore[import-untyped]

__getattr__, __dir__, __all__ = lazy_loader.attach(__name__, submod_attrs={"figures": ["save_confusion", "save_curves"]})
