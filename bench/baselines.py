"""What a Python user would reach for instead of mcplugin, as good as it gets in a few lines.

Each baseline has a ``label``, a ``theta_range``, ``one_theta_only`` (whether all draws must share
their temperature), ``prepare(theta, size, seed)``, which does what has to be done once and gives a
function that draws, and ``distance(theta)``, the error D = sup |F - F_exact| of what it draws.
The tests hold their draws against the exact distribution: a wrong baseline is none.
"""

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.stats.sampling import NumericalInversePolynomial

from mcplugin.domain import THETA_MAX, THETA_MIN
from mcplugin.electrons import maxwell_juttner
from mcplugin.fidelity import exact_cdf

Array = NDArray[np.float64]
# Every call gives the next electrons, shape (size,).
Draw = Callable[[], Array]


class NumpyRejection:
    """Exact rejection of Zenitani & Nakano (2022, arXiv:2210.15118) with arrays.

    The kinetic energy t = (γ - 1)/Θ has a density proportional to t^½ (1 + y) √(1 + y/2) exp(-t)
    with y = Θt; the envelope 1 + a√(y/2) + by + y√(y/2) makes it a mixture of gamma distributions.
    """

    label = "numpy, rejection"
    theta_range = (THETA_MIN, THETA_MAX)
    one_theta_only = False

    _A, _B = 0.56, 0.35
    _SHAPES = np.array([1.5, 2.0, 2.5, 3.0])

    def prepare(self, theta: float | Array, size: int, seed: int) -> Draw:
        """Give a function that draws: what is refused is drawn again until nothing is."""
        random = np.random.default_rng(seed)
        temperatures = np.asarray(theta, dtype=np.float64)

        def draw() -> Array:
            u = np.empty(size)
            waiting = np.arange(size)
            while waiting.size > 0:
                own = temperatures if temperatures.ndim == 0 else temperatures[waiting]
                proposed, accepted = self._propose(own, waiting.size, random)
                u[waiting[accepted]] = proposed[accepted]
                waiting = waiting[~accepted]
            return u

        return draw

    def distance(self, theta: float | None) -> float:
        """Exact: nothing."""
        return 0.0

    def _propose(
        self, theta: Array, size: int, random: np.random.Generator
    ) -> tuple[Array, NDArray[np.bool_]]:
        weights = [
            0.5 * math.sqrt(math.pi) * np.ones_like(theta),
            self._A * np.sqrt(0.5 * theta),
            0.75 * math.sqrt(math.pi) * self._B * theta,
            math.sqrt(2.0) * theta * np.sqrt(theta),
        ]
        ends = np.cumsum(weights, axis=0)
        choice = random.random(size) * ends[3]
        component = np.sum([choice >= end for end in ends[:3]], axis=0)
        y = theta * random.standard_gamma(self._SHAPES[component])
        root = np.sqrt(0.5 * y)
        envelope = 1.0 + self._A * root + self._B * y + y * root
        accepted = random.random(size) * envelope <= (1.0 + y) * np.sqrt(1.0 + 0.5 * y)
        return np.sqrt(y * (y + 2.0)), accepted


class PolynomialInverse:
    """``scipy.stats.sampling.NumericalInversePolynomial`` of the density at one temperature.

    Set-up needs nothing but the density (Derflinger, Hörmann & Leydold 2010, ACM TOMACS 20, 18),
    and takes milliseconds, for each temperature anew.

    Parameters
    ----------
    u_resolution : float
        The error |F(u(p)) - p| that it aims at; 1e-10 is scipy's default.
    """

    label = "scipy, NumericalInversePolynomial"
    theta_range = (THETA_MIN, THETA_MAX)
    one_theta_only = True

    # Kinetic energies, in temperatures, that the table covers: exp(-60) is 1e-26.
    _TOP = 60.0

    def __init__(self, u_resolution: float = 1e-10) -> None:
        self.u_resolution = u_resolution

    def prepare(self, theta: float | Array, size: int, seed: int) -> Draw:
        """Set up one inverse, and give the function that draws from it."""
        inverse = self._inverse(float(theta), seed)

        def draw() -> Array:
            u: Array = inverse.rvs(size)
            return u

        return draw

    def distance(self, theta: float | None) -> float:
        """Largest |F(u(p)) - p| among 2¹³ probabilities."""
        assert theta is not None
        p = (np.arange(2**13) + 0.5) / 2**13
        u = self._inverse(theta, 1).ppf(p)
        return float(np.max(np.abs(maxwell_juttner.cdf(u, theta) - p)))

    def _inverse(self, theta: float, seed: int) -> NumericalInversePolynomial:
        top = self._TOP * theta
        density = _Density(theta)
        return NumericalInversePolynomial(
            density,
            center=density.peak,
            domain=(0.0, math.sqrt(top * (top + 2.0))),
            u_resolution=self.u_resolution,
            random_state=np.random.default_rng(seed),
        )


class _Density:
    """u² exp(-γ/Θ) over its largest value, in plain Python, as scipy calls it for single u."""

    def __init__(self, theta: float) -> None:
        self.theta = theta
        self.peak = math.sqrt(2.0 * theta * (theta + math.hypot(1.0, theta)))
        self._peak_kinetic = self._kinetic(self.peak)

    def _kinetic(self, u: float) -> float:
        return u * u / ((1.0 + math.hypot(1.0, u)) * self.theta)

    def pdf(self, u: float) -> float:
        return (u / self.peak) ** 2 * math.exp(self._peak_kinetic - self._kinetic(u))


class InterpolatedTable:
    """``numpy.interp`` in a table of quantiles at evenly spaced probabilities, one temperature.

    Parameters
    ----------
    intervals : int
        Of probability; a tenth of the last one's electrons lie beyond the end of the table.
    """

    label = "numpy, interp in a table"
    theta_range = (THETA_MIN, THETA_MAX)
    one_theta_only = True

    def __init__(self, intervals: int = 4096) -> None:
        self.intervals = intervals

    def prepare(self, theta: float | Array, size: int, seed: int) -> Draw:
        """Make the table, and give the function that draws from it."""
        random = np.random.default_rng(seed)
        p, u = self._table(float(theta))
        return lambda: np.interp(random.random(size), p, u)

    def distance(self, theta: float | None) -> float:
        """Largest |F(u(p)) - p|, at eight places within each interval."""
        assert theta is not None
        places = (np.arange(8) + 0.5) / 8
        p = ((np.arange(self.intervals)[:, None] + places) / self.intervals).ravel()
        u = np.interp(p, *self._table(theta))
        return float(np.max(np.abs(exact_cdf(theta)(u) - p)))

    def _table(self, theta: float) -> tuple[Array, Array]:
        p = np.arange(self.intervals + 1) / self.intervals
        end = maxwell_juttner.inverse_survival(0.1 / self.intervals, theta)
        return p, np.append(maxwell_juttner.quantile(p[:-1], theta), end)


BASELINES = (NumpyRejection(), PolynomialInverse(), InterpolatedTable())
