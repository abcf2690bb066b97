"""Sums that do not round."""

from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st

from mcplugin.transport.exact_sum import QUANTA_PER_UNIT, accumulators, add, in_quanta

positive = st.floats(0.0, 1e300, allow_subnormal=True)


@given(st.lists(positive, max_size=30))
@settings(deadline=None)
def test_sum_is_the_rational_sum(values):
    """Any doubles, subnormal to 1e300: the sum of the fractions they are, in any order."""
    sums = accumulators(2)
    for value in values:
        add(sums, 0, value)
    for value in reversed(values):
        add(sums, 1, value)
    forwards, backwards = in_quanta(sums)
    assert forwards == backwards
    assert Fraction(forwards, QUANTA_PER_UNIT) == sum(map(Fraction, values))
