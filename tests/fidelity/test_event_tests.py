"""Single tests of events: what is told apart, what is beyond its bar, and what noise is."""

import dataclasses

import numpy as np
import pytest

from mcplugin import get_scattering_sampler
from mcplugin.errors import SamplerError
from mcplugin.fidelity.event_law import event_law
from mcplugin.fidelity.event_pool import BINS, EventPool, draw_events, merged
from mcplugin.fidelity.event_tests import (
    BARS,
    COSINE,
    GAIN,
    GIVEN_COSINE,
    SQUARE,
    TAILS,
    Bars,
    mean_test,
    pool_tests,
    tail_test,
    together_tests,
)

PLACE = 0.3, 0.1
EVENTS = 50_000


@pytest.fixture(scope="module")
def pool():
    """Exact events at one place."""
    return draw_events(get_scattering_sampler("exact"), *PLACE, 211, 0, EVENTS)


def test_a_pool_counts_every_event(pool):
    """Once by each rank; two halves are the whole."""
    assert pool.ranks[:2].sum(axis=1).tolist() == [EVENTS, EVENTS]
    assert EVENTS - pool.ranks[2:].sum() < 10
    exact = get_scattering_sampler("exact")
    halves = [draw_events(exact, *PLACE, 211, first, EVENTS // 2) for first in (0, EVENTS // 2)]
    joined = merged(*halves)
    assert np.array_equal(joined.ranks, pool.ranks)
    assert np.array_equal(joined.above, pool.above)
    assert joined.ratio_sums == pytest.approx(pool.ratio_sums)


def test_exact_events_pass(pool):
    """Deviations are of the size of their noise, and nothing is beyond a bar."""
    tests = pool_tests(pool)
    tests += together_tests(pool, tests)
    assert min(test.p_value for test in tests) > 1e-3
    assert min(test.beyond_bar for test in tests) > 1e-3
    noisy = [test for test in tests if test.noise]
    assert 0.5 < np.mean([abs(test.deviation) / test.noise for test in noisy]) < 1.2
    for test in noisy:
        assert test.excess <= abs(test.deviation) <= test.limit
    families = {family: sum(t.family == family for t in tests) for family in (COSINE, GIVEN_COSINE)}
    assert families == {COSINE: 2, GIVEN_COSINE: 6}


def test_a_shift_of_the_ranks_is_a_distance(pool):
    """Ranks that are all 0.02 too large are off by D = 0.02: told apart, and beyond the bar."""
    shifted = np.roll(pool.ranks, round(0.02 * BINS), axis=1)
    shifted[:, : round(0.02 * BINS)] = 0
    tests = pool_tests(dataclasses.replace(pool, ranks=shifted))
    (cosine,) = (test for test in tests if (test.family, test.subject) == (COSINE, "KS"))
    assert cosine.deviation == pytest.approx(0.02, abs=1.5 / np.sqrt(EVENTS))
    assert cosine.p_value < 1e-9
    assert cosine.beyond_bar < 1e-9
    assert cosine.excess == pytest.approx(0.02, abs=1.5 / np.sqrt(EVENTS))


def test_means_are_held_against_their_bars(pool):
    """2 % too much energy is beyond the bar of the mean, 4 % too much of its square beyond that."""
    sums = pool.ratio_sums * [1.02, 1.0404]
    tests = {test.subject: test for test in pool_tests(dataclasses.replace(pool, ratio_sums=sums))}
    law = event_law(*PLACE)
    for subject, error in ((GAIN, 0.02), (SQUARE, 0.0404)):
        assert tests[subject].deviation == pytest.approx(error, abs=4 * tests[subject].noise)
        assert tests[subject].beyond_bar < 1e-3
    spread = np.sqrt(law.ratio_powers[1] / law.ratio_powers[0] ** 2 - 1.0)
    assert tests[GAIN].noise == pytest.approx(spread / np.sqrt(EVENTS))


def test_what_is_within_a_bar_is_not_beyond_it():
    """Told apart, yet accepted: ten standard errors, of which the bar takes nine."""
    test = mean_test("moments", GAIN, 0.1, 0.1, 1000, 1e-3, 1e-4, bar=9e-4)
    assert test.p_value < 1e-20
    assert test.beyond_bar == pytest.approx(0.3173, abs=1e-3)
    assert test.condemning == test.beyond_bar
    exactly = dataclasses.replace(test, must_be_exact=True)
    assert exactly.condemning == test.p_value
    assert mean_test("moments", GAIN, 0.1, 0.1, 1000, 8e-4, 1e-4, bar=9e-4).beyond_bar == 1.0


def test_tails_are_counted():
    """Half of what is expected beyond 1e-4 in 10⁷ events is beyond the bar; 5 % less is not."""
    few, fewer = tail_test(1, 950, 10**7, 1e-4), tail_test(1, 500, 10**7, 1e-4)
    assert few.deviation == pytest.approx(-0.05)
    assert few.beyond_bar == 1.0
    assert fewer.beyond_bar < 1e-9
    assert few.family == TAILS


def test_bars_of_the_gain():
    """Stricter where the gas is cold."""
    bars = Bars()
    assert (bars.gain(0.3), bars.gain(0.31)) == (bars.gain_cold, bars.gain_hot) == (3e-4, 2e-3)
    assert bars == BARS


@pytest.mark.parametrize(("x_out", "cosine"), [(np.nan, 0.0), (0.0, 0.0), (1.0, 1.5)])
def test_impossible_events_are_refused(x_out, cosine):
    """They are named, with the photon that they came of."""

    class Impossible:
        name = "impossible"

        def sample(self, x, theta, streams):
            return np.full(len(streams), x_out), np.full(len(streams), cosine)

    with pytest.raises(SamplerError, match=r"x = 0\.3 at theta = 0\.1 to x' = "):
        draw_events(Impossible(), *PLACE, 0, 0, 10)


def test_a_pool_is_of_its_place(pool):
    """What is written beside the counts."""
    assert isinstance(pool, EventPool)
    assert (pool.x, pool.theta, pool.events) == (*PLACE, EVENTS)
