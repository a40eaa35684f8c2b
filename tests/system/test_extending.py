"""A stranger follows docs/extending.md: both packages, and the files of that page as they stand there, nothing else."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from tones import WORDS, tone_clip

pytest.importorskip("jax")

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "extending.md").read_text(encoding="utf-8")
FILES = dict(re.findall(r"^`(kws\w+/[\w/]+\.py)`:\n\n```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL))
(POLICY,) = re.findall(r"^```toml\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Both packages, without the checkout, and the files of the page: a recording a name, a policy, and three new modules."""
    folder = tmp_path_factory.mktemp("stranger")
    for package in ("kwsfeat", "kwstrain"):
        shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))
    for name, text in FILES.items():
        assert not (folder / name).exists()
        (folder / name).write_text(text, encoding="utf-8")
    (folder / "echo.toml").write_text(POLICY, encoding="utf-8")
    (folder / "recordings").mkdir()
    for take in range(72):
        name = f"{WORDS[take % 3]}@voice{take // 6}-{take}.wav"
        soundfile.write(folder / "recordings" / name, tone_clip(take % 3, take), 16000, subtype="PCM_16")
    return folder


def run(folder: Path, package: str, *arguments: str) -> str:
    """What a command of the copied packages prints on stdout."""
    code = f"import sys, {package}; assert {package}.__file__.startswith({str(folder)!r}); from {package}.cli import main; sys.exit(main())"
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], cwd=folder, env={**os.environ, "PYTHONPATH": str(folder)}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_page_has_a_network_a_layout_a_transform_and_a_target() -> None:
    assert sorted(FILES) == [
        "kwsfeat/augment/transforms/toy.py",
        "kwsfeat/corpus/layouts/toy.py",
        "kwstrain/export/targets/toy.py",
        "kwstrain/models/kws/toy.py",
    ]


def test_layout_transform_and_network_are_found_and_work(copy: Path) -> None:
    built = json.loads(
        run(copy, "kwsfeat", "build", "recordings", "words.h5", "--silence-share", "0", "--augment", "echo.toml", "--json", "--quiet")
    )
    from kwsfeat import Reader

    with Reader(copy / "words.h5") as file:
        assert file.labels == tuple(sorted(WORDS))
        assert {str(name) for name in file.speaker} == {f"voice{n}" for n in range(12)}
        n_train = int((file.split == "train").sum())
        assert built["n_clips"] == file.n_clips == 72 + n_train // 2  # the training recordings, and one copy of each
    run(copy, "kwsfeat", "build", "recordings", "plain.h5", "--silence-share", "0", "--quiet")
    quick = ["-s", "epochs=40", "-s", "lr=0.01", "-s", "batch=16", "-s", "options.hidden=64", "-s", "gradient_histograms=false", "-q"]
    run(copy, "kwstrain", "fit", "plain.h5", "--arch", "toy", "--augment", "echo.toml", "--out", "run", *quick)
    result = json.loads(run(copy, "kwstrain", "evaluate", "run", "--json"))
    assert result["accuracy"] == 1.0
    assert sum(map(sum, result["confusion"])) > 0
    bundle = json.loads((copy / "run" / "bundle.json").read_text())
    assert (bundle["train"]["arch"], bundle["train"]["options"]) == ("toy", {"hidden": 64})
    predicted = run(copy, "kwstrain", "predict", "run", f"recordings/{WORDS[1]}@voice3-19.wav").split("\t")
    assert predicted[1] == WORDS[1]
    exported = json.loads(run(copy, "kwstrain", "export", "run", "words.npz", "--to", "npz", "--json"))
    with np.load(copy / "words.npz") as arrays:
        assert json.loads(bytes(arrays["labels"])) == sorted(WORDS)
        assert exported["arrays"] == sorted(name for name in arrays.files if "/" in name)


def test_an_unknown_name_is_answered_with_the_new_one(copy: Path) -> None:
    with pytest.raises(AssertionError, match="did you mean toy"):
        run(copy, "kwstrain", "fit", "words.h5", "--arch", "toyy", "--out", "no")
    (copy / "wrong.toml").write_text(POLICY.replace("echo", "ecko"))
    with pytest.raises(AssertionError, match="did you mean echo"):
        run(copy, "kwsfeat", "build", "recordings", "no.h5", "--augment", "wrong.toml")
