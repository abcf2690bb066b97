"""One verdict out of many tests, with a stated risk of a false alarm, and what it could have seen.

Every test on random draws gives a p-value. Holm's procedure (1979, Scand. J. Stat. 6, 65) turns
all of them into one decision that is wrong about an exact sampler with at most the stated
probability, however the tests depend on each other.
"""

import functools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import numpy as np
from scipy import special

from mcplugin.fidelity.uniformity import anderson_darling_quantile, kolmogorov_quantile

# Probability that an exact sampler is told apart by mistake.
FALSE_ALARM = 1e-3
# A size of error "would have been seen" if it is found with this probability.
POWER = 0.95
_POWER_SIGMAS = float(special.ndtri(POWER))


@dataclass(frozen=True)
class SampledTest:
    """One test on random draws.

    Attributes
    ----------
    family : str
        Tests of one kind share it.
    subject : str
        What was tested, within the family.
    theta : float or None
        Temperature, if there was one.
    draws : int
        Size of the sample.
    deviation : float
        By how much the draws were off, in the unit of ``visible``.
    p_value : float
        Probability of a greater deviation if the sampler is exact.
    visible : callable
        Maps a significance level to the deviation that would have been found at that level with
        probability 0.95.
    """

    family: str
    subject: str
    theta: float | None
    draws: int
    deviation: float
    p_value: float
    visible: Callable[[float], float] = field(repr=False, compare=False)


Test = TypeVar("Test", bound=SampledTest)


@dataclass(frozen=True)
class Verdict(Generic[Test]):
    """The decision over all sampled tests, and those that were failed.

    Attributes
    ----------
    told_apart : bool
        Whether the draws are not those of an exact sampler.
    rejected : tuple of (SampledTest, float)
        Failed tests with their adjusted p-values, smallest first.
    smallest_p_value : float
        Smallest adjusted p-value: the family-wise level at which the first test fails.
    tests : int
        Number of tests.
    level : float
        p-value below which one test suffices, ``false_alarm/tests``.
    false_alarm : float
        Probability that an exact sampler is told apart.
    """

    told_apart: bool
    rejected: tuple[tuple[Test, float], ...]
    smallest_p_value: float
    tests: int
    level: float
    false_alarm: float


def verdict(tests: Sequence[Test], false_alarm: float = FALSE_ALARM) -> Verdict[Test]:
    """Holm's step-down decision over all tests.

    Parameters
    ----------
    tests : sequence of SampledTest
        At least one.
    false_alarm : float
        Largest probability of a mistake about an exact sampler.
    """
    adjusted = holm([test.p_value for test in tests])
    order = np.argsort(adjusted, kind="stable")
    rejected = tuple((tests[i], float(adjusted[i])) for i in order if adjusted[i] <= false_alarm)
    return Verdict(
        told_apart=bool(rejected),
        rejected=rejected,
        smallest_p_value=float(np.min(adjusted)),
        tests=len(tests),
        level=false_alarm / len(tests),
        false_alarm=false_alarm,
    )


def holm(p_values: Sequence[float]) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Adjusted p-values (n,): the smallest times n, the next times n - 1, never decreasing."""
    raw = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(raw)
    stepped = np.maximum.accumulate(raw[order] * np.arange(raw.size, 0, -1))
    adjusted = np.empty(raw.size)
    adjusted[order] = np.minimum(stepped, 1.0)
    return adjusted


def visible_to_kolmogorov(draws: float) -> Callable[[float], float]:
    """Distance D = sup |F - F_exact| that a Kolmogorov-Smirnov test of so many draws would find.

    Where F is off by D the empirical cdf is off by D with a standard deviation of at most
    1/(2√n), and the largest deviation is no smaller.
    """
    return functools.partial(_kolmogorov, draws)


def _kolmogorov(draws: float, level: float) -> float:
    return (kolmogorov_quantile(level) + 0.5 * _POWER_SIGMAS) / math.sqrt(draws)


def visible_to_anderson_darling(draws: float) -> Callable[[float], float]:
    """Height D of a smooth deviation 4D p(1 - p) that an Anderson-Darling test would find.

    With d = √n D the statistic has the mean 1 + (8/3) d² and, from the cross term 8d ∫ B dp of the
    Brownian bridge B, the standard deviation 8d/√12.
    """
    return functools.partial(_anderson_darling, draws)


def _anderson_darling(draws: float, level: float) -> float:
    # (8/3) d² - 1.645 · 8d/√12 = threshold - 1
    slope = _POWER_SIGMAS * 8.0 / math.sqrt(12.0)
    excess = anderson_darling_quantile(level) - 1.0
    d = (slope + math.sqrt(slope**2 + 4.0 * (8.0 / 3.0) * excess)) / (2.0 * 8.0 / 3.0)
    return d / math.sqrt(draws)


def visible_to_z(standard_error: float) -> Callable[[float], float]:
    """Deviation of a mean with a known standard error that a two-sided test would find."""
    return functools.partial(_z, standard_error)


def _z(standard_error: float, level: float) -> float:
    return standard_error * (_POWER_SIGMAS - float(special.ndtri(0.5 * level)))


def visible_to_chi_square(freedom: int, unit: float) -> Callable[[float], float]:
    """Deviation δ that a χ² test would find, if it adds (δ/unit)² to the statistic's mean."""
    return functools.partial(_chi_square, freedom, unit)


def _chi_square(freedom: int, unit: float, level: float) -> float:
    threshold = float(special.chdtri(freedom, level))
    return unit * math.sqrt(float(special.chndtrinc(threshold, freedom, 1.0 - POWER)))


def two_sided(z: float) -> float:
    """Probability that a standard normal number is farther from 0 than z."""
    return float(special.erfc(abs(z) / math.sqrt(2.0)))
