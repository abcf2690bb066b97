"""Build libmcplugin_torch, the library that runs the network by torch in an embedded Python.

``python csrc/embed/build_torch_engine.py DIRECTORY`` makes it for the Python that runs this script,
of which it needs the headers, and in use the shared libpython, which it looks for itself.
"""

import json
import os
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

import cffi

HERE = Path(__file__).resolve().parent
SOURCES = HERE.parent

LIBRARY = "libmcplugin_torch.so"
ENGINE = "libmcplugin_torch_python.so"
EXPORTS = "{ global: mcp_torch_open; mcp_torch_map; mcp_torch_close; local: *; };"

CALLBACKS = """
enum mcp_status {
    MCP_OK, MCP_ERROR_SPEC, MCP_ERROR_WEIGHTS, MCP_ERROR_MEMORY, MCP_ERROR_HANDLE,
    MCP_ERROR_TORCH, ...
};
extern "Python" {
    int python_open(const char *, uint64_t *, double *, double *, char *, size_t);
    int python_map(uint64_t, size_t, const double *, const double *, size_t, double *, char *,
                   size_t);
    void python_close(uint64_t);
}
"""


def write_source(file: Path) -> None:
    """Write the C text of what needs libpython: cffi's part around torch_engine.c."""
    # JSON's string literals are C's, as long as the text is ASCII.
    texts = {
        "program_name": f"bin/python{sysconfig.get_python_version()}",
        "standard_library": os.path.relpath(sysconfig.get_path("stdlib"), sys.base_prefix),
        "search_path_code": (HERE / "search_path.py").read_text("ascii"),
        "cffi_version": cffi.__version__,
    }
    own = [f"static const char {name}[] = {json.dumps(text)};" for name, text in texts.items()]
    own += ['#line 1 "torch_engine.c"', (HERE / "torch_engine.c").read_text("utf-8")]
    builder = cffi.FFI()
    builder.cdef(CALLBACKS)
    builder.embedding_init_code((HERE / "engine.py").read_text("utf-8"))
    builder.set_source("_mcplugin_torch", "\n".join(own), compiler_verbose=0)
    builder.emit_c_code(str(file))


def build(target_directory: Path) -> Path:
    """Compile the library.

    Parameters
    ----------
    target_directory : Path
        Where its two files are put; made if need be.

    Returns
    -------
    Path
        The one that a host loads.

    Raises
    ------
    RuntimeError
        If Python's headers are missing, or the compiler fails.
    """
    setting = sysconfig.get_config_var
    header = Path(sysconfig.get_path("include"), "Python.h")
    if not header.is_file():
        raise RuntimeError(
            f"{LIBRARY} needs Python's headers and {header} does not exist: install the package "
            "python3-dev (python3-devel) or what your system calls it"
        )
    target_directory.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        write_source(folder / "engine.c")
        (folder / "exports").write_text(EXPORTS, "utf-8")
        # Compiled by its bare name, and without assertions, so that no path gets into the file.
        _compile(folder, "engine.c", ENGINE, "-DNDEBUG")
        shutil.copy2(HERE / "find_python.c", folder)
        libpython = f'-DLIBPYTHON="libpython{setting("LDVERSION")}.so.1.0"'
        version = f'-DPYTHON_VERSION="{sysconfig.get_python_version()}"'
        _compile(folder, "find_python.c", LIBRARY, libpython, version)
        for name in (ENGINE, LIBRARY):
            shutil.copy2(folder / name, target_directory)
    return target_directory / LIBRARY


def _compile(folder: Path, source: str, library: str, *definitions: str) -> None:
    command = [
        *shlex.split(sysconfig.get_config_var("CC")),
        *("-std=c11", "-O2", "-fPIC", "-pthread", "-shared", *definitions),
        *(f"-I{sysconfig.get_path(kind)}" for kind in ("include", "platinclude")),
        *(f"-I{SOURCES / part}" for part in ("include", "src")),
        *(source, "-o", library, "-ldl", "-lm", "-Wl,--version-script=exports"),
    ]
    compiler = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if compiler.returncode != 0:
        raise RuntimeError(
            f"{library} cannot be built: {shlex.join(command)} ended with\n{compiler.stderr}"
        )


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(f"usage: {sys.argv[0]} DIRECTORY")
    print(build(Path(sys.argv[1])))
