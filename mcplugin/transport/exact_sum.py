"""Sums of doubles without rounding, hence the same in any order.

A positive double is an integer mantissa of 53 bits times a power of two. Mantissas are added up in
64-bit integers, one pair for each power of two (a small superaccumulator, after Kulisch 2008,
"Computer Arithmetic and Validity", ch. 8), and joined into one Python integer at the end.
"""

import numpy as np
from numpy.typing import NDArray

from mcplugin.jit import kernel

Accumulator = NDArray[np.int64]

# A sum is an integer number of the smallest double, 2⁻¹⁰⁷⁴.
QUANTA_PER_UNIT = 2**1074

_EXPONENTS = 2047
_FRACTION = np.uint64(2**52 - 1)
_LOW = np.uint64(2**26 - 1)


def accumulators(count: int) -> Accumulator:
    """Make ``count`` sums of nothing; each takes 2³⁵ additions without overflow."""
    return np.zeros((count, _EXPONENTS, 2), dtype=np.int64)


@kernel
def add(sums: Accumulator, which: int, value: float) -> None:
    """Add a finite number, not negative, to one of the sums."""
    bits = np.float64(value).view(np.uint64)
    exponent = np.int64(bits >> np.uint64(52))
    mantissa = bits & _FRACTION
    if exponent > 0:
        mantissa |= _FRACTION + np.uint64(1)
        exponent -= 1
    sums[which, exponent, 0] += np.int64(mantissa >> np.uint64(26))
    sums[which, exponent, 1] += np.int64(mantissa & _LOW)


def in_quanta(sums: Accumulator) -> tuple[int, ...]:
    """Give each sum as an exact integer number of quanta of 2⁻¹⁰⁷⁴."""
    totals = []
    for pairs in sums:
        used = np.flatnonzero(pairs.any(axis=1))
        totals.append(sum(((int(pairs[e, 0]) << 26) + int(pairs[e, 1])) << int(e) for e in used))
    return tuple(totals)
