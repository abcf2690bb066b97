"""Every public function with every one of its arguments spoiled, by values that hypothesis finds.

What comes back is a valid result, or a typed error of one line; never another exception, a warning
of NumPy, a NaN, or no answer at all.
"""

import contextlib
import functools
import inspect
from dataclasses import fields, is_dataclass
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from astropy import units
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_numpy

import mcplugin
from mcplugin import electrons, fidelity, samplers, scattering, testing, transport
from mcplugin.electrons import maxwell_juttner
from mcplugin.errors import McpluginError
from mcplugin.fidelity.spectra import compare_counts, compare_spectra
from mcplugin.learning.radial_map import thermal_map
from mcplugin.learning.targets import MaxwellJuttnerTarget, SampleTarget
from mcplugin.learning.training import TrainingConfiguration
from mcplugin.learning.weights import load_weights, save_weights
from mcplugin.samplers.rejection import RejectionSampler
from mcplugin.scattering import event_distribution, redistribution
from mcplugin.testing.histogram import spectrum_of
from mcplugin.transport.photon_list import PhotonList
from mcplugin.transport.sources import Tabulated

CONFIG = {
    "plasma": {"geometry": "sphere", "theta": 0.2, "tau": 0.1},
    "seed": {"spectrum": "blackbody", "kt_kev": 0.1},
    "tally": {"bins": 20},
}
TRAINING = {"target": {"kind": "analytic"}, "stage": [{"objective": "energy", "steps": 1}]}


@pytest.fixture(autouse=True, scope="module")
def _in_a_folder_of_its_own(tmp_path_factory):
    """Any text is the name of a file that some function writes."""
    with contextlib.chdir(tmp_path_factory.mktemp("hostile")):
        yield


@functools.cache
def folder():
    """Where functions may write, with files that are not what they should be."""
    path = Path("files").resolve()
    path.mkdir()
    (path / "empty").touch()
    for suffix in ("toml", "fits", "csv", "h5", "safetensors"):
        (path / f"latin.{suffix}").write_bytes(b"sph\xe8re = \xff\0\n1,2\n")
    result(1).write(path / "run")
    return path


@functools.cache
def result(seed):
    """A small run."""
    return mcplugin.simulate(CONFIG, photons=3000, seed=seed, threads=1)


class Liar:
    """Claims to be a number and an array, and is neither."""

    shape, ndim, size, dtype = (3,), 1, 3, np.dtype(float)

    def __array__(self, *_arguments, **_options):
        raise RuntimeError("no array")

    def __float__(self):
        raise RuntimeError("no number")

    __int__ = __index__ = __float__

    def __repr__(self):
        return "a\nliar"


def read_only():
    """An array that may not be written."""
    array = np.ones(3)
    array.flags.writeable = False
    return array


# Made anew for each call: functions may write into what they are given.
SPECIAL = [
    *(lambda value=value: value for value in (None, True, np.True_, b"x", 1j, object, type)),
    *(lambda value=value: value for value in (float("nan"), float("inf"), -0.0, 5e-324, 1e308)),
    *(lambda value=value: value for value in (2**64, -(2**70), 10**400, Decimal("NaN"))),
    *(lambda value=value: value for value in (Fraction(1, 3), np.longdouble(10), np.float16(1))),
    *(lambda value=value: value for value in ("", "\0", "gan:x", "x" * 5000, "\u0398\n\u20ac")),
    *(lambda value=value: value for value in ([[1], [1, 2]], [1, "a"], (1, 2), {"a": 1}, set())),
    *(lambda value=value: value for value in (3 * units.s, [1, 2] * units.keV, np.nan * units.K)),
    lambda: np.ones(3) * units.K,
    lambda: 5 * units.one,
    lambda: np.arange(6.0)[::2],
    lambda: np.asfortranarray(np.ones((3, 2))),
    lambda: np.ones(3, dtype=">f8"),
    lambda: np.array([1, None], dtype=object),
    lambda: np.array(object()),
    lambda: np.ma.masked_array([1.0, 2.0], [1, 0]),
    lambda: np.rec.array([(1, 2.0)]),
    lambda: np.zeros((3, 2), dtype=np.uint64),
    read_only,
    Liar,
    object,
    lambda: iter([1, 2]),
    folder,
    lambda: folder() / "nowhere",
    lambda: folder() / "nowhere" / "file.fits",
    lambda: folder() / "empty",
    *(
        lambda suffix=suffix: folder() / f"latin.{suffix}"
        for suffix in ("toml", "fits", "csv", "h5", "safetensors")
    ),
]
HOSTILE = st.one_of(
    st.sampled_from(SPECIAL),
    st.sampled_from(SPECIAL),
    st.one_of(
        st.floats(),
        st.integers(),
        st.text(max_size=8),
        st.lists(st.floats() | st.integers() | st.text(max_size=3), max_size=4),
        st_numpy.arrays(st_numpy.scalar_dtypes(), st_numpy.array_shapes(min_dims=0, max_side=3)),
    ).map(lambda value: lambda: value),
)


def streams():
    """Three random streams."""
    return mcplugin.random_streams(1, 3)


U, THETA = {"u": [0.1, 0.2, 0.3]}, {"theta": 0.3}


def physics():
    """Name, function, and good arguments; those that are functions are called for each use."""
    u, theta = U, THETA
    for name in ("pdf", "cdf", "survival"):
        yield f"maxwell_juttner.{name}", getattr(maxwell_juttner, name), u | theta
    for name in ("quantile", "inverse_survival"):
        yield (
            f"maxwell_juttner.{name}",
            getattr(maxwell_juttner, name),
            {"probability": [0.1, 0.2]} | theta,
        )
    for name in ("mean_gamma", "mean_u", "mean_beta"):
        yield f"maxwell_juttner.{name}", getattr(maxwell_juttner, name), theta
    for name in ("moment_u", "moment_kinetic"):
        yield f"maxwell_juttner.{name}", getattr(maxwell_juttner, name), {"order": 1} | theta

    yield "cross_section", scattering.cross_section, {"x": 0.1}
    yield "energy_ratio_pdf", scattering.energy_ratio_pdf, {"ratio": 0.9, "x": 0.1}
    yield "hot_cross_section", scattering.hot_cross_section, {"x": 0.1} | theta
    yield "HotCrossSectionTable", scattering.HotCrossSectionTable.at, theta
    yield "HotCrossSectionTable()", scattering.HotCrossSectionTable.at(0.3), {"x": 0.1}
    yield "sample_deflection", scattering.sample_deflection, {"x": 0.1, "streams": streams}
    rejection = RejectionSampler()
    event = {"x": 0.1, **theta, "electrons": rejection, "streams": streams}
    yield "scatter", scattering.scatter, event
    one, place, p = {"x": 0.1} | theta, {"h": [0.2, 0.7, 1.0]}, {"probability": [0.1, 0.5, 0.9]}
    zeta = {"zeta": [-1.0, 0.0, 2.0]}
    for function, own in (
        (redistribution.energy_ratio, zeta | place),
        (redistribution.momentum_of, {"ratio": [0.5, 1.0, 2.0]} | place),
        (redistribution.event_density, zeta | place),
        (event_distribution.angle_cdf, place),
        (event_distribution.angle_quantile, p),
        (event_distribution.momentum_cdf, zeta | place),
        (event_distribution.momentum_quantile, p | place),
        (event_distribution.event_moments, {}),
    ):
        yield f"{function.__module__.split('.')[-1]}.{function.__name__}", function, own | one

    yield "random_streams", mcplugin.random_streams, {"seed": 1, "count": 3, "first": 0}
    yield "sampler_names", mcplugin.sampler_names, {}
    yield "get_sampler", mcplugin.get_sampler, {"sampler": "rejection", "method": "canfield"}
    yield "get_sampler gan", mcplugin.get_sampler, {"sampler": "gan", "device": "cpu"}
    yield "get_sampler gan-torch", mcplugin.get_sampler, {"sampler": "gan-torch", "weights": None}
    yield "scattering_sampler_names", mcplugin.scattering_sampler_names, {}
    scatterings = {"sampler": "exact", "electrons": "rejection"}
    yield "get_scattering_sampler", mcplugin.get_scattering_sampler, scatterings
    for name in mcplugin.scattering_sampler_names():
        sampler = mcplugin.get_scattering_sampler(name)
        draw = {"x": np.full(3, 0.1), **theta, "streams": streams, "out": None}
        yield f"{name}.sample", sampler.sample, draw
        yield f"{name}.quality", sampler.quality, theta
    yield (
        "sample_four_velocity",
        mcplugin.sample_four_velocity,
        {**theta, "size": 3, "sampler": "rejection", "seed": 1},
    )
    for name in mcplugin.sampler_names():
        sampler = mcplugin.get_sampler(name)
        draw = {**theta, "streams": streams, "out": None}
        yield f"{name}.sample", sampler.sample, draw
        yield f"{name}.sample_vector", sampler.sample_vector, draw
        yield f"{name}.quality", sampler.quality, theta
        if isinstance(sampler, fidelity.RadialMap):
            yield f"{name}.transform", sampler.transform, {"radius": np.ones(3)} | theta


def runs():
    """The same of all that follows photons, or looks at what was drawn or run."""
    u, theta = U, THETA
    run = {"sampler": "rejection", "photons": 50, "seed": 1, "threads": 1}
    yield "Configuration", mcplugin.Configuration.load, {"source": CONFIG}
    yield "simulate", mcplugin.simulate, {"config": CONFIG} | run
    yield "Tabulated", Tabulated, {"x": np.array([1.0, 2.0]), "density": np.array([1.0, 2.0])}
    yield "Tabulated.read", Tabulated.read, {"path": "seeds.csv"}
    yield "PhotonList", PhotonList, {"path": lambda: folder() / "photons.h5"}
    fits = {"path": lambda: folder() / "run" / "spectrum.fits"}
    yield "Spectrum.read", mcplugin.Spectrum.read, fits
    written = {"path": lambda: folder() / "written.fits"}
    yield "Spectrum.write", functools.partial(result(1).spectrum.write, overwrite=True), written

    yield "exact_cdf", fidelity.exact_cdf, theta
    yield "ExactCdf", fidelity.ExactCdf(0.3), u
    yield "ks_test", fidelity.ks_test, u | theta
    mapped = {"sampler": mcplugin.get_sampler("gan")} | theta
    yield "measure_map", fidelity.measure_map, mapped
    few = {"draws": 100, "pooled": 10**4, "thetas": 2, "seeds": 1, "seed": 1, "threads": 1}
    yield "validate", fidelity.validate, {"sampler": "rejection"} | few
    both = {"samplers": ("rejection", "table"), "reference": "table", "photons": 5000, "rounds": 1}
    yield "compare", fidelity.compare, {"config": CONFIG, **both, "false_alarm": 0.01, "seed": 1}
    tests = {"false_alarm": 0.01, "most_bands": 24, "least_counts": 100}
    pair = {"first": result(1), "second": result(2)}
    yield "compare_spectra", compare_spectra, pair | tests | {"confidence": 0.95}
    counts = {"first": [500, 600], "second": [500, 590], "photons": (2000, 2000)}
    yield "compare_counts", compare_counts, counts | {"edges": [1, 2, 3], "confidence": 0.9} | tests

    stored = {"baseline": result(1).spectrum, "spectrum": result(2).spectrum}
    yield "compare_with_baseline", testing.compare_with_baseline, stored | tests
    yield "spectrum_of", spectrum_of, {"run": result(1)}
    histogram = {"edges": [1, 2, 3], "counts": [500, 600], "photons": 2000, "energy": None}
    histogram |= {"energy_squared": None, "energy_error": None, "seed": None, "code": dict}
    yield "Histogram", lambda **given: testing.Histogram(**given).to_spectrum(), histogram
    yield "read_baseline", testing.read_baseline, fits
    yield "store_baseline", testing.store_baseline, {"spectrum": result(1).spectrum, **written}

    yield "load_weights", load_weights, {"path": None}
    own = {"path": lambda: folder() / "own.safetensors", "weights": load_weights()}
    yield "save_weights", save_weights, own
    yield "thermal_map", thermal_map, {"weights": load_weights()}
    yield "ThermalMap", thermal_map(load_weights()), {"radius": [1.0]} | theta
    yield "TrainingConfiguration", TrainingConfiguration.load, {"source": TRAINING}
    yield "MaxwellJuttnerTarget", MaxwellJuttnerTarget, {"theta_min": 0.1, "theta_max": 1.0}
    yield "SampleTarget.read", SampleTarget.read, {"path": "electrons.csv"}


@functools.cache
def every():
    """The entry points by name."""
    return {name: (function, good) for name, function, good in (*physics(), *runs())}


CASES = [(name, argument) for name, (_, good) in every().items() for argument in good]
# Whole numbers that would be taken, and take minutes or the machine's memory.
COSTLY = {"size", "count", "photons", "draws", "pooled", "thetas", "seeds", "rounds", "threads"}
# What takes a second whenever it is not refused.
SLOW = {"validate", "compare"}


def sane(value):
    """Whether no number in a result is NaN, at any depth."""
    if isinstance(value, np.ndarray):
        return value.dtype.kind != "f" or not np.isnan(value).any()
    if isinstance(value, float):
        return not np.isnan(value)
    if is_dataclass(value) and not isinstance(value, type):
        return all(sane(getattr(value, field.name)) for field in fields(value))
    if isinstance(value, dict):
        return all(map(sane, value.values()))
    return not isinstance(value, list | tuple) or all(map(sane, value))


def takes_long(value):
    """Whether a value, of whatever type, is a valid number of too many things."""
    try:
        return 10 < float(value) <= 10**15
    except Exception:
        return False


@pytest.mark.parametrize(("name", "argument"), CASES, ids=lambda part: part)
def test_a_spoiled_argument_is_taken_or_refused(name, argument):
    """A valid result or a typed error of one line, and the other arguments as they were."""
    function, good = every()[name]

    @settings(
        max_examples=3 if name in SLOW else 12,
        deadline=None,
        database=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )
    @given(HOSTILE)
    def spoil(make):
        value = make()
        if argument in COSTLY and takes_long(value):
            return
        arguments = {
            key: each() if inspect.isfunction(each) or each is dict else each
            for key, each in good.items()
        }
        arguments[argument] = value
        try:
            given_back = function(**arguments)
        except McpluginError as error:
            assert str(error)  # noqa: PT017
            assert len(str(error).splitlines()) == 1  # noqa: PT017
        else:
            # A report says that NaN was asked for, and refused.
            assert name == "validate" or sane(given_back)

    spoil()


def test_every_public_function_is_spoiled():
    """What packages offer by ``__all__`` is listed above; what is not is a type of result."""
    made_by_others = {
        "Agreement",
        "Comparison",
        "ElectronVelocitySampler",
        "EventReport",
        "MapDistance",
        "RadialMap",
        "Report",
        "Result",
        "SampledTest",
        "ScatteringSampler",
        "Verdict",
        # Takes a checkpoint, which tests/transport/test_checkpoint.py damages in every way.
        "resume",
        # Takes seconds for the least that may be asked; tests/fidelity/test_event_validation.py.
        "validate_scattering",
    }
    offered = {
        name
        for package in (mcplugin, samplers, transport, scattering, electrons, fidelity, testing)
        for name in package.__all__
        if not isinstance(getattr(package, name), ModuleType)
    }
    offered |= {
        f"{module.__name__.split('.')[-1]}.{name}"
        for module in (maxwell_juttner, redistribution, event_distribution)
        for name, value in vars(module).items()
        if inspect.isfunction(value)
        and value.__module__ == module.__name__
        and not name.startswith("_")
    }
    spoiled = {name.split()[0].split("()")[0] for name in every()}
    spoiled |= {name.split(".")[0] for name in spoiled}
    assert offered - spoiled - made_by_others == set()
    assert made_by_others - {"resume"} <= offered
