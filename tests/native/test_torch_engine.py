"""libmcplugin_torch: a C program reaches the network in torch and remains master of its process."""

import ctypes
import importlib.util
import shlex
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import numpy as np
import pytest

import mcplugin

pytest.importorskip("torch", reason="libmcplugin_torch runs torch, which is not installed")
pytest.importorskip("cffi", reason="libmcplugin_torch is built with cffi, which is not installed")

ROOT = Path(__file__).resolve().parents[2]
DRIVER = Path(__file__).with_name("torch_engine_driver.c")
DRAWS = 100_000

OK, SPEC, HANDLE, TORCH = 0, 3, 7, 10


@pytest.fixture(scope="module")
def builder():
    """The script that builds the library, as a module."""
    script = ROOT / "csrc" / "embed" / "build_torch_engine.py"
    spec = importlib.util.spec_from_file_location(script.stem, script)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def library(builder, tmp_path_factory):
    """The library, built once."""
    if shutil.which(compiler()[0]) is None:
        pytest.skip(f"no C compiler: {compiler()[0]} was not found")
    return builder.build(tmp_path_factory.mktemp("library"))


def compiler():
    """The C compiler of this Python."""
    return shlex.split(sysconfig.get_config_var("CC"))


@pytest.fixture(scope="module")
def driver(library, tmp_path_factory):
    """A C program that knows nothing of Python."""
    program = tmp_path_factory.mktemp("driver") / "driver"
    command = [
        *(*compiler(), "-std=c11", "-Wall", "-Wextra", "-Wconversion", "-Werror", "-fopenmp"),
        *("-pthread", f"-I{ROOT / 'csrc' / 'include'}", f"-I{ROOT / 'csrc' / 'src'}"),
        *(str(DRIVER), "-o", str(program), "-ldl", "-lm"),
    ]
    subprocess.run(command, check=True)
    return program


@pytest.fixture(scope="module")
def packages():
    """Where the packages of this very test run are, as lines of a .pth file."""
    folders = [p for p in sys.path if Path(p).name in ("site-packages", "dist-packages")]
    return "\n".join([*folders, str(Path(mcplugin.__file__).parents[1])])


def make_environment(base, packages):
    """Make a virtual environment of this Python; give the folder of its packages."""
    site = Path(sysconfig.get_path("purelib", "venv", {"base": str(base)}))
    site.mkdir(parents=True)
    (site / "packages.pth").write_text(packages, encoding="utf-8")
    (base / "pyvenv.cfg").write_text(f"home = {sys.base_prefix}/bin\n", encoding="utf-8")
    return site


@pytest.fixture(scope="module")
def environment(packages, tmp_path_factory):
    """A virtual environment with all that is needed."""
    base = tmp_path_factory.mktemp("environment")
    make_environment(base, packages)
    return base


def run(driver, *arguments, **variables):
    """Run the driver with nothing in its environment but what is given; a silent success."""
    command = [str(driver), *map(str, arguments)]
    variables = {name: str(value) for name, value in variables.items()}
    ran = subprocess.run(
        command, env=variables, capture_output=True, text=True, timeout=120, check=False
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    return dict(line.partition(" ")[::2] for line in ran.stdout.splitlines())


@pytest.fixture(scope="module")
def latents():
    """Latent radii and a temperature for each, over the whole range."""
    generator = np.random.default_rng(1)
    radius = np.sqrt(generator.chisquare(3, DRAWS))
    return radius, 10.0 ** generator.uniform(-4.0, 2.0, DRAWS)


@pytest.fixture(scope="module")
def seen(driver, library, environment, latents, tmp_path_factory):
    """What the driver saw in one process that does everything, and what it computed."""
    folder = tmp_path_factory.mktemp("driven")
    np.concatenate(latents).tofile(folder / "in")
    lines = run(driver, library, "cpu", folder / "in", folder / "out", VIRTUAL_ENV=environment)
    return lines, np.fromfile(folder / "out").reshape(3, DRAWS)


@pytest.fixture(scope="module")
def sampler():
    """The same network in this Python."""
    return mcplugin.get_sampler("gan-torch")


def test_the_numbers_are_those_of_the_sampler(seen, latents, sampler):
    """One temperature for all, one per draw, and in place: the same bits as from Python."""
    lines, (one, many, in_place) = seen
    radius, theta = latents
    assert {lines[f"{call}.status"] for call in ("one_theta", "many_theta", "in_place")} == {"0"}
    np.testing.assert_array_equal(one, sampler.transform(radius, theta[0]))
    np.testing.assert_array_equal(many, sampler.transform(radius, theta))
    np.testing.assert_array_equal(in_place, many)


def test_opening_in_two_threads_starts_one_python(seen, sampler):
    """Both get an engine of their own, and the range of the weights."""
    lines, _ = seen
    assert (lines["open.status"], lines["open_at_once.status"]) == ("0", "0")
    assert lines["engines_differ"] == "1"
    assert tuple(map(float, lines["theta_range"].split())) == sampler.theta_range


def test_threads_do_not_disturb_each_other(seen):
    """Eight threads map their own batches again and again: the bits of one thread alone."""
    lines, _ = seen
    assert (lines["threads.failures"], lines["threads.differences"]) == ("0", "0")


def test_single_draws_and_none(seen):
    """n = 1 gives the bits of a batch; n = 0 needs no arrays."""
    lines, _ = seen
    assert lines["nothing.status"] == "0"
    assert lines["radius_mapped_alone"] == "1"


def test_what_cannot_be_done_is_said(seen):
    """A device and an engine that do not exist; the output stays as it was."""
    lines, _ = seen
    assert lines["bad_device.status"] == str(SPEC)
    assert "'toaster' is not known to torch" in lines["bad_device.text"]
    assert lines["bad_engine.status"] == str(HANDLE)
    assert lines["bad_engine.text"] == "torch engine 99 was never opened, or was closed"
    assert lines["bad_engine.untouched"] == "1"


def test_on_a_gpu(driver, library, environment, latents, sampler, tmp_path):
    """Where there is one, its electrons are those of the CPU to 1e-12; elsewhere that is said."""
    import torch

    files = [tmp_path / "in", tmp_path / "out"]
    np.concatenate(latents).tofile(files[0])
    if not torch.cuda.is_available():
        lines = run(driver, library, "cuda", VIRTUAL_ENV=environment)
        assert lines["open.status"] == str(SPEC)
        assert lines["open.text"] == "device = 'cuda' is not here: use 'cpu', or 'cuda' with a GPU"
        pytest.skip("NOT COVERED: there is no GPU here, so torch:cuda from C was not tested")
    lines = run(driver, library, "cuda", *files, VIRTUAL_ENV=environment)
    one, many, in_place = np.fromfile(files[1]).reshape(3, DRAWS)
    assert {lines[f"{call}.status"] for call in ("one_theta", "many_theta", "in_place")} == {"0"}
    radius, theta = latents
    np.testing.assert_allclose(one, sampler.transform(radius, theta[0]), rtol=1e-12)
    np.testing.assert_allclose(many, sampler.transform(radius, theta), rtol=1e-12)
    np.testing.assert_array_equal(in_place, many)


def test_a_short_buffer_is_not_overrun(seen):
    """The text is cut to what fits, with its end."""
    lines, _ = seen
    assert (lines["tiny.length"], lines["tiny.beyond"]) == ("7", "#")


def test_closing_one_engine_leaves_the_other(seen):
    """Closing twice is allowed; a closed engine is refused by name."""
    lines, _ = seen
    assert lines["closed.status"] == str(HANDLE)
    assert "was closed" in lines["closed.text"]
    assert lines["still_open.status"] == "0"


def test_the_process_stays_the_hosts(seen):
    """Signals, locale, floating-point traps and the OpenMP team are as before; Ctrl-C arrives."""
    lines, _ = seen
    same = ("same_signals", "same_locale", "same_traps", "same_team")
    assert {name: lines[name] for name in same} == dict.fromkeys(same, "1")
    assert (lines["interrupts"], lines["after_interrupt.status"]) == ("1", "0")


def test_a_torch_that_does_not_load_is_reported(driver, library, environment, tmp_path):
    """PYTHONPATH comes before VIRTUAL_ENV, as in Python; every further try says the same."""
    (tmp_path / "torch.py").write_text("raise ImportError('libtorch is damaged')", "utf-8")
    lines = run(driver, library, "cpu", VIRTUAL_ENV=environment, PYTHONPATH=tmp_path)
    assert lines["open.status"] == lines["open_again.status"] == str(TORCH)
    assert lines["open.text"] == lines["open_again.text"]
    said = ("ImportError: libtorch is damaged", sys.version.split()[0], "set VIRTUAL_ENV or PYTHON")
    assert [part for part in said if part not in lines["open.text"]] == []


def test_packages_beside_the_library_are_found(driver, library, packages, tmp_path):
    """With no environment variable at all, those where the library is installed are taken."""
    site = make_environment(tmp_path / "environment", packages)
    (site / "torch.py").write_text("raise ImportError('the torch beside it')", "utf-8")
    installed = shutil.copytree(library.parent, site / "mcplugin" / "native" / "lib")
    lines = run(driver, installed / library.name, "cpu")
    assert lines["open.status"] == str(TORCH)
    assert lines["open.text"].endswith("ImportError: the torch beside it")


def test_a_wrong_pythonhome_does_not_end_the_process(driver, library, environment, tmp_path):
    """Python itself would print a page and exit."""
    lines = run(driver, library, "cpu", PYTHONHOME=tmp_path, VIRTUAL_ENV=environment)
    assert lines["open.status"] == lines["open_again.status"] == str(TORCH)
    assert f"PYTHONHOME is {tmp_path}" in lines["open.text"]


def test_the_host_may_be_python(library, latents, sampler):
    """In a running interpreter the library uses that one, and gives the same bits."""
    host = ctypes.CDLL(str(library))
    engine, bounds = ctypes.c_uint64(), (ctypes.c_double * 2)()
    text, size = ctypes.create_string_buffer(400), ctypes.c_size_t(400)
    lo = ctypes.addressof(bounds)
    status = host.mcp_torch_open(
        b"cpu", ctypes.byref(engine), ctypes.c_void_p(lo), ctypes.c_void_p(lo + 8), text, size
    )
    assert (status, text.value) == (OK, b"")
    assert tuple(bounds) == sampler.theta_range
    radius, theta = (array[:1000].copy() for array in latents)
    u = np.empty(1000)
    n = ctypes.c_size_t(u.size)
    pointers = [ctypes.c_void_p(array.ctypes.data) for array in (radius, theta, u)]
    status = host.mcp_torch_map(engine, n, *pointers[:2], n, pointers[2], text, size)
    host.mcp_torch_close(engine)
    assert (status, text.value) == (OK, b"")
    np.testing.assert_array_equal(u, sampler.transform(radius, theta))


def test_the_host_may_be_another_python(builder, driver, monkeypatch, tmp_path):
    """Its version and that of the library are named, and nothing is called across them."""
    monkeypatch.setattr(builder.sysconfig, "get_python_version", lambda: "3.99")
    library = builder.build(tmp_path)
    libpython = Path(sysconfig.get_config_var("LIBDIR"), sysconfig.get_config_var("INSTSONAME"))
    if libpython.suffix == ".a":
        pytest.skip("NOT COVERED: a host of another Python version; this Python is not shared")
    lines = run(driver, library, "cpu", LD_PRELOAD=libpython)
    assert lines["open.status"] == lines["open_again.status"] == str(TORCH)
    said = f"Python {sys.version.split()[0]} runs in this program, but libmcplugin_torch is built"
    assert lines["open.text"].startswith(f"{said} for 3.99: ")


def test_a_python_without_shared_library_is_reported(
    builder, driver, environment, monkeypatch, tmp_path
):
    """The message names what was looked for, and what to do."""
    setting = sysconfig.get_config_var
    monkeypatch.setattr(
        builder.sysconfig, "get_config_var", lambda n: "3.99" if n == "LDVERSION" else setting(n)
    )
    lines = run(driver, builder.build(tmp_path), "cpu", VIRTUAL_ENV=environment)
    assert lines["open.status"] == str(TORCH)
    assert lines["open.text"].startswith("libpython3.99.so.1.0, the shared library of Python 3.")
    assert "was not found: set VIRTUAL_ENV to the environment" in lines["open.text"]


def test_a_half_that_is_missing_is_reported(driver, library, environment, tmp_path):
    """The dynamic linker says which file it is."""
    alone = shutil.copy(library, tmp_path)
    lines = run(driver, alone, "cpu", VIRTUAL_ENV=environment)
    assert lines["open.status"] == str(TORCH)
    assert lines["open.text"].startswith("cannot load libmcplugin_torch_python.so: ")


def test_nothing_else_is_exported(library):
    """A host's own symbols cannot be taken for those of the library."""
    files = sorted(library.parent.iterdir())
    assert [file.name for file in files] == ["libmcplugin_torch.so", "libmcplugin_torch_python.so"]
    for file in files:
        command = ["nm", "-D", "--defined-only", "--format=posix", str(file)]
        listing = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        names = {line.split()[0] for line in listing.splitlines()}
        assert names == {"mcp_torch_open", "mcp_torch_map", "mcp_torch_close"}


def test_a_python_without_headers_is_refused(builder, monkeypatch, tmp_path):
    """The message names the missing file."""
    monkeypatch.setattr(builder.sysconfig, "get_path", lambda _: str(tmp_path))
    with pytest.raises(RuntimeError, match=r"Python\.h does not exist: install the package"):
        builder.build(tmp_path)


def test_a_failing_compiler_is_quoted(builder, library, monkeypatch, tmp_path):
    """The command and what the compiler said."""
    setting = sysconfig.get_config_var
    failing = f"{sys.executable} -c 'raise SystemExit(\"no disk\")'"
    monkeypatch.setattr(
        builder.sysconfig, "get_config_var", lambda name: failing if name == "CC" else setting(name)
    )
    with pytest.raises(
        RuntimeError, match=r"(?s)libmcplugin_torch_python\.so cannot be built: .*no disk"
    ):
        builder.build(tmp_path)
    assert list(tmp_path.iterdir()) == []
