"""Whether numbers are uniform on (0, 1), as F(u) of exact draws and p-values of exact tests are.

Kolmogorov-Smirnov looks at the largest deviation, Anderson-Darling at all of them with the tails
weighted up. Both exist for a sorted sample and for a histogram, which is how samples that are too
large to keep are tested.
"""

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import optimize, special, stats

from mcplugin.jit import kernel

Array = NDArray[np.float64]
Counts = NDArray[np.int64]

# Below this sample size the exact law of the Kolmogorov-Smirnov statistic is affordable.
_SMALL_SAMPLE = 1000
# F is known to 1e-11: closer to 0 or 1 a logarithm would see noise.
_LEAST_PROBABILITY = 1e-12

_ANGLES = np.pi * (np.arange(60) + 0.5) / 60
_INTERVALS = 12


def kolmogorov_smirnov(ordered: Array) -> tuple[float, float]:
    """Largest deviation of a sorted sample of (0, 1) from uniform, and its p-value.

    Parameters
    ----------
    ordered : (n,) array of float64
        In ascending order, n >= 1.

    Returns
    -------
    distance : float
        sup |F_n(p) - p|.
    p_value : float
        Probability of a larger distance if the numbers are uniform and independent.
    """
    n = ordered.size
    rank = np.arange(n + 1) / n
    distance = float(max(np.max(rank[1:] - ordered), np.max(ordered - rank[:-1])))
    return distance, kolmogorov_p_value(distance, n)


def kolmogorov_p_value(distance: float, n: float) -> float:
    """Probability that n uniform numbers deviate by more than ``distance`` somewhere.

    Exact below n = 1000; above, Kolmogorov's limit with the argument corrected to second order
    (Vrbik 2018, Pioneer J. Theor. Appl. Stat. 15, 15), which is right within 3e-6.
    """
    if n < _SMALL_SAMPLE:
        return float(stats.kstwo.sf(distance, n))
    x = math.sqrt(n) * distance
    return float(special.kolmogorov(max(x + 1 / (6 * math.sqrt(n)) + (x - 1) / (4 * n), 0.0)))


def anderson_darling(ordered: Array) -> tuple[float, float]:
    """Anderson-Darling statistic of a sorted sample of (0, 1), and its p-value.

    A² = n ∫ (F_n - p)²/(p(1 - p)) dp = -n - Σ (2i - 1)(ln p_i + ln(1 - p_(n+1-i)))/n (Anderson &
    Darling 1954, J. Am. Stat. Assoc. 49, 765).

    Parameters
    ----------
    ordered : (n,) array of float64
        In ascending order. Numbers nearer to 0 or 1 than 1e-12 count as 1e-12 away.

    Returns
    -------
    statistic, p_value : float
    """
    n = ordered.size
    p = np.clip(ordered, _LEAST_PROBABILITY, 1.0 - _LEAST_PROBABILITY)
    weight = (2.0 * np.arange(n) + 1.0) / n
    statistic = float(-n - weight @ (np.log(p) + np.log1p(-p[::-1])))
    return statistic, anderson_darling_p_value(statistic)


def anderson_darling_p_value(statistic: float) -> float:
    """Probability that A² of many uniform numbers is larger, without loss in the tail.

    The limit law is that of Σ χ²_1/(j(j + 1)), whose Fredholm determinant is
    Δ(y) = Π (1 - y/(j(j + 1))) = -cos(½π √(1 + 4y))/(πy) (Anderson & Darling 1954). Smirnov's
    formula then gives, with μ_j = j(j + 1),

        P(A² > z) = Σ_k (-1)^(k+1)/π ∫ exp(-yz/2)/(y √|Δ(y)|) dy,  μ_(2k-1) < y < μ_2k

    (Martynov 1975, Theory Probab. Appl. 20, 782). The usual fit (Marsaglia & Marsaglia 2004,
    J. Stat. Softw. 9(2)) differs by up to 2e-5, and by a factor of two at A² = 10, in the tail
    where a verdict over hundreds of tests is taken. Samples of 10⁴ follow the limit within 2e-5.
    """
    if not statistic > 0.03:  # P differs from 1 by 1e-17
        return 1.0
    k = np.arange(1, _INTERVALS + 1)[:, None]
    low, high = (2 * k - 1) * (2 * k), 2 * k * (2 * k + 1)
    # The integrand has inverse square roots at both ends: Chebyshev nodes absorb them.
    half = 0.5 * (high - low)
    y = 0.5 * (high + low) + half * np.cos(_ANGLES)
    determinant = np.abs(np.cos(0.5 * np.pi * np.sqrt(1.0 + 4.0 * y))) / (np.pi * y)
    ends = half * np.sin(_ANGLES)
    integrand = np.exp(-0.5 * y * statistic) / (y * np.sqrt(determinant)) * ends
    terms = np.where(k % 2 == 1, 1.0, -1.0)[:, 0] * np.sum(integrand, axis=1) / _ANGLES.size
    return float(min(max(np.sum(terms), 0.0), 1.0))


def histogram_statistics(counts: Counts) -> tuple[float, float]:
    """Kolmogorov-Smirnov and Anderson-Darling statistics of numbers known by their bins alone.

    Parameters
    ----------
    counts : (M,) array of int64
        Numbers in each of M equal bins of (0, 1), M >= 2.

    Returns
    -------
    distance : float
        Largest deviation of the empirical cdf from uniform at the edges of the bins. Anywhere else
        it is at most 1/M larger, since both cdfs rise monotonically between two edges, and the
        uniform one by 1/M.
    statistic : float
        Expectation of A² given the counts. Within a bin the k numbers are taken as uniform: the
        empirical cdf is then a straight line plus a Brownian bridge of variance k s(1 - s)/n². Both
        are integrated with the weight 1/(p(1 - p)), whose integral over the bin is the difference
        of the logits of its edges, but for the first and the last bin, where the weight is taken
        as 1/p or 1/(1 - p). What is unknown of A² has a standard deviation of order 1/M.
    """
    return _histogram_statistics(counts)


@kernel
def _histogram_statistics(counts: Counts) -> tuple[float, float]:
    bins, n, below = counts.size, counts.sum(), 0
    left, distance, squares, bridges = 0.0, 0.0, 0.0, 0.0
    for i in range(bins):
        below += counts[i]
        right = below / n - (i + 1) / bins
        distance = max(distance, abs(right))
        if i == 0:
            squares += 0.5 * right * right
            bridges += 0.5 * counts[i]
        elif i == bins - 1:
            squares += 0.5 * left * left
            bridges += 0.5 * counts[i]
        else:
            weight = math.log((i + 1) * (bins - i) / (i * (bins - i - 1.0)))
            squares += weight * (left * left + left * right + right * right) / 3.0
            bridges += weight * counts[i] / 6.0
        left = right
    return distance, n * squares + bridges / n


def rare_p_values(p_values: ArrayLike, below: float = 0.01) -> tuple[int, float]:
    """How many p-values lie below a limit, and the two-sided binomial probability of that.

    The probability is twice that of the rarer side, at most 1.
    """
    p_values = np.asarray(p_values)
    rare = int(np.count_nonzero(p_values < below))
    return rare, binomial_p_value(rare, p_values.size, below)


def binomial_p_value(count: int, n: int, share: float) -> float:
    """Two-sided probability of a count at least as far out: twice the rarer side, at most 1."""
    law = stats.binom(n, share)
    return float(min(1.0, 2.0 * min(law.cdf(count), law.sf(count - 1))))


def smallest_p_value(p_values: ArrayLike) -> float:
    """Probability that the smallest of independent p-values is as small (Šidák 1967)."""
    p_values = np.asarray(p_values)
    return float(-np.expm1(p_values.size * np.log1p(-np.min(p_values)))) if p_values.size else 1.0


def smooth_height(statistic: float, n: float) -> float:
    """Height D of the smooth deviation 4D p(1 - p) that adds A² - 1 to a statistic of mean 1."""
    return math.sqrt(max(statistic - 1.0, 0.0) * 3.0 / (8.0 * n))


def kolmogorov_quantile(level: float) -> float:
    """√n D that uniform numbers exceed with probability ``level``."""
    return float(special.kolmogi(level))


def anderson_darling_quantile(level: float) -> float:
    """A² that uniform numbers exceed with probability ``level``, 1e-30 < level < 1."""

    def excess(statistic: float) -> float:
        return math.log(anderson_darling_p_value(statistic) / level)

    return float(optimize.brentq(excess, 0.03, 80.0))
