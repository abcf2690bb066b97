"""What is particular to the tabulated inverse cdf."""

import numpy as np
import pytest

from mcplugin import get_sampler
from mcplugin.electrons import maxwell_juttner as mj
from mcplugin.samplers import table


def _quantiles(theta, p):
    """u(p) of the table made for one temperature, and of the two-dimensional one."""
    isothermal, per_draw = np.empty((2, p.size))
    table._evaluate(
        table._quantile_cubics(theta),
        table._quantile_cubics_of_all_temperatures(),
        theta,
        p,
        isothermal,
        per_draw,
    )
    return isothermal, per_draw


@pytest.mark.parametrize("theta", [1e-4, 0.0123, 0.17, 2.3, 100.0])
def test_interpolation_error_is_honest(theta):
    """Probabilities of a random grid, not the one behind ``quality``, stay within its report."""
    quality = get_sampler("table").quality(theta)
    rng = np.random.default_rng(51)
    p = np.concatenate([rng.random(2000), 10 ** rng.uniform(-12, -1, 500)])
    isothermal, per_draw = _quantiles(theta, p)
    for u, measure in ((isothermal, "interpolation_error"), (per_draw, "interpolation_error_2d")):
        assert np.max(np.abs(mj.cdf(u, theta) - p)) <= 1.2 * quality[measure] + 1e-12


@pytest.mark.parametrize("theta", [1e-3, 0.3, 30.0])
def test_far_tail(theta):
    """Survival at the last random number, 2⁻⁵³, is right to 1e-3 relative."""
    p = np.array([1 - 2.0**-53, 1 - 2.0**-40, 2.0**-53, 2.0**-40])
    isothermal, per_draw = _quantiles(theta, p)
    for u in (isothermal, per_draw):
        np.testing.assert_allclose(mj.survival(u[:2], theta), [2.0**-53, 2.0**-40], rtol=1e-3)
        np.testing.assert_allclose(mj.cdf(u[2:], theta), [2.0**-53, 2.0**-40], rtol=1e-3)


def test_table_is_increasing():
    """A larger probability gives a faster electron, across all interval ends."""
    p = np.sort(np.random.default_rng(52).random(100_000))
    isothermal, per_draw = _quantiles(0.4, p)
    assert (np.diff(isothermal) > 0).all()
    assert (np.diff(per_draw) > 0).all()
