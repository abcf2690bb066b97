"""The validation report as one page that needs nothing else: for a telephone or a referee."""

import base64
from collections.abc import Mapping, Sequence
from html import escape

import numpy as np

from mcplugin.fidelity.map_distance import TAIL_PROBABILITIES, MapDistance
from mcplugin.fidelity.report import Report
from mcplugin.fidelity.uniformity import rare_p_values
from mcplugin.fidelity.verdict import SampledTest

_STYLE = """
:root { --good: #1b7f4d; --bad: #b3261e; --ink: #1d2430; --soft: #5b6573; --line: #d9dee5; }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1rem; max-width: 72rem; color: var(--ink); background: #fff;
  font: 1rem/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; }
h1 { font-size: 1.5rem; line-height: 1.25; margin: .5rem 0 .25rem; }
h2 { font-size: 1.2rem; margin: 2.2rem 0 .5rem; border-bottom: 1px solid var(--line); }
p { margin: .5rem 0; max-width: 48rem; }
.soft { color: var(--soft); font-size: .9rem; }
.verdict { border-left: .4rem solid var(--good); background: #eef8f2; padding: .8rem 1rem;
  border-radius: .3rem; margin: 1rem 0; overflow-wrap: anywhere; }
.verdict.bad { border-color: var(--bad); background: #fdf0ef; }
.verdict strong { font-size: 1.1rem; color: var(--good); }
.verdict.bad strong { color: var(--bad); }
.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 26rem), 1fr));
  gap: 1rem; align-items: start; }
.numbers { display: grid; grid-template-columns: repeat(auto-fit, minmax(9.5rem, 1fr));
  gap: .6rem; margin: 1rem 0; }
.numbers div { border: 1px solid var(--line); border-radius: .3rem; padding: .5rem .7rem; }
.numbers b { display: block; font-size: 1.1rem; }
.numbers span { color: var(--soft); font-size: .82rem; line-height: 1.3; display: block; }
figure { margin: 0; max-width: 36rem; }
img { width: 100%; height: auto; display: block; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: .88rem; font-variant-numeric: tabular-nums;
  margin: .5rem 0; }
th, td { padding: .25rem .7rem .25rem 0; text-align: right; vertical-align: top;
  border-bottom: 1px solid var(--line); white-space: nowrap; }
th:first-child, td:first-child { text-align: left; }
td:first-child, td.text { white-space: normal; }
td:first-child { min-width: 6.5rem; }
td.text { text-align: left; overflow-wrap: anywhere; }
th { color: var(--soft); font-weight: 600; }
summary { cursor: pointer; padding: .35rem 0; }
code { overflow-wrap: anywhere; font-size: .88rem; }
"""

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
        _figures(pictures, ("distance.png", "p_values.png")),
        "<h2>Moments and tails</h2>",
        _tails(report),
        _figures(pictures, ("moments.png", "tails.png")),
        "<h2>A trained discriminator</h2>",
        _classifier(report),
        "<h2>All sampled tests</h2>",
        _families(report),
        _figures(pictures, ("tests.png",)),
        "<h2>Outside its range</h2>",
        _range(report),
        "<h2>Provenance</h2>",
        _provenance(report),
    ]
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n"
        + "\n".join(part for part in body if part)
        + "\n</body>\n</html>\n"
    )


def _verdict(report: Report) -> str:
    v = report.verdict
    headline = "Passed" if report.passed else "Failed"
    sentence = report.sentence[0].upper() + report.sentence[1:]
    kind = "verdict" if report.passed else "verdict bad"
    warnings = "".join(f"<p>Note: {escape(warning)}.</p>" for warning in report.warnings)
    return (
        f'<div class="{kind}"><strong>{headline}</strong><p>{escape(sentence)}.</p>{warnings}'
        f'<p class="soft">{v.tests} tests on random draws, decided together (Holm 1979): an exact '
        f"sampler fails with a probability of at most {v.false_alarm:g}. One test suffices with "
        f"p &lt; {v.level:.1e}; the smallest p-value, adjusted for the number of tests, is "
        f"{v.smallest_p_value:.2g}. “Would have been seen” means: found at this level with "
        "95 % probability.</p></div>"
    )


def _numbers(report: Report) -> str:
    measured = report.map_distance
    found = report.classifier
    if measured is None:
        largest = max(test.deviation for test in report.pooled_distances)
        distance = (f"{largest:.1e}", "largest D of a pool, chance included")
    else:
        largest = float(np.max(measured.distance))
        distance = (f"{largest:.1e}", f"largest D(Θ), without sampling, {measured.theta.size} Θ")
    tiles = [
        distance,
        (f"{report.visible_distance:.1e}", "D that a pool would have shown"),
        (f"{report.settings.pooled * report.settings.thetas:.1e}", "pooled draws in all"),
        (f"{found.auc:.4f} ± {found.error:.4f}", "AUC of the discriminator (½: blind)"),
        (f"{len(report.verdict.rejected)} of {report.verdict.tests}", "tests failed"),
    ]
    cells = "".join(f"<div><b>{value}</b><span>{name}</span></div>" for value, name in tiles)
    return f'<div class="numbers">{cells}</div>'


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
        f"where the map {monotone}:</p>" + _table(("worst case", "value", "at Θ"), rows)
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
    return _table(tuple(escape(name) for name in head), rows) + (
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
    return _table(head, rows)


def _classifier(report: Report) -> str:
    found, control = report.classifier, report.control
    test = next(test for test in report.tests if test.family == "classifier")
    seen = 0.5 + test.visible(report.verdict.level)
    rows = [
        (name, f"{d.auc:.5f} ± {d.error:.5f}", f"{d.p_value:.2g}", f"{d.draws:,}")
        for name, d in (
            (f"{escape(report.sampler)} against exact", found),
            ("exact against exact (control)", control),
        )
    ]
    return (
        "<p>A logistic regression on 65 bumps in F(u) times quadratics in ln Θ learns to tell "
        "the sampler's electrons from those of exact rejection; its AUC on held-out draws is "
        f"½ if it cannot. An AUC of {seen:.4f} would have been seen.</p>"
        + _table(("", "AUC", "p-value", "held-out draws of each"), rows)
    )


def _families(report: Report) -> str:
    """A table of families, and one of the tests of each behind a fold."""
    families: dict[str, list[SampledTest]] = {}
    for test in report.tests:
        families.setdefault(test.family, []).append(test)
    rows = []
    details = []
    for family, tests in families.items():
        p_values = [test.p_value for test in tests]
        rare, _ = rare_p_values(p_values)
        failed = sum(1 for test, _ in report.verdict.rejected if test.family == family)
        rows.append(
            (
                escape(family),
                str(len(tests)),
                f"{min(p_values):.2g}",
                f"{rare} ({0.01 * len(tests):.1f})",
                str(failed),
            )
        )
        details.append(_details(family, tests, report.verdict.level))
    head = ("family", "tests", "smallest p", "p &lt; 0.01 (expected)", "failed")
    return _table(head, rows) + "".join(details)


def _details(family: str, tests: Sequence[SampledTest], level: float) -> str:
    """One row per subject: its worst temperature, and what would have been seen."""
    subjects: dict[str, list[SampledTest]] = {}
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
                "" if worst.theta is None else f"{worst.theta:.3g}",
                f"{worst.p_value:.2g}",
                _interval(min(visible), max(visible)),
            )
        )
    head = ("test", "draws", "worst deviation", "at Θ", "p-value", "would have been seen")
    note = f'<p class="soft">{escape(_FAMILY_NOTES.get(family, ""))}</p>'
    return (
        f"<details><summary>{escape(family)} ({len(tests)})</summary>"
        f"{note}{_table(head, rows)}</details>"
    )


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
    return _table(("Θ", "", "answer"), rows, text_last=True)


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
    return _table((), rows, text_last=True)


def _figures(pictures: Mapping[str, bytes], names: Sequence[str]) -> str:
    figures = []
    for name in names:
        data = base64.b64encode(pictures[name]).decode("ascii")
        alternative = name.removesuffix(".png").replace("_", " ")
        figures.append(
            f'<figure><img alt="{alternative}" src="data:image/png;base64,{data}"></figure>'
        )
    return f'<div class="figures">{"".join(figures)}</div>'


def _table(head: Sequence[str], rows: Sequence[Sequence[str]], *, text_last: bool = False) -> str:
    """A table of HTML cells that scrolls sideways by itself on a narrow screen."""
    lines = []
    if head:
        lines.append("<tr>" + "".join(f"<th>{cell}</th>" for cell in head) + "</tr>")
    for row in rows:
        cells = [f"<td>{cell}</td>" for cell in row]
        if text_last:
            cells[-1] = f'<td class="text">{row[-1]}</td>'
        lines.append("<tr>" + "".join(cells) + "</tr>")
    return f'<div class="scroll"><table>{"".join(lines)}</table></div>'
