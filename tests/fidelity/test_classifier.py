"""The discriminator: blind to exact electrons, and able to see what is wrong with others."""

import itertools

import numpy as np
import pytest

from mcplugin import get_sampler, random_streams
from mcplugin.electrons import maxwell_juttner as mj
from mcplugin.fidelity import exact_cdf
from mcplugin.fidelity.classifier import (
    area_under_curve,
    classifier_test,
    discriminate,
    ranks,
)

DRAWS = 400_000
THETAS = np.array([0.003, 0.1, 1.0, 20.0])
WHICH = np.arange(DRAWS) % THETAS.size


def _exact(seed):
    sampler = get_sampler("rejection")
    return ranks(sampler, THETAS, WHICH, [exact_cdf(theta) for theta in THETAS], seed, 0)


@pytest.fixture(scope="module")
def exact():
    """Ranks of exact electrons."""
    return _exact(101)


def test_ranks_are_those_of_each_temperature(exact):
    """F(u; Θ) of every draw with its own Θ."""
    u = get_sampler("rejection").sample(THETAS[WHICH], random_streams(101, DRAWS))
    np.testing.assert_allclose(exact, mj.cdf(u, THETAS[WHICH]), atol=1e-10)


def test_area_under_curve():
    """AUC by counting pairs, and its error by DeLong as the scatter of many."""
    rng = np.random.default_rng(102)
    drawn, exact = rng.integers(0, 9, 40) / 4, rng.integers(0, 8, 60) / 4
    pairs = [(a > b) + 0.5 * (a == b) for a, b in itertools.product(drawn, exact)]
    assert area_under_curve(drawn, exact)[0] == pytest.approx(np.mean(pairs))
    many = np.array(
        [area_under_curve(rng.normal(0.5, 1, 200), rng.normal(size=200)) for _ in range(1000)]
    )
    assert many[:, 0].mean() == pytest.approx(0.6382, abs=0.004)
    assert many[:, 1].mean() == pytest.approx(many[:, 0].std(), rel=0.1)


def test_exact_electrons_are_not_told_apart(exact):
    """The AUC of exact against exact is ½ within four standard errors."""
    found = discriminate(_exact(103), exact, WHICH, THETAS)
    assert abs(found.auc - 0.5) < 4 * found.null_error
    assert found.error == pytest.approx(found.null_error, rel=0.01)
    assert found.draws == DRAWS // 2
    assert 1e-4 < classifier_test(found, THETAS.size).p_value <= 1


def test_a_hotter_gas_is_told_apart():
    """1 % too hot: AUC - ½ is 0.01 σ(t)/(2√π) = 0.0035 to 0.0049, σ(t) = √1.5 to √3 (cold, hot).

    With 500,000 held-out draws that is 6 to 8 standard errors.
    """
    which = np.arange(1_000_000) % THETAS.size
    tables = [exact_cdf(theta) for theta in THETAS]
    sampler = get_sampler("table")
    hot = np.empty(which.size)
    u = sampler.sample(1.01 * THETAS[which], random_streams(104, which.size))
    for k, table in enumerate(tables):
        hot[which == k] = table(u[which == k])
    exact = ranks(sampler, THETAS, which, tables, 101, 0)
    found = discriminate(hot, exact, which, THETAS)
    assert 0.0025 < found.auc - 0.5 < 0.006
    assert found.p_value < 1e-5


def test_a_maxwellian_is_told_apart(exact):
    """A plain Maxwellian at Θ = 0.1, exact elsewhere, is found among four temperatures."""
    wrong = _exact(105)
    cold = WHICH == 1
    r = np.linalg.norm(np.random.default_rng(105).normal(size=(cold.sum(), 3)), axis=1)
    wrong[cold] = mj.cdf(np.sqrt(0.1) * r, 0.1)
    found = discriminate(wrong, exact, WHICH, THETAS)
    assert found.p_value < 1e-20


def test_a_narrow_flaw_is_told_apart(exact):
    """A tenth of the electrons between the 70th and the 80th percentile sit at the 75th."""
    wrong = _exact(106)
    moved = np.flatnonzero((wrong > 0.7) & (wrong < 0.8))[::3]
    wrong[moved] = 0.75 + 0.01 * (wrong[moved] - 0.75)
    found = discriminate(wrong, exact, WHICH, THETAS)
    assert found.p_value < 1e-6
