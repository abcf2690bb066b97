"""The validation report as one page that needs nothing else: for a telephone or a referee."""

from collections.abc import Callable, Mapping, Sequence
from html import escape

import numpy as np

from mcplugin.fidelity.classifier import Discrimination
from mcplugin.fidelity.document import document, figures, table, tiles, verdict_box
from mcplugin.fidelity.map_distance import TAIL_PROBABILITIES, MapDistance
from mcplugin.fidelity.report import Report
from mcplugin.fidelity.uniformity import rare_p_values
from mcplugin.fidelity.verdict import SampledTest, Test, Verdict

_FAMILY_NOTES = {
    "pooled": "KS: D = sup |F_n − F|. AD: height of the smooth deviation 4D·F(1 − F) that gives "
    "the statistic.",
    "all pools together": "All temperatures in one histogram of F(u): sees errors of one sign.",
    "p-values": "Whether the p-values are uniform; deviations are D of the p-values, the share "
    "below 0.01 minus 0.01, and D of the worst sample.",
    "moments": "Relative errors, with exact standard errors.",
    "tails": "Survival over exact survival, minus 1.",
    "isotropy": "D of cosines, azimuths and magnitudes; lengths of mean vectors and tensors.",
    "independence": "Correlation coefficients of ranks F(u) and of their squared distance from "
    "the median; root-mean-square modulation of pair frequencies in 16 × 16 cells.",
    "classifier": "AUC on held-out draws, minus ½.",
}


def page(report: Report, pictures: Mapping[str, bytes]) -> str:
    """The whole page as HTML.

    Parameters
    ----------
    report : Report
    pictures : mapping
        PNG files by name, as :func:`mcplugin.fidelity.pictures.pictures` gives them.
    """
    options = ", ".join(f"{key} = {value}" for key, value in report.options.items())
    low, high = report.theta_range
    title = f"Validation of the electron sampler “{report.sampler}”"
    body = [
        f"<h1>{escape(title)}</h1>",
        f'<p class="soft">{escape(options + ", " if options else "")}'
        f"{low:.4g} ≤ Θ ≤ {high:g}; against the exact Maxwell-Jüttner distribution</p>",
        _verdict(report),
        _numbers(report),
        "<h2>Distribution</h2>",
        _without_sampling(report.map_distance),
        _pooled(report),
        figures(pictures, ("distance.png", "p_values.png")),
        "<h2>Moments and tails</h2>",
        _tails(report),
        figures(pictures, ("moments.png", "tails.png")),
        "<h2>A trained discriminator</h2>",
        _classifier(report),
        "<h2>All sampled tests</h2>",
        families(report.tests, report.verdict, _FAMILY_NOTES, ("Θ", _theta)),
        figures(pictures, ("tests.png",)),
        "<h2>Outside its range</h2>",
        _range(report),
        "<h2>Provenance</h2>",
        _provenance(report),
    ]
    return document(title, body)


def _verdict(report: Report) -> str:
    v = report.verdict
    note = (
        f"{v.tests} tests on random draws, decided together (Holm 1979): an exact "
        f"sampler fails with a probability of at most {v.false_alarm:g}. One test suffices with "
        f"p &lt; {v.level:.1e}; the smallest p-value, adjusted for the number of tests, is "
        f"{v.smallest_p_value:.2g}. “Would have been seen” means: found at this level with "
        "95 % probability."
    )
    return verdict_box(report.passed, report.sentence, report.warnings, note)


def _numbers(report: Report) -> str:
    measured = report.map_distance
    found = report.classifier
    if measured is None:
        largest = max(test.deviation for test in report.pooled_distances)
        distance = (f"{largest:.1e}", "largest D of a pool, chance included")
    else:
        largest = float(np.max(measured.distance))
        distance = (f"{largest:.1e}", f"largest D(Θ), without sampling, {measured.theta.size} Θ")
    return tiles(
        distance,
        (f"{report.visible_distance:.1e}", "D that a pool would have shown"),
        (f"{report.settings.pooled * report.settings.thetas:.1e}", "pooled draws in all"),
        (f"{found.auc:.4f} ± {found.error:.4f}", "AUC of the discriminator (½: blind)"),
        (f"{len(report.verdict.rejected)} of {report.verdict.tests}", "tests failed"),
    )


def _without_sampling(measured: MapDistance | None) -> str:
    if measured is None:
        return (
            "<p>This sampler has no radial map, so its distance D(Θ) = sup |F − F<sub>exact</sub>| "
            "is measured from draws alone.</p>"
        )
    worst = int(np.argmax(measured.distance))
    rows = [
        (
            "D = sup |F − F<sub>exact</sub>|",
            f"{measured.distance[worst]:.2e}",
            f"{measured.theta[worst]:.4g}",
        )
    ]
    errors = {"⟨γ − 1⟩, relative error": measured.mean_energy_error}
    for k, probability in enumerate(TAIL_PROBABILITIES):
        errors[f"survival at {probability:.0e}, relative error"] = measured.tail_ratio[:, k] - 1.0
    for name, error in errors.items():
        place = int(np.argmax(np.abs(error)))
        rows.append((name, f"{error[place]:+.2e}", f"{measured.theta[place]:.4g}"))
    place = int(np.argmin(measured.smallest_slope))
    rows.append(
        (
            "smallest du/dr over √Θ",
            f"{measured.smallest_slope[place]:.3g}",
            f"{measured.theta[place]:.4g}",
        )
    )
    monotone = "rises monotonically" if measured.monotone else "does NOT rise monotonically"
    return (
        f"<p>The sampler maps the radius r of a three-dimensional normal to u. Without sampling, "
        f"at {measured.theta.size} temperatures that avoid round values, for 0 &lt; r &lt; 8.5, "
        f"where the map {monotone}:</p>" + table(("worst case", "value", "at Θ"), rows)
    )


def _pooled(report: Report) -> str:
    """How many p-values are small, which is what a reader will ask first."""
    rows = []
    singles = report.single_samples
    pooled = {
        subject: np.array(
            [t.p_value for t in report.tests if (t.family, t.subject) == ("pooled", subject)]
        )
        for subject in ("KS", "AD")
    }
    for name, draws, values in (
        ("Kolmogorov-Smirnov, single", singles.draws, singles.ks_p_value),
        ("Anderson-Darling, single", singles.draws, singles.ad_p_value),
        ("Kolmogorov-Smirnov, pooled", report.settings.pooled, pooled["KS"]),
        ("Anderson-Darling, pooled", report.settings.pooled, pooled["AD"]),
    ):
        rare, probability = rare_p_values(values)
        rows.append(
            (
                name,
                f"{draws:,}",
                f"{values.size:,}",
                f"{np.mean(values):.3f}",
                f"{np.min(values):.2g}",
                f"{rare} ({0.01 * values.size:g})",
                f"{probability:.2g}",
            )
        )
    head = ("samples", "draws", "number", "mean p", "smallest p", "p < 0.01 (exp.)", "its prob.")
    bins = 2.0**-20
    return table(tuple(escape(name) for name in head), rows) + (
        '<p class="soft">Pools are streamed into 2<sup>20</sup> bins of F(u), which makes D too '
        f"small by {bins:.1e} at most, {bins * np.sqrt(report.settings.pooled):.1g} in units of "
        "1/√n; the exact cdf is interpolated within 10<sup>−11</sup>.</p>"
    )


def _tails(report: Report) -> str:
    rows = []
    for k, probability in enumerate(TAIL_PROBABILITIES):
        expected = probability * report.settings.pooled
        total = int(report.tail_counts[:, k].sum())
        ratio = total / (expected * report.theta.size)
        error = 1.0 / np.sqrt(expected * report.theta.size)
        tests = [t for t in report.tests if t.family == "tails"][k :: len(TAIL_PROBABILITIES)]
        rows.append(
            (
                f"{probability:.0e}",
                f"{expected:,.6g}",
                f"{ratio:.4f} ± {error:.4f}",
                f"{min(test.p_value for test in tests):.2g}",
                f"{tests[0].visible(report.verdict.level):.1e}",
            )
        )
    head = ("survival", "expected per Θ", "drawn / exact, all Θ", "smallest p", "seen at one Θ")
    return table(head, rows)


def _classifier(report: Report) -> str:
    test = next(test for test in report.tests if test.family == "classifier")
    seen = 0.5 + test.visible(report.verdict.level)
    return (
        "<p>A logistic regression on 65 bumps in F(u) times quadratics in ln Θ learns to tell "
        "the sampler's electrons from those of exact rejection; its AUC on held-out draws is "
        f"½ if it cannot. An AUC of {seen:.4f} would have been seen.</p>"
        + discriminations(report.sampler, report.classifier, report.control, "draws")
    )


def discriminations(
    sampler: str, found: Discrimination, control: Discrimination, drawn: str
) -> str:
    """A table of how well a sampler is told from exact, and exact from itself."""
    rows = [
        (name, f"{d.auc:.5f} ± {d.error:.5f}", f"{d.p_value:.2g}", f"{d.draws:,}")
        for name, d in (
            (f"{escape(sampler)} against exact", found),
            ("exact against exact (control)", control),
        )
    ]
    return table(("", "AUC", "p-value", f"held-out {drawn} of each"), rows)


def families(
    tests: Sequence[Test],
    found: Verdict[Test],
    notes: Mapping[str, str],
    place: tuple[str, Callable[[Test], str]],
) -> str:
    """A table of families, and one of the tests of each behind a fold.

    Parameters
    ----------
    tests : sequence of SampledTest
    found : Verdict
        That over all of them.
    notes : mapping
        What deviations are, by family.
    place : (str, callable)
        What a place is, and how that of a test is written.
    """
    by_family: dict[str, list[Test]] = {}
    for test in tests:
        by_family.setdefault(test.family, []).append(test)
    rows = []
    details = []
    for family, same in by_family.items():
        p_values = [test.p_value for test in same]
        rare, _ = rare_p_values(p_values)
        failed = sum(1 for test, _ in found.rejected if test.family == family)
        rows.append(
            (
                escape(family),
                str(len(same)),
                f"{min(p_values):.2g}",
                f"{rare} ({0.01 * len(same):.1f})",
                str(failed),
            )
        )
        details.append(_details(family, same, found.level, notes.get(family, ""), place))
    head = ("family", "tests", "smallest p", "p &lt; 0.01 (expected)", "failed")
    return table(head, rows) + "".join(details)


def _details(
    family: str,
    tests: Sequence[Test],
    level: float,
    note: str,
    place: tuple[str, Callable[[Test], str]],
) -> str:
    """One row per subject: its worst place, and what would have been seen."""
    name_of_place, placed = place
    subjects: dict[str, list[Test]] = {}
    for test in tests:
        subjects.setdefault(test.subject, []).append(test)
    rows = []
    for subject, same in subjects.items():
        worst = min(same, key=lambda test: test.p_value)
        visible = [test.visible(level) for test in same]
        rows.append(
            (
                escape(subject),
                f"{worst.draws:,}",
                f"{worst.deviation:.2e}",
                placed(worst),
                f"{worst.p_value:.2g}",
                _interval(min(visible), max(visible)),
            )
        )
    head = (
        *("test", "draws", "worst deviation", f"at {name_of_place}"),
        *("p-value", "would have been seen"),
    )
    return (
        f"<details><summary>{escape(family)} ({len(tests)})</summary>"
        f'<p class="soft">{escape(note)}</p>{table(head, rows)}</details>'
    )


def _theta(test: SampledTest) -> str:
    return "" if test.theta is None else f"{test.theta:.3g}"


def _interval(low: float, high: float) -> str:
    one, other = f"{low:.1e}", f"{high:.1e}"
    return one if one == other else f"{one} … {other}"


def _range(report: Report) -> str:
    rows = [
        (
            _asked(check.theta, *report.theta_range),
            "refused" if check.refused else "NOT refused",
            escape(check.answer),
        )
        for check in report.range_checks
    ]
    return table(("Θ", "", "answer"), rows, text_last=True)


def _asked(theta: float, low: float, high: float) -> str:
    """A temperature; the nearest floating-point numbers to the ends would look like the ends."""
    if theta == np.nextafter(low, 0.0):
        return f"just below {low:.6g}"
    if theta == np.nextafter(high, np.inf):
        return f"just above {high:.6g}"
    return f"{theta:.6g}"


def _provenance(report: Report) -> str:
    versions = ", ".join(f"{name} {number}" for name, number in report.versions.items())
    rows = [
        ("command", f"<code>{escape(report.command)}</code>"),
        ("seed", str(report.settings.seed)),
        ("date", escape(report.date)),
        ("took", f"{report.seconds:,.0f} s on {report.threads} threads"),
        ("versions", escape(versions)),
    ]
    return table((), rows, text_last=True)
