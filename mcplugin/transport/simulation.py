"""A run: photons in chunks, spread over threads, merged into one result."""

import json
import math
import os
import platform
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from mcplugin.domain import whole_number
from mcplugin.errors import McpluginError, OutputError, SamplerError
from mcplugin.interruption import stop_on_interrupt
from mcplugin.random_streams import random_streams
from mcplugin.samplers.base import ElectronVelocitySampler, get_sampler
from mcplugin.scattering.hot_cross_section import HotCrossSectionTable
from mcplugin.transport.configuration import Configuration
from mcplugin.transport.exact_sum import QUANTA_PER_UNIT
from mcplugin.transport.geometry import Cloud
from mcplugin.transport.loop import Problem, Walks, walk
from mcplugin.transport.photon_list import PhotonList
from mcplugin.transport.sources import source_of
from mcplugin.transport.spectrum import Spectrum
from mcplugin.transport.tally import (
    ABSORBING,
    CUTTING,
    ESCAPING,
    ESCAPING_SQUARED,
    SEED,
    SEED_SQUARED,
    SEED_TIMES_ESCAPING,
    Grid,
    Tally,
)
from mcplugin.units import ELECTRON_REST_ENERGY_KEV

# Chunks grow until one takes this long: short enough to stop at, long enough to cost nothing.
_CHUNK_SECONDS = 0.3
_SMALLEST_CHUNK, _LARGEST_CHUNK = 2**10, 2**18
_UNLIMITED = 2**31 - 2

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Result:
    """What a run gives.

    Attributes
    ----------
    configuration : Configuration
        What was run, with all defaults and overrides applied.
    summary : dict
        Counts, energy budget, amplification, speed, provenance: what ``summary.json`` holds.
    spectrum : Spectrum
        Escaping spectrum with its parts by angle and by scattering order.
    tally : Tally
        The exact integer sums behind both.
    """

    configuration: Configuration
    summary: dict[str, Any]
    spectrum: Spectrum
    tally: Tally

    FILES: ClassVar[tuple[str, ...]] = ("spectrum.fits", "spectrum.png", "summary.json")

    @property
    def interrupted(self) -> bool:
        """Whether the run was stopped before its last photon."""
        return bool(self.summary["interrupted"])

    def write(self, folder: str | os.PathLike[str]) -> None:
        """Write ``spectrum.fits``, ``spectrum.png`` and ``summary.json`` into a folder.

        Existing files of these names are replaced.

        Raises
        ------
        OutputError
            If the folder cannot be written.
        """
        folder = Path(folder)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self.spectrum.write(folder / "spectrum.fits", overwrite=True)
            self.spectrum.plot().savefig(folder / "spectrum.png")
            text = json.dumps(self.summary, indent=2) + "\n"
            (folder / "summary.json").write_text(text, encoding="utf-8")
        except OSError as error:
            raise OutputError(f"cannot write results to {folder}: {error}") from error


def simulate(
    config: Configuration | Mapping[str, Any] | str | os.PathLike[str],
    sampler: str | ElectronVelocitySampler | None = None,
    photons: int | None = None,
    seed: int | None = None,
    *,
    threads: int | None = None,
    progress: Progress | None = None,
    photon_list: str | os.PathLike[str] | None = None,
) -> Result:
    """Follow photons through the plasma and collect what escapes.

    Parameters
    ----------
    config : path, mapping or Configuration
        A TOML file, its content as nested mappings (energies in keV or astropy quantities), or a
        loaded configuration.
    sampler : str or ElectronVelocitySampler, optional
        Where electrons come from; overrides the configuration.
    photons, seed : int, optional
        Override the configuration.
    threads : int, optional
        Worker threads; all available cores by default. The result does not depend on it.
    progress : callable, optional
        Called with (photons done, photons in all) as the run goes on.
    photon_list : path, optional
        HDF5 file to which every photon is written; needs no memory.

    Returns
    -------
    Result
        Bit-identical for the same configuration, sampler, photons and seed. If the run is
        interrupted from the keyboard, a valid result of the photons done so far, marked as such.

    Raises
    ------
    ConfigurationError, UnknownSamplerError, ThetaRangeError, InputError
        If the run cannot be done as asked; nothing has been computed then.
    SamplerError
        If the sampler breaks its contract during the run.
    """
    configuration = _overridden(Configuration.load(config), sampler, photons, seed)
    threads = whole_number("threads", available_cores() if threads is None else threads, 1, 4096)
    problem = _problem(configuration, sampler)
    grid = _grid(configuration)
    total = configuration.run.photons
    tally = Tally.empty(grid)
    working_seconds = electron_seconds = 0.0
    started = time.perf_counter()
    with ExitStack() as stack:
        stop = stack.enter_context(stop_on_interrupt())
        listed = stack.enter_context(PhotonList(photon_list)) if photon_list else None
        for done in _chunks(problem, configuration.run.seed, total, grid, threads, stop):
            tally = tally + done.tally
            working_seconds += done.seconds
            electron_seconds += done.walks.electron_seconds
            if listed is not None:
                listed.append(done.walks)
            if progress is not None:
                progress(tally.photons, total)
    seconds = time.perf_counter() - started
    summary = _summary(configuration, problem, tally)
    summary |= {
        "seconds": seconds,
        "threads": threads,
        "photons_per_second": tally.photons / seconds,
        "scatterings_per_second": tally.scatterings / seconds,
        "electron_share": electron_seconds / max(working_seconds, 1e-9),
    }
    return Result(configuration, summary, Spectrum.of(tally, grid, summary), tally)


def available_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _overridden(
    configuration: Configuration,
    sampler: str | ElectronVelocitySampler | None,
    photons: int | None,
    seed: int | None,
) -> Configuration:
    """The configuration with the arguments of `simulate` in place of its own, validated again."""
    content = configuration.model_dump(exclude_none=True)
    if sampler is not None:
        if isinstance(sampler, ElectronVelocitySampler):
            content["run"]["sampler_options"] = dict(sampler.options)
            sampler = sampler.name
        elif sampler != content["run"]["sampler"]:
            content["run"]["sampler_options"] = {}
        content["run"]["sampler"] = sampler
    if photons is not None:
        content["run"]["photons"] = photons
    if seed is not None:
        content["run"]["seed"] = seed
    return Configuration.load(content)


def _problem(
    configuration: Configuration, sampler: str | ElectronVelocitySampler | None
) -> Problem:
    theta = configuration.plasma.temperature
    run = configuration.run
    if not isinstance(sampler, ElectronVelocitySampler):
        sampler = get_sampler(run.sampler, **run.sampler_options)
    # A temperature that the sampler refuses is refused now, not in a worker thread.
    try:
        sampler.sample(theta, random_streams(0, 1))
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
        max_scatterings=_UNLIMITED if run.max_scatterings is None else run.max_scatterings,
    )


def _grid(configuration: Configuration) -> Grid:
    tally = configuration.tally
    edges = np.geomspace(tally.energy_min_kev, tally.energy_max_kev, tally.bins + 1)
    return Grid(edges / ELECTRON_REST_ENERGY_KEV, tally.angle_bins, tally.orders)


@dataclass(frozen=True)
class _Chunk:
    tally: Tally
    walks: Walks
    seconds: float


def _run_chunk(problem: Problem, seed: int, first: int, count: int, grid: Grid) -> _Chunk:
    """Photons ``first`` to ``first + count - 1``, from birth to tally: a pure function."""
    started = time.perf_counter()
    walks = walk(problem, seed, first, count)
    return _Chunk(Tally.of(walks, grid), walks, time.perf_counter() - started)


def _chunks(
    problem: Problem, seed: int, total: int, grid: Grid, threads: int, stop: threading.Event
) -> Iterator[_Chunk]:
    """Run all photons on worker threads; give the finished chunks in the photons' order.

    When ``stop`` is set no new chunk is begun, and those in flight are still given.
    """
    size = _SMALLEST_CHUNK
    first = 0
    flying: deque[Future[_Chunk]] = deque()
    with ThreadPoolExecutor(threads, thread_name_prefix="mcplugin") as pool:
        try:
            while flying or (first < total and not stop.is_set()):
                while first < total and len(flying) < 2 * threads and not stop.is_set():
                    # The last chunks are small, so that all threads finish together.
                    fair_share = max((total - first) // (2 * threads), _SMALLEST_CHUNK)
                    count = min(size, fair_share, total - first)
                    flying.append(pool.submit(_run_chunk, problem, seed, first, count, grid))
                    first += count
                chunk = flying.popleft().result()
                photons_per_second = chunk.tally.photons / max(chunk.seconds, 1e-6)
                size = int(min(4.0 * size, _CHUNK_SECONDS * photons_per_second))
                size = min(max(size, _SMALLEST_CHUNK), _LARGEST_CHUNK)
                yield chunk
        finally:
            for future in flying:
                future.cancel()


def _summary(configuration: Configuration, problem: Problem, tally: Tally) -> dict[str, Any]:
    """What does not depend on how fast the run was."""
    amplification, amplification_error = _amplification(tally)
    kev = ELECTRON_REST_ENERGY_KEV
    photons = max(tally.photons, 1)
    return {
        "version": version("mcplugin"),
        "sampler": problem.sampler.name,
        "sampler_quality": dict(problem.sampler_quality),
        "seed": configuration.run.seed,
        "theta": problem.theta,
        "kt_kev": problem.theta * kev,
        "photons": tally.photons,
        "photons_requested": configuration.run.photons,
        "interrupted": tally.photons < configuration.run.photons,
        "escaped": tally.escaped,
        "absorbed": tally.absorbed,
        "cut": tally.cut,
        "scatterings": tally.scatterings,
        "mean_scatterings": tally.scatterings / photons,
        "electron_draws": tally.electron_draws,
        "amplification": amplification,
        "amplification_error": amplification_error,
        "energy_kev": {
            "seed": tally.total(SEED) * kev,
            "gained": tally.quanta_gained / QUANTA_PER_UNIT * kev,
            "escaped": tally.total(ESCAPING) * kev,
            "absorbed": tally.total(ABSORBING) * kev,
            "cut": tally.total(CUTTING) * kev,
        },
        "packages": {
            "python": platform.python_version(),
            **{package: version(package) for package in ("numpy", "scipy", "numba")},
        },
        "configuration": configuration.model_dump(mode="json", exclude_none=True),
    }


def _amplification(tally: Tally) -> tuple[float, float]:
    """Escaping over seed energy, with the standard error of a ratio of two sums."""
    seed = tally.total(SEED)
    if seed == 0.0:
        return 0.0, 0.0
    ratio = tally.total(ESCAPING) / seed
    scatter = (
        tally.total(ESCAPING_SQUARED)
        - 2.0 * ratio * tally.total(SEED_TIMES_ESCAPING)
        + ratio**2 * tally.total(SEED_SQUARED)
    )
    return ratio, math.sqrt(max(scatter, 0.0)) / seed
