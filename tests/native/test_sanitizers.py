"""libmcplugin under sanitizers, valgrind and the strictest warnings, and what its binaries hold.

It is compiled from its sources, with the flags of ``setup.py`` and more.
"""

import contextlib
import os
import platform
import re
import runpy
import shutil
import subprocess
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from unittest import mock

import pytest

from mcplugin import native
from mcplugin.learning.c_form import c_form_of_file

ROOT = Path(__file__).resolve().parents[2]
SOURCES = ROOT / "csrc" / "src"
FUZZ = ROOT / "csrc" / "fuzz"

ADDRESS = ("-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
THREAD = ("-O1", "-g", "-fsanitize=thread")
DEBUG = ("-O1", "-g")

with mock.patch("setuptools.setup"):
    _SETUP = runpy.run_path(str(ROOT / "setup.py"))

INSTRUCTION_SETS: dict[str, str] = _SETUP["INSTRUCTION_SETS"].get(
    platform.machine(), _SETUP["ELSEWHERE"]
)
STRESS = Path(__file__).with_name("stress.c")
WARNINGS = ("-Wall", "-Wextra", "-Wconversion", "-Wshadow", "-Wstrict-prototypes", "-Werror")
HEADERS = ("mcplugin.h", "mcplugin_streams.h")
# Bytes of an input by fuzz target.
LONGEST_INPUT = {"weights": 4096, "event_weights": 1500, "calls": 192}


def _needs(program):
    return pytest.mark.skipif(
        shutil.which(program) is None,
        reason=f"NOT COVERED: checks by {program}, which is not installed",
    )


pytestmark = _needs("gcc")


# ---- Building ----


def _run(*command: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a program in the root of the repository, to which the include paths are relative."""
    return subprocess.run(
        [str(word) for word in command],
        cwd=ROOT,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    )


def _compile_library(folder: Path, options: Sequence[str], compiler: str = "gcc") -> list[Path]:
    """Objects of the whole library, made with options that come after those of setup.py."""
    with contextlib.chdir(ROOT):
        units = _SETUP["compilation_units"](folder, platform.machine())

    def compiled(unit: tuple[Path, str, list[str]]) -> Path:
        source, name, chosen = unit
        made = folder / f"{name}.o"
        command = [compiler, *_SETUP["FLAGS"], _SETUP["EXPORT"], *chosen, *options]
        done = _run(*command, "-c", source, "-o", made)
        assert done.returncode == 0, done.stdout
        return made

    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(compiled, units))


def _link_program(
    program: Path,
    sources: Iterable[Path],
    objects: Sequence[Path],
    options: Sequence[str],
    compiler: str = "gcc",
) -> Path:
    """A program of some C files and the library's objects."""
    done = _run(
        *(compiler, *_SETUP["FLAGS"], "-Werror", *options, "-o", program),
        *(*sources, *objects, "-pthread"),
        *_SETUP["LIBRARIES"],
    )
    assert done.returncode == 0, done.stdout
    return program


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """A file of weights in their C form."""
    path = tmp_path_factory.mktemp("weights") / "mj.mcp"
    path.write_bytes(c_form_of_file(ROOT / "weights" / "mj-cgan.safetensors"))
    return path


@pytest.fixture(scope="module")
def event_weights(tmp_path_factory):
    """The same of events."""
    path = tmp_path_factory.mktemp("weights") / "events.mcp"
    path.write_bytes(c_form_of_file(ROOT / "weights" / "compton-event.safetensors"))
    return path


@pytest.fixture(scope="module")
def address_objects(tmp_path_factory):
    """The library with ASan and UBSan."""
    return _compile_library(tmp_path_factory.mktemp("address"), ADDRESS)


@pytest.fixture(scope="module")
def plain_objects(tmp_path_factory):
    """The library as it is, with the names that valgrind shows."""
    return _compile_library(tmp_path_factory.mktemp("plain"), DEBUG)


@pytest.fixture(scope="module")
def stress(tmp_path_factory, address_objects, plain_objects):
    """The stress driver by sanitizer."""
    folder = tmp_path_factory.mktemp("stress")
    thread_objects = _compile_library(tmp_path_factory.mktemp("thread"), THREAD)
    return {
        name: _link_program(folder / name, [STRESS], objects, options)
        for name, objects, options in (
            ("address", address_objects, ADDRESS),
            ("thread", thread_objects, THREAD),
            ("plain", plain_objects, DEBUG),
        )
    }


@pytest.fixture(scope="module")
def fuzzer_objects(tmp_path_factory):
    """The library with what tells libFuzzer which branches an input takes."""
    options = (*ADDRESS, "-fsanitize=fuzzer-no-link")
    return _compile_library(tmp_path_factory.mktemp("fuzzer"), options, "clang")


@pytest.fixture(params=list(LONGEST_INPUT))
def fuzz_target(request):
    return request.param


@pytest.fixture(params=list(INSTRUCTION_SETS))
def instruction_set(request):
    """Each that this processor runs."""
    flag = {"avx512": "avx512vl", "avx2": "avx2"}.get(request.param)
    if flag is not None and f" {flag} " not in Path("/proc/cpuinfo").read_text("utf-8"):
        pytest.skip(f"NOT COVERED: this processor has no {request.param}")
    return request.param


def _ran(done, instruction_set):
    if "ThreadSanitizer: unexpected memory mapping" in done.stdout:
        pytest.skip("NOT COVERED: threads, since gcc's TSan does not know this kernel's addresses")
    assert done.returncode == 0, done.stdout
    assert instruction_set in done.stdout.splitlines()


# ---- Running ----


def test_addresses_and_undefined_behaviour(stress, weights, event_weights, instruction_set):
    """All calls: no step beside an array, no leak, nothing that C leaves undefined."""
    command = (stress["address"], "calls", weights, event_weights)
    done = _run(*command, MCPLUGIN_ISA=instruction_set)
    _ran(done, instruction_set)


@pytest.mark.parametrize("kind", ["thread", "address", "plain"])
def test_threads(kind, stress, weights, instruction_set):
    """Eight threads on one sampler of each kind race for nothing and draw what one thread draws."""
    _ran(_run(stress[kind], "threads", weights, MCPLUGIN_ISA=instruction_set), instruction_set)


@_needs("valgrind")
@pytest.mark.skipif(platform.machine() != "x86_64", reason="runs the avx2 kernels")
def test_valgrind(stress, weights, event_weights):
    """No number that was never written decides anything, and no memory is lost."""
    done = _run(
        *("valgrind", "--quiet", "--error-exitcode=9", "--leak-check=full"),
        *("--show-leak-kinds=all", "--errors-for-leak-kinds=all"),
        *(stress["plain"], "calls", weights, event_weights),
        MCPLUGIN_ISA="avx2",
    )
    _ran(done, "avx2")


def test_fuzz_corpus(fuzz_target, address_objects, tmp_path):
    """What fuzzing has found worth keeping holds under ASan and UBSan."""
    corpus = sorted((FUZZ / "corpus" / fuzz_target).iterdir())
    assert len(corpus) > 20
    sources = [FUZZ / f"fuzz_{fuzz_target}.c", FUZZ / "replay.c"]
    program = _link_program(tmp_path / fuzz_target, sources, address_objects, ADDRESS)
    done = _run(program, *corpus)
    assert done.returncode == 0, done.stdout
    assert f"{len(corpus)} inputs replayed" in done.stdout


@_needs("clang")
def test_fuzzing(fuzz_target, fuzzer_objects, tmp_path):
    """A short run from the corpus; with MCPLUGIN_FUZZ_SECONDS one as long, with a random seed."""
    seconds = os.environ.get("MCPLUGIN_FUZZ_SECONDS")
    program = _link_program(
        *(tmp_path / "fuzz", [FUZZ / f"fuzz_{fuzz_target}.c"], fuzzer_objects),
        *((*ADDRESS, "-fsanitize=fuzzer"), "clang"),
    )
    found = tmp_path / "found"
    found.mkdir()
    # No limit on memory: the peak that libFuzzer reads includes that of the test process itself.
    done = _run(
        *(program, f"-max_len={LONGEST_INPUT[fuzz_target]}", "-print_final_stats=1"),
        *("-rss_limit_mb=0", "-seed=0" if seconds else "-seed=1"),
        f"-max_total_time={seconds}" if seconds else "-runs=3000",
        *(f"-artifact_prefix={tmp_path}/", found, FUZZ / "corpus" / fuzz_target),
    )
    print(done.stdout[-2000:])
    assert done.returncode == 0, done.stdout[-20_000:]


def test_fuzz_corpus_is_small():
    sizes = [file.stat().st_size for file in (FUZZ / "corpus").rglob("*") if file.is_file()]
    assert sum(sizes) <= 200_000


# ---- Compiling ----


@pytest.mark.parametrize(
    "compiler", [pytest.param(name, marks=_needs(name)) for name in ("gcc", "clang")]
)
def test_no_warnings(compiler, tmp_path):
    """With the optimisation of the real build, which some warnings need."""
    _compile_library(tmp_path, WARNINGS, compiler)


@pytest.mark.parametrize(
    "command",
    [
        ("gcc", "-std=c11", "-pedantic", "-x", "c"),
        ("gcc", "-std=c99", "-pedantic", "-x", "c"),
        ("g++", "-std=c++17", "-pedantic", "-x", "c++"),
        ("clang", "-std=c11", "-pedantic", "-x", "c"),
    ],
    ids=lambda command: f"{command[0]}{command[1]}",
)
@pytest.mark.parametrize("header", HEADERS)
def test_headers_alone(header, command, tmp_path):
    """Each is complete, and so plain that no compiler has a word about it."""
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is not installed")
    source = tmp_path / "alone"
    source.write_text(f"#include <{header}>\n", encoding="utf-8")
    done = _run(*command, "-Wall", "-Wextra", "-Werror", "-fsyntax-only", "-Icsrc/include", source)
    assert done.returncode == 0, done.stdout
    assert done.stdout == ""


# ---- Binaries ----


def _listed(*command):
    return subprocess.run(
        [str(word) for word in command], capture_output=True, text=True, check=True
    ).stdout.splitlines()


def test_exported_symbols():
    """Exactly what the headers declare."""
    declared = set()
    for header in HEADERS:
        text = (ROOT / "csrc" / "include" / header).read_text(encoding="utf-8")
        found = re.findall(r"^MCP_API [^(]*?(\w+)\(", text, flags=re.MULTILINE)
        assert len(found) == text.count("\nMCP_API ") > 0
        declared |= set(found)
    symbols = _listed("nm", "--dynamic", "--defined-only", native.library())
    assert {line.split()[-1] for line in symbols} == declared


def test_no_global_state():
    """No object holds data that could be written, but for the text of a thread's last failure.

    Allowed are ``.tbss``, one copy per thread, in status.o alone, and ``.data.rel.ro``: tables with
    addresses (kernels, specs), which the loader fills in and then makes read-only.
    """
    name, sizes = "", {}
    for line in _listed("size", "--format=sysv", native.static_library()):
        header = re.match(r"(\S+\.o)\s+\(ex", line)
        if header:
            name = header[1]
        section = re.match(r"(\.\S+)\s+(\d+)\s+\d+$", line)
        if section and int(section[2]) > 0:
            sizes.setdefault(section[1], {})[name] = int(section[2])
    assert len(sizes[".text"]) >= len(list(SOURCES.glob("*.c"))) - 1
    writable = {
        section: objects
        for section, objects in sizes.items()
        if re.match(r"\.(data|bss|tdata|tbss|sdata|sbss)\b", section)
        and not section.startswith(".data.rel.ro")
    }
    assert set(writable) == {".tbss"}
    assert set(writable[".tbss"]) == {"status.o"}


def test_never_prints_never_exits():
    """The library asks the system for nothing that prints or ends the program."""
    symbols = _listed("nm", "--dynamic", "--undefined-only", native.library())
    wanted = {line.split()[-1].split("@")[0].removesuffix("_chk").strip("_") for line in symbols}
    assert "vsnprintf" in wanted
    forbidden = re.compile(
        r"v?f?printf|puts?|f?putc|f?puts|putchar|f?write|perror|std(out|err)|_?exit|quick_exit|"
        r"abort|assert_fail|raise|kill|signal|setenv|putenv|system|s?rand|s?rand48"
    )
    assert {name for name in wanted if forbidden.fullmatch(name)} == set()
