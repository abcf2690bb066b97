"""``mcplugin config``, pkg-config and CMake: programs built with what they say run.

The package stands in a folder to which it was moved, and whose name has a space.
"""

import os
import shlex
import shutil
import subprocess
from importlib.metadata import version
from pathlib import Path

import pytest

PROGRAM = r"""
#include <mcplugin.h>
#include <stdio.h>

int main(void) {
    const double theta = 0.2;
    double u[100];
    mcp_rng rng;
    mcp_sampler *sampler;
    if (mcp_sampler_create("gan", &sampler) != MCP_OK || mcp_rng_seed(&rng, 1, 0) != MCP_OK)
        return 1;
    if (mcp_sample_four_velocity(sampler, &rng, 100, &theta, 1, u) != MCP_OK || !(u[99] > 0.0))
        return 2;
    mcp_sampler_destroy(sampler);
    printf("%s\n", mcp_version());
    return 0;
}
"""
PROJECT = """\
cmake_minimum_required(VERSION 3.15)
project(host C)
find_package(mcplugin {version} CONFIG REQUIRED)
add_executable(program program.c)
target_link_libraries(program PRIVATE {target})
if(NOT EXISTS "${{mcplugin_FORTRAN_SOURCE}}")
  message(FATAL_ERROR "no Fortran source: ${{mcplugin_FORTRAN_SOURCE}}")
endif()
"""


@pytest.fixture(scope="module")
def moved(installed, tmp_path_factory):
    """The installation at another place than where it was unpacked."""
    site = tmp_path_factory.mktemp("moved") / "site packages"
    shutil.copytree(installed.site, site)
    return type(installed)(site)


@pytest.fixture
def host(tmp_path, monkeypatch):
    """A folder with a program of a host code."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("LD_LIBRARY_PATH", raising=False)
    (tmp_path / "program.c").write_text(PROGRAM)
    return tmp_path


def needs(*programs):
    """Skip, saying so, where a build tool is not installed."""
    for program in programs:
        if shutil.which(program) is None:
            pytest.skip(f"NOT COVERED: builds with {program}, which is not installed")


def shell(command, **environment):
    """Run a command line as a user would type it; give what it prints."""
    done = subprocess.run(
        command,
        shell=True,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.strip()


def libraries(program):
    """The copies of libmcplugin that a program loads."""
    lines = shell(f"ldd {program}").splitlines()
    return [
        Path(line.split("=>")[1].rpartition("(")[0].strip()) for line in lines if "mcpl" in line
    ]


def check(moved, program, static):
    """The program tells the version, with the library of the moved package or with none."""
    assert shell(program) == version("mcplugin")
    loaded = [] if static else [moved.native / "lib" / "libmcplugin.so"]
    assert [path.resolve() for path in libraries(program)] == loaded


@pytest.mark.parametrize("static", [False, True])
def test_flags_build_a_program(moved, host, static):
    """The flags as they are, quotes included, pasted into a command line."""
    libs = moved.config("--libs", *(["--static"] if static else []))
    shell(f"cc -Wall -Werror program.c {moved.config('--cflags')} {libs} -o program")
    check(moved, "./program", static)


def test_every_word_is_a_path_that_exists(moved):
    """What is printed are the places of the moved package."""
    (include,) = shlex.split(moved.config("--cflags"))
    assert Path(include.removeprefix("-I"), "mcplugin.h").samefile(
        moved.native / "include" / "mcplugin.h"
    )
    (fortran,) = shlex.split(moved.config("--fortran"))
    assert Path(fortran).samefile(moved.native / "fortran" / "mcplugin.f90")
    search, library, remember = shlex.split(moved.config("--libs"))
    lib = moved.native / "lib"
    assert (search, library, remember) == (f"-L{lib}", "-lmcplugin", f"-Wl,-rpath,{lib}")
    archive, *others = shlex.split(moved.config("--libs", "--static"))
    assert Path(archive).samefile(moved.native / "lib" / "libmcplugin.a")
    assert others == ["-lm", "-ldl"]
    assert Path(moved.config("--pkgconfigdir"), "mcplugin.pc").is_file()
    assert Path(moved.config("--cmakedir"), "mcplugin-config.cmake").is_file()


@pytest.mark.parametrize("static", [False, True])
def test_pkg_config_builds_a_program(moved, host, static):
    """With PKG_CONFIG_PATH alone; the archive is a variable, with what it needs in --static."""
    needs("pkg-config")

    def ask(*options):
        command = shlex.join(["pkg-config", *options, "mcplugin"])
        return shell(command, PKG_CONFIG_PATH=moved.config("--pkgconfigdir"))

    libs = f"{ask('--variable=static_library')} -lm -ldl" if static else ask("--libs")
    assert ask("--static", "--libs").endswith(" -lm -ldl")
    assert ask("--modversion") == version("mcplugin")
    shell(f"cc program.c {ask('--cflags')} {libs} -o program")
    check(moved, "./program", static)
    (fortran,) = shlex.split(ask("--variable=fortrandir"))
    assert Path(fortran, "mcplugin.f90").is_file()


@pytest.mark.parametrize("static", [False, True])
def test_cmake_builds_a_program(moved, host, static):
    """With mcplugin_DIR alone."""
    needs("cmake")
    target = "mcplugin::static" if static else "mcplugin::mcplugin"
    release = ".".join(version("mcplugin").split(".")[:2])
    (host / "CMakeLists.txt").write_text(PROJECT.format(version=release, target=target))
    shell(f"cmake -S . -B build -Dmcplugin_DIR={shlex.quote(moved.config('--cmakedir'))}")
    shell("cmake --build build")
    check(moved, "build/program", static)


def test_cmake_refuses_another_release(moved, host):
    """A program that asks for a later or an incompatible version is told so."""
    needs("cmake")
    for release in ("0.999", "17.0"):
        (host / "CMakeLists.txt").write_text(PROJECT.format(version=release, target="none"))
        folder = shlex.quote(moved.config("--cmakedir"))
        with pytest.raises(AssertionError, match=f'requested\\s+version "{release}"'):
            shell(f"cmake -S . -B build -Dmcplugin_DIR={folder}")


def test_the_entry_point_leads_to_the_folder_of_pkg_config(moved):
    """Build tools of Python find mcplugin.pc through the entry point group pkg_config."""
    found = moved.python(
        "-c",
        "from importlib.metadata import entry_points\n"
        "from importlib.resources import files\n"
        "(point,) = entry_points(group='pkg_config', name='mcplugin')\n"
        "point.load()\n"
        "print(files(point.value).joinpath('mcplugin.pc'))",
    )
    assert Path(found) == Path(moved.config("--pkgconfigdir"), "mcplugin.pc")
