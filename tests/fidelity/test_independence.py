"""Isotropy and independence: exact samplers pass, and each kind of flaw is seen."""

import numpy as np
import pytest

from mcplugin import ElectronVelocitySampler, get_sampler
from mcplugin.errors import SamplerError
from mcplugin.fidelity.independence import correlation_tests, isotropy_tests

DRAWS = 200_000


class Exact(ElectronVelocitySampler):
    """Exact electrons, to be spoilt."""

    name = "spoilt"
    theta_range = (1e-4, 100.0)

    def fill(self, theta, streams, u):
        """Draw exactly."""
        get_sampler("rejection").sample(theta, streams, out=u)

    def quality(self, theta):
        """Nothing is claimed."""
        return {}


class Elongated(Exact):
    """Directions drawn out by 4 % along z."""

    def sample_vector(self, theta, streams, out=None):
        vectors = super().sample_vector(theta, streams)
        u = np.linalg.norm(vectors, axis=1, keepdims=True)
        vectors[:, 2] *= 1.04
        return vectors * u / np.linalg.norm(vectors, axis=1, keepdims=True)


class Drifting(Exact):
    """Fast electrons prefer +x."""

    def sample_vector(self, theta, streams, out=None):
        vectors = super().sample_vector(theta, streams)
        fast = np.linalg.norm(vectors, axis=1) > 1.5
        vectors[fast, 0] = np.abs(vectors[fast, 0])
        return vectors


class Echoing(Exact):
    """One draw in fifty repeats that of the stream before."""

    def fill(self, theta, streams, u):
        super().fill(theta, streams, u)
        u[1::50] = u[: u[1::50].size * 50 : 50]


class Frozen(Exact):
    """Streams are not advanced: every draw repeats the one before."""

    def fill(self, theta, streams, u):
        super().fill(theta, streams.copy(), u)


def _failed(tests, level=1e-6):
    return {test.subject for test in tests if test.p_value < level}


@pytest.mark.parametrize("name", ["rejection", "table"])
def test_exact_samplers_pass(name):
    """Nothing is found in 200,000 draws, and correlations of 2 % would have been."""
    sampler = get_sampler(name)
    tests = isotropy_tests(sampler, 0.5, 95, 0, DRAWS) + correlation_tests(
        sampler, 0.5, 95, 10**6, DRAWS
    )
    assert len(tests) == 8 + 14
    assert _failed(tests, 1e-5) == set()
    correlations = [test for test in tests if "ranks" in test.subject]
    assert max(test.visible(1e-6) for test in correlations) < 0.03


def test_anisotropy_is_seen():
    """4 % along z: second moments and the cosine to z; no mean direction."""
    failed = _failed(isotropy_tests(Elongated(), 0.5, 96, 0, DRAWS))
    assert failed == {"second moments", "cosine to z"}


def test_a_drift_is_seen():
    """A mean direction, and a correlation of magnitude and direction."""
    failed = _failed(isotropy_tests(Drifting(), 0.5, 97, 0, DRAWS))
    assert failed >= {"mean direction", "correlation of magnitude and direction", "cosine to x"}
    assert failed.isdisjoint({"magnitude |u|", "cosine to y", "cosine to z"})


def test_repeated_draws_are_seen():
    """Neighbouring streams that echo, and streams that are not advanced."""
    echoes = correlation_tests(Echoing(), 0.5, 98, 0, DRAWS)
    assert _failed(echoes) == {
        "neighbouring streams, ranks, lag 1",
        "neighbouring streams, spreads, lag 1",
        "neighbouring streams, pairs",
    }
    (lag,) = (test for test in echoes if test.subject == "neighbouring streams, ranks, lag 1")
    assert lag.deviation == pytest.approx(0.02, abs=5 / np.sqrt(DRAWS))
    frozen = _failed(correlation_tests(Frozen(), 0.5, 98, 0, DRAWS))
    assert frozen >= {f"one stream, ranks, lag {lag}" for lag in (1, 2, 3)}
    assert not any("neighbouring" in subject and "lag" in subject for subject in frozen)


def test_impossible_vectors_are_refused():
    """Vectors without a length or of another shape."""

    class Broken(Exact):
        def sample_vector(self, theta, streams, out=None):
            return np.zeros((len(streams), 3))

    with pytest.raises(SamplerError, match="impossible vectors"):
        isotropy_tests(Broken(), 0.5, 1, 0, 1000)
