"""Whether draws are isotropic, and independent of each other along and across random streams."""

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy import special

from mcplugin.errors import SamplerError
from mcplugin.fidelity.distances import exact_cdf
from mcplugin.fidelity.uniformity import kolmogorov_smirnov
from mcplugin.fidelity.verdict import (
    SampledTest,
    two_sided,
    visible_to_chi_square,
    visible_to_kolmogorov,
    visible_to_z,
)
from mcplugin.random_streams import random_streams
from mcplugin.samplers.base import ElectronVelocitySampler

Array = NDArray[np.float64]

AXES = ("x", "y", "z")
_SUCCESSIVE = 4
_LAGS = (1, 2, 3)
_CELLS = 16


def isotropy_tests(
    sampler: ElectronVelocitySampler, theta: float, seed: int, first: int, draws: int
) -> list[SampledTest]:
    """Vectors of ``sample_vector``: magnitudes, cosines, azimuth, and moments of the directions.

    The mean direction is tested with Rayleigh's statistic 3n|⟨n⟩|² ~ χ²₃, the second moments with
    Bingham's (15/2) n (tr S² - 1/3) ~ χ²₅, S = ⟨n nᵀ⟩ (Mardia & Jupp 2000, "Directional
    Statistics", §10.4), the independence of magnitude and direction with
    36n|⟨(F(u) - ½) n⟩|² ~ χ²₃.
    """
    vectors = np.asarray(sampler.sample_vector(theta, random_streams(seed, draws, first)))
    u = np.linalg.norm(vectors, axis=1)
    # A vector may be 0 by underflow only; NaN and infinity fail here as well.
    if vectors.shape != (draws, 3) or not (np.isfinite(u) & (u > 0.0)).all():
        raise SamplerError(f"sampler {sampler.name!r} drew impossible vectors at theta = {theta:g}")
    directions = vectors / u[:, None]
    ranks = exact_cdf(theta)(u)
    azimuths = np.arctan2(directions[:, 1], directions[:, 0]) / (2.0 * np.pi) + 0.5

    def test(
        subject: str, deviation: float, p_value: float, visible: Callable[[float], float]
    ) -> SampledTest:
        return SampledTest("isotropy", subject, theta, draws, deviation, p_value, visible)

    uniform = {"magnitude |u|": ranks, "azimuth": azimuths}
    uniform |= {f"cosine to {axis}": 0.5 + 0.5 * directions[:, i] for i, axis in enumerate(AXES)}
    tests = [
        test(name, *kolmogorov_smirnov(np.sort(values)), visible_to_kolmogorov(draws))
        for name, values in uniform.items()
    ]
    mean = directions.mean(axis=0)
    rayleigh = 3.0 * draws * float(mean @ mean)
    tests.append(
        test(
            "mean direction",
            float(np.linalg.norm(mean)),
            float(special.chdtrc(3.0, rayleigh)),
            visible_to_chi_square(3, 1.0 / math.sqrt(3.0 * draws)),
        )
    )
    second = directions.T @ directions / draws - np.eye(3) / 3.0
    anisotropy = float(np.sum(second**2))
    tests.append(
        test(
            "second moments",
            math.sqrt(anisotropy),
            float(special.chdtrc(5.0, 7.5 * draws * anisotropy)),
            visible_to_chi_square(5, 1.0 / math.sqrt(7.5 * draws)),
        )
    )
    coupling = 6.0 * (ranks - 0.5) @ directions / draws
    tests.append(
        test(
            "correlation of magnitude and direction",
            float(np.linalg.norm(coupling)),
            float(special.chdtrc(3.0, draws * float(coupling @ coupling))),
            visible_to_chi_square(3, 1.0 / math.sqrt(draws)),
        )
    )
    return tests


def correlation_tests(
    sampler: ElectronVelocitySampler, theta: float, seed: int, first: int, draws: int
) -> list[SampledTest]:
    """Successive draws of one stream, and draws of neighbouring streams.

    Correlations of the ranks F(u), and of their squared distance from the median, at lags 1 to 3;
    and the frequencies of pairs of ranks in 16 × 16 equal cells (χ²). All variances are those of
    uniform, independent ranks.

    Parameters
    ----------
    sampler, theta, seed
        As usual.
    first, draws : int
        Index of the first stream; number of draws, a quarter as many streams.
    """
    streams = random_streams(seed, draws // _SUCCESSIVE, first)
    cdf = exact_cdf(theta)
    ranks = np.stack([cdf(sampler.sample(theta, streams)) for _ in range(_SUCCESSIVE)])
    return succession_tests(ranks, theta)


def succession_tests(ranks: Array, theta: float, of: str = "") -> list[SampledTest]:
    """Whether ranks are independent of those before them, and of those of their neighbours.

    Parameters
    ----------
    ranks : (k, n) array
        Uniform on (0, 1), k successive ones of each of n streams.
    theta : float
        Temperature.
    of : str
        What they are ranks of, if there is more than one thing.
    """
    prefix = f"{of}: " if of else ""
    tests = []
    for where, grid in (("one stream", ranks), ("neighbouring streams", ranks.T)):
        for lag in _LAGS:
            for what, score in (("ranks", _centred), ("spreads", _spread)):
                product = score(grid[lag:]) * score(grid[:-lag])
                error = 1.0 / math.sqrt(product.size)
                correlation = float(np.mean(product))
                tests.append(
                    SampledTest(
                        "independence",
                        f"{prefix}{where}, {what}, lag {lag}",
                        theta,
                        product.size,
                        correlation,
                        two_sided(correlation / error),
                        visible_to_z(error),
                    )
                )
        even = 2 * (len(grid) // 2)
        tests.append(pair_test(f"{prefix}{where}, pairs", theta, grid[:even:2], grid[1:even:2]))
    return tests


def _centred(rank: Array) -> Array:
    """The rank with mean 0 and variance 1."""
    scaled: Array = math.sqrt(12.0) * (rank - 0.5)
    return scaled


def _spread(rank: Array) -> Array:
    """(rank - ½)² with mean 0 and variance 1."""
    scaled: Array = math.sqrt(180.0) * ((rank - 0.5) ** 2 - 1.0 / 12.0)
    return scaled


def pair_test(subject: str, theta: float, one: Array, other: Array) -> SampledTest:
    """χ² of pairs of ranks in equal cells; the deviation is the excess √((χ² - 255)/n).

    That is the root mean square by which the frequencies of the cells are modulated.
    """
    cells = (one.ravel() * _CELLS).astype(np.int64).clip(max=_CELLS - 1) * _CELLS
    cells += (other.ravel() * _CELLS).astype(np.int64).clip(max=_CELLS - 1)
    expected = cells.size / _CELLS**2
    chi_square = float(np.sum((np.bincount(cells, minlength=_CELLS**2) - expected) ** 2) / expected)
    freedom = _CELLS**2 - 1
    return SampledTest(
        "independence",
        subject,
        theta,
        cells.size,
        math.sqrt(max(chi_square - freedom, 0.0) / cells.size),
        float(special.chdtrc(float(freedom), chi_square)),
        visible_to_chi_square(freedom, 1.0 / math.sqrt(cells.size)),
    )
