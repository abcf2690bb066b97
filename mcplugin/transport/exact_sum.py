"""Sums of doubles without rounding, hence the same in any order.

A positive double is an integer mantissa of 53 bits times a power of two. Mantissas are added up in
64-bit integers, one for each power of two (a small superaccumulator, after Kulisch 2008,
"Computer Arithmetic and Validity", ch. 8), and joined into one Python integer at the end.
"""

import numpy as np
from numpy.typing import NDArray

from mcplugin.jit import kernel

Accumulator = NDArray[np.int64]

# A sum is an integer number of the smallest double, 2⁻¹⁰⁷⁴.
QUANTA_PER_UNIT = 2**1074

_EXPONENTS = 2047
_FRACTION_BITS = np.uint64(52)
_BITS_OF_INFINITY = np.int64(_EXPONENTS << 52)
# The rows of a sum: mantissas as they come, and what was carried over from them, in two halves.
_FRESH, _LOW, _HIGH = range(3)
_LOW_BITS = 26
# So many mantissas of 53 bits fit into 63.
_FRESH_ADDITIONS = 1024


def accumulators(count: int) -> Accumulator:
    """Make ``count`` sums of nothing; each takes 2³⁵ additions without overflow."""
    return np.zeros((count, 3, _EXPONENTS), dtype=np.int64)


@kernel
def add(sums: Accumulator, which: int, values: NDArray[np.float64]) -> None:
    """Add finite numbers, none of them negative, to one of the sums."""
    fresh, low, high = sums[which, _FRESH], sums[which, _LOW], sums[which, _HIGH]
    for begin in range(0, values.size, _FRESH_ADDITIONS):
        some = values[begin : begin + _FRESH_ADDITIONS]
        # Nothing is to be carried over from zeros.
        smallest, largest = _BITS_OF_INFINITY, np.int64(0)
        for i in range(some.size):
            bits = np.int64(np.float64(some[i]).view(np.uint64))
            smallest = min(smallest, bits if bits > 0 else _BITS_OF_INFINITY)
            largest = max(largest, bits)
        for i in range(some.size):
            bits = np.float64(some[i]).view(np.uint64)
            exponent = _exponent(bits)
            fresh[exponent] += np.int64(bits - (exponent << _FRACTION_BITS))
        first, last = _exponent(np.uint64(smallest)), _exponent(np.uint64(largest))
        for e in range(np.int64(first), np.int64(last) + 1):
            high[e] += fresh[e] >> _LOW_BITS
            low[e] += fresh[e] & (2**_LOW_BITS - 1)
            fresh[e] = 0


@kernel
def _exponent(bits: np.uint64) -> np.uint64:
    """Power of two by which the mantissa is multiplied, counted from that of subnormals."""
    exponent = bits >> _FRACTION_BITS
    return np.uint64(exponent - np.uint64(exponent > 0))


def in_quanta(sums: Accumulator) -> tuple[int, ...]:
    """Give each sum as an exact integer number of quanta of 2⁻¹⁰⁷⁴."""
    totals = []
    for _, low, high in sums:
        used = np.flatnonzero(low | high)
        totals.append(sum(((int(high[e]) << _LOW_BITS) + int(low[e])) << int(e) for e in used))
    return tuple(totals)
