"""Sums that do not round."""

from fractions import Fraction

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from mcplugin.transport.exact_sum import QUANTA_PER_UNIT, accumulators, add, in_quanta

positive = st.floats(0.0, 1e300, allow_subnormal=True)


@given(st.lists(positive, max_size=30))
@settings(deadline=None)
def test_sum_is_the_rational_sum(values):
    """Any doubles, subnormal to 1e300: the sum of the fractions they are, in any order."""
    sums = accumulators(2)
    add(sums, 0, np.array(values))
    for value in reversed(values):
        add(sums, 1, np.array([value]))
    forwards, backwards = in_quanta(sums)
    assert forwards == backwards
    assert Fraction(forwards, QUANTA_PER_UNIT) == sum(map(Fraction, values))


def test_many_of_the_largest_mantissa():
    """More than fit into 64 bits without carrying over, zeros among them."""
    sums = accumulators(1)
    largest = np.nextafter(2.0, 0.0)
    values = np.full(100_000, largest)
    values[::7] = 0.0
    add(sums, 0, values)
    (total,) = in_quanta(sums)
    assert Fraction(total, QUANTA_PER_UNIT) == np.count_nonzero(values) * Fraction(largest)
