"""The C and Fortran programs of the README do what it says, built by the commands it gives."""

import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from mcplugin import get_sampler, random_streams

README = (Path(__file__).resolve().parents[2] / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("language", "file", "compiler"),
    [("c", "main.c", "cc"), ("fortran", "main.f90", "gfortran")],
)
def test_program(language, file, compiler, installed, tmp_path):
    """It builds without a warning and prints the first electron that the package draws, too."""
    if shutil.which(compiler) is None:
        pytest.skip(f"{compiler} is not installed: the README's {language} program was not tested")
    (program,) = re.findall(rf"```{language}\n(.*?)```", README, flags=re.DOTALL)
    (command,) = re.findall(rf"```\n({compiler} .*)\n```", README)
    (tmp_path / file).write_text(program, encoding="utf-8")

    def flags(match):
        return " ".join(installed.config(*shlex.split(match[1])).splitlines())

    command = re.sub(r"\$\(mcplugin config (.*?)\)", flags, command)
    built = subprocess.run(
        [*shlex.split(command), "-Wall", "-Wextra", "-Werror"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stderr
    ran = subprocess.run(
        [tmp_path / "main"], capture_output=True, text=True, check=False, env=dict(os.environ)
    )
    assert ran.returncode == 0, ran.stderr
    # A random state's first generator is the package's first stream of the same seed.
    (first,) = get_sampler("gan").sample(0.2, random_streams(1, 1))
    assert float(ran.stdout) == round(float(first), 6)
