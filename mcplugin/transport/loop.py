"""The walk of a chunk of photons through the cloud, event by event.

A few thousand photons are in flight at a time, each in a slot. One pass lets all of them meet
electrons, lets those who scattered fly on, and clears the slots of those who left the cloud for the
next unborn ones, whose first flight begins where they enter. So every pass is full until the chunk
runs out of photons, whatever the optical depth.

A photon owns its random stream, so what happens to it depends neither on its slot nor on the
size of the chunk.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mcplugin.jit import kernel
from mcplugin.random_streams import Streams, random_streams
from mcplugin.samplers.base import ElectronVelocitySampler
from mcplugin.samplers.scattering import ScatteringSampler
from mcplugin.scattering.compton import REFUSED
from mcplugin.scattering.hot_cross_section import HotCrossSectionTable
from mcplugin.transport.flight import fly
from mcplugin.transport.geometry import INSIDE, Cloud, enter
from mcplugin.transport.interaction import interaction
from mcplugin.transport.sources import Source

Array = NDArray[np.float64]

# How a photon's walk ended.
ESCAPED, ABSORBED, CUT = range(3)

# Photons in flight at a time: their state fits the second-level cache of one core, and the work
# of a pass (a millisecond) dwarfs the cost of starting it from Python.
SLOTS = 8192


@dataclass(frozen=True)
class Problem:
    """All that a photon's walk depends on besides its random stream."""

    theta: float
    cloud: Cloud
    source: Source
    sampler: ElectronVelocitySampler | ScatteringSampler
    sampler_quality: Mapping[str, float]
    cross_section: HotCrossSectionTable
    max_scatterings: int


@dataclass(frozen=True)
class Walks:
    """What became of each photon of a chunk, in the order of the photons' indices.

    Attributes
    ----------
    x_seed, x : (n,) arrays of float64
        Energies hν/(mₑc²) at birth and at the end.
    cosine : (n,) array of float64
        Cosine to the outward (upward) normal at the end; 0 for cut photons.
    scatterings : (n,) array of int32
        Number of scatterings.
    fate : (n,) array of uint8
        ``ESCAPED``, ``ABSORBED`` or ``CUT``.
    electron_draws, exact_scatterings : int
    sampler_seconds : float
        What an :class:`~mcplugin.transport.interaction.Interaction` counts.
    """

    x_seed: Array
    x: Array
    cosine: Array
    scatterings: NDArray[np.int32]
    fate: NDArray[np.uint8]
    electron_draws: int
    exact_scatterings: int
    sampler_seconds: float


def walk(problem: Problem, seed: int, first: int, count: int) -> Walks:
    """Follow photons ``first`` to ``first + count - 1`` to their ends.

    Raises
    ------
    SamplerError
        If the sampler breaks its contract in any way that can be noticed; see
        :meth:`~mcplugin.samplers.lent_arrays.LentElectrons.draw`.
    """
    unborn_streams = random_streams(seed, count, first)
    x_seed = np.empty(count)
    problem.source.fill(unborn_streams, x_seed)

    slots = min(SLOTS, count)
    meet = interaction(problem.sampler, problem.theta, slots)
    x, place, mu, exit_cosine = (np.empty(slots) for _ in range(4))
    scatterings = np.empty(slots, dtype=np.int32)
    photon, free_slots = (np.empty(slots, dtype=np.int64) for _ in range(2))
    first_words, second_words = (np.empty(slots, dtype=np.uint64) for _ in range(2))
    end_x, end_cosine = np.empty((2, count))
    end_scatterings = np.empty(count, dtype=np.int32)
    end_fate = np.empty(count, dtype=np.uint8)
    cloud, table = problem.cloud, problem.cross_section

    def fly_on(begin: int, end: int) -> int:
        """Let photons of these slots fly, clear the slots of those who do not stay."""
        now = slice(begin, end)
        fly(
            cloud.entry, cloud.tau, table.values, table.slopes,
            x[now], meet.cosine[now], meet.streams[now], place[now], mu[now],
            first_words[now], second_words[now], exit_cosine[now],
        )  # fmt: skip
        return _settle(
            begin, end, problem.max_scatterings, cloud.absorbing_base, exit_cosine,
            x, place, mu, scatterings, photon, meet.streams, free_slots,
            end_x, end_cosine, end_scatterings, end_fate,
        )  # fmt: skip

    active = born = 0
    while active or born < count:
        if active:
            meet(x[:active])
            _take_over(active, meet.x_out, meet.cosine, x, scatterings)
            active = fly_on(0, active)
        newborn = min(slots - active, count - born)
        if newborn:
            _bear(
                active, newborn, born, cloud.entry, x_seed, unborn_streams,
                x, place, mu, scatterings, photon, meet.streams, meet.cosine,
            )  # fmt: skip
            active = fly_on(active, active + newborn)
            born += newborn
    return Walks(
        x_seed=x_seed,
        x=end_x,
        cosine=end_cosine,
        scatterings=end_scatterings,
        fate=end_fate,
        electron_draws=meet.electron_draws,
        exact_scatterings=meet.exact_scatterings,
        sampler_seconds=meet.sampler_seconds,
    )


@kernel
def _bear(
    begin: int,
    newborn: int,
    born: int,
    entry: int,
    x_seed: Array,
    unborn_streams: Streams,
    x: Array,
    place: Array,
    mu: Array,
    scatterings: NDArray[np.int32],
    photon: NDArray[np.int64],
    streams: Streams,
    cosine: Array,
) -> None:
    """Let photons enter the cloud; they fly on undeflected."""
    for j in range(born, born + newborn):
        i = begin + j - born
        photon[i] = j
        streams[i, 0], streams[i, 1] = unborn_streams[j, 0], unborn_streams[j, 1]
        x[i] = x_seed[j]
        scatterings[i] = 0
        cosine[i] = 1.0
        place[i], mu[i] = enter(entry, streams, i)


@kernel
def _take_over(
    active: int, x_out: Array, cosine: Array, x: Array, scatterings: NDArray[np.int32]
) -> None:
    """What became of photons that met electrons."""
    for i in range(active):
        x[i] = x_out[i]
    for i in range(active):
        scatterings[i] += cosine[i] != REFUSED


@kernel
def _settle(
    begin: int,
    end: int,
    max_scatterings: int,
    absorbing_base: bool,
    exit_cosine: Array,
    x: Array,
    place: Array,
    mu: Array,
    scatterings: NDArray[np.int32],
    photon: NDArray[np.int64],
    streams: Streams,
    slots: NDArray[np.int64],
    end_x: Array,
    end_cosine: Array,
    end_scatterings: NDArray[np.int32],
    end_fate: NDArray[np.uint8],
) -> int:
    """Take the photons that do not stay out of their slots; give the end of the occupied ones.

    The others are about to meet an electron.
    """
    leaving = 0
    for i in range(begin, end):
        # Without a branch, which nothing could predict.
        slots[leaving] = i
        leaving += (exit_cosine[i] != INSIDE) | (scatterings[i] >= max_scatterings)
    for k in range(leaving - 1, -1, -1):
        i = slots[k]
        j = photon[i]
        end_x[j] = x[i]
        end_scatterings[j] = scatterings[i]
        if exit_cosine[i] == INSIDE:
            end_cosine[j], end_fate[j] = 0.0, CUT
        else:
            end_cosine[j] = exit_cosine[i]
            end_fate[j] = ABSORBED if absorbing_base and exit_cosine[i] < 0.0 else ESCAPED
        # The last photon, which stays, moves into the free slot.
        end -= 1
        x[i], place[i], mu[i] = x[end], place[end], mu[end]
        scatterings[i], photon[i] = scatterings[end], photon[end]
        streams[i, 0], streams[i, 1] = streams[end, 0], streams[end, 1]
    return end
