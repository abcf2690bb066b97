"""What pyproject.toml cannot declare: libmcplugin is compiled, trained weights are copied."""

import importlib.util
import json
import os
import shlex
import shutil
import subprocess
from pathlib import Path
from types import ModuleType

from setuptools import Command, Distribution, setup
from setuptools.command.build import build
from setuptools.command.build_py import build_py
from setuptools.errors import CCompilerError

WEIGHTS = Path("weights")
# What is compiled in, by the name of its array.
BUILTIN_WEIGHTS = {
    "mcp_builtin_weights": WEIGHTS / "mj-cgan.safetensors",
    "mcp_builtin_event_weights": WEIGHTS / "compton-event.safetensors",
}
SOURCES = Path("csrc/src")
C_FORM = Path("mcplugin/learning/c_form.py")
TORCH_ENGINE = Path("csrc/embed/build_torch_engine.py")

# Not -ffast-math, which would do away with NaN and infinity.
FLAGS = [
    *("-std=gnu11", "-O3", "-fPIC", "-fvisibility=hidden", "-ffp-contract=fast"),
    *("-fno-math-errno", "-Wall", "-Wextra", "-Wconversion", "-Icsrc/include", "-Icsrc/src"),
]
EXPORT = '-DMCP_API=__attribute__((visibility("default")))'
# These are compiled once for each instruction set; the library takes the best when it runs.
KERNELS = ("kernels.c", "event_kernels.c")
INSTRUCTION_SETS = {
    "x86_64": {
        "avx512": "-mavx512f -mavx512dq -mavx512bw -mavx512vl -mfma -mprefer-vector-width=512",
        "avx2": "-mavx2 -mfma",
        "generic": "",
    },
}
ELSEWHERE = {"generic": ""}
LIBRARIES = ["-lm", "-ldl"]


class BuildWithWeights(build_py):
    """Put ``weights/`` beside the modules; an editable install reads it where it is."""

    def run(self) -> None:
        """Build, then copy."""
        super().run()
        if self.editable_mode:
            return
        target = Path(self.build_lib, "mcplugin", "weights")
        target.mkdir(parents=True, exist_ok=True)
        for file in WEIGHTS.iterdir():
            shutil.copy2(file, target)


class BuildNative(Command):
    """Compile libmcplugin, and put it with header, Fortran module and build files in the package.

    Everything is made anew in a folder of its own, so that a failure leaves the package as it was.
    """

    description = "compile libmcplugin"
    user_options: list[tuple[str, str | None, str]] = []  # noqa: RUF012
    editable_mode = False

    def initialize_options(self) -> None:
        """Take the folders from ``build``."""
        self.build_lib: str | None = None
        self.build_temp: str | None = None

    def finalize_options(self) -> None:
        """Take the folders from ``build``."""
        self.set_undefined_options(
            "build", ("build_lib", "build_lib"), ("build_temp", "build_temp")
        )

    def get_source_files(self) -> list[str]:
        """MANIFEST.in names them."""
        return []

    def get_outputs(self) -> list[str]:
        """In the build folder: none of the source tree's files stands for an output."""
        return []

    def get_output_mapping(self) -> dict[str, str]:
        """Likewise none."""
        return {}

    def run(self) -> None:
        """Build it all aside, then exchange the old for the new."""
        objects = Path(self.build_temp, "objects")
        made = Path(self.build_temp, "native")
        for folder in (objects, made):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
        build_library(objects, made / "lib")
        self._interfaces(made)
        self._torch_engine(made / "lib")
        package = Path("" if self.editable_mode else self.build_lib, "mcplugin", "native")
        for folder in made.iterdir():
            # Running programs keep the old file, which a copy over it would change under them.
            shutil.rmtree(package / folder.name, ignore_errors=True)
            shutil.copytree(folder, package / folder.name)

    def _interfaces(self, made: Path) -> None:
        """Header, Fortran module, and what pkg-config and CMake read."""
        shutil.copytree("csrc/include", made / "include")
        (made / "fortran").mkdir()
        shutil.copy2("csrc/fortran/mcplugin.f90", made / "fortran")
        for template, folder in (
            ("mcplugin.pc.in", "lib/pkgconfig"),
            ("mcplugin-config.cmake", "lib/cmake/mcplugin"),
            ("mcplugin-config-version.cmake.in", "lib/cmake/mcplugin"),
        ):
            text = Path("csrc", template).read_text(encoding="utf-8")
            (made / folder).mkdir(parents=True, exist_ok=True)
            Path(made / folder, template.removesuffix(".in")).write_text(
                text.replace("@version@", self.distribution.get_version()), encoding="utf-8"
            )

    def _torch_engine(self, lib: Path) -> None:
        """The library behind ``torch:...`` is wanted by few and needs more: it may be missing."""
        try:
            _load(TORCH_ENGINE).build(lib.resolve())
        except Exception as error:
            self.warn(f"the samplers torch:... will be missing in libmcplugin: {error}")
            Path(lib, "torch_engine_missing.txt").write_text(f"{error}\n", encoding="utf-8")


class NativeDistribution(Distribution):
    """Says that the package is not pure Python: one wheel per platform and Python."""

    def has_ext_modules(self) -> bool:
        """libmcplugin_torch embeds this Python."""
        return True


def _load(path: Path) -> ModuleType:
    """A module by its file: the package itself cannot be imported yet."""
    spec = importlib.util.spec_from_file_location(path.stem, path.resolve())
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def build_library(objects: Path, lib: Path) -> None:
    """Compile libmcplugin, shared and static, into the folder ``lib``, which is made."""
    lib.mkdir()
    compiler = shlex.split(os.environ.get("CC", "cc"))
    architecture = _run([*compiler, "-dumpmachine"]).split("-")[0]
    units = compilation_units(objects, architecture)
    user = shlex.split(os.environ.get("CFLAGS", ""))
    compiled = []
    for source, name, options in units:
        compiled.append(str(objects / f"{name}.o"))
        _run([*compiler, *FLAGS, EXPORT, *options, *user, "-c", source, "-o", compiled[-1]])
    linked = [*compiled, "-o", lib / "libmcplugin.so", *LIBRARIES]
    soname = ["-shared", "-Wl,-soname,libmcplugin.so", "-Wl,--no-undefined"]
    _run([*compiler, *user, *shlex.split(os.environ.get("LDFLAGS", "")), *soname, *linked])
    _run([*shlex.split(os.environ.get("AR", "ar")), "rcs", lib / "libmcplugin.a", *compiled])


def compilation_units(folder: Path, architecture: str) -> list[tuple[Path, str, list[str]]]:
    """What the library is made of: source, name of the object, options of its own.

    The weights become a source file in the folder, and their sizes a header.
    """
    weights = folder / "builtin_weights.c"
    c_form_of_file = _load(C_FORM).c_form_of_file
    arrays = [_as_c(name, c_form_of_file(path)) for name, path in BUILTIN_WEIGHTS.items()]
    weights.write_text(
        "\n".join(['#include "event_generator.h"\n#include "generator.h"\n', *arrays]),
        encoding="utf-8",
    )
    (folder / "builtin_sizes.h").write_text(_sizes(), encoding="utf-8")
    units: list[tuple[Path, str, list[str]]] = [
        (source, source.stem, [])
        for source in [*sorted(SOURCES.glob("*.c")), weights]
        if source.name not in KERNELS
    ]
    for name, options in INSTRUCTION_SETS.get(architecture, ELSEWHERE).items():
        chosen = [*options.split(), f"-DMCP_INSTRUCTION_SET={name}", f"-I{folder}"]
        units += [
            (SOURCES / kernels, f"{Path(kernels).stem}_{name}", chosen) for kernels in KERNELS
        ]
    return units


def _sizes() -> str:
    """Units of both layers, and functions of temperature, of the networks that are compiled in."""
    card_file = BUILTIN_WEIGHTS["mcp_builtin_event_weights"].with_suffix(".json")
    card = json.loads(card_file.read_bytes())
    lines = []
    for name, units in sorted(card["hidden"].items()):
        first, second = (*units, 0)[:2]
        (conditioning,) = card["shapes"][f"{name}_root_theta_scale"]
        lines.append(f"#define MCP_BUILTIN_{name.upper()} {first}, {second}, {conditioning}\n")
    return "".join(lines)


def _as_c(name: str, content: bytes) -> str:
    """Bytes as a C array and its size."""
    numbers = ",\n    ".join(
        ", ".join(str(byte) for byte in content[i : i + 16]) for i in range(0, len(content), 16)
    )
    return (
        f"const unsigned char {name}[] = {{\n    {numbers},\n}};\n"
        f"const size_t {name}_size = sizeof {name};\n"
    )


def _run(command: list[str | Path]) -> str:
    """Run a compiler, showing what it does and says; give its output."""
    command = [str(word) for word in command]
    print(shlex.join(command), flush=True)
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    except OSError as error:
        raise CCompilerError(
            f"mcplugin's C library needs a C compiler, and {command[0]} cannot be run "
            f"({error.strerror}): install one, for example gcc, or name yours in CC"
        ) from None
    except subprocess.CalledProcessError as error:
        raise CCompilerError(
            f"mcplugin's C library cannot be built: {command[0]} ended with status "
            f"{error.returncode}, see its messages above"
        ) from None
    return done.stdout


build.sub_commands = [*build.sub_commands, ("build_native", None)]
setup(
    distclass=NativeDistribution,
    cmdclass={"build_py": BuildWithWeights, "build_native": BuildNative},
)
