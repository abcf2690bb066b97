"""What is particular to the three rejection methods."""

import numpy as np
import pytest
from scipy.integrate import trapezoid
from scipy.special import kn

from mcplugin import get_sampler, random_streams
from mcplugin.samplers import rejection


@pytest.mark.parametrize(("a", "b", "squeeze"), [rejection._ZENITANI_NAKANO, rejection._CANFIELD])
def test_envelope_bounds_the_density(a, b, squeeze):
    """squeeze <= (1 + y)√(1 + y/2) / (1 + a√(y/2) + by + y^(3/2)/√2) <= 1 for y from 1e-12 to 1e12.

    The upper bound makes the method exact, the lower one its quick acceptance.
    """
    y = np.logspace(-12, 12, 240_001)
    ratio = (1 + y) * np.sqrt(1 + y / 2) / (1 + a * np.sqrt(y / 2) + b * y + y**1.5 / np.sqrt(2))
    assert ratio.max() <= 1 + 1e-14
    assert ratio.min() >= squeeze - 1e-14


@pytest.mark.parametrize(
    ("method", "published"),
    [
        ("canfield", {0.01: 0.93, 0.1: 0.82, 1: 0.72, 10: 0.81, 100: 0.92}),
        ("zenitani-nakano", {0.01: 0.97, 0.1: 0.96, 1: 0.99, 10: 0.96, 100: 0.97}),
        ("sobol", {0.1: 1.1e-3, 1: 0.81, 10: 0.998, 100: 1.0}),
    ],
)
def test_acceptance(method, published):
    """The closed forms against independently measured values, to their two digits."""
    sampler = get_sampler("rejection", method=method)
    for theta, value in published.items():
        assert sampler.quality(theta)["acceptance"] == pytest.approx(value, rel=0.05, abs=0.006)


@pytest.mark.parametrize("method", ["zenitani-nakano", "canfield", "sobol"])
def test_acceptance_is_what_happens(method):
    """Proposals used, counted through the random numbers consumed, agree with the formula.

    The Sobol method uses four numbers a proposal; counting its draws is counting its proposals.
    """
    if method == "sobol":
        streams, reference = random_streams(41, 20_000), random_streams(41, 20_000)
        get_sampler("rejection", method=method).sample(0.5, streams)
        proposals = 0
        pending = np.ones(len(streams), dtype=bool)
        from mcplugin.random_streams import uniform

        while pending.any():
            for i in np.flatnonzero(pending):
                for _ in range(4):
                    uniform(reference, i)
            proposals += np.count_nonzero(pending)
            pending &= (reference != streams).any(axis=1)
        acceptance = len(streams) / proposals
        expected = kn(2, 2.0) / 0.5
        assert abs(acceptance - expected) < 5 * np.sqrt(expected * (1 - expected) / proposals)
    else:
        # Acceptance is the ratio of two integrals; take them numerically.
        a, b, _ = rejection._envelope(method)
        t = np.linspace(0, 200, 2_000_001)[1:]
        for theta in (0.01, 1.0, 30.0):
            y = theta * t
            target = trapezoid(np.sqrt(t) * (1 + y) * np.sqrt(1 + y / 2) * np.exp(-t), t)
            envelope = 1 + a * np.sqrt(y / 2) + b * y + y**1.5 / np.sqrt(2)
            proposal = trapezoid(np.sqrt(t) * envelope * np.exp(-t), t)
            quality = get_sampler("rejection", method=method).quality(theta)
            assert quality["acceptance"] == pytest.approx(target / proposal, rel=1e-5)


def test_sobol_limit_is_where_its_acceptance_is():
    """The refused range begins where K₂(1/Θ)/(2Θ²) falls below 1e-3."""
    theta = rejection._SOBOL_THETA_MIN
    assert kn(2, 1 / theta) / (2 * theta**2) == pytest.approx(
        rejection.SOBOL_LEAST_ACCEPTANCE, rel=1e-4
    )
    assert kn(2, 1 / theta) / (2 * theta**2) >= rejection.SOBOL_LEAST_ACCEPTANCE
