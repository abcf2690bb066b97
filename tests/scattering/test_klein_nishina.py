"""The Klein-Nishina law: total cross-section, scattered energies and angles."""

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, stats

from mcplugin import random_streams
from mcplugin.errors import InputError
from mcplugin.scattering import cross_section, energy_ratio_pdf, sample_deflection

# A test on random draws fails by chance with this probability.
FALSE_ALARM = 1e-6


def _exact_cross_section(x):
    """Rybicki & Lightman (1979), eq. 7.5, with 60 digits."""
    with mpmath.workdps(60):
        x = mpmath.mpf(x)
        log = mpmath.log(1 + 2 * x)
        return (
            mpmath.mpf(3)
            / 4
            * (
                (1 + x) / x**3 * (2 * x * (1 + x) / (1 + 2 * x) - log)
                + log / (2 * x)
                - (1 + 3 * x) / (1 + 2 * x) ** 2
            )
        )


def test_cross_section_does_not_cancel():
    """Relative error below 1e-13 from x = 1e-10 to 1e5, across the change of form at 0.15."""
    x = np.concatenate([np.logspace(-10, 5, 301), [0.15 - 1e-12, 0.15, 0.15 + 1e-12]])
    exact = np.array([float(_exact_cross_section(v)) for v in x])
    np.testing.assert_allclose(cross_section(x), exact, rtol=1e-13)


def test_cross_section_limits():
    """Thomson: 1 - 2x + 26x²/5; extreme Klein-Nishina: 3(ln 2x + 1/2)/(8x)."""
    assert cross_section(0.0) == 1.0
    x = 1e-4
    assert float(cross_section(x)) == pytest.approx(1 - 2 * x + 5.2 * x**2, rel=1e-10)
    x = 1e6
    assert float(cross_section(x)) == pytest.approx(0.375 * (np.log(2 * x) + 0.5) / x, rel=1e-4)


@given(st.floats(0.0, 1e6), st.floats(0.0, 1e6))
@settings(deadline=None)
def test_cross_section_falls_with_energy_within_its_bounds(a, b):
    """σ decreases, and 1/(1 + 2x) <= σ/σ_T <= (1 + 1.3x)/(1 + 2x): what the event relies on."""
    low, high = sorted((a, b))
    s_low, s_high = cross_section(np.array([low, high]))
    assert s_high <= s_low * (1 + 1e-14)
    assert s_low * (1 + 2 * low) >= 1 - 1e-14
    assert s_low * (1 + 2 * low) <= (1 + 1.3 * low) * (1 + 1e-14)


@pytest.mark.parametrize("x", [1e-3, 0.1, 1.0, 30.0])
def test_energy_ratio_pdf_is_normalised(x):
    """∫ p(k) dk = 1 over [1/(1 + 2x), 1], and nothing outside."""
    low = 1 / (1 + 2 * x)
    total, _ = integrate.quad(lambda k: float(energy_ratio_pdf(k, x)), low, 1.0, epsabs=1e-11)
    assert total == pytest.approx(1.0, abs=1e-9)
    assert not energy_ratio_pdf(np.array([0.99 * low, 1.01]), x).any()


@pytest.mark.parametrize("x", [1e-8, 1e-3, 0.1, 0.5, 0.6999, 0.7, 1.0, 5.0, 100.0, 1e4])
def test_deflections_follow_the_differential_cross_section(x):
    """KS test of 10⁶ deflections w, fixed seed, false-alarm rate 1e-6.

    The cdf is the integral of k²(k + 1/k - w(2 - w)) over w, in ln(1 + xw) where that is smooth.
    """
    w = sample_deflection(x, random_streams(11, 1_000_000))
    assert (w >= 0).all()
    assert (w <= 2).all()
    v = np.linspace(0.0, np.log1p(2 * x), 20001)
    grid = np.expm1(v) / x
    k = 1 / (1 + x * grid)
    density = k**2 * (k + 1 / k - grid * (2 - grid)) * (1 + x * grid) / x
    cdf = integrate.cumulative_simpson(density, x=v, initial=0.0)
    p_value = stats.kstest(w, lambda w: np.interp(np.log1p(x * w), v, cdf / cdf[-1])).pvalue
    assert p_value > FALSE_ALARM


def test_thomson_scattering_is_rayleigh():
    """Soft photons: ⟨cos⟩ = 0 and ⟨cos²⟩ = 2/5 within 5 standard errors of 10⁶ events."""
    cosine = 1 - sample_deflection(1e-9, random_streams(12, 1_000_000))
    assert abs(cosine.mean()) < 5 * np.sqrt(0.4 / 1e6)
    assert abs((cosine**2).mean() - 0.4) < 5 * cosine.var() / 1e3


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: cross_section(-1.0), "-1"),
        (lambda: cross_section(np.nan), "nan"),
        (lambda: cross_section("soft"), "real numbers"),
        (lambda: energy_ratio_pdf(0.5, 0.0), "x = 0"),
        (lambda: energy_ratio_pdf(np.inf, 1.0), "inf"),
        (lambda: sample_deflection(-1.0, random_streams(1, 2)), "-1"),
        (lambda: sample_deflection(np.ones(3), random_streams(1, 2)), r"\(2,\)"),
    ],
)
def test_bad_input(call, said):
    """Each refusal names the value or the shape."""
    with pytest.raises(InputError, match=said):
        call()
