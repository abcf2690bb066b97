"""Samplers from other packages: found by their entry point, and held to the contract."""

import importlib
import json
import subprocess
import sys
import types
from importlib.metadata import EntryPoint

import numpy as np
import pytest

from mcplugin import (
    ElectronVelocitySampler,
    get_sampler,
    random_streams,
    sample_four_velocity,
    sampler_names,
    simulate,
)
from mcplugin.errors import InputError, SamplerError, ThetaRangeError
from mcplugin.samplers import base
from mcplugin.samplers.rejection import RejectionSampler

CONFIG = {
    "plasma": {"geometry": "sphere", "theta": 0.3, "tau": 1.0},
    "seed": {"spectrum": "monochromatic", "energy_kev": 1.0},
    "tally": {"bins": 20},
    "run": {"photons": 1500},
}


class Borrowed(ElectronVelocitySampler):
    """The exact electrons of the built-in sampler under another name."""

    name = "borrowed"
    theta_range = (0.01, 10.0)

    def __init__(self, method="zenitani-nakano"):
        self.inner = RejectionSampler(method)

    def fill(self, theta, streams, u):
        """Let the built-in sampler draw."""
        self.inner.fill(theta, streams, u)

    def quality(self, theta):
        """That of the built-in sampler."""
        return self.inner.quality(theta)


class Frozen(Borrowed):
    """Electrons at rest."""

    name = "frozen"

    def fill(self, theta, streams, u):
        """Write zeros."""
        u[:] = 0.0


class Raising(Borrowed):
    """Raises whenever it is asked for electrons."""

    name = "raising"

    def fill(self, theta, streams, u):
        """Fail."""
        raise ZeroDivisionError("no table for this temperature")


class RaisingLate(Borrowed):
    """Draws one electron at a time, but no more."""

    name = "raising-late"

    def fill(self, theta, streams, u):
        """Fail for more than one stream."""
        if len(u) > 1:
            raise MemoryError("too many electrons")
        super().fill(theta, streams, u)


class _Wrong(Borrowed):
    """Spoils one electron in a batch."""

    bad = 0.0

    def fill(self, theta, streams, u):
        """Draw, then spoil the last one."""
        super().fill(theta, streams, u)
        u[-1] = self.bad


class NotANumber(_Wrong):
    """Gives NaN."""

    name = "not-a-number"
    bad = np.nan


class Negative(_Wrong):
    """Gives a negative four-velocity."""

    name = "negative"
    bad = -1e-300


class Infinite(_Wrong):
    """Gives an infinite four-velocity."""

    name = "infinite"
    bad = np.inf


class QualityRaising(Borrowed):
    """Draws well but cannot say how well."""

    name = "quality-raising"

    def quality(self, theta):
        """Fail."""
        raise ZeroDivisionError("never measured")


class QualityInFloat32(Borrowed):
    """Says how good it is in numpy numbers."""

    name = "quality-in-float32"

    def quality(self, theta):
        """One single-precision number."""
        return {"acceptance": np.float32(0.5)}


class Unfinished(ElectronVelocitySampler):
    """Lacks fill and quality."""

    name = "unfinished"
    theta_range = (0.01, 10.0)


class Stranger:
    """Has the right methods but is no ElectronVelocitySampler."""

    name = "stranger"
    sample = Borrowed.sample


@pytest.fixture
def register(monkeypatch):
    """Register classes as a third-party package's entry points would."""
    module = types.ModuleType("third_party")
    for name, value in globals().items():
        if isinstance(value, type):
            setattr(module, name, value)
    module.number = 42
    module.function = simulate
    monkeypatch.setitem(sys.modules, "third_party", module)

    def add(tag, value):
        entry = EntryPoint(tag, value, base.ENTRY_POINT_GROUP)
        registry = {**base._registry(), tag: entry}
        monkeypatch.setattr(base, "_registry", lambda: registry)
        return tag

    return add


def assert_same_spectrum(one, other):
    """Two results hold the same photons."""
    np.testing.assert_array_equal(one.spectrum.counts, other.spectrum.counts)
    np.testing.assert_array_equal(one.spectrum.efe, other.spectrum.efe)
    for key in ("escaped", "scatterings", "electron_draws", "amplification", "energy_kev"):
        assert one.summary[key] == other.summary[key]


def test_a_registered_sampler_runs_like_a_built_in_one(register):
    """The same electrons under another name give the same spectrum, bit by bit."""
    register("borrowed", "third_party:Borrowed")
    assert sampler_names() == [
        "borrowed",
        "gan",
        "gan-exact",
        "gan-native",
        "gan-torch",
        "rejection",
        "rejection-native",
        "table",
    ]
    result = simulate(CONFIG, "borrowed", threads=2)
    assert result.summary["sampler"] == "borrowed"
    assert result.summary["sampler_quality"] == RejectionSampler().quality(0.3)
    assert result.configuration.run.sampler == "borrowed"
    assert_same_spectrum(result, simulate(CONFIG, threads=1))
    np.testing.assert_array_equal(
        sample_four_velocity(0.3, 50, "borrowed"), sample_four_velocity(0.3, 50)
    )


def test_a_registered_sampler_may_be_named_in_the_configuration(register):
    """Tag and options go into the [run] section."""
    register("borrowed", "third_party:Borrowed")
    options = {"method": "canfield"}
    run = {**CONFIG["run"], "sampler_options": options}
    borrowed = simulate({**CONFIG, "run": {**run, "sampler": "borrowed"}})
    assert borrowed.configuration.run.sampler_options == options
    assert_same_spectrum(borrowed, simulate({**CONFIG, "run": run}))
    with pytest.raises(InputError, match=r"'borrowed'.*speed"):
        simulate({**CONFIG, "run": {**run, "sampler": "borrowed", "sampler_options": {"speed": 1}}})


def test_the_electrons_of_a_registered_sampler_decide_the_spectrum(register):
    """Electrons at rest can only take energy from photons."""
    register("frozen", "third_party:Frozen")
    cold = simulate(CONFIG, "frozen").summary
    hot = simulate(CONFIG).summary
    assert cold["scatterings"] > 0
    assert cold["energy_kev"]["gained"] < 0 < hot["energy_kev"]["gained"]
    assert cold["amplification"] < 1 < hot["amplification"]


def test_a_temperature_outside_the_range_of_a_sampler_is_refused_at_once(register):
    """The limits that a third-party sampler sets itself hold as the built-in ones do."""
    register("borrowed", "third_party:Borrowed")
    cold = {**CONFIG, "plasma": {**CONFIG["plasma"], "theta": 0.005}}
    progress = []
    with pytest.raises(ThetaRangeError, match=r"theta = 0\.005 is outside 0\.01 <= theta <= 10"):
        simulate(cold, "borrowed", progress=lambda *done: progress.append(done))
    assert progress == []


@pytest.mark.parametrize(
    ("tag", "kind", "reason"),
    [
        ("raising", "Raising", "no table for this temperature"),
        ("raising-late", "RaisingLate", "too many electrons"),
        ("not-a-number", "NotANumber", "nan"),
        ("negative", "Negative", "-1e-300"),
        ("infinite", "Infinite", "inf"),
        ("quality-raising", "QualityRaising", "never measured"),
    ],
)
@pytest.mark.parametrize("threads", [1, 2])
def test_a_sampler_that_breaks_the_contract_is_named(register, tag, kind, reason, threads):
    """The run stops with a SamplerError that names the sampler and what it did."""
    register(tag, f"third_party:{kind}")
    with pytest.raises(SamplerError, match=reason) as caught:
        simulate(CONFIG, tag, threads=threads)
    assert repr(tag) in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def test_a_breaking_sampler_object_is_named_too():
    """The contract holds for sampler objects as for registered ones."""
    with pytest.raises(SamplerError, match="'negative'"):
        simulate(CONFIG, Negative())


@pytest.mark.parametrize(
    "value",
    [
        "third_party:number",
        "third_party:function",
        "third_party:Stranger",
        "third_party:NoSuchClass",
        "third_party",
        "no_such_module_anywhere:Sampler",
    ],
)
def test_what_is_registered_but_no_sampler_is_named(register, value):
    """The message names the tag and what stands behind it."""
    register("broken", value)
    with pytest.raises(SamplerError, match="'broken'") as caught:
        get_sampler("broken")
    assert value.partition(":")[0] in str(caught.value)
    with pytest.raises(SamplerError, match="'broken'"):
        simulate(CONFIG, "broken")


def test_a_sampler_with_missing_methods_is_refused(register):
    """An abstract class cannot draw; the message says which methods it lacks."""
    register("unfinished", "third_party:Unfinished")
    with pytest.raises((SamplerError, InputError), match=r"'unfinished'.*fill.*quality"):
        simulate(CONFIG, "unfinished")


def test_a_sampler_object_may_be_passed_directly(monkeypatch):
    """Nothing need be registered to try a sampler."""
    monkeypatch.setattr(base, "_registry", dict)
    result = simulate(CONFIG, Borrowed("canfield"))
    assert result.summary["sampler"] == "borrowed"
    assert_same_spectrum(result, simulate(CONFIG, RejectionSampler("canfield")))
    sampler = Borrowed()
    assert get_sampler(sampler) is sampler
    assert sampler.sample_vector(0.3, random_streams(1, 4)).shape == (4, 3)


def test_numpy_numbers_of_quality_are_written_as_numbers(tmp_path):
    """A sampler may compute its quality with numpy; the summary is plain JSON all the same."""
    simulate(CONFIG, QualityInFloat32()).write(tmp_path / "out")
    summary = json.loads((tmp_path / "out/summary.json").read_text(encoding="utf-8"))
    assert summary["sampler_quality"] == {"acceptance": 0.5}


THIRD_PARTY = '''
"""A sampler in a package of its own."""
from mcplugin import ElectronVelocitySampler


class Still(ElectronVelocitySampler):
    name = "still"
    theta_range = (1e-4, 1e2)

    def fill(self, theta, streams, u):
        u[:] = 0.0

    def quality(self, theta):
        return {"acceptance": 1.0}
'''


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """A folder on the path with a package as an installer would leave it."""
    site = tmp_path / "site"
    metadata = site / "still_electrons-1.0.dist-info"
    metadata.mkdir(parents=True)
    (site / "still_electrons.py").write_text(THIRD_PARTY, encoding="utf-8")
    (metadata / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: still-electrons\nVersion: 1.0\n", encoding="utf-8"
    )
    (metadata / "entry_points.txt").write_text(
        "[mcplugin.samplers]\nstill = still_electrons:Still\n", encoding="utf-8"
    )
    monkeypatch.setattr(sys, "path", [str(site), *sys.path])
    monkeypatch.setenv("PYTHONPATH", str(site))
    importlib.invalidate_caches()
    base._registry.cache_clear()
    yield site
    base._registry.cache_clear()
    sys.modules.pop("still_electrons", None)


def test_installing_a_package_is_enough(installed):
    """A sampler is found by the metadata of its package, here and by the command line."""
    assert "still" in sampler_names()
    result = simulate(CONFIG, "still")
    assert result.summary["sampler"] == "still"
    assert result.summary["energy_kev"]["gained"] < 0
    command = [sys.executable, "-m", "mcplugin", "samplers", "--json"]
    listing = subprocess.run(command, capture_output=True, text=True, check=True, timeout=300)
    assert "still" in {entry["sampler"] for entry in json.loads(listing.stdout)}
    assert str(installed) == sys.path[0]


def test_an_uninstalled_package_is_gone():
    """Samplers are looked up where they are asked for, and not remembered elsewhere."""
    assert "still" not in sampler_names()
    with pytest.raises(InputError, match="no sampler is called 'still'"):
        get_sampler("still")
