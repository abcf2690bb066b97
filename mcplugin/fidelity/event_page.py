"""The validation of a scattering sampler as one page that needs nothing else."""

import math
from collections.abc import Mapping
from html import escape

import numpy as np

from mcplugin.fidelity.document import document, figures, table, tiles, verdict_box
from mcplugin.fidelity.equilibrium import BALANCE, EQUILIBRIUM, SCATTERINGS
from mcplugin.fidelity.event_independence import ELSEWHERE
from mcplugin.fidelity.event_law import LEAST_DEFLECTION, TAIL_PROBABILITIES
from mcplugin.fidelity.event_pool import BINS
from mcplugin.fidelity.event_report import EventReport, Judgement
from mcplugin.fidelity.event_tests import (
    ALL_PLACES,
    COSINE,
    ENERGY,
    GIVEN_COSINE,
    LEAST_EVENTS,
    MOMENTS,
    TAILS,
    EventTest,
)
from mcplugin.fidelity.page import discriminations, families
from mcplugin.fidelity.uniformity import rare_p_values

# Mean and standard deviation of √n D of exact samples (Kolmogorov's law).
_MEAN_DISTANCE = math.sqrt(math.pi / 2.0) * math.log(2.0)
_SPREAD_OF_DISTANCE = math.sqrt(math.pi**2 / 12.0 - _MEAN_DISTANCE**2)

_FAMILY_NOTES = {
    COSINE: "KS: D = sup |F_n − F|. AD: height of the smooth deviation 4D·F(1 − F) that gives the "
    "statistic.",
    ENERGY: "Of x′/x, whatever the angle; KS and AD as for the cosine.",
    GIVEN_COSINE: "KS of the momentum ζ given the angle, which is the energy given the angle; one "
    "test for each cell of x, Θ and the cosine.",
    MOMENTS: "Relative errors of ⟨x′/x⟩ and ⟨(x′/x)²⟩, error of ⟨cosine⟩, with exact standard "
    "errors.",
    TAILS: "Survival of x′/x over exact survival, minus 1.",
    ALL_PLACES: "All places in one histogram: sees errors of one sign.",
    "p-values": "Whether the p-values of the cells are uniform.",
    "independence": "Correlation coefficients of ranks and of their squared distance from the "
    "median; root-mean-square modulation of pair frequencies in 16 × 16 cells. No error is "
    "accepted.",
    ELSEWHERE: "KS distances of photons softer and harder than those compared, every other one of "
    "a batch. Outside the sampler’s range they must scatter exactly.",
    EQUILIBRIUM: "Errors of ⟨x/Θ⟩ = 3, and the drift of one scattering.",
    BALANCE: "Photons that cross an edge between two bands upwards, less those downwards, over "
    "both; root-mean-square imbalance of all pairs of bands.",
    "classifier": "AUC on held-out events, minus ½.",
}


def page(report: EventReport, pictures: Mapping[str, bytes]) -> str:
    """The whole page as HTML.

    Parameters
    ----------
    report : EventReport
    pictures : mapping
        PNG files by name, as :func:`mcplugin.fidelity.event_pictures.pictures` gives them.
    """
    options = ", ".join(f"{key} = {value}" for key, value in report.options.items())
    (x_low, x_high), (low, high) = report.compared_range
    title = f"Validation of the scattering sampler “{report.sampler}”"
    body = [
        f"<h1>{escape(title)}</h1>",
        f'<p class="soft">{escape(options + ", " if options else "")}'
        f"{low:.4g} ≤ Θ ≤ {high:g}, {x_low:.3g} ≤ x ≤ {x_high:.3g}; against the exact law of "
        "Compton scattering by thermal electrons</p>",
        _verdict(report),
        _numbers(report),
        "<h2>Bars</h2>",
        _bars(report),
        "<h2>Distribution in cells</h2>",
        _distribution(report),
        figures(pictures, ("cells.png", "p_values.png")),
        "<h2>Moments and tails</h2>",
        _tails(report),
        figures(pictures, ("moments.png", "tails.png")),
        "<h2>Equilibrium and detailed balance</h2>",
        _equilibrium(report),
        figures(pictures, ("equilibrium.png",)),
        "<h2>A trained discriminator</h2>",
        _classifier(report),
        "<h2>All sampled tests</h2>",
        families(report.tests, report.verdict, _FAMILY_NOTES, ("x, Θ", _place)),
        figures(pictures, ("tests.png",)),
        "<h2>What must be refused</h2>",
        _refusals(report),
        "<h2>Provenance</h2>",
        _provenance(report),
    ]
    return document(title, body)


def _verdict(report: EventReport) -> str:
    v = report.verdict
    note = (
        f"A sampler passes if no error is above its bar, scatterings are "
        "independent, photons outside its energies scatter exactly, and what must be refused is; "
        f"an approximate one may do so and be told apart from exact all the same. {v.tests} tests "
        "on random events are decided together (Holm 1979): an exact sampler is told apart with a "
        f"probability of at most {v.false_alarm:g}, and one within its bars fails with no greater "
        f"one. One test suffices with p &lt; {v.level:.1e}; the smallest p-value, adjusted for "
        f"the number of tests, is {v.smallest_p_value:.2g}. “Would have been seen” means: found at "
        "this level with 95 % probability."
    )
    return verdict_box(report.passed, report.sentence, report.warnings, note)


def _numbers(report: EventReport) -> str:
    largest = max(
        (each.computed for each in report.judgements[:3] if each.computed is not None), default=None
    )
    distance = (
        (f"{report.judgements[2].typical:.1e}", "typical D in a cell, noise subtracted")
        if largest is None
        else (f"{largest:.1e}", f"largest D, without sampling, {len(report.places)} places")
    )
    found = report.classifier
    last = [abs(each.deviation) for each in report.equilibrium]
    field = (
        (f"{max(last):.1e}", f"largest error of ⟨x/Θ⟩ = 3 after {SCATTERINGS[-1]}, chance included")
        if last
        else ("none", "no temperature of the equilibria is within its range")
    )
    return tiles(
        distance,
        (f"{report.visible_distance:.1e}", "D that one place would have shown"),
        (f"{report.settings.events:.1e}", "events in cells"),
        field,
        (f"{found.auc:.4f} ± {found.error:.4f}", "AUC of the discriminator (½: blind)"),
        (f"{len(report.verdict.rejected)} of {report.verdict.tests}", "tests told it apart"),
    )


def _bars(report: EventReport) -> str:
    rows = [
        (
            escape(each.name),
            f"{each.bar:g}",
            _computed(each),
            f"{_or_zero(each.worst.excess)} ± {_or_zero(each.worst.noise)}",
            _place(each.worst),
            f"{_or_zero(each.typical)} (&lt; {each.typical_limit:.1e})",
            f"{each.limit:.1e}",
            each.outcome,
        )
        for each in report.judgements
    ]
    head = (
        *("error", "bar", "largest, without sampling", "largest of the events, noise subtracted"),
        *(
            "at x, Θ",
            "typical, noise subtracted (95 % limit)",
            "95 % limit of the largest",
            "bar is",
        ),
    )
    return (
        "<p>What is drawn is noise and error together. Subtracting squares, √(d² − noise²), leaves "
        "the error, but the largest of many is still mostly the largest noise; the typical error "
        "of all says more. What is computed without sampling has no noise: it is of the generator "
        "in double precision, at the same places.</p>" + table(head, rows, text_last=True)
    )


def _or_zero(value: float | None) -> str:
    return f"{value:.1e}" if value else "0"


def _computed(each: Judgement) -> str:
    if each.computed is None or each.computed_at is None:
        return "–"
    x, theta = each.computed_at
    place = f"{theta:.2g}" if x is None else f"{x:.2g}, {theta:.2g}"
    return f"{each.computed:.1e} ({place})"


def _distribution(report: EventReport) -> str:
    """Distances of the cells, what exact ones would have been, and how many p-values are small."""
    rows = []
    for family in (COSINE, ENERGY, GIVEN_COSINE):
        tests = [t for t in report.tests if t.family == family and t.subject != "AD"]
        if not tests:
            continue
        p_values = [test.p_value for test in tests]
        rare, probability = rare_p_values(p_values)
        draws = float(np.median([test.draws for test in tests]))
        distances = [test.deviation for test in tests]
        visible = [test.visible(report.verdict.level) for test in tests]
        rows.append(
            (
                family,
                str(len(tests)),
                f"{draws:,.0f}",
                f"{np.median(distances):.1e}",
                f"{_MEAN_DISTANCE / math.sqrt(draws):.1e} ± "
                f"{_SPREAD_OF_DISTANCE / math.sqrt(draws):.1e}",
                f"{np.median(visible):.1e}",
                f"{min(p_values):.2g}",
                f"{rare} ({0.01 * len(tests):g})",
                f"{probability:.2g}",
            )
        )
    head = (
        *("Kolmogorov-Smirnov", "tests", "events, median", "D, median", "D of exact events"),
        *("seen, median", "smallest p", "p &lt; 0.01 (exp.)", "its prob."),
    )
    cells = report.settings.cells
    return (
        f"<p>One random place in each of {cells} × {cells} cells of ln x and ln Θ; the energy "
        "given the cosine in six even cells of the cosine each. Every event is put through the "
        "exact distribution function of its own angle, so that a cell mixes nothing.</p>"
        + table(head, rows)
        + f'<p class="soft">Ranks are streamed into {BINS:,} bins, which makes D too small by '
        f"{1.0 / BINS:.1e} at most; the tabulated exact law is within {report.table_error:.1e} (as "
        "measured between its nodes), that of the energy, whatever the angle, within 2e-5. "
        f"Deflections (1 − cosine)/2 below {LEAST_DEFLECTION:g}, of which the energy tells too "
        f"little, are left out of the energy given the cosine, and so are cells with fewer than "
        f"{LEAST_EVENTS} events.</p>"
    )


def _tails(report: EventReport) -> str:
    rows = []
    for k, probability in enumerate(TAIL_PROBABILITIES):
        tests = [t for t in report.tests if t.family == TAILS][k :: len(TAIL_PROBABILITIES)]
        (together,) = (t for t in report.tests if t.theta is None and t.subject == tests[0].subject)
        computed = report.computed
        largest = "–" if computed is None else f"{np.abs(computed.tail[:, k]).max():.1e}"
        rows.append(
            (
                f"{probability:.0e}",
                f"{probability * report.events_per_place:,.6g}",
                f"{1.0 + together.deviation:.4f} ± {together.noise:.4f}",
                largest,
                f"{min(test.p_value for test in tests):.2g}",
                f"{tests[0].visible(report.verdict.level):.1e}",
            )
        )
    head = (
        *("survival of x′/x", "expected per place", "drawn / exact, all places"),
        *("largest error, without sampling", "smallest p", "seen at one place"),
    )
    return table(head, rows)


def _equilibrium(report: EventReport) -> str:
    if not report.equilibrium:
        return "<p>None of its temperatures is within the sampler’s range.</p>"
    last = SCATTERINGS[-1]
    rows = []
    for each in report.equilibrium:
        means = (
            f"{mean:.4f} ± {error:.4f}"
            for mean, error in zip(each.mean[1:], each.error[1:], strict=True)
        )
        drifts = f"{each.drift:+.1e} ± {each.drift_error:.1e}"
        scale = each.after(last, 1.0)
        after = f"{each.after(last):+.1e} ± {scale * each.drift_error:.1e}"
        computed = "–"
        if each.computed_drift is not None:
            computed = f"{each.computed_drift:+.1e} → {each.after(last, each.computed_drift):+.1e}"
        rows.append((f"{each.theta:g}", *means, drifts, after, computed))
    head = (
        *("Θ", *(f"⟨x/Θ⟩ after {n}" for n in SCATTERINGS[1:]), "drift per scattering"),
        *(f"which becomes after {last}", f"drift without sampling → after {last}"),
    )
    return (
        f"<p>{report.settings.photons:,} photons of the Wien spectrum x² exp(−x/Θ) at each "
        "temperature, drawn when they are about to scatter, must keep ⟨x/Θ⟩ = 3. The drift is the "
        "mean of x′ less its exact expectation, over all scatterings; a deviation relaxes by the "
        "factor ρ with each, so a drift δ becomes δ(1 − ρⁿ)/(1 − ρ) after n.</p>"
        + table(head, rows)
    )


def _classifier(report: EventReport) -> str:
    test = next(test for test in report.tests if test.family == "classifier")
    seen = 0.5 + test.visible(report.verdict.level)
    return (
        "<p>A logistic regression on bumps in the ranks of the angle and of the energy given the "
        "angle, times quadratics in ln x and ln Θ, learns to tell the sampler’s events from exact "
        "ones, each photon with a temperature of its own; its AUC on held-out events is ½ if it "
        f"cannot. An AUC of {seen:.4f} would have been seen.</p>"
        + discriminations(report.sampler, report.classifier, report.control, "events")
    )


def _place(test: EventTest) -> str:
    return ", ".join(f"{value:.3g}" for value in (test.x, test.theta) if value is not None)


def _refusals(report: EventReport) -> str:
    rows = [
        (escape(each.asked), "refused" if each.refused else "NOT refused", escape(each.answer))
        for each in report.refusals
    ]
    return table(("asked for", "", "answer"), rows, text_last=True)


def _provenance(report: EventReport) -> str:
    machine = ", ".join(f"{name} {value}" for name, value in report.machine.items())
    rows = [
        ("command", f"<code>{escape(report.command)}</code>"),
        ("seed", str(report.settings.seed)),
        ("date", escape(report.date)),
        ("took", f"{report.seconds:,.0f} s on {report.threads} threads"),
        ("machine", escape(machine)),
    ]
    return table((), rows, text_last=True)
