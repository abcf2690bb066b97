"""What a validation found, as one object, and as a folder of JSON, pictures and one page."""

import math
import os
import platform
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy import special

from mcplugin.fidelity.classifier import Discrimination
from mcplugin.fidelity.document import write_report
from mcplugin.fidelity.map_distance import TAIL_PROBABILITIES, MapDistance
from mcplugin.fidelity.moments import survival_interval
from mcplugin.fidelity.provenance import now, validation_command
from mcplugin.fidelity.single_samples import SingleSamples
from mcplugin.fidelity.uniformity import kolmogorov_quantile, rare_p_values
from mcplugin.fidelity.verdict import (
    POWER,
    SampledTest,
    Verdict,
    holm,
    visible_to_kolmogorov,
)

Array = NDArray[np.float64]

# Upper limits of a distance hold with this probability.
_CONFIDENCE = 0.95
_SIGMAS = float(special.ndtri(_CONFIDENCE))


@dataclass(frozen=True)
class Settings:
    """What was asked for; see :func:`~mcplugin.fidelity.validation.validate`."""

    draws: int
    pooled: int
    thetas: int
    seeds: int
    seed: int


@dataclass(frozen=True)
class RangeCheck:
    """What came of asking for a temperature that must be refused.

    Attributes
    ----------
    theta : float
        Beyond the sampler's range, or NaN.
    refused : bool
        Whether it was refused with the right error, alone and as one of several.
    answer : str
        The error's message, or what happened instead.
    """

    theta: float
    refused: bool
    answer: str


def _versions() -> dict[str, str]:
    packages = ("mcplugin", "numpy", "scipy", "numba")
    return {"python": platform.python_version(), **{name: version(name) for name in packages}}


@dataclass(frozen=True)
class Report:
    """What :func:`~mcplugin.fidelity.validation.validate` gives.

    Attributes
    ----------
    sampler : str
        Tag of the sampler.
    options : mapping
        Constructor options that make it again.
    theta_range : (float, float)
        Temperatures for which it says it is valid.
    settings : Settings
        Sample sizes and seed.
    threads, seconds : int, float
        What it took.
    theta : (t,) array
        Random temperatures of the sampled tests, ascending.
    range_checks : tuple of RangeCheck
        Temperatures that must be refused.
    map_distance : MapDistance or None
        Distance without sampling, if the sampler has a radial map.
    single_samples : SingleSamples
        Tests of single samples, shape (t, seeds).
    tail_counts : (t, 4) array of int64
        Pooled draws beyond exact survival 1e-3, 1e-4, 1e-5 and 1e-6.
    tests : tuple of SampledTest
        Everything the verdict is about.
    classifier, control : Discrimination
        Sampler against exact rejection, and exact rejection against itself.
    verdict : Verdict
        Whether the draws are told apart from exact ones.
    date : str
        UTC, ISO 8601.
    versions : dict
        Of Python and the packages that matter.
    """

    sampler: str
    options: Mapping[str, Any]
    theta_range: tuple[float, float]
    settings: Settings
    threads: int
    seconds: float
    theta: Array
    range_checks: tuple[RangeCheck, ...]
    map_distance: MapDistance | None
    single_samples: SingleSamples
    tail_counts: NDArray[np.int64]
    tests: tuple[SampledTest, ...]
    classifier: Discrimination
    control: Discrimination
    verdict: Verdict[SampledTest]
    date: str = field(default_factory=now)
    versions: dict[str, str] = field(default_factory=_versions)

    PICTURES: ClassVar[tuple[str, ...]] = (
        "distance.png",
        "p_values.png",
        "moments.png",
        "tails.png",
        "tests.png",
    )
    FILES: ClassVar[tuple[str, ...]] = ("report.json", "report.html", *PICTURES)

    @property
    def refuses(self) -> bool:
        """Whether all temperatures that must be refused were refused."""
        return all(check.refused for check in self.range_checks)

    @property
    def passed(self) -> bool:
        """Whether the sampler was neither told apart from exact nor drew outside its range."""
        return self.refuses and not self.verdict.told_apart

    @property
    def visible_distance(self) -> float:
        """D = sup |F - F_exact| that the pool of any one temperature would have shown (95 %)."""
        return visible_to_kolmogorov(self.settings.pooled)(self.verdict.level)

    @property
    def pooled_distances(self) -> tuple[SampledTest, ...]:
        """Kolmogorov-Smirnov tests of the pools, one per temperature."""
        return tuple(t for t in self.tests if (t.family, t.subject) == ("pooled", "KS"))

    @property
    def command(self) -> str:
        """The command that gives this report again."""
        return validation_command(self.sampler, self.options, asdict(self.settings))

    @property
    def sentence(self) -> str:
        """The verdict in one sentence."""
        v, s = self.verdict, self.settings
        if v.told_apart:
            failed = Counter(test.family for test, _ in v.rejected)
            families = ", ".join(f"{family} {count}" for family, count in failed.items())
            worst = _most_telling([test for test, _ in v.rejected])
            where = "" if worst.theta is None else f" at theta = {worst.theta:.4g}"
            text = (
                f"told apart from exact by {len(v.rejected)} of {v.tests} tests ({families}): "
                f"{worst.family} {worst.subject}{where} is off by {worst.deviation:.2g} "
                f"(p = {worst.p_value:.1g})"
            )
        else:
            text = (
                f"indistinguishable from exact at {s.pooled:,} pooled draws at each of "
                f"{s.thetas} temperatures; an error of D >= {self.visible_distance:.1e} "
                "at any of them would have been seen"
            )
        if not self.refuses:
            text += "; draws electrons outside its range of temperatures"
        return text

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a reader should know besides the verdict."""
        found = []
        measured = self.map_distance
        if measured is not None and not measured.monotone:
            where = measured.theta[np.argmin(measured.smallest_slope)]
            found.append(
                f"the radial map is not monotone (at theta = {where:.4g}, say): its distance D "
                "without sampling is not to be trusted"
            )
        largest = max(self.pooled_distances, key=lambda test: test.deviation)
        if measured is not None and largest.p_value < self.verdict.level:
            chance = kolmogorov_quantile(self.verdict.level) / math.sqrt(largest.draws)
            if largest.deviation > float(np.max(measured.distance)) + chance:
                found.append(
                    f"at theta = {largest.theta:.4g} the draws are farther off than the radial map"
                )
        if self.control.p_value < self.verdict.false_alarm:
            found.append(
                "the classifier tells exact electrons from exact ones: distrust its result"
            )
        return tuple(found)

    def to_dict(self) -> dict[str, Any]:
        """What ``report.json`` holds: plain numbers, lists and text."""
        v = self.verdict
        adjusted = holm([test.p_value for test in self.tests])
        return {
            "sampler": self.sampler,
            "options": dict(self.options),
            "theta_range": list(self.theta_range),
            "verdict": {
                "passed": self.passed,
                "told_apart": v.told_apart,
                "sentence": self.sentence,
                "warnings": list(self.warnings),
                "tests": v.tests,
                "rejected": len(v.rejected),
                "smallest_adjusted_p_value": v.smallest_p_value,
                "false_alarm_probability": v.false_alarm,
                "level_of_one_test": v.level,
                "visible_distance": self.visible_distance,
                "visible_with_probability": POWER,
            },
            "distance_without_sampling": self._map_dict(),
            "distance_sampled": self._sampled_distance(),
            "p_values": self._p_value_dict(),
            "tails": self._tail_dict(),
            "classifier": {"sampler": asdict(self.classifier), "control": asdict(self.control)},
            "range_checks": [
                {"theta": str(check.theta), "refused": check.refused, "answer": check.answer}
                for check in self.range_checks
            ],
            "tests": [
                {
                    "family": test.family,
                    "subject": test.subject,
                    "theta": test.theta,
                    "draws": test.draws,
                    "deviation": test.deviation,
                    "p_value": test.p_value,
                    "adjusted_p_value": float(adjusted[i]),
                    "visible": test.visible(v.level),
                }
                for i, test in enumerate(self.tests)
            ],
            "provenance": {
                "command": self.command,
                "date": self.date,
                "seconds": self.seconds,
                "threads": self.threads,
                "settings": asdict(self.settings),
                "versions": self.versions,
            },
        }

    def _map_dict(self) -> dict[str, Any] | None:
        measured = self.map_distance
        if measured is None:
            return None
        worst = int(np.argmax(measured.distance))
        tail_error = np.abs(measured.tail_ratio - 1.0)
        return {
            "largest": float(measured.distance[worst]),
            "at_theta": float(measured.theta[worst]),
            "monotone": measured.monotone,
            "smallest_slope_over_sqrt_theta": float(np.min(measured.smallest_slope)),
            "largest_mean_energy_error": float(np.max(np.abs(measured.mean_energy_error))),
            "largest_tail_error": {
                f"{probability:.0e}": float(np.max(tail_error[:, k]))
                for k, probability in enumerate(TAIL_PROBABILITIES)
            },
            **{name: column.tolist() for name, column in asdict(measured).items()},
        }

    def _sampled_distance(self) -> dict[str, Any]:
        """Distances of the pools, with upper limits of the true distance.

        Where the cdf is off by D the empirical one is off by at least D - 1.645/(2√n) with
        probability 0.95.
        """
        distances = [test.deviation for test in self.pooled_distances]
        margin = 0.5 * _SIGMAS / math.sqrt(self.settings.pooled)
        return {
            "theta": self.theta.tolist(),
            "distance": distances,
            "upper_limit": [distance + margin for distance in distances],
            "confidence": _CONFIDENCE,
            "largest": max(distances),
            "largest_upper_limit": max(distances) + margin,
        }

    def _p_value_dict(self) -> dict[str, Any]:
        pooled = {
            subject: [
                test.p_value
                for test in self.tests
                if (test.family, test.subject) == ("pooled", subject)
            ]
            for subject in ("KS", "AD")
        }
        singles = self.single_samples
        groups = {
            "single_ks": singles.ks_p_value,
            "single_ad": singles.ad_p_value,
            "pooled_ks": np.array(pooled["KS"]),
            "pooled_ad": np.array(pooled["AD"]),
        }
        result: dict[str, Any] = {}
        for name, values in groups.items():
            rare, probability = rare_p_values(values)
            result[name] = {
                "number": values.size,
                "mean": float(np.mean(values)),
                "smallest": float(np.min(values)),
                "below_0.01": rare,
                "probability_of_that": probability,
                "values": values.tolist(),
            }
        return result

    def _tail_dict(self) -> list[dict[str, Any]]:
        rows = []
        for k, probability in enumerate(TAIL_PROBABILITIES):
            expected = probability * self.settings.pooled
            counts = self.tail_counts[:, k]
            rows.append(
                {
                    "survival": probability,
                    "expected": expected,
                    "counts": counts.tolist(),
                    "ratio": (counts / expected).tolist(),
                    "interval_95": [survival_interval(int(c), expected) for c in counts],
                }
            )
        return rows

    def write(self, folder: str | os.PathLike[str]) -> None:
        """Write ``report.json``, ``report.html`` and the pictures into a folder.

        Existing files of these names are replaced. The page needs none of the others.

        Raises
        ------
        OutputError
            If the folder cannot be written.
        """
        from mcplugin.fidelity.page import page
        from mcplugin.fidelity.pictures import pictures

        drawn = pictures(self)
        write_report(folder, "report", self.to_dict(), drawn, page(self, drawn))


def _most_telling(rejected: Sequence[SampledTest]) -> SampledTest:
    """The largest distance of a pool, or else the failed test with the smallest p-value."""
    distances = [test for test in rejected if (test.family, test.subject) == ("pooled", "KS")]
    return max(distances, key=lambda test: test.deviation, default=rejected[0])
