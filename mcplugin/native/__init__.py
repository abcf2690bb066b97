"""Where libmcplugin is, with everything that a build in C or Fortran needs.

Only locations: nothing is loaded here.
"""

from pathlib import Path

from mcplugin.errors import MissingPackageError

_HERE = Path(__file__).resolve().parent
_TORCH_ENGINE_MISSING = _HERE / "lib" / "torch_engine_missing.txt"


def library() -> Path:
    """The shared library.

    Raises
    ------
    MissingPackageError
        Like everything in this module, if the package was installed without it.
    """
    return _present("lib/libmcplugin.so")


def static_library() -> Path:
    """The archive for static linking; a program then needs ``-lm -ldl`` as well."""
    return _present("lib/libmcplugin.a")


def torch_engine() -> Path:
    """The library behind the samplers ``torch:...``, which embeds Python.

    Raises
    ------
    MissingPackageError
        If it could not be built when the package was installed, with the reason.
    """
    if _TORCH_ENGINE_MISSING.exists():
        reason = " ".join(_TORCH_ENGINE_MISSING.read_text(encoding="utf-8").split())
        raise MissingPackageError(f"libmcplugin_torch.so was not built: {reason}")
    return _present("lib/libmcplugin_torch.so")


def include_directory() -> Path:
    """The folder of ``mcplugin.h``."""
    return _present("include/mcplugin.h").parent


def fortran_source() -> Path:
    """The source of the Fortran module ``mcplugin``, to be compiled by the user's compiler."""
    return _present("fortran/mcplugin.f90")


def pkgconfig_directory() -> Path:
    """The folder of ``mcplugin.pc``, for ``PKG_CONFIG_PATH``."""
    return _present("lib/pkgconfig/mcplugin.pc").parent


def cmake_directory() -> Path:
    """The folder of ``mcplugin-config.cmake``, for CMake's ``mcplugin_DIR``."""
    return _present("lib/cmake/mcplugin/mcplugin-config.cmake").parent


def _present(name: str) -> Path:
    path = _HERE / name
    if not path.exists():
        raise MissingPackageError(
            f"{path} is missing: reinstall where there is a C compiler, "
            "pip install --force-reinstall --no-cache-dir mcplugin"
        )
    return path
