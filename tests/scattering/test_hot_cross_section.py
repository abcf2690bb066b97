"""The thermally averaged cross-section against direct integration in other variables."""

import mpmath
import numpy as np
import pytest

from mcplugin.electrons import maxwell_juttner as mj
from mcplugin.errors import InputError, ThetaRangeError
from mcplugin.scattering import HotCrossSectionTable, cross_section, hot_cross_section

TOLERANCE = 1e-4


def _direct(x, theta):
    """∫ f(u) du ½∫ dμ (1 - βμ) σ_KN(γx(1 - βμ)) with the textbook variables.

    Electrons at 400 quantile midpoints refined towards the tail; μ by 400-point Gauss-Legendre in
    ln(1 - βμ), whose cusp at fast electrons a grid in μ itself would miss.
    """
    nodes, weights = np.polynomial.legendre.leggauss(400)
    # u over [0, u(survival 1e-16)], Gauss-Legendre in u^(1/2) so that slow electrons are resolved.
    top = float(mj.inverse_survival(1e-16, theta)) ** 0.5
    root = 0.5 * top * (nodes + 1)
    u = root**2
    weight_u = 0.5 * top * weights * 2 * root * mj.pdf(u, theta)
    gamma = np.sqrt(1 + u**2)
    beta = u / gamma
    low, high = -np.log(gamma**2 * (1 + beta)), np.log1p(beta)
    v = low[:, None] + 0.5 * (high - low)[:, None] * (nodes + 1)
    factor = np.exp(v)
    inner = factor * factor * cross_section(gamma[:, None] * x * factor) / beta[:, None]
    inner = np.sum(inner * weights, axis=1) * 0.5 * (high - low) * 0.5
    return float(np.sum(weight_u * inner))


@pytest.mark.parametrize("theta", [1e-4, 1e-3, 5e-3, 1e-2, 0.1, 1.0, 10.0, 100.0])
@pytest.mark.parametrize("x", [1e-8, 1e-4, 1e-2, 0.1, 1.0, 10.0, 1e3])
def test_against_direct_quadrature(x, theta):
    """1e-4 relative is promised; 1e-8 is what both integrals agree to."""
    assert float(hot_cross_section(x, theta)) == pytest.approx(_direct(x, theta), rel=1e-8)


@pytest.mark.parametrize("theta", [1e-4, 1e-3, 5e-3, 1e-2])
@pytest.mark.parametrize("x", [0.01, 0.1, 0.5, 2.0])
def test_cold_expansion(x, theta):
    """Cold electrons, where tables in use are up to 2 % off: expand in moments of the velocity.

    With D = γ(1 - βμ), σ(x, Θ) = ⟨γ⁻¹D σ_KN(xD)⟩ over isotropic electrons; to second order in
    ln D about 0, ⟨(D - 1)⟩ and ⟨(D - 1)²⟩ weighted by (1 - βμ) give the next two terms:
    σ + σ'x⟨D - 1⟩ + ½σ''x²⟨(D - 1)²⟩ with ⟨D⟩ = ⟨γ(1 + β²/3)⟩, ⟨D²⟩ = ⟨γ²(1 + β²)⟩.
    """
    with mpmath.workdps(40):

        def sigma(y):
            log = mpmath.log(1 + 2 * y)
            return (
                mpmath.mpf(3)
                / 4
                * (
                    (1 + y) / y**3 * (2 * y * (1 + y) / (1 + 2 * y) - log)
                    + log / (2 * y)
                    - (1 + 3 * y) / (1 + 2 * y) ** 2
                )
            )

        s0, s1, s2 = (float(mpmath.diff(sigma, mpmath.mpf(x), n)) for n in (0, 1, 2))
    mean_gamma = float(mj.mean_gamma(theta))
    mean_u2 = float(mj.moment_u(2, theta))
    # γ(1 + β²/3) = γ + u²/(3γ), and ⟨u²/γ⟩ = ⟨γ⟩ - ⟨1/γ⟩ ≈ ⟨u²⟩ to this order.
    mean_d = mean_gamma + mean_u2 / 3
    mean_d2 = 1 + 2 * mean_u2
    expansion = s0 + s1 * x * (mean_d - 1) + 0.5 * s2 * x**2 * (mean_d2 - 2 * mean_d + 1)
    assert float(hot_cross_section(x, theta)) == pytest.approx(expansion, abs=30 * theta**2 * s0)


def test_thomson_limit():
    """x → 0: σ → 1 whatever the temperature; the first correction is -2x⟨D⟩."""
    for theta in (1e-4, 1.0, 100.0):
        assert float(hot_cross_section(0.0, theta)) == pytest.approx(1.0, abs=1e-12)
        # ⟨D⟩ weighted by (1 - βμ) is ⟨γ(1 + β²/3)⟩ = ⟨(4γ - 1/γ)/3⟩; ⟨1/γ⟩ = K₁/K₂.
        from scipy.special import kve

        mean_d = (4 * float(mj.mean_gamma(theta)) - kve(1, 1 / theta) / kve(2, 1 / theta)) / 3
        x = 1e-6 / mean_d
        assert 1 - float(hot_cross_section(x, theta)) == pytest.approx(2e-6, rel=1e-4)


@pytest.mark.parametrize("theta", [1e-4, 1e-2, 0.1, 1.0, 10.0, 100.0])
def test_table(theta):
    """The kernels' look-up table: within 2e-5 between its nodes, and decreasing."""
    x = np.exp(np.random.default_rng(5).uniform(np.log(1e-13), np.log(1e4), 3000))
    table = HotCrossSectionTable.at(theta)
    np.testing.assert_allclose(table(x), hot_cross_section(x, theta), rtol=2e-5)
    assert (np.diff(table.values) <= 0).all()


@pytest.mark.parametrize(
    ("call", "error", "said"),
    [
        (lambda: hot_cross_section(-1.0, 1.0), InputError, "-1"),
        (lambda: hot_cross_section(np.nan, 1.0), InputError, "nan"),
        (lambda: hot_cross_section(1.0, 0.0), ThetaRangeError, "theta = 0"),
        (lambda: hot_cross_section(1.0, 1e3), ThetaRangeError, "1000"),
        (lambda: HotCrossSectionTable.at(1.0)(0.0), InputError, "x = 0"),
        (lambda: HotCrossSectionTable.at(np.inf), InputError, "inf"),
    ],
)
def test_bad_input(call, error, said):
    """Each refusal names the value."""
    with pytest.raises(error, match=said):
        call()
