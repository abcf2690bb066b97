"""The shipped generator without sampling: distance, monotonicity, moments, tails, limits."""

import numpy as np
import pytest
from scipy import special

from mcplugin.electrons import maxwell_juttner as mj
from mcplugin.errors import InputError, ThetaRangeError
from mcplugin.learning.radial_map import thermal_map
from mcplugin.learning.targets import MaxwellJuttnerTarget, radius_cdf, radius_survival
from mcplugin.learning.weights import load_weights

MAP = thermal_map(load_weights())
# Between and off the temperatures of the training, from the lowest to the highest.
THETAS = np.exp(np.linspace(np.log(1.0001e-4), np.log(99.99), 211))
RADII = np.linspace(1e-4, 8.5, 4000)


def test_distance():
    """D(Θ) = sup |F_χ(r) - F(u(r))| at most 3e-5 at every temperature (bar: 1e-4)."""
    distances = [MaxwellJuttnerTarget.distance_at(MAP, theta) for theta in THETAS]
    assert max(distances) <= 3e-5


def test_monotone():
    """u grows with r between all of 4000 radii at every temperature: du/dr > 0.9 √Θ."""
    for theta in THETAS:
        slope = np.diff(MAP(RADII, theta)) / np.diff(RADII)
        assert slope.min() > 0.9 * np.sqrt(theta)


def test_mean_energy():
    """⟨γ - 1⟩ by Gauss-Legendre quadrature over r: within 1e-4 relative."""
    nodes, weights = np.polynomial.legendre.leggauss(200)
    radius = 4.75 * (nodes + 1)
    density = 4.75 * weights * np.sqrt(2 / np.pi) * radius**2 * np.exp(-(radius**2) / 2)
    for theta in THETAS:
        u = MAP(radius, theta)
        kinetic = np.sum(density * u**2 / (1 + np.sqrt(1 + u**2)))
        assert kinetic == pytest.approx(float(mj.moment_kinetic(1, theta)), rel=1e-4)


@pytest.mark.parametrize("upper", [1e-3, 1e-6, 1e-9])
def test_tails(upper):
    """The survival at the radius with survival 1e-3, 1e-6, 1e-9 is that within 5 %."""
    radius = np.sqrt(2 * special.gammainccinv(1.5, upper))
    for theta in THETAS:
        assert float(mj.survival(MAP(radius, theta), theta)) == pytest.approx(upper, rel=0.05)


def test_density_ratio():
    """Exact over generated density stays within 0.98 and 1.02 out to |z| = 6.5 (p = 1e-9)."""
    radius = np.linspace(0.05, 6.5, 800)
    step = 1e-5
    for theta in THETAS[::5]:
        slope = (MAP(radius + step, theta) - MAP(radius - step, theta)) / (2 * step)
        generated = np.sqrt(2 / np.pi) * radius**2 * np.exp(-(radius**2) / 2) / slope
        ratio = mj.pdf(MAP(radius, theta), theta) / generated
        assert ratio.min() > 0.98
        assert ratio.max() < 1.02


def test_cold_limit():
    """Θ → 0: u → √Θ r, the Maxwellian, whatever was learned."""
    np.testing.assert_allclose(MAP(RADII, 1e-4) / (0.01 * RADII), 1.0, rtol=2e-3)


def test_one_temperature_per_radius():
    """A column of temperatures gives what each gives alone."""
    theta = np.exp(np.random.default_rng(1).uniform(np.log(1e-4), np.log(100), 50))
    radius = np.random.default_rng(2).uniform(0, 6, 50)
    np.testing.assert_allclose(
        MAP(radius, theta), [float(MAP(r, t)) for r, t in zip(radius, theta, strict=True)],
        rtol=1e-13,
    )  # fmt: skip


def test_refusals():
    """No extrapolation: outside the range of training is an error; so are impossible radii."""
    low, high = MAP.theta_range
    for theta in (0.5 * low, 2 * high, -1.0, 0.0):
        with pytest.raises(ThetaRangeError):
            MAP(1.0, theta)
    for radius in (-1.0, np.nan, np.inf):
        with pytest.raises(InputError, match="radius"):
            MAP(radius, 1.0)


def test_latent_distribution():
    """F_χ and its complement sum to one, and the median of χ₃ is 1.5382."""
    np.testing.assert_allclose(radius_cdf(RADII) + radius_survival(RADII), 1.0, rtol=1e-12)
    assert radius_cdf(np.array(1.5381722544550522)) == pytest.approx(0.5, rel=1e-9)
