"""``mcplugin config``: what it prints and refuses; tests/native builds programs with it."""

import shlex

import pytest
from click.testing import CliRunner

from mcplugin import native
from mcplugin.cli import main

FILES = (
    "fortran/mcplugin.f90",
    "include/mcplugin.h",
    "lib/cmake/mcplugin/mcplugin-config.cmake",
    "lib/libmcplugin.a",
    "lib/libmcplugin.so",
    "lib/pkgconfig/mcplugin.pc",
)
OPTIONS = ("--cflags", "--fortran", "--libs", "--pkgconfigdir", "--cmakedir")


@pytest.fixture
def prefix(tmp_path, monkeypatch):
    """A complete installation in a folder whose name no shell takes as one word."""
    prefix = tmp_path / "a 'folder' of $mine"
    for name in FILES:
        (prefix / name).parent.mkdir(parents=True, exist_ok=True)
        (prefix / name).touch()
    monkeypatch.setattr(native, "_HERE", prefix)
    return prefix


def config(*options):
    """Run the command within this process."""
    return CliRunner().invoke(main, ["config", *options])


def lines(*options):
    """What a command prints that must succeed."""
    done = config(*options)
    assert done.exit_code == 0, done.output
    return done.stdout.splitlines()


def test_words_of_a_command_line_are_quoted(prefix):
    """A shell makes the very paths of them."""
    lib = prefix / "lib"
    assert [shlex.split(line) for option in OPTIONS[:3] for line in lines(option)] == [
        [f"-I{prefix}/include"],
        [f"{prefix}/fortran/mcplugin.f90"],
        [f"-L{lib}", "-lmcplugin", f"-Wl,-rpath,{lib}"],
    ]
    (line,) = lines("--libs", "--static")
    assert shlex.split(line) == [f"{lib}/libmcplugin.a", "-lm", "-ldl"]


def test_folders_are_printed_as_they_are(prefix):
    """They become values of variables, where quotes would be part of the name."""
    assert lines("--pkgconfigdir") == [f"{prefix}/lib/pkgconfig"]
    assert lines("--cmakedir") == [f"{prefix}/lib/cmake/mcplugin"]


def test_several_options_give_a_line_each_in_the_order_a_compiler_needs(prefix):
    """Sources before libraries, whatever the order of the question."""
    one_by_one = [line for option in OPTIONS for line in lines(option)]
    assert len(one_by_one) == len(OPTIONS)
    assert lines(*reversed(OPTIONS)) == one_by_one


def test_without_an_option_there_is_help():
    """On standard error, so that nothing of it gets into a command line; exit status 2."""
    done = config()
    assert done.exit_code == 2
    assert done.stdout == ""
    assert "Example:  cc main.c $(mcplugin config --cflags --libs)" in done.stderr


@pytest.mark.parametrize(
    ("options", "file"),
    [
        (["--cflags"], "include/mcplugin.h"),
        (["--fortran"], "fortran/mcplugin.f90"),
        (["--libs"], "lib/libmcplugin.so"),
        (["--libs", "--static"], "lib/libmcplugin.a"),
        (["--cflags", "--pkgconfigdir"], "lib/pkgconfig/mcplugin.pc"),
        (["--cmakedir"], "lib/cmake/mcplugin/mcplugin-config.cmake"),
    ],
)
def test_a_missing_file_is_refused(prefix, options, file):
    """One line that names the file and what to do."""
    (prefix / file).unlink()
    done = config(*options)
    assert done.exit_code == 2
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert f"{prefix / file} is missing: reinstall where there is a C compiler" in done.stderr
