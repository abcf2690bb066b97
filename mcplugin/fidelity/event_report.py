"""What the validation of a scattering sampler found, as one object, and as a folder of files."""

import math
import os
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy import special

from mcplugin.fidelity.classifier import Discrimination
from mcplugin.fidelity.document import write_report
from mcplugin.fidelity.equilibrium import (
    BAND_EDGES,
    EQUILIBRIUM,
    SCATTERINGS,
    Equilibrium,
    net_currents,
)
from mcplugin.fidelity.event_independence import Refusal
from mcplugin.fidelity.event_law import TAIL_PROBABILITIES
from mcplugin.fidelity.event_quadrature import EventQuadrature
from mcplugin.fidelity.event_tests import (
    BARS,
    COSINE,
    ENERGY,
    GAIN,
    GIVEN_COSINE,
    SQUARE,
    TAILS,
    EventTest,
)
from mcplugin.fidelity.provenance import machine, now, validation_command
from mcplugin.fidelity.verdict import (
    FALSE_ALARM,
    POWER,
    Verdict,
    holm,
    verdict,
    visible_to_kolmogorov,
)

Array = NDArray[np.float64]
Place = tuple[float, float]
Where = tuple[float | None, float]

# Upper limits hold with a probability of 95 %.
_SIGMAS = float(special.ndtri(0.95))

_COLD_GAIN = f"{GAIN} up to Θ = {BARS.cold:g}"
_HOT_GAIN = f"{GAIN} above Θ = {BARS.cold:g}"


@dataclass(frozen=True)
class EventSettings:
    """What was asked for; see :func:`~mcplugin.fidelity.event_validation.validate_scattering`."""

    events: int
    photons: int
    cells: int
    seed: int


@dataclass(frozen=True)
class Judgement:
    """One bar, and what is known about it.

    Attributes
    ----------
    name : str
        What is judged.
    bar : float
        Error that is accepted.
    computed : float or None
        Largest error without sampling, where there is a generator.
    computed_at : (float or None, float) or None
        Photon energy, if there is one, and temperature of it.
    worst : EventTest
        Test with the largest error, the noise subtracted.
    typical, typical_limit : float
        Root mean square error of all tests, the noise subtracted, and what it is not above with a
        probability of at least 95 %.
    limit : float
        What no error is above, each with a probability of 95 %.
    exceeded : bool
        Whether the bar is exceeded for certain: without sampling, or by events that an error within
        the bar gives with less than the stated probability.
    """

    name: str
    bar: float
    computed: float | None
    computed_at: Where | None
    worst: EventTest
    typical: float
    typical_limit: float
    limit: float
    exceeded: bool

    @property
    def kept(self) -> bool:
        """Whether it is known that the bar is kept, rather than not known to be exceeded."""
        within = self.limit if self.computed is None else self.computed
        return not self.exceeded and within <= self.bar

    @property
    def outcome(self) -> str:
        """In words."""
        if self.exceeded:
            return "exceeded"
        return "kept" if self.kept else "not exceeded, as far as these events tell"


@dataclass(frozen=True)
class EventReport:
    """What :func:`~mcplugin.fidelity.event_validation.validate_scattering` gives.

    Attributes
    ----------
    sampler : str
        Tag of the sampler.
    options : mapping
        Constructor options that make it again.
    theta_range, x_range : (float, float)
        Temperatures and photon energies for which it says it is valid.
    compared_range : pair of (float, float)
        Photon energies and temperatures between which the places lie.
    settings : EventSettings
        Numbers and seed.
    threads, seconds : int, float
        What it took.
    table_error : float
        Largest error of the tabulated exact law.
    refusals : tuple of Refusal
        What must be refused.
    places : tuple of (float, float)
        Photon energies and temperatures at which events were drawn.
    computed : EventQuadrature or None
        Errors without sampling, if the sampler has a generator.
    tail_counts : (places, 3) array of int64
        Events beyond exact survival 1e-3, 1e-4 and 1e-5.
    equilibrium : tuple of Equilibrium
        What became of Wien spectra.
    classifier, control : Discrimination
        Sampler against exact events, and exact events against themselves.
    tests : tuple of EventTest
        Everything the verdict is about.
    date : str
        UTC, ISO 8601.
    machine : dict
        Processor and versions.
    """

    sampler: str
    options: Mapping[str, Any]
    theta_range: Place
    x_range: Place
    compared_range: tuple[Place, Place]
    settings: EventSettings
    threads: int
    seconds: float
    table_error: float
    refusals: tuple[Refusal, ...]
    places: tuple[Place, ...]
    computed: EventQuadrature | None
    tail_counts: NDArray[np.int64]
    equilibrium: tuple[Equilibrium, ...]
    classifier: Discrimination
    control: Discrimination
    tests: tuple[EventTest, ...]
    date: str = field(default_factory=now)
    machine: dict[str, str | int] = field(default_factory=machine)

    PICTURES: ClassVar[tuple[str, ...]] = (
        "cells.png",
        "p_values.png",
        "moments.png",
        "tails.png",
        "equilibrium.png",
        "tests.png",
    )
    FILES: ClassVar[tuple[str, ...]] = ("report.json", "report.html", *PICTURES)

    @cached_property
    def verdict(self) -> Verdict[EventTest]:
        """Whether the events are told apart from exact ones."""
        return verdict(self.tests)

    @cached_property
    def condemnation(self) -> Verdict[EventTest]:
        """Whether a bar is exceeded, or a test failed that an approximate sampler passes, too."""
        judging = [t for t in self.tests if t.bar is not None or t.must_be_exact]
        return verdict([replace(test, p_value=test.condemning) for test in judging])

    @property
    def refuses(self) -> bool:
        """Whether all that must be refused was refused."""
        return all(refusal.refused for refusal in self.refusals)

    @property
    def passed(self) -> bool:
        """Whether no bar is exceeded, scatterings are independent, and what must be is refused."""
        return (
            self.refuses
            and not self.condemnation.told_apart
            and not any(each.exceeded for each in self.judgements)
        )

    @property
    def events_per_place(self) -> int:
        """Events drawn at each place."""
        return self.settings.events // len(self.places)

    @property
    def visible_distance(self) -> float:
        """D = sup |F - F_exact| that the events of any one place would have shown (95 %)."""
        return visible_to_kolmogorov(self.events_per_place)(self.verdict.level)

    @cached_property
    def judgements(self) -> tuple[Judgement, ...]:
        """What is known about each bar."""
        columns = self._computed_errors()
        survivals = f"{TAIL_PROBABILITIES[0]:.0e} to {TAIL_PROBABILITIES[-1]:.0e}"
        bars: list[tuple[str, float, Callable[[EventTest], bool]]] = [
            (COSINE, BARS.distance, lambda t: (t.family, t.subject) == (COSINE, "KS")),
            (ENERGY, BARS.distance, lambda t: (t.family, t.subject) == (ENERGY, "KS")),
            (GIVEN_COSINE, BARS.distance, lambda t: t.family == GIVEN_COSINE),
            (_COLD_GAIN, BARS.gain_cold, lambda t: t.subject == GAIN and _is_cold(t.theta)),
            (_HOT_GAIN, BARS.gain_hot, lambda t: t.subject == GAIN and not _is_cold(t.theta)),
            (SQUARE, BARS.square, lambda t: t.subject == SQUARE),
            (TAILS, BARS.tail, lambda t: t.family == TAILS),
            (
                EQUILIBRIUM,
                BARS.equilibrium,
                lambda t: t.family == EQUILIBRIUM and t.bar is not None,
            ),
        ]
        names = {
            COSINE: f"KS distance of the {COSINE}",
            ENERGY: f"KS distance of the {ENERGY}",
            GIVEN_COSINE: f"KS distance of the {GIVEN_COSINE}",
            TAILS: f"survival of x′/x at {survivals}",
            EQUILIBRIUM: f"⟨x/Θ⟩ = 3 after {SCATTERINGS[-1]} scatterings",
        }
        found = []
        for key, bar, belongs in bars:
            tests = [test for test in self.tests if belongs(test)]
            if tests:
                name = names.get(key, key)
                found.append(self._judgement(name, bar, tests, columns.get(key, [])))
        return tuple(found)

    def _computed_errors(self) -> dict[str, list[tuple[float, Where]]]:
        """Errors without sampling, and where they are, by the bar that they are held against."""
        computed = self.computed
        if computed is None:
            return {}
        columns = {
            COSINE: computed.cosine,
            ENERGY: computed.energy,
            GIVEN_COSINE: computed.energy_given_cosine.max(axis=1),
            SQUARE: np.abs(computed.square),
            TAILS: np.abs(computed.tail).max(axis=1),
        }
        errors: dict[str, list[tuple[float, Where]]] = {
            name: [(float(error), place) for error, place in zip(column, self.places, strict=True)]
            for name, column in columns.items()
        }
        for name, cold in ((_COLD_GAIN, True), (_HOT_GAIN, False)):
            errors[name] = [
                (abs(float(error)), place)
                for error, place in zip(computed.gain, self.places, strict=True)
                if _is_cold(place[1]) == cold
            ]
        errors[EQUILIBRIUM] = [
            (abs(each.after(SCATTERINGS[-1], each.computed_drift)), (None, each.theta))
            for each in self.equilibrium
            if each.computed_drift is not None
        ]
        return errors

    def _judgement(
        self, name: str, bar: float, tests: list[EventTest], errors: list[tuple[float, Where]]
    ) -> Judgement:
        largest, at = max(errors, default=(None, None), key=lambda error: error[0] or 0.0)
        noise = np.array([test.noise or 0.0 for test in tests])
        square = float(np.mean([test.deviation**2 for test in tests]) - np.mean(noise**2))
        # Of a normal deviation; that of a KS distance is half as large.
        spread = math.sqrt(2.0 * float(np.sum(noise**4))) / len(tests)
        condemned = any(_key(test) in self._condemned for test in tests)
        return Judgement(
            name=name,
            bar=bar,
            computed=largest,
            computed_at=at,
            worst=max(tests, key=lambda test: test.excess or 0.0),
            typical=math.sqrt(max(square, 0.0)),
            typical_limit=math.sqrt(max(square, 0.0) + _SIGMAS * spread),
            limit=max(test.limit or 0.0 for test in tests),
            exceeded=condemned or (largest is not None and largest > bar),
        )

    @cached_property
    def _condemned(self) -> set[tuple[Any, ...]]:
        return {_key(test) for test, _ in self.condemnation.rejected}

    @property
    def command(self) -> str:
        """The command that gives this report again."""
        return validation_command(self.sampler, self.options, asdict(self.settings))

    @property
    def sentence(self) -> str:
        """The verdict in one sentence."""
        sentences = [self._about_faults()] if not self.passed else []
        if self.verdict.told_apart:
            worst, _ = self.verdict.rejected[0]
            sentences.append(
                f"told apart from exact by {_counted(self.verdict)}, first of all by "
                f"{worst.family}, {worst.subject}{at_place(worst)}, off by {worst.deviation:.2g}"
            )
            if self.passed:
                sentences.append("no bar is exceeded")
        else:
            sentences.append(
                f"indistinguishable from exact in {self.settings.events:,} events at "
                f"{len(self.places)} places; an error of D >= {self.visible_distance:.1e} at any "
                "of them would have been seen"
            )
        return "; ".join(sentences)

    def _about_faults(self) -> str:
        """What the sampler failed by."""
        faults = [
            f"{each.name}: {(each.computed or 0.0):.2g} without sampling, where {each.bar:g} is "
            "accepted"
            for each in self.judgements
            if each.computed is not None and each.computed > each.bar
        ]
        if self.condemnation.told_apart:
            worst, _ = self.condemnation.rejected[0]
            accepted = "no error" if worst.must_be_exact else f"{worst.bar:g}"
            faults.append(
                f"{_counted(self.condemnation)} find errors that are not accepted, first of all "
                f"{worst.family}, {worst.subject}{at_place(worst)}, off by {worst.deviation:.2g} "
                f"where {accepted} is accepted"
            )
        if not self.refuses:
            faults.append("what must be refused is scattered")
        return "; ".join(faults)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a reader should know besides the verdict."""
        found = []
        open_bars = [each.name for each in self.judgements if not (each.kept or each.exceeded)]
        if open_bars:
            found.append(
                "more events would be needed to know that these bars are kept everywhere: "
                + ", ".join(open_bars)
            )
        low, high = self.compared_range[0]
        if (low, high) != self.x_range:
            found.append(
                f"the sampler is for {self.x_range[0]:.3g} <= x <= {self.x_range[1]:.3g}; places "
                f"lie in {low:.3g} <= x <= {high:.3g}"
            )
        if self.control.p_value < self.verdict.false_alarm:
            found.append("the classifier tells exact events from exact ones: distrust its result")
        return tuple(found)

    def to_dict(self) -> dict[str, Any]:
        """What ``report.json`` holds: plain numbers, lists and text."""
        v = self.verdict
        return {
            "sampler": self.sampler,
            "options": dict(self.options),
            "theta_range": list(self.theta_range),
            "x_range": list(self.x_range),
            "compared_x_range": list(self.compared_range[0]),
            "compared_theta_range": list(self.compared_range[1]),
            "verdict": {
                "passed": self.passed,
                "told_apart": v.told_apart,
                "sentence": self.sentence,
                "warnings": list(self.warnings),
                "tests": v.tests,
                "rejected": len(v.rejected),
                "not_accepted": len(self.condemnation.rejected),
                "smallest_adjusted_p_value": v.smallest_p_value,
                "false_alarm_probability": FALSE_ALARM,
                "level_of_one_test": v.level,
                "visible_distance": self.visible_distance,
                "visible_with_probability": POWER,
            },
            "bars": [self._bar_dict(each) for each in self.judgements],
            "without_sampling": self._computed_dict(),
            "tails": self._tail_dict(),
            "equilibrium": [_equilibrium_dict(found) for found in self.equilibrium],
            "classifier": {"sampler": asdict(self.classifier), "control": asdict(self.control)},
            "refusals": [asdict(refusal) for refusal in self.refusals],
            "error_of_tables": self.table_error,
            "tests": self._test_dicts(),
            "provenance": {
                "command": self.command,
                "date": self.date,
                "seconds": self.seconds,
                "threads": self.threads,
                "settings": asdict(self.settings),
                "machine": self.machine,
            },
        }

    def _bar_dict(self, each: Judgement) -> dict[str, Any]:
        return {
            "name": each.name,
            "bar": each.bar,
            "outcome": each.outcome,
            "computed": each.computed,
            "computed_at": None if each.computed_at is None else list(each.computed_at),
            "largest_excess": each.worst.excess,
            "at": [each.worst.x, each.worst.theta],
            "noise_there": each.worst.noise,
            "typical_excess": each.typical,
            "typical_limit_95": each.typical_limit,
            "limit_95": each.limit,
        }

    def _computed_dict(self) -> dict[str, Any] | None:
        if self.computed is None:
            return None
        return {name: column.tolist() for name, column in asdict(self.computed).items()}

    def _tail_dict(self) -> list[dict[str, Any]]:
        rows = []
        for k, probability in enumerate(TAIL_PROBABILITIES):
            subject = f"survival {probability:.0e}"
            (together,) = (t for t in self.tests if t.theta is None and t.subject == subject)
            rows.append(
                {
                    "survival": probability,
                    "counts": self.tail_counts[:, k].tolist(),
                    "ratio_of_all": 1.0 + together.deviation,
                    "error_of_all": together.noise,
                }
            )
        return rows

    def _test_dicts(self) -> list[dict[str, Any]]:
        adjusted = holm([test.p_value for test in self.tests])
        return [
            {
                "family": test.family,
                "subject": test.subject,
                "x": test.x,
                "theta": test.theta,
                "draws": test.draws,
                "deviation": test.deviation,
                "noise": test.noise,
                "excess": test.excess,
                "bar": test.bar,
                "p_value": test.p_value,
                "adjusted_p_value": float(adjusted[i]),
                "p_value_beyond_bar": test.beyond_bar if test.bar is not None else None,
                "must_be_exact": test.must_be_exact,
                "visible": test.visible(self.verdict.level),
            }
            for i, test in enumerate(self.tests)
        ]

    def write(self, folder: str | os.PathLike[str]) -> None:
        """Write ``report.json``, ``report.html`` and the pictures into a folder.

        Existing files of these names are replaced. The page needs none of the others.

        Raises
        ------
        OutputError
            If the folder cannot be written.
        """
        from mcplugin.fidelity.event_page import page
        from mcplugin.fidelity.event_pictures import pictures

        drawn = pictures(self)
        write_report(folder, "report", self.to_dict(), drawn, page(self, drawn))


def _is_cold(theta: float | None) -> bool:
    return theta is not None and theta <= BARS.cold


def _key(test: EventTest) -> tuple[Any, ...]:
    """What a test is about."""
    return test.family, test.subject, test.x, test.theta


def at_place(test: EventTest) -> str:
    """The place of a test in words, if it had one."""
    x = "" if test.x is None else f"x = {test.x:.3g}"
    theta = "" if test.theta is None else f"theta = {test.theta:.3g}"
    place = ", ".join(part for part in (x, theta) if part)
    return f" at {place}" if place else ""


def _counted(found: Verdict[EventTest]) -> str:
    """How many tests failed, by family."""
    families = Counter(test.family for test, _ in found.rejected)
    listed = ", ".join(f"{family} {count}" for family, count in families.items())
    return f"{len(found.rejected)} of {found.tests} tests ({listed})"


def _equilibrium_dict(found: Equilibrium) -> dict[str, Any]:
    up, down = net_currents(found.exchanged)
    last = SCATTERINGS[-1]
    return {
        "theta": found.theta,
        "photons": found.photons,
        "after": list(SCATTERINGS),
        "mean_x_over_theta": found.mean.tolist(),
        "error": found.error.tolist(),
        "drift_per_scattering": found.drift,
        "error_of_drift": found.drift_error,
        "computed_drift_per_scattering": found.computed_drift,
        "relaxation": found.relaxation,
        f"drift_after_{last}": found.after(last),
        f"computed_drift_after_{last}": (
            None if found.computed_drift is None else found.after(last, found.computed_drift)
        ),
        "band_edges": BAND_EDGES.tolist(),
        "upwards": up.tolist(),
        "downwards": down.tolist(),
    }
