"""What is published: a wheel and a source distribution that hold what they must and no more.

``audit`` looks at a wheel as a file; an environment in which it is installed shows that it works.
"""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
import tomllib
import zipfile
from importlib.metadata import version
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import parse_wheel_filename
from packaging.version import Version

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))

LIB = "mcplugin/native/lib"
NATIVE = {
    f"{LIB}/cmake/mcplugin/mcplugin-config-version.cmake",
    f"{LIB}/cmake/mcplugin/mcplugin-config.cmake",
    f"{LIB}/libmcplugin.a",
    f"{LIB}/libmcplugin.so",
    f"{LIB}/libmcplugin_torch.so",
    f"{LIB}/libmcplugin_torch_python.so",
    f"{LIB}/pkgconfig/mcplugin.pc",
    "mcplugin/native/fortran/mcplugin.f90",
    "mcplugin/native/include/mcplugin.h",
    "mcplugin/native/include/mcplugin_streams.h",
}
METADATA = {
    *("METADATA", "RECORD", "WHEEL", "entry_points.txt", "top_level.txt", "licenses/LICENSE"),
}
# Of the C library alone, which every Linux has: neither Python nor a compiler's run-time library.
SYSTEM_LIBRARIES = {"libc", "libm", "libdl", "libpthread", "ld-linux-x86-64", "ld-linux-aarch64"}

# In the source distribution: all that is needed to build, to test and to document.
SOURCE_FOLDERS = (
    *("bench", "csrc", "docs", "examples", "mcplugin", "mcplugin_pytest", "tests", "weights"),
)
SOURCE_FILES = {
    *("CHANGELOG.md", "CITATION.cff", "LICENSE", "MANIFEST.in", "Makefile", "README.md"),
    *("constraints.txt", "lower-bounds.txt", "pyproject.toml", "setup.py"),
}
MADE_FOR_SDIST = re.compile(r"PKG-INFO|setup\.cfg|mcplugin\.egg-info/[\w.-]+")


# ---- The audit -----------------------------------------------------------------------------------


def files_below(folder):
    """Paths relative to the folder."""
    return {str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file()}


def expected_files(sources):
    """What a wheel of these sources holds."""
    modules = {
        f"{package}/{name}"
        for package in ("mcplugin", "mcplugin_pytest")
        for name in files_below(sources / package)
    }
    weights = {f"mcplugin/weights/{name}" for name in files_below(sources / "weights")}
    metadata = {f"mcplugin-{version('mcplugin')}.dist-info/{name}" for name in METADATA}
    return modules | weights | NATIVE | metadata


def folders_of_this_machine():
    """Folders that nothing published may name, as in "/home/me/" but not in "is/home/made"."""
    shared = {"/", "/usr", "/usr/local"}
    folders = {
        str(folder)
        for place in (ROOT, Path.home(), tempfile.gettempdir(), sys.prefix, sys.base_prefix)
        for folder in (Path(place), Path(place).resolve())
    }
    return [re.compile(rb"(?<![\w.-])%b/" % re.escape(f).encode()) for f in folders - shared]


def audit(wheel, sources):
    """Everything that is wrong with a wheel of these sources, one sentence each."""
    wrong = []
    with zipfile.ZipFile(wheel) as archive:
        content = {name: archive.read(name) for name in archive.namelist()}
    expected = expected_files(sources)
    wrong += [f"{name} does not belong here" for name in sorted(content.keys() - expected)]
    wrong += [f"{name} is missing" for name in sorted(expected - content.keys())]
    for name, text in content.items():
        for folder in folders_of_this_machine():
            if found := folder.search(text):
                wrong.append(f"{name} names {found[0].decode()}")
        if name.endswith(".so"):
            wrong += [f"{name} {complaint}" for complaint in audit_library(name, text)]
        if name.endswith("/WHEEL") and b"\nRoot-Is-Purelib: false\n" not in text:
            wrong.append("it claims to be pure Python")
    (tag,) = parse_wheel_filename(wheel.name)[3]
    python = f"cp{sys.version_info.major}{sys.version_info.minor}"
    platform = re.sub(r"\W", "_", sysconfig.get_platform())
    if (tag.interpreter, tag.abi, tag.platform) != (python, python, platform):
        wrong.append(f"its tag is {tag}")
    return wrong


def audit_library(name, content):
    """What would keep a shared library from being loaded on another machine."""
    with tempfile.NamedTemporaryFile() as file:
        file.write(content)
        file.flush()
        command = ["readelf", "--dynamic", "--wide", file.name]
        dynamic = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    for needed in re.findall(r"\(NEEDED\).*\[(.*)\]", dynamic):
        if needed.partition(".so")[0] not in SYSTEM_LIBRARIES:
            yield f"needs {needed}"
    for entry in re.findall(r"\((RPATH|RUNPATH|TEXTREL)\)", dynamic):
        yield f"has a {entry}"
    if name.endswith("/libmcplugin.so"):
        names = re.findall(r"\(SONAME\).*\[(.*)\]", dynamic)
        if names != ["libmcplugin.so"]:
            yield f"calls itself {names}"


# ---- The wheel -----------------------------------------------------------------------------------


def test_the_wheel_holds_the_package_and_nothing_else(wheel, sources):
    """Modules, weights, the libraries with all that a build needs; nothing of this machine."""
    assert audit(wheel, sources) == []


def rewritten(wheel, folder, changes):
    """A copy of a wheel with some files replaced, added, or (None) left out."""
    copy = folder / wheel.name
    with zipfile.ZipFile(wheel) as old, zipfile.ZipFile(copy, "w") as new:
        content = {name: old.read(name) for name in old.namelist()} | changes
        for name, text in content.items():
            if text is not None:
                new.writestr(name, text)
    return copy


@pytest.mark.parametrize(
    "name",
    [
        "tests/test_packaging.py",
        "mcplugin/tests/test_jit.py",
        "mcplugin/__pycache__/jit.cpython-311.pyc",
        "bench/run_speed.py",
        "csrc/src/rng.c",
        "build/lib/mcplugin/jit.py",
        "setup.py",
        "mcplugin/native/lib/torch_engine_missing.txt",
        "mcplugin/weights/.mj-cgan.json.swp",
        f"mcplugin-{version('mcplugin')}.dist-info/direct_url.json",
    ],
)
def test_a_stray_file_is_noticed(wheel, sources, tmp_path, name):
    """Whatever it is and wherever it lies."""
    stray = rewritten(wheel, tmp_path, {name: b""})
    assert audit(stray, sources) == [f"{name} does not belong here"]


@pytest.mark.parametrize(
    "name",
    [
        *sorted(NATIVE),
        "mcplugin/py.typed",
        "mcplugin/transport/loop.py",
        "mcplugin/weights/compton-event.json",
        "mcplugin/weights/compton-event.safetensors",
        "mcplugin/weights/mj-cgan.json",
        "mcplugin/weights/mj-cgan.safetensors",
        "mcplugin_pytest/__init__.py",
        f"mcplugin-{version('mcplugin')}.dist-info/licenses/LICENSE",
    ],
)
def test_a_missing_file_is_noticed(wheel, sources, tmp_path, name):
    """Each of those that are not modules, and some that are."""
    lacking = rewritten(wheel, tmp_path, {name: None})
    assert audit(lacking, sources) == [f"{name} is missing"]


def test_a_path_of_this_machine_is_noticed(wheel, sources, tmp_path):
    """In a text and in a library."""
    pkgconfig, archive = f"{LIB}/pkgconfig/mcplugin.pc", f"{LIB}/libmcplugin.a"
    changes = {pkgconfig: f"prefix={ROOT}/mcplugin\n".encode(), archive: b"\0%b/\0" % bytes(ROOT)}
    found = audit(rewritten(wheel, tmp_path, changes), sources)
    assert f"{pkgconfig} names {ROOT}/" in found
    assert f"{archive} names {ROOT}/" in found


def test_a_library_that_only_works_here_is_noticed(wheel, sources, tmp_path):
    """With a search path of its own, a library that others lack, and another name."""
    (tmp_path / "other.c").write_text("int other(void) { return 1; }\n")
    (tmp_path / "own.c").write_text("int other(void);\nint own(void) { return other(); }\n")
    for command in (
        "cc -shared -fPIC other.c -o libother.so.3 -Wl,-soname,libother.so.3",
        "cc -shared -fPIC own.c -o own.so libother.so.3 -Wl,-rpath,/nowhere -Wl,-soname,own.so",
    ):
        subprocess.run(command.split(), cwd=tmp_path, check=True)
    name = f"{LIB}/libmcplugin.so"
    changed = rewritten(wheel, tmp_path, {name: (tmp_path / "own.so").read_bytes()})
    found = set(audit(changed, sources))
    assert f"{name} needs libother.so.3" in found
    assert f"{name} calls itself ['own.so']" in found
    assert {f"{name} has a RPATH", f"{name} has a RUNPATH"} & found


def test_a_wheel_for_any_machine_is_noticed(wheel, sources, tmp_path):
    """It would be installed where its libraries do not run."""
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith("/WHEEL"))
        text = archive.read(name)
    pure = rewritten(wheel, tmp_path, {name: text.replace(b"Purelib: false", b"Purelib: true")})
    assert audit(pure, sources) == ["it claims to be pure Python"]
    anywhere = shutil.copy(pure, tmp_path / f"mcplugin-{version('mcplugin')}-py3-none-any.whl")
    assert "its tag is py3-none-any" in audit(anywhere, sources)


# ---- The wheel at work ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def environment(wheel, tmp_path_factory):
    """A virtual environment with the wheel, and the other packages of this one."""
    folder = tmp_path_factory.mktemp("environment")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    python = folder / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--python", python, "install", "--quiet"]
    subprocess.run([*pip, "--no-deps", "--no-index", wheel], check=True)
    site = sysconfig.get_path("purelib", "venv", {"base": str(folder)})
    others = [path for path in sys.path if Path(path).name in ("site-packages", "dist-packages")]
    Path(site, "others.pth").write_text("\n".join(others), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def clean(environment, tmp_path_factory):
    """Variables of that environment alone; it has a cache for numba, but no torch."""
    foreign = ("PYTHONHOME", "VIRTUAL_ENV", "PKG_CONFIG_PATH", "LD_LIBRARY_PATH")
    inherited = {name: value for name, value in os.environ.items() if name not in foreign}
    hidden = tmp_path_factory.mktemp("hidden")
    (hidden / "torch.py").write_text("raise ModuleNotFoundError('no torch here', name='torch')")
    return {
        **inherited,
        "PATH": f"{environment / 'bin'}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(hidden),
        "NUMBA_CACHE_DIR": str(tmp_path_factory.mktemp("numba")),
    }


def says(command, variables, folder):
    """What a command line prints, run in a folder."""
    done = subprocess.run(
        command, shell=True, cwd=folder, env=variables, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.strip()


def test_the_wheel_works(environment, clean, sources, tmp_path):
    """Samplers, a run and a C program, by the script that every published wheel is tried with."""
    said = says(f"python {sources / 'tests/wheel_smoke.py'}", clean, tmp_path).splitlines()
    assert said == [
        "NOT TRIED: gan-torch needs PyTorch: pip install 'mcplugin[torch]'",
        f"mcplugin {version('mcplugin')} works in Python {sys.version.split()[0]}",
    ]


def test_the_smoke_test_refuses_a_wheel_that_does_not_work(environment, clean, sources, tmp_path):
    """A package that is not the installed one, and one whose electrons are wrong."""
    script = sources / "tests" / "wheel_smoke.py"
    beside = {**clean, "PYTHONPATH": str(sources)}
    with pytest.raises(AssertionError, match=r"mcplugin does not work here: .* is not installed"):
        says(f"python {script}", beside, tmp_path)
    hotter = (
        "import runpy, mcplugin\n"
        "draw = mcplugin.sample_four_velocity\n"
        "mcplugin.sample_four_velocity = lambda theta, *rest: draw(1.05 * theta, *rest)\n"
        f"runpy.run_path({str(script)!r}, run_name='__main__')\n"
    )
    (tmp_path / "hotter.py").write_text(hotter)
    with pytest.raises(AssertionError, match=r"does not work here: gan: <u> = .*, expected"):
        says("python hotter.py", clean, tmp_path)


def test_commands_and_build_files_are_those_of_the_environment(environment, clean, tmp_path):
    """The list of samplers; pkg-config's flags build a program with the library of the wheel."""
    listed = says("mcplugin samplers", clean, tmp_path)
    names = {line.split()[0] for line in listed.splitlines() if not line.startswith(" ")}
    assert names >= {"gan", "gan-exact", "gan-native", "gan-torch", "rejection", "table"}
    assert "gan-torch needs PyTorch: pip install" in listed
    native = Path(says("mcplugin config --pkgconfigdir", clean, tmp_path)).parents[1]
    assert environment in native.parents
    if shutil.which("pkg-config") is None:
        pytest.skip("NOT COVERED: builds with pkg-config, which is not installed")
    (tmp_path / "main.c").write_text(
        "#include <mcplugin.h>\n#include <stdio.h>\nint main(void) { puts(mcp_version()); }\n"
    )
    flags = (
        "$(PKG_CONFIG_PATH=$(mcplugin config --pkgconfigdir) pkg-config --cflags --libs mcplugin)"
    )
    says(f"cc main.c -o main {flags}", clean, tmp_path)
    assert says("./main", clean, tmp_path) == version("mcplugin")
    assert f"libmcplugin.so => {environment}/" in says("ldd ./main", clean, tmp_path)


# ---- The source distribution ---------------------------------------------------------------------


def test_the_source_distribution_holds_the_sources_and_nothing_else(sdist, sources):
    """What a build, the tests and the documentation read; these tests' wheel is made of it."""
    with tarfile.open(sdist) as archive:
        members = [member for member in archive.getmembers() if not member.isdir()]
    assert all(member.isfile() for member in members)
    names = {member.name.partition("/")[2] for member in members}
    packed = {name for name in names if not MADE_FOR_SDIST.fullmatch(name)}
    folders = {
        f"{folder}/{name}" for folder in SOURCE_FOLDERS for name in files_below(sources / folder)
    }
    assert packed == folders | SOURCE_FILES


def test_the_metadata_are_complete(wheel):
    """Licence, README, Python versions and extras, as an index shows them."""
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith("/METADATA"))
        header, _, readme = archive.read(name).decode().partition("\n\n")
    fields = set(header.splitlines())
    assert {
        "License-Expression: BSD-3-Clause",
        "License-File: LICENSE",
        "Requires-Python: >=3.11",
        "Description-Content-Type: text/markdown",
        "Provides-Extra: torch",
    } <= fields
    assert readme == (ROOT / "README.md").read_text(encoding="utf-8")
    required = [line for line in fields if line.startswith("Requires-Dist: torch")]
    assert required
    assert all("; extra ==" in line for line in required)


# ---- Versions ------------------------------------------------------------------------------------


def test_every_lower_bound_is_one_that_was_tested():
    """``lower-bounds.txt`` pins, to the lowest version allowed, what pyproject.toml requires."""
    lines = (ROOT / "lower-bounds.txt").read_text(encoding="utf-8").splitlines()
    pins = [Requirement(line) for line in lines if line and not line.startswith("#")]
    pinned = {pin.name: str(pin.specifier).removeprefix("==") for pin in pins}
    assert len(pinned) == len(pins)
    project = PROJECT["project"]
    for text in (*project["dependencies"], *project["optional-dependencies"]["test"]):
        requirement = Requirement(text)
        (bound,) = requirement.specifier
        assert bound.operator == ">=", text
        assert Version(pinned[requirement.name]) == Version(bound.version), text


def test_wheels_are_built_for_the_declared_pythons():
    """The classifiers, what is built, and the lowest version agree."""
    named = re.findall(r"Python :: (3\.\d+)", "\n".join(PROJECT["project"]["classifiers"]))
    built = PROJECT["tool"]["cibuildwheel"]["build"]
    assert built == [f"cp{name.replace('.', '')}-manylinux_*" for name in named]
    assert PROJECT["project"]["requires-python"] == f">={named[0]}"
