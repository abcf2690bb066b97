"""One photon meets one thermal electron: gains, angles, conservation, detailed balance."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, special, stats

from mcplugin import get_sampler, random_streams
from mcplugin.electrons import maxwell_juttner as mj
from mcplugin.errors import InputError
from mcplugin.scattering import cross_section, hot_cross_section, scatter
from mcplugin.scattering.compton import REFUSED, doppler_factor, scatter_off_electron
from mcplugin.scattering.event_distribution import event_moments

# A test on random draws fails by chance with this probability.
FALSE_ALARM = 1e-6
EXACT = get_sampler("rejection")


def _events(x, theta, count, seed, batch=500_000):
    """Energies and cosines of ``count`` photons of energy x scattered once."""

    def run(first):
        streams = random_streams(seed, min(batch, count - first), first)
        return scatter(x, theta, EXACT, streams)

    with ThreadPoolExecutor(2) as pool:
        parts = list(pool.map(run, range(0, count, batch)))
    return tuple(np.concatenate(part) for part in zip(*parts, strict=True))


@pytest.mark.parametrize("theta", [1e-4, 1e-3, 0.01, 0.1, 1.0, 10.0, 100.0])
def test_thomson_mean_gain(theta):
    """Soft photons: ⟨x'/x⟩ = 1 + 4Θ K₃(1/Θ)/K₂(1/Θ), within 4 standard errors of 10⁶ events.

    ⟨x'/x⟩ = 1 + (4/3)⟨u²⟩ (Rybicki & Lightman 1979, eq. 7.16a) and ⟨u²⟩ = 3ΘK₃/K₂.
    """
    x = 1e-9
    gain = _events(x, theta, 1_000_000, seed=21)[0] / x
    expected = 1 + 4 * theta * special.kve(3, 1 / theta) / special.kve(2, 1 / theta)
    # Klein-Nishina recoil is of order x⟨γ³⟩: far below the error.
    assert abs(gain.mean() - expected) < 4 * gain.std() / 1e3


@pytest.mark.parametrize("theta", [1e-3, 0.1, 1.0, 10.0])
def test_collisions_favour_head_on_electrons(theta):
    """The mean electron cosine of collisions is -⟨β⟩/3: ∫ μ(1 - βμ)/2 dμ = -β/3.

    μ is recovered from the Doppler factor γ(1 - βμ) at 200 even values of η for each of 5000
    electrons; the electrons' scatter alone gives the error, 4 standard errors are allowed.
    """
    u = EXACT.sample(theta, random_streams(22, 5000))
    gamma = np.sqrt(1 + u**2)
    eta = (np.arange(200) + 0.5) / 200
    mean_mu = np.array(
        [
            np.mean([(1 - doppler_factor(v, e) / g) * g / v for e in eta])
            for v, g in zip(u, gamma, strict=True)
        ]
    )
    np.testing.assert_allclose(mean_mu, -u / gamma / 3, rtol=3e-4, atol=1e-9)
    expected = -float(mj.mean_beta(theta)) / 3
    assert abs(mean_mu.mean() - expected) < 4 * mean_mu.std() / np.sqrt(u.size)


@pytest.mark.parametrize(
    ("theta", "x"),
    [
        (0.01, 0.01), (0.01, 0.3), (0.01, 5.0),
        (0.2, 0.01), (0.2, 0.3), (0.2, 3.0),
        (2.0, 0.003), (2.0, 0.1), (2.0, 1.0),
    ],
)  # fmt: skip
def test_klein_nishina_gains(theta, x):
    """Mean and mean square gain within 4 standard errors of 10⁷ events (18 comparisons: 0.1 %)."""
    mean, mean_square, _ = event_moments(x, theta)
    gain = _events(x, theta, 10_000_000, seed=23)[0] / x
    error = 1 / np.sqrt(gain.size)
    assert abs(gain.mean() - mean) < 4 * gain.std() * error
    assert abs((gain**2).mean() - mean_square) < 4 * (gain**2).std() * error


@pytest.mark.parametrize("theta", [0.01, 0.1, 0.5, 1.0, 4.0])
def test_detailed_balance(theta):
    """Photons of x² exp(-x/Θ) σ(x, Θ), scattered once, keep their distribution; flows balance.

    In a Wien field the rate of scattering x → x' equals that of x' → x. Tested on 2·10⁶ events:
    the scattered energies by KS against the quadrature cdf, and the antisymmetric part of the
    (x, x') histogram by χ²; false-alarm rate 1e-6 each.
    """
    rng = np.random.default_rng(24)
    x = theta * rng.gamma(3.0, size=8_000_000)
    keep = rng.random(x.size) < np.interp(
        x, grid := np.geomspace(1e-6 * theta, 80 * theta, 20001), hot_cross_section(grid, theta)
    )
    x = x[keep][:2_000_000]
    x_out, _ = scatter(x, theta, EXACT, random_streams(25, x.size))

    y = np.linspace(0.0, 60.0, 60001)
    density = y**2 * np.exp(-y) * np.interp(y * theta, grid, hot_cross_section(grid, theta))
    cdf = integrate.cumulative_simpson(density, x=y, initial=0.0)
    p_value = stats.kstest(x_out, lambda v: np.interp(v / theta, y, cdf / cdf[-1])).pvalue
    assert p_value > FALSE_ALARM

    edges = np.quantile(x, np.linspace(0, 1, 26)[1:-1])
    flow = np.zeros((25, 25))
    np.add.at(flow, (np.searchsorted(edges, x), np.searchsorted(edges, x_out)), 1)
    upper = np.triu_indices(25, 1)
    forth, back = flow[upper], flow.T[upper]
    enough = forth + back >= 20
    chi2 = np.sum((forth - back)[enough] ** 2 / (forth + back)[enough])
    assert stats.chi2(enough.sum()).sf(chi2) > FALSE_ALARM


@pytest.mark.parametrize(("theta", "start"), [(0.1, 0.02), (0.5, 5.0)])
def test_line_relaxes_to_wien(theta, start):
    """A line scattered 200 times in a closed box: ⟨x/Θ⟩ = 3 and ⟨(x/Θ)²⟩ = 12, weights 1/σ.

    Photons are seen after a fixed number of scatterings, hence by rate; dividing by the rate gives
    the Wien spectrum x² exp(-x/Θ). 5·10⁴ photons, 5 standard errors.
    """
    streams = random_streams(26, 50_000)
    x = np.full(len(streams), start)
    for _ in range(200):
        x, _ = scatter(x, theta, EXACT, streams)
    weight = 1 / hot_cross_section(x, theta)
    for power, expected in ((1, 3.0), (2, 12.0)):
        value = (x / theta) ** power
        mean = np.average(value, weights=weight)
        error = np.std((value - mean) * weight) / weight.mean() / np.sqrt(x.size)
        assert abs(mean - expected) < 5 * error


@pytest.mark.parametrize(("x", "theta"), [(0.02, 0.3), (1.0, 0.05), (0.3, 3.0)])
def test_energy_distribution_of_one_event(x, theta):
    """The cdf of x'/x at 15 places against quadrature over (u, D, k), the azimuth by hand.

    x' < yx where cos φ < ((y/(Dk) - γ)/u - μ_e cos θ)/√((1 - μ_e²) sin²θ). 2·10⁶ events, binomial
    errors, 4.5 standard errors (45 comparisons: 3e-4) plus 2e-5 for the quadrature of the kinks.
    """
    gain = _events(x, theta, 2_000_000, seed=27)[0] / x
    nodes, weights = np.polynomial.legendre.leggauss(120)
    nodes, weights = 0.5 * (nodes + 1), 0.5 * weights
    top = float(np.arcsinh(mj.inverse_survival(1e-16, theta)))
    u = np.sinh(top * nodes)[:, None, None]
    gamma = np.sqrt(1 + u**2)
    electron = (weights * mj.pdf(np.sinh(top * nodes), theta) * np.cosh(top * nodes))[:, None, None]
    d = np.exp(np.arcsinh(u[:, :, 0]) * (2 * nodes - 1))[:, :, None]
    doppler = weights[None, :, None] * d**2 * np.arcsinh(u) / (gamma * u)
    k = np.exp(-np.log1p(2 * x * d) * nodes)
    w = np.minimum((1 / k - 1) / (x * d), 2.0)
    weight = electron * doppler * weights * np.log1p(2 * x * d) * k * (k + 1 / k - w * (2 - w)) / d
    mu_e = np.clip((1 / d - gamma) / u, -1, 1)
    swing = np.sqrt((1 - mu_e**2) * w * (2 - w)) + 1e-300
    for p in np.linspace(0.02, 0.98, 15):
        y = float(np.quantile(gain, p))
        bound = np.clip(((y / (d * k) - gamma) / u - mu_e * (1 - w)) / swing, -1, 1)
        expected = np.sum(weight * (1 - np.arccos(bound) / np.pi)) / weight.sum()
        observed = np.mean(gain < y)
        error = np.sqrt(expected * (1 - expected) / gain.size)
        assert abs(observed - expected) < 4.5 * error + 2e-5


@given(
    st.floats(-10.0, 4.0).map(lambda v: 10.0**v),
    st.floats(-8.0, 5.0).map(lambda v: 10.0**v),
    st.integers(0, 2**32),
)
@settings(max_examples=300, deadline=None)
def test_kinematics_hold(x, u, seed):
    """Any photon and electron: x' > 0, |cosine| <= 1, x' <= x + γ - 1 + rounding.

    The electron cannot end below rest, so the photon gains at most its kinetic energy; and it
    loses at most what backscattering off a receding electron takes, x' >= x/((γ+u)² + 2x(γ+u)).
    """
    streams = random_streams(seed, 8)
    gamma = np.sqrt(1 + u * u)
    for i in range(8):
        x_out, cosine = scatter_off_electron(x, u, streams, i)
        if cosine == REFUSED:
            assert x_out == x
            continue
        assert -1.0 <= cosine <= 1.0
        assert x_out <= (x + u * u / (gamma + 1)) * (1 + 1e-9)
        assert x_out >= x / ((gamma + u) ** 2 + 2 * x * (gamma + u)) * (1 - 1e-9)


def test_electron_at_rest_is_compton():
    """u = 0: x' = x/(1 + x(1 - cos)) exactly."""
    streams = random_streams(28, 1000)
    for i in range(1000):
        x_out, cosine = scatter_off_electron(0.7, 0.0, streams, i)
        if cosine != REFUSED:
            assert x_out == pytest.approx(0.7 / (1 + 0.7 * (1 - cosine)), rel=1e-12)


@pytest.mark.parametrize(("x", "theta"), [(1e-6, 0.1), (0.5, 0.5), (3.0, 2.0)])
def test_share_of_refused_electrons(x, theta):
    """An electron is kept with probability σ(x, Θ)/σ_T, within 5 standard errors."""
    count = 400_000
    streams = random_streams(29, count)
    u = EXACT.sample(theta, streams)
    kept = sum(scatter_off_electron(x, u[i], streams, i)[1] != REFUSED for i in range(count))
    expected = float(hot_cross_section(x, theta))
    assert abs(kept / count - expected) < 5 * np.sqrt(expected * (1 - expected) / count) + 1e-9
    assert expected <= float(cross_section(0.0))


def test_bad_input():
    """Energies that are no photon's, and shapes that do not match."""
    for x, said in ((0.0, "x = 0"), (-1.0, "-1"), (np.nan, "nan"), (np.ones(3), r"\(2,\)")):
        with pytest.raises(InputError, match=said):
            scatter(x, 1.0, EXACT, random_streams(1, 2))
    with pytest.raises(InputError, match="streams"):
        scatter(1.0, 1.0, EXACT, np.zeros(2))
