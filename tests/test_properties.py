"""Properties of public functions for any valid input, searched by hypothesis."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import mcplugin
from mcplugin.electrons import maxwell_juttner as mj
from mcplugin.errors import UnknownSamplerError
from mcplugin.fidelity import exact_cdf, ks_test
from mcplugin.scattering import (
    HotCrossSectionTable,
    cross_section,
    energy_ratio_pdf,
    hot_cross_section,
    sample_deflection,
    scatter,
)
from mcplugin.units import ELECTRON_REST_ENERGY_KEV, dimensionless_temperature, in_kev

thetas = st.floats(-4.0, 2.0).map(lambda v: min(max(10.0**v, 1e-4), 1e2))
energies = st.floats(-10.0, 3.0).map(lambda v: 10.0**v)
seeds = st.integers(0, 2**64 - 1)
samplers = st.sampled_from(mcplugin.sampler_names())
few = settings(max_examples=40, deadline=None)


@given(thetas, st.floats(0.0, 1e6))
@few
def test_density(theta, u):
    """A density is not negative, and is the slope of the cdf where that is steep enough to see."""
    assert mj.pdf(u, theta) >= 0.0
    middle = float(mj.quantile(0.3, theta))
    step = 1e-4 * middle
    slope = (mj.cdf(middle + step, theta) - mj.cdf(middle - step, theta)) / (2 * step)
    assert float(slope) == pytest.approx(float(mj.pdf(middle, theta)), rel=1e-6)


@given(thetas)
@few
def test_moments_obey_their_inequalities(theta):
    """⟨β⟩ < 1, ⟨u⟩ < ⟨γ⟩, ⟨u⟩² <= ⟨u²⟩, ⟨u⟩⟨1/u⟩ >= 1, and γ² = 1 + u² in the mean."""
    assert 0 < mj.mean_beta(theta) < 1
    assert mj.mean_u(theta) < mj.mean_gamma(theta)
    assert mj.mean_u(theta) ** 2 <= mj.moment_u(2, theta)
    assert mj.moment_u(1, theta) * mj.moment_u(-1, theta) >= 1
    kinetic, square = mj.moment_kinetic(1, theta), mj.moment_kinetic(2, theta)
    assert float(square + 2 * kinetic) == pytest.approx(float(mj.moment_u(2, theta)), rel=1e-10)


@given(thetas, st.floats(1e-300, 1.0))
@few
def test_inverse_survival(theta, upper):
    """S(inverse S(q)) = q down to the smallest probabilities."""
    u = mj.inverse_survival(upper, theta)
    assert float(mj.survival(u, theta)) == pytest.approx(upper, rel=1e-10, abs=1e-300)


@given(thetas, energies, energies)
@few
def test_hot_cross_section(theta, a, b):
    """0 < σ <= 1, falling with energy; the table agrees to 2e-5."""
    low, high = sorted((a, b))
    values = hot_cross_section(np.array([low, high]), theta)
    assert 0 < values[1] <= values[0] * (1 + 1e-12) <= 1 + 1e-11
    np.testing.assert_allclose(HotCrossSectionTable.at(theta)([low, high]), values, rtol=2e-5)
    assert values[1] <= 1.0 + 1e-12 or cross_section(high) <= 1.0


@given(energies, seeds)
@few
def test_deflections_conserve(x, seed):
    """0 <= w <= 2, and the scattered energy ratio has positive density."""
    w = sample_deflection(x, mcplugin.random_streams(seed, 50))
    assert ((w >= 0) & (w <= 2)).all()
    ratio = 1 / (1 + x * w)
    assert (energy_ratio_pdf(np.clip(ratio, (1 + 1e-12) / (1 + 2 * x), 1.0), x) > 0).all()


@given(energies, thetas, seeds, samplers)
@few
def test_scatter(x, theta, seed, sampler):
    """Any photon in any gas comes out with a positive energy and a cosine."""
    electrons = mcplugin.get_sampler(sampler)
    # The hardest photons refuse nearly all electrons: keep the number of tries finite.
    x = min(x, 10.0)
    x_out, cosine = scatter(x, theta, electrons, mcplugin.random_streams(seed, 5))
    assert (np.isfinite(x_out) & (x_out > 0)).all()
    assert (np.abs(cosine) <= 1).all()


@given(thetas, seeds, samplers, st.integers(0, 200))
@few
def test_samplers(theta, seed, sampler, count):
    """Finite, positive, reproducible; vectors have the magnitudes of the scalar draws."""
    u = mcplugin.sample_four_velocity(theta, count, sampler, seed)
    assert u.shape == (count,)
    assert (np.isfinite(u) & (u > 0)).all()
    assert np.array_equal(u, mcplugin.sample_four_velocity(theta, count, sampler, seed))
    streams = mcplugin.random_streams(seed, count)
    vectors = mcplugin.get_sampler(sampler).sample_vector(theta, streams)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), u, rtol=1e-12)


@given(thetas)
@settings(max_examples=10, deadline=None)
def test_distances(theta):
    """The interpolated cdf is a cdf, and quantile midpoints have the least possible distance."""
    cdf = exact_cdf(theta)
    p = (np.arange(1000) + 0.5) / 1000
    u = mj.quantile(p, theta)
    np.testing.assert_allclose(cdf(u), p, atol=1e-10)
    assert ks_test(u, theta)[0] == pytest.approx(0.5 / 1000, rel=1e-4)


@given(st.text(max_size=20))
@few
def test_unknown_samplers(name):
    """Any text that is no tag is refused by name."""
    if name not in mcplugin.sampler_names():
        with pytest.raises(UnknownSamplerError, match="no sampler is called"):
            mcplugin.get_sampler(name)


@given(st.floats(1e-6, 1e6))
@few
def test_units(value):
    """keV, eV, kelvin and plain numbers mean what they say."""
    from astropy import constants, units

    assert in_kev(value) == value
    assert in_kev(value * units.keV) == value
    assert in_kev(1000 * value * units.eV) == pytest.approx(value, rel=1e-12)
    kelvin = (value * units.keV / constants.k_B).to(units.K)
    assert dimensionless_temperature(kelvin) == pytest.approx(
        value / ELECTRON_REST_ENERGY_KEV, rel=1e-7
    )
    assert dimensionless_temperature(value) == value


@given(
    geometry=st.sampled_from(["sphere", "slab"]),
    position=st.sampled_from(["centre", "uniform", "surface", "base"]),
    theta=thetas,
    tau=st.floats(-6.0, 0.5).map(lambda v: 10.0**v),
    energy_kev=st.floats(-6.0, 4.0).map(lambda v: 10.0**v),
    photons=st.integers(1, 300),
    limit=st.none() | st.integers(0, 20),
    seed=seeds,
    bins=st.integers(5, 50),
)
@settings(max_examples=60, deadline=None)
def test_runs(geometry, position, theta, tau, energy_kev, photons, limit, seed, bins):
    """Any run accounts for every photon, and its spectrum holds the counts of its parts."""
    allowed = {"sphere": ("centre", "uniform", "surface"), "slab": ("base", "uniform")}[geometry]
    run = mcplugin.simulate(
        {
            "plasma": {"geometry": geometry, "theta": theta, "tau": tau},
            "seed": {
                "spectrum": "monochromatic",
                "energy_kev": energy_kev,
                "position": position if position in allowed else allowed[0],
            },
            "tally": {"bins": bins, "energy_min_kev": 1e-7, "energy_max_kev": 5e5},
            "run": {"photons": photons, "seed": seed}
            | ({} if limit is None else {"max_scatterings": limit}),
        }
    )
    s, spectrum = run.summary, run.spectrum
    assert s["escaped"] + s["absorbed"] + s["cut"] == s["photons"] == photons
    assert spectrum.counts.sum() == s["escaped"]
    assert np.array_equal(spectrum.by_angle.counts.sum(axis=0), spectrum.counts)
    assert np.array_equal(spectrum.by_order.counts.sum(axis=0), spectrum.counts)
    assert (spectrum.efe_err >= 0).all()
    integral = np.sum(spectrum.efe * np.log(spectrum.energy_hi / spectrum.energy_lo))
    assert integral == pytest.approx(s["amplification"], rel=1e-6, abs=1e-12)
