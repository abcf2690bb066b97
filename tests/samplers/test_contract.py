"""What every sampler promises, tested on all that are registered: add a sampler, and it is here.

Exact samplers must be indistinguishable from the distribution at 10⁶ draws; approximate ones too,
since an interpolation error of 1e-5 is far below what 10⁶ draws can see.
"""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from scipy import stats

from mcplugin import get_sampler, random_streams, sampler_names
from mcplugin.electrons import maxwell_juttner as mj
from mcplugin.fidelity import exact_cdf, ks_test

# Each test on random draws fails by chance with this probability; there are about 100 of them.
FALSE_ALARM = 1e-7
DRAWS = 1_000_000
THETAS = [1e-4, 1e-3, 0.01, 0.0315, 0.1, 0.2, 0.5, 1.0, 3.0, 10.0, 31.5, 100.0]

VARIANTS = [
    pytest.param((name, options), id="-".join([name, *map(str, options.values())]))
    for name in sampler_names()
    for options in get_sampler(name).variants
]


@pytest.fixture(params=VARIANTS)
def sampler(request):
    name, options = request.param
    return get_sampler(name, **options)


def _thetas_of(sampler):
    low, high = sampler.theta_range
    inside = [theta for theta in THETAS if low <= theta <= high]
    return [low, *inside] if low not in inside else inside


def test_distribution(sampler):
    """KS test of 10⁶ draws at a dozen temperatures, 1e-4 and 100 among them."""
    low, _ = sampler.theta_range
    for theta in _thetas_of(sampler):
        # A method that refuses most proposals is tested with fewer draws at its very limit.
        count = DRAWS if sampler.quality(theta).get("acceptance", 1.0) > 0.01 else DRAWS // 20
        u = sampler.sample(theta, random_streams(31, count))
        distance, p_value = ks_test(u, theta)
        assert p_value > FALSE_ALARM, f"theta = {theta}: D = {distance:.2e}, p = {p_value:.1e}"
    assert low in _thetas_of(sampler)


def test_moments(sampler):
    """⟨γ - 1⟩, ⟨u⟩ and ⟨u²⟩ of 10⁶ draws within 5.5 standard errors."""
    for theta in (0.15, 1.0, 50.0):
        u = sampler.sample(theta, random_streams(32, DRAWS))
        kinetic = u**2 / (1 + np.sqrt(1 + u**2))
        for values, expected in (
            (kinetic, mj.moment_kinetic(1, theta)),
            (u, mj.mean_u(theta)),
            (u**2, mj.moment_u(2, theta)),
        ):
            assert abs(values.mean() - expected) < 5.5 * values.std() / np.sqrt(u.size)


def test_tail(sampler):
    """Draws above survival 1e-4 are Poisson with the exact mean, within 5.5 standard errors."""
    for theta in (0.15, 1.0, 50.0):
        u = sampler.sample(theta, random_streams(33, DRAWS))
        above = np.count_nonzero(u > mj.inverse_survival(1e-4, theta))
        assert abs(above - 1e-4 * DRAWS) < 5.5 * np.sqrt(1e-4 * DRAWS)


def test_one_temperature_per_draw(sampler):
    """Temperatures mixed over the whole range: F(u; Θ) is uniform in each of ten slices of Θ."""
    low, high = sampler.theta_range
    low = max(low, 0.12) if sampler.quality(low).get("acceptance", 1.0) < 0.01 else low
    rng = np.random.default_rng(34)
    grid = np.exp(rng.uniform(np.log(low), np.log(high), 10))
    choice = rng.integers(0, grid.size, 500_000)
    u = sampler.sample(grid[choice], random_streams(34, choice.size))
    for k, theta in enumerate(grid):
        assert ks_test(u[choice == k], theta)[1] > FALSE_ALARM


def test_isotropy(sampler):
    """Directions are uniform: cosines to each axis, azimuths, and second moments of 10⁶ vectors."""
    vectors = sampler.sample_vector(0.5, random_streams(35, DRAWS))
    u = np.linalg.norm(vectors, axis=1)
    assert ks_test(u, 0.5)[1] > FALSE_ALARM
    direction = vectors / u[:, None]
    for axis in range(3):
        assert stats.kstest(direction[:, axis], "uniform", (-1, 2)).pvalue > FALSE_ALARM
    azimuth = np.arctan2(direction[:, 1], direction[:, 0]) / (2 * np.pi) % 1
    assert stats.kstest(azimuth, "uniform").pvalue > FALSE_ALARM
    second = direction.T @ direction / DRAWS
    # Var(n_z²) = 4/45 and Var(n_x n_y) = 1/15.
    error = np.where(np.eye(3, dtype=bool), np.sqrt(4 / 45), np.sqrt(1 / 15)) / np.sqrt(DRAWS)
    assert (np.abs(second - np.eye(3) / 3) < 5.5 * error).all()
    # Magnitude and direction are independent.
    assert abs(np.corrcoef(u, direction[:, 2])[0, 1]) < 5.5 / np.sqrt(DRAWS)


def test_vectors_near_the_poles(sampler):
    """Directions within 1° of ±z are as frequent as they should be, and have unit length."""
    vectors = sampler.sample_vector(0.5, random_streams(36, DRAWS))
    cosine = vectors[:, 2] / np.linalg.norm(vectors, axis=1)
    share = (1 - np.cos(np.radians(1.0))) / 2
    for pole in (1, -1):
        near = np.count_nonzero(pole * cosine > np.cos(np.radians(1.0)))
        assert abs(near - share * DRAWS) < 5.5 * np.sqrt(share * DRAWS)


def test_draws_are_independent(sampler):
    """Successive draws of one stream, and draws of neighbouring streams, are uncorrelated.

    Ranks (the exact cdf) of 200,000 draws each; correlation of ranks and of their distance from
    the median, within 5.5 standard errors.
    """
    streams = random_streams(37, 200_000)
    cdf = exact_cdf(0.7)
    first, second, third = (cdf(sampler.sample(0.7, streams)) for _ in range(3))
    limit = 5.5 / np.sqrt(first.size)
    pairs = [(first, second), (first, third), (first[1:], first[:-1]), (first[2:], second[:-2])]
    for a, b in pairs:
        assert abs(np.corrcoef(a, b)[0, 1]) < limit
        assert abs(np.corrcoef(np.abs(a - 0.5), np.abs(b - 0.5))[0, 1]) < limit


def test_bits_do_not_depend_on_batch_or_threads(sampler):
    """The same streams give the same bits in one batch, in pieces, and from several threads."""
    theta = np.exp(np.random.default_rng(38).uniform(np.log(0.15), np.log(50.0), 10_000))
    for temperature in (0.5, theta):
        whole_streams = random_streams(38, theta.size)
        whole = sampler.sample(temperature, whole_streams)

        def piece(first, size, temperature=temperature):
            streams = random_streams(38, size, first)
            own = temperature if np.isscalar(temperature) else temperature[first : first + size]
            return sampler.sample(own, streams), streams

        for size in (1, 7, 1000):
            starts = range(0, 1000 if size < 1000 else theta.size, size)
            with ThreadPoolExecutor(4) as pool:
                parts = list(pool.map(lambda first, size=size: piece(first, size), starts))
            u = np.concatenate([part[0] for part in parts])
            streams = np.concatenate([part[1] for part in parts])
            assert np.array_equal(u, whole[: u.size])
            assert np.array_equal(streams, whole_streams[: u.size])


def test_out_is_filled_and_given_back(sampler):
    """``out`` receives the very draws that would have been returned."""
    expected = sampler.sample(0.5, random_streams(39, 100))
    out = np.full(100, np.nan)
    assert sampler.sample(0.5, random_streams(39, 100), out=out) is out
    assert np.array_equal(out, expected)
    vectors = np.full((100, 3), np.nan)
    assert sampler.sample_vector(0.5, random_streams(39, 100), out=vectors) is vectors
    assert np.isfinite(vectors).all()
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), expected, rtol=1e-13)


def test_no_draws(sampler):
    """Zero streams give zero draws."""
    assert sampler.sample(0.5, random_streams(1, 0)).shape == (0,)
    assert sampler.sample_vector(0.5, random_streams(1, 0)).shape == (0, 3)


def test_quality_is_reported(sampler):
    """An acceptance in (0, 1] or an interpolation error below 1e-5, at every temperature."""
    for theta in _thetas_of(sampler):
        for measure, value in sampler.quality(theta).items():
            if measure == "acceptance":
                assert 0 < value <= 1
            else:
                assert 0 <= value < 1e-5
