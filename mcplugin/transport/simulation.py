"""A run: photons in chunks, spread over workers, merged into one result."""

import json
import logging
import math
import os
import platform
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, ClassVar

from mcplugin.domain import whole_number
from mcplugin.errors import InputError, OutputError
from mcplugin.interruption import stop_on_interrupt
from mcplugin.samplers.base import ElectronVelocitySampler
from mcplugin.samplers.registry import Sampler
from mcplugin.samplers.scattering import ScatteringSampler, get_sampler_of_either_kind
from mcplugin.transport.checkpoint import Checkpoint, Clock, Keeper
from mcplugin.transport.chunks import Task, finished_chunks
from mcplugin.transport.configuration import Configuration
from mcplugin.transport.exact_sum import QUANTA_PER_UNIT
from mcplugin.transport.loop import Problem
from mcplugin.transport.photon_list import PhotonList
from mcplugin.transport.spectrum import Spectrum
from mcplugin.transport.tally import (
    ABSORBING,
    CUTTING,
    ESCAPING,
    ESCAPING_SQUARED,
    SEED,
    SEED_SQUARED,
    SEED_TIMES_ESCAPING,
    Tally,
)
from mcplugin.units import ELECTRON_REST_ENERGY_KEV

_MOST_THREADS, _MOST_WORKERS = 4096, 10**6
_DEFAULT_WORKERS = 64

_log = logging.getLogger("mcplugin.transport")

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
    sampler: str | ElectronVelocitySampler | ScatteringSampler | None = None,
    photons: int | None = None,
    seed: int | None = None,
    *,
    threads: int | None = None,
    executor: Executor | None = None,
    workers: int | None = None,
    progress: Progress | None = None,
    photon_list: str | os.PathLike[str] | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
) -> Result:
    """Follow photons through the plasma and collect what escapes.

    Parameters
    ----------
    config : path, mapping or Configuration
        A TOML file, its content as nested mappings (energies in keV or astropy quantities), or a
        loaded configuration.
    sampler : str, ElectronVelocitySampler or ScatteringSampler, optional
        Where electrons come from, or whole scatterings; overrides the configuration.
    photons, seed : int, optional
        Override the configuration.
    threads : int, optional
        Worker threads; all available cores by default. Not with ``executor``.
    executor : concurrent.futures.Executor, optional
        Who follows the photons instead: a pool of processes, the executor of a Dask client, of MPI
        ranks (see :mod:`mcplugin.transport.engines`). It is not shut down.
    workers : int, optional
        How many chunks the executor works on at a time; 64 by default, which is also right for
        fewer. Only with ``executor``.
    progress : callable, optional
        Called with (photons done, photons in all) as the run goes on.
    photon_list : path, optional
        HDF5 file to which every photon is written; needs no memory. Not with ``checkpoint``.
    checkpoint : path, optional
        File in which the run is kept as it goes on. If it exists, the run goes on where it ended;
        with more ``photons`` than before a finished run goes on, too.

    Returns
    -------
    Result
        Bit-identical for the same configuration, sampler, photons and seed, whoever the workers
        are and however often the run was interrupted. If it is interrupted from the keyboard or by
        SIGTERM, a valid result of the photons done so far, marked as such.

    Raises
    ------
    ConfigurationError, UnknownSamplerError, ThetaRangeError, InputError
        If the run cannot be done as asked; nothing has been computed then.
    CheckpointError
        If the checkpoint is damaged or of another run; it is left as it is.
    OutputError
        If the checkpoint or photon list cannot be written at the beginning.
    SamplerError
        If the sampler breaks its contract during the run.
    WorkerError
        If the executor loses photons. What the checkpoint holds is kept.

    Warns
    -----
    CheckpointWarning
        If the checkpoint cannot be written later on.
    """
    if isinstance(sampler, Sampler):
        get_sampler_of_either_kind(sampler)
    configuration = _overridden(Configuration.load(config), sampler, photons, seed)
    workers = _workers(threads, executor, workers)
    if photon_list is not None and checkpoint is not None:
        raise InputError("a list of photons cannot go on from a checkpoint: ask for one of them")
    run = configuration.run
    if not isinstance(sampler, ElectronVelocitySampler | ScatteringSampler):
        sampler = get_sampler_of_either_kind(run.sampler, **run.sampler_options)
    task = Task(configuration, sampler)
    tally, clock = Tally.empty(task.grid), Clock()
    keeper = None
    if checkpoint is not None:
        keeper = Keeper(checkpoint, task, configuration)
        tally, clock = keeper.begin(tally, clock)
    _log.info(
        "run begins",
        extra={
            "photons": run.photons,
            "done": tally.photons,
            "seed": run.seed,
            "sampler": sampler.name,
            "workers": workers,
        },
    )
    with ExitStack() as stack:
        stop = stack.enter_context(stop_on_interrupt())
        listed = stack.enter_context(PhotonList(photon_list)) if photon_list else None
        if executor is None:
            executor = stack.enter_context(ThreadPoolExecutor(workers, "mcplugin"))
        if keeper is not None:
            # However the run ends, by an error too, what is done is kept.
            stack.callback(lambda: keeper.keep(tally, clock, last=True))
        begun, before = time.perf_counter(), clock.seconds
        for chunk in finished_chunks(
            task, tally.photons, run.photons, executor, workers, stop.is_set, listed is not None
        ):
            first, tally = tally.photons, tally + chunk.tally
            clock = Clock(
                before + time.perf_counter() - begun,
                clock.working_seconds + chunk.seconds,
                clock.sampler_seconds + chunk.sampler_seconds,
            )
            if listed is not None and chunk.walks is not None:
                listed.append(chunk.walks)
            _log.info(
                "chunk done",
                extra={
                    "worker": chunk.worker,
                    "first": first,
                    "count": chunk.tally.photons,
                    "seconds": chunk.seconds,
                    "done": tally.photons,
                    "photons": run.photons,
                },
            )
            if progress is not None:
                progress(tally.photons, run.photons)
            if keeper is not None:
                keeper.keep(tally, clock, last=False)
    summary = _summary(configuration, task.problem, tally) | _speed(tally, clock, workers)
    _log.info(
        "run interrupted" if summary["interrupted"] else "run ends",
        extra={"done": tally.photons, "photons": run.photons, "seconds": clock.seconds},
    )
    return Result(configuration, summary, Spectrum.of(tally, task.grid, summary), tally)


def resume(
    checkpoint: str | os.PathLike[str],
    photons: int | None = None,
    *,
    threads: int | None = None,
    executor: Executor | None = None,
    workers: int | None = None,
    progress: Progress | None = None,
) -> Result:
    """Go on with the run that a checkpoint is of.

    Parameters
    ----------
    checkpoint : path
        What :func:`simulate` kept. It is kept up to date.
    photons : int, optional
        How many photons to follow in all; by default as many as were asked for last.
    threads, executor, workers, progress
        As for :func:`simulate`; they need not be those of the run so far.

    Returns
    -------
    Result
        The very bits that the run would have given without a break.

    Raises
    ------
    CheckpointError
        If the file is missing, damaged, or of a later version.
    UnknownSamplerError
        If the sampler is not registered: call :func:`simulate` with it and the checkpoint.
    InputError, OutputError, SamplerError, WorkerError
        As :func:`simulate`.
    """
    return simulate(
        Checkpoint.read(checkpoint).configuration,
        photons=photons,
        threads=threads,
        executor=executor,
        workers=workers,
        progress=progress,
        checkpoint=checkpoint,
    )


def _workers(threads: int | None, executor: Executor | None, workers: int | None) -> int:
    """How many chunks are worked on at a time."""
    if executor is None:
        if workers is not None:
            raise InputError("workers belongs to executor: give threads instead")
        threads = available_cores() if threads is None else threads
        return whole_number("threads", threads, 1, _MOST_THREADS)
    if not isinstance(executor, Executor):
        raise InputError(
            f"executor = {executor!r} is no concurrent.futures.Executor: give for example a "
            "ProcessPoolExecutor"
        )
    if threads is not None:
        raise InputError("threads are mcplugin's own: give workers with an executor")
    workers = _DEFAULT_WORKERS if workers is None else workers
    return whole_number("workers", workers, 1, _MOST_WORKERS)


def available_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _overridden(
    configuration: Configuration,
    sampler: str | Sampler | None,
    photons: int | None,
    seed: int | None,
) -> Configuration:
    """The configuration with the arguments of `simulate` in place of its own, validated again."""
    content = configuration.model_dump(exclude_none=True)
    if sampler is not None:
        if isinstance(sampler, Sampler):
            content["run"]["sampler_options"] = dict(sampler.options)
            sampler = sampler.name
        elif not isinstance(sampler, str) or sampler != content["run"]["sampler"]:
            content["run"]["sampler_options"] = {}
        content["run"]["sampler"] = sampler
    if photons is not None:
        content["run"]["photons"] = photons
    if seed is not None:
        content["run"]["seed"] = seed
    return Configuration.load(content)


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
        "exact_scatterings": tally.exact_scatterings,
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


def _speed(tally: Tally, clock: Clock, workers: int) -> dict[str, Any]:
    """What does."""
    seconds = max(clock.seconds, 1e-9)
    return {
        "seconds": clock.seconds,
        "workers": workers,
        "photons_per_second": tally.photons / seconds,
        "scatterings_per_second": tally.scatterings / seconds,
        "working_seconds": clock.working_seconds,
        "sampler_seconds": clock.sampler_seconds,
        "sampler_share": clock.sampler_seconds / max(clock.working_seconds, 1e-9),
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
