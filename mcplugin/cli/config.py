"""``mcplugin config``: what a build needs to use libmcplugin from C, C++ or Fortran."""

import shlex

import click

from mcplugin import native
from mcplugin.cli.refusal import Refusal
from mcplugin.errors import MissingPackageError


@click.command(
    epilog="Example:  cc main.c $(mcplugin config --cflags --libs)",
)
@click.option("--cflags", is_flag=True, help="Options that find mcplugin.h.")
@click.option("--fortran", is_flag=True, help="Source of the Fortran module, to be compiled first.")
@click.option("--libs", is_flag=True, help="Options that link libmcplugin.")
@click.option("--static", is_flag=True, help="With --libs: link it into the program.")
@click.option("--pkgconfigdir", is_flag=True, help="Folder for PKG_CONFIG_PATH.")
@click.option("--cmakedir", is_flag=True, help="Folder for CMake's mcplugin_DIR.")
@click.pass_context
def config(
    context: click.Context,
    cflags: bool,
    fortran: bool,
    libs: bool,
    static: bool,
    pkgconfigdir: bool,
    cmakedir: bool,
) -> None:
    """Print what a build needs to use libmcplugin, one line for each option.

    The words of --cflags, --fortran and --libs are quoted for a shell where they have to be; the
    folders are printed as they are.
    """
    if static and not libs:
        raise Refusal("--static says how to link: use it with --libs")
    if not (cflags or fortran or libs or pkgconfigdir or cmakedir):
        click.echo(context.get_help(), err=True)
        context.exit(2)
    lines = []
    try:
        if cflags:
            lines.append(shlex.join([f"-I{native.include_directory()}"]))
        if fortran:
            lines.append(shlex.join([str(native.fortran_source())]))
        if libs:
            lines.append(shlex.join(_statically() if static else _dynamically()))
        if pkgconfigdir:
            lines.append(str(native.pkgconfig_directory()))
        if cmakedir:
            lines.append(str(native.cmake_directory()))
    except MissingPackageError as error:
        raise Refusal(error) from error
    click.echo("\n".join(lines))


def _dynamically() -> list[str]:
    folder = native.library().parent
    # The folder is one where no dynamic linker looks, so the program has to remember it.
    return [f"-L{folder}", "-lmcplugin", f"-Wl,-rpath,{folder}"]


def _statically() -> list[str]:
    return [str(native.static_library()), "-lm", "-ldl"]
