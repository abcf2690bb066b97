"""Electrons from a tabulated inverse cdf: the plain baseline that every learned sampler must face.

The table is fine where the quantile function is steep: each octave of the smaller of p and 1 - p
is divided evenly, so the index is read off the bits of the random number and both tails are
resolved down to the last one. Inside an interval u(p) is the cubic with the right values and
slopes du/dp = 1/f(u) at both ends. For one temperature per draw, such tables at many temperatures
are interpolated in ln Θ.
"""

import functools
import math
import threading
from collections.abc import Callable
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from mcplugin.domain import THETA_MAX, THETA_MIN, single, temperature
from mcplugin.electrons import maxwell_juttner
from mcplugin.jit import kernel
from mcplugin.random_streams import Streams, uniform
from mcplugin.samplers.base import ElectronVelocitySampler

Array = NDArray[np.float64]

# Uniform numbers are odd multiples of 2⁻⁵³: 52 octaves reach from 2⁻⁵³ to 1/2.
_OCTAVES = 52
_OCTAVE_BITS = 4
_SIDE = _OCTAVES << _OCTAVE_BITS
_SHIFT = np.uint64(52 - _OCTAVE_BITS)
_FIRST_INDEX = np.int64((1023 - 53) << _OCTAVE_BITS)

_ROWS_PER_DECADE = 14
_ROW_SPACING = math.log(10.0) / _ROWS_PER_DECADE

_ROWS = round(math.log10(THETA_MAX / THETA_MIN)) * _ROWS_PER_DECADE + 1


class TableSampler(ElectronVelocitySampler):
    """Maxwell-Jüttner electrons by interpolation in a table of the inverse cdf.

    One temperature for all draws uses a table made for it (53 kB, made on first use and kept);
    one temperature per draw uses a two-dimensional table of 85 temperatures (4.5 MB).
    """

    name: ClassVar[str] = "table"
    theta_range = (THETA_MIN, THETA_MAX)

    def fill(self, theta: Array, streams: Streams, u: Array) -> None:
        """Write one draw per stream, one uniform number each."""
        if theta.ndim == 0:
            _fill_isothermal(_quantile_cubics(float(theta)), streams, u)
        else:
            _fill_per_draw(_quantile_cubics_of_all_temperatures(), theta, streams, u)

    def quality(self, theta: float) -> dict[str, float]:
        """Largest |F(u(p)) - p| at one temperature, for both tables, on a grid within intervals."""
        theta = single("theta", temperature(theta, *self.theta_range))
        p = np.unique(np.concatenate([fine := _between_nodes(), 1.0 - fine]))
        isothermal, per_draw = np.empty(p.size), np.empty(p.size)
        cubics, surfaces = _quantile_cubics(theta), _quantile_cubics_of_all_temperatures()
        _evaluate(cubics, surfaces, theta, p, isothermal, per_draw)
        return {
            "interpolation_error": _largest_cdf_error(isothermal, p, theta),
            "interpolation_error_2d": _largest_cdf_error(per_draw, p, theta),
        }


def _between_nodes() -> Array:
    """Probabilities below 1/2, away from the nodes of the table."""
    octaves = np.ldexp(1.0, np.arange(-20, -1))[:, None]
    within = (np.arange(5 << _OCTAVE_BITS) + 0.5) / (5 << _OCTAVE_BITS)
    probabilities: Array = (octaves * (1.0 + within)).ravel()
    return probabilities


def _largest_cdf_error(u: Array, p: Array, theta: float) -> float:
    return float(np.max(np.abs(maxwell_juttner.cdf(u, theta) - p)))


def _made_once(make: Callable[..., Array]) -> Callable[..., Array]:
    """Keep what was made, and let other threads wait for it instead of making it again."""
    cached = functools.lru_cache(maxsize=256)(make)
    lock = threading.RLock()

    @functools.wraps(make)
    def get(*args: float) -> Array:
        with lock:
            return cached(*args)

    return get


@_made_once
def _quantile_cubics(theta: float) -> Array:
    """Coefficients (2 × 832, 4) of u in each interval of p, then of 1 - p."""
    within = np.arange(1 << _OCTAVE_BITS) / (1 << _OCTAVE_BITS)
    nodes = (np.ldexp(1.0, np.arange(-53, -1))[:, None] * (1.0 + within)).ravel()
    nodes = np.append(nodes, 0.5)
    sides = []
    for inverse, sign in ((maxwell_juttner.quantile, 1), (maxwell_juttner.inverse_survival, -1)):
        u = inverse(nodes, theta)
        slope = sign / maxwell_juttner.pdf(u, theta)
        width, rise = np.diff(nodes), np.diff(u)
        left, right = slope[:-1] * width, slope[1:] * width
        sides.append(
            np.stack([u[:-1], left, 3 * rise - 2 * left - right, left + right - 2 * rise], axis=1)
        )
    return np.concatenate(sides)


@_made_once
def _quantile_cubics_of_all_temperatures() -> Array:
    """Coefficients (rows, 2 × 832, 4) of u over its typical size, for evenly spaced ln Θ."""
    rows = np.exp(math.log(THETA_MIN) + _ROW_SPACING * np.arange(_ROWS))
    rows = np.clip(rows, THETA_MIN, THETA_MAX)
    return np.stack([_quantile_cubics(theta) / _typical_u(theta) for theta in rows])


@kernel
def _typical_u(theta: float) -> float:
    """Root mean square of u in both limits, √(3Θ) and √12 Θ: takes the trend out of a column."""
    return math.sqrt(theta * (3.0 + 12.0 * theta))


@kernel
def _locate(p: float) -> tuple[int, float]:
    """Interval of p, counted through both sides, and the place within it from 0 to 1."""
    offset = 0
    if p > 0.5:
        p = 1.0 - p
        offset = _SIDE
    bits = np.float64(p).view(np.uint64) >> _SHIFT
    corner = np.uint64(bits << _SHIFT).view(np.float64)
    following = np.uint64((bits + np.uint64(1)) << _SHIFT).view(np.float64)
    interval = np.int64(bits) - _FIRST_INDEX + offset
    return int(interval), (p - corner) / (following - corner)


@kernel
def _cubic(coefficients: Array, s: float) -> float:
    c = coefficients
    return float(c[0] + s * (c[1] + s * (c[2] + s * c[3])))


@kernel
def _quantile_at(surfaces: Array, theta: float, p: float) -> float:
    """Interpolate in ln Θ through four rows (Lagrange), each cubic in p."""
    position = (math.log(theta) - math.log(THETA_MIN)) / _ROW_SPACING
    row = min(max(int(position) - 1, 0), surfaces.shape[0] - 4)
    d = position - row
    interval, s = _locate(p)
    value = (
        -_cubic(surfaces[row, interval], s) * (d - 1.0) * (d - 2.0) * (d - 3.0) / 6.0
        + _cubic(surfaces[row + 1, interval], s) * d * (d - 2.0) * (d - 3.0) / 2.0
        - _cubic(surfaces[row + 2, interval], s) * d * (d - 1.0) * (d - 3.0) / 2.0
        + _cubic(surfaces[row + 3, interval], s) * d * (d - 1.0) * (d - 2.0) / 6.0
    )
    return float(_typical_u(theta) * value)


@kernel
def _fill_isothermal(cubics: Array, streams: Streams, u: Array) -> None:
    for i in range(u.size):
        interval, s = _locate(uniform(streams, i))
        u[i] = _cubic(cubics[interval], s)


@kernel
def _fill_per_draw(surfaces: Array, theta: Array, streams: Streams, u: Array) -> None:
    for i in range(u.size):
        u[i] = _quantile_at(surfaces, theta[i], uniform(streams, i))


@kernel
def _evaluate(
    cubics: Array, surfaces: Array, theta: float, p: Array, isothermal: Array, per_draw: Array
) -> None:
    for i in range(p.size):
        interval, s = _locate(p[i])
        isothermal[i] = _cubic(cubics[interval], s)
        per_draw[i] = _quantile_at(surfaces, theta, p[i])
