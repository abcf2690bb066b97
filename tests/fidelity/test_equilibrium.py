"""Photons in equilibrium: exact scatterings keep them there, others drift as they should."""

import numpy as np
import pytest

from mcplugin import ScatteringSampler, get_scattering_sampler
from mcplugin.fidelity.equilibrium import (
    BALANCE,
    EQUILIBRIUM,
    WienField,
    equilibrium,
    equilibrium_tests,
    net_currents,
    scatter_in_equilibrium,
    wien_field,
)
from mcplugin.scattering.hot_cross_section import hot_cross_section

THETA = 0.1
PHOTONS = 4000


class Hot(ScatteringSampler):
    """Exact scatterings by a gas that is 5 % too hot."""

    name = "hot"
    theta_range = (1e-3, 1.0)
    x_range = (1e-6, 100.0)

    def fill(self, x, theta, streams, x_out, cosine):
        """Scatter at 1.05 Θ."""
        get_scattering_sampler("exact-native").sample(x, 1.05 * theta, streams, (x_out, cosine))

    def quality(self, theta):
        """Nothing is claimed."""
        return {}


def _followed(sampler, photons=PHOTONS):
    return equilibrium(THETA, scatter_in_equilibrium(sampler, THETA, 221, 0, photons))


@pytest.fixture(scope="module")
def exact():
    """Exact scatterings."""
    return _followed(get_scattering_sampler("exact-native"))


def test_photons_about_to_scatter():
    """Weighted by 1/σ they have the moments of a Wien spectrum, ⟨(x/Θ)ᵏ⟩ = (k + 2)!/2."""
    field = wien_field(THETA)
    y = field.draw(np.random.default_rng(222), 400_000)
    w = field.weights(y)
    np.testing.assert_allclose(w[:500], 1.0 / hot_cross_section(y[:500] * THETA, THETA), rtol=1e-5)
    for power, exact in ((1, 3.0), (2, 12.0), (3, 60.0)):
        mean = np.average(y**power, weights=w)
        error = np.std((y**power - mean) * w) / w.mean() / np.sqrt(y.size)
        assert abs(mean - exact) < 4 * error


def test_exact_scatterings_keep_the_equilibrium(exact):
    """Means, drift and balance; no test at a p-value below 1e-3, the seed being fixed."""
    assert np.abs(exact.mean - 3.0).max() < 4 * exact.error.max()
    assert exact.error == pytest.approx(np.sqrt(3.3 / PHOTONS), rel=0.1)
    assert abs(exact.drift) < 4 * exact.drift_error
    tests = equilibrium_tests(exact)
    assert {test.family for test in tests} == {EQUILIBRIUM, BALANCE}
    assert min(test.p_value for test in tests) > 1e-3
    assert exact.exchanged.sum() == PHOTONS


def test_a_hotter_gas_drifts():
    """Towards 1.05 times the energy, as fast as the relaxation says."""
    found = _followed(Hot())
    assert found.drift > 8 * found.drift_error
    assert found.after(10_000) == pytest.approx(0.15, rel=0.25)
    assert found.deviation == pytest.approx(0.15, abs=4 * found.error[-1])
    assert found.after(100, 1e-3) == pytest.approx(1e-3 / (1.0 - found.relaxation))
    drift = next(test for test in equilibrium_tests(found) if test.subject.startswith("drift"))
    assert drift.p_value < 1e-9


def test_relaxation_is_slow_in_a_cold_gas():
    """1 - ρ of x is about 4Θ where recoil and Doppler gains balance (Kompaneets 1957)."""
    assert 1.0 - WienField(1e-3).relaxation == pytest.approx(4e-3, rel=0.02)


def test_a_drift_without_sampling():
    """The generator of the package: below what 10⁸ scatterings would show."""
    generator = get_scattering_sampler("gan-event").generator
    assert abs(wien_field(THETA).drift_of(generator)) < 1e-4


def test_net_currents():
    """Through the edges between three bands, by hand."""
    up, down = net_currents(np.array([[5, 2, 1], [4, 5, 3], [0, 6, 5]]))
    assert up.tolist() == [3, 4]
    assert down.tolist() == [4, 6]


def test_balance_sees_a_current():
    """A gas in which a tenth of the photons going up are turned back."""
    sums = scatter_in_equilibrium(get_scattering_sampler("exact-native"), THETA, 223, 0, 40_000)
    lower = np.tril(sums.exchanged, -1)
    spoilt = np.triu(sums.exchanged) * 9 // 10 + lower
    found = equilibrium(THETA, type(sums)(sums.photons, sums.weighted, sums.surprise, spoilt))
    tests = [test for test in equilibrium_tests(found) if test.family == BALANCE]
    assert min(test.p_value for test in tests) < 1e-6
    deviation = [test.deviation for test in tests if test.subject == "net current at x/Θ = 3"]
    assert deviation == pytest.approx([-0.05], abs=0.03)
