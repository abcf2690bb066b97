"""The walk of a chunk of photons through the cloud, event by event.

A few thousand photons are in flight at a time, each in a slot. One pass asks the sampler for an
electron for every slot, lets the pairs meet, and moves those who scattered: a photon flies until
it interacts again, or leaves its slot to the next unborn one. So every pass is full until the
chunk runs out of photons, whatever the optical depth.

A photon owns its random stream, so what happens to it depends neither on its slot nor on the
size of the chunk.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from mcplugin.jit import kernel
from mcplugin.random_streams import Streams, exponential, random_streams
from mcplugin.samplers.base import ElectronVelocitySampler
from mcplugin.samplers.lent_arrays import LentArrays
from mcplugin.scattering.compton import REFUSED, meet_electrons
from mcplugin.scattering.hot_cross_section import HotCrossSectionTable, look_up
from mcplugin.transport.geometry import (
    Cloud,
    distance_to_surface,
    enter,
    move,
    surface_cosine,
    turn,
)
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
    sampler: ElectronVelocitySampler
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
    electron_draws : int
        Electrons asked of the sampler, refused ones included.
    electron_seconds : float
        Time that the sampler took for them.
    """

    x_seed: Array
    x: Array
    cosine: Array
    scatterings: NDArray[np.int32]
    fate: NDArray[np.uint8]
    electron_draws: int
    electron_seconds: float


def walk(problem: Problem, seed: int, first: int, count: int) -> Walks:
    """Follow photons ``first`` to ``first + count - 1`` to their ends.

    Raises
    ------
    SamplerError
        If the sampler breaks its contract in any way that can be noticed; see
        :meth:`~mcplugin.samplers.lent_arrays.LentArrays.draw`.
    """
    unborn_streams = random_streams(seed, count, first)
    x_seed = np.empty(count)
    problem.source.fill(unborn_streams, x_seed)

    slots = min(SLOTS, count)
    x, place, mu, x_out, cosine = np.empty((5, slots))
    scatterings = np.empty(slots, dtype=np.int32)
    photon = np.empty(slots, dtype=np.int64)
    lent = LentArrays(slots)
    streams, u = lent.streams, lent.u
    walks = Walks(
        x_seed=x_seed,
        x=np.empty(count),
        cosine=np.empty(count),
        scatterings=np.empty(count, dtype=np.int32),
        fate=np.empty(count, dtype=np.uint8),
        electron_draws=0,
        electron_seconds=0.0,
    )
    active = born = electron_draws = 0
    electron_seconds = 0.0
    while active or born < count:
        now = slice(active)
        if active:
            asked = time.perf_counter()
            lent.draw(problem.sampler, problem.theta, active)
            electron_seconds += time.perf_counter() - asked
            meet_electrons(x[now], u[now], streams[now], x_out[now], cosine[now])
            electron_draws += active
        active, born = _advance(
            active, born, problem.max_scatterings,
            problem.cloud.entry, problem.cloud.absorbing_base, problem.cloud.tau,
            problem.cross_section.values, problem.cross_section.slopes,
            x_seed, unborn_streams,
            x, place, mu, scatterings, photon, streams, x_out, cosine,
            walks.x, walks.cosine, walks.scatterings, walks.fate,
        )  # fmt: skip
    return replace(walks, electron_draws=electron_draws, electron_seconds=electron_seconds)


@kernel
def _advance(
    active: int,
    born: int,
    max_scatterings: int,
    entry: int,
    absorbing_base: bool,
    tau: float,
    values: Array,
    slopes: Array,
    x_seed: Array,
    unborn_streams: Streams,
    x: Array,
    place: Array,
    mu: Array,
    scatterings: NDArray[np.int32],
    photon: NDArray[np.int64],
    streams: Streams,
    x_out: Array,
    cosine: Array,
    end_x: Array,
    end_cosine: Array,
    end_scatterings: NDArray[np.int32],
    end_fate: NDArray[np.uint8],
) -> tuple[int, int]:
    """Move every photon that scattered, and fill free slots with newborn ones.

    Gives the number of occupied slots, which come first, and the number of photons born so far.
    On return every photon in a slot is about to meet an electron.
    """
    slots = x.size
    count = x_seed.size
    i = 0
    while i < active or (i < slots and born < count):
        newborn = i == active
        if newborn:
            active += 1
        elif cosine[i] == REFUSED:
            i += 1
            continue
        else:
            x[i] = x_out[i]
            scatterings[i] += 1
            mu[i] = turn(mu[i], cosine[i], streams, i)

        while True:
            if newborn:
                photon[i] = born
                streams[i, 0] = unborn_streams[born, 0]
                streams[i, 1] = unborn_streams[born, 1]
                x[i] = x_seed[born]
                scatterings[i] = 0
                place[i], mu[i] = enter(entry, streams, i)
                born += 1

            length = exponential(streams, i) / (tau * look_up(x[i], values, slopes))
            if length < distance_to_surface(entry, place[i], mu[i]):
                if scatterings[i] < max_scatterings:
                    place[i], mu[i] = move(entry, place[i], mu[i], length)
                    i += 1
                    break
                fate = CUT
                exit_cosine = 0.0
            else:
                exit_cosine = surface_cosine(entry, place[i], mu[i])
                fate = ABSORBED if absorbing_base and exit_cosine < 0.0 else ESCAPED
            j = photon[i]
            end_x[j] = x[i]
            end_cosine[j] = exit_cosine
            end_scatterings[j] = scatterings[i]
            end_fate[j] = fate

            newborn = born < count
            if not newborn:
                # The chunk has run dry: the last photon moves into the free slot.
                active -= 1
                x[i], place[i], mu[i] = x[active], place[active], mu[active]
                x_out[i], cosine[i] = x_out[active], cosine[active]
                scatterings[i], photon[i] = scatterings[active], photon[active]
                streams[i, 0], streams[i, 1] = streams[active, 0], streams[active, 1]
                break
    return active, born
