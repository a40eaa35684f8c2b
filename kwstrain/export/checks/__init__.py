"""Functions that describe exported files, one module per format."""
