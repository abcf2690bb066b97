"""What every scattering sampler promises, tested on all that are registered: add one, it is here.

Exact samplers must be indistinguishable from the exact law at 2·10⁵ events a place; the learned one
too, since its distance of some 10⁻⁴ is below what so many can see.
"""

import sys
import types
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from scipy import stats

from mcplugin import (
    ScatteringSampler,
    get_sampler,
    get_scattering_sampler,
    random_streams,
    sampler_names,
    scattering_sampler_names,
)
from mcplugin.errors import InputError, SamplerError, ThetaRangeError, UnknownSamplerError
from mcplugin.samplers.scattering import get_sampler_of_either_kind
from mcplugin.scattering import scatter
from mcplugin.scattering.event_distribution import angle_cdf, event_moments, momentum_cdf
from mcplugin.scattering.redistribution import momentum_of

# Each test on random events fails by chance with this probability; there are about 100 of them.
FALSE_ALARM = 1e-7
EVENTS = 200_000
PLACES = [(1e-6, 1e-3), (1e-4, 0.1), (0.1, 0.01), (0.03, 1.0), (1.0, 0.3), (3.0, 3.0)]


@pytest.fixture(params=scattering_sampler_names())
def sampler(request):
    return get_scattering_sampler(request.param)


def cosine_p_value(cosine, x, theta):
    """KS test of cosines against the exact law, interpolated from 2000 places of its cdf."""
    h = 0.5 * (1.0 - np.linspace(-1.0, 1.0, 2001))[::-1]
    cdf = angle_cdf(h, x, theta)
    return stats.kstest(0.5 * (1.0 - cosine), lambda at: np.interp(at, h, cdf)).pvalue


@pytest.mark.parametrize(("x", "theta"), PLACES)
def test_distribution(sampler, x, theta):
    """KS tests of the cosine, and of the energy given the cosine for 1000 of the events."""
    x_out, cosine = sampler.sample(x, theta, random_streams(41, EVENTS))
    assert (x_out > 0).all()
    assert (np.abs(cosine) <= 1).all()
    assert cosine_p_value(cosine, x, theta) > FALSE_ALARM
    few = slice(1000)
    h = 0.5 * (1.0 - cosine[few])
    inside = (h > 1e-6) & (h < 1 - 1e-6)
    zeta = momentum_of(x_out[few][inside] / x, h[inside], x, theta)
    uniform = momentum_cdf(zeta, h[inside], x, theta)
    assert stats.kstest(uniform, "uniform").pvalue > FALSE_ALARM


@pytest.mark.parametrize(("x", "theta"), PLACES)
def test_gain(sampler, x, theta):
    """⟨x'/x⟩, ⟨(x'/x)²⟩ and the mean cosine, within 5.5 standard errors and 1e-3."""
    x_out, cosine = sampler.sample(x, theta, random_streams(42, EVENTS))
    exact = event_moments(x, theta)
    ratio = x_out / x
    for values, expected in (
        (ratio, exact.ratio),
        (ratio**2, exact.ratio_squared),
        (cosine, exact.cosine),
    ):
        error = 5.5 * values.std() / np.sqrt(EVENTS) + 1e-3 * values.std()
        assert abs(values.mean() - expected) < error


def test_energies_and_temperatures_per_photon(sampler):
    """Mixed over the whole range, an event has the law of its own energy and temperature."""
    low, high = max(sampler.theta_range[0], 1e-3), min(sampler.theta_range[1], 10.0)
    rng = np.random.default_rng(43)
    thetas = np.exp(rng.uniform(np.log(low), np.log(high), 4))
    energies = np.exp(rng.uniform(np.log(1e-4), np.log(min(sampler.x_range[1], 5.0)), 4))
    choice = rng.integers(0, 4, EVENTS)
    x_out, cosine = sampler.sample(energies[choice], thetas[choice], random_streams(43, EVENTS))
    for k in range(4):
        own = choice == k
        assert cosine_p_value(cosine[own], energies[k], thetas[k]) > FALSE_ALARM
        exact = event_moments(energies[k], thetas[k])
        ratio = x_out[own] / energies[k]
        error = 5.5 * ratio.std() / np.sqrt(own.sum()) + 1e-3 * ratio.std()
        assert abs(ratio.mean() - exact.ratio) < error


def test_photons_beyond_the_range_scatter_exactly(sampler):
    """Those above ``x_range`` have the exact law, whatever is among them, and are not refused."""
    hard, theta = 2.0 * max(sampler.x_range[1], 10.0), 0.5
    if hard > 1e4:
        hard = 20.0
    x = np.where(np.arange(EVENTS) % 2 == 0, hard, 0.01)
    x_out, cosine = sampler.sample(x, theta, random_streams(44, EVENTS))
    for energy in (hard, 0.01):
        own = x == energy
        assert cosine_p_value(cosine[own], energy, theta) > FALSE_ALARM
        ratio = x_out[own] / energy
        expected = event_moments(energy, theta).ratio
        assert abs(ratio.mean() - expected) < 5.5 * ratio.std() / np.sqrt(own.sum()) + 1e-6


def test_bits_do_not_depend_on_batch_or_threads(sampler):
    """The same streams give the same bits in one batch, in pieces, and from several threads."""
    count = 5000
    rng = np.random.default_rng(45)
    x = np.exp(rng.uniform(np.log(1e-6), np.log(30.0), count))
    thetas = np.exp(rng.uniform(np.log(2e-3), np.log(5.0), count))
    for theta in (0.5, thetas):
        streams = random_streams(45, count)
        whole = sampler.sample(x, theta, streams)

        def piece(first, size, theta=theta):
            own = slice(first, first + size)
            own_streams = random_streams(45, size, first)
            own_theta = theta if np.isscalar(theta) else theta[own]
            return (*sampler.sample(x[own], own_theta, own_streams), own_streams)

        for size in (1, 7, 1000):
            starts = range(0, 500 if size < 1000 else count, size)
            with ThreadPoolExecutor(4) as pool:
                parts = list(pool.map(lambda first, size=size: piece(first, size), starts))
            x_out, cosine, own_streams = (np.concatenate(each) for each in zip(*parts, strict=True))
            done = min(x_out.size, count)
            assert np.array_equal(x_out[:done], whole[0][:done])
            assert np.array_equal(cosine[:done], whole[1][:done])
            assert np.array_equal(own_streams[:done], streams[:done])


def test_events_are_independent(sampler):
    """Successive events of one stream and of neighbouring streams are uncorrelated."""
    streams = random_streams(46, 100_000)
    (x_1, c_1), (x_2, c_2) = (sampler.sample(0.1, 0.3, streams) for _ in range(2))
    limit = 5.5 / np.sqrt(x_1.size)
    ranks = {name: stats.rankdata(v) for name, v in (("x1", x_1), ("x2", x_2), ("c1", c_1))}
    ranks["c2"] = stats.rankdata(c_2)
    for one, two in (("x1", "x2"), ("c1", "c2"), ("x1", "c2"), ("c1", "x2")):
        assert abs(np.corrcoef(ranks[one], ranks[two])[0, 1]) < limit
    for name in ("x1", "c1"):
        assert abs(np.corrcoef(ranks[name][1:], ranks[name][:-1])[0, 1]) < limit


def test_out_is_filled_and_given_back(sampler):
    """``out`` receives the very events that would have been returned; x is left as it was."""
    x = np.geomspace(1e-5, 30.0, 100)
    before = x.copy()
    expected = sampler.sample(x, 0.5, random_streams(47, 100))
    out = np.full(100, np.nan), np.full(100, np.nan)
    assert sampler.sample(x, 0.5, random_streams(47, 100), out=out) is out
    assert np.array_equal(out, expected)
    assert np.array_equal(x, before)


def test_no_photons(sampler):
    """Zero streams give zero events."""
    x_out, cosine = sampler.sample(0.1, 0.5, random_streams(1, 0))
    assert x_out.shape == cosine.shape == (0,)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"x": 0.0}, InputError, "x = 0"),
        ({"x": -1.0}, InputError, "x = -1"),
        ({"x": np.nan}, InputError, "not finite"),
        ({"x": 2e4}, InputError, "x = 20000"),
        ({"x": np.ones(2)}, InputError, r"x must be .* \(3,\)"),
        ({"x": "soft"}, InputError, "real numbers"),
        ({"theta": 0.0}, ThetaRangeError, "theta = 0"),
        ({"theta": 1e3}, ThetaRangeError, "theta = 1000"),
        ({"theta": np.inf}, InputError, "not finite"),
        ({"theta": np.ones(4)}, InputError, r"theta must be .* \(3,\)"),
        ({"streams": np.zeros((3, 2), np.uint64)}, InputError, "seeded"),
        ({"streams": np.zeros(3)}, InputError, "uint64"),
        ({"out": np.zeros(3)}, InputError, "pair"),
        ({"out": (np.zeros(3), np.zeros(2))}, InputError, "shape"),
        ({"out": (np.zeros(3), np.zeros(3, np.float32))}, InputError, "float64"),
    ],
)
def test_bad_input(sampler, arguments, error, message):
    """The value, the range and the remedy; streams and output stay as they were."""
    good = {"x": 0.1, "theta": 0.5, "streams": random_streams(1, 3), "out": None}
    with pytest.raises(error, match=message):
        sampler.sample(**good | arguments)
    assert np.array_equal(good["streams"], random_streams(1, 3))


def test_exact_holds_any_electrons():
    """Whatever draws electrons may be inside; ``scatter`` gives the same events."""
    for name in sampler_names():
        exact = get_scattering_sampler("exact", electrons=name)
        assert exact.options["electrons"] == get_sampler(name).name
        theta = 0.5
        given = exact.sample(0.2, theta, random_streams(48, 100))
        again = scatter(0.2, theta, get_sampler(name), random_streams(48, 100))
        assert np.array_equal(given, again)
    canfield = get_scattering_sampler("exact", electrons="rejection", method="canfield")
    assert canfield.options == {"electrons": "rejection", "method": "canfield"}


def test_names_and_mistakes():
    """Tags of the other kind, and of none, are met with what to do."""
    assert {"exact", "gan-event"} <= set(scattering_sampler_names())
    with pytest.raises(UnknownSamplerError, match="did you mean 'gan-event'"):
        get_scattering_sampler("gan-events")
    with pytest.raises(UnknownSamplerError, match=r"mcplugin\.get_scattering_sampler"):
        get_sampler("gan-event")
    with pytest.raises(UnknownSamplerError, match=r"mcplugin\.get_sampler"):
        get_scattering_sampler("rejection")
    assert get_sampler_of_either_kind("rejection").name == "rejection"
    assert get_sampler_of_either_kind("gan-event").name == "gan-event"
    made = get_scattering_sampler("gan-event")
    assert get_scattering_sampler(made) is made
    with pytest.raises(InputError, match="too late"):
        get_scattering_sampler(made, weights="other.safetensors")
    with pytest.raises(InputError, match="cannot take"):
        get_scattering_sampler("gan-event", colour="red")


class Elastic(ScatteringSampler):
    """A third party's: photons keep their energy and their direction."""

    name = "elastic"
    theta_range = (1e-4, 100.0)
    x_range = (1e-9, 100.0)

    def fill(self, x, theta, streams, x_out, cosine):
        x_out[:], cosine[:] = x, 1.0

    def quality(self, theta):
        return {}


def test_a_third_party_sampler_is_found(register_sampler, monkeypatch):
    """Registering an entry point is all it takes; one without a range of energies is refused."""
    module = types.ModuleType("third_party_scattering")
    module.Elastic = Elastic
    module.Boundless = type("Boundless", (Elastic,), {"x_range": (0.0, np.inf)})
    monkeypatch.setitem(sys.modules, module.__name__, module)
    group = "mcplugin.scattering_samplers"
    register_sampler("elastic", "third_party_scattering:Elastic", group)
    register_sampler("boundless", "third_party_scattering:Boundless", group)
    assert "elastic" in scattering_sampler_names()
    x_out, cosine = get_scattering_sampler("elastic").sample(0.3, 0.5, random_streams(1, 5))
    assert (x_out == 0.3).all()
    assert (cosine == 1.0).all()
    with pytest.raises(SamplerError, match="x_range"):
        get_scattering_sampler("boundless")
