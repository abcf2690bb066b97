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
from mcplugin.transport.exact_sum import QUANTA_PER_UNIT, Accumulator, accumulators, add, in_quanta
from mcplugin.transport.loop import ABSORBED, CUT, ESCAPED, Walks

Array = NDArray[np.float64]
Counts = NDArray[np.int64]

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

    @classmethod
    def empty(cls, rows: int, bins: int) -> "BinnedPhotons":
        """No photons yet."""
        return cls.of(np.zeros((rows, bins + 2, 3), dtype=np.int64))

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
        bins = grid.edges.size - 1
        return cls(
            *(0,) * 7,
            totals=(0,) * _TOTALS,
            seeds=BinnedPhotons.empty(1, bins),
            by_angle=BinnedPhotons.empty(grid.angle_bins, bins),
            by_order=BinnedPhotons.empty(grid.orders + 1, bins),
        )

    @classmethod
    def of(cls, walks: Walks, grid: Grid) -> "Tally":
        """Sort the photons of a chunk."""
        bins = grid.edges.size - 1
        rows = (1, grid.angle_bins, grid.orders + 1)
        binned = [np.zeros((n, bins + 2, 3), dtype=np.int64) for n in rows]
        sums = accumulators(_TOTALS)
        fates = np.zeros(3, dtype=np.int64)
        scatterings = _sort(
            walks.x_seed, walks.x, walks.cosine, walks.scatterings, walks.fate,
            grid.edges, fates, sums, *binned,
        )  # fmt: skip
        seeds, by_angle, by_order = map(BinnedPhotons.of, binned)
        return cls(
            photons=walks.x.size,
            escaped=int(fates[ESCAPED]),
            absorbed=int(fates[ABSORBED]),
            cut=int(fates[CUT]),
            scatterings=scatterings,
            electron_draws=walks.electron_draws,
            exact_scatterings=walks.exact_scatterings,
            totals=in_quanta(sums),
            seeds=seeds,
            by_angle=by_angle,
            by_order=by_order,
        )

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


@kernel
def _octaves(x: float) -> float:
    """log₂ x to 2e-5, from the exponent and a polynomial of the mantissa."""
    bits = np.float64(x).view(np.uint64)
    m = np.uint64((bits & _MANTISSA) | _ONE).view(np.float64) - 1.0
    bulge = 0.441916818 + m * (-0.267177834 + m * (0.148423594 - 0.0451473077 * m))
    return np.int64(bits >> np.uint64(52)) - 1023 + m + m * (1.0 - m) * bulge


@kernel
def _bin(x: float, edges: Array, first_octave: float, per_octave: float) -> int:
    """Index of the bin of x, from 1; 0 below the grid and bins + 1 above it."""
    bins = edges.size - 1
    if x < edges[0]:
        return 0
    if x >= edges[bins]:
        return bins + 1
    # Next to an edge the logarithm may err by a bin; the edges decide.
    j = min(max(int((_octaves(x) - first_octave) * per_octave), 0), bins - 1)
    while x < edges[j]:
        j -= 1
    while x >= edges[j + 1]:
        j += 1
    return j + 1


@kernel
def _count_in(sums: Counts, row: int, j: int, relative: float) -> None:
    sums[row, j, 0] += 1
    sums[row, j, 1] += np.int64(relative * BIN_QUANTA + 0.5)
    sums[row, j, 2] += np.int64(relative * relative * BIN_QUANTA + 0.5)


@kernel
def _sort(
    x_seed: Array,
    x: Array,
    cosine: Array,
    scatterings: NDArray[np.int32],
    fate: NDArray[np.uint8],
    edges: Array,
    fates: Counts,
    sums: Accumulator,
    seeds: Counts,
    by_angle: Counts,
    by_order: Counts,
) -> int:
    bins = edges.size - 1
    angle_bins = by_angle.shape[0]
    last_order = by_order.shape[0] - 1
    first_octave = np.log2(edges[0])
    per_octave = bins / (np.log2(edges[-1]) - first_octave)
    all_scatterings = 0
    for i in range(x.size):
        all_scatterings += scatterings[i]
        fates[fate[i]] += 1
        add(sums, SEED, x_seed[i])
        add(sums, SEED_SQUARED, x_seed[i] * x_seed[i])
        j = _bin(x_seed[i], edges, first_octave, per_octave)
        _count_in(seeds, 0, j, x_seed[i] / edges[j] if 0 < j <= bins else 0.0)
        if fate[i] == ABSORBED:
            add(sums, ABSORBING, x[i])
        elif fate[i] == CUT:
            add(sums, CUTTING, x[i])
        else:
            add(sums, ESCAPING, x[i])
            add(sums, ESCAPING_SQUARED, x[i] * x[i])
            add(sums, SEED_TIMES_ESCAPING, x_seed[i] * x[i])
            j = _bin(x[i], edges, first_octave, per_octave)
            relative = x[i] / edges[j] if 0 < j <= bins else 0.0
            angle = min(int(abs(cosine[i]) * angle_bins), angle_bins - 1)
            _count_in(by_angle, angle, j, relative)
            _count_in(by_order, min(scatterings[i], last_order), j, relative)
    return all_scatterings
