"""A run as a list of chunks of photons, and how they are spread over workers.

A chunk is a pure function of the configuration, the sampler and a range of photon numbers, and its
tally adds up exactly; so the result of a run has the same bits wherever, and in whatever pieces,
its photons are followed.
"""

import functools
import os
import pickle
import platform
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from mcplugin.errors import McpluginError, SamplerError, WorkerError
from mcplugin.samplers.base import ElectronVelocitySampler
from mcplugin.samplers.lent_arrays import try_out
from mcplugin.samplers.scattering import ScatteringSampler
from mcplugin.scattering.hot_cross_section import HotCrossSectionTable
from mcplugin.transport.configuration import Configuration
from mcplugin.transport.geometry import Cloud
from mcplugin.transport.loop import Problem, walk
from mcplugin.transport.sources import source_of
from mcplugin.transport.tally import Grid, Tally, Tallying
from mcplugin.transport.walks import Walks
from mcplugin.units import ELECTRON_REST_ENERGY_KEV

# Chunks grow until one takes this long: short enough to stop at, long enough to cost nothing.
_CHUNK_SECONDS = 0.3
# Merging a chunk takes the driver less than a millisecond: with many workers chunks are longer, so
# that it is busy a tenth of its time at most.
_SECONDS_PER_WORKER = 0.01
_SMALLEST_CHUNK = 2**10
# The sums of a bin hold twice as many photons.
_LARGEST_CHUNK = 2**34
_UNLIMITED = 2**31 - 2


@dataclass(frozen=True)
class Chunk:
    """What became of a range of photons.

    Attributes
    ----------
    tally : Tally
        Its photons, sorted.
    walks : Walks or None
        What became of each photon, in order, if asked for.
    seconds, sampler_seconds : float
        Working time of one core, and the part of it that the sampler took.
    worker : str
        Who did it: host/process/thread.
    """

    tally: Tally
    walks: Walks | None
    seconds: float
    sampler_seconds: float
    worker: str


class Task:
    """What there is to do, as a function of the photons' numbers.

    It travels to other processes as its configuration and sampler alone, and each process prepares
    it once.

    Parameters
    ----------
    configuration : Configuration
        A complete run.
    sampler : ElectronVelocitySampler or ScatteringSampler
        The one to draw from, whatever the configuration says.

    Attributes
    ----------
    problem : Problem
        The physics, prepared.
    grid : Grid
        How photons are sorted.

    Raises
    ------
    SamplerError, ThetaRangeError, InputError
        If the sampler fails or refuses the temperature, or the source cannot be made.
    """

    def __init__(
        self, configuration: Configuration, sampler: ElectronVelocitySampler | ScatteringSampler
    ) -> None:
        self._asked = (configuration, sampler)
        self.problem = _problem(configuration, sampler)
        self.grid = _grid(configuration)
        self.seed = configuration.run.seed

    def __call__(self, first: int, count: int, keep_walks: bool = False) -> Chunk:
        """Photons ``first`` to ``first + count - 1``, from birth to tally."""
        started = time.perf_counter()
        tallying = Tallying(self.grid)
        kept: list[Walks] = []
        for walks in walk(self.problem, self.seed, first, count):
            tallying.add(walks)
            if keep_walks:
                kept.append(walks)
        in_order = Walks.in_order(kept) if keep_walks else None
        worker = f"{platform.node()}/{os.getpid()}/{threading.get_native_id()}"
        seconds = time.perf_counter() - started
        sampler_seconds = tallying.effort.sampler_seconds
        return Chunk(tallying.tally(), in_order, seconds, sampler_seconds, worker)

    def __reduce__(self) -> tuple[Callable[[bytes], "Task"], tuple[bytes]]:
        return _task_in_this_process, (pickle.dumps(self._asked),)


@functools.lru_cache(maxsize=4)
def _task_in_this_process(asked: bytes) -> Task:
    return Task(*pickle.loads(asked))


def _problem(
    configuration: Configuration, sampler: ElectronVelocitySampler | ScatteringSampler
) -> Problem:
    theta = configuration.plasma.temperature
    limit = configuration.run.max_scatterings
    # What the sampler refuses or breaks is known now, not in the middle of the run.
    try_out(sampler, theta)
    try:
        quality = {measure: float(value) for measure, value in sampler.quality(theta).items()}
    except McpluginError:
        raise
    except Exception as error:
        raise SamplerError(f"sampler {sampler.name!r} failed: {error}") from error
    return Problem(
        theta=theta,
        cloud=Cloud.of(configuration),
        source=source_of(configuration),
        sampler=sampler,
        sampler_quality=quality,
        cross_section=HotCrossSectionTable.at(theta),
        max_scatterings=_UNLIMITED if limit is None else limit,
    )


def _grid(configuration: Configuration) -> Grid:
    tally = configuration.tally
    edges = np.geomspace(tally.energy_min_kev, tally.energy_max_kev, tally.bins + 1)
    return Grid(edges / ELECTRON_REST_ENERGY_KEV, tally.angle_bins, tally.orders)


def finished_chunks(
    task: Task,
    first: int,
    last: int,
    executor: Executor,
    workers: int,
    stopped: Callable[[], bool],
    keep_walks: bool = False,
) -> Iterator[Chunk]:
    """Follow photons ``first`` to ``last - 1``; give finished chunks in the photons' order.

    Once ``stopped()`` no new chunk is begun, and those that may be under way are still given.

    Raises
    ------
    WorkerError
        If the executor loses a chunk.
    McpluginError
        As the task.
    """
    size = _SMALLEST_CHUNK
    aim = max(_CHUNK_SECONDS, _SECONDS_PER_WORKER * workers)
    flying: deque[Future[Chunk]] = deque()
    try:
        while flying or (first < last and not stopped()):
            while first < last and len(flying) < 2 * workers and not stopped():
                # The last chunks are small, so that all workers finish together.
                fair_share = max((last - first) // (2 * workers - 1), _SMALLEST_CHUNK)
                count = min(size, fair_share, last - first)
                with _losses_named():
                    flying.append(executor.submit(task, first, count, keep_walks))
                first += count
            with _losses_named():
                chunk = flying.popleft().result()
            photons_per_second = chunk.tally.photons / max(chunk.seconds, 1e-6)
            size = int(min(16.0 * size, aim * photons_per_second))
            size = min(max(size, _SMALLEST_CHUNK), _LARGEST_CHUNK)
            yield chunk
            if stopped():
                # What is queued behind a chunk for every worker has not been begun.
                while len(flying) > workers:
                    flying.pop().cancel()
    finally:
        for future in flying:
            future.cancel()


@contextmanager
def _losses_named() -> Iterator[None]:
    """Whatever goes wrong with an executor, as a `WorkerError`."""
    try:
        yield
    except McpluginError:
        raise
    except Exception as error:
        why = " ".join(f"{type(error).__name__}: {error}".split()).rstrip(": ")
        raise WorkerError(f"a worker gave no photons back: {why}") from error
