"""What is kept of finished photons: sums that come out the same in any order.

Every sum is an integer: totals are exact, bins count energy in fixed quanta. So tallies of
different photons add up to the same bits however a run is split over chunks, threads or machines,
and the energy budget closes exactly.
"""

import hashlib
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from mcplugin.errors import InputError
from mcplugin.jit import kernel
from mcplugin.transport.exact_sum import QUANTA_PER_UNIT, accumulators, add, in_quanta
from mcplugin.transport.interaction import Effort
from mcplugin.transport.walks import ABSORBED, CUT, ESCAPED, Walks

Array = NDArray[np.float64]
Counts = NDArray[np.int64]
Indices = NDArray[np.uint64]

# Within a bin, energies are counted in 2⁻²⁸ of its upper edge: 3·10¹⁰ photons fit in 63 bits.
BIN_QUANTA = 2.0**28
# What exceeds so many bits of a bin's sum is carried, so that no number of photons overflows it.
_CARRY_BITS = 48
_MANTISSA = np.uint64(2**52 - 1)
_ONE = np.uint64(0x3FF0000000000000)
# Totals kept: energies by fate, and the second moments behind the error of the amplification.
SEED, ESCAPING, ABSORBING, CUTTING, SEED_SQUARED, ESCAPING_SQUARED, SEED_TIMES_ESCAPING = range(7)
_TOTALS = 7


@dataclass(frozen=True)
class Grid:
    """How photons are sorted: by energy, by cosine of the escape angle, by scattering order.

    Attributes
    ----------
    edges : (bins + 1,) array
        Edges in x = hν/(mₑc²), logarithmically even.
    angle_bins : int
        Even bins in |cosine| of the escape angle.
    orders : int
        Photons scattered 0, 1, ..., orders - 1 times are kept apart; the rest together.
    """

    edges: Array
    angle_bins: int
    orders: int


@dataclass(frozen=True)
class BinnedPhotons:
    """Photons per bin: their number, their energy, and its square, in quanta.

    Attributes
    ----------
    low, high : (rows, bins + 2, 3) arrays of int64
        The three sums of each bin are ``low + 2⁴⁸ high``, with 0 <= ``low`` < 2⁴⁸. Bins 0 and -1
        count the photons below and above the grid, whose energy is not kept by bin.
    """

    low: Counts
    high: Counts

    @classmethod
    def of(cls, low: Counts, high: Counts | int = 0) -> "BinnedPhotons":
        """Carry over what ``low`` has too much."""
        return cls(low & (2**_CARRY_BITS - 1), high + (low >> _CARRY_BITS))

    @property
    def count(self) -> Counts:
        """Number of photons, (rows, bins + 2)."""
        return (self.high[:, :, 0] << _CARRY_BITS) + self.low[:, :, 0]

    @property
    def energy(self) -> Array:
        """Sum of energies in 2⁻²⁸ of each bin's upper edge, (rows, bins + 2), rounded once."""
        return self._rounded(1)

    @property
    def energy_squared(self) -> Array:
        """Likewise of squared energies in 2⁻²⁸ of each bin's upper edge squared."""
        return self._rounded(2)

    def _rounded(self, which: int) -> Array:
        high, low = self.high[:, :, which], self.low[:, :, which]
        return np.ldexp(high.astype(np.float64), _CARRY_BITS) + low.astype(np.float64)

    def summed(self) -> "BinnedPhotons":
        """All rows together, as one."""
        return BinnedPhotons.of(*(a.sum(axis=0, keepdims=True) for a in (self.low, self.high)))

    def __add__(self, other: "BinnedPhotons") -> "BinnedPhotons":
        return BinnedPhotons.of(self.low + other.low, self.high + other.high)


@dataclass(frozen=True)
class Tally:
    """All that a run remembers; tallies of different photons are merged with ``+``.

    Attributes
    ----------
    photons, escaped, absorbed, cut : int
        Photons born, and how they ended: the last three sum to the first.
    scatterings, electron_draws, exact_scatterings : int
        Events, electrons asked of the sampler, and events that a sampler of scatterings left to the
        exact law.
    totals : tuple of int
        Exact sums over photons in quanta of 2⁻¹⁰⁷⁴ mₑc² (or its square), indexed by ``SEED`` etc.
    seeds, by_angle, by_order : BinnedPhotons
        Seed photons (one row) and escaped photons (a row per angle bin; a row per order).
    """

    photons: int
    escaped: int
    absorbed: int
    cut: int
    scatterings: int
    electron_draws: int
    exact_scatterings: int
    totals: tuple[int, ...]
    seeds: BinnedPhotons
    by_angle: BinnedPhotons
    by_order: BinnedPhotons

    @classmethod
    def empty(cls, grid: Grid) -> "Tally":
        """A tally of no photons."""
        return Tallying(grid).tally()

    def __add__(self, other: "Tally") -> "Tally":
        if self.by_angle.low.shape != other.by_angle.low.shape:
            raise InputError("tallies on different grids cannot be added")
        merged = {field.name: getattr(self, field.name) for field in fields(self)}
        for name, value in merged.items():
            more = getattr(other, name)
            merged[name] = (
                tuple(a + b for a, b in zip(value, more, strict=True))
                if name == "totals"
                else value + more
            )
        return Tally(**merged)

    def digest(self) -> str:
        """SHA-256 of every sum: the same for the same photons, whoever followed them."""
        digest = hashlib.sha256()
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, BinnedPhotons):
                digest.update(value.low.tobytes() + value.high.tobytes())
            else:
                digest.update(repr(value).encode())
        return digest.hexdigest()

    def total(self, which: int) -> float:
        """One of the totals in units of mₑc² (or its square), rounded once."""
        return self.totals[which] / QUANTA_PER_UNIT

    @property
    def quanta_gained(self) -> int:
        """Energy that photons took from the electrons, in quanta: what ended less what was born."""
        ended = sum(self.totals[fate] for fate in (ESCAPING, ABSORBING, CUTTING))
        return ended - self.totals[SEED]


class Tallying:
    """A tally in the making, to which photons are added as they end.

    Parameters
    ----------
    grid : Grid
        How they are sorted.

    Attributes
    ----------
    effort : Effort
        What was asked of the sampler so far.
    """

    def __init__(self, grid: Grid) -> None:
        self._grid = grid
        # Bins 0 and -1 are all that is below and above the grid; no energy is kept there.
        self._ends = np.concatenate([[-np.inf], grid.edges, [np.inf]])
        self._units = np.concatenate([[np.inf], grid.edges[1:], [np.inf]])
        columns = self._units.size
        self._seeds, self._by_angle, self._by_order = (
            np.zeros(3 * rows * columns, dtype=np.int64)
            for rows in (1, grid.angle_bins, grid.orders + 1)
        )
        self._totals = accumulators(_TOTALS)
        self._fates = np.zeros(3, dtype=np.int64)
        self._scatterings = 0
        self.effort = Effort()

    def add(self, walks: Walks) -> None:
        """Add some photons."""
        self.effort += walks.effort
        self._scatterings += int(walks.scatterings.sum(dtype=np.int64))
        self._add_up((SEED, walks.x_seed), (SEED_SQUARED, walks.x_seed**2))
        bins, energies, squares = self._sorted(walks.x_seed)
        _count(bins, energies, squares, self._seeds)

        escaped, absorbed, cut = (walks.that(fate) for fate in (ESCAPED, ABSORBED, CUT))
        self._fates += escaped.x.size, absorbed.x.size, cut.x.size
        self._add_up(
            (ESCAPING, escaped.x),
            (ESCAPING_SQUARED, escaped.x**2),
            (SEED_TIMES_ESCAPING, escaped.x_seed * escaped.x),
            (ABSORBING, absorbed.x),
            (CUTTING, cut.x),
        )
        bins, energies, squares = self._sorted(escaped.x)
        columns = np.uint64(self._units.size)
        cells = np.empty_like(bins)
        _cells_by_angle(escaped.cosine, self._grid.angle_bins, bins, columns, cells)
        _count(cells, energies, squares, self._by_angle)
        _cells_by_order(escaped.scatterings, self._grid.orders, bins, columns, cells)
        _count(cells, energies, squares, self._by_order)

    def _add_up(self, *sums: tuple[int, Array]) -> None:
        for which, energies in sums:
            add(self._totals, which, energies)

    def _sorted(self, x: Array) -> tuple[Indices, Counts, Counts]:
        """Bins of energies; and they and their squares in quanta."""
        bins = np.empty(x.size, dtype=np.uint64)
        energies, squares = np.empty((2, x.size), dtype=np.int64)
        _find_bins(x, self._ends, bins)
        _in_quanta(x, self._units, bins, energies, squares)
        return bins, energies, squares

    def tally(self) -> Tally:
        """The tally of all photons so far."""
        seeds, by_angle, by_order = (
            BinnedPhotons.of(sums.reshape(-1, self._units.size, 3))
            for sums in (self._seeds, self._by_angle, self._by_order)
        )
        return Tally(
            photons=int(self._fates.sum()),
            escaped=int(self._fates[ESCAPED]),
            absorbed=int(self._fates[ABSORBED]),
            cut=int(self._fates[CUT]),
            scatterings=self._scatterings,
            electron_draws=self.effort.electron_draws,
            exact_scatterings=self.effort.exact_scatterings,
            totals=in_quanta(self._totals),
            seeds=seeds,
            by_angle=by_angle,
            by_order=by_order,
        )


@kernel
def _octaves(x: float) -> float:
    """log₂ x to 2e-5, from the exponent and a polynomial of the mantissa."""
    bits = np.float64(x).view(np.uint64)
    m = np.uint64((bits & _MANTISSA) | _ONE).view(np.float64) - 1.0
    bulge = 0.441916818 + m * (-0.267177834 + m * (0.148423594 - 0.0451473077 * m))
    return np.int64(bits >> np.uint64(52)) - 1023 + m + m * (1.0 - m) * bulge


@kernel
def _find_bins(x: Array, ends: Array, bins: Indices) -> None:
    """For each x the last bin that begins at or below it."""
    last = ends.size - 3
    first_octave = np.log2(ends[1])
    per_octave = last / (np.log2(ends[last + 1]) - first_octave)
    for i in range(x.size):
        above = (_octaves(x[i]) - first_octave) * per_octave + 1.0
        bins[i] = np.int64(min(max(above, 0.0), last + 1.0))
    # Next to an end the logarithm may err; the ends decide.
    for i in range(x.size):
        while x[i] < ends[bins[i]]:
            bins[i] -= np.uint64(1)
        while x[i] >= ends[bins[i] + np.uint64(1)]:
            bins[i] += np.uint64(1)


@kernel
def _in_quanta(x: Array, units: Array, bins: Indices, energies: Counts, squares: Counts) -> None:
    for i in range(x.size):
        relative = x[i] / units[bins[i]]
        energies[i] = np.int64(relative * BIN_QUANTA + 0.5)
        squares[i] = np.int64(relative * relative * BIN_QUANTA + 0.5)


@kernel
def _cells_by_angle(
    cosine: Array, angle_bins: int, bins: Indices, columns: np.uint64, cells: Indices
) -> None:
    for i in range(cells.size):
        row = np.uint64(min(abs(cosine[i]) * angle_bins, angle_bins - 1.0))
        cells[i] = row * columns + bins[i]


@kernel
def _cells_by_order(
    scatterings: NDArray[np.int32], orders: int, bins: Indices, columns: np.uint64, cells: Indices
) -> None:
    for i in range(cells.size):
        row = np.uint64(min(scatterings[i], np.int32(orders)))
        cells[i] = row * columns + bins[i]


@kernel
def _count(cells: Indices, energies: Counts, squares: Counts, sums: Counts) -> None:
    for i in range(cells.size):
        at = np.uint64(3) * cells[i]
        sums[at] += 1
        sums[at + np.uint64(1)] += energies[i]
        sums[at + np.uint64(2)] += squares[i]
