"""Is what is published whole? ``python tools/check_dist.py dist``, after ``python -m build --outdir dist .``.

The wheel holds every file of the packages, the sdist every file of the repository. Each is installed into an empty environment, where both
leave the same files, which pass the tests of the sdist, apart from the checkout. Exits with 1 and says what is missing.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
import venv
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("kwsfeat", "kwstrain")
# These need every kind of file that the packages hold: kernels, policies, recipes, commands.
TESTS = [
    "tests/golden",
    "tests/unit/config",
    "tests/unit/design",
    "tests/unit/augment/test_augment.py",
    "tests/system/test_cli.py::test_build_info_verify",
    "tests/unit/models/test_overview.py",
]


def main(folder: Path) -> None:
    """Check the one wheel and the one sdist in `folder`."""
    (wheel,), (sdist,) = folder.glob("*.whl"), folder.glob("*.tar.gz")
    in_packages = {name for name in tracked() if name.startswith(PACKAGES)}
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        refuse_missing(wheel, in_packages, set(names))
        refuse_missing(wheel, {"LICENSE", "entry_points.txt"}, {Path(name).name for name in names if ".dist-info/" in name})
    with tarfile.open(sdist) as archive, tempfile.TemporaryDirectory() as unpacked:
        refuse_missing(sdist, tracked(), {name.partition("/")[2] for name in archive.getnames()})
        archive.extractall(unpacked, **({"filter": "data"} if hasattr(tarfile, "data_filter") else {}))
        (source,) = Path(unpacked).iterdir()
        for package in PACKAGES:  # what is tested is what is installed
            shutil.rmtree(source / package)
        with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as other:
            if installed(wheel, Path(one)) != installed(sdist, Path(other)):
                sys.exit(f"{sdist.name} installs other files than {wheel.name}")
            test_installed(wheel, Path(one), source)
    print(f"{wheel.name} and {sdist.name}: complete, install the same files, and these pass their tests")


def tracked() -> set[str]:
    """The files of the repository, without those about the repository."""
    names = subprocess.check_output(["git", "ls-files"], cwd=ROOT, text=True).splitlines()
    return {name for name in names if not name.startswith(".")}


def refuse_missing(path: Path, wanted: set[str], found: set[str]) -> None:
    """End with a line that says what `path` lacks."""
    if lacking := sorted(wanted - found):
        sys.exit(f"{path.name} lacks {', '.join(lacking)}")


def installed(path: Path, folder: Path) -> dict[Path, bytes]:
    """Install `path` into an empty environment in `folder`, which finds other packages in this one: the files of the packages there."""
    venv.create(folder)
    install = [sys.executable, "-m", "pip", "--python", python_of(folder), "install", "--quiet", "--no-deps", "--no-compile", path]
    subprocess.run(install, check=True, env=environment())
    site = folder / "lib" / f"python{sysconfig.get_python_version()}" / "site-packages"
    (site / "others.pth").write_text(sysconfig.get_path("purelib"))
    return {file.relative_to(site): file.read_bytes() for package in PACKAGES for file in (site / package).rglob("*") if file.is_file()}


def test_installed(path: Path, folder: Path, source: Path) -> None:
    """Run the tests in `source` with what was installed from `path` into `folder`."""
    for package in PACKAGES:
        code = f"import {package}; print({package}.__file__)"
        found = subprocess.check_output([python_of(folder), "-c", code], cwd=folder, env=environment(), text=True).strip()
        if not Path(found).is_relative_to(folder):
            sys.exit(f"{path.name} installs no {package}: {found} is used instead")
        subprocess.run([folder / "bin" / package, "--help"], check=True, env=environment(), stdout=subprocess.DEVNULL)
    tests = [python_of(folder), "-m", "pytest", "-q", "-n", "2", "-p", "no:cacheprovider", *TESTS]
    if subprocess.run(tests, cwd=source, env=environment(), check=False).returncode:
        sys.exit(f"{path.name} does not pass its tests when installed")


def python_of(folder: Path) -> Path:
    """The interpreter of an environment."""
    return folder / "bin" / "python"


def environment() -> dict[str, str]:
    """Variables without PYTHONPATH, which would lead back to the checkout."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}


if __name__ == "__main__":
    main(Path(sys.argv[1]))
