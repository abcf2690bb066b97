"""The walk of a chunk of photons through the cloud, event by event.

A few thousand photons are in flight at a time, each in a slot. One pass lets all of them meet
electrons, lets those who scattered fly on, and clears the slots of those who left the cloud for the
next unborn ones, whose first flight begins where they enter. So every pass is full until the chunk
runs out of photons, whatever the optical depth.

Photons are given as they end, some thousand at a time, while they are still in the cache.

A photon owns its random stream, so what happens to it depends neither on its slot nor on the
size of the chunk.
"""

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mcplugin.jit import kernel
from mcplugin.random_streams import Streams, Words, seed_streams
from mcplugin.samplers.base import ElectronVelocitySampler
from mcplugin.samplers.scattering import ScatteringSampler
from mcplugin.scattering.compton import REFUSED
from mcplugin.scattering.hot_cross_section import HotCrossSectionTable
from mcplugin.transport.flight import fly
from mcplugin.transport.geometry import INSIDE, Cloud, enter
from mcplugin.transport.interaction import Effort, interaction
from mcplugin.transport.sources import Source
from mcplugin.transport.walks import ABSORBED, CUT, ESCAPED, Walks

Array = NDArray[np.float64]
Numbers = NDArray[np.int64]
# Unsigned, so that no compiled loop asks whether an index counts from the end.
Slots = NDArray[np.uint64]

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


def walk(problem: Problem, seed: int, first: int, count: int) -> Iterator[Walks]:
    """Follow photons ``first`` to ``first + count - 1``; give them as they end, many at a time.

    Raises
    ------
    SamplerError
        If the sampler breaks its contract in any way that can be noticed; see
        :meth:`~mcplugin.samplers.lent_arrays.LentElectrons.draw`.
    """
    active = born = ended = 0
    effort = Effort()
    slots = min(SLOTS, count)
    # Given away as soon as there are as many as slots; until then a pass may end twice as many.
    room = 3 * slots
    walks = Walks.empty(room)
    meet = interaction(problem.sampler, problem.theta, slots)
    x_seed, x, place, along, exit_cosine = (np.empty(slots) for _ in range(5))
    scatterings = np.empty(slots, dtype=np.int32)
    photon = np.empty(slots, dtype=np.int64)
    leaving, moving, first_words, second_words = (
        np.empty(slots, dtype=np.uint64) for _ in range(4)
    )
    cloud, table = problem.cloud, problem.cross_section

    def bear(begin: int, end: int, number: int) -> None:
        """Let photons enter the cloud; they are about to fly on undeflected."""
        now = slice(begin, end)
        seed_streams(np.uint64(seed), np.uint64(number), meet.streams[now])
        problem.source.fill(meet.streams[now], x_seed[now])
        enter(cloud.entry, meet.streams[now], place[now], along[now])
        x[now] = x_seed[now]
        scatterings[now] = 0
        meet.cosine[now] = 1.0
        photon[now] = np.arange(number, number + end - begin)

    def fly_on(begin: int, end: int) -> int:
        """Let photons of these slots fly, clear the slots of those who do not stay."""
        nonlocal ended
        end, ended = _fly_on(
            begin, end, cloud.entry, cloud.tau, cloud.absorbing_base, table.values, table.slopes,
            problem.max_scatterings, photon, x_seed, x, meet.cosine, place, along, scatterings,
            meet.streams, first_words, second_words, exit_cosine, leaving, moving, ended,
            walks.photon, walks.x_seed, walks.x, walks.cosine, walks.scatterings, walks.fate,
        )  # fmt: skip
        return end

    while active or born < count:
        if active:
            effort += meet(x[:active])
            _take_over(active, meet.x_out, meet.cosine, x, scatterings)
            active = fly_on(0, active)
        newborn = min(slots - active, count - born)
        if newborn:
            bear(active, active + newborn, first + born)
            active = fly_on(active, active + newborn)
            born += newborn
        if ended >= slots or (active == 0 and born == count):
            yield dataclasses.replace(walks[:ended], effort=effort)
            walks, ended, effort = Walks.empty(room), 0, Effort()


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
def _fly_on(
    begin: int,
    end: int,
    entry: int,
    tau: float,
    absorbing_base: bool,
    values: Array,
    slopes: Array,
    max_scatterings: int,
    photon: Numbers,
    x_seed: Array,
    x: Array,
    cosine: Array,
    place: Array,
    along: Array,
    scatterings: NDArray[np.int32],
    streams: Streams,
    first_words: Words,
    second_words: Words,
    exit_cosine: Array,
    leaving: Slots,
    moving: Slots,
    ended: int,
    end_photon: Numbers,
    end_x_seed: Array,
    end_x: Array,
    end_cosine: Array,
    end_scatterings: NDArray[np.int32],
    end_fate: NDArray[np.uint8],
) -> tuple[int, int]:
    """Give the end of the slots that are then occupied, and of the walks that have been noted."""
    fly(
        entry, tau, values, slopes, x[begin:end], cosine[begin:end], streams[begin:end],
        place[begin:end], along[begin:end], first_words, second_words, exit_cosine[begin:end],
    )  # fmt: skip
    gone, moved = _part(begin, end, max_scatterings, exit_cosine, scatterings, leaving, moving)
    for k in range(gone):
        i, j = leaving[k], np.uint64(ended + k)
        end_photon[j], end_scatterings[j] = photon[i], scatterings[i]
        end_x_seed[j], end_x[j] = x_seed[i], x[i]
        cut = exit_cosine[i] == INSIDE
        end_cosine[j] = 0.0 if cut else exit_cosine[i]
        absorbed = absorbing_base & (exit_cosine[i] < 0.0)
        end_fate[j] = CUT if cut else ABSORBED if absorbed else ESCAPED
    for k in range(moved):
        i, j = moving[k], leaving[k]
        photon[j], scatterings[j] = photon[i], scatterings[i]
        x_seed[j], x[j], place[j], along[j] = x_seed[i], x[i], place[i], along[i]
        streams[j, 0], streams[j, 1] = streams[i, 0], streams[i, 1]
    return end - gone, ended + gone


@kernel
def _part(
    begin: int,
    end: int,
    max_scatterings: int,
    exit_cosine: Array,
    scatterings: NDArray[np.int32],
    leaving: Slots,
    moving: Slots,
) -> tuple[int, int]:
    """List the slots of photons that leave, and of the last that stay, who move into their places.

    Give the number of both. The others are about to meet an electron.
    """
    gone = moved = 0
    for i in range(begin, end):
        # Without a branch, which nothing could predict.
        leaving[gone] = i
        gone += (exit_cosine[i] != INSIDE) | (scatterings[i] >= max_scatterings)
    for i in range(end - gone, end):
        moving[moved] = i
        moved += (exit_cosine[i] == INSIDE) & (scatterings[i] < max_scatterings)
    return gone, moved
