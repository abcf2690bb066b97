"""Distributions of whole events: against draws, direct quadrature and each other."""

import numpy as np
import pytest
from scipy import integrate, interpolate, special, stats

from mcplugin import get_sampler, random_streams
from mcplugin.electrons import maxwell_juttner as mj
from mcplugin.errors import InputError, ThetaRangeError
from mcplugin.scattering import hot_cross_section, scatter
from mcplugin.scattering.event_distribution import (
    angle_cdf,
    angle_quantile,
    event_moments,
    momentum_cdf,
    momentum_quantile,
)
from mcplugin.scattering.redistribution import event_density, momentum_of

# A test on random draws fails by chance with this probability.
FALSE_ALARM = 1e-6


@pytest.mark.parametrize(("x", "theta"), [(1e-6, 3.0), (0.3, 0.1), (1.0, 1.0), (10.0, 1e-3)])
def test_events_follow_both_distributions(x, theta):
    """10⁶ events of the exact scatterer: the angle, and the momentum given the angle, by KS.

    For all events at once, the conditional cdf is interpolated on a grid in √h and ζ, as a normal
    score, which is nearly linear in ζ; to 1e-5, against statistical distances of 1e-3.
    """
    streams = random_streams(42, 1_000_000)
    x_out, cosine = scatter(x, theta, get_sampler("rejection"), streams)
    h = 0.5 * (1 - cosine)
    assert stats.kstest(angle_cdf(h, x, theta), "uniform").pvalue > FALSE_ALARM

    root, zeta = 1e-4 + (1 - 1e-4) * np.linspace(0, 1, 41) ** 2, np.linspace(-6.5, 6.5, 66)
    score = special.ndtri(momentum_cdf(zeta, root[:, None] ** 2, x, theta).clip(1e-15, 1 - 1e-15))
    keep = h > 1e-8
    drawn = momentum_of(x_out[keep] / x, h[keep], x, theta)
    table = interpolate.RectBivariateSpline(root, zeta, score)
    assert keep.mean() > 0.999
    assert stats.kstest(table(np.sqrt(h[keep]), drawn, grid=False), "norm").pvalue > FALSE_ALARM


@pytest.mark.parametrize("theta", [1e-4, 1.0, 100.0])
@pytest.mark.parametrize("x", [0.0, 10.0])
def test_cdfs_are_integrals_of_the_density(x, theta):
    """Both cdfs against other quadratures of P(ζ, h), to 1e-9."""

    def line(zeta, h):
        return float(event_density(zeta, h, x, theta))

    for h in (1e-3, 0.4, 1.0):
        parts = [
            integrate.quad(line, low, high, args=(h,), epsabs=1e-12, epsrel=1e-11, limit=200)[0]
            for low, high in ((-12, -1), (-1, 0.5), (0.5, 12))
        ]
        expected = np.cumsum(parts)[:2] / np.sum(parts)
        np.testing.assert_allclose(momentum_cdf([-1, 0.5], h, x, theta), expected, atol=1e-9)

    # h = end · v² crowds the nodes at the forward end, where the density varies most.
    zeta, step = np.linspace(-12, 12, 481, retstep=True)
    nodes, weights = np.polynomial.legendre.leggauss(80)
    v, end = 0.5 * (nodes + 1), 0.4 / (1 + 2 * x)
    given_angle = event_density(zeta, end * v[:, None] ** 2, x, theta).sum(axis=1) * step
    below = float(weights @ (given_angle * v * end))
    assert float(angle_cdf(end, x, theta)) == pytest.approx(below, abs=1e-9)


@pytest.mark.parametrize(("x", "theta"), [(0.0, 1e-4), (0.5, 0.2), (10.0, 10.0), (100.0, 100.0)])
def test_quantiles_invert_the_cdfs(x, theta):
    """cdf(quantile(p)) = p to 1e-12, increasing; the ends are those of the range."""
    p = np.concatenate([[0.0, 1e-9, 1e-4], np.linspace(0.01, 0.99, 25), [1 - 1e-6, 1.0]])
    h = angle_quantile(p, x, theta)
    np.testing.assert_allclose(angle_cdf(h, x, theta), p, atol=1e-12)
    assert np.all(np.diff(h) > 0)
    assert h[0] == 0.0
    assert h[-1] == pytest.approx(1.0, abs=1e-6)

    deflections = np.array([[1e-6], [0.3], [1.0]])
    zeta = momentum_quantile(p, deflections, x, theta)
    assert zeta.shape == (3, p.size)
    assert np.all(zeta[:, 0] == -np.inf)
    assert np.all(zeta[:, -1] == np.inf)
    inside = zeta[:, 1:-1]
    np.testing.assert_allclose(
        momentum_cdf(inside, deflections, x, theta),
        np.broadcast_to(p[1:-1], inside.shape),
        atol=1e-12,
    )
    assert np.all(np.diff(inside) > 0)


def test_distributions_end_at_0_and_1():
    """To rounding, and never beyond; the momentum at whatever is far enough."""
    for cdf, expected in (
        (angle_cdf([0.0, 1.0], 0.5, 0.5), [0, 1]),
        (momentum_cdf([-1e300, -38.0, 38.0, 1e300], 0.5, 0.5, 0.5), [0, 0, 1, 1]),
    ):
        np.testing.assert_allclose(cdf, expected, atol=1e-15)
        assert cdf.min() >= 0.0
        assert cdf.max() <= 1.0


def _quadrature_moments(x, theta):
    """The three means by converged 3-D Gauss-Legendre quadrature over rapidity, ln D and ln k.

    The azimuth is done by hand: with μ_e the photon's cosine in the electron's rest frame and μ'
    that of the scattered photon, x'/x = D k D', D' = γ + u μ', ⟨μ'⟩ = μ_e cos θ,
    ⟨μ'²⟩ = μ_e² cos²θ + ½(1 - μ_e²) sin²θ; the lab's 1 - cosine is wD/D', and
    ⟨1/D'⟩ = 1/√((γ + u μ_e cos θ)² - u²(1 - μ_e²) sin²θ).
    """
    nodes, weights = np.polynomial.legendre.leggauss(64)
    nodes, weights = 0.5 * (nodes + 1), 0.5 * weights
    top = float(np.arcsinh(mj.inverse_survival(1e-18, theta)))
    u = np.sinh(top * nodes)[:, None, None]
    gamma = np.sqrt(1 + u**2)
    electron = (weights * mj.pdf(np.sinh(top * nodes), theta) * np.cosh(top * nodes))[:, None, None]
    log_d = (np.arcsinh(u[:, :, 0]) * (2 * nodes - 1))[:, :, None]
    d = np.exp(log_d)
    doppler = weights[None, :, None] * d**2 * 2 * np.arcsinh(u) / (2 * gamma * u)
    log_k = -np.log1p(2 * x * d) * nodes[None, None, :]
    k = np.exp(log_k)
    w = np.minimum((1 / k - 1) / (x * d), 2.0)
    # dw = dk/(k² xD), dk = k d(ln k)
    deflection = weights * np.log1p(2 * x * d) * 0.375 * k * (k + 1 / k - w * (2 - w)) / (x * d)
    weight = electron * doppler * deflection
    weight /= (total := weight.sum())
    assert total / electron.sum() == pytest.approx(float(hot_cross_section(x, theta)), rel=1e-9)
    mu_e = np.clip((1 / d - gamma) / u, -1, 1)
    along, across_squared = mu_e * (1 - w), (1 - mu_e**2) * w * (2 - w)
    ratio = d * k * (gamma + u * along)
    mean_square = mu_e**2 * (1 - w) ** 2 + 0.5 * across_squared
    ratio_squared = (d * k) ** 2 * (gamma**2 + 2 * gamma * u * along + u**2 * mean_square)
    inverse = 1 / np.sqrt((gamma + u * along) ** 2 - u**2 * across_squared)
    means = [(weight * each).sum() for each in (ratio, ratio_squared, w * d * inverse)]
    return means[0], means[1], 1 - means[2]


@pytest.mark.parametrize("theta", [0.01, 0.2, 2.0])
@pytest.mark.parametrize("x", [1e-3, 0.1, 1.0, 5.0])
def test_moments_by_another_quadrature(x, theta):
    """Over electrons, meeting angles and deflections in the electron's frame, to 1e-7.

    That is what the other reaches for the cosine, where the light of fast electrons is a beam.
    """
    np.testing.assert_allclose(event_moments(x, theta), _quadrature_moments(x, theta), rtol=1e-7)


@pytest.mark.parametrize("theta", [1e-4, 1e-3, 0.01, 0.1, 1.0, 10.0, 100.0])
def test_thomson_mean_gain(theta):
    """x = 0: ⟨x'/x⟩ = 1 + 4Θ K₃(1/Θ)/K₂(1/Θ) (Rybicki & Lightman 1979, eq. 7.16a), to 1e-9."""
    expected = 1 + 4 * theta * special.kve(3, 1 / theta) / special.kve(2, 1 / theta)
    assert event_moments(0.0, theta).ratio == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(
    ("call", "error", "said"),
    [
        (lambda: angle_cdf(-0.1, 1.0, 1.0), InputError, "h = -0.1"),
        (lambda: angle_quantile(1.1, 1.0, 1.0), InputError, "probability = 1.1"),
        (lambda: momentum_cdf(np.nan, 0.5, 1.0, 1.0), InputError, "nan"),
        (lambda: momentum_cdf([0, 1], [0.1] * 3, 1.0, 1.0), InputError, r"\(2,\).*\(3,\)"),
        (lambda: momentum_quantile(0.5, 2.0, 1.0, 1.0), InputError, "h = 2"),
        (lambda: event_moments(101.0, 1.0), InputError, "x = 101"),
        (lambda: event_moments([1.0], 1.0), InputError, "x must be one number"),
        (lambda: event_moments(1.0, 1e-5), ThetaRangeError, "theta = 1e-05"),
    ],
)
def test_bad_input(call, error, said):
    """Each refusal names the value and the range, or the shapes."""
    with pytest.raises(error, match=said):
        call()
