"""An installed mcplugin at work: what every wheel is tried with before it is published.

``python tests/wheel_smoke.py`` needs nothing but the package itself; it ends with an error where
something does not work, and names what it could not try.
"""

import json
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from importlib.metadata import version
from pathlib import Path

import mcplugin
from mcplugin.electrons.maxwell_juttner import moment_u
from mcplugin.errors import MissingPackageError

ROOT = Path(__file__).resolve().parents[1]
MCPLUGIN = Path(sysconfig.get_path("scripts"), "mcplugin")
THETA, DRAWS = 0.2, 100_000
# In standard errors of the mean: a right sampler fails with probability 6e-7.
TOLERANCE = 5.0


def main() -> None:
    """Try it all."""
    check(ROOT not in Path(mcplugin.__file__).parents, f"{mcplugin.__file__} is not installed")
    check(said(MCPLUGIN, "--version").endswith(f" {version('mcplugin')}"), "mcplugin --version")
    for name in mcplugin.sampler_names():
        sample(name)
    with tempfile.TemporaryDirectory() as folder:
        run(Path(folder))
        link(Path(folder))
    print(f"mcplugin {version('mcplugin')} works in Python {sys.version.split()[0]}")


def sample(name: str) -> None:
    """Electrons have the exact mean four-velocity."""
    try:
        u = mcplugin.sample_four_velocity(THETA, DRAWS, name)
    except MissingPackageError as error:
        check(name == "gan-torch", str(error))
        print(f"NOT TRIED: {error}")
        return
    check_mean(name, u.mean())


def run(folder: Path) -> None:
    """An example from the command line, with every photon accounted for."""
    options = ("--photons", "1e4", "--out", folder / "out")
    said(MCPLUGIN, "run", ROOT / "examples" / "cygnus_x1.toml", *options)
    summary = json.loads((folder / "out" / "summary.json").read_text(encoding="utf-8"))
    check(summary["escaped"] + summary["absorbed"] == summary["photons"] == 10_000, "mcplugin run")


def link(folder: Path) -> None:
    """A program in C finds header, library and weights, and draws the same electrons."""
    compiler = shutil.which("cc")
    if compiler is None:
        print("NOT TRIED: linking a C program, since there is no C compiler")
        return
    program = folder / "draw_electrons"
    source = ROOT / "csrc" / "examples" / "draw_electrons.c"
    flags = shlex.split(said(MCPLUGIN, "config", "--cflags", "--libs"))
    said(compiler, source, "-o", program, *flags, "-lm")
    mean = said(program, "gan-exact", THETA, DRAWS).partition("<u>")[2].split()[1]
    check_mean("the C program", float(mean))


def check_mean(who: str, mean: float) -> None:
    """The error of a mean follows from the exact moments."""
    first, second = float(moment_u(1, THETA)), float(moment_u(2, THETA))
    error = ((second - first**2) / DRAWS) ** 0.5
    check(abs(mean - first) < TOLERANCE * error, f"{who}: <u> = {mean}, expected {first}")


def said(*command: object) -> str:
    """What a program prints, away from the sources."""
    words = [str(word) for word in command]
    home = tempfile.gettempdir()
    done = subprocess.run(words, cwd=home, capture_output=True, text=True, check=False)
    check(done.returncode == 0, f"{shlex.join(words)}: {done.stdout}{done.stderr}")
    return done.stdout.strip()


def check(condition: bool, what: str) -> None:
    """Leave, naming what does not work."""
    if not condition:
        sys.exit(f"mcplugin does not work here: {what}")


if __name__ == "__main__":
    main()
