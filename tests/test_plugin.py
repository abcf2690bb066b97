"""Samplers from other packages: found by their entry point, and held to the contract."""

import ctypes
import importlib
import json
import re
import subprocess
import sys
import types

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
from mcplugin.samplers import lent_arrays, registry
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


class _Misbehaving(Borrowed):
    """Draws well, and then does what no sampler may do, but not in the smallest batches."""

    well_behaved = 1

    def fill(self, theta, streams, u):
        """Draw, then break the contract."""
        super().fill(theta, streams, u)
        if len(u) > self.well_behaved:
            self.misbehave(theta, streams, u)


def misbehaving(what, late=False, **attributes):
    """A class of samplers that breaks the contract by ``what(self, theta, streams, u)``.

    If ``late``, only once a run has begun.
    """
    name = ("late-" if late else "") + what.__name__.replace("_", "-")
    own = {"name": name, "misbehave": what, "well_behaved": 100 if late else 1}
    return type(name, (_Misbehaving,), {**own, **attributes})


def element(array, index):
    """The memory at an index that may lie outside: what C code with a wrong length writes to."""
    return ctypes.c_uint64.from_address(array.ctypes.data + array.strides[0] * index)


def raises(_self, _theta, _streams, _u):
    """Fail as Python code does."""
    raise ZeroDivisionError("no table\nfor this temperature")


def raises_nothing_to_say(_self, _theta, _streams, _u):
    """Fail without a message."""
    raise MemoryError


def leaves_the_program(_self, _theta, _streams, _u):
    """End the program from within a library."""
    sys.exit("goodbye")


def gives_nan(_self, _theta, _streams, u):
    """One NaN, at the end."""
    u[-1] = np.nan


def gives_negative(_self, _theta, _streams, u):
    """One negative number, as small as can be."""
    u[0] = -1e-300


def gives_infinity(_self, _theta, _streams, u):
    """One infinite number."""
    u[len(u) // 2] = np.inf


def writes_too_little(_self, _theta, _streams, u):
    """Lose the last draw: its place holds what was there before."""
    element(u, len(u) - 1).value = lent_arrays._MARK.item()


def writes_one_more(_self, _theta, _streams, u):
    """An index that is off by one, at the end."""
    element(u, len(u)).value = 1


def writes_one_before(_self, _theta, _streams, u):
    """An index that is off by one, at the beginning."""
    element(u, -1).value = 1


def writes_through_the_base(_self, _theta, _streams, u):
    """A view is no fence."""
    u.base[:] = 1.0


def advances_one_more(_self, _theta, streams, _u):
    """The stream of a draw that was not asked for."""
    element(streams, len(streams)).value = 1


def advances_one_before(_self, _theta, streams, _u):
    """The same at the beginning."""
    element(streams, -1).value = 1


def kills_a_stream(_self, _theta, streams, _u):
    """A generator of zeros gives zeros for ever, which rejection would wait for."""
    streams[len(streams) // 2] = 0


def looks_at_its_neighbour(_self, _theta, _streams, u):
    """Draws that are no longer independent."""
    u[:] = np.sort(u)


def advances_a_neighbour(_self, _theta, streams, _u):
    """Draw i uses up numbers of stream i + 1."""
    streams[1:, 0] ^= streams[:-1, 0] >> np.uint64(1)


def counts_its_calls(self, _theta, _streams, u):
    """A state of the sampler's own."""
    self.calls = getattr(self, "calls", 0) + 1
    u *= 1.0 + 0.01 * self.calls


def reseeds(_self, _theta, _streams, u):
    """Random numbers of its own."""
    u *= np.random.default_rng().uniform(0.5, 1.0, len(u))


def keeps_its_output(self, _theta, _streams, u):
    """Write into the output of an earlier call."""
    if hasattr(self, "kept"):
        self.kept[:] = 0.5
    self.kept = u


def keeps_its_streams(self, _theta, streams, _u):
    """Advance the streams of an earlier call."""
    if hasattr(self, "kept"):
        self.kept[:, 0] += np.uint64(1)
    self.kept = streams


def well(_self, _theta, _streams, _u):
    """Nothing wrong in fill."""


def returns_a_new_array(self, theta, streams, out=None):
    """What a sampler does that overlooks ``out``."""
    return Borrowed.sample(self, theta, streams)


def returns_another_shape(self, theta, streams, out=None):
    """Fill the output but return it as a column."""
    return Borrowed.sample(self, theta, streams, out)[:, None]


def returns_single_precision(self, theta, streams, out=None):
    """Fill the output but return a copy in another type."""
    return Borrowed.sample(self, theta, streams, out).astype(np.float32)


def returns_nothing(self, theta, streams, out=None):
    """Fill the output and forget to return it."""
    Borrowed.sample(self, theta, streams, out)


def overriding(sample):
    """A class of samplers whose ``sample`` is another function."""
    return misbehaving(well, sample=sample, name=sample.__name__.replace("_", "-"))


# (class, what the error says besides the sampler's name)
MISBEHAVING = [
    *(
        (misbehaving(what, late), said)
        for what, said in [
            (raises, "ZeroDivisionError: no table for this temperature"),
            (raises_nothing_to_say, "failed: MemoryError"),
            (leaves_the_program, "SystemExit: goodbye"),
            (gives_nan, "gave the four-velocity nan at theta = 0.3"),
            (gives_negative, "gave the four-velocity -1e-300 at theta = 0.3"),
            (gives_infinity, "gave the four-velocity inf at theta = 0.3"),
            (writes_too_little, "unwritten: fill must write all of u"),
            (writes_one_more, r"wrote beyond the \d+ draws"),
            (writes_one_before, r"wrote beyond the \d+ draws"),
            (writes_through_the_base, r"wrote beyond the \d+ draws"),
            (advances_one_more, r"wrote beyond the \d+ streams"),
            (advances_one_before, r"wrote beyond the \d+ streams"),
            (kills_a_stream, "without a state"),
        ]
        for late in (False, True)
    ),
    *(
        (misbehaving(what), said)
        for what, said in [
            (looks_at_its_neighbour, "may depend on its own stream and arguments alone"),
            (advances_a_neighbour, "advanced that stream differently"),
            (counts_its_calls, "may depend on its own stream and arguments alone"),
            (reseeds, "may depend on its own stream and arguments alone"),
            (keeps_its_output, "must not keep the arrays"),
            (keeps_its_streams, "must not keep the arrays"),
        ]
    ),
    (overriding(returns_a_new_array), "unwritten"),
    (overriding(returns_another_shape), r"returned ndarray \(48, 1\), not the array of 48 draws"),
    (overriding(returns_single_precision), r"returned ndarray \(48,\), not the array"),
    (overriding(returns_nothing), "returned NoneType"),
]


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
def register(monkeypatch, register_sampler):
    """Register classes as a third-party package's entry points would."""
    module = types.ModuleType("third_party")
    for name, value in globals().items():
        if isinstance(value, type):
            setattr(module, name, value)
    module.number = 42
    module.function = simulate
    monkeypatch.setitem(sys.modules, "third_party", module)
    return register_sampler


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


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize(
    ("kind", "said"), [pytest.param(kind, said, id=kind.name) for kind, said in MISBEHAVING]
)
def test_a_sampler_that_breaks_the_contract_is_named(kind, said, threads):
    """The run stops with one line that names the sampler and what it did."""
    with pytest.raises(SamplerError) as caught:
        simulate(CONFIG, kind(), threads=threads)
    message = str(caught.value)
    assert f"sampler {kind.name!r} " in message
    assert re.search(said, message), message
    assert len(message.splitlines()) == 1


def test_a_registered_sampler_that_breaks_the_contract_is_named_too(register):
    """By the name that it gives itself, and by its tag."""
    register("quality-raising", "third_party:QualityRaising")
    with pytest.raises(SamplerError, match=r"'quality-raising'.*never measured"):
        simulate(CONFIG, "quality-raising")


def test_a_sampler_may_say_that_its_draws_depend_on_the_batch():
    """One that draws on a device of its own, for example; all other promises hold for it, too."""
    kind = misbehaving(looks_at_its_neighbour, per_stream=False)
    assert simulate(CONFIG, kind()).summary["escaped"] == 1500
    with pytest.raises(SamplerError, match="gave the four-velocity nan"):
        simulate(CONFIG, misbehaving(gives_nan, per_stream=False)())


def test_a_sampler_cannot_change_the_temperatures_of_its_caller():
    """What it is given is a copy."""

    def cools(_self, theta, _streams, _u):
        theta[...] = 0.01

    theta, streams = np.full(10, 0.3), random_streams(1, 10)
    drawn = misbehaving(cools)().sample(theta, streams)
    assert (theta == 0.3).all()
    np.testing.assert_array_equal(drawn, RejectionSampler().sample(theta, random_streams(1, 10)))


@pytest.mark.parametrize(
    ("attributes", "said"),
    [
        ({"name": None}, "name = None"),
        ({"name": ""}, "name = ''"),
        ({"name": 7}, "name = 7"),
        ({"theta_range": None}, "theta_range = None"),
        ({"theta_range": (1.0,)}, "theta_range = (1.0,)"),
        ({"theta_range": (1.0, 0.1)}, "theta_range = (1.0, 0.1)"),
        ({"theta_range": (0.0, 1.0)}, "theta_range = (0.0, 1.0)"),
        ({"theta_range": (np.nan, 1.0)}, "theta_range = (nan, 1.0)"),
        ({"theta_range": ("cold", "hot")}, "theta_range = ('cold', 'hot')"),
    ],
)
def test_a_sampler_says_what_it_is_called_and_where_it_is_valid(register, attributes, said):
    """Both what is registered and what is passed as an object."""
    nameless = type("Nameless", (Borrowed,), attributes)
    sys.modules["third_party"].Nameless = nameless
    register("nameless", "third_party:Nameless")
    for given in ("nameless", nameless()):
        with pytest.raises(SamplerError) as caught:
            get_sampler(given)
        assert said in str(caught.value)
        assert "Nameless" in str(caught.value)


def test_a_sampler_that_cannot_be_made_is_named(register):
    """Whatever its constructor raises."""

    def fail(_self):
        raise FileNotFoundError("electrons.dat")

    sys.modules["third_party"].Failing = type("Failing", (Borrowed,), {"__init__": fail})
    register("failing", "third_party:Failing")
    with pytest.raises(SamplerError, match=r"'failing'.*FileNotFoundError: electrons\.dat"):
        get_sampler("failing")


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
    monkeypatch.setattr(registry, "registered", lambda group: {})
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
    registry.registered.cache_clear()
    yield site
    registry.registered.cache_clear()
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
