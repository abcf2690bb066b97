"""The same source with several samplers: are the spectra the same, and which run is faster?

Every run has a seed of its own: the test of :mod:`mcplugin.fidelity.spectra` is for independent
runs, and runs that share random numbers agree better than chance.
"""

import math
import os
import shlex
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar

from mcplugin.domain import probability
from mcplugin.errors import InputError
from mcplugin.fidelity.document import write_report
from mcplugin.fidelity.provenance import machine, now
from mcplugin.fidelity.spectra import POWER, Band, SpectraComparison, View, compare_spectra
from mcplugin.fidelity.turns import (
    OverRounds,
    Progress,
    SamplerRun,
    Source,
    labels_of,
    take_turns,
)
from mcplugin.samplers.base import ElectronVelocitySampler
from mcplugin.transport.configuration import Configuration

# Probability that samplers of one law are told apart by mistake, over all of them.
FALSE_ALARM = 0.01
_AT_GIVEN = {"total": "", "angle": " at given angle", "order": " at given order of scattering"}


def compare(
    config: Source,
    samplers: Sequence[str | ElectronVelocitySampler] = ("rejection", "gan"),
    *,
    reference: str | None = None,
    photons: int | None = None,
    rounds: int = 5,
    seed: int | None = None,
    threads: int = 1,
    false_alarm: float = FALSE_ALARM,
    progress: Progress | None = None,
    checkpoints: str | os.PathLike[str] | None = None,
) -> "Comparison":
    """Run one source with several samplers; compare their spectra and their speeds.

    Parameters
    ----------
    config, samplers, photons, rounds, seed, threads, progress, checkpoints
        As for :func:`~mcplugin.fidelity.turns.take_turns`; at least two samplers.
    reference : str, optional
        Label of the sampler that the others are compared with; by default the first.
    false_alarm : float
        Probability at most that any of the samplers is told apart if all follow one law.

    Returns
    -------
    Comparison
        With a verdict; its method ``write`` makes files of it.

    Raises
    ------
    ConfigurationError, UnknownSamplerError, ThetaRangeError, InputError, CheckpointError
        As :func:`~mcplugin.fidelity.turns.take_turns`; or if there are too few photons
        for a single band of energies.
    """
    if isinstance(samplers, str) or not isinstance(samplers, Sequence) or len(samplers) < 2:
        raise InputError(f"samplers = {samplers!r} must be at least two, to be compared")
    for each in samplers:
        if not isinstance(each, str | ElectronVelocitySampler):
            raise InputError(f"samplers: {each!r} is neither a tag nor a sampler")
    configuration = Configuration.load(config)
    labels = labels_of(samplers)
    reference = labels[0] if reference is None else reference
    if not isinstance(reference, str) or reference not in labels:
        raise InputError(f"reference = {reference!r} is not one of {', '.join(labels)}")
    false_alarm = probability("false_alarm", false_alarm)
    seed = configuration.run.seed if seed is None else seed
    started = time.perf_counter()
    runs = take_turns(
        configuration,
        samplers,
        photons=photons,
        rounds=rounds,
        seed=seed,
        threads=threads,
        progress=progress,
        checkpoints=checkpoints,
    )
    compared_with = next(run for run in runs if run.label == reference)
    spectra = {
        run.label: compare_spectra(
            compared_with.spectrum, run.spectrum, false_alarm=false_alarm / (len(runs) - 1)
        )
        for run in runs
        if run.label != reference
    }
    tags = tuple(each for each in samplers if isinstance(each, str))
    return Comparison(
        configuration=configuration,
        source=os.fspath(config) if isinstance(config, str | os.PathLike) else None,
        tags=tags if len(tags) == len(samplers) else None,
        runs=runs,
        reference=compared_with,
        spectra=spectra,
        false_alarm=false_alarm,
        seed=seed,
        threads=threads,
        seconds=time.perf_counter() - started,
    )


@dataclass(frozen=True)
class Comparison:
    """What :func:`compare` gives.

    Attributes
    ----------
    configuration : Configuration
        The source.
    source : str or None
        Its file, if it came from one.
    tags : tuple of str or None
        The samplers as they were asked for, if by tags alone.
    runs : tuple of SamplerRun
        In the order asked for.
    reference : SamplerRun
        The one that the others are compared with.
    spectra : mapping of str to SpectraComparison
        By label, for all but the reference. Each shares evenly in the probability of a false
        alarm, so its ``differ`` is the verdict.
    false_alarm : float
        Probability at most of telling any sampler apart if all follow one law.
    seed, threads, seconds : int, int, float
        What was asked for, and how long it took.
    date : str
        UTC, ISO 8601.
    machine : mapping
        Processor, cores and versions.
    """

    configuration: Configuration
    source: str | None
    tags: tuple[str, ...] | None
    runs: tuple[SamplerRun, ...]
    reference: SamplerRun
    spectra: Mapping[str, SpectraComparison]
    false_alarm: float
    seed: int
    threads: int
    seconds: float
    date: str = field(default_factory=now)
    machine: Mapping[str, str | int] = field(default_factory=machine)

    PICTURES: ClassVar[tuple[str, ...]] = ("spectra.png", "angle.png", "order.png", "speed.png")
    FILES: ClassVar[tuple[str, ...]] = ("comparison.html", "comparison.json", *PICTURES)

    @property
    def others(self) -> tuple[SamplerRun, ...]:
        """All runs but the reference."""
        return tuple(run for run in self.runs if run.label in self.spectra)

    @property
    def told_apart(self) -> tuple[str, ...]:
        """Labels of the samplers whose spectrum is not that of the reference."""
        return tuple(label for label, spectra in self.spectra.items() if spectra.differ)

    @property
    def passed(self) -> bool:
        """Whether no sampler is told apart."""
        return not self.told_apart

    @property
    def tests(self) -> int:
        """Number of tests that share the false alarms."""
        return sum(
            len(view.bands) + 2 for spectra in self.spectra.values() for view in spectra.views
        )

    @property
    def p_value(self) -> float:
        """Family-wise p-value over all tests of all samplers."""
        return min(self.overall(spectra.p_value) for spectra in self.spectra.values())

    def overall(self, p_adjusted: float) -> float:
        """A p-value adjusted within its pair of runs, adjusted for the number of pairs too."""
        return min(p_adjusted * len(self.spectra), 1.0)

    def speed_up(self, run: SamplerRun) -> OverRounds:
        """How many times faster than the reference a whole run is, round by round."""
        pairs = zip(run.rounds, self.reference.rounds, strict=True)
        return OverRounds(tuple(a.photons_per_second / b.photons_per_second for a, b in pairs))

    @cached_property
    def bound(self) -> OverRounds:
        """How many times faster the reference's run would be if draws cost no time (Amdahl)."""
        return OverRounds(
            tuple(1.0 / max(1.0 - r.sampler_share, 1e-9) for r in self.reference.rounds)
        )

    def share_of_bound(self, run: SamplerRun) -> OverRounds:
        """What a sampler reaches of the bound: its speed over that with draws for nothing."""
        pairs = zip(self.speed_up(run).values, self.bound.values, strict=True)
        return OverRounds(tuple(reached / bound for reached, bound in pairs))

    def amplification_ratio(self, run: SamplerRun) -> tuple[float, float]:
        """Amplification over that of the reference, and its standard error."""
        one, other = self.reference, run
        ratio = other.amplification / one.amplification
        relative = math.hypot(
            one.amplification_error / one.amplification,
            other.amplification_error / other.amplification,
        )
        return ratio, ratio * relative

    @property
    def command(self) -> str | None:
        """The command that gives this comparison again; None if there is none."""
        if self.source is None or self.tags is None or self.false_alarm != FALSE_ALARM:
            return None
        words = ["mcplugin", "compare", self.source, "--samplers", ",".join(self.tags)]
        words += ["--reference", self.reference.label] * (self.reference is not self.runs[0])
        words += ["--photons", str(self.reference.photons)]
        words += ["--rounds", str(len(self.reference.rounds))]
        words += ["--seed", str(self.seed), "--threads", str(self.threads)]
        return shlex.join(words)

    @property
    def visible(self) -> tuple[Band, View]:
        """Where the least would have been seen: a band of the total spectrum, a view's mean ln E.

        For that sampler of which most would have had to change.
        """
        bands = [
            min(spectra.views[0].bands, key=lambda band: band.visible)
            for spectra in self.spectra.values()
        ]
        views = [
            min(spectra.views, key=lambda view: view.drift_visible)
            for spectra in self.spectra.values()
        ]
        return (
            max(bands, key=lambda band: band.visible),
            max(views, key=lambda view: view.drift_visible),
        )

    def finding(self, label: str) -> str:
        """What came of one sampler, in a few words."""
        spectra = self.spectra[label]
        if not spectra.differ:
            limit = min(spectra.views[0].bands, key=lambda band: band.limit)
            return f"less than {100 * limit.limit:.2g} % off at {limit.energies}"
        largest = spectra.largest_difference
        if largest is not None:
            part = "" if largest.part == "all" else f", {largest.part}"
            ratio = plus_minus(largest.ratio, largest.ratio_error)
            return f"ratio {ratio} at {largest.energies}{part}"
        view = min(spectra.views, key=lambda view: view.p_value)
        if view.drift_p_adjusted <= view.chi2_p_adjusted:
            drift = plus_minus(view.drift, view.drift_error)
            return f"mean of ln E{_AT_GIVEN[view.name]} off by {drift}"
        return f"χ² = {view.chi2:.1f} for {view.degrees} degrees of freedom{_AT_GIVEN[view.name]}"

    @property
    def sentence(self) -> str:
        """The verdict in one sentence."""
        each = f"with {self.reference.photons:,} photons each"
        if self.passed:
            band, view = self.visible
            names = _listed([run.label for run in self.others])
            are = "is" if len(self.others) == 1 else "are"
            return (
                f"{names} {are} not told apart from {self.reference.label} {each}; a change of "
                f"{100 * band.visible:.2g} % in the best band of energies would have been seen, "
                f"and a shift of the mean of ln E by {view.drift_visible:.2g}{_AT_GIVEN[view.name]}"
            )
        found = _listed([f"{label} ({self.finding(label)})" for label in self.told_apart])
        alike = [run.label for run in self.others if run.label not in self.told_apart]
        rest = f"; {_listed(alike)} {'is' if len(alike) == 1 else 'are'} not" if alike else ""
        are = "is" if len(self.told_apart) == 1 else "are"
        return f"{found} {are} told apart from {self.reference.label} {each}{rest}"

    def to_dict(self) -> dict[str, Any]:
        """What ``comparison.json`` holds: plain numbers, lists and text."""
        spectrum = self.reference.spectrum
        band, view = self.visible
        return {
            "verdict": {
                "passed": self.passed,
                "sentence": self.sentence,
                "told_apart": list(self.told_apart),
                "reference": self.reference.label,
                "p_value": self.p_value,
                "tests": self.tests,
                "false_alarm_probability": self.false_alarm,
                "visible": {
                    "with_probability": POWER,
                    "in_a_band": band.visible,
                    "shift_of_ln_energy": view.drift_visible,
                    "shift_in_view": view.name,
                },
            },
            "samplers": {run.label: run.to_dict() for run in self.runs},
            "comparisons": {
                label: {
                    "finding": self.finding(label),
                    "p_value_over_all_samplers": self.overall(spectra.p_value),
                    **spectra.to_dict(),
                }
                for label, spectra in self.spectra.items()
            },
            "speed": {
                "amdahl_bound": self.bound.to_dict(),
                "speed_up": {run.label: self.speed_up(run).to_dict() for run in self.runs},
                "share_of_bound": {
                    run.label: self.share_of_bound(run).to_dict() for run in self.runs
                },
            },
            "grid": {
                "energy_lo_kev": spectrum.energy_lo.tolist(),
                "energy_hi_kev": spectrum.energy_hi.tolist(),
                "cosine_edges": spectrum.cosine_edges.tolist(),
                "seed_efe": spectrum.seed_efe.tolist(),
            },
            "provenance": {
                "configuration": self.configuration.model_dump(mode="json", exclude_none=True),
                "source": self.source,
                "command": self.command,
                "date": self.date,
                "seconds": self.seconds,
                "seed": self.seed,
                "threads": self.threads,
                "machine": dict(self.machine),
            },
        }

    def write(self, folder: str | os.PathLike[str]) -> None:
        """Write ``comparison.html``, ``comparison.json`` and the pictures into a folder.

        Existing files of these names are replaced. The page needs none of the others.

        Raises
        ------
        OutputError
            If the folder cannot be written.
        """
        from mcplugin.fidelity.comparison_page import page
        from mcplugin.fidelity.comparison_pictures import pictures

        drawn = pictures(self)
        write_report(folder, "comparison", self.to_dict(), drawn, page(self, drawn))


def plus_minus(value: float, error: float) -> str:
    """A value with its error, both to the error's second digit."""
    if not 0.0 < error < math.inf:
        return f"{value:.4g}"
    digits = max(1 - math.floor(math.log10(error)), 0)
    return f"{value:.{digits}f} ± {error:.{digits}f}"


def _listed(names: Sequence[str]) -> str:
    """Names as a sentence lists them."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
