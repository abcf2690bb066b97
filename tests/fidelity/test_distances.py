"""The yardsticks themselves: exact where they claim to be, and able to see what they should."""

import numpy as np
import pytest
from scipy import stats

from mcplugin import get_sampler, random_streams
from mcplugin.electrons import maxwell_juttner as mj
from mcplugin.fidelity import exact_cdf, ks_test


@pytest.mark.parametrize("theta", [1e-4, 1e-2, 1.0, 100.0])
def test_interpolated_cdf(theta):
    """Within 1e-11 of the integral, far tails included."""
    u = mj.quantile(np.random.default_rng(61).random(500), theta)
    u = np.concatenate([u, mj.inverse_survival(np.logspace(-20, -3, 20), theta), [0.0]])
    np.testing.assert_allclose(exact_cdf(theta)(u), mj.cdf(u, theta), atol=1e-11)


def test_a_wrong_temperature_is_seen():
    """Electrons 1 % too hot (D ≈ 4e-3) are told from exact ones with 10⁶ draws."""
    u = get_sampler("rejection").sample(1.01, random_streams(62, 1_000_000))
    distance, p_value = ks_test(u, 1.0)
    assert distance > 2e-3
    assert p_value < 1e-6


def test_a_cold_maxwellian_is_seen():
    """A plain Maxwellian at theta = 0.1, as some codes draw it, is 9 % off, as the cdfs say."""
    u = np.sqrt(0.1) * np.linalg.norm(np.random.default_rng(63).normal(size=(100_000, 3)), axis=1)
    distance, p_value = ks_test(u, 0.1)
    grid = np.linspace(0.0, 3.0, 10_001)
    expected = np.max(np.abs(stats.chi(3).cdf(grid / np.sqrt(0.1)) - mj.cdf(grid, 0.1)))
    assert 0.08 < expected < 0.1
    assert distance == pytest.approx(expected, abs=5 / np.sqrt(u.size))
    assert p_value < 1e-6
