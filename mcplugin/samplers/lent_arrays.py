"""Draws from samplers that anyone may have written: what they break is noticed and named.

A sampler writes into memory that is not its own, through NumPy, compiled kernels or C. So it is
lent arrays between guards, in which everything is marked that it has to write.
"""

import numpy as np
from numpy.typing import NDArray

from mcplugin.domain import temperature
from mcplugin.errors import SamplerError
from mcplugin.jit import kernel
from mcplugin.random_streams import Streams, any_unseeded, random_streams
from mcplugin.samplers.base import ElectronVelocitySampler

Array = NDArray[np.float64]

# Rows before and after what is lent, and what they hold: writing over them is noticed.
_GUARD = 8
# The bits of a NaN that no arithmetic gives mark what has not been written.
_MARK = np.uint64(0x7FF8_6D63_706C_7567)
_INFINITY = np.uint64(0x7FF << 52)
_FINE, _UNWRITTEN, _IMPOSSIBLE, _DEAD_STREAM, _BEYOND_DRAWS, _BEYOND_STREAMS = range(6)

# Draws of the trial, together and in pieces of these sizes, which no vector width divides.
_PIECES = (1, 17, 30)
# The trial's photons are those of no run, whose numbers are below 10¹⁵.
_TRIAL = 2**61
# A sampler that computes in single precision may round a draw by the place it has in a batch.
_ROUNDING = 1e-5


class LentArrays:
    """Random streams and room for four-velocities, lent to a sampler again and again.

    Parameters
    ----------
    size : int
        The most draws at a time.

    Attributes
    ----------
    streams : (size, 2) uint64 array
        To be filled by the owner.
    u : (size,) array of float64
        Where the draws are.
    """

    def __init__(self, size: int) -> None:
        self._streams = np.zeros((size + 2 * _GUARD, 2), dtype=np.uint64)
        self._u = np.zeros(size + 2 * _GUARD)
        inside = slice(_GUARD, _GUARD + size)
        self.streams: Streams = self._streams[inside]
        self.u: Array = self._u[inside]

    def draw(self, sampler: ElectronVelocitySampler, theta: float, count: int) -> None:
        """Let a sampler draw with the first ``count`` streams; the others may lose their state.

        Raises
        ------
        SamplerError
            If the sampler raises, returns another array, leaves a draw unwritten, draws what no
            electron has, leaves a stream without any state, or writes up to eight rows beyond
            what is its own.
        """
        u, streams = self.u[:count], self.streams[:count]
        words = self._u.view(np.uint64)
        _mark(words, self._streams, count)
        try:
            given = sampler.sample(theta, streams, out=u)
        # A sampler that calls exit() must not end the program of whoever uses it.
        except (Exception, SystemExit) as error:
            reason = " ".join(f"{type(error).__name__}: {error}".split())
            raise SamplerError(f"sampler {sampler.name!r} failed: {reason}") from error
        fault, place = _first_fault(words, u, self._streams, count)
        if fault != _FINE:
            what = _FAULTS[fault].format(place=place, count=count, theta=theta, u=self.u[place])
            raise SamplerError(f"sampler {sampler.name!r} {what}")
        if given is not u:
            raise SamplerError(
                f"sampler {sampler.name!r} returned {type(given).__name__} "
                f"{getattr(given, 'shape', '')}, not the array of {count} draws that it was given "
                "to write into: return out"
            )


_FAULTS = {
    _UNWRITTEN: "left draw {place} of {count} unwritten: fill must write all of u",
    _IMPOSSIBLE: "gave the four-velocity {u} at theta = {theta:g}: it must be finite and not "
    "negative",
    _DEAD_STREAM: "left stream {place} of {count} without a state: advance streams by the "
    "functions of mcplugin.random_streams alone",
    _BEYOND_DRAWS: "wrote beyond the {count} draws that it was asked for: fill must write "
    "u[0] to u[{count} - 1] alone",
    _BEYOND_STREAMS: "wrote beyond the {count} streams that it was given: fill must advance "
    "streams[0] to streams[{count} - 1] alone",
}


@kernel
def _mark(words: NDArray[np.uint64], streams: Streams, count: int) -> None:
    for i in range(count + 2 * _GUARD):
        words[i] = _MARK
    for i in range(_GUARD):
        for row in (i, _GUARD + count + i):
            streams[row, 0] = _MARK
            streams[row, 1] = _MARK


@kernel
def _first_fault(
    words: NDArray[np.uint64], u: Array, streams: Streams, count: int
) -> tuple[int, int]:
    """What is wrong, and with which draw."""
    for i in range(_GUARD):
        for row in (i, _GUARD + count + i):
            if words[row] != _MARK:
                return _BEYOND_DRAWS, 0
            if streams[row, 0] != _MARK or streams[row, 1] != _MARK:
                return _BEYOND_STREAMS, 0
    if _suspicious(words[_GUARD : _GUARD + count], streams[_GUARD : _GUARD + count]):
        for i in range(count):
            if not 0.0 <= u[i] < np.inf:
                return (_UNWRITTEN if words[_GUARD + i] == _MARK else _IMPOSSIBLE), i
            if streams[_GUARD + i, 0] | streams[_GUARD + i, 1] == 0:
                return _DEAD_STREAM, i
    return _FINE, 0


@kernel
def _suspicious(words: NDArray[np.uint64], streams: Streams) -> bool:
    """Whether there is any reason to look closer: without branches, which would take most time.

    As integers, the bits of finite numbers that are not negative are below those of infinity.
    """
    found = False
    for i in range(words.size):
        found |= words[i] >= _INFINITY
    return found or any_unseeded(streams)


def try_out(sampler: ElectronVelocitySampler, theta: float) -> None:
    """Hold a sampler to its contract by a few draws, before anything depends on it.

    Draws with the same streams, together and in pieces, must be the same and advance their streams
    alike: else a draw depends on other draws, advances another one's stream, or keeps a state of
    its own, and a run would depend on the number of its threads. Draws that were given must stay
    as they are when others are drawn.

    Raises
    ------
    ThetaRangeError
        If the sampler is not valid at this temperature.
    SamplerError
        Naming the sampler and what it broke.
    """
    temperature(theta, *sampler.theta_range, sampler.theta_remedy)
    count = sum(_PIECES)
    together = _drawn(sampler, theta, 0, count)
    u, streams = together.u.copy(), together.streams.copy()
    first = count
    # From the last to the first, so that a state kept from draw to draw has changed.
    for size in reversed(_PIECES):
        first -= size
        piece = _drawn(sampler, theta, first, size)
        own = slice(first, first + size)
        alike = np.isclose(piece.u, u[own], rtol=_ROUNDING, atol=0.0)
        alike &= (piece.streams == streams[own]).all(axis=1)
        if sampler.per_stream and not alike.all():
            place = int(np.argmin(alike))
            raise SamplerError(
                f"sampler {sampler.name!r} drew u = {piece.u[place]:.9g} at theta = {theta:g} in "
                f"a batch of {size} and u = {u[own][place]:.9g} with the same stream in a batch of "
                f"{count}, or advanced that stream differently: a draw may depend on its own "
                "stream and temperature alone"
            )
    if not (np.array_equal(together.u, u) and np.array_equal(together.streams, streams)):
        raise SamplerError(
            f"sampler {sampler.name!r} changed draws or streams of an earlier call: it must not "
            "keep the arrays that it is given"
        )


def _drawn(sampler: ElectronVelocitySampler, theta: float, first: int, count: int) -> LentArrays:
    lent = LentArrays(count)
    lent.streams[:] = random_streams(0, count, _TRIAL + first)
    lent.draw(sampler, theta, count)
    return lent
