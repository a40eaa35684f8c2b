"""Manifests of micro wake words."""

from __future__ import annotations

from kwstrain.export.check import Check
from kwstrain.export.checks.tflite import look_at_manifest
from kwstrain.export.tflite.manifest import SUFFIX

CHECK = Check((SUFFIX,), look_at_manifest)
