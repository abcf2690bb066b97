"""The example programs in C and Fortran, compiled and linked as their first lines say.

They are what users start from: a program that draws electrons, and a whole Comptonisation code in
each language, whose spectra are tested against runs of the package. They share no line with it, and
when their scatterings are their ``own`` not even electrons.
"""

import math
import os
import shlex
import shutil
import subprocess
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from mcplugin import simulate
from mcplugin.electrons import maxwell_juttner
from mcplugin.fidelity.spectra import SpectraComparison, compare_counts

EXAMPLES = Path(__file__).resolve().parents[2] / "csrc" / "examples"
STRICT = ["-O2", "-Wall", "-Wextra", "-Wconversion", "-pedantic", "-Werror"]
LANGUAGES = ("c", "f90")

# The sources on which the programs are compared with the package: soft photons, which take many
# scatterings to show their electrons' temperature, and hard ones, which show Klein-Nishina.
SEEDS = {
    "soft": {"seed_spectrum": "blackbody", "seed_kev": 0.1},
    "hard": {"seed_spectrum": "monochromatic", "seed_kev": 200.0},
}
KT_KEV, TAU = 102.2, 1.0
GRID = {"energy_min_kev": 0.013, "energy_max_kev": 1300.0, "bins": 40}
PHOTONS, REFERENCE_PHOTONS = 300_000, 3_000_000
# Probability at most that a right program fails one of the comparisons.
FALSE_ALARM = 1e-5


@dataclass(frozen=True)
class Clients:
    """The compiled examples."""

    folder: Path
    environment: dict[str, str]

    def run(self, program: str, language: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run one of them."""
        return subprocess.run(
            [self.folder / f"{program}.{language}.run", *arguments],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )


def _compiler(name: str, what: str) -> str:
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed: {what} cannot be tested")
    return found


@pytest.fixture(scope="module")
def clients(installed, tmp_path_factory) -> Clients:
    """All examples, compiled without a warning against the installed package."""
    gcc = _compiler("gcc", "the C examples")
    gfortran = _compiler("gfortran", "the Fortran examples")
    folder = tmp_path_factory.mktemp("clients")
    lines = installed.config("--cflags", "--fortran", "--libs").splitlines()
    cflags, module, libs = (shlex.split(line) for line in lines)
    for program in ("draw_electrons", "comptonise"):
        for language, command in (
            ("c", [gcc, "-std=c11", "-fopenmp", *STRICT]),
            ("f90", [gfortran, "-std=f2018", *STRICT, *module]),
        ):
            source = shutil.copy(EXAMPLES / f"{program}.{language}", folder)
            end = ["-o", f"{program}.{language}.run", *cflags, *libs, "-lm"]
            done = subprocess.run(
                [*command, source, *end], cwd=folder, capture_output=True, text=True, check=False
            )
            assert (done.returncode, done.stderr) == (0, "")
    return Clients(folder, {**os.environ, **installed.environment})


@pytest.fixture(scope="module")
def torch_engine(installed) -> None:
    """Skip what needs the sampler ``torch:cpu`` where it cannot be."""
    if find_spec("torch") is None:
        pytest.skip("torch is not installed: torch:cpu cannot be tested")
    if not (installed.native / "lib" / "libmcplugin_torch.so").exists():
        reason = installed.native / "lib" / "torch_engine_missing.txt"
        why = reason.read_text(encoding="utf-8").strip() if reason.exists() else "not built"
        pytest.skip(f"libmcplugin_torch.so is not installed: {why}")


# ---- draw_electrons ------------------------------------------------------------------------------


def _moments(output: str) -> tuple[np.ndarray, np.ndarray]:
    """Means and their errors, as printed."""
    rows = [line.split("=")[1].split("+-") for line in output.splitlines()[1:]]
    mean, error = np.array(rows, dtype=float).T
    return mean, error


def _exact(theta: float, draws: float) -> tuple[np.ndarray, np.ndarray]:
    """⟨u⟩, ⟨u²⟩, ⟨γ - 1⟩ and the standard errors of their means over many draws."""
    u, kinetic = maxwell_juttner.moment_u, maxwell_juttner.moment_kinetic
    means = np.array([float(m) for m in (u(1, theta), u(2, theta), kinetic(1, theta))])
    squares = np.array([float(m) for m in (u(2, theta), u(4, theta), kinetic(2, theta))])
    return means, np.sqrt((squares - means**2) / draws)


@pytest.mark.parametrize("theta", [0.01, 0.2, 5.0])
@pytest.mark.parametrize("sampler", ["gan", "gan-exact", "rejection"])
def test_moments(clients, sampler, theta):
    """10⁷ draws within 4.5 standard errors of the exact moments, the same from both languages.

    False alarms: 7e-6 each. An electron gas that is hotter by 0.3 % fails.
    """
    draws = 1e7
    exact, exact_error = _exact(theta, draws)
    printed = {}
    for language in LANGUAGES:
        done = clients.run("draw_electrons", language, sampler, str(theta), "1e7")
        assert (done.returncode, done.stderr) == (0, "")
        assert "10000000 electrons" in done.stdout
        mean, error = printed[language] = _moments(done.stdout)
        assert (np.abs(mean - exact) < 4.5 * exact_error).all()
        np.testing.assert_allclose(error, exact_error, rtol=0.02)
        hotter, _ = _exact(1.003 * theta, draws)
        assert (np.abs(mean - hotter) > 4.5 * exact_error).any()
    # The same electrons, summed in another order.
    np.testing.assert_allclose(printed["c"][0], printed["f90"][0], rtol=2e-9)


@pytest.mark.parametrize("language", LANGUAGES)
def test_refusals_of_draw_electrons(clients, language):
    """One sentence from the library, and a status above zero."""
    for arguments, text in (
        (["gun"], 'no sampler is called "gun"'),
        (["gan", "500"], "500 is outside 0.0001 to 100"),
    ):
        done = clients.run("draw_electrons", language, *arguments)
        assert done.returncode > 0
        assert text in done.stderr.splitlines()[0]
        assert done.stdout == ""


def test_torch_electrons(clients, torch_engine):
    """The same programs with the network in an embedded Python; 10⁶ draws, 4.5 errors."""
    exact, exact_error = _exact(0.2, 1e6)
    printed = []
    for language in LANGUAGES:
        done = clients.run("draw_electrons", language, "torch:cpu", "0.2", "1e6")
        assert done.returncode == 0, done.stderr
        printed.append(_moments(done.stdout)[0])
        assert (np.abs(printed[-1] - exact) < 4.5 * exact_error).all()
    np.testing.assert_allclose(*printed, rtol=2e-9)


# ---- comptonise ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Outcome:
    """What a program has written: its spectrum, and gain with error from the terminal."""

    photons: int
    edges: np.ndarray
    counts: np.ndarray
    efe: np.ndarray
    efe_error: np.ndarray
    gain: float
    gain_error: float


def _comptonise(clients: Clients, language: str, sampler: str, **given: object) -> Outcome:
    """Run the code on the soft source of this file, with other values where given."""
    values = {"kt_kev": KT_KEV, "tau": TAU, "photons": PHOTONS, "seed": 11, **GRID}
    values |= SEEDS["soft"] | given
    output = clients.folder / "spectrum.txt"
    output.unlink(missing_ok=True)
    if language == "f90":
        lines = (f"{k} = {v!r}" for k, v in {**values, "output": output.name}.items())
        text = "&source\n" + "\n".join(lines) + "\n/\n"
        (clients.folder / "input.nml").write_text(text, encoding="utf-8")
        arguments = ["input.nml"]
    else:
        arguments = [f"{name}={value}" for name, value in values.items()]
    done = clients.run("comptonise", language, sampler, *arguments)
    assert (done.returncode, done.stderr) == (0, "")
    word, text = done.stdout.splitlines()[1].split(maxsplit=1)
    assert word == "amplification"
    gain, gain_error = (float(number) for number in text.split("+-"))
    with output.open(encoding="utf-8") as file:
        photons = int(file.readline().split()[-1])
        low, high, counts, efe, efe_error = np.loadtxt(file).T
    np.testing.assert_allclose(low[1:], high[:-1], rtol=1e-12)
    edges = np.append(low, high[-1])
    return Outcome(photons, edges, counts.astype(int), efe, efe_error, gain, gain_error)


@pytest.fixture(scope="module")
def reference():
    """The sources in runs of the package, with ten times the photons."""
    seeds = {
        "soft": {"spectrum": "blackbody", "kt_kev": SEEDS["soft"]["seed_kev"]},
        "hard": {"spectrum": "monochromatic", "energy_kev": SEEDS["hard"]["seed_kev"]},
    }
    plasma = {"geometry": "sphere", "kt_kev": KT_KEV, "tau": TAU}
    return {
        name: simulate(
            {"plasma": plasma, "seed": seed, "tally": GRID}, photons=REFERENCE_PHOTONS, seed=12
        )
        for name, seed in seeds.items()
    }


def _compared(outcome: Outcome, reference) -> SpectraComparison:
    spectrum = reference.spectrum
    edges = np.append(spectrum.energy_lo, spectrum.energy_hi[-1])
    np.testing.assert_allclose(outcome.edges, edges, rtol=1e-12)
    photons = (REFERENCE_PHOTONS, outcome.photons)
    return compare_counts(spectrum.counts, outcome.counts, photons, edges, false_alarm=FALSE_ALARM)


def _assert_same_source(outcome: Outcome, reference) -> None:
    """Counts by the test of spectra; E F_E and the gain within 4.5 of their errors."""
    comparison = _compared(outcome, reference)
    assert not comparison.differ, str(comparison)
    assert len(comparison.bands) > 5

    spectrum, summary = reference.spectrum, reference.summary
    enough = outcome.counts > 100
    error = np.hypot(outcome.efe_error, spectrum.efe_err)[enough]
    assert (np.abs(outcome.efe - spectrum.efe)[enough] < 4.5 * error).all()
    # The errors that the program states are right: those of the longer run, scaled.
    scaled = spectrum.efe_err * math.sqrt(REFERENCE_PHOTONS / outcome.photons)
    np.testing.assert_allclose(outcome.efe_error[enough], scaled[enough], rtol=0.3)
    error = math.hypot(outcome.gain_error, summary["amplification_error"])
    assert abs(outcome.gain - summary["amplification"]) < 4.5 * error
    assert error < 0.02 * outcome.gain


@pytest.mark.parametrize(
    "sampler", ["own", "gan", "gan-exact", "rejection", "gan-event", "exact-event"]
)
@pytest.mark.parametrize("source", SEEDS)
@pytest.mark.parametrize(
    ("language", "given"),
    [("f90", {}), ("f90", {"batch": 50}), ("c", {"threads": 1}), ("c", {"threads": 2})],
    ids=str,
)
def test_spectrum(clients, reference, language, given, source, sampler):
    """The spectrum of `mcplugin.simulate`, whatever sampler is named on the command line."""
    outcome = _comptonise(clients, language, sampler, **SEEDS[source], **given)
    assert outcome.photons == PHOTONS
    _assert_same_source(outcome, reference[source])


@pytest.mark.parametrize("sampler", ["own", "gan", "gan-event"])
@pytest.mark.parametrize("language", LANGUAGES)
def test_wrong_temperature_is_seen(clients, reference, language, sampler):
    """What the comparisons above are worth: electrons hotter by 5 % fail them."""
    hotter = _comptonise(clients, language, sampler, kt_kev=1.05 * KT_KEV)
    assert _compared(hotter, reference["soft"]).differ


def test_torch_spectrum(clients, reference, torch_engine):
    """The Fortran code with electrons from TorchScript; a big batch, since each call is dear."""
    outcome = _comptonise(clients, "f90", "torch:cpu", batch=65_536)
    _assert_same_source(outcome, reference["soft"])


@pytest.mark.parametrize("sampler", ["gan", "gan-event"])
def test_threads_share_the_work(clients, sampler):
    """A number of threads always gives the same counts; each thread has photons of its own."""
    one, two, again, other = (
        _comptonise(clients, "c", sampler, photons=20_001, threads=threads, seed=seed)
        for threads, seed in ((1, 5), (2, 5), (2, 5), (2, 6))
    )
    np.testing.assert_array_equal(two.counts, again.counts)
    np.testing.assert_array_equal(two.efe, again.efe)
    assert (one.counts != two.counts).any()
    assert (other.counts != two.counts).any()
    # The second thread does not repeat the first one's photons: no bin's counts are all even.
    assert (two.counts % 2 == 1).any()


@pytest.mark.parametrize(
    ("language", "arguments", "text"),
    [
        ("c", ["gun"], 'no sampler is called "gun"'),
        ("c", ["gan", "kt_kevin=3"], "kt_kevin=3: there is no such option"),
        ("c", ["gan", "tau=thick"], "tau=thick: not a number"),
        ("c", ["gan", "photons=0"], "photons=0: not a number, or out of range"),
        ("c", ["gan", "photons=10", "kt_kev=1e5"], "is outside 0.0001 to 100"),
        ("c", ["gan-event", "photons=10", "kt_kev=6e3"], "is outside 0.001 to 10"),
        ("c", ["gan", "energy_max_kev=0.001"], "energy_max_kev"),
        ("c", ["own", "photons=10", "output=/nowhere/s.txt"], "/nowhere/s.txt: cannot be written"),
        ("f90", ["gun"], 'no sampler is called "gun"'),
        ("f90", ["gan", "nowhere.nml"], "nowhere.nml"),
        ("f90", ["gan", "misspelt.nml"], "misspelt.nml"),
        ("f90", ["gan", "negative.nml"], "must be positive"),
        ("f90", ["gan", "hot.nml"], "is outside 0.0001 to 100"),
        ("f90", ["gan-event", "hot.nml"], "is outside 0.001 to 10"),
    ],
)
def test_refusals_of_comptonise(clients, language, arguments, text):
    """What is wrong, on the first line of standard error, and a status above zero."""
    for name, line in {
        "misspelt": "kt_kevin = 3",
        "negative": "tau = -1",
        "hot": "kt_kev = 1e5, photons = 10",
    }.items():
        (clients.folder / f"{name}.nml").write_text(f"&source\n{line}\n/\n", encoding="utf-8")
    done = clients.run("comptonise", language, *arguments)
    assert done.returncode > 0
    assert text in done.stderr.splitlines()[0]


def test_sample_input(clients):
    """The namelist beside the Fortran example is one that it reads."""
    text = (EXAMPLES / "comptonise.nml").read_text(encoding="utf-8")
    assert "photons = 1000000" in text
    text = text.replace("photons = 1000000", "photons = 1000")
    (clients.folder / "sample.nml").write_text(text, encoding="utf-8")
    done = clients.run("comptonise", "f90", "gan", "sample.nml")
    assert (done.returncode, done.stderr) == (0, "")
    assert "mean scatterings" in done.stdout
    counts = np.loadtxt(clients.folder / "spectrum.txt")[:, 2]
    assert counts.size == 60
    assert 900 < counts.sum() <= 1000
