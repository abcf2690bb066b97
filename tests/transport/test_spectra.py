"""Spectra against theory: the first order, the power law of many orders, saturation."""

import numpy as np
from scipy import stats

from mcplugin import get_sampler, random_streams, simulate
from mcplugin.electrons import maxwell_juttner as mj
from mcplugin.scattering import HotCrossSectionTable, scatter

KEV = 510.99895069


def _single_scattering_cdf(y, x, theta):
    """Probability of x'/x < y for one event, by quadrature over (u, D, k); azimuth by hand."""
    nodes, weights = np.polynomial.legendre.leggauss(80)
    nodes, weights = 0.5 * (nodes + 1), 0.5 * weights
    top = float(np.arcsinh(mj.inverse_survival(1e-16, theta)))
    u = np.sinh(top * nodes)[:, None, None]
    gamma = np.sqrt(1 + u**2)
    electron = (weights * mj.pdf(np.sinh(top * nodes), theta) * np.cosh(top * nodes))[:, None, None]
    d = np.exp(np.arcsinh(u[:, :, 0]) * (2 * nodes - 1))[:, :, None]
    k = np.exp(-np.log1p(2 * x * d) * nodes)
    w = np.minimum((1 / k - 1) / (x * d), 2.0)
    weight = electron * weights[None, :, None] * d * np.arcsinh(u) / (gamma * u)
    weight = weight * weights * np.log1p(2 * x * d) * k * (k + 1 / k - w * (2 - w))
    mu_e = np.clip((1 / d - gamma) / u, -1, 1)
    swing = np.sqrt((1 - mu_e**2) * w * (2 - w)) + 1e-300
    bound = np.clip(((y / (d * k) - gamma) / u - mu_e * (1 - w)) / swing, -1, 1)
    return np.sum(weight * (1 - np.arccos(bound) / np.pi)) / weight.sum()


def test_first_order_is_the_single_scattering_kernel():
    """A nearly transparent sphere: once-scattered photons follow the kernel of one event.

    χ² of about 30 bins with more than 50 expected photons, false-alarm rate 1e-6. At τ = 1e-3 the
    second scattering removes at most 1e-3 of a bin, a tenth of its error.
    """
    x, theta = 0.02, 0.2
    run = simulate(
        {
            "plasma": {"geometry": "sphere", "theta": theta, "tau": 1e-3},
            "seed": {"spectrum": "monochromatic", "energy_kev": x * KEV},
            "tally": {"energy_min_kev": 0.1 * x * KEV, "energy_max_kev": 100 * x * KEV, "bins": 60},
            "run": {"photons": 30_000_000, "seed": 71},
        }
    )
    edges = np.append(run.spectrum.energy_lo, run.spectrum.energy_hi[-1]) / (x * KEV)
    cdf = np.array([_single_scattering_cdf(y, x, theta) for y in edges])
    observed = run.spectrum.by_order.counts[1]
    expected = observed.sum() * np.diff(cdf) / (cdf[-1] - cdf[0])
    enough = expected > 50
    assert enough.sum() > 25
    chi2 = np.sum((observed - expected)[enough] ** 2 / expected[enough])
    assert stats.chi2(enough.sum()).sf(chi2) > 1e-6


def test_sunyaev_titarchuk_power_law():
    """Sphere of Θ = 0.002, τ = 20: energy index α = -3/2 + √(9/4 + π²/(3Θ(τ + 2/3)²)) = 0.970.

    Sunyaev & Titarchuk (1980, A&A 86, 121). The diffusion formula itself holds to a few per cent
    here; Monte-Carlo codes find about 0.95. Maximum-likelihood index of photons in a decade well
    above the seeds and well below Θ.
    """
    theta, tau, x = 0.002, 20.0, 1e-7
    predicted = -1.5 + np.sqrt(2.25 + np.pi**2 / (3 * theta * (tau + 2 / 3) ** 2))
    assert abs(predicted - 0.970) < 5e-4
    low, high = 30 * x, 1000 * x
    run = simulate(
        {
            "plasma": {"geometry": "sphere", "theta": theta, "tau": tau},
            "seed": {"spectrum": "monochromatic", "energy_kev": x * KEV},
            "tally": {"energy_min_kev": low * KEV, "energy_max_kev": high * KEV, "bins": 200},
            "run": {"photons": 150_000, "seed": 72},
        }
    )
    log_energy = np.log(run.spectrum.energy / run.spectrum.energy_lo[0])
    counts = run.spectrum.counts
    # Photons per ln E ∝ E^-α, truncated: solve ⟨ln E⟩ for α.
    span = np.log(high / low)
    mean = np.average(log_energy, weights=counts)
    alphas = np.linspace(0.5, 1.5, 2001)
    means = 1 / alphas - span / np.expm1(alphas * span)
    alpha = float(np.interp(-mean, -means, alphas))
    error = 1 / (
        np.sqrt(counts.sum()) * np.sqrt(np.average((log_energy - mean) ** 2, weights=counts))
    )
    assert error < 0.02
    assert abs(alpha - 0.95) < 0.03 + 3 * error


def test_saturated_comptonisation_is_wien():
    """Very many scatterings: the emerging spectrum is Wien's, E F_E ∝ x⁴ exp(-x/Θ).

    τ = 40 at Θ = 0.1 (y ≈ 4Θτ² = 640) with the seeds in the centre. Escaping photons are seen
    in proportion to how easily they escape, which favours neither energy much while x ≪ 1: the
    shape is compared by its peak in E F_E, at x = 4Θ, within 10 %.
    """
    theta = 0.1
    run = simulate(
        {
            "plasma": {"geometry": "sphere", "theta": theta, "tau": 40.0},
            "seed": {"spectrum": "monochromatic", "energy_kev": 0.1},
            "tally": {"energy_min_kev": 0.01, "energy_max_kev": 2000.0, "bins": 100},
            "run": {"photons": 10_000, "seed": 73},
        }
    )
    x = run.spectrum.energy / KEV
    near_peak = (x > 1.5 * theta) & (x < 10 * theta)
    fit = np.polyfit(np.log(x[near_peak]), np.log(run.spectrum.efe[near_peak]), 2)
    peak = np.exp(-fit[1] / (2 * fit[0]))
    wien = np.polyfit(
        np.log(x[near_peak]), np.log(x[near_peak] ** 4 * np.exp(-x[near_peak] / theta)), 2
    )
    assert abs(peak / np.exp(-wien[1] / (2 * wien[0])) - 1) < 0.1
    assert run.summary["escaped"] == 10_000


def test_mean_scatterings_of_a_thick_cold_sphere():
    """Diffusion: a central photon scatters τ²/2 + O(τ) times before it leaves a cold sphere.

    For isotropic-on-average (Thomson) scattering the random walk gives τ²/2 + τ·O(1): the exact
    random-walk mean lies between τ²/2 and τ²/2 + 1.5τ.
    """
    tau = 15.0
    run = simulate(
        {
            "plasma": {"geometry": "sphere", "theta": 1e-4, "tau": tau},
            "seed": {"spectrum": "monochromatic", "energy_kev": 1e-4},
        },
        photons=20_000,
    )
    assert tau**2 / 2 < run.summary["mean_scatterings"] < tau**2 / 2 + 1.5 * tau


def test_amplification_of_one_scattering():
    """Cut after the first scattering, the energy gained is that of the Thomson mean gain.

    ⟨x'/x⟩ = 1 + 4ΘK₃/K₂ for each of the photons that scattered, within 4.5 standard errors.
    """
    from scipy.special import kve

    theta = 0.3
    run = simulate(
        {
            "plasma": {"geometry": "slab", "theta": theta, "tau": 1e-3, "disk": "none"},
            "seed": {"spectrum": "monochromatic", "energy_kev": 1e-4, "position": "uniform"},
            "tally": {"energy_min_kev": 1e-7, "energy_max_kev": 1.0, "bins": 400},
            "run": {"photons": 20_000_000, "seed": 74},
        }
    )
    once = run.spectrum.by_order
    width = np.log(run.spectrum.energy_hi / run.spectrum.energy_lo)
    counts = once.counts[1].sum()
    gain = np.sum(once.efe[1] * width) * run.summary["photons"] / counts
    expected = 1 + 4 * theta * kve(3, 1 / theta) / kve(2, 1 / theta)
    error = np.sqrt(np.sum((once.efe_err[1] * width) ** 2)) * run.summary["photons"] / counts
    assert abs(gain - expected) < 4.5 * error


def test_thermal_light_stays_thermal_in_a_run():
    """Wien photons of the plasma's own temperature gain nothing on average from scattering.

    One event each, from the number spectrum weighted by the rate: ⟨x'⟩ = ⟨x⟩ by detailed balance.
    """
    theta = 0.4
    rng = np.random.default_rng(75)
    x = theta * rng.gamma(3.0, size=600_000)
    x = x[rng.random(x.size) < HotCrossSectionTable.at(theta)(x)]
    x_out, _ = scatter(x, theta, get_sampler("table"), random_streams(75, x.size))
    assert abs((x_out - x).mean()) < 4.5 * (x_out - x).std() / np.sqrt(x.size)
