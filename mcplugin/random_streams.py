"""One random-number stream per photon, so that a result never depends on who computed it.

A stream is one row of a ``(n, 2)`` uint64 array: the state of a xoroshiro128++ generator
(Blackman & Vigna 2021, ACM TOMS 47, 36), seeded from the run's seed and the photon's index
through the SplitMix64 finaliser (Steele, Lea & Flood 2014). Kernels take ``(streams, i)`` and
advance row ``i`` in place.
"""

import math

import numpy as np
from numpy.typing import NDArray

from mcplugin.domain import whole_number
from mcplugin.errors import InputError
from mcplugin.jit import kernel

Streams = NDArray[np.uint64]
Words = NDArray[np.uint64]

_WEYL = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)

# Bits of doubles: of 1 and 128, of all exponents, and those that bring numbers to √½ ... √2.
_ONE = np.uint64(0x3FF0000000000000)
_128 = np.uint64(0x4060000000000000)
_EXPONENT = np.uint64(0xFFF0000000000000)
_TWICE_ROOT_HALF = np.uint64(0x3FF6A09E667F3BCC)
_LN_2 = math.log(2.0)


@kernel
def _mix(z: np.uint64) -> np.uint64:
    z = (z ^ (z >> np.uint64(30))) * _MIX_1
    z = (z ^ (z >> np.uint64(27))) * _MIX_2
    return z ^ (z >> np.uint64(31))


@kernel
def seed_streams(seed: np.uint64, first: np.uint64, streams: Streams) -> None:
    """Seed streams in place, as :func:`random_streams` makes them."""
    origin = _mix(seed + _WEYL)
    for i in range(streams.shape[0]):
        position = origin + (first + np.uint64(i)) * (_WEYL * np.uint64(2))
        streams[i, 0] = _mix(position + _WEYL)
        streams[i, 1] = _mix(position + _WEYL * np.uint64(2))


def random_streams(seed: int, count: int, first: int = 0) -> Streams:
    """Seed the streams of ``count`` photons, the first of which has index ``first``.

    Parameters
    ----------
    seed : int
        Seed of the run, 0 to 2⁶⁴ - 1.
    count : int
        Number of streams.
    first : int
        Index of the first photon, 0 to 2⁶² - 1: stream ``i`` of the result depends on ``seed``
        and ``first + i`` alone.

    Returns
    -------
    (count, 2) uint64 array
        States to hand to samplers, which advance them in place.

    Raises
    ------
    InputError
        If an argument is not a whole number in its range.
    """
    seed = whole_number("seed", seed, 0, 2**64 - 1)
    first = whole_number("first", first, 0, 2**62 - 1)
    count = whole_number("count", count, 0, 2**40)
    try:
        streams = np.empty((count, 2), dtype=np.uint64)
    except MemoryError as error:
        raise InputError(
            f"count = {count} streams do not fit into memory: ask for fewer"
        ) from error
    seed_streams(np.uint64(seed), np.uint64(first), streams)
    return streams


@kernel
def any_unseeded(streams: Streams) -> bool:
    """Whether a stream has no state: it would give the same number for ever."""
    found = False
    # Without a branch, which would take most of the time.
    for i in range(streams.shape[0]):
        found |= (streams[i, 0] | streams[i, 1]) == 0
    return found


def checked_streams(streams: Streams) -> Streams:
    """Refuse what is not a writable, C-contiguous ``(n, 2)`` array of uint64, or was never seeded.

    Raises
    ------
    InputError
        Saying what is wrong and how to make streams.
    """
    remedy = "make them with mcplugin.random_streams(seed, count)"
    if not isinstance(streams, np.ndarray) or streams.dtype != np.uint64:
        raise InputError(f"streams must be an array of uint64: {remedy}")
    if streams.ndim != 2 or streams.shape[1] != 2:
        raise InputError(f"streams must have shape (n, 2), not {streams.shape}: {remedy}")
    if not streams.flags.c_contiguous or not streams.flags.writeable:
        raise InputError(f"streams must be C-contiguous and writable: {remedy}")
    if any_unseeded(streams):
        raise InputError(f"streams must be seeded, and not be zeros: {remedy}")
    return streams


@kernel
def random_bits(streams: Streams, i: int) -> np.uint64:
    """Draw 64 random bits: one step of xoroshiro128++."""
    s0 = streams[i, 0]
    s1 = streams[i, 1]
    total = s0 + s1
    bits: np.uint64 = ((total << np.uint64(17)) | (total >> np.uint64(47))) + s0
    s1 ^= s0
    streams[i, 0] = ((s0 << np.uint64(49)) | (s0 >> np.uint64(15))) ^ s1 ^ (s1 << np.uint64(21))
    streams[i, 1] = (s1 << np.uint64(28)) | (s1 >> np.uint64(36))
    return bits


@kernel
def draw_words(streams: Streams, first: Words, second: Words) -> None:
    """Draw two times 64 random bits from each stream, for loops without branches."""
    for i in range(first.size):
        first[i] = random_bits(streams, i)
        second[i] = random_bits(streams, i)


@kernel
def uniform_from(bits: np.uint64) -> float:
    """Turn 64 random bits into a uniform number on (0, 1): an odd multiple of 2⁻⁵³."""
    # The upper 52 bits as the mantissa of a number from 1 to 2.
    from_one_to_two = np.uint64((bits >> np.uint64(12)) | _ONE).view(np.float64)
    return float(from_one_to_two - (1.0 - 2.0**-53))


@kernel
def uniform(streams: Streams, i: int) -> float:
    """Draw a uniform number on the open interval (0, 1)."""
    return uniform_from(random_bits(streams, i))


@kernel
def point_in_disc(streams: Streams, i: int) -> tuple[float, float, float]:
    """Draw a point uniformly in the unit disc; give (a, b, a² + b²) with 0 < a² + b² <= 1.

    Its azimuth is uniform and independent of a² + b², which is itself uniform on (0, 1):
    (a² - b²)/(a² + b²) and 2ab/(a² + b²) are the cosine and sine of a uniform azimuth.
    """
    while True:
        a = 2.0 * uniform(streams, i) - 1.0
        b = 2.0 * uniform(streams, i) - 1.0
        square = a * a + b * b
        if square <= 1.0:
            return a, b, square


@kernel
def minus_log(p: float) -> float:
    """Give -ln p for 2⁻¹²⁷ < p < 1, to 3e-11 relative, by a minimax polynomial of ln(1 + f)/f.

    Without a call, so that loops over many of them become SIMD.
    """
    bits = np.float64(p).view(np.uint64)
    # p = 2⁻ᵏ(1 + f) with 1 + f from √½ to √2.
    k = (_TWICE_ROOT_HALF - bits) & _EXPONENT
    f = np.uint64(bits + k).view(np.float64) - 1.0
    q = 0.107258207513417719
    q = q * f - 0.198017361643305884
    q = q * f + 0.200663897843035843
    q = q * f - 0.198456978085697566
    q = q * f + 0.220101688571195581
    q = q * f - 0.249949709685506033
    q = q * f + 0.285819737889036529
    q = q * f - 0.333338867408933925
    q = q * f + 0.399997622915179873
    q = q * f - 0.499999881622003872
    q = q * f + 0.666666686674385112
    q = q * f - 1.00000000058814886
    q = q * f + 1.99999999997191602
    # The number 128 + k is put together from bits; that k = 0 gives exactly 0 keeps small results.
    exponent = np.uint64((k >> np.uint64(7)) | _128).view(np.float64)
    return 0.5 * (exponent * (2.0 * _LN_2) - 256.0 * _LN_2 - f * q)


@kernel
def exponential_from(bits: np.uint64) -> float:
    """Turn 64 random bits into an exponential number of mean 1, strictly positive."""
    return minus_log(uniform_from(bits))


@kernel
def cosine_from(bits: np.uint64) -> float:
    """Turn 64 random bits into the cosine of a uniform azimuth, to 8e-11.

    It is 1 - 2 sin²(πw) with w uniform on (-½, ½), by a minimax polynomial of sin(πw)/w.
    """
    w = uniform_from(bits) - 0.5
    z = w * w
    q = -0.00702216344871942713
    q = q * z + 0.082046478780543645
    q = q * z - 0.599251330095048512
    q = q * z + 2.55016324031651283
    q = q * z - 5.16771276211575176
    q = q * z + 3.14159265352334541
    return 1.0 - 2.0 * z * (q * q)
