"""Events of photons of one energy, too many to keep: histograms of ranks, sums, counts of tails."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mcplugin.errors import SamplerError
from mcplugin.fidelity.event_law import event_law
from mcplugin.jit import kernel
from mcplugin.random_streams import Streams, random_streams
from mcplugin.samplers.scattering import ScatteringSampler

Array = NDArray[np.float64]
Counts = NDArray[np.int64]

# Ranks are kept by the bin: a distance is too small by 1/BINS at most.
BINS = 2**16
# Even cells of the cosine, in which the energy is looked at for itself.
COSINE_CELLS = 6
# Events in memory at a time, per thread.
_BLOCK = 2**16


@dataclass(frozen=True)
class EventPool:
    """What is kept of many events at one photon energy and temperature.

    Attributes
    ----------
    x, theta : float
        Where.
    events : int
        How many.
    ranks : (8, 65536) array of int64
        Events by their ranks of the angle, of the energy, and of the momentum given the angle in
        six even cells of the cosine; see :class:`~mcplugin.fidelity.event_law.EventRanks`.
    ratio_sums, cosine_sums : (2,) arrays
        Sums of x'/x and of the cosine, and of their squares.
    above : (3,) array of int64
        Events beyond the ratios ``tail_ratio`` of the law.
    """

    x: float
    theta: float
    events: int
    ranks: Counts
    ratio_sums: Array
    cosine_sums: Array
    above: Counts


def scattered(
    sampler: ScatteringSampler, x: Array | float, theta: Array | float, streams: Streams
) -> tuple[Array, Array]:
    """Scatter photons once; give x'/x and the cosines.

    Raises
    ------
    SamplerError
        If the sampler gives what no event can have.
    """
    x_out, cosine = (np.asarray(values) for values in sampler.sample(x, theta, streams))
    possible = np.isfinite(x_out) & (x_out > 0.0) & (np.abs(cosine) <= 1.0)
    if not possible.all():
        culprit = int(np.argmin(possible))
        raise SamplerError(
            f"sampler {sampler.name!r} scattered a photon of x = {_item(x, culprit):.6g} at theta "
            f"= {_item(theta, culprit):.6g} to x' = {x_out[culprit]}, cosine = {cosine[culprit]}: "
            "energies are finite and positive, cosines from -1 to 1"
        )
    return x_out / x, cosine


def _item(values: Array | float, place: int) -> float:
    return float(np.broadcast_to(values, place + 1)[place])


def draw_events(
    sampler: ScatteringSampler, x: float, theta: float, seed: int, first: int, events: int
) -> EventPool:
    """Scatter photons of one energy by the streams ``first`` to ``first + events - 1`` of a seed.

    Raises
    ------
    SamplerError
        If the sampler gives what no event can have.
    """
    law = event_law(x, theta)
    counts = np.zeros((2 + COSINE_CELLS, BINS), dtype=np.int64)
    above = np.zeros(law.tail_ratio.size, dtype=np.int64)
    ratio_sums, cosine_sums = np.zeros((2, 2))
    for start in range(first, first + events, _BLOCK):
        streams = random_streams(seed, min(_BLOCK, first + events - start), start)
        ratio, cosine = scattered(sampler, x, theta, streams)
        ranks = law.ranks(ratio, cosine)
        cell = ((0.5 + 0.5 * cosine) * COSINE_CELLS).astype(np.int64).clip(max=COSINE_CELLS - 1)
        _count(ranks.angle, ranks.energy, ranks.momentum, cell, counts)
        ratio_sums += ratio.sum(), ratio @ ratio
        cosine_sums += cosine.sum(), cosine @ cosine
        above += np.count_nonzero(ratio[:, None] > law.tail_ratio, axis=0)
    return EventPool(x, theta, events, counts, ratio_sums, cosine_sums, above)


def merged(one: EventPool, other: EventPool) -> EventPool:
    """Two pools of disjoint events as one, said to be at the place of the first."""
    return EventPool(
        one.x,
        one.theta,
        one.events + other.events,
        one.ranks + other.ranks,
        one.ratio_sums + other.ratio_sums,
        one.cosine_sums + other.cosine_sums,
        one.above + other.above,
    )


@kernel
def _count(angle: Array, energy: Array, momentum: Array, cell: Counts, counts: Counts) -> None:
    last = counts.shape[1] - 1
    for i in range(angle.size):
        counts[0, min(int(angle[i] * (last + 1)), last)] += 1
        counts[1, min(int(energy[i] * (last + 1)), last)] += 1
        # Where the momentum is not known there is nothing to count.
        if momentum[i] >= 0.0:
            counts[2 + cell[i], min(int(momentum[i] * (last + 1)), last)] += 1
