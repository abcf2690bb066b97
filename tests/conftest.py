"""Shared by all tests: numba's cache, and the package as users have it.

The ``installed`` package is a wheel, built from the source distribution and put elsewhere; nothing
of it is read from the source tree, so what tests see of it is what an installation contains.

numba decides from a file's own date whether its cached machine code is stale and misses edits in
the files it calls, so every version of the sources gets a cache of its own.
"""

import hashlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
from hypothesis import settings

ROOT = Path(__file__).resolve().parents[1]


def _source_digest() -> str:
    digest = hashlib.sha256()
    for file in sorted((ROOT / "mcplugin").rglob("*.py")):
        digest.update(file.read_bytes())
    return digest.hexdigest()[:16]


# The same examples in every run: a suite that fails does so for a reason that can be looked at.
settings.register_profile("fixed", derandomize=True)
settings.load_profile("fixed")

# A shell that runs the tests in the background has Ctrl-C ignored, by them and all that they start.
signal.signal(signal.SIGINT, signal.default_int_handler)

os.environ.setdefault("NUMBA_CACHE_DIR", str(ROOT / ".numba" / _source_digest()))

from mcplugin.samplers import registry  # noqa: E402 - it compiles, and finds the cache when it does


@pytest.fixture
def register_sampler(monkeypatch):
    """Register one more sampler, as the entry point of a third-party package would.

    It is called with the tag, what the entry point names, and the group; it gives the tag.
    """

    def add(tag: str, value: str, group: str = registry.ELECTRONS) -> str:
        known = registry.registered
        entry = EntryPoint(tag, value, group)
        monkeypatch.setattr(
            registry,
            "registered",
            lambda asked: {**known(asked), tag: entry} if asked == group else known(asked),
        )
        return tag

    return add


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


def _source_files() -> list[str]:
    """Every file that git does not ignore, also where the sources came without their history."""
    if shutil.which("git") is None:
        pytest.skip("NOT COVERED: the package as users have it; git, which lists it, is missing")
    with tempfile.TemporaryDirectory() as empty:
        git = ["git", f"--git-dir={empty}", f"--work-tree={ROOT}"]
        subprocess.run([*git, "init", "--quiet"], check=True)
        ask = [*git, "ls-files", "--others", "--exclude-standard", "-z"]
        listed = subprocess.run(ask, cwd=ROOT, capture_output=True, text=True, check=True)
    return listed.stdout.split("\0")[:-1]


def _fresh(target: Path) -> Checkout:
    for name in _source_files():
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, target / name)
    return Checkout(target)


@pytest.fixture
def checkout(tmp_path) -> Checkout:
    """A fresh checkout to build in."""
    return _fresh(tmp_path / "mcplugin")


@pytest.fixture(scope="session")
def sources(tmp_path_factory) -> Path:
    """The sources as in a fresh checkout, not to be built in."""
    return _fresh(tmp_path_factory.mktemp("sources") / "mcplugin").folder


@pytest.fixture(scope="session")
def sdist(sources, tmp_path_factory) -> Path:
    """The source distribution."""
    folder = tmp_path_factory.mktemp("checkout") / "mcplugin"
    checkout = Checkout(shutil.copytree(sources, folder))
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
