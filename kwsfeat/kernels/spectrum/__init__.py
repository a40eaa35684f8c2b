"""Frames to spectra, bands and cepstra: the front end as one compiled function."""
