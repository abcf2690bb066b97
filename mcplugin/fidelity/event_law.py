"""The exact law of Compton events, tabulated so that millions of them can be held against it.

At one photon energy x and temperature Θ, an exact event gives three numbers that are uniform on
(0, 1): the probability of a smaller scattering angle, of a lower energy, and, given the angle, of
a lower momentum ζ (:mod:`mcplugin.scattering.redistribution`), hence of a higher energy. The first
and the third are independent of each other.

The tables are those of :mod:`mcplugin.scattering.event_distribution`, which is without noise,
interpolated by cubics.
"""

import functools
import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mcplugin.jit import kernel
from mcplugin.scattering.event_distribution import angle_cdf, momentum_cdf
from mcplugin.scattering.recoil_angle import deflection, deflection_slope, recoil_angle
from mcplugin.scattering.redistribution import energy_ratio, event_density, momentum_of

Array = NDArray[np.float64]

# Survivals of x'/x at which tails are counted.
TAIL_PROBABILITIES = (1e-3, 1e-4, 1e-5)

# Momenta beyond this are taken as those at the end: their probability is below 1e-12.
_ZETA_END = 9.0
_ZETAS = 257
_MOMENTUM_ANGLES = 193
_ANGLES = 513
_ENERGIES = 2049
# Angles over which the law of the energy alone is summed.
_SUMMED_ANGLES = 480
# Where x' differs from x by less than this share of the Doppler width, ln(x'/x) is resolved.
_BEND = 0.02

# The law of moments and of tails is integrated over these.
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(64)
_NODES, _WEIGHTS = 0.5 * np.pi * (_NODES + 1.0), 0.5 * np.pi * _WEIGHTS
_RAPIDITIES = 97
_ZETA_FAR = 12.0
# Powers of x'/x that means, their errors and the skewness of these need.
_POWERS = 6

# A cosine is rounded: of smaller deflections it does not tell enough to know the momentum.
LEAST_DEFLECTION = 1e-6


class EventRanks(NamedTuple):
    """Numbers that are uniform on (0, 1) if events are exact.

    Attributes
    ----------
    angle : (n,) array
        Probability of a smaller scattering angle.
    energy : (n,) array
        Probability of a lower energy, whatever the angle.
    momentum : (n,) array
        Probability of a lower momentum ζ, given the angle; NaN for deflections below 1e-6.
    """

    angle: Array
    energy: Array
    momentum: Array


class EventLaw:
    """The exact law of the events of photons of one energy at one temperature.

    Parameters
    ----------
    x : float
        Photon energy hν/(mₑc²), up to 100.
    theta : float
        Electron temperature, 1e-4 to 100.

    Attributes
    ----------
    x, theta : float
        As given.
    ratio_powers, cosine_powers : (6,) arrays
        Exact ⟨(x'/x)ᵏ⟩ and ⟨cosineᵏ⟩, k = 1..6.
    tail_ratio, tail_probability : (3,) arrays
        Values of x'/x that are exceeded with probabilities next to 1e-3, 1e-4 and 1e-5, and these
        probabilities, to 1e-9.
    """

    def __init__(self, x: float, theta: float) -> None:
        self.x, self.theta = x, theta
        angles = math.pi * np.linspace(0.0, 1.0, _MOMENTUM_ANGLES) ** 2
        zetas = np.linspace(-_ZETA_END, _ZETA_END, _ZETAS)
        self._momentum_table = momentum_cdf(zetas, deflection(angles, x)[:, None], x, theta)
        self._angle_table = angle_cdf(deflection(np.linspace(0.0, math.pi, _ANGLES), x), x, theta)
        self._energy_range, self._energy_table = self._tabulated_energy()
        density, ratio, cosine = self._on_nodes()
        self.ratio_powers = _power_means(density, ratio)
        self.cosine_powers = _power_means(density.sum(axis=1), cosine)
        self.tail_ratio, self.tail_probability = self._tails(density.sum(axis=1))

    def ranks(self, ratio: Array, cosine: Array) -> EventRanks:
        """What should be uniform of events.

        Parameters
        ----------
        ratio : (n,) array
            x'/x > 0.
        cosine : (n,) array
            Cosines of the scattering angles, -1 to 1.
        """
        h = 0.5 * (1.0 - cosine)
        angle = recoil_angle(h, self.x)
        angle_rank, momentum_rank = np.empty((2, ratio.size))
        _interpolate(angle, 0.0, math.pi, self._angle_table, angle_rank)
        told = np.maximum(h, LEAST_DEFLECTION)
        zeta = momentum_of(ratio, told, self.x, self.theta)
        _interpolate_momentum(angle, zeta, self._momentum_table, momentum_rank)
        momentum_rank[h < LEAST_DEFLECTION] = np.nan
        return EventRanks(angle_rank, self.energy_cdf(ratio), momentum_rank)

    def energy_cdf(self, ratio: Array) -> Array:
        """Probabilities (n,) of lower energies than each of n ratios x'/x; to 2e-5 up to x = 10."""
        out = np.empty(ratio.size)
        _interpolate(self._stretched(np.log(ratio)), *self._energy_range, self._energy_table, out)
        return out

    def energy_quantile(self, probability: Array) -> Array:
        """Ratios x'/x (n,) that are not exceeded with each of n probabilities, to 2e-5 in these."""
        nodes = np.linspace(*self._energy_range, _ENERGIES)
        return np.asarray(
            np.exp(self._unstretched(np.interp(probability, self._energy_table, nodes)))
        )

    def table_error(self, places: int = 7) -> float:
        """Largest error of the tables of angle and momentum between their nodes, as measured.

        Parameters
        ----------
        places : int
            Angles that are looked at, each in the middle between two nodes of the momentum table
            where its interpolation is worst; 80 momenta at each.
        """
        first = np.linspace(0, _MOMENTUM_ANGLES - 2, places).astype(int)
        angles = math.pi * ((first + 0.5) / (_MOMENTUM_ANGLES - 1)) ** 2
        between = np.linspace(-_ZETA_END, _ZETA_END, 80)
        zeta, angle = (a.ravel() for a in np.meshgrid(between, angles))
        h = deflection(angle, self.x)
        interpolated = np.empty(zeta.size)
        _interpolate_momentum(angle, zeta, self._momentum_table, interpolated)
        exact = momentum_cdf(zeta, h, self.x, self.theta)
        interpolated_angle = np.empty(angles.size)
        half = 0.5 * math.pi / (_ANGLES - 1)
        _interpolate(angles + half, 0.0, math.pi, self._angle_table, interpolated_angle)
        exact_angle = angle_cdf(deflection(angles + half, self.x), self.x, self.theta)
        return float(
            max(
                np.max(np.abs(interpolated - exact)),
                np.max(np.abs(interpolated_angle - exact_angle)),
            )
        )

    def survival(self, ratio: Array, angle_weights: Array) -> Array:
        """Probability (n,) that x'/x exceeds each of n ratios, with weights of the 64 angles."""
        h = deflection(_NODES, self.x)[:, None]
        zeta = momentum_of(ratio, h, self.x, self.theta)
        return np.asarray(angle_weights @ momentum_cdf(zeta, h, self.x, self.theta))

    def _stretched(self, log_ratio: Array) -> Array:
        """A variable of ln(x'/x) in which the law is smooth: at x' = x it bends sharply."""
        return np.asarray(np.arcsinh(log_ratio / (_BEND * math.sqrt(self.theta))))

    def _unstretched(self, place: Array) -> Array:
        return np.asarray(_BEND * math.sqrt(self.theta) * np.sinh(place))

    def _tabulated_energy(self) -> tuple[tuple[float, float], Array]:
        """Probabilities of a lower energy, evenly spaced in stretched ln(x'/x), and the ends.

        At a given energy the sum over angles is a midpoint rule whose weights are exact.
        """
        x, theta = self.x, self.theta
        edges = math.pi * np.linspace(0.0, 1.0, _SUMMED_ANGLES + 1) ** 2
        weights = np.diff(angle_cdf(deflection(edges, x), x, theta))
        angles = 0.5 * (edges[1:] + edges[:-1])
        h = deflection(angles, x)
        extremes = energy_ratio(np.array([[_ZETA_END], [-_ZETA_END]]), h, x, theta)
        low, high = self._stretched(np.log([extremes.min(), extremes.max()]))
        ratio = np.exp(self._unstretched(np.linspace(low, high, _ENERGIES)))
        zeta = momentum_of(ratio[:, None], h, x, theta)
        higher = np.empty(zeta.size)
        _interpolate_momentum(
            np.broadcast_to(angles, zeta.shape).ravel(), zeta.ravel(), self._momentum_table, higher
        )
        return (float(low), float(high)), 1.0 - higher.reshape(zeta.shape) @ weights

    def _on_nodes(self) -> tuple[Array, Array, Array]:
        """Probabilities (64, 97) of angles and momenta, with x'/x and (64,) cosines there."""
        x, theta = self.x, self.theta
        end = 2.0 * math.asinh(0.5 * math.sqrt(theta) * _ZETA_FAR)
        rapidity = np.linspace(-end, end, _RAPIDITIES)
        zeta = 2.0 * np.sinh(0.5 * rapidity) / math.sqrt(theta)
        h = deflection(_NODES, x)
        density = event_density(zeta, h[:, None], x, theta) * np.cosh(0.5 * rapidity)
        density *= (_WEIGHTS * deflection_slope(_NODES, x))[:, None]
        return density / density.sum(), energy_ratio(zeta, h[:, None], x, theta), 1.0 - 2.0 * h

    def _tails(self, angle_weights: Array) -> tuple[Array, Array]:
        begin = float(np.log(self.energy_quantile(np.array(0.99))))
        end = float(self._unstretched(np.array(self._energy_range[1])))
        logs = np.linspace(begin, end, 200)
        survival = self.survival(np.exp(logs), angle_weights)
        # A little noise of the last digits lies beyond the last tail.
        kept = slice(0, int(np.argmax(np.append(survival, 0.0) < 1e-8)))
        wanted = np.log(TAIL_PROBABILITIES)
        found = np.exp(np.interp(-wanted, -np.log(survival[kept]), logs[kept]))
        return found, self.survival(found, angle_weights)


@functools.lru_cache(maxsize=1024)
def event_law(x: float, theta: float) -> EventLaw:
    """The tables of one energy and temperature, made once; a third of a second, 400 kB."""
    return EventLaw(x, theta)


def _power_means(probability: Array, values: Array) -> Array:
    return np.array([np.sum(probability * values**k) for k in range(1, _POWERS + 1)])


@kernel
def _cubic_cell(place: float, nodes: int) -> tuple[int, float]:
    """First of four neighbouring nodes, and the place relative to the second of them."""
    first = min(max(int(place) - 1, 0), nodes - 4)
    return first, place - first - 1.0


@kernel
def _cubic(a: float, b: float, c: float, d: float, s: float) -> float:
    """The cubic through values at -1, 0, 1 and 2, by Lagrange."""
    return (
        s * (s - 1.0) * ((s + 1.0) * d - (s - 2.0) * a) / 6.0
        + (s + 1.0) * (s - 2.0) * ((s - 1.0) * b - s * c) / 2.0
    )


@kernel
def _interpolate(places: Array, low: float, high: float, table: Array, out: Array) -> None:
    """In an even table from ``low`` to ``high``; its ends stand for what is beyond."""
    for i in range(places.size):
        place = min(max((places[i] - low) / (high - low), 0.0), 1.0) * (table.size - 1)
        k, s = _cubic_cell(place, table.size)
        value = _cubic(table[k], table[k + 1], table[k + 2], table[k + 3], s)
        out[i] = min(max(value, 0.0), 1.0)


@kernel
def _interpolate_momentum(angle: Array, zeta: Array, table: Array, out: Array) -> None:
    angles, zetas = table.shape
    for i in range(angle.size):
        # Nodes are dense at small angles, where the law of hot electrons changes fastest.
        across = math.sqrt(min(max(angle[i] / math.pi, 0.0), 1.0)) * (angles - 1)
        along = min(max(0.5 * (zeta[i] / _ZETA_END + 1.0), 0.0), 1.0) * (zetas - 1)
        row, s = _cubic_cell(across, angles)
        column, t = _cubic_cell(along, zetas)
        a, b, c, d = table[row], table[row + 1], table[row + 2], table[row + 3]
        k = column
        value = _cubic(
            _cubic(a[k], a[k + 1], a[k + 2], a[k + 3], t),
            _cubic(b[k], b[k + 1], b[k + 2], b[k + 3], t),
            _cubic(c[k], c[k + 1], c[k + 2], c[k + 3], t),
            _cubic(d[k], d[k + 1], d[k + 2], d[k + 3], t),
            s,
        )
        out[i] = min(max(value, 0.0), 1.0)
