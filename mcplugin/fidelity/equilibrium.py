"""Photons in equilibrium with electrons stay there, however often they are scattered.

Where photons are few, scatterings leave a Wien spectrum n(x) ∝ x² exp(-x/Θ) as it is, of which
⟨x/Θ⟩ = 3. Photons about to scatter are drawn from n(x) σ(x, Θ), which one scattering leaves as it
is, too; weighted by 1/σ they are those of the Wien spectrum. Because of detailed balance, as many
of them scatter from one band of energies to another as the other way round.

A small error of every scattering adds up here. The mean of x' less its exact expectation, which is
known for every photon, is the drift δ of one scattering; since deviations relax, by the factor ρ
with each, it becomes δ(1 - ρⁿ)/(1 - ρ) after n.
"""

import functools
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special
from scipy.interpolate import CubicSpline

from mcplugin.fidelity.event_pool import scattered
from mcplugin.fidelity.event_tests import BARS, EventTest, event_test, mean_test
from mcplugin.fidelity.uniformity import binomial_p_value
from mcplugin.fidelity.verdict import SampledTest, visible_to_chi_square, visible_to_z
from mcplugin.jit import kernel
from mcplugin.learning.event_accuracy import event_accuracy
from mcplugin.learning.event_generator import EventGenerator
from mcplugin.random_streams import random_streams
from mcplugin.samplers.scattering import ScatteringSampler
from mcplugin.scattering.event_distribution import event_moments
from mcplugin.scattering.hot_cross_section import hot_cross_section

Array = NDArray[np.float64]
Counts = NDArray[np.int64]

EQUILIBRIUM, BALANCE = "equilibrium", "detailed balance"
TEMPERATURES = (1e-3, 1e-2, 0.1, 0.3, 1.0)
# The mean is looked at after so many scatterings.
SCATTERINGS = (0, 1, 10, 100)
# Edges of the bands of x/Θ between which photons are counted.
BAND_EDGES: Array = np.array([0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0])
WIEN_MEAN = 3.0

# Of a Wien spectrum, one photon in 10¹⁰ is below this x/Θ, and one in 10²³ above the other.
_LOWEST, _HIGHEST = 1e-3, 60.0
_FINE = np.geomspace(_LOWEST, _HIGHEST, 4097)
_COARSE = np.geomspace(_LOWEST, _HIGHEST, 33)
# Fewer photons between two bands are left out of χ².
_LEAST_EXCHANGE = 25


class WienField:
    """Photons in equilibrium, about to scatter.

    Parameters
    ----------
    theta : float
        Temperature, up to 1.

    Attributes
    ----------
    theta : float
        As given.
    relaxation : float
        ρ, the correlation of the energies before and after one scattering.
    """

    def __init__(self, theta: float) -> None:
        self.theta = theta
        self._cross_section = hot_cross_section(_FINE * theta, theta)
        density = _FINE**3 * np.exp(-_FINE) * self._cross_section
        cumulative = np.concatenate([[0.0], np.cumsum(0.5 * (density[1:] + density[:-1]))])
        self._cdf = cumulative / cumulative[-1]
        moments = [event_moments(float(y * theta), theta) for y in _COARSE]
        self._coarse_gain = np.array([each.ratio for each in moments])
        self._gain = CubicSpline(np.log(_COARSE), self._coarse_gain)(np.log(_FINE))
        weight = density / density.sum()
        mean = weight @ _FINE
        self.relaxation = float(
            (weight @ (_FINE**2 * self._gain) - mean**2) / (weight @ _FINE**2 - mean**2)
        )
        self._weight = weight

    def draw(self, random: np.random.Generator, photons: int) -> Array:
        """Draw x/Θ of so many photons."""
        return np.asarray(np.interp(random.random(photons), self._cdf, _FINE))

    def weights(self, y: Array) -> Array:
        """Weights 1/σ at x/Θ, which make photons about to scatter those of the spectrum."""
        return np.asarray(1.0 / np.interp(y, _FINE, self._cross_section))

    def surprise(self, y: Array, y_out: Array) -> tuple[float, float]:
        """Sum of the energies x'/Θ less their exact expectations, and the sum of squares."""
        return _surprise(y, y_out, self._gain, math.log(_LOWEST), math.log(_HIGHEST))

    def drift_of(self, generator: EventGenerator) -> float:
        """Drift δ of ⟨x/Θ⟩ per scattering by a generator, without sampling.

        Photons beyond its energies scatter exactly.
        """
        folded = generator.fold(self.theta)
        low, high = generator.x_range
        error = np.array(
            [
                event_accuracy(folded, float(x), deflections=1).gain if low <= x <= high else 0.0
                for x in _COARSE * self.theta
            ]
        )
        excess = np.interp(np.log(_FINE), np.log(_COARSE), error * self._coarse_gain)
        return float(self._weight @ (_FINE * excess))


@functools.lru_cache(maxsize=16)
def wien_field(theta: float) -> WienField:
    """Photons in equilibrium at one temperature, prepared once; half a second."""
    return WienField(theta)


@dataclass(frozen=True)
class EquilibriumSums:
    """What is kept of photons that were scattered again and again.

    Attributes
    ----------
    photons : int
        How many.
    weighted : (4, 5) array
        After 0, 1, 10 and 100 scatterings the sums of w, wy, w², w²y and w²y², y = x/Θ, w = 1/σ.
    surprise : (2,) array
        Sum of what all energies exceed their expectations by, and of its squares.
    exchanged : (10, 10) array of int64
        Photons by the band of energies before and after the first scattering.
    """

    photons: int
    weighted: Array
    surprise: Array
    exchanged: Counts

    def __add__(self, other: "EquilibriumSums") -> "EquilibriumSums":
        """Both together."""
        return EquilibriumSums(
            self.photons + other.photons,
            self.weighted + other.weighted,
            self.surprise + other.surprise,
            self.exchanged + other.exchanged,
        )


@dataclass(frozen=True)
class Equilibrium:
    """What became of a Wien spectrum at one temperature.

    Attributes
    ----------
    theta : float
        Temperature.
    photons : int
        How many were followed.
    mean, error : (4,) arrays
        ⟨x/Θ⟩ after 0, 1, 10 and 100 scatterings, and its standard error.
    drift, drift_error : float
        Drift of ⟨x/Θ⟩ per scattering, from all scatterings, and its standard error.
    relaxation : float
        Factor by which one scattering lessens a deviation.
    computed_drift : float or None
        The drift without sampling, where a generator makes it possible.
    exchanged : (10, 10) array of int64
        Photons by the band of energies before and after the first scattering.
    """

    theta: float
    photons: int
    mean: Array
    error: Array
    drift: float
    drift_error: float
    relaxation: float
    computed_drift: float | None
    exchanged: Counts

    @property
    def deviation(self) -> float:
        """⟨x/Θ⟩ - 3 after the last of the scatterings."""
        return float(self.mean[-1] - WIEN_MEAN)

    def after(self, scatterings: int, drift: float | None = None) -> float:
        """What a drift per scattering, by default that measured, becomes after some of them."""
        rho = self.relaxation
        return (self.drift if drift is None else drift) * (1.0 - rho**scatterings) / (1.0 - rho)


def scatter_in_equilibrium(
    sampler: ScatteringSampler, theta: float, seed: int, first: int, photons: int
) -> EquilibriumSums:
    """Draw photons from equilibrium and scatter each a hundred times by a stream of its own.

    Parameters
    ----------
    sampler, theta, seed
        As usual.
    first, photons : int
        Index of the first stream, and how many.

    Raises
    ------
    SamplerError
        If the sampler gives what no event can have.
    """
    field = wien_field(theta)
    random = np.random.default_rng([seed, first])
    streams = random_streams(seed, photons, first)
    y = field.draw(random, photons)
    bands = BAND_EDGES.size + 1
    exchanged = np.zeros((bands, bands), dtype=np.int64)
    weighted = [_weighted_sums(y, field.weights(y))]
    surprise = np.zeros(2)
    for scattering in range(1, SCATTERINGS[-1] + 1):
        ratio, _ = scattered(sampler, y * theta, theta, streams)
        y_out = y * ratio
        surprise += field.surprise(y, y_out)
        if scattering == 1:
            pair = np.searchsorted(BAND_EDGES, y) * bands + np.searchsorted(BAND_EDGES, y_out)
            exchanged += np.bincount(pair, minlength=bands**2).reshape(bands, bands)
        if scattering in SCATTERINGS:
            weighted.append(_weighted_sums(y_out, field.weights(y_out)))
        y = y_out
    return EquilibriumSums(photons, np.array(weighted), surprise, exchanged)


def equilibrium(
    theta: float, sums: EquilibriumSums, generator: EventGenerator | None = None
) -> Equilibrium:
    """Means and their errors from the sums, at one temperature."""
    field = wien_field(theta)
    w, wy, ww, wwy, wwyy = sums.weighted.T
    mean = wy / w
    error = np.sqrt(wwyy - 2.0 * mean * wwy + mean**2 * ww) / w
    events = sums.photons * SCATTERINGS[-1]
    return Equilibrium(
        theta=theta,
        photons=sums.photons,
        mean=mean,
        error=error,
        drift=float(sums.surprise[0] / events),
        drift_error=float(math.sqrt(sums.surprise[1]) / events),
        relaxation=field.relaxation,
        computed_drift=None if generator is None else field.drift_of(generator),
        exchanged=sums.exchanged,
    )


def equilibrium_tests(found: Equilibrium) -> list[EventTest]:
    """The means, the drift, and the balance between bands."""
    theta, n = found.theta, found.photons
    tests = []
    for k, scatterings in enumerate(SCATTERINGS[1:], 1):
        bar = BARS.equilibrium if scatterings == SCATTERINGS[-1] else None
        deviation, error = float(found.mean[k] - WIEN_MEAN), float(found.error[k])
        subject = f"⟨x/Θ⟩ − 3 after {scatterings}"
        tests.append(mean_test(EQUILIBRIUM, subject, None, theta, n, deviation, error, bar=bar))
    events = n * SCATTERINGS[-1]
    tests.append(
        mean_test(
            EQUILIBRIUM, "drift per scattering", None, theta, events, found.drift, found.drift_error
        )
    )
    return [*tests, *_balance_tests(found)]


def net_currents(exchanged: Counts) -> tuple[Counts, Counts]:
    """Photons that crossed each edge of a band upwards, and downwards, in one scattering."""
    edges = range(1, len(exchanged))
    up = np.array([exchanged[:k, k:].sum() for k in edges])
    down = np.array([exchanged[k:, :k].sum() for k in edges])
    return up, down


def _balance_tests(found: Equilibrium) -> list[EventTest]:
    """Currents through every edge, and χ² of all pairs of bands."""
    tests = []
    for edge, up, down in zip(BAND_EDGES, *net_currents(found.exchanged), strict=True):
        both = int(up + down)
        if both >= _LEAST_EXCHANGE:
            tests.append(
                SampledTest(
                    BALANCE,
                    f"net current at x/Θ = {edge:g}",
                    found.theta,
                    both,
                    float(up - down) / both,
                    binomial_p_value(int(up), both, 0.5),
                    visible_to_z(1.0 / math.sqrt(both)),
                )
            )
    row, column = np.triu_indices(len(found.exchanged), 1)
    there, back = found.exchanged[row, column], found.exchanged[column, row]
    both_ways = there + back
    kept = both_ways >= _LEAST_EXCHANGE
    freedom, total = int(kept.sum()), int(both_ways[kept].sum())
    if freedom:
        chi_square = float(np.sum((there - back)[kept] ** 2 / both_ways[kept]))
        tests.append(
            SampledTest(
                BALANCE,
                "all pairs of bands",
                found.theta,
                total,
                math.sqrt(max(chi_square - freedom, 0.0) / total),
                float(special.chdtrc(float(freedom), chi_square)),
                visible_to_chi_square(freedom, 1.0 / math.sqrt(total)),
            )
        )
    return [event_test(test) for test in tests]


def _weighted_sums(y: Array, w: Array) -> tuple[float, ...]:
    square = w * w
    sums = w.sum(), w @ y, square.sum(), square @ y, square @ (y * y)
    return tuple(float(each) for each in sums)


@kernel
def _surprise(
    y: Array, y_out: Array, gain: Array, log_low: float, log_high: float
) -> tuple[float, float]:
    total, squares = 0.0, 0.0
    last = gain.size - 1
    for i in range(y.size):
        place = (math.log(y[i]) - log_low) / (log_high - log_low) * last
        place = min(max(place, 0.0), float(last))
        cell = min(int(place), last - 1)
        s = place - cell
        excess = y_out[i] - y[i] * ((1.0 - s) * gain[cell] + s * gain[cell + 1])
        total += excess
        squares += excess * excess
    return total, squares
