"""One table of bad inputs: what is called with what, how it is refused, what the message names.

Over the command line, Python and C. What each configuration key refuses is in
``tests/transport/test_configuration.py``, what every sampler refuses in
``tests/samplers/test_bad_input.py``, and every pointer of every C function in
``tests/native/test_calls.py``.
"""

import re
import shutil

import numpy as np
import pytest
from astropy import units
from click.testing import CliRunner

import mcplugin
from mcplugin import fidelity, scattering, testing
from mcplugin.cli import main
from mcplugin.electrons import maxwell_juttner
from mcplugin.errors import (
    ConfigurationError,
    InputError,
    OutputError,
    SamplerError,
    ThetaRangeError,
    UnknownSamplerError,
    WeightsError,
)
from mcplugin.fidelity.spectra import compare_counts, compare_spectra
from mcplugin.learning.c_form import c_form
from mcplugin.learning.radial_map import thermal_map
from mcplugin.learning.targets import MaxwellJuttnerTarget, SampleTarget
from mcplugin.learning.training import TrainingConfiguration
from mcplugin.learning.weights import default_weights, load_weights
from mcplugin.native import binding
from mcplugin.samplers.rejection import RejectionSampler
from mcplugin.transport.photon_list import PhotonList
from mcplugin.transport.sources import Tabulated

NAN, INF = float("nan"), float("inf")

CORONA = """\
[plasma]
geometry = "slab"
kt_kev = 150.0
tau = 0.5

[seed]
spectrum = "disk-blackbody"
kt_in_kev = 0.2

[run]
photons = 3000
"""
TRAINING = """\
[target]
kind = "analytic"
[[stage]]
objective = "energy"
steps = 1
"""


def changed(old, new, text=CORONA):
    """A configuration with one thing changed."""
    assert old in text
    return text.replace(old, new)


FILES = {
    "corona.toml": CORONA,
    "empty.toml": "",
    "broken.toml": "[plasma",
    "negative.toml": changed("tau = 0.5", "tau = -0.5"),
    "misspelt.toml": changed("tau", "taau"),
    "slap.toml": changed("slab", "slap"),
    "none.toml": changed("photons = 3000", "photons = 0"),
    "tabel.toml": CORONA + 'sampler = "tabel"\n',
    "sobl.toml": CORONA + 'sampler_options = {method = "sobl"}\n',
    "speed.toml": CORONA + 'sampler_options = {speed = "high"}\n',
    "cold.toml": changed("150.0", "5.0") + 'sampler_options = {method = "sobol"}\n',
    "table.toml": changed('"disk-blackbody"\nkt_in_kev = 0.2', '"table"\nfile = "none.csv"'),
    "training.toml": TRAINING,
    "steps.toml": changed("steps = 1", "steps = -1", TRAINING),
    "hope.toml": changed("energy", "energi", TRAINING),
    "samples.toml": changed('"analytic"', '"samples"\nfile = "none.csv"', TRAINING),
    "results": "a file where a folder should be",
}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A working folder with all files of the table."""
    monkeypatch.chdir(tmp_path)
    for name, text in FILES.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    (tmp_path / "latin.toml").write_bytes(b"# sph\xe8re\n")
    (tmp_path / "old").mkdir()
    for suffix in (".safetensors", ".json"):
        shutil.copy(default_weights().with_suffix(suffix), tmp_path / f"bad{suffix}")
    content = bytearray((tmp_path / "bad.safetensors").read_bytes())
    content[-3] ^= 1
    (tmp_path / "bad.safetensors").write_bytes(content)
    return tmp_path


# ---- The command line: arguments, and what the one line on standard error names ----

COMMAND_LINES = [
    # Numbers.
    ("run corona.toml --photons 0", ["--photons = 0 is outside 1 <= --photons <= 10000"]),
    ("run corona.toml --photons -1", ["--photons = -1 is outside 1 <= "]),
    ("run corona.toml --photons 1.5", ["--photons = 1.5 is not a whole number"]),
    ("run corona.toml --photons many", ["--photons = 'many' is not a whole number"]),
    ("run corona.toml --photons=", ["--photons = '' is not a whole number"]),
    ("run corona.toml --photons nan", ["--photons = nan is not a whole number"]),
    ("run corona.toml --photons inf", ["--photons = inf is not a whole number"]),
    ("run corona.toml --photons 1e400", ["--photons = inf is not a whole number"]),
    (f"run corona.toml --photons {2**60}", [f"--photons = {2**60}", "<= 1000000000000000"]),
    ("run corona.toml --photons True", ["--photons = 'True' is not a whole number"]),
    ("run corona.toml --seed -1", ["--seed = -1 is outside 0 <= --seed"]),
    (f"run corona.toml --seed {2**64}", [f"--seed = {2**64}", f"<= {2**64 - 1}"]),
    ("run corona.toml --seed 0.5", ["--seed = 0.5 is not a whole number"]),
    ("run corona.toml --seed lucky", ["--seed = 'lucky' is not a whole number"]),
    ("run corona.toml --threads 0", ["--threads = 0 is outside 1 <= "]),
    ("run corona.toml --threads -2", ["--threads = -2 is outside 1 <= "]),
    ("run corona.toml --threads 1.5", ["--threads = 1.5 is not a whole number"]),
    ("run corona.toml --threads all", ["--threads = 'all' is not a whole number"]),
    ("run corona.toml --threads 5000", ["--threads = 5000", "<= 4096"]),
    # Samplers.
    ("run corona.toml --sampler rejecton", ["'rejecton': did you mean 'rejection'?"]),
    ("run corona.toml --sampler tabel", ["'tabel': did you mean 'table'?"]),
    ("run corona.toml --sampler=", ["no sampler is called ''", "rejection-native, table"]),
    ("run corona.toml --sampler xyz", ["no sampler is called 'xyz'", "rejection-native, table"]),
    # Usage.
    ("", ["Usage"]),
    ("run", ["Missing argument 'CONFIG'"]),
    ("run corona.toml again.toml", ["again.toml"]),
    ("run corona.toml --photon 5", ["--photon", "--photons"]),
    ("run corona.toml --fast", ["--fast"]),
    ("run corona.toml --photons", ["--photons", "requires an argument"]),
    ("run corona.toml --quiet=yes", ["--quiet", "does not take a value"]),
    ("rum corona.toml", ["No such command 'rum'"]),
    ("samplers --jsn", ["--jsn", "--json"]),
    # Configurations.
    ("run missing.toml", ["cannot read missing.toml: No such file"]),
    ("run .", ["cannot read .: Is a directory"]),
    (f"run {'x' * 300}", ["cannot read xxx", "File name too long"]),
    ("run empty.toml", ["empty.toml: plasma is missing"]),
    ("run broken.toml", ["broken.toml is not valid TOML", "(at end of document)"]),
    ("run latin.toml", ["latin.toml:1 is not valid TOML", "UTF-8"]),
    ("run negative.toml", ["negative.toml:4: plasma.tau = -0.5 is outside 1e-09 <= tau <= 1000"]),
    ("run misspelt.toml", ["misspelt.toml:4: unknown key 'plasma.taau': did you mean 'tau'?"]),
    ("run slap.toml", ["slap.toml:2: plasma.geometry = 'slap': did you mean 'slab'?"]),
    ("run none.toml", ["none.toml:11: run.photons = 0 is outside 1 <= photons"]),
    ("run tabel.toml", ["'tabel': did you mean 'table'?"]),
    ("run sobl.toml", ["method = 'sobl' is not one of zenitani-nakano, canfield, sobol"]),
    ("run speed.toml", ["'rejection' cannot take {'speed': 'high'}"]),
    ("run cold.toml", ["theta = 0.00978476 is outside 0.099", "use method='zenitani-nakano'"]),
    ("run table.toml", ["seed.file: there is no file", "none.csv"]),
    # Folders.
    ("run corona.toml --out old", ["old exists", "add --overwrite"]),
    # Other commands.
    ("compare missing.toml", ["cannot read missing.toml"]),
    ("compare negative.toml", ["negative.toml:4: plasma.tau = -0.5"]),
    ("compare corona.toml --samplers rejection", ["must be at least two"]),
    ("compare corona.toml --samplers=", ["must be at least two"]),
    ("compare corona.toml --samplers rejection,", ["no sampler is called ''"]),
    ("compare corona.toml --samplers rejection,tabel", ["did you mean 'table'?"]),
    ("compare corona.toml --reference table", ["'table' is not one of rejection, gan"]),
    ("compare corona.toml --rounds 0", ["--rounds = 0 is outside 1 <= --rounds <= 1000"]),
    ("compare corona.toml --rounds 1.5", ["--rounds = 1.5 is not a whole number"]),
    ("compare corona.toml --photons many", ["--photons = 'many' is not a whole number"]),
    ("compare corona.toml --photons 0", ["--photons = 0 is outside"]),
    ("compare corona.toml --photons 4", ["photons = 4 are too few for 5 rounds: lower rounds"]),
    ("compare corona.toml --photons 40", ["too few photons", "follow more"]),
    ("compare corona.toml --seed -1", ["--seed = -1 is outside"]),
    ("compare corona.toml --threads 0", ["--threads = 0 is outside"]),
    ("validate", ["Missing argument 'SAMPLER'"]),
    ("validate rejektion", ["'rejektion': did you mean 'rejection'?"]),
    ("validate rejection --option method", ["--option 'method' is not of the form key=value"]),
    ("validate rejection --option method=magic", ["method = 'magic' is not one of"]),
    ("validate table --option size=3", ["sampler 'table' cannot take {'size': 3}"]),
    ("validate table --pooled many", ["--pooled = 'many' is not a whole number"]),
    ("validate table --pooled 1e3", ["--pooled = 1000 is outside 10000 <= --pooled"]),
    ("validate table --draws 1e9", ["--draws = 1000000000 is outside 100 <= --draws <= 1000000"]),
    ("validate table --thetas 0", ["--thetas = 0 is outside 2 <= --thetas <= 1000"]),
    ("validate table --seeds 0", ["--seeds = 0 is outside 1 <= --seeds <= 10000"]),
    ("validate table --seed -1", ["--seed = -1 is outside"]),
    ("train missing.toml", ["cannot read missing.toml"]),
    ("train steps.toml", ["steps.toml:5: stage[0].steps = -1 is outside 0 <= steps"]),
    ("train hope.toml", ["hope.toml:4: stage[0].objective = 'energi': did you mean 'energy'?"]),
    ("train samples.toml", ["none.csv", "No such file"]),
    ("train training.toml --device tpu", ["--device = 'tpu' is not one of auto, cpu, cuda"]),
    ("train training.toml --every 0", ["--every = 0 is outside 1 <= --every"]),
    ("train training.toml --seed 1e10", ["--seed = 10000000000 is outside", f"<= {2**32 - 1}"]),
    ("train training.toml --out old", ["old exists: add --resume or --overwrite"]),
    ("train training.toml --resume", ["cannot resume from training/checkpoint"]),
    ("export missing.safetensors", ["cannot read the weights missing.safetensors"]),
    ("export bad.safetensors", ["bad.safetensors is not the file that bad.json describes"]),
    ("export --format pickle", ["'pickle' is not one of", "torchscript", "c"]),
    ("export --out results", ["results exists: choose another --out or add --overwrite"]),
    ("export --format c --out /dev/null/x.mcp", ["cannot write /dev/null/x.mcp"]),
    ("export --out /dev/null/x.pt", ["cannot write /dev/null/x.pt"]),
    ("config --static --cflags", ["--static says how to link: use it with --libs"]),
    ("config --static", ["--static says how to link: use it with --libs"]),
    ("config --cxxflags", ["--cxxflags"]),
]


@pytest.mark.parametrize(
    ("line", "named"),
    [pytest.param(line, named, id=line[:60] or "nothing") for line, named in COMMAND_LINES],
)
def test_a_bad_command_line(folder, line, named):
    """Exit status 2, nothing on standard output, one line that says what is wrong; no trace."""
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    done = CliRunner().invoke(main, line.split(" ") if line else [])
    assert done.exit_code == 2, (done.output, done.exception)
    assert done.stdout == ""
    # Wrong usage is told with a hint at the help, and by the help itself if nothing was asked for.
    usage = r"(Usage: [^\n]+\n(Try [^\n]+\n\n)?)?"
    assert line == "" or re.fullmatch(usage + r"Error: [^\n]+\n", done.stderr), done.stderr
    for part in named:
        assert part in done.stderr
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


# ---- Python: what is called, the type of the error, and what its one line names ----

CONFIG = {
    "plasma": {"geometry": "sphere", "theta": 0.2, "tau": 0.1},
    "seed": {"spectrum": "blackbody", "kt_kev": 0.1},
    "tally": {"bins": 20},
}
electrons = mcplugin.sample_four_velocity
streams = mcplugin.random_streams


def simulate(**given):
    """A small run."""
    return mcplugin.simulate(CONFIG, **({"photons": 50, "threads": 1} | given))


def counts(**given):
    """Two histograms that can be compared."""
    good = {"first": [500, 600], "second": [500, 590], "photons": (2000, 2000)}
    return compare_counts(**(good | {"edges": [1.0, 2.0, 3.0]} | given))


def validated(**given):
    """A validation, as small as can be."""
    small = {"draws": 100, "pooled": 10**4, "thetas": 2, "seeds": 1}
    return fidelity.validate("rejection", **(small | given))


class Scarce:
    """Gives fewer electrons than it was asked for."""

    @staticmethod
    def sample(_theta, _streams):
        """One."""
        return np.ones(1)


CALLS = [
    # Runs.
    (lambda: simulate(photons=0), ConfigurationError, ["run.photons = 0 is outside 1 <= photons"]),
    (lambda: simulate(photons=1.5), ConfigurationError, ["run.photons = 1.5", "integer"]),
    (lambda: simulate(photons=True), ConfigurationError, ["run.photons = True", "integer"]),
    (lambda: simulate(photons="many"), ConfigurationError, ["run.photons = 'many'", "integer"]),
    (lambda: simulate(photons=2**60), ConfigurationError, [f"photons = {2**60}", "<= 10000000"]),
    (lambda: simulate(seed=-1), ConfigurationError, ["run.seed = -1 is outside 0 <= seed"]),
    (lambda: simulate(seed=2**64), ConfigurationError, [f"run.seed = {2**64}", f"{2**64 - 1}"]),
    (lambda: simulate(seed=True), ConfigurationError, ["run.seed = True", "integer"]),
    (lambda: simulate(threads=0), InputError, ["threads = 0 is outside 1 <= threads <= 4096"]),
    (lambda: simulate(threads=-1), InputError, ["threads = -1 is outside 1 <= threads"]),
    (lambda: simulate(threads=1.5), InputError, ["threads = 1.5 is not a whole number"]),
    (lambda: simulate(threads=True), InputError, ["threads = True is not a whole number"]),
    (lambda: simulate(threads="all"), InputError, ["threads = 'all' is not a whole number"]),
    (lambda: simulate(threads=5000), InputError, ["threads = 5000 is outside"]),
    (lambda: simulate(sampler="tabel"), UnknownSamplerError, ["'tabel'", "did you mean 'table'"]),
    (lambda: simulate(sampler=3), ConfigurationError, ["run.sampler = 3"]),
    (lambda: simulate(photon_list="no/such/folder.h5"), OutputError, ["no/such/folder.h5"]),
    (lambda: simulate(photon_list=7), InputError, ["photon_list = 7 is no path"]),
    (lambda: mcplugin.simulate("no.toml"), ConfigurationError, ["cannot read no.toml"]),
    (lambda: mcplugin.simulate(3), ConfigurationError, ["cannot read 3"]),
    (lambda: mcplugin.simulate({}), ConfigurationError, ["configuration: plasma is missing"]),
    (lambda: PhotonList("results/photons.h5"), OutputError, ["results/photons.h5"]),
    (lambda: mcplugin.Spectrum.read("corona.toml"), InputError, ["corona.toml is no spectrum"]),
    (lambda: mcplugin.Spectrum.read("none.fits"), InputError, ["none.fits", "No such file"]),
    (lambda: mcplugin.Spectrum.read("\0"), InputError, ["path = '\\x00' names no file"]),
    (lambda: simulate().spectrum.write("old"), OutputError, ["old exists: choose another name"]),
    (
        lambda: simulate().spectrum.write("no/such/folder.fits"),
        OutputError,
        ["cannot write no/such/folder.fits"],
    ),
    (lambda: simulate().write("results"), OutputError, ["cannot write results to results"]),
    (lambda: Tabulated.read("none.csv"), ConfigurationError, ["there is no file none.csv"]),
    (
        lambda: Tabulated.read("corona.toml"),
        ConfigurationError,
        ["must end in .ecsv, .fits or .cs"],
    ),
    (lambda: Tabulated(np.ones(1), np.ones(1)), InputError, ["at least two points"]),
    (lambda: Tabulated(np.array([2.0, 1.0]), np.ones(2)), InputError, ["strictly increasing"]),
    (lambda: Tabulated(np.array([1.0, 2.0]), np.zeros(2)), InputError, ["not all zero"]),
    # Samplers and their random numbers.
    (lambda: electrons(-1.0, 5), ThetaRangeError, ["theta = -1 is outside 0.0001 <= theta <= 100"]),
    (lambda: electrons(511.0, 5), ThetaRangeError, ["divide a temperature in keV by 510.99895"]),
    (lambda: electrons(NAN, 5), InputError, ["theta = nan is not finite"]),
    (lambda: electrons("hot", 5), InputError, ["theta must be real numbers"]),
    (lambda: electrons(None, 5), InputError, ["theta must be real numbers"]),
    (lambda: electrons(np.ones(4), 5), InputError, ["theta", "shape (5,)", "(4,)"]),
    (lambda: electrons([[1], [1, 2]], 5), InputError, ["theta must be real numbers"]),
    (lambda: electrons(5.0 * units.s, 5), InputError, ["5.0 s cannot be converted to keV"]),
    (lambda: electrons(1.0, -1), InputError, ["size = -1 is outside 0 <= size"]),
    (lambda: electrons(1.0, 1.5), InputError, ["size = 1.5 is not a whole number"]),
    (lambda: electrons(1.0, "5"), InputError, ["size = '5' is not a whole number"]),
    (lambda: electrons(1.0, None), InputError, ["size = None is not a whole number"]),
    (lambda: electrons(1.0, True), InputError, ["size = True is not a whole number"]),
    (lambda: electrons(1.0, [3]), InputError, ["size = [3] is not a whole number"]),
    (lambda: electrons(1.0, np.ones(1)), InputError, ["size = array([1.]) is not a whole number"]),
    (lambda: electrons(1.0, NAN), InputError, ["size = nan is not a whole number"]),
    (lambda: electrons(1.0, INF), InputError, ["size = inf is not a whole number"]),
    (lambda: electrons(1.0, 2**41), InputError, [f"size = {2**41} is outside"]),
    (lambda: electrons(1.0, 5, seed=-1), InputError, ["seed = -1 is outside 0 <= seed"]),
    (lambda: electrons(1.0, 5, seed=0.5), InputError, ["seed = 0.5 is not a whole number"]),
    (lambda: electrons(1.0, 5, seed="1"), InputError, ["seed = '1' is not a whole number"]),
    (lambda: electrons(1.0, 5, seed=None), InputError, ["seed = None is not a whole number"]),
    (lambda: electrons(1.0, 5, seed=True), InputError, ["seed = True is not a whole number"]),
    (lambda: electrons(1.0, 5, seed=np.True_), InputError, ["seed = np.True_ is not a whole"]),
    (lambda: electrons(1.0, 5, seed=2**64), InputError, [f"seed = {2**64} is outside"]),
    (lambda: electrons(1.0, 5, seed=1j), InputError, ["seed = 1j is not a whole number"]),
    (lambda: electrons(1.0, 5, "rejecton"), UnknownSamplerError, ["did you mean 'rejection'?"]),
    (lambda: electrons(1.0, 5, method="sobl"), InputError, ["method = 'sobl' is not one of"]),
    (lambda: electrons(1.0, 5, speed=1), InputError, ["'rejection' cannot take {'speed': 1}"]),
    (
        lambda: electrons(1.0, 5, RejectionSampler(), method="sobol"),
        InputError,
        ["options ['method'] come too late for a constructed sampler"],
    ),
    (lambda: mcplugin.get_sampler(None), UnknownSamplerError, ["no sampler is called None"]),
    (lambda: mcplugin.get_sampler("gan", device=7), InputError, ["device must be a str, not int"]),
    (
        lambda: mcplugin.get_sampler("gan", device="tpu"),
        InputError,
        ["device = 'tpu'", "use 'cpu'"],
    ),
    (lambda: mcplugin.get_sampler("gan", weights="x"), WeightsError, ["cannot read the weights x"]),
    (lambda: mcplugin.get_sampler("gan", weights=""), InputError, ["weights = '' names no file"]),
    (
        lambda: mcplugin.get_sampler("gan").transform([-1.0], 0.3),
        InputError,
        ["radius = -1 is outside 0 <= radius <= 1e+06"],
    ),
    (lambda: streams(1, 3, 2**62), InputError, [f"first = {2**62} is outside 0 <= first"]),
    (
        lambda: RejectionSampler().sample(1.0, np.zeros((3, 2), dtype=np.uint64)),
        InputError,
        ["streams must be seeded", "mcplugin.random_streams(seed, count)"],
    ),
    (lambda: streams(1, -3), InputError, ["count = -3 is outside 0 <= count"]),
    # Physics.
    (lambda: maxwell_juttner.cdf([1, 2], [1, 1, 1]), InputError, ["go together", "(2,)", "(3,)"]),
    (lambda: maxwell_juttner.quantile(1.1, 1.0), InputError, ["probability = 1.1", "<= 1"]),
    (lambda: maxwell_juttner.quantile(1e-310, 1.0), InputError, ["1e-310", "at least 1e-300"]),
    (lambda: maxwell_juttner.moment_u(-3.0, 1.0), InputError, ["order = -3 is outside"]),
    (lambda: maxwell_juttner.moment_u([1], 1.0), InputError, ["order must be one number"]),
    (lambda: scattering.cross_section(-0.1), InputError, ["x = -0.1 is outside 0 <= x <= 1e+90"]),
    (lambda: scattering.cross_section(1e91), InputError, ["x = 1e+91 is outside"]),
    (lambda: scattering.cross_section(1 * units.keV), InputError, ["x = 1.0 keV carries a unit"]),
    (lambda: scattering.hot_cross_section(1, [1]), InputError, ["theta must be one number"]),
    (lambda: scattering.energy_ratio_pdf(0.5, 0.0), InputError, ["x = 0 is outside"]),
    (lambda: scattering.sample_deflection(0.1, [1]), InputError, ["mcplugin.random_streams(seed"]),
    (
        lambda: scattering.scatter(1e5, 1.0, RejectionSampler(), streams(1, 3)),
        InputError,
        ["x = 100000 is outside", "<= 10000"],
    ),
    (
        lambda: scattering.scatter(0.1, 1.0, "rejection", streams(1, 3)),
        InputError,
        ["electrons = 'rejection' cannot be drawn from", "mcplugin.get_sampler('rejection')"],
    ),
    (
        lambda: scattering.scatter(0.1, 1.0, Scarce, streams(1, 3)),
        SamplerError,
        ["3 electrons were asked for, (1,) came"],
    ),
    # Comparisons.
    (lambda: fidelity.ks_test([], 1.0), InputError, ["n > 0"]),
    (lambda: fidelity.exact_cdf(1e-5), ThetaRangeError, ["theta = 1e-05 is outside"]),
    (lambda: fidelity.exact_cdf(1.0)([-1.0]), InputError, ["u = -1 is outside"]),
    (lambda: fidelity.measure_map("gan", 1.0), InputError, ["'gan' has no radial map"]),
    (lambda: validated(draws=99), InputError, ["draws = 99 is outside 100 <= draws <= 1000000"]),
    (lambda: validated(pooled=10), InputError, ["pooled = 10 is outside 10000 <= pooled"]),
    (lambda: validated(thetas=1), InputError, ["thetas = 1 is outside 2 <= thetas <= 1000"]),
    (lambda: fidelity.compare(CONFIG, "gan"), InputError, ["'gan' must be at least two"]),
    (lambda: fidelity.compare(CONFIG, ["gan", 7]), InputError, ["7 is neither a tag nor a sam"]),
    (
        lambda: fidelity.compare(CONFIG, reference="table"),
        InputError,
        ["reference = 'table' is not one of rejection, gan"],
    ),
    (
        lambda: fidelity.compare(CONFIG, false_alarm=1.0),
        InputError,
        ["false_alarm = 1.0 is outside 0 < false_alarm < 1"],
    ),
    (lambda: counts(first=[500, -1]), InputError, ["first = -1 is outside 0 <= first"]),
    (lambda: counts(first=[500, 0.5]), InputError, ["first must hold counts"]),
    (lambda: counts(second=[500]), InputError, ["second must have shape (2,), not (1,)"]),
    (lambda: counts(photons=2000), InputError, ["photons = 2000 must be two numbers"]),
    (lambda: counts(photons=(100, 2000)), InputError, ["1100 photons are counted of 100"]),
    (lambda: counts(edges=[1, 1, 2]), InputError, ["edges must be at least two positive, incr"]),
    (lambda: counts(confidence=0), InputError, ["confidence = 0.0 is outside 0 < confidence < 1"]),
    (lambda: counts(least_counts=10**6), InputError, ["no band has 1000000 of each run"]),
    (lambda: compare_spectra(1, 2), InputError, ["first must be a Spectrum or a Result, not int"]),
    (
        lambda: testing.compare_with_baseline("x.fits", "y.fits"),
        InputError,
        ["baseline must be a Spectrum, not str"],
    ),
    (lambda: testing.read_baseline("none.fits"), InputError, ["the baseline none.fits is damaged"]),
    (
        lambda: testing.Histogram([1, 2, 3], [4, 5], 0).to_spectrum(),
        InputError,
        ["photons = 0 is outside 1 <= photons"],
    ),
    # Learning.
    (lambda: load_weights("none.safetensors"), WeightsError, ["cannot read the weights none.safe"]),
    (lambda: load_weights("bad.safetensors"), WeightsError, ["is not the file that bad.json"]),
    (lambda: thermal_map({}), InputError, ["weights must be a Weights, not dict"]),
    (lambda: MaxwellJuttnerTarget(1.0, 1.0), InputError, ["theta_min = 1.0", "theta_max = 1.0"]),
    (lambda: SampleTarget.read("none.csv"), InputError, ["cannot read samples from none.csv"]),
    (lambda: TrainingConfiguration.load({}), ConfigurationError, ["target is missing"]),
]


@pytest.mark.parametrize(
    ("call", "error", "named"),
    [pytest.param(*case, id=f"{case[1].__name__}: {case[2][0]}"[:70]) for case in CALLS],
)
@pytest.mark.usefixtures("folder")
def test_a_bad_call(call, error, named):
    """The type of the error, and one line that names value, range or remedy."""
    with pytest.raises(error) as caught:
        call()
    assert type(caught.value) is error
    message = str(caught.value)
    assert len(message.splitlines()) == 1
    for part in named:
        assert part in message


# ---- C: function, spoiled arguments, status, and what mcp_error_text names ----

N = 8
MARK = -7.0
GOOD = {
    "sampler": "gan",
    "n": N,
    "n_theta": N,
    "theta": [0.2] * N,
    "theta_value": 0.2,
    "z3": [0.5] * (3 * N),
    "radius": [1.5] * N,
    "seed": 1,
    "stream": 0,
    "size": 876,
    "tail_radius": 6.5,
}
SIGNATURES = {
    "mcp_sampler_create": ("spec", "out"),
    "mcp_sampler_create_from_bytes": ("spec", "bytes", "size", "tail_radius", "out"),
    "mcp_sampler_theta_range": ("sampler", "lo", "hi"),
    "mcp_sampler_acceptance": ("sampler", "theta_value", "lo"),
    "mcp_rng_seed": ("rng", "seed", "stream"),
    "mcp_sample_four_velocity": ("sampler", "rng", "n", "theta", "n_theta", "u"),
    "mcp_sample_four_velocity_vector": ("sampler", "rng", "n", "theta", "n_theta", "u3"),
    "mcp_sample_streams": ("sampler", "streams", "n", "theta", "n_theta", "u"),
    "mcp_transform": ("sampler", "n", "theta", "n_theta", "z3", "u3"),
    "mcp_transform_radius": ("sampler", "n", "theta", "n_theta", "radius", "u"),
}
NULL = None
DRAW, VECTOR, STREAMS = (
    "mcp_sample_four_velocity",
    "mcp_sample_four_velocity_vector",
    "mcp_sample_streams",
)
TRANSFORM, RADIUS = "mcp_transform", "mcp_transform_radius"
CREATE, FROM_BYTES = "mcp_sampler_create", "mcp_sampler_create_from_bytes"


def with_one(value, size=N):
    """A list of which the last but one is bad."""
    return [0.2] * (size - 2) + [value, 0.2]


NO_SAMPLERS = [
    *("", " ", "gann", "ga", "GAN", "Gan", " gan", "gan ", "gan\n", "gan:", "gan-exact:", "torch:"),
    *("gan-exac", "gan-exactly", "gan-exact ", "rejection:x", "rejection:", "rejections", "table"),
    *(":", ":gan", "gan;x", "%s%n%x", "x" * 100_000, "gan" * 1000, "\u0398" * 300),
]
C_CALLS = [
    *(
        (function, {"spec": spec}, "SPEC", ["no sampler is called", spec[:20], "rejection"])
        for function in (CREATE, FROM_BYTES)
        for spec in NO_SAMPLERS
    ),
    (CREATE, {"spec": NULL}, "ARGUMENT", ["spec is NULL"]),
    (CREATE, {"spec": "gan", "out": NULL}, "ARGUMENT", ["out is NULL"]),
    (CREATE, {"spec": "gan:/no/such/file"}, "FILE", ["cannot open", "/no/such/file"]),
    (CREATE, {"spec": "gan-exact:/no/\u0398\n"}, "FILE", ["cannot open", "/no/\u0398\n"]),
    (CREATE, {"spec": "gan:."}, "FILE", ["cannot read", "."]),
    (CREATE, {"spec": "gan:corona.toml"}, "WEIGHTS", ["corona.toml"]),
    (FROM_BYTES, {"spec": NULL}, "ARGUMENT", ["spec is NULL"]),
    (FROM_BYTES, {"spec": "gan", "out": NULL}, "ARGUMENT", ["out is NULL"]),
    (FROM_BYTES, {"spec": "gan", "bytes": NULL}, "ARGUMENT", ["bytes is NULL"]),
    (FROM_BYTES, {"spec": "gan", "size": 0}, "WEIGHTS", ["the generator in memory"]),
    (FROM_BYTES, {"spec": "gan", "size": 875}, "WEIGHTS", ["cut or extended"]),
    *(
        (
            FROM_BYTES,
            {"spec": "gan-exact", "tail_radius": value},
            "ARGUMENT",
            [f"tail_radius = {value:g} is not within 1 to 20"],
        )
        for value in (NAN, INF, -INF, 0.0, -6.5, 0.999, 20.001, 1e300)
    ),
    ("mcp_sampler_theta_range", {"sampler": NULL}, "HANDLE", ["no sampler"]),
    ("mcp_sampler_theta_range", {"lo": NULL}, "ARGUMENT", ["NULL"]),
    ("mcp_sampler_acceptance", {"theta_value": 101.0}, "THETA", ["101 is outside 0.0001 to 100"]),
    ("mcp_sampler_acceptance", {"lo": NULL}, "ARGUMENT", ["acceptance is NULL"]),
    ("mcp_rng_seed", {"rng": NULL}, "ARGUMENT", ["rng is NULL"]),
    *(
        case
        for function in (DRAW, VECTOR, STREAMS, TRANSFORM, RADIUS)
        for case in [
            (function, {"sampler": NULL}, "HANDLE", ["no sampler"]),
            (function, {"theta": NULL}, "ARGUMENT", ["theta is NULL"]),
            (function, {"n_theta": 3}, "ARGUMENT", ["n_theta = 3 is neither 1 nor n = 8"]),
            (function, {"n": 2**61, "n_theta": 1}, "ARGUMENT", ["more than fits into memory"]),
            (function, {"theta": with_one(NAN)}, "THETA", ["theta[6] = nan is outside 0.0001 to"]),
            (function, {"theta": with_one(0.0)}, "THETA", ["theta[6] = 0 is outside 0.0001 to 1"]),
            (function, {"theta": with_one(511.0)}, "THETA", ["theta[6] = 511 is outside"]),
        ]
    ),
    (DRAW, {"u": NULL}, "ARGUMENT", ["u is NULL"]),
    (DRAW, {"rng": NULL}, "ARGUMENT", ["rng is NULL"]),
    (DRAW, {"rng": [0] * 16}, "RNG", ["mcp_rng_seed"]),
    (VECTOR, {"u3": NULL}, "ARGUMENT", ["u3 is NULL"]),
    (STREAMS, {"streams": [0] * (2 * N)}, "RNG", ["seeded"]),
    (TRANSFORM, {"z3": with_one(NAN, 3 * N)}, "ARGUMENT", ["latent 7 has the radius"]),
    (RADIUS, {"radius": with_one(-1.0)}, "ARGUMENT", ["latent 6 has the radius"]),
    (RADIUS, {"radius": with_one(1.1e6)}, "ARGUMENT", ["latent 6 has the radius"]),
    (TRANSFORM, {"sampler": "rejection"}, "UNSUPPORTED", ["transform with gan or torch"]),
    (RADIUS, {"sampler": "gan-exact"}, "UNSUPPORTED", ["transform with gan or torch"]),
]


@pytest.fixture(scope="module")
def weights():
    """The weights of the package in their C form."""
    shipped = thermal_map(load_weights())
    return c_form(shipped.base, shipped.modulation, shipped.theta_scale, shipped.theta_range)


@pytest.mark.parametrize(
    ("function", "spoiled", "status", "named"),
    [pytest.param(*case, id=ascii(f"{case[0]} {case[1]}"[:70]).strip("'")) for case in C_CALLS],
)
@pytest.mark.usefixtures("folder")
def test_a_bad_call_of_c(function, spoiled, status, named, weights):
    """The status, a sentence that names what is wrong, and outputs as they were."""
    library = binding.load()
    ffi, functions = library.ffi, library.functions
    given = GOOD | {"bytes": weights} | spoiled
    memory = {
        "u": ffi.new("double[]", [MARK] * N),
        "u3": ffi.new("double[]", [MARK] * (3 * N)),
        "lo": ffi.new("double *", MARK),
        "hi": ffi.new("double *", MARK),
        "rng": ffi.new("mcp_rng *", {"state": given.get("rng") or list(range(1, 17))}),
        "streams": ffi.new("uint64_t[]", given.get("streams") or list(range(1, 2 * N + 1))),
        "out": ffi.new("mcp_sampler **", ffi.cast("mcp_sampler *", 0x1000)),
    }
    before = {name: bytes(ffi.buffer(array)) for name, array in memory.items()}
    kept = []

    def argument(name):
        if given.get(name, "") is NULL:
            return ffi.NULL
        if name in memory:
            return memory[name]
        value = given[name]
        if name == "spec":
            return value.encode()
        if name == "sampler":
            kept.append(library.create(value))
        elif isinstance(value, list):
            kept.append(ffi.new("double[]", value))
        else:
            return value
        return kept[-1]

    found = getattr(functions, function)(*map(argument, SIGNATURES[function]))
    assert found == getattr(functions, f"MCP_ERROR_{status}")
    text = library.error_text()
    for part in named:
        assert part in text
    created = memory.pop("out")
    assert function not in (CREATE, FROM_BYTES) or "out" in spoiled or created[0] == ffi.NULL
    assert {name: bytes(ffi.buffer(array)) for name, array in memory.items()} == {
        name: content for name, content in before.items() if name != "out"
    }


def test_the_table_is_long_and_has_no_duplicates():
    """At least a hundred cases, each of them once."""
    commands = [line for line, _ in COMMAND_LINES]
    assert len(set(commands)) == len(commands) >= 50
    c_calls = [f"{function} {spoiled}" for function, spoiled, *_ in C_CALLS]
    assert len(set(c_calls)) == len(c_calls) >= 50
    assert len(CALLS) >= 50
