"""The build that the tests of the pipeline repeat in every way."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from kwsfeat import FeatureConfig
from kwsfeat.pipeline.build import BuildReport, build_file
from kwsfeat.pipeline.sources import Recordings, plan_recordings

CONFIG = FeatureConfig(n_mels=20)
MFCC = FeatureConfig.from_partial({"output": "mfcc"}, CONFIG)
CONFIGS = {"logmel": CONFIG, "mfcc": MFCC}


def plan(source: Path, **options: Any) -> Recordings:
    return plan_recordings(source, CONFIG, **options)


def run(source: Path, output: Path, **options: Any) -> BuildReport:
    return build_file(plan(source), output, CONFIGS, **options)


def contents(folder: Path) -> dict[str, bytes]:
    """Every file of a folder that was built."""
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}
