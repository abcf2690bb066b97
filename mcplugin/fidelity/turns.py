"""One source run with several samplers that take turns, and how fast each of them was.

Samplers take turns, round by round, so that a change of the machine's speed meets all of them.
Every run has a seed of its own, so that all are independent.
"""

import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import reduce
from operator import add
from pathlib import Path
from typing import Any

import numpy as np

from mcplugin.domain import whole_number
from mcplugin.errors import InputError, OutputError, reason_of
from mcplugin.interruption import stop_on_interrupt
from mcplugin.samplers.registry import Sampler
from mcplugin.samplers.scattering import get_sampler_of_either_kind
from mcplugin.transport.configuration import Configuration
from mcplugin.transport.simulation import Result, simulate
from mcplugin.transport.spectrum import Part, Spectrum
from mcplugin.transport.tally import Grid
from mcplugin.units import ELECTRON_REST_ENERGY_KEV

# Called with (what is running, photons done, photons in all).
Progress = Callable[[str, int, int], None]
Source = Configuration | Mapping[str, Any] | str | os.PathLike[str]

# Photons after which everything is compiled and loaded.
_WARM_UP = 1000
_SEEDS = 2**64


@dataclass(frozen=True)
class Round:
    """How fast one run of a sampler was.

    Attributes
    ----------
    seed, photons : int
        What was run.
    seconds : float
        Wall time.
    photons_per_second, scatterings_per_second : float
        Per wall time, on all threads together.
    sampler_share : float
        Share of the working time that the sampler took.
    nanoseconds_per_draw : float
        Time of one thread for one electron, or one scattering if the sampler draws those.
    """

    seed: int
    photons: int
    seconds: float
    photons_per_second: float
    scatterings_per_second: float
    sampler_share: float
    nanoseconds_per_draw: float

    @classmethod
    def of(cls, result: Result) -> "Round":
        """Pick the figures of a run."""
        s = result.summary
        draws = s["electron_draws"] or s["scatterings"]
        return cls(
            seed=s["seed"],
            photons=s["photons"],
            seconds=s["seconds"],
            photons_per_second=s["photons_per_second"],
            scatterings_per_second=s["scatterings_per_second"],
            sampler_share=s["sampler_share"],
            # A source that never scatters draws nothing.
            nanoseconds_per_draw=1e9 * s["sampler_seconds"] / max(draws, 1),
        )


@dataclass(frozen=True)
class OverRounds:
    """A figure that was measured in every round.

    Attributes
    ----------
    values : tuple of float
        In the order of the rounds.
    """

    values: tuple[float, ...]

    @property
    def median(self) -> float:
        """The middle one, which a single disturbed round does not move."""
        return float(np.median(self.values))

    @property
    def range(self) -> tuple[float, float]:
        """Smallest and largest."""
        return min(self.values), max(self.values)

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers for JSON."""
        return {"median": self.median, "range": list(self.range), "rounds": list(self.values)}


@dataclass(frozen=True)
class SamplerRun:
    """All rounds of one sampler.

    Attributes
    ----------
    label : str
        The sampler's tag; numbered if it was asked for more than once.
    sampler, options : str, mapping
        What makes the sampler again; a tag such as ``gan`` may stand for another one.
    quality : mapping
        How good it is at this temperature by its own account.
    spectrum : Spectrum
        Of the photons of all rounds together.
    escaped, absorbed, cut, scatterings, electron_draws, exact_scatterings : int
        Counts over all rounds.
    amplification, amplification_error : float
        Escaping over seed energy, and its standard error.
    rounds : tuple of Round
        Speeds.
    """

    label: str
    sampler: str
    options: Mapping[str, Any]
    quality: Mapping[str, float]
    spectrum: Spectrum
    escaped: int
    absorbed: int
    cut: int
    scatterings: int
    electron_draws: int
    exact_scatterings: int
    amplification: float
    amplification_error: float
    rounds: tuple[Round, ...]

    @classmethod
    def of(cls, label: str, results: Sequence[Result]) -> "SamplerRun":
        """Put the rounds of one sampler together; each must have a seed of its own."""
        tally = reduce(add, (result.tally for result in results))
        one = results[0]
        edges_kev = np.append(one.spectrum.energy_lo, one.spectrum.energy_hi[-1])
        asked = one.configuration.tally
        grid = Grid(edges_kev / ELECTRON_REST_ENERGY_KEV, asked.angle_bins, asked.orders)
        provenance = {
            "photons": tally.photons,
            "seed": one.summary["seed"],
            "seeds": [result.summary["seed"] for result in results],
        }
        seed_energy = np.array([result.summary["energy_kev"]["seed"] for result in results])
        weight = seed_energy / max(seed_energy.sum(), np.finfo(np.float64).tiny)
        amplification = [result.summary["amplification"] for result in results]
        error = [result.summary["amplification_error"] for result in results]
        return cls(
            label=label,
            sampler=one.configuration.run.sampler,
            options=one.configuration.run.sampler_options,
            quality=one.summary["sampler_quality"],
            spectrum=Spectrum.of(tally, grid, provenance),
            escaped=tally.escaped,
            absorbed=tally.absorbed,
            cut=tally.cut,
            scatterings=tally.scatterings,
            electron_draws=tally.electron_draws,
            exact_scatterings=tally.exact_scatterings,
            amplification=float(weight @ amplification),
            amplification_error=float(np.linalg.norm(weight * error)),
            rounds=tuple(Round.of(result) for result in results),
        )

    @property
    def photons(self) -> int:
        """Seed photons of all rounds."""
        return sum(each.photons for each in self.rounds)

    @property
    def mean_scatterings(self) -> float:
        """Scatterings per seed photon."""
        return self.scatterings / self.photons

    @property
    def draws_per_scattering(self) -> float:
        """Electrons asked for per scattering: the Klein-Nishina cross-section refuses some."""
        return self.electron_draws / max(self.scatterings, 1)

    def figure(self, name: str) -> OverRounds:
        """A figure of :class:`Round` over the rounds."""
        return OverRounds(tuple(getattr(each, name) for each in self.rounds))

    def to_dict(self) -> dict[str, Any]:
        """What ``comparison.json`` holds of this sampler."""
        names = (
            "photons_per_second",
            "scatterings_per_second",
            "sampler_share",
            "nanoseconds_per_draw",
        )
        counts = (
            *("escaped", "absorbed", "cut"),
            *("scatterings", "electron_draws", "exact_scatterings"),
        )
        return {
            "sampler": self.sampler,
            "options": dict(self.options),
            "quality": dict(self.quality),
            "seeds": [each.seed for each in self.rounds],
            "photons": self.photons,
            **{name: getattr(self, name) for name in counts},
            "mean_scatterings": self.mean_scatterings,
            "draws_per_scattering": self.draws_per_scattering,
            "amplification": self.amplification,
            "amplification_error": self.amplification_error,
            "speed": {name: self.figure(name).to_dict() for name in names},
            "seconds": [each.seconds for each in self.rounds],
            "spectrum": {
                "counts": self.spectrum.counts.tolist(),
                "efe": self.spectrum.efe.tolist(),
                "efe_err": self.spectrum.efe_err.tolist(),
                "by_angle": _part_dict(self.spectrum.by_angle),
                "by_order": _part_dict(self.spectrum.by_order),
            },
        }


def _part_dict(part: Part) -> dict[str, Any]:
    return {name: values.tolist() for name, values in asdict(part).items()}


def take_turns(
    config: Source,
    samplers: Sequence[str | Sampler],
    *,
    photons: int | None = None,
    rounds: int = 5,
    seed: int | None = None,
    threads: int = 1,
    progress: Progress | None = None,
    checkpoints: str | os.PathLike[str] | None = None,
) -> tuple[SamplerRun, ...]:
    """Run one source with several samplers, in rounds in which each has its turn.

    Parameters
    ----------
    config : path, mapping or Configuration
        As for :func:`~mcplugin.transport.simulation.simulate`.
    samplers : sequence of str, ElectronVelocitySampler or ScatteringSampler
        Tags, or samplers themselves. The same one twice makes a control.
    photons : int, optional
        Seed photons of each sampler, over all rounds; overrides the configuration.
    rounds : int
        Runs of each sampler. Every round begins with another sampler.
    seed : int, optional
        Overrides the configuration. Round k of sampler i has the seed ``seed + i rounds + k``.
    threads : int
        Worker threads; speeds of single draws are most exact with one.
    progress : callable, optional
        Called with (what is running, photons done, photons in all).
    checkpoints : path, optional
        Folder in which every run is kept as it goes on; the same call again goes on from there.

    Returns
    -------
    tuple of SamplerRun
        In the order of ``samplers``; the spectra do not depend on ``threads``.

    Raises
    ------
    ConfigurationError, UnknownSamplerError, ThetaRangeError, InputError
        If the runs cannot be done as asked; nothing has been computed then.
    CheckpointError, OutputError
        If the folder cannot be written, or is that of another comparison.
    KeyboardInterrupt
        If interrupted from the keyboard: a comparison of unequal halves would mislead.
    """
    configuration = Configuration.load(config)
    run = configuration.run
    photons = whole_number("photons", run.photons if photons is None else photons, 1, 10**15)
    seed = whole_number("seed", run.seed if seed is None else seed, 0, _SEEDS - 1)
    rounds = whole_number("rounds", rounds, 1, 1000)
    threads = whole_number("threads", threads, 1, 4096)
    if rounds > photons:
        raise InputError(f"photons = {photons} are too few for {rounds} rounds: lower rounds")
    made = [
        get_sampler_of_either_kind(each, **(run.sampler_options if each == run.sampler else {}))
        for each in samplers
    ]
    labels = labels_of(samplers)
    if checkpoints is not None:
        _make_folder(Path(checkpoints))
    results: list[list[Result]] = [[] for _ in made]
    done, total = 0, photons * len(made)
    with stop_on_interrupt() as stop:

        def complete(result: Result) -> Result:
            # A partial result is valid, but no part of a fair comparison. An interrupt that came
            # when all of a run was under way leaves the run whole.
            if result.interrupted or stop.is_set():
                raise KeyboardInterrupt
            return result

        for sampler in made:
            complete(simulate(configuration, sampler, min(_WARM_UP, photons), threads=threads))
        for k in range(rounds):
            size = photons // rounds + (k < photons % rounds)
            # Each is first in turn, so that none always inherits the caches of the same other.
            for i in (np.arange(len(made)) + k) % len(made):
                title = f"{labels[i]}, round {k + 1} of {rounds}"
                kept = checkpoints and Path(checkpoints, f"sampler-{i + 1}-round-{k + 1}.h5")
                result = simulate(
                    configuration,
                    made[i],
                    size,
                    (seed + int(i) * rounds + k) % _SEEDS,
                    threads=threads,
                    progress=_shifted(progress, title, done, total),
                    checkpoint=kept,
                )
                results[i].append(complete(result))
                done += size
    return tuple(SamplerRun.of(*each) for each in zip(labels, results, strict=True))


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (OSError, ValueError) as error:
        raise OutputError(f"cannot keep checkpoints in {folder}: {reason_of(error)}") from error


def labels_of(samplers: Sequence[str | Sampler]) -> list[str]:
    """Tags, with a number where one is met again."""
    met: Counter[str] = Counter()
    labels = []
    for sampler in samplers:
        name = sampler if isinstance(sampler, str) else sampler.name
        met[name] += 1
        labels.append(name if met[name] == 1 else f"{name} ({met[name]})")
    return labels


def _shifted(
    progress: Progress | None, title: str, before: int, total: int
) -> Callable[[int, int], None] | None:
    if progress is None:
        return None
    return lambda done, _of_this_run: progress(title, before + done, total)
