"""Build libmcplugin_torch, the library that runs the network by torch in an embedded Python.

``python csrc/embed/build_torch_engine.py DIRECTORY`` links it against the shared libpython of the
Python that runs this script.
"""

import json
import os
import shlex
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

import cffi

HERE = Path(__file__).resolve().parent
SOURCES = HERE.parent

LIBRARY = "libmcplugin_torch.so"
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


def shared_libpython() -> Path:
    """The library of the running Python that other programs can be linked with.

    Raises
    ------
    RuntimeError
        If this Python came without it, or without its headers.
    """
    setting = sysconfig.get_config_var
    header = Path(sysconfig.get_path("include"), "Python.h")
    if not header.is_file():
        raise RuntimeError(
            f"{LIBRARY} needs Python's headers and {header} does not exist: install the package "
            "python3-dev (python3-devel) or what your system calls it"
        )
    # Some Pythons are linked statically and bring the shared library all the same.
    name = f"libpython{setting('LDVERSION')}.so"
    folders = [setting("LIBDIR"), f"{sys.base_prefix}/lib"]
    candidates = [Path(folder, file) for folder in folders for file in (name, name + ".1.0")]
    for candidate in candidates:
        if candidate.is_file():
            return candidate
    raise RuntimeError(
        f"{LIBRARY} needs a shared libpython and {sys.executable} has none "
        f"(Py_ENABLE_SHARED = {setting('Py_ENABLE_SHARED')}, looked for {name} in "
        f"{' and '.join(folders)}): use a Python that was built with --enable-shared"
    )


def write_source(file: Path) -> None:
    """Write the C text of the library: cffi's part around torch_engine.c."""
    # JSON's string literals are C's, as long as the text is ASCII.
    texts = {
        "python_program": f"{sys.base_prefix}/bin/python{sysconfig.get_python_version()}",
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
        Where it is put; made if need be.

    Returns
    -------
    Path
        The library.

    Raises
    ------
    RuntimeError
        If Python's headers or shared library are missing, or the compiler fails.
    """
    libpython = shared_libpython()
    target = Path(target_directory, LIBRARY)
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        source, exports = Path(scratch, "source.c"), Path(scratch, "exports")
        write_source(source)
        exports.write_text(EXPORTS, "utf-8")
        command = [
            *shlex.split(sysconfig.get_config_var("CC")),
            *("-std=c11", "-O2", "-fPIC", "-pthread", "-shared"),
            *(f"-I{sysconfig.get_path(kind)}" for kind in ("include", "platinclude")),
            *(f"-I{SOURCES / folder}" for folder in ("include", "src")),
            *(str(source), "-o", str(target), str(libpython), "-ldl", "-lm"),
            *(f"-Wl,-rpath,{libpython.parent}", f"-Wl,--version-script={exports}"),
        ]
        compiler = subprocess.run(command, capture_output=True, text=True, check=False)
    if compiler.returncode != 0:
        raise RuntimeError(
            f"{LIBRARY} cannot be built: {shlex.join(command)} ended with\n{compiler.stderr}"
        )
    return target


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(f"usage: {sys.argv[0]} DIRECTORY")
    print(build(Path(sys.argv[1])))
