"""What the libraries export, and how the build behaves where something is missing.

Which files a wheel holds is the matter of ``tests/test_packaging.py``.
"""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def tool(*command):
    """What a program prints."""
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def declared_functions():
    """Names of all functions in the headers."""
    text = "".join(file.read_text() for file in (ROOT / "csrc" / "include").glob("*.h"))
    return set(re.findall(r"^MCP_API [^;]*?(mcp_\w+)\(", text, re.MULTILINE))


def test_the_library_exports_the_functions_of_the_headers_and_no_other(installed):
    """What a header declares can be linked; nothing else gets in the way of a host's own names."""
    listed = tool("nm", "--dynamic", "--defined-only", installed.native / "lib" / "libmcplugin.so")
    exported = {line.split()[-1] for line in listed.splitlines()}
    assert len(declared_functions()) > 10
    assert exported == declared_functions()


def test_the_archive_keeps_to_its_own_names(installed):
    """A statically linked host sees every global symbol: all begin with mcp_."""
    listed = tool("nm", "--extern-only", "--defined-only", installed.native / "lib/libmcplugin.a")
    symbols = {line.split()[-1] for line in listed.splitlines() if len(line.split()) == 3}
    assert declared_functions() <= symbols
    assert not {name for name in symbols if not name.startswith("mcp_")}


def test_an_editable_installation_has_the_library_among_the_sources(checkout):
    """It is built by CC with CFLAGS and without a warning, and replaces what was there."""
    (checkout.installed.native / "lib").mkdir()
    (checkout.installed.native / "lib" / "stale.so").touch()
    done = checkout.build("build_editable", CC="cc -pipe", CFLAGS="-O0 -Werror")
    assert done.returncode == 0, done.stdout
    compiled = [line for line in done.stdout.splitlines() if " -c " in line]
    assert len(compiled) >= len(list((ROOT / "csrc" / "src").glob("*.c")))
    for line in compiled:
        assert re.match(r"cc -pipe .* -O3 .* -O0 -Werror -c ", line)
    assert not (checkout.installed.native / "lib" / "stale.so").exists()
    for file in ("lib/libmcplugin.so", "include/mcplugin.h", "fortran/mcplugin.f90"):
        assert (checkout.installed.native / file).is_file()


def test_without_a_compiler_the_build_says_what_to_do(checkout):
    """One sentence, and no package that would lack its library."""
    done = checkout.build("build_wheel", CC="/nowhere/cc")
    assert done.returncode != 0
    assert not list(checkout.folder.glob("dist/*.whl"))
    assert "needs a C compiler, and /nowhere/cc cannot be run" in done.stdout.splitlines()[-1]
    assert "Traceback" not in done.stdout


def test_a_source_that_does_not_compile_stops_the_build(checkout):
    """The compiler's own words remain, and the library of an earlier build too."""
    (checkout.installed.native / "lib").mkdir()
    (checkout.installed.native / "lib" / "libmcplugin.so").touch()
    (checkout.folder / "csrc" / "src" / "a.c").write_text("int wrong(void) { return missing; }\n")
    done = checkout.build("build_editable", CFLAGS="-O0")
    assert done.returncode != 0
    assert "'missing' undeclared" in re.sub("[‘’]", "'", done.stdout)
    assert "cannot be built: cc ended with status 1" in done.stdout.splitlines()[-1]
    assert (checkout.installed.native / "lib" / "libmcplugin.so").exists()


def test_weights_that_were_altered_are_not_compiled_in(checkout):
    """The build checks them against their card, as every use of them does."""
    with (checkout.folder / "weights" / "mj-cgan.safetensors").open("r+b") as file:
        file.seek(-3, 2)
        file.write(b"\x00\x01\x02")
    done = checkout.build("build_wheel", CFLAGS="-O0")
    assert done.returncode != 0
    assert "mj-cgan.safetensors is not the generator" in done.stdout.splitlines()[-1]


def test_the_torch_engine_may_be_missing(checkout):
    """The package installs all the same, and says then and later why; a later build adds it."""
    engine = checkout.folder / "csrc" / "embed" / "build_torch_engine.py"
    locate = "from mcplugin import native; print(native.torch_engine())"

    engine.write_text("def build(folder):\n    raise RuntimeError('no libpython here')\n")
    done = checkout.build("build_editable", CFLAGS="-O0")
    assert done.returncode == 0, done.stdout
    assert "torch:... will be missing in libmcplugin: no libpython here" in done.stdout
    with pytest.raises(AssertionError, match=r"MissingPackageError.*no libpython here"):
        checkout.installed.python("-c", locate)

    engine.write_text("def build(folder):\n    (folder / 'libmcplugin_torch.so').touch()\n")
    done = checkout.build("build_editable", CFLAGS="-O0")
    assert done.returncode == 0, done.stdout
    library = checkout.installed.native / "lib" / "libmcplugin_torch.so"
    assert checkout.installed.python("-c", locate) == str(library)
