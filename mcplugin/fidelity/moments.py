"""Moments and tails of many draws against the closed forms, with the exact standard errors."""

import math

import numpy as np
from scipy import stats

from mcplugin.electrons import maxwell_juttner
from mcplugin.fidelity.map_distance import TAIL_PROBABILITIES
from mcplugin.fidelity.pool import Pool
from mcplugin.fidelity.uniformity import binomial_p_value
from mcplugin.fidelity.verdict import SampledTest, two_sided, visible_to_z

MOMENT_NAMES = ("⟨u⟩", "⟨u²⟩", "⟨u³⟩", "⟨u⁴⟩", "⟨γ − 1⟩")


def moment_tests(drawn: Pool) -> list[SampledTest]:
    """Relative errors of ⟨u⟩ to ⟨u⁴⟩ and ⟨γ - 1⟩.

    Standard error and skewness of each mean follow from the exact moments of two and three times
    the order, so that the z-score is right for heavy-tailed powers too.
    """
    tests = []
    for k, name in enumerate(MOMENT_NAMES):
        mean, second, third = _exact_moments(k, drawn.theta)
        sigma = math.sqrt(second - mean**2)
        skewness = (third - 3.0 * mean * second + 2.0 * mean**3) / sigma**3
        relative_error = sigma / (mean * math.sqrt(drawn.draws))
        deviation = drawn.sums[k] / drawn.draws / mean - 1.0
        z = unskewed(deviation / relative_error, skewness / math.sqrt(drawn.draws))
        tests.append(
            SampledTest(
                family="moments",
                subject=name,
                theta=drawn.theta,
                draws=drawn.draws,
                deviation=deviation,
                p_value=two_sided(z),
                visible=visible_to_z(relative_error),
            )
        )
    return tests


def _exact_moments(k: int, theta: float) -> tuple[float, float, float]:
    """⟨x⟩, ⟨x²⟩ and ⟨x³⟩ of the k-th quantity."""
    if k == len(MOMENT_NAMES) - 1:
        orders, moment = (1, 2, 3), maxwell_juttner.moment_kinetic
    else:
        orders, moment = (k + 1, 2 * k + 2, 3 * k + 3), maxwell_juttner.moment_u
    first, second, third = (float(moment(order, theta)) for order in orders)
    return first, second, third


def unskewed(z: float, skewness: float) -> float:
    """Standard score z of a mean with small skewness, as a normal score.

    Hall's transformation (1992, J. R. Stat. Soc. B 54, 221): removes the first term of the
    Edgeworth expansion and is monotone in z.
    """
    third = skewness / 3.0
    return z - 0.5 * third * (z * z - 1.0) + third**2 * z**3 / 12.0


def tail_tests(drawn: Pool) -> list[SampledTest]:
    """Survival at exact survival 1e-3 to 1e-6: relative errors with binomial p-values."""
    tests = []
    for probability, count in zip(TAIL_PROBABILITIES, drawn.above, strict=True):
        expected = probability * drawn.draws
        tests.append(
            SampledTest(
                family="tails",
                subject=f"survival {probability:.0e}",
                theta=drawn.theta,
                draws=drawn.draws,
                deviation=float(count) / expected - 1.0,
                p_value=binomial_p_value(int(count), drawn.draws, probability),
                visible=visible_to_z(1.0 / math.sqrt(expected)),
            )
        )
    return tests


def survival_interval(count: int, expected: float, confidence: float = 0.95) -> tuple[float, float]:
    """Interval of (true survival)/(exact survival) from a Poisson count (Garwood 1936).

    Parameters
    ----------
    count : int
        Draws beyond the threshold.
    expected : float
        Their number if the sampler is exact.
    confidence : float
        Probability that the interval holds the true ratio, at least.
    """
    miss = 0.5 * (1.0 - confidence)
    low = stats.gamma.ppf(miss, count) if count > 0 else 0.0
    high = stats.gamma.isf(miss, count + 1)
    return float(low / expected), float(np.asarray(high) / expected)
