"""Seed spectra against their analytic means and distributions."""

import numpy as np
import pytest
from scipy import integrate, stats
from scipy.special import zeta

from mcplugin import random_streams
from mcplugin.transport.sources import (
    BlackBody,
    DiskBlackBody,
    Monochromatic,
    PowerLaw,
    Tabulated,
)

DRAWS = 1_000_000
FALSE_ALARM = 1e-6


def _draw(source, seed=91):
    x = np.empty(DRAWS)
    source.fill(random_streams(seed, DRAWS), x)
    return x


def _tabulated_cdf(grid, density):
    cdf = integrate.cumulative_simpson(density, x=grid, initial=0.0)
    return lambda x: np.interp(x, grid, cdf / cdf[-1])


def test_monochromatic():
    """One energy."""
    assert (_draw(Monochromatic(0.25)) == 0.25).all()


def test_blackbody():
    """Planck's photon number spectrum: KS, and ⟨x⟩ = 3ζ(4)/ζ(3) Θ = 2.7012 Θ."""
    x = _draw(BlackBody(1e-3)) / 1e-3
    assert abs(x.mean() - 3 * zeta(4) / zeta(3)) < 5 * x.std() / np.sqrt(DRAWS)
    grid = np.linspace(1e-9, 60, 200_001)
    cdf = _tabulated_cdf(grid, grid**2 / np.expm1(grid))
    assert stats.kstest(x, cdf).pvalue > FALSE_ALARM


def test_disk_blackbody():
    """N(x) ∝ x² ∫ r dr /(exp(x r^(3/4)) - 1), r > 1: KS against direct integration."""
    x = _draw(DiskBlackBody(0.01)) / 0.01
    grid = np.geomspace(1e-9, 60, 4001)
    r = np.geomspace(1, 1e16, 20_001)
    integrand = r**2 / np.expm1(np.minimum(np.outer(grid, r**0.75), 700.0))
    density = grid**2 * integrate.simpson(integrand, x=np.log(r), axis=1)
    cdf = integrate.cumulative_simpson(density * grid, x=np.log(grid), initial=0.0)
    cdf /= cdf[-1]
    p = stats.kstest(np.log(x), lambda v: np.interp(v, np.log(grid), cdf)).pvalue
    assert p > FALSE_ALARM


@pytest.mark.parametrize("index", [-2.0, 0.0, 0.999999999999, 1.0, 1.7, 2.0, 8.0])
def test_powerlaw(index):
    """Photons ∝ x^-index between two energies, through the logarithmic case index = 1."""
    x = _draw(PowerLaw(index, 1e-4, 1e-1))
    assert x.min() >= 1e-4 * (1 - 1e-12)
    assert x.max() <= 1e-1 * (1 + 1e-12)
    a = 1 - index

    def cdf(v):
        if abs(a) < 1e-9:
            return np.log(v / 1e-4) / np.log(1e3)
        return (v**a - 1e-4**a) / (1e-1**a - 1e-4**a)

    assert stats.kstest(x, cdf).pvalue > FALSE_ALARM


def test_tabulated():
    """Linear between points, zero where the table is zero, ends included."""
    energies = np.array([1.0, 2.0, 3.0, 5.0, 6.0, 8.0])
    density = np.array([0.0, 4.0, 1.0, 0.0, 0.0, 3.0])
    x = _draw(Tabulated(energies, density))
    grid = np.linspace(1, 8, 70_001)
    assert stats.kstest(x, _tabulated_cdf(grid, np.interp(grid, energies, density))).pvalue > (
        FALSE_ALARM
    )
    assert not ((x > 5.0) & (x < 6.0)).any()
