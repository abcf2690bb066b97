"""The random state of libmcplugin: the same draws again, and never the same by accident."""

import numpy as np
import pytest
from scipy import stats

from mcplugin import random_streams


def _drawn(library, sampler, rng, n=100_000, theta=0.2):
    u = np.empty(n)
    library.check(
        library.functions.mcp_sample_four_velocity(
            sampler,
            rng,
            n,
            library.ffi.new("double *", theta),
            1,
            library.ffi.from_buffer("double[]", u),
        )
    )
    return u


def _seeded(library, seed, stream):
    rng = library.ffi.new("mcp_rng *")
    library.check(library.functions.mcp_rng_seed(rng, seed, stream))
    return rng


@pytest.mark.parametrize("kind", ["gan", "gan-exact", "rejection"])
def test_seeds_and_streams(kind, library, samplers):
    """One seed and stream give the same bits; other ones give uncorrelated draws."""
    sampler = samplers[kind]
    draws = [
        _drawn(library, sampler, _seeded(library, *chosen))
        for chosen in ((1, 0), (1, 0), (1, 1), (2, 0), (1, 2**64 - 1), (0, 0))
    ]
    assert np.array_equal(draws[0], draws[1])
    # Also one step apart, in case a stream is another one's continuation.
    for i, other in enumerate(draws[2:], start=2):
        for before in draws[1:i]:
            for one, two in ((before, other), (before[8:], other[:-8]), (before[:-8], other[8:])):
                assert abs(stats.spearmanr(one, two).statistic) < 5 / np.sqrt(one.size)


@pytest.mark.parametrize("kind", ["gan", "gan-exact", "rejection"])
def test_copied_state_continues(kind, library, samplers):
    """A copy of the 128 bytes is a copy of the sequence."""
    rng = _seeded(library, 4, 2)
    _drawn(library, samplers[kind], rng, n=1001)
    copy = library.ffi.new("mcp_rng *", rng[0])
    assert library.ffi.sizeof("mcp_rng") == 128
    first = _drawn(library, samplers[kind], rng, n=777)
    assert np.array_equal(first, _drawn(library, samplers[kind], copy, n=777))
    assert not np.array_equal(first, _drawn(library, samplers[kind], rng, n=777))


@pytest.mark.parametrize("seed", [0, 1, 2**63, 2**64 - 1])
@pytest.mark.parametrize("stream", [0, 1, 12345, 2**59 - 1])
def test_lanes_are_streams_of_photons(seed, stream, library):
    """Lane k of stream s is the stream of photon 8 s + k, as the Python package makes it."""
    rng = _seeded(library, seed, stream)
    state = np.array(list(rng.state), dtype=np.uint64).reshape(2, 8)
    assert np.array_equal(state.T, random_streams(seed, 8, 8 * stream))


def test_no_two_streams_are_the_same(library):
    """All 64 bits of a stream number count, for example where the highest ones are a rank."""
    streams = [0, 1, 2**59, 2**60 - 1, 2**60, 2**60 + 1, 2**61, 2**63, 2**64 - 1]
    states = {tuple(_seeded(library, 1, stream).state) for stream in streams}
    assert len(states) == len(streams)
