"""A comparison of samplers as one page that needs nothing else."""

import json
import math
from collections.abc import Mapping
from html import escape

from mcplugin.fidelity.comparison import Comparison, plus_minus
from mcplugin.fidelity.document import document, figures, table, tiles
from mcplugin.fidelity.spectra import POWER, Band, SpectraComparison, View
from mcplugin.fidelity.turns import OverRounds, SamplerRun

_SORTED_BY = {"total": "all photons", "angle": "by angle", "order": "by scattering order"}


def page(comparison: Comparison, pictures: Mapping[str, bytes]) -> str:
    """The whole page as HTML.

    Parameters
    ----------
    comparison : Comparison
    pictures : mapping
        PNG files by name, as :func:`mcplugin.fidelity.comparison_pictures.pictures` gives them.
    """
    plasma = comparison.configuration.plasma
    labels = ", ".join(run.label for run in comparison.others)
    title = f"{labels} compared with {comparison.reference.label}"
    source = f"{comparison.source}: " if comparison.source else ""
    by_part = tuple(name for name in ("angle.png", "order.png") if name in pictures)
    body = [
        "<h1>Electron samplers compared</h1>",
        f'<p class="soft">{escape(source + plasma.geometry)}, Θ = {plasma.temperature:.4g}, '
        f"τ = {plasma.tau:g}</p>",
        _verdict(comparison),
        _numbers(comparison),
        "<h2>Spectra</h2>",
        _findings(comparison),
        figures(pictures, ("spectra.png",)),
        "<h2>By angle and by scattering order</h2>",
        _views(comparison),
        figures(pictures, by_part),
        _all_bands(comparison),
        "<h2>Speed</h2>",
        _speed(comparison),
        figures(pictures, ("speed.png",)),
        "<h2>Provenance</h2>",
        _provenance(comparison),
    ]
    return document(title, body)


def _verdict(comparison: Comparison) -> str:
    kind = "verdict" if comparison.passed else "verdict bad"
    headline = "Not told apart" if comparison.passed else "Told apart"
    return (
        f'<div class="{kind}"><strong>{headline}</strong>'
        f"<p>{escape(comparison.sentence)}.</p>"
        f'<p class="soft">{comparison.tests} tests, decided together (Fisher’s exact test for '
        "each band of energies, χ² and the mean of ln E for all of them; Holm 1979): samplers of "
        f"one law are told apart with a probability of at most {comparison.false_alarm:g}. The "
        f"smallest p-value, adjusted for the number of tests, is {_p(comparison.p_value)}. "
        f"“Would have been seen” means: found with {100 * POWER:.0f} % probability. Every run "
        "has seeds of its own, since the tests are for independent runs.</p></div>"
    )


def _numbers(comparison: Comparison) -> str:
    band, view = comparison.visible
    fastest = max(comparison.runs, key=lambda run: run.figure("photons_per_second").median)
    return tiles(
        (f"{comparison.reference.photons:,}", "photons per sampler"),
        (_p(comparison.p_value), f"smallest p-value of {comparison.tests} tests, adjusted"),
        (_percent(band.visible), "change in the best band of energies that would have been seen"),
        (
            f"{view.drift_visible:.2g}",
            f"shift of the mean of ln E, {_SORTED_BY[view.name]}, that would have been seen",
        ),
        (
            escape(fastest.label),
            f"fastest: {fastest.figure('photons_per_second').median:.3g} photons/s",
        ),
        (f"{comparison.bound.median:.2f} ×", "speed-up by an infinitely fast sampler"),
    )


def _findings(comparison: Comparison) -> str:
    """One row per sampler: verdict, largest difference or its limit, and what was visible."""
    rows = []
    for run in comparison.others:
        spectra = comparison.spectra[run.label]
        total = spectra.views[0]
        limits = sorted(band.limit for band in total.bands)
        visible = sorted(band.visible for band in total.bands)
        middle = len(total.bands) // 2
        ratio, error = comparison.amplification_ratio(run)
        rows.append(
            (
                escape(run.label),
                "told apart" if spectra.differ else "not told apart",
                _p(comparison.overall(spectra.p_value)),
                f"{_percent(limits[0])}, {_percent(limits[middle])}",
                f"{_percent(visible[0])}, {_percent(visible[middle])}",
                f"{1e4 * total.drift:+.1f} ± {1e4 * total.drift_error:.1f}",
                f"{1e4 * total.drift_visible:.1f}",
                plus_minus(ratio, error),
                _largest(comparison, spectra, run.label),
            )
        )
    head = (
        f"against {escape(comparison.reference.label)}",
        "verdict",
        "p\u2011value",
        "upper limit*",
        "would have been seen*",
        "shift of ⟨ln E⟩, 10⁻⁴",
        "would have been seen",
        "amplification, ratio",
        "largest significant difference",
    )
    return table(head, rows, text_last=True) + (
        '<p class="soft">* on the relative difference in a band of energies of the total spectrum: '
        "best and median band. The p-value is adjusted for all tests of all samplers. Limits hold "
        f"for all bands of a sampler together with {100 * _confidence(comparison):.0f} % "
        "confidence.</p>"
    )


def _confidence(comparison: Comparison) -> float:
    return next(iter(comparison.spectra.values())).confidence


def _largest(comparison: Comparison, spectra: SpectraComparison, label: str) -> str:
    return escape(comparison.finding(label)) if spectra.differ else "none"


def _percent(value: float) -> str:
    return f"{100 * value:.2g} %"


def _p(p_value: float) -> str:
    return f"{p_value:.2g}" if p_value >= 1e-99 else "&lt; 1e-99"


def _views(comparison: Comparison) -> str:
    rows = []
    for run in comparison.others:
        for view in comparison.spectra[run.label].views:
            visible = sorted(band.visible for band in view.bands)
            rows.append(
                (
                    escape(run.label),
                    _SORTED_BY[view.name],
                    str(len(view.bands)),
                    _smallest(view),
                    f"{view.chi2:.1f} / {view.degrees}",
                    _p(view.chi2_p_value),
                    f"{1e4 * view.drift:+.1f} ± {1e4 * view.drift_error:.1f}",
                    _p(view.drift_p_value),
                    _p(comparison.overall(view.p_value)),
                    f"{_percent(visible[0])}" if visible else "",
                    f"{1e4 * view.drift_visible:.1f}",
                )
            )
    head = (
        "sampler",
        "photons sorted",
        "bands",
        "smallest p of a band",
        "χ² / degrees",
        "its p",
        "shift of ⟨ln E⟩, 10⁻⁴",
        "its p",
        "all, adjusted",
        "visible in a band",
        "visible shift, 10⁻⁴",
    )
    return table(head, rows) + (
        '<p class="soft">Shifts are averaged over the parts: the photons of one angle or one '
        "number of scatterings are compared with their like. “All, adjusted” is the least p-value "
        "of the row, adjusted for all tests of all samplers; the others are not adjusted.</p>"
    )


def _smallest(view: View) -> str:
    return _p(min((band.p_value for band in view.bands), default=1.0))


def _all_bands(comparison: Comparison) -> str:
    """Every test of a band, behind a fold for each sampler and view."""
    folds = []
    for run in comparison.others:
        for view in comparison.spectra[run.label].views:
            rows = [_band(comparison, band) for band in view.bands]
            head = (
                "photons",
                "keV",
                escape(comparison.reference.label),
                escape(run.label),
                "ratio",
                "interval",
                "standard errors",
                "p-value",
                "adjusted",
            )
            folds.append(
                f"<details><summary>{escape(run.label)}, {_SORTED_BY[view.name]}: "
                f"{len(view.bands)} bands</summary>{table(head, rows)}</details>"
            )
    tests = sum(len(spectra.bands) for spectra in comparison.spectra.values())
    return f"<details><summary>All {tests} bands</summary>{''.join(folds)}</details>"


def _band(comparison: Comparison, band: Band) -> tuple[str, ...]:
    return (
        escape(band.part),
        f"{band.energy_lo:.3g} … {band.energy_hi:.3g}",
        f"{band.counts[0]:,}",
        f"{band.counts[1]:,}",
        plus_minus(band.ratio, band.ratio_error),
        f"{band.ratio_lo:.3f} … {band.ratio_hi:.3f}",
        f"{band.deviation:+.2f}",
        _p(band.p_value),
        _p(comparison.overall(band.p_adjusted)),
    )


def _speed(comparison: Comparison) -> str:
    rows = []
    for run in comparison.runs:
        rows.append(
            (
                escape(run.label),
                _measured(run.figure("photons_per_second"), 1e-6, 3),
                _measured(run.figure("scatterings_per_second"), 1e-6, 3),
                _measured(run.figure("nanoseconds_per_draw"), 1.0, 3),
                _measured(run.figure("sampler_share"), 100.0, 2, " %"),
                _measured(comparison.speed_up(run), 1.0, 3),
                _measured(comparison.share_of_bound(run), 100.0, 2, " %"),
            )
        )
    reference = comparison.reference
    share = reference.figure("sampler_share").median
    rounds = len(reference.rounds)
    threads = "one thread" if comparison.threads == 1 else f"{comparison.threads} threads"
    head = (
        "sampler",
        "10⁶ photons/s",
        "10⁶ scatterings/s",
        "ns per draw",
        "share of draws",
        "speed-up",
        "of the bound",
    )
    return (
        f"<p>With {escape(reference.label)}, {100 * share:.0f} % of the run goes into "
        f"{_draws(reference)}, so an infinitely fast sampler of these would make the run "
        f"{comparison.bound.median:.2f} times faster (Amdahl’s bound). The last column is what "
        "each sampler reaches of that bound, beyond which one of whole scatterings may get.</p>"
        + table(head, rows)
        + f'<p class="soft">Medians of {rounds} round{"s" * (rounds > 1)} on {threads}, with '
        "smallest and largest below; within a round the samplers take turns, each round beginning "
        "with another one. Speed-ups are ratios within a round. Wide ranges mean that the machine "
        f"was busy with other work. A photon scatters {reference.mean_scatterings:.3g} times"
        f"{_electrons_asked(reference)}.</p>"
    )


def _draws(run: SamplerRun) -> str:
    return "drawing electrons" if run.electron_draws else "drawing scatterings"


def _electrons_asked(run: SamplerRun) -> str:
    if not run.electron_draws:
        return ""
    return f", and a scattering asks for {run.draws_per_scattering:.3g} electrons"


def _measured(figure: OverRounds, unit: float, digits: int, sign: str = "") -> str:
    """Median over the range of the rounds."""
    low, high = (_digits(unit * value, digits) for value in figure.range)
    median = _digits(unit * figure.median, digits)
    between = f'<br><span class="soft">{low} … {high}</span>' if len(figure.values) > 1 else ""
    return f"{median}{sign}{between}"


def _digits(value: float, digits: int) -> str:
    """So many significant digits, without an exponent."""
    leading = math.floor(math.log10(value)) if value > 0.0 else 0
    return f"{value:.{max(digits - 1 - leading, 0)}f}"


def _provenance(comparison: Comparison) -> str:
    machine = dict(comparison.machine)
    processor, cores = machine.pop("processor"), machine.pop("cores")
    versions = ", ".join(f"{name} {number}" for name, number in machine.items())
    rows = [
        ("date", escape(comparison.date)),
        ("took", f"{comparison.seconds:,.0f} s"),
        ("machine", escape(f"{processor}, {cores} cores to this process")),
        ("versions", escape(versions)),
    ]
    if comparison.command is not None:
        rows.insert(0, ("command", f"<code>{escape(comparison.command)}</code>"))
    rows += [(escape(run.label), _made_by(run)) for run in comparison.runs]
    configuration = json.dumps(
        comparison.configuration.model_dump(mode="json", exclude_none=True), indent=1
    )
    return table((), rows, text_last=True) + (
        "<details><summary>Configuration</summary>"
        f'<div class="scroll"><pre>{escape(configuration)}</pre></div></details>'
    )


def _made_by(run: SamplerRun) -> str:
    """What makes the electrons again: sampler, options, and the seed of each round."""
    options = "".join(f", {key} = {value}" for key, value in run.options.items())
    quality = "".join(f", {measure} {value:.3g}" for measure, value in run.quality.items())
    seeds = [each.seed for each in run.rounds]
    told = f"seed {seeds[0]}" if len(seeds) == 1 else f"seeds {seeds[0]} to {seeds[-1]}"
    return escape(f"{run.sampler}{options}{quality}; {told}")
