"""Errors of a generator without sampling: those that its events show."""

import dataclasses

import numpy as np
import pytest

from mcplugin import ScatteringSampler, get_scattering_sampler
from mcplugin.fidelity.event_pool import draw_events
from mcplugin.fidelity.event_quadrature import EventQuadrature, GeneratesEvents, measure_events
from mcplugin.fidelity.event_tests import COSINE, ENERGY, GAIN, GIVEN_COSINE, pool_tests
from mcplugin.jit import kernel
from mcplugin.learning.event_generator import EventGenerator, load_event_weights
from mcplugin.random_streams import exponential_from, point_in_disc, random_bits, uniform

PLACE = 0.1, 0.3
EVENTS = 60_000


@kernel
def _latents(streams, v, z):
    """A uniform and a normal number from each stream."""
    for i in range(v.size):
        v[i] = uniform(streams, i)
        a, _, square = point_in_disc(streams, i)
        z[i] = np.sqrt(2.0 * exponential_from(random_bits(streams, i)) / square) * a


class Spoilt(ScatteringSampler):
    """The generator of the package with something added to the output of each network."""

    name = "spoilt"
    theta_range = (1e-3, 10.0)
    x_range = (1e-6, 10.0)

    def __init__(self, cosine, momentum):
        self.generator = EventGenerator(load_event_weights())
        for name, shift in (("cosine", cosine), ("momentum", momentum)):
            network = getattr(self.generator, name)
            base = network.base.copy()
            network.shape.split(base)["bias"][:] += shift
            setattr(self.generator, name, dataclasses.replace(network, base=base))

    def fill(self, x, theta, streams, x_out, cosine):
        """Evaluate it with numpy."""
        v, z = np.empty((2, x.size))
        _latents(streams, v, z)
        x_out[:], cosine[:] = self.generator.fold(float(theta))(x, v, z)

    def quality(self, theta):
        """Nothing is claimed."""
        return {}


@pytest.mark.parametrize(("cosine", "momentum"), [(0.3, 0.0), (0.0, 0.2)])
def test_what_is_computed_is_what_is_drawn(cosine, momentum):
    """Distances and means of 60,000 events of a spoilt generator, within 1.5/√n and 4 sigma."""
    sampler = Spoilt(cosine, momentum)
    assert isinstance(sampler, GeneratesEvents)
    computed = measure_events(sampler.generator, *PLACE)
    tests = pool_tests(draw_events(sampler, *PLACE, 231, 0, EVENTS))
    for family, distance in ((COSINE, computed.cosine), (ENERGY, computed.energy)):
        (test,) = (t for t in tests if (t.family, t.subject) == (family, "KS"))
        assert test.deviation == pytest.approx(distance[0], abs=1.5 / np.sqrt(EVENTS))
    cells = [test for test in tests if test.family == GIVEN_COSINE]
    for test, distance in zip(cells, computed.energy_given_cosine[0], strict=True):
        assert test.deviation == pytest.approx(distance, abs=1.7 / np.sqrt(test.draws))
    (gain,) = (test for test in tests if test.subject == GAIN)
    assert gain.deviation == pytest.approx(computed.gain[0], abs=4 * gain.noise)
    tails = [test.deviation for test in tests if test.family == "tails"]
    assert tails[0] == pytest.approx(computed.tail[0, 0], abs=4 / np.sqrt(1e-3 * EVENTS))
    worst = max(computed.cosine[0], computed.energy_given_cosine.max())
    assert worst > 0.02


def test_the_generator_of_the_package():
    """Within a thousandth at both ends of its range."""
    generator = get_scattering_sampler("gan-event").generator
    parts = [measure_events(generator, x, theta) for x, theta in ((1e-6, 1e-3), (10.0, 10.0))]
    both = EventQuadrature.joined(parts)
    assert both.x.tolist() == [1e-6, 10.0]
    assert both.energy_given_cosine.shape == (2, 6)
    for column in (both.cosine, both.energy, both.energy_given_cosine):
        assert (column < 1e-3).all()
    assert np.abs(both.gain).max() < 2e-3


def test_who_has_a_generator():
    """Exact samplers have none."""
    assert not isinstance(get_scattering_sampler("exact"), GeneratesEvents)
