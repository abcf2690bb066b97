"""The verdict is wrong as rarely as it says, and sees what it says that it would have seen."""

import numpy as np
import pytest
from scipy import special

from mcplugin.fidelity import SampledTest, uniformity
from mcplugin.fidelity import verdict as verdict_of
from mcplugin.fidelity.verdict import (
    holm,
    two_sided,
    verdict,
    visible_to_anderson_darling,
    visible_to_chi_square,
    visible_to_kolmogorov,
    visible_to_z,
)

LEVEL = 1e-3


def _test(p_value):
    return SampledTest("family", "subject", 0.1, 100, 0.0, p_value, visible_to_z(1.0))


def test_holm():
    """The example by hand: 4 × 0.01, 3 × 0.02, then never less; order is kept."""
    np.testing.assert_allclose(holm([0.03, 0.01, 0.9, 0.02]), [0.06, 0.04, 0.9, 0.06])
    assert verdict([_test(2e-4)] * 3 + [_test(0.4)]).told_apart
    assert not verdict([_test(3e-4)] * 3 + [_test(0.4)]).told_apart
    decided = verdict([_test(0.4), _test(1e-9)])
    assert [test.p_value for test, _ in decided.rejected] == [1e-9]
    assert (decided.tests, decided.level) == (2, 5e-4)


def test_false_alarms_are_as_rare_as_stated():
    """At a level of 5 %, 20 uniform p-values are told apart in at most 5 % of 4000 cases."""
    rng = np.random.default_rng(81)
    alarms = sum(np.min(holm(rng.random(20))) <= 0.05 for _ in range(4000))
    assert 150 < alarms < 245


def _found(draw, p_value_of, repeats=1000):
    rng = np.random.default_rng(82)
    return sum(p_value_of(draw(rng)) < LEVEL for _ in range(repeats)) / repeats


def _smoothly_off(rng, size, n):
    """Numbers whose cdf is p + 4D p(1 - p), by inversion."""
    c = 4 * size
    q = rng.random(n)
    return np.sort(2 * q / (1 + c + np.sqrt((1 + c) ** 2 - 4 * c * q)))


def test_kolmogorov_sees_what_it_says():
    """A smooth deviation of the stated size is found in 95 % of samples or more; half of it not."""
    n = 1500
    size = visible_to_kolmogorov(n)(LEVEL)

    def p_value(sample):
        return uniformity.kolmogorov_smirnov(sample)[1]

    assert _found(lambda rng: _smoothly_off(rng, size, n), p_value) > 0.93
    assert _found(lambda rng: _smoothly_off(rng, size / 3, n), p_value) < 0.2


def test_anderson_darling_sees_what_it_says():
    """The stated height of a smooth deviation is found in about 95 % of samples."""
    n = 1500
    size = visible_to_anderson_darling(n)(LEVEL)

    def p_value(sample):
        return uniformity.anderson_darling(sample)[1]

    assert 0.9 < _found(lambda rng: _smoothly_off(rng, size, n), p_value) < 0.99
    assert size < visible_to_kolmogorov(n)(LEVEL)


def test_z_and_chi_square_see_what_they_say():
    """A mean, and the length of a mean vector, of the stated size are found in 95 %."""
    size = visible_to_z(0.2)(LEVEL)
    found = _found(lambda rng: rng.normal(size, 0.2) / 0.2, two_sided, 4000)
    assert found == pytest.approx(verdict_of.POWER, abs=0.015)
    length = visible_to_chi_square(3, 0.2)(LEVEL)

    def draw(rng):
        return np.sum(rng.normal([0.0, length, 0.0], 0.2) ** 2) / 0.2**2

    found = _found(draw, lambda square: special.chdtrc(3, square), 4000)
    assert found == pytest.approx(verdict_of.POWER, abs=0.015)
