"""The package as users have it: a wheel, built from the source distribution and put elsewhere.

Nothing of the ``installed`` fixture is read from the source tree, so what these tests see is what
an installation contains.
"""

import os
import shutil
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
_SOURCES = (
    *("CHANGELOG.md", "CITATION.cff", "LICENSE", "MANIFEST.in", "Makefile", "README.md"),
    *("constraints.txt", "csrc", "examples", "mcplugin", "pyproject.toml", "setup.py"),
    *("tests", "weights"),
)
# What an editable installation has put among the sources; a fresh checkout has none of it.
_BUILT = ("lib", "include", "fortran")


@dataclass(frozen=True)
class Installed:
    """An installation outside the source tree.

    Attributes
    ----------
    site : Path
        The folder that is on Python's path and holds ``mcplugin``.
    """

    site: Path

    @property
    def native(self) -> Path:
        """The folder with ``lib``, ``include`` and ``fortran``."""
        return self.site / "mcplugin" / "native"

    @property
    def environment(self) -> dict[str, str]:
        """Environment in which ``sys.executable`` imports this package and no other.

        Programs that embed Python find its other packages by VIRTUAL_ENV, as after ``activate``.
        """
        return {**os.environ, "PYTHONPATH": str(self.site), "VIRTUAL_ENV": sys.prefix}

    def python(self, *arguments: str) -> str:
        """Run Python with this package, away from the source tree, and give what it prints."""
        done = subprocess.run(
            [sys.executable, *arguments],
            cwd=self.site,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.rstrip("\n")

    def config(self, *options: str) -> str:
        """What ``mcplugin config`` prints, without the end of the line."""
        return self.python("-m", "mcplugin", "config", *options)


@dataclass(frozen=True)
class Checkout:
    """The sources in a folder of their own, with nothing that was built.

    Attributes
    ----------
    folder : Path
        The root of the project.
    """

    folder: Path

    @property
    def installed(self) -> Installed:
        """What an editable installation of it is."""
        return Installed(self.folder)

    def build(self, step: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run a step of the build, such as ``build_wheel``; its results are in ``dist``.

        Standard output holds everything that was said.
        """
        program = f"from setuptools import build_meta; build_meta.{step}('dist')"
        return subprocess.run(
            [sys.executable, "-c", program],
            cwd=self.folder,
            env={**os.environ, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )


def _fresh(target: Path) -> Checkout:
    def built(folder: str, names: list[str]) -> list[str]:
        by_editable = _BUILT if Path(folder) == ROOT / "mcplugin" / "native" else ()
        return [name for name in names if name == "__pycache__" or name in by_editable]

    target.mkdir()
    for name in _SOURCES:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, target / name, ignore=built)
        else:
            shutil.copy2(source, target / name)
    return Checkout(target)


@pytest.fixture
def checkout(tmp_path) -> Checkout:
    """A fresh checkout to build in."""
    return _fresh(tmp_path / "mcplugin")


@pytest.fixture(scope="session")
def sdist(tmp_path_factory) -> Path:
    """The source distribution."""
    checkout = _fresh(tmp_path_factory.mktemp("checkout") / "mcplugin")
    done = checkout.build("build_sdist")
    assert done.returncode == 0, done.stdout
    (archive,) = checkout.folder.glob("dist/*.tar.gz")
    return archive


@pytest.fixture(scope="session")
def wheel(sdist, tmp_path_factory) -> Path:
    """The wheel that pip builds from the source distribution, without any network."""
    folder = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "wheel", "--no-build-isolation", "--no-deps", "--no-index"]
    done = subprocess.run([*pip, sdist], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (archive,) = folder.glob("*.whl")
    return archive


@pytest.fixture(scope="session")
def installed(wheel, tmp_path_factory) -> Installed:
    """The package, unpacked where Python finds it only if told so."""
    site = tmp_path_factory.mktemp("site")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    return Installed(site)
