"""Streamed moments and tails: right errors, right p-values, the same however they are streamed."""

import numpy as np
import pytest
from scipy import stats

from mcplugin import ElectronVelocitySampler, get_sampler, random_streams
from mcplugin.electrons import maxwell_juttner as mj
from mcplugin.errors import SamplerError
from mcplugin.fidelity import exact_cdf
from mcplugin.fidelity.moments import (
    MOMENT_NAMES,
    moment_tests,
    survival_interval,
    tail_tests,
    unskewed,
)
from mcplugin.fidelity.pool import BINS, distribution_tests, draw_pool, merged


class HotSampler(ElectronVelocitySampler):
    """Exact electrons of a gas that is 1 % too hot."""

    name = "hot"
    theta_range = (1e-4, 90.0)

    def fill(self, theta, streams, u):
        """Draw at 1.01 Θ."""
        get_sampler("rejection").sample(1.01 * theta, streams, out=u)

    def quality(self, theta):
        """Nothing is claimed."""
        return {}


def test_a_pool_is_what_was_drawn():
    """Histogram, sums and tails of the very draws, in one pool or in merged parts."""
    sampler = get_sampler("table")
    drawn = draw_pool(sampler, 0.3, 5, 1000, 150_000)
    u = sampler.sample(0.3, random_streams(5, 150_000, 1000))
    counts = np.bincount((exact_cdf(0.3)(u) * BINS).astype(int), minlength=BINS)
    assert np.array_equal(drawn.counts, counts)
    moments = [u, u**2, u**3, u**4, np.sqrt(1 + u**2) - 1]
    np.testing.assert_allclose(drawn.sums, [np.sum(values) for values in moments], rtol=1e-12)
    thresholds = mj.inverse_survival([1e-3, 1e-4, 1e-5, 1e-6], 0.3)
    assert drawn.above.tolist() == [np.count_nonzero(u > limit) for limit in thresholds]
    parts = [draw_pool(sampler, 0.3, 5, first, 75_000) for first in (1000, 76_000)]
    both = merged(*parts)
    assert both.draws == 150_000
    assert np.array_equal(both.counts, drawn.counts)
    np.testing.assert_allclose(both.sums, drawn.sums, rtol=1e-12)


@pytest.mark.parametrize("give", [np.nan, np.inf, -0.1])
def test_impossible_draws_are_refused(give):
    """A four-velocity that no electron has is never counted."""

    class Broken(HotSampler):
        def fill(self, theta, streams, u):
            u[:] = 1.0
            u[17] = give

    with pytest.raises(SamplerError, match=r"drew u = .* at theta = 0.3"):
        draw_pool(Broken(), 0.3, 1, 0, 1000)


@pytest.mark.parametrize("theta", [1e-3, 0.3, 50.0])
def test_exact_moments_pass_and_a_hotter_gas_does_not(theta):
    """10⁶ draws: 1 % more temperature is 12 standard errors or more of the mean energy."""
    exact = moment_tests(draw_pool(get_sampler("rejection"), theta, 91, 0, 1_000_000))
    assert [test.subject for test in exact] == list(MOMENT_NAMES)
    assert min(test.p_value for test in exact) > 1e-4
    hot = draw_pool(HotSampler(), theta, 91, 0, 1_000_000)
    energy = moment_tests(hot)[-1]
    expected = mj.moment_kinetic(1, 1.01 * theta) / mj.moment_kinetic(1, theta) - 1
    assert energy.deviation == pytest.approx(float(expected), abs=5e-3)
    assert energy.visible(1e-6) < 0.01
    for test in (*moment_tests(hot), *distribution_tests(hot.counts, theta)):
        assert test.p_value < 1e-6


def test_skew_means_have_right_p_values():
    """Means of 400 exponential numbers, skewness 0.1: corrected scores have normal tails."""
    means = np.random.default_rng(92).gamma(400.0, size=2_000_000) / 400
    z = (means - 1) * np.sqrt(400)
    scores = unskewed(z, 2 / np.sqrt(400))
    for threshold in (2.0, 3.0, 3.5):
        for sign in (1, -1):
            share = np.mean(sign * scores > threshold) / stats.norm.sf(threshold)
            assert share == pytest.approx(1.0, abs=0.15)
    assert np.mean(z > 3.5) / stats.norm.sf(3.5) > 1.5


def test_tails():
    """Counts beyond survival p are binomial: p-values of exact ones, and a cut tail is seen."""
    exact = tail_tests(draw_pool(get_sampler("rejection"), 0.3, 93, 0, 2_000_000))
    assert min(test.p_value for test in exact) > 1e-4

    class CutSampler(HotSampler):
        """No electron beyond survival 1e-5."""

        def fill(self, theta, streams, u):
            get_sampler("rejection").sample(theta, streams, out=u)
            np.minimum(u, mj.inverse_survival(1e-5, theta), out=u)

    cut = tail_tests(draw_pool(CutSampler(), 0.3, 93, 0, 2_000_000))
    assert [test.deviation == -1.0 for test in cut] == [False, False, True, True]
    assert cut[2].p_value == pytest.approx(2 * np.exp(-20), rel=1e-3)
    assert cut[0].p_value > 1e-4


def test_survival_intervals_hold_the_truth():
    """95 % of Poisson counts or more have an interval that holds the true ratio."""
    counts = np.random.default_rng(94).poisson(8.0, 2000)
    limits = {count: survival_interval(int(count), 8.0) for count in set(counts)}
    held = np.mean([limits[count][0] <= 1.0 <= limits[count][1] for count in counts])
    assert 0.94 < held <= 1.0
    assert survival_interval(0, 10.0) == (0.0, pytest.approx(-np.log(0.025) / 10))
