"""What is particular to the samplers of libmcplugin; the contract tests cover the rest."""

import math
import re

import numpy as np
import pytest
from scipy import stats

from mcplugin import get_sampler, native, random_streams
from mcplugin.electrons import maxwell_juttner as mj
from mcplugin.errors import InputError, MissingPackageError, WeightsError
from mcplugin.fidelity import exact_cdf, ks_test
from mcplugin.learning.c_form import c_form
from mcplugin.learning.radial_map import ThermalMap, thermal_map
from mcplugin.learning.weights import Weights, load_weights, save_weights
from mcplugin.native import binding

# Each test on random draws fails by chance with this probability; there are about 60 of them.
FALSE_ALARM = 1e-6
INSTRUCTION_SETS = ("avx512", "avx2", "generic")
TAIL_RADIUS = 8.0


@pytest.fixture
def reference():
    """The shipped generator, evaluated with numpy."""
    return thermal_map(load_weights())


def instruction_set(name, monkeypatch, sampler="gan-native"):
    """The sampler on a chosen instruction set."""
    monkeypatch.setenv("MCPLUGIN_ISA", name)
    chosen = get_sampler(sampler)
    if chosen.instruction_set != name:
        pytest.skip(f"this processor has no {name}: nothing was tested on it")
    return chosen


def as_bytes(generator):
    """A generator in its C form."""
    return c_form(
        generator.base, generator.modulation, generator.theta_scale, generator.theta_range
    )


def altered(generator, slopes=1.0, amplitudes=1.0, bias=0.0):
    """A generator that is bad in a controlled way."""
    n = generator.units
    factor = np.ones(generator.base.size)
    factor[:n] = slopes
    factor[2 * n : 3 * n] = amplitudes
    shift = np.zeros(generator.base.size)
    shift[-1] = bias
    return ThermalMap(
        generator.base * factor + shift,
        generator.modulation * factor,
        generator.theta_scale,
        generator.theta_range,
    )


class Made:
    """A sampler of the library with given weights, drawing from streams."""

    def __init__(self, spec, weights, tail_radius=TAIL_RADIUS):
        self.library = binding.load()
        self.handle = self.library.create(spec, weights, tail_radius)

    def sample(self, theta, streams):
        """One draw per stream."""
        u = np.empty(len(streams))
        self.library.sample_streams(self.handle, np.asarray(theta, dtype=float), streams, u)
        return u

    def acceptance(self, theta):
        """Computed by the library."""
        return self.library.acceptance(self.handle, theta)


def test_an_unknown_instruction_set_is_refused(monkeypatch):
    """A misspelt one does not silently become another."""
    monkeypatch.setenv("MCPLUGIN_ISA", "avx-512")
    with pytest.raises(InputError, match="MCPLUGIN_ISA"):
        get_sampler("gan-native")


@pytest.mark.parametrize("name", INSTRUCTION_SETS)
def test_map_is_the_reference(name, reference, monkeypatch):
    """Within 1e-6 of numpy's double precision, at one temperature and at one per draw."""
    sampler = instruction_set(name, monkeypatch)
    rng = np.random.default_rng(1)
    radius = np.concatenate([[0.0], rng.uniform(0.0, 9.0, 20_000), rng.uniform(0.0, 0.01, 100)])
    theta = np.exp(rng.uniform(np.log(1e-4), np.log(100.0), radius.size))
    theta[:2] = 1e-4, 100.0
    np.testing.assert_allclose(sampler.transform(radius, theta), reference(radius, theta), 1e-6)
    for t in (1e-4, 0.01, 0.3, 1.0, 10.0, 100.0):
        np.testing.assert_allclose(sampler.transform(radius, t), reference(radius, t), 1e-6)


def test_map_is_torchscript():
    """Within 1e-6 of the TorchScript model for equal latents."""
    native_sampler, torch_sampler = get_sampler("gan-native"), get_sampler("gan-torch")
    radius = np.random.default_rng(2).uniform(0.0, 8.5, 10_001)
    for theta in (1e-3, 0.2, 7.0):
        np.testing.assert_allclose(
            native_sampler.transform(radius, theta), torch_sampler.transform(radius, theta), 1e-6
        )


@pytest.mark.parametrize("theta", [1e-3, 0.3, 30.0, "each"])
def test_engines_draw_the_same_electrons(theta):
    """From the same streams gan-native and gan-torch draw the same latents, to 1e-6."""
    count = 100_003
    if theta == "each":
        theta = np.geomspace(1e-4, 100.0, count)
    streams = {name: random_streams(3, count) for name in ("gan-native", "gan-torch")}
    drawn = {name: get_sampler(name).sample(theta, own) for name, own in streams.items()}
    np.testing.assert_allclose(drawn["gan-native"], drawn["gan-torch"], 1e-6)
    assert np.array_equal(streams["gan-native"], streams["gan-torch"])


@pytest.mark.parametrize("theta", [1e-4, 0.02, 1.0, 100.0])
def test_rejection_is_that_of_the_package(theta):
    """From the same streams the C code and the numba code draw the same electrons, to rounding."""
    streams = {name: random_streams(4, 50_000) for name in ("rejection-native", "rejection")}
    drawn = {name: get_sampler(name).sample(theta, own) for name, own in streams.items()}
    np.testing.assert_allclose(drawn["rejection-native"], drawn["rejection"], 1e-13)
    assert np.array_equal(streams["rejection-native"], streams["rejection"])


@pytest.mark.parametrize("sampler", ["gan-native", "gan-exact"])
def test_instruction_sets_agree(sampler, monkeypatch):
    """Same streams: the same bits wherever products and sums are fused, and 1e-6 elsewhere."""
    theta = np.geomspace(1e-4, 100.0, 50_001)
    drawn = {}
    for name in INSTRUCTION_SETS:
        monkeypatch.setenv("MCPLUGIN_ISA", name)
        chosen = get_sampler(sampler)
        drawn[chosen.instruction_set] = [
            chosen.sample(t, random_streams(5, theta.size)) for t in (theta, 0.4)
        ]
    assert "generic" in drawn
    for name, (each, one) in drawn.items():
        for here, plain in zip((each, one), drawn["generic"], strict=True):
            close = np.isclose(here, plain, rtol=1e-6, atol=0.0)
            # gan-exact may decide otherwise on a proposal at the very edge of acceptance.
            assert np.count_nonzero(~close) <= (1 if sampler == "gan-exact" else 0), name
    if {"avx2", "avx512"} <= drawn.keys():
        for wide, narrow in zip(drawn["avx512"], drawn["avx2"], strict=True):
            assert np.array_equal(wide, narrow)


def test_acceptance_of_the_exact_generator():
    """At least 98 % over the whole range, and as often as computed: counted in the streams."""
    sampler = get_sampler("gan-exact")
    thetas = np.geomspace(1e-4, 100.0, 200)
    assert min(sampler.quality(theta)["acceptance"] for theta in thetas) >= 0.98
    # A stream that accepts at once has drawn three words; count those that have drawn more.
    count = 400_000
    for theta in (0.01, 1.0, 100.0):
        streams = random_streams(6, count)
        sampler.sample(theta, streams)
        once = random_streams(6, count)
        for _ in range(3):
            advance(once)
        accepted = np.count_nonzero((streams == once).all(axis=1))
        expected = sampler.quality(theta)["acceptance"]
        error = math.sqrt(expected * (1.0 - expected) / count)
        assert abs(accepted / count - expected) < 5.0 * error


def advance(streams):
    """One step of xoroshiro128++ for each stream."""
    with np.errstate(over="ignore"):
        first, second = streams[:, 0].copy(), streams[:, 1].copy()
        second ^= first
        streams[:, 0] = (first << 49 | first >> 15) ^ second ^ second << 21
        streams[:, 1] = second << 28 | second >> 36


def density_ratio(generator, radius, theta):
    """Exact density of r over that of the latent, by numerical differentiation of the map."""
    step = 1e-5
    u = generator(radius, theta)
    slope = (generator(radius + step, theta) - generator(radius - step, theta)) / (2 * step)
    return mj.pdf(u, theta) * slope / stats.chi.pdf(radius, 3)


@pytest.mark.parametrize(
    "change", [{}, {"slopes": 1.1}, {"amplitudes": 0.8}, {"bias": 0.3}], ids=str
)
def test_the_ratio_is_bounded(change, reference):
    """At 300 random temperatures no latent radius has a ratio above the bound in use.

    The bound follows from the acceptance, whose inverse it is in units of the exact density.
    """
    generator = altered(reference, **change)
    made = Made("gan-exact", as_bytes(generator))
    radius = np.linspace(0.001, TAIL_RADIUS, 2000)
    rng = np.random.default_rng(7)
    for theta in np.exp(rng.uniform(np.log(1e-4), np.log(100.0), 300)):
        highest = density_ratio(generator, radius, theta).max()
        assert highest * made.acceptance(theta) <= 1.0 + 1e-6, theta


BAD = {
    "slopes too steep": {"slopes": 1.3},
    "amplitudes too small": {"amplitudes": 0.5},
    "all amplitudes gone": {"amplitudes": 0.0},
    "biased": {"bias": 1.0},
}


@pytest.mark.parametrize("change", BAD.values(), ids=BAD.keys())
def test_bad_weights_are_made_exact(change, reference):
    """The generator itself is seen to be wrong; gan-exact with its weights is exact, but slower."""
    weights = as_bytes(altered(reference, **change))
    made, naive = Made("gan-exact", weights), Made("gan", weights)
    count = 1_000_000
    for theta in (0.01, 0.5, 20.0):
        u = made.sample(theta, random_streams(8, count))
        assert ks_test(u, theta)[1] > FALSE_ALARM
        kinetic = u**2 / (1 + np.sqrt(1 + u**2))
        error = kinetic.std() / math.sqrt(count)
        assert abs(kinetic.mean() - mj.moment_kinetic(1, theta)) < 5.5 * error
    assert ks_test(naive.sample(20.0, random_streams(8, count)), 20.0)[1] < 1e-12
    assert made.acceptance(20.0) < 0.96 < get_sampler("gan-exact").quality(20.0)["acceptance"]
    mixed = np.random.default_rng(9).choice([0.003, 0.4, 60.0], count)
    u = made.sample(mixed, random_streams(9, count))
    for theta in np.unique(mixed):
        assert ks_test(u[mixed == theta], theta)[1] > FALSE_ALARM


@pytest.mark.parametrize("tail_radius", [1.0, 2.0, 4.0])
def test_the_tail_is_exact(tail_radius, reference):
    """With the tail's proposals brought into reach, draws of body and tail remain exact.

    Pearson's chi-square over 40 intervals of equal survival ratio, down to survival 1e-5.
    """
    made = Made("gan-exact", as_bytes(reference), tail_radius)
    count = 2_000_000
    for theta in (1e-3, 0.3, 50.0):
        u = made.sample(theta, random_streams(10, count))
        assert ks_test(u, theta)[1] > FALSE_ALARM
        edges = np.array([mj.inverse_survival(s, theta) for s in np.geomspace(0.9, 1e-5, 40)])
        found = np.histogram(u, np.concatenate([[0.0], edges, [np.inf]]))[0]
        survival = np.concatenate([[1.0], np.geomspace(0.9, 1e-5, 40), [0.0]])
        assert stats.chisquare(found, -np.diff(survival) * count).pvalue > FALSE_ALARM
        # Where the tail begins, too: neither a gap nor a heap.
        start = float(reference(tail_radius, theta))
        near = (u > 0.98 * start) & (u < 1.02 * start)
        expected = count * float(np.diff(exact_cdf(theta)(np.array([0.98, 1.02]) * start))[0])
        assert abs(np.count_nonzero(near) - expected) < 5.5 * math.sqrt(expected)


def test_what_cannot_be_made_exact_is_refused(reference):
    """A map that falls with the radius, or has features too fine to bound, is named."""
    falling = ThermalMap(
        np.array([-3.0, 9.0, 20.0, 0.0]), np.zeros((1, 4)), np.ones(1), reference.theta_range
    )
    assert np.diff(falling(np.linspace(0.0, 6.0, 100), 1.0)).min() < 0.0
    with pytest.raises(WeightsError, match="falls with the latent radius"):
        Made("gan-exact", as_bytes(falling))
    Made("gan", as_bytes(falling))
    hopeless = altered(reference, amplitudes=0.0, bias=-40.0)
    with pytest.raises(WeightsError, match="one draw in 100"):
        Made("gan-exact", as_bytes(hopeless))
    with pytest.raises(WeightsError, match="too rough"):
        Made("gan-exact", as_bytes(altered(reference, slopes=100.0)))


@pytest.mark.parametrize("sampler", ["gan", "gan-native", "gan-exact"])
def test_own_weights(sampler, reference, tmp_path):
    """Other weights are used, by path, through their verified file."""
    weights = load_weights()
    generator = altered(reference, bias=0.1)
    tensors = {**weights.tensors, "base": generator.base}
    save_weights(tmp_path / "own.safetensors", Weights(tensors, weights.card))
    own = get_sampler(sampler, weights=tmp_path / "own.safetensors")
    streams = [random_streams(11, 1000) for _ in range(2)]
    u, shipped = own.sample(2.0, streams[0]), get_sampler(sampler).sample(2.0, streams[1])
    assert not np.array_equal(u, shipped)
    (tmp_path / "own.safetensors").write_bytes(b"altered")
    with pytest.raises(WeightsError, match="own"):
        get_sampler(sampler, weights=tmp_path / "own.safetensors")


def test_built_in_weights_are_the_shipped_ones(reference):
    """A C program that asks for "gan" has the very generator of the Python package."""
    library = binding.load()
    built_in = library.create("gan")
    assert library.theta_range(built_in) == reference.theta_range
    radius = np.linspace(0.0, 8.0, 1001)
    u = np.empty(radius.size)
    library.transform_radius(built_in, np.array(0.7), radius, u)
    assert np.array_equal(u, get_sampler("gan-native").transform(radius, 0.7))


def test_without_the_library(monkeypatch, tmp_path):
    """A package installed without a C compiler says what to do."""
    binding.load.cache_clear()
    monkeypatch.setattr(native, "_HERE", tmp_path)
    with pytest.raises(MissingPackageError, match="C compiler"):
        get_sampler("gan-native")
    monkeypatch.undo()
    binding.load.cache_clear()
    get_sampler("gan-native")


def test_a_library_of_another_release(monkeypatch, tmp_path):
    """Header and library are compared by the number of their binary interface."""
    binding.load.cache_clear()
    header = (native.include_directory() / "mcplugin.h").read_text()
    for folder in ("lib", "include"):
        (tmp_path / folder).mkdir()
    streams = (native.include_directory() / "mcplugin_streams.h").read_text()
    (tmp_path / "include" / "mcplugin_streams.h").write_text(streams)
    changed = re.sub(r"(#define MCP_ABI_VERSION) \d+", r"\1 999", header)
    assert changed != header
    (tmp_path / "include" / "mcplugin.h").write_text(changed)
    (tmp_path / "lib" / "libmcplugin.so").write_bytes(native.library().read_bytes())
    monkeypatch.setattr(native, "_HERE", tmp_path)
    with pytest.raises(MissingPackageError, match="999"):
        get_sampler("gan-native")
    monkeypatch.undo()
    binding.load.cache_clear()
