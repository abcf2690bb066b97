"""Random streams: the published generator, reproducible, and independent between photons."""

import itertools

import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from mcplugin import random_streams
from mcplugin.errors import InputError
from mcplugin.random_streams import (
    cosine_from,
    exponential_from,
    point_in_disc,
    random_bits,
    uniform,
    uniform_from,
)

MASK = 2**64 - 1
# Seeds are fixed, so a statistical test either always passes or never. For a right generator the
# chance of having picked a failing seed is this much per test.
FALSE_ALARM = 1e-6


def rotated(x, by):
    """Rotate 64 bits to the left."""
    return ((x << by) | (x >> (64 - by))) & MASK


def splitmix64(state):
    """The outputs of SplitMix64 (Steele, Lea & Flood 2014) from a state, one after the other."""
    while True:
        state = (state + 0x9E3779B97F4A7C15) & MASK
        z = state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
        yield z ^ (z >> 31)


def xoroshiro128plusplus(s0, s1):
    """The outputs of xoroshiro128++ 1.0 (Blackman & Vigna 2021) from a state."""
    while True:
        yield (rotated((s0 + s1) & MASK, 17) + s0) & MASK
        s1 ^= s0
        s0, s1 = rotated(s0, 49) ^ s1 ^ ((s1 << 21) & MASK), rotated(s1, 28)


@numba.njit
def draws(streams, many):
    """``many`` uniform numbers of each stream."""
    numbers = np.empty((streams.shape[0], many))
    for i in range(streams.shape[0]):
        for k in range(many):
            numbers[i, k] = uniform(streams, i)
    return numbers


@numba.njit
def discs_and_exponentials(streams):
    """A point in the disc and an exponential number of each stream."""
    numbers = np.empty((streams.shape[0], 4))
    for i in range(streams.shape[0]):
        numbers[i, 0], numbers[i, 1], numbers[i, 2] = point_in_disc(streams, i)
        numbers[i, 3] = exponential_from(random_bits(streams, i))
    return numbers


def assert_plausible(p_value):
    """Neither too far from what is expected nor suspiciously close to it."""
    assert FALSE_ALARM / 2 < p_value < 1 - FALSE_ALARM / 2


def assert_even(cells, count):
    """Pearson's chi-square of evenly populated cells."""
    observed = np.bincount(cells, minlength=count)
    assert observed.size == count
    assert_plausible(stats.chisquare(observed).pvalue)


@pytest.mark.parametrize("seed", [0, 1, 12345, 2**63, MASK])
@pytest.mark.parametrize("first", [0, 7, 2**40, 2**62 - 3])
def test_streams_are_seeded_by_splitmix64(seed, first):
    """Photon k takes outputs 2k and 2k + 1 of a SplitMix64 whose origin is the mixed seed."""
    origin = next(splitmix64(seed))
    jumped = (origin + 2 * first * 0x9E3779B97F4A7C15) & MASK
    expected = list(itertools.islice(splitmix64(jumped), 6))
    assert random_streams(seed, 3, first).ravel().tolist() == expected


@settings(max_examples=50, deadline=None, derandomize=True)
@given(s0=st.integers(0, MASK), s1=st.integers(0, MASK))
def test_numbers_are_those_of_xoroshiro128plusplus(s0, s1):
    """The upper 52 bits of each output, placed at the middle of their interval."""
    streams = np.array([[s0, s1]], dtype=np.uint64)
    outputs = itertools.islice(xoroshiro128plusplus(s0, s1), 20)
    expected = [((output >> 12) + 0.5) * 2.0**-52 for output in outputs]
    assert draws(streams, 20)[0].tolist() == expected


def test_the_published_generator_is_the_reference():
    """State (1, 2) gives 2**17 + 2**18 + 1 first, by hand."""
    assert next(xoroshiro128plusplus(1, 2)) == 3 * 2**17 + 1


@pytest.mark.parametrize(
    ("state", "number"), [((0, 0), 2.0**-53), ((0, MASK), 1.0 - 2.0**-53)], ids=["least", "most"]
)
def test_the_extreme_numbers_are_strictly_inside_the_unit_interval(state, number):
    """Neither 0 nor 1 can come out, so logarithms of a number or its complement are finite."""
    streams = np.array([state], dtype=np.uint64)
    assert uniform(streams, 0) == number
    assert 0.0 < number < 1.0
    streams = np.array([state], dtype=np.uint64)
    assert exponential_from(np.uint64(random_bits(streams, 0))) > 0.0


def test_numbers_from_bits_are_those_of_the_library():
    """-ln p to 3e-11 relative and the azimuth's cosine to 1e-10, ends of the range included."""
    bits = np.random.default_rng(23).integers(0, 2**64, 20_000, dtype=np.uint64)
    bits = np.concatenate([bits, np.array([0, 1 << 12, 2**63, 2**64 - 1], dtype=np.uint64)])
    p = (2.0 * (bits >> np.uint64(12)).astype(np.float64) + 1.0) * 2.0**-53
    np.testing.assert_array_equal([uniform_from(word) for word in bits], p)
    np.testing.assert_allclose([exponential_from(w) for w in bits], -np.log(p), rtol=3e-11)
    cosine = np.cos(2.0 * np.pi * (p - 0.5))
    np.testing.assert_allclose([cosine_from(word) for word in bits], cosine, atol=1e-10)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(s0=st.integers(0, MASK), s1=st.integers(1, MASK))
def test_every_state_gives_numbers_inside_their_domain(s0, s1):
    """Uniform numbers in (0, 1), points in the disc but not at its centre, exponentials > 0."""
    state = np.array([[s0, s1]], dtype=np.uint64)
    numbers = draws(state.copy(), 50)
    assert ((numbers > 0.0) & (numbers < 1.0)).all()
    a, b, square, waiting = discs_and_exponentials(state)[0]
    assert 0.0 < square <= 1.0
    assert square == a * a + b * b
    assert 0.0 < waiting < np.inf


def test_the_same_seed_gives_the_same_streams():
    """Streams are a function of their arguments."""
    first, second = random_streams(42, 100), random_streams(42, 100)
    assert first.shape == (100, 2)
    assert first.dtype == np.uint64
    assert first.flags.c_contiguous
    assert first.flags.writeable
    assert first is not second
    np.testing.assert_array_equal(first, second)


@settings(max_examples=50, deadline=None, derandomize=True)
@given(
    seed=st.integers(0, MASK),
    first=st.integers(0, 2**62 - 1000),
    start=st.integers(0, 200),
    count=st.integers(0, 200),
)
def test_an_offset_is_a_slice(seed, first, start, count):
    """How photons are split into chunks does not change their streams."""
    whole = random_streams(seed, start + count, first)
    np.testing.assert_array_equal(random_streams(seed, count, first + start), whole[start:])


def test_whole_floats_and_numpy_integers_are_whole_numbers():
    """1e3 streams are a thousand."""
    expected = random_streams(5, 1000, 7)
    np.testing.assert_array_equal(random_streams(np.uint64(5), 1e3, np.int32(7)), expected)


def test_different_seeds_give_different_streams():
    """Neighbouring, extreme and bit-flipped seeds share no state with each other."""
    seeds = [*range(50), *(2**k for k in range(6, 64)), MASK, MASK - 1]
    states = np.concatenate([random_streams(seed, 200) for seed in seeds])
    assert np.unique(states.ravel()).size == states.size


def test_no_stream_is_stuck_at_zero():
    """The state (0, 0), which would only ever give one number, is not among the streams."""
    assert random_streams(3, 100_000).any(axis=1).all()


BAD = ["1", b"1", None, True, np.True_, 0.5, float("nan"), float("inf"), 1j, [1], np.ones(2), -1]


@pytest.mark.parametrize("value", BAD, ids=repr)
@pytest.mark.parametrize("name", ["seed", "count", "first"])
def test_a_bad_argument_is_refused_by_name(name, value):
    """Arguments are whole numbers that are not negative."""
    with pytest.raises(InputError, match=f"{name} = ") as caught:
        random_streams(**{"seed": 1, "count": 3, name: value})
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("name", "value"), [("seed", 2**64), ("count", 2**41), ("first", 2**62), ("seed", 1e30)]
)
def test_an_argument_that_is_too_large_is_refused(name, value):
    """The message gives the range."""
    with pytest.raises(InputError, match=rf"0 <= {name} <= \d+"):
        random_streams(**{"seed": 1, "count": 3, name: value})


@pytest.mark.parametrize("seed", [1, 2, 2**63])
def test_first_numbers_of_neighbouring_streams_are_even(seed):
    """The first number of a million photons fills 1024 cells evenly."""
    numbers = draws(random_streams(seed, 2**20), 1)[:, 0]
    assert_even((numbers * 1024).astype(np.int64), 1024)
    assert_even((numbers * 2.0**30).astype(np.int64) % 1024, 1024)


def test_numbers_along_a_stream_are_even_in_pairs():
    """Successive numbers of one photon fill 64 x 64 cells evenly."""
    numbers = draws(random_streams(3, 4), 2**18).reshape(-1, 2)
    cells = (numbers * 64).astype(np.int64)
    assert_even(cells[:, 0] * 64 + cells[:, 1], 64 * 64)


@pytest.mark.parametrize("lag", [1, 2, 3, 1024])
def test_neighbouring_photons_are_independent_in_pairs(lag):
    """The first numbers of photons k and k + lag fill 64 x 64 cells evenly."""
    count = 2**19 // (2 * lag) * (2 * lag)
    cells = (draws(random_streams(4, count), 1)[:, 0] * 64).astype(np.int64)
    pairs = cells.reshape(-1, 2 * lag)
    assert_even((pairs[:, :lag] * 64 + pairs[:, lag:]).ravel(), 64 * 64)


@pytest.mark.parametrize("seed", [0, 5])
@pytest.mark.parametrize("draw", [0, 1, 9])
@pytest.mark.parametrize("lag", [1, 2, 7])
def test_neighbouring_photons_are_not_correlated(seed, draw, lag):
    """The correlation coefficient of photons a few indices apart is that of chance."""
    numbers = draws(random_streams(seed, 2**18), 10)[:, draw]
    assert_not_correlated(numbers[:-lag], numbers[lag:])


@pytest.mark.parametrize(("one", "other"), [(0, 1), (1, 2), (7, 7 + 2**32), (0, 2**63)])
def test_runs_of_different_seeds_are_not_correlated(one, other):
    """The same photon under two seeds is two photons."""
    numbers = [draws(random_streams(seed, 2**18), 1)[:, 0] for seed in (one, other)]
    assert_not_correlated(*numbers)


def assert_not_correlated(one, other):
    """Pearson's coefficient times the root of the number of pairs is a normal deviate."""
    deviate = np.corrcoef(one, other)[0, 1] * np.sqrt(one.size)
    assert abs(deviate) < stats.norm.isf(FALSE_ALARM / 2)


def test_points_in_the_disc_and_exponentials_follow_their_laws():
    """Radius squared and azimuth are uniform and independent; waiting times exponential."""
    a, b, square, waiting = discs_and_exponentials(random_streams(6, 2**18)).T
    azimuth = np.arctan2(b, a) / (2 * np.pi) + 0.5
    cells = (np.minimum(square, 1 - 2**-53) * 32).astype(np.int64) * 32
    cells += np.minimum((azimuth * 32).astype(np.int64), 31)
    assert_even(cells, 32 * 32)
    assert_plausible(stats.kstest(waiting, "expon").pvalue)
