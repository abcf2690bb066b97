"""Draws from samplers that anyone may have written: what they break is noticed and named.

A sampler writes into memory that is not its own, through NumPy, compiled kernels or C. So it is
lent arrays between guards, in which everything is marked that it has to write.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mcplugin.domain import temperature
from mcplugin.errors import SamplerError
from mcplugin.jit import kernel
from mcplugin.random_streams import Streams, any_unseeded, random_streams
from mcplugin.samplers.base import ElectronVelocitySampler
from mcplugin.samplers.scattering import ScatteringSampler

Array = NDArray[np.float64]
Words = NDArray[np.uint64]

# Rows before and after what is lent, and what they hold: writing over them is noticed.
_GUARD = 8
# The bits of a NaN that no arithmetic gives mark what has not been written.
_MARK = np.uint64(0x7FF8_6D63_706C_7567)
_FINE, _UNWRITTEN, _IMPOSSIBLE, _DEAD_STREAM, _BEYOND_DRAWS, _BEYOND_STREAMS = range(6)

# Draws of the trial, together and in pieces of these sizes, which no vector width divides.
_PIECES = (1, 17, 30)
# The trial's photons are those of no run, whose numbers are below 10¹⁵.
_TRIAL = 2**61
# Energies of the trial's photons, where a sampler allows it.
_SOFTEST = 1e-6
# A sampler that computes in single precision may round a draw by the place it has in a batch.
_ROUNDING = 1e-5


class _Drawn(NamedTuple):
    """What a sampler writes: its name in messages and in ``fill``, and what it may be."""

    name: str
    array: str
    lowest: float
    highest: float
    possible: str


_LARGEST = float(np.finfo(np.float64).max)
_FOUR_VELOCITY = _Drawn("four-velocity", "u", 0.0, _LARGEST, "finite and not negative")
_ENERGY = _Drawn(
    "energy", "x_out", float(np.finfo(np.float64).tiny), _LARGEST, "finite and positive"
)
_COSINE = _Drawn("cosine", "cosine", -1.0, 1.0, "between -1 and 1")


class _LentArrays:
    """Random streams and room for draws, lent to a sampler again and again.

    Parameters
    ----------
    size : int
        The most draws at a time.
    drawn : tuple
        What the sampler writes.

    Attributes
    ----------
    streams : (size, 2) uint64 array
        To be filled by the owner.
    draws : (kinds, size) array of float64
        What was written.
    """

    def __init__(self, size: int, drawn: tuple[_Drawn, ...]) -> None:
        self._drawn = drawn
        self._bounds = np.array([(each.lowest, each.highest) for each in drawn])
        self._streams = np.zeros((size + 2 * _GUARD, 2), dtype=np.uint64)
        self._draws = np.zeros((len(drawn), size + 2 * _GUARD))
        inside = slice(_GUARD, _GUARD + size)
        self.streams: Streams = self._streams[inside]
        self.draws: Array = self._draws[:, inside]

    def mark(self, count: int) -> None:
        """Before the sampler draws with the first ``count`` streams."""
        _mark(self._draws.view(np.uint64), self._streams, count)

    def inspect(self, sampler: str, theta: float, count: int) -> None:
        """After it; raises SamplerError for what it broke."""
        fault, which, place = _first_fault(
            self._draws.view(np.uint64), self._draws, self._bounds, self._streams, count
        )
        if fault != _FINE:
            what = _FAULTS[fault].format(
                place=place,
                count=count,
                theta=theta,
                value=self._draws[which, _GUARD + place],
                **self._drawn[which]._asdict(),
            )
            raise SamplerError(f"sampler {sampler!r} {what}")

    def written(self, place: int) -> str:
        """One draw, for a message."""
        return ", ".join(
            f"{drawn.array} = {self.draws[which, place]:.9g}"
            for which, drawn in enumerate(self._drawn)
        )


class LentElectrons(_LentArrays):
    """Room for four-velocities.

    Attributes
    ----------
    u : (size,) array of float64
        Where the draws are.
    """

    def __init__(self, size: int) -> None:
        super().__init__(size, (_FOUR_VELOCITY,))
        self.u: Array = self.draws[0]

    def draw(self, sampler: ElectronVelocitySampler, theta: float, count: int) -> None:
        """Let a sampler draw with the first ``count`` streams; the others may lose their state.

        Raises
        ------
        SamplerError
            If the sampler raises, returns another array, leaves a draw unwritten, draws what no
            electron has, leaves a stream without any state, or writes up to eight rows beyond
            what is its own.
        """
        u = self.u[:count]
        self.mark(count)
        try:
            given = sampler.sample(theta, self.streams[:count], out=u)
        # A sampler that calls exit() must not end the program of whoever uses it.
        except (Exception, SystemExit) as error:
            raise _failed(sampler.name, error) from error
        self.inspect(sampler.name, theta, count)
        if given is not u:
            raise SamplerError(
                f"sampler {sampler.name!r} returned {type(given).__name__} "
                f"{getattr(given, 'shape', '')}, not the array of {count} draws that it was given "
                "to write into: return out"
            )


class LentScatterings(_LentArrays):
    """Room for what becomes of scattered photons.

    Attributes
    ----------
    x_out, cosine : (size,) arrays of float64
        Where their energies and the cosines of their angles are.
    """

    def __init__(self, size: int) -> None:
        super().__init__(size, (_ENERGY, _COSINE))
        self.x_out: Array = self.draws[0]
        self.cosine: Array = self.draws[1]

    def draw(self, sampler: ScatteringSampler, x: Array, theta: float) -> int:
        """Let a sampler scatter photons of energies ``x`` with the first streams.

        Returns
        -------
        int
            How many of them were beyond the sampler's range, and scattered exactly.

        Raises
        ------
        SamplerError
            As :meth:`LentElectrons.draw`.
        """
        count = x.size
        streams, out = self.streams[:count], (self.x_out[:count], self.cosine[:count])
        outside = count_beyond(x, *sampler.x_range)
        self.mark(count)
        try:
            if outside:
                sampler.sample(x, theta, streams, out=out)
            else:
                sampler.fill(x, np.array(theta), streams, *out)
        except (Exception, SystemExit) as error:
            raise _failed(sampler.name, error) from error
        self.inspect(sampler.name, theta, count)
        return outside


@kernel
def count_beyond(x: Array, low: float, high: float) -> int:
    """How many photons are outside a range of energies."""
    beyond = 0
    for i in range(x.size):
        beyond += (x[i] < low) | (x[i] > high)
    return beyond


def _failed(sampler: str, error: BaseException) -> SamplerError:
    reason = " ".join(f"{type(error).__name__}: {error}".split())
    return SamplerError(f"sampler {sampler!r} failed: {reason}")


_FAULTS = {
    _UNWRITTEN: "left draw {place} of {count} unwritten: fill must write all of {array}",
    _IMPOSSIBLE: "gave the {name} {value} at theta = {theta:g}: it must be {possible}",
    _DEAD_STREAM: "left stream {place} of {count} without a state: advance streams by the "
    "functions of mcplugin.random_streams alone",
    _BEYOND_DRAWS: "wrote beyond the {count} draws that it was asked for: fill must write "
    "{array}[0] to {array}[{count} - 1] alone",
    _BEYOND_STREAMS: "wrote beyond the {count} streams that it was given: fill must advance "
    "streams[0] to streams[{count} - 1] alone",
}


@kernel
def _mark(words: Words, streams: Streams, count: int) -> None:
    for k in range(words.shape[0]):
        for i in range(count + 2 * _GUARD):
            words[k, i] = _MARK
    for i in range(_GUARD):
        for row in (i, _GUARD + count + i):
            streams[row, 0] = _MARK
            streams[row, 1] = _MARK


@kernel
def _first_fault(
    words: Words, draws: Array, bounds: Array, streams: Streams, count: int
) -> tuple[int, int, int]:
    """What is wrong, and with which draw of which kind."""
    inside = slice(_GUARD, _GUARD + count)
    for i in range(_GUARD):
        for row in (i, _GUARD + count + i):
            if streams[row, 0] != _MARK or streams[row, 1] != _MARK:
                return _BEYOND_STREAMS, 0, 0
            for which in range(words.shape[0]):
                if words[which, row] != _MARK:
                    return _BEYOND_DRAWS, which, 0
    for which in range(words.shape[0]):
        lowest, highest = bounds[which]
        if _any_outside(draws[which, inside], lowest, highest):
            for i in range(count):
                if not lowest <= draws[which, _GUARD + i] <= highest:
                    unwritten = words[which, _GUARD + i] == _MARK
                    return (_UNWRITTEN if unwritten else _IMPOSSIBLE), which, i
    if any_unseeded(streams[inside]):
        for i in range(count):
            if streams[_GUARD + i, 0] | streams[_GUARD + i, 1] == 0:
                return _DEAD_STREAM, 0, i
    return _FINE, 0, 0


@kernel
def _any_outside(draws: Array, lowest: float, highest: float) -> bool:
    """Whether a draw is out of bounds or not a number: without branches, which take most time."""
    fine = True
    for i in range(draws.size):
        fine &= (draws[i] >= lowest) & (draws[i] <= highest)
    return not fine


def try_out(sampler: ElectronVelocitySampler | ScatteringSampler, theta: float) -> None:
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
    together = _trial(sampler, theta, 0, count)
    draws, streams = together.draws.copy(), together.streams.copy()
    first = count
    # From the last to the first, so that a state kept from draw to draw has changed.
    for size in reversed(_PIECES):
        first -= size
        piece = _trial(sampler, theta, first, size)
        own = slice(first, first + size)
        alike = np.isclose(piece.draws, draws[:, own], rtol=_ROUNDING, atol=0.0).all(axis=0)
        alike &= (piece.streams == streams[own]).all(axis=1)
        if sampler.per_stream and not alike.all():
            place = int(np.argmin(alike))
            raise SamplerError(
                f"sampler {sampler.name!r} drew {piece.written(place)} at theta = {theta:g} in a "
                f"batch of {size} and {together.written(first + place)} with the same stream in "
                f"a batch of {count}, or advanced that stream differently: a draw may depend on "
                "its own stream and arguments alone"
            )
    if not (np.array_equal(together.draws, draws) and np.array_equal(together.streams, streams)):
        raise SamplerError(
            f"sampler {sampler.name!r} changed draws or streams of an earlier call: it must not "
            "keep the arrays that it is given"
        )


def _trial(
    sampler: ElectronVelocitySampler | ScatteringSampler, theta: float, first: int, count: int
) -> _LentArrays:
    lent: LentElectrons | LentScatterings
    streams = random_streams(0, count, _TRIAL + first)
    if isinstance(sampler, ScatteringSampler):
        lent = LentScatterings(count)
        lent.streams[:] = streams
        lowest, highest = sampler.x_range
        lowest = min(max(lowest, _SOFTEST), highest)
        # A few energies over the whole range, the same ones for the same photons.
        share = (np.arange(first, first + count) % len(_PIECES)) / len(_PIECES)
        lent.draw(sampler, lowest ** (1.0 - share) * highest**share, theta)
        return lent
    lent = LentElectrons(count)
    lent.streams[:] = streams
    lent.draw(sampler, theta, count)
    return lent
