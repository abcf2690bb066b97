"""At one temperature many draws are mapped by polynomials in place of the network."""

import numpy as np
import pytest

from mcplugin import get_sampler, random_streams
from mcplugin.learning.c_form import c_form
from mcplugin.learning.radial_map import ThermalMap, thermal_map
from mcplugin.learning.weights import load_weights
from mcplugin.native import binding
from mcplugin.samplers.gan import draw_latent_radii

INSTRUCTION_SETS = ("avx512", "avx2", "generic")


@pytest.fixture(scope="module")
def reference():
    """The shipped generator, evaluated with numpy."""
    return thermal_map(load_weights())


@pytest.fixture(scope="module")
def rare_streams():
    """Streams whose next latent radii are spread evenly from 0 to 9, beyond which is one in 10¹⁶.

    The first word of a stream can be chosen: small ones make large radii.
    """
    rng = np.random.default_rng(1)
    first = rng.integers(1, 2**64, 2_000_000, dtype=np.uint64)
    word = (2.0 ** rng.uniform(-20.0, 40.0, first.size)).astype(np.uint64) << 24
    with np.errstate(over="ignore"):
        rotated = word - first
        streams = np.stack([first, (rotated >> 17 | rotated << 47) - first], axis=1)
    radius = radii_of(streams)
    order = np.argsort(radius)
    bins = np.searchsorted(radius[order], np.arange(0.02, 9.5, 0.02))
    chosen = np.concatenate([some[:40] for some in np.split(order, bins)])
    assert radius.max() > 8.8
    assert chosen.size > 15_000
    return streams[chosen]


def radii_of(streams):
    """Their next latent radii, in Python."""
    radius = np.empty(len(streams))
    draw_latent_radii(streams.copy(), radius)
    return radius


class Generator:
    """A generator in the library, drawing from streams."""

    def __init__(self, generator):
        self.library = binding.load()
        weights = c_form(
            generator.base, generator.modulation, generator.theta_scale, generator.theta_range
        )
        self.handle = self.library.create("gan", weights)

    def sample(self, theta, streams):
        """One draw per stream; the streams are left as they are."""
        u = np.empty(len(streams))
        theta = np.asarray(theta, dtype=float)
        self.library.sample_streams(self.handle, theta, streams.copy(), u)
        return u

    def by_network(self, theta, streams):
        """The same where each draw is given its temperature, and nothing is a table."""
        return self.sample(np.full(len(streams), theta), streams)


@pytest.mark.parametrize("name", INSTRUCTION_SETS)
def test_draws_are_the_map_of_their_latents(name, reference, rare_streams, monkeypatch):
    """Within 1e-6 of numpy's double precision over the whole range of radii and temperatures."""
    monkeypatch.setenv("MCPLUGIN_ISA", name)
    sampler = get_sampler("gan-native")
    if sampler.instruction_set != name:
        pytest.skip(f"this processor has no {name}: nothing was tested on it")
    radius = radii_of(rare_streams)
    for theta in np.geomspace(1e-4, 100.0, 31).clip(1e-4, 100.0):
        u = sampler.sample(theta, rare_streams.copy())
        np.testing.assert_allclose(u, reference(radius, theta), 1e-6)


def test_a_table_is_used(reference):
    """Draws at one temperature are not bit by bit those of the network: the tests here see both."""
    generator, streams = Generator(reference), random_streams(2, 10_000)
    for theta in np.geomspace(1e-4, 100.0, 200).clip(1e-4, 100.0):
        table, network = generator.sample(theta, streams), generator.by_network(theta, streams)
        np.testing.assert_allclose(table, network, 1e-6)
        assert not np.array_equal(table, network)


def test_instruction_sets_agree(rare_streams, monkeypatch):
    """Tables of equal bits make draws of equal bits wherever products and sums are fused."""
    drawn = {}
    for name in ("avx512", "avx2"):
        monkeypatch.setenv("MCPLUGIN_ISA", name)
        sampler = get_sampler("gan-native")
        drawn[sampler.instruction_set] = [
            sampler.sample(theta, rare_streams.copy()) for theta in np.geomspace(2e-4, 90.0, 50)
        ]
    if len(drawn) < 2:
        pytest.skip("this processor has not both avx512 and avx2: nothing was compared")
    assert np.array_equal(drawn["avx512"], drawn["avx2"])


def test_draws_do_not_coincide():
    """Tables are of single precision, but draws have all digits: a million of them are distinct."""
    u = get_sampler("gan-native").sample(0.3, random_streams(3, 1_000_000))
    assert np.unique(u).size == u.size


def random_generator(rng, steepest):
    """A map of random units that bend anywhere within the radii that occur."""
    n = int(rng.integers(1, 13))
    slopes = rng.choice([-1.0, 1.0], n) * np.geomspace(0.03, steepest, 1000)[rng.integers(1000)]
    offsets = -slopes * rng.uniform(0.0, 11.0, n)
    amplitudes = rng.uniform(-0.4, 0.4, n) * 10.0 ** rng.uniform(-5.0, 0.0, n)
    base = np.concatenate([slopes, offsets, amplitudes, [1.5]])
    return ThermalMap(base, np.zeros((1, base.size)), np.ones(1), (1e-4, 100.0))


def test_what_polynomials_do_not_follow_is_left_to_the_network(rare_streams):
    """Of 300 random maps of any steepness, all have draws within 1e-6 of the network.

    Those with a table are seen by their bits.
    """
    rng = np.random.default_rng(4)
    tabulated = 0
    for _ in range(300):
        generator = Generator(random_generator(rng, steepest=50.0))
        theta = 10.0 ** rng.uniform(-4.0, 2.0)
        table = generator.sample(theta, rare_streams)
        network = generator.by_network(theta, rare_streams)
        np.testing.assert_allclose(table, network, 1e-6)
        tabulated += not np.array_equal(table, network)
    assert 50 < tabulated < 250


def test_sizes_of_calls(library, samplers):
    """Small calls, which use the network, and large ones, which use a table, agree to 1e-6.

    Calls of 512 and of 1024 draws have equal bits.
    """

    def drawn(size, kind):
        rng = library.ffi.new("mcp_rng *")
        library.check(library.functions.mcp_rng_seed(rng, 5, 0))
        u, theta = np.empty(2048), np.array([0.3])
        for first in range(0, u.size, size):
            status = library.functions.mcp_sample_four_velocity(
                samplers[kind],
                rng,
                size,
                library.ffi.from_buffer("double[]", theta),
                1,
                library.ffi.from_buffer("double[]", u[first : first + size]),
            )
            library.check(status)
        return u

    for kind in ("gan", "gan-exact"):
        assert np.array_equal(drawn(512, kind), drawn(1024, kind))
        assert not np.array_equal(drawn(256, kind), drawn(512, kind))
        np.testing.assert_allclose(drawn(256, kind), drawn(512, kind), 1e-6)
