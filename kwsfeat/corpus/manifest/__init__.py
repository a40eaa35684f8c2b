"""Manifests: files with a line for each recording."""
