"""The tabulated law of events: the exact one, within the errors that it states."""

import numpy as np
import pytest
from scipy import stats

from mcplugin import get_scattering_sampler, random_streams
from mcplugin.fidelity.event_law import LEAST_DEFLECTION, EventLaw, event_law
from mcplugin.scattering.event_distribution import (
    angle_quantile,
    event_moments,
    momentum_cdf,
    momentum_quantile,
)
from mcplugin.scattering.redistribution import energy_ratio, momentum_of

PLACES = [(1e-6, 1e-3), (10.0, 1e-3), (0.3, 0.1), (2e-3, 8.0)]


@pytest.mark.parametrize("place", PLACES)
def test_ranks_are_the_exact_distribution_functions(place):
    """Of an event made of three probabilities, two come back, and uniform ones are uniform."""
    law = event_law(*place)
    angle = np.array([0.02, 0.3, 0.6, 0.97])
    h = angle_quantile(angle, *place)[:, None]
    momentum = np.array([1e-3, 0.1, 0.5, 0.8, 0.999])
    zeta = momentum_quantile(momentum, h, *place)
    ratio = energy_ratio(zeta, h, *place)
    cosine = np.broadcast_to(1.0 - 2.0 * h, ratio.shape)
    ranks = law.ranks(ratio.ravel(), cosine.ravel())
    np.testing.assert_allclose(
        ranks.angle.reshape(4, 5), angle[:, None] + 0.0 * momentum, atol=2e-7
    )
    np.testing.assert_allclose(ranks.momentum.reshape(4, 5), momentum + 0.0 * h, atol=1e-5)
    # The law of the energy alone, by another sum over angles.
    uniform = (np.arange(150) + 0.5) / 150
    angles = angle_quantile(uniform**2, *place)[:, None]
    needed = momentum_of(ratio[::2, 1], angles, *place)
    lower = 1.0 - uniform @ momentum_cdf(needed, angles, *place) / uniform.sum()
    np.testing.assert_allclose(law.energy_cdf(ratio[::2, 1]), lower, atol=5e-5)
    assert law.table_error() < 1e-5


def test_ranks_of_exact_events_are_uniform():
    """By KS tests at 10⁵ events, the seed being fixed."""
    ratio, cosine = get_scattering_sampler("exact").sample(0.3, 0.1, random_streams(201, 100_000))
    for rank in event_law(0.3, 0.1).ranks(ratio / 0.3, cosine):
        assert stats.kstest(rank[np.isfinite(rank)], "uniform").pvalue > 1e-3


@pytest.mark.parametrize("place", PLACES)
def test_means_and_tails(place):
    """Means are those of the quadrature elsewhere; tails lie where the energy's cdf says."""
    law, moments = event_law(*place), event_moments(*place)
    assert law.ratio_powers[0] == pytest.approx(moments.ratio, rel=1e-9)
    assert law.ratio_powers[1] == pytest.approx(moments.ratio_squared, rel=1e-9)
    assert law.cosine_powers[0] == pytest.approx(moments.cosine, abs=1e-9)
    assert law.tail_probability == pytest.approx([1e-3, 1e-4, 1e-5], rel=0.02)
    np.testing.assert_allclose(
        1.0 - law.energy_cdf(law.tail_ratio), law.tail_probability, atol=2e-5
    )
    probability = np.array([0.2, 0.7])
    there = law.energy_cdf(law.energy_quantile(probability))
    np.testing.assert_allclose(there, probability, atol=2e-5)


def test_photons_that_are_hardly_turned():
    """Their momentum is not known, and they say so; all other ranks are."""
    cosine = 1.0 - 2.0 * np.array([0.0, 0.5 * LEAST_DEFLECTION, 2.0 * LEAST_DEFLECTION])
    ranks = event_law(0.3, 0.1).ranks(np.ones(3), cosine)
    assert np.isnan(ranks.momentum).tolist() == [True, True, False]
    assert np.isfinite([ranks.angle, ranks.energy]).all()


def test_tables_are_made_once():
    """The same object for the same place, and another one for another."""
    assert event_law(0.3, 0.1) is event_law(0.3, 0.1)
    assert isinstance(event_law(0.3, 0.1), EventLaw)
