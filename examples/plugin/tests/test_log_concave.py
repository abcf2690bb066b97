"""The promises that mcplugin expects every sampler to keep."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from mcplugin_log_concave import LogConcaveSampler, most_probable_u

import mcplugin
from mcplugin.electrons import maxwell_juttner
from mcplugin.errors import ThetaRangeError
from mcplugin.fidelity import ks_test
from mcplugin.jit import kernel
from mcplugin.random_streams import random_bits

DRAWS = 100_000
THETAS = [1e-4, 0.01, 0.2, 1.0, 10.0, 100.0]
# Each test on random draws fails by chance with this probability.
FALSE_ALARM = 1e-7


@pytest.fixture(scope="module")
def sampler():
    """Found by its tag, as a user finds it."""
    return mcplugin.get_sampler("log-concave")


def test_tag_names_this_class(sampler):
    """The entry point leads here."""
    assert type(sampler) is LogConcaveSampler
    assert "log-concave" in mcplugin.sampler_names()


@pytest.mark.parametrize("theta", THETAS)
def test_distribution(sampler, theta):
    """KS test of 10⁵ draws against the exact distribution, both ends of the range included."""
    u = sampler.sample(theta, mcplugin.random_streams(1, DRAWS))
    distance, p_value = ks_test(u, theta)
    assert p_value > FALSE_ALARM, f"D = {distance:.2e}, p = {p_value:.1e}"


def test_one_temperature_per_draw(sampler):
    """Mixed temperatures: the draws at each of them have its distribution."""
    choice = np.random.default_rng(2).integers(0, len(THETAS), DRAWS)
    u = sampler.sample(np.array(THETAS)[choice], mcplugin.random_streams(2, DRAWS))
    for k, theta in enumerate(THETAS):
        assert ks_test(u[choice == k], theta)[1] > FALSE_ALARM


@pytest.mark.parametrize("mixed", [False, True])
def test_bits_do_not_depend_on_batch_or_threads(sampler, mixed):
    """The same streams give the same bits in one batch, and in pieces drawn by four threads."""
    theta = np.geomspace(*sampler.theta_range, 2000) if mixed else np.full(2000, 0.5)
    streams = mcplugin.random_streams(3, theta.size)

    def piece(first, size):
        batch = slice(first, first + size)
        return sampler.sample(theta[batch] if mixed else 0.5, streams[batch].copy())

    whole = piece(0, theta.size)
    for size in (1, 7, 500):
        with ThreadPoolExecutor(4) as pool:
            pieces = list(pool.map(piece, range(0, theta.size, size), [size] * theta.size))
        assert np.array_equal(np.concatenate(pieces), whole)


@pytest.mark.parametrize("theta", [0.99e-4, 101.0, [0.5, 101.0], -1.0, np.nan])
def test_bad_temperature_is_refused(sampler, theta):
    """The message names the value, and no random number is used up."""
    streams = mcplugin.random_streams(4, 2)
    before = streams.copy()
    expected = ValueError if np.isnan(theta).any() else ThetaRangeError
    with pytest.raises(expected, match="theta = "):
        sampler.sample(theta, streams)
    assert np.array_equal(streams, before)


@pytest.mark.parametrize("theta", THETAS)
def test_envelope(theta):
    """The density is nowhere above the envelope, and touches it at the mode."""
    u = np.geomspace(1e-3, 1e3, 2001) * np.sqrt(theta * (3.0 + 12.0 * theta))
    mode = most_probable_u(theta)
    peak = maxwell_juttner.pdf(mode, theta)
    density = maxwell_juttner.pdf(u, theta)
    assert (density <= peak * np.minimum(1.0, np.exp(1.0 - peak * np.abs(u - mode)))).all()
    # Curvature aside, a wrong mode would leave a slope.
    nearby = maxwell_juttner.pdf(mode * np.array([1.0 - 1e-4, 1.0 + 1e-4]), theta)
    assert (nearby < peak).all()


@kernel
def _numbers_used(before, after, at_most):
    """Step the streams ``before`` until they are those ``after``, and count the steps."""
    count = 0
    for i in range(len(before)):
        while count < at_most and (before[i, 0] != after[i, 0] or before[i, 1] != after[i, 1]):
            random_bits(before, i)
            count += 1
    return count


@pytest.mark.parametrize("theta", THETAS)
def test_acceptance_is_what_quality_says(sampler, theta):
    """Random numbers used per draw, within 5.5 standard errors.

    A proposal takes 4.5 of them on average, a draw 4.5/a, and with the geometric distribution of
    the number of proposals the variance per draw is (1/4)/a + 4.5² (1 - a)/a², a correlation of
    the two aside that changes the error by a few per cent.
    """
    a = sampler.quality(theta)["acceptance"]
    streams = mcplugin.random_streams(5, DRAWS)
    before = streams.copy()
    sampler.sample(theta, streams)
    used = _numbers_used(before, streams, 100 * DRAWS) / DRAWS
    error = np.sqrt((0.25 / a + 4.5**2 * (1.0 - a) / a**2) / DRAWS)
    assert abs(used - 4.5 / a) < 5.5 * error
