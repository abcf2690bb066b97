"""Tests of uniformity: right p-values, by published formulas and by simulation, and their bins."""

import math

import numpy as np
import pytest
from scipy import integrate, special, stats

from mcplugin.fidelity import uniformity as un

BINS = 2**12


def _limit_law(z):
    """P(A² < z) by the series of Anderson & Darling (1954, J. Am. Stat. Assoc. 49, 765)."""
    total = 0.0
    for j in range(40):
        c = (4 * j + 1) ** 2 * np.pi**2 / (8 * z)
        integral, _ = integrate.quad(
            lambda w, c=c: math.exp(z / (8 * (w * w + 1)) - c * w * w),
            0.0,
            12 / math.sqrt(c),
            epsabs=0.0,
            epsrel=1e-12,
        )
        total += special.binom(-0.5, j) * (4 * j + 1) * math.exp(-c) * integral
    return math.sqrt(2 * math.pi) / z * total


def _marsaglia(z):
    """P(A² < z) by the fit of Marsaglia & Marsaglia (2004, J. Stat. Softw. 9(2))."""
    if z < 2:
        series = (2.00012, 0.247105, -0.0649821, 0.0347962, -0.0116720, 0.00168691)
        return math.exp(-1.2337141 / z) / math.sqrt(z) * np.polynomial.Polynomial(series)(z)
    series = (1.0776, -2.30695, 0.43424, -0.082433, 0.008056, -0.0003146)
    return math.exp(-math.exp(np.polynomial.Polynomial(series)(z)))


def _samples(rng, size, count):
    return np.sort(rng.random((count, size)), axis=1)


@pytest.mark.parametrize("z", [0.05, 0.1, 0.2, 0.5, 1.0, 1.9, 2.1, 3.0, 4.0, 6.0, 8.0])
def test_anderson_darling_agrees_with_published_formulas(z):
    """Smirnov's formula equals the series of Anderson & Darling; the usual fit is 2e-5 off."""
    p_value = un.anderson_darling_p_value(z)
    assert p_value == pytest.approx(1 - _limit_law(z), abs=1e-12 if z >= 0.1 else 2e-7)
    assert p_value == pytest.approx(1 - _marsaglia(z), abs=2.5e-5)


def test_anderson_darling_tail():
    """Far out, P(A² > z) → √3 erfc(√z), the law of its largest term Z²/2 times Π(1 - 2/μ_j)^-½."""
    for z in (10.0, 20.0, 60.0):
        ratio = un.anderson_darling_p_value(z) / (math.sqrt(3) * math.erfc(math.sqrt(z)))
        assert 1 < ratio < 1 + 0.4 / z
    assert un.anderson_darling_p_value(0.0) == 1.0
    for level in (0.5, 1e-3, 1e-9):
        z = un.anderson_darling_quantile(level)
        assert un.anderson_darling_p_value(z) == pytest.approx(level, rel=1e-9)


def test_p_values_of_simulated_samples_are_uniform():
    """4000 samples of 500 uniform numbers: KS and AD p-values uniform, A² has mean 1."""
    rng = np.random.default_rng(71)
    samples = _samples(rng, 500, 4000)
    ks = [un.kolmogorov_smirnov(sample)[1] for sample in samples]
    statistic, ad = np.array([un.anderson_darling(sample) for sample in samples]).T
    for p_values in (ks, ad):
        assert stats.kstest(p_values, "uniform").pvalue > 1e-4
        assert un.rare_p_values(p_values)[1] > 1e-4
    # Var(A²) = 2 Σ 1/(j(j + 1))² = 2(π²/3 - 3).
    assert statistic.mean() == pytest.approx(
        1.0, abs=4.5 * math.sqrt(2 * (np.pi**2 / 3 - 3) / 4000)
    )


def test_statistics_agree_with_scipy():
    """KS distance and p-value, and A² by its definition as an integral."""
    sample = _samples(np.random.default_rng(72), 2000, 1)[0]
    distance, p_value = un.kolmogorov_smirnov(sample)
    reference = stats.kstest(sample, "uniform", method="exact")
    assert distance == pytest.approx(reference.statistic, rel=1e-12)
    assert p_value == pytest.approx(reference.pvalue, abs=1e-5)
    p = (np.arange(2_000_000) + 0.5) / 2_000_000
    empirical = np.searchsorted(sample, p, side="right") / sample.size
    integral = sample.size * np.mean((empirical - p) ** 2 / (p * (1 - p)))
    assert un.anderson_darling(sample)[0] == pytest.approx(integral, rel=1e-3)


@pytest.mark.parametrize("size", [30, 999, 1000, 10_000])
def test_kolmogorov_p_value(size):
    """The corrected limit continues the exact law."""
    for x in (0.4, 0.8, 1.3, 2.0):
        exact = stats.kstwo.sf(x / math.sqrt(size), size)
        assert un.kolmogorov_p_value(x / math.sqrt(size), size) == pytest.approx(exact, abs=4e-5)


def test_histogram_statistics():
    """From bins alone: D within 1/M below the true one, A² within a hundredth, without bias."""
    rng = np.random.default_rng(73)
    differences = []
    for sample in _samples(rng, 20_000, 200):
        counts = np.bincount((sample * BINS).astype(int), minlength=BINS)
        in_bins, statistic_in_bins = un.histogram_statistics(counts)
        distance, _ = un.kolmogorov_smirnov(sample)
        assert 0 <= distance - in_bins <= 1 / BINS
        differences.append(statistic_in_bins - un.anderson_darling(sample)[0])
    assert np.max(np.abs(differences)) < 0.02
    assert abs(np.mean(differences)) < 5 * np.std(differences) / math.sqrt(200)


def test_rare_p_values():
    """Two-sided binomial probability; the smallest of m p-values after Šidák."""
    assert un.rare_p_values(np.full(40, 0.5)) == (0, 1.0)
    count, probability = un.rare_p_values([1e-4] * 4 + [0.5] * 36)
    assert count == 4
    assert probability == pytest.approx(2 * special.bdtrc(3, 40, 0.01))
    assert un.smallest_p_value([0.3, 1e-3, 0.9]) == pytest.approx(1 - 0.999**3)
    assert un.smallest_p_value([1e-20] * 2) == pytest.approx(2e-20)
