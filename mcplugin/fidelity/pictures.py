"""The figures of a validation report."""

import io
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy import special

from mcplugin.fidelity.map_distance import TAIL_PROBABILITIES, MapDistance
from mcplugin.fidelity.moments import MOMENT_NAMES, survival_interval
from mcplugin.fidelity.report import Report
from mcplugin.fidelity.verdict import Test, Verdict

Array = NDArray[np.float64]

_SIZE = (5.4, 3.8)
_DPI = 180
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#7b5e00", "#56b4e9", "#e69f00", "#333333")
# Smaller p-values are drawn here.
_FLOOR = 1e-12


def pictures(report: Report) -> dict[str, bytes]:
    """All figures as PNG, by file name."""
    drawn = {
        "distance.png": _distance(report),
        "p_values.png": _p_values(report),
        "moments.png": _moments(report),
        "tails.png": _tails(report),
        "tests.png": all_tests(report.tests, report.verdict),
    }
    return {name: png(figure) for name, figure in drawn.items()}


def png(figure: Figure) -> bytes:
    """The picture as the content of a PNG file."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=_DPI, metadata={"Software": None})
    return buffer.getvalue()


def figure_of_height(height: float = _SIZE[1]) -> Figure:
    """An empty figure, narrow enough to be read on a telephone; height in inches."""
    return Figure(figsize=(_SIZE[0], height), layout="constrained")


def _over_theta(axes: Axes, report: Report) -> None:
    axes.set_xscale("log")
    axes.set_xlabel(r"electron temperature $\Theta = kT/m_ec^2$")
    axes.set_xlim(report.theta[0] / 1.5, report.theta[-1] * 1.5)
    axes.tick_params(which="both", direction="in", top=True, right=True)


def _distance(report: Report) -> Figure:
    measured = report.map_distance
    return _sampled_distance(report) if measured is None else _map_distance(report, measured)


def _map_distance(report: Report, measured: MapDistance) -> Figure:
    """D, error of the mean energy and of the tails, all without sampling."""
    figure = figure_of_height(7.2)
    above, middle, below = figure.subplots(3, sharex=True, height_ratios=(3, 2, 2))
    theta = measured.theta
    above.loglog(theta, np.maximum(measured.distance, 1e-17), color=COLOURS[0], lw=1.2)
    above.axhline(report.visible_distance, color="0.4", ls="--", lw=0.9)
    above.annotate(
        f"seen with {report.settings.pooled:.0e} draws",
        (theta[0], report.visible_distance),
        (2, -11),
        textcoords="offset points",
        fontsize=8,
        color="0.3",
    )
    above.set_ylabel(r"$D = \sup\,|F - F_\mathrm{exact}|$")
    above.set_title("Distance of the radial map, without sampling", fontsize=10)
    middle.plot(theta, measured.mean_energy_error, color=COLOURS[1], lw=1.2)
    middle.axhline(0.0, color="0.6", lw=0.7)
    middle.set_ylabel(r"$\langle\gamma-1\rangle$, rel. error")
    middle.ticklabel_format(axis="y", style="sci", scilimits=(-2, 2))
    for k, probability in enumerate(TAIL_PROBABILITIES):
        label = f"at $10^{{{round(np.log10(probability))}}}$"
        below.plot(theta, measured.tail_ratio[:, k], color=COLOURS[k], lw=1.2, label=label)
    below.axhline(1.0, color="0.6", lw=0.7)
    below.set_ylabel("survival / exact")
    below.ticklabel_format(axis="y", useOffset=False)
    # Room for the legend below the curves.
    below.margins(y=0.05)
    low, high = below.get_ylim()
    below.set_ylim(low - 0.35 * (high - low), high)
    below.legend(fontsize=8, frameon=False, ncols=4, loc="lower center")
    for axes in (above, middle, below):
        _over_theta(axes, report)
        axes.set_xlim(theta[0], theta[-1])
    above.set_xlabel("")
    middle.set_xlabel("")
    return figure


def _sampled_distance(report: Report) -> Figure:
    """Distances of the pools, with the range in which those of exact ones lie."""
    figure = figure_of_height()
    axes = figure.add_subplot()
    root = np.sqrt(report.settings.pooled)
    low, middle, high = special.kolmogi([0.975, 0.5, 0.025]) / root
    axes.axhspan(low, high, color="0.88", label="95 % of exact samples")
    axes.axhline(middle, color="0.6", lw=0.8)
    axes.axhline(report.visible_distance, color=COLOURS[1], ls="--", lw=1.0, label="would be seen")
    distances = [test.deviation for test in report.pooled_distances]
    axes.plot(report.theta, distances, "o", ms=3.5, color=COLOURS[0], label="measured")
    axes.set_yscale("log")
    axes.set_ylim(0.5 * low, max(3.0 * report.visible_distance, 3.0 * max(distances)))
    axes.set_ylabel(r"$D = \sup\,|F_n - F_\mathrm{exact}|$")
    axes.set_title(f"Distance of {report.settings.pooled:,} draws per temperature", fontsize=10)
    axes.legend(fontsize=8, frameon=False, loc="best")
    _over_theta(axes, report)
    return figure


def _p_values(report: Report) -> Figure:
    """Distribution of the p-values of single samples, and pooled ones over temperature."""
    figure = figure_of_height(6.4)
    above, below = figure.subplots(2)
    singles = report.single_samples
    place = np.linspace(0.0, 1.0, 400)
    count = singles.ks_p_value.size
    band = float(special.kolmogi(0.05)) / np.sqrt(count)
    above.axhspan(-band, band, color="0.88", label="95 % of uniform ones")
    for values, name, colour in (
        (singles.ks_p_value, "Kolmogorov-Smirnov", COLOURS[0]),
        (singles.ad_p_value, "Anderson-Darling", COLOURS[1]),
    ):
        below_place = np.searchsorted(np.sort(values, axis=None), place, side="right") / count
        above.plot(place, below_place - place, color=colour, lw=1.1, label=name)
    above.set_xlim(0.0, 1.0)
    above.set_xlabel("p-value")
    above.set_ylabel("share below, minus p-value")
    above.set_title(f"{count:,} single samples of {singles.draws:,} draws", fontsize=10)
    above.legend(fontsize=8, frameon=False)
    above.tick_params(which="both", direction="in", top=True, right=True)
    shown = []
    for subject, marker, colour in (("KS", "o", COLOURS[0]), ("AD", "s", COLOURS[1])):
        pooled = [t for t in report.tests if (t.family, t.subject) == ("pooled", subject)]
        p_values = np.maximum([test.p_value for test in pooled], _FLOOR)
        shown.append(np.min(p_values))
        below.plot(report.theta, p_values, marker, ms=3.5, mfc="none", color=colour, label=subject)
    below.axhline(0.01, color="0.6", lw=0.8, ls=":")
    below.axhline(report.verdict.level, color="0.3", lw=0.9, ls="--", label="told apart below")
    below.set_yscale("log")
    below.set_ylim(0.3 * min(report.verdict.level, np.min(shown)), 30.0)
    below.set_ylabel("p-value")
    below.set_title(f"Pools of {report.settings.pooled:,} draws", fontsize=10)
    below.legend(fontsize=8, frameon=False, ncols=3)
    _over_theta(below, report)
    return figure


def _moments(report: Report) -> Figure:
    """Moments as normal scores of their p-values, with the sign of the deviation."""
    figure = figure_of_height()
    axes = figure.add_subplot()
    axes.axhspan(-2.0, 2.0, color="0.9")
    largest = 0.0
    limit = -float(special.ndtri(0.5 * report.verdict.level))
    for sign in (-1.0, 1.0):
        axes.axhline(sign * limit, color="0.3", lw=0.9, ls="--")
    for k, name in enumerate(MOMENT_NAMES):
        chosen = [t for t in report.tests if (t.family, t.subject) == ("moments", name)]
        scores = [_score(test.deviation, test.p_value) for test in chosen]
        largest = max(largest, *np.abs(scores))
        axes.plot(report.theta, scores, "osD^v"[k], ms=3.2, color=COLOURS[k], label=name)
    # Room for the legend above; a sampler that is far off needs a logarithmic scale.
    if largest < 2.0 * limit:
        axes.set_ylim(-1.2 * max(limit, largest), 1.6 * max(limit, largest))
    else:
        axes.set_yscale("symlog", linthresh=10.0, linscale=2.0)
    axes.set_ylabel("standard errors from exact")
    axes.set_title("Moments of the pools (dashed: told apart)", fontsize=10)
    axes.legend(fontsize=8, frameon=False, ncols=5, columnspacing=0.8, handletextpad=0.1)
    _over_theta(axes, report)
    return figure


def _score(deviation: float, p_value: float) -> float:
    """Two-sided p-value as a normal score with the deviation's sign."""
    return float(-np.sign(deviation) * special.ndtri(0.5 * max(p_value, 1e-300)))


def _tails(report: Report) -> Figure:
    """Survival over exact with 95 % Poisson intervals, one panel per decade."""
    figure = figure_of_height(6.0)
    panels = np.atleast_1d(figure.subplots(2, 2, sharex=True)).ravel()
    for k, (axes, probability) in enumerate(zip(panels, TAIL_PROBABILITIES, strict=True)):
        expected = probability * report.settings.pooled
        counts = report.tail_counts[:, k]
        ratio = counts / expected
        limits = np.array([survival_interval(int(count), expected) for count in counts]).T
        axes.errorbar(
            report.theta,
            ratio,
            yerr=np.abs(limits - ratio),
            fmt="o",
            ms=2.5,
            lw=0.7,
            color=COLOURS[k],
        )
        axes.axhline(1.0, color="0.5", lw=0.8)
        axes.set_title(f"survival $10^{{{round(np.log10(probability))}}}$", fontsize=9)
        axes.ticklabel_format(axis="y", useOffset=False)
        _over_theta(axes, report)
        axes.set_xlabel(r"$\Theta$" if k >= 2 else "")
        axes.set_ylabel("drawn / exact" if k % 2 == 0 else "")
    return figure


def all_tests(tests: Sequence[Test], found: Verdict[Test]) -> Figure:
    """Every p-value against the one expected at its rank, by family."""
    figure = figure_of_height(4.2)
    axes = figure.add_subplot()
    p_values = np.maximum([test.p_value for test in tests], _FLOOR)
    order = np.argsort(p_values)
    expected = (np.arange(p_values.size) + 0.5) / p_values.size
    families = list(dict.fromkeys(test.family for test in tests))
    for k, family in enumerate(families):
        mine = [rank for rank, i in enumerate(order) if tests[i].family == family]
        axes.loglog(
            expected[mine],
            p_values[order[mine]],
            "o^"[k // len(COLOURS) % 2],
            ms=3.0,
            color=COLOURS[k % len(COLOURS)],
            label=family,
        )
    ends = np.array([expected[0], 1.0])
    axes.plot(ends, ends, color="0.6", lw=0.8)
    axes.axhline(found.level, color="0.3", lw=0.9, ls="--")
    axes.invert_xaxis()
    axes.invert_yaxis()
    axes.set_xlabel("expected p-value at this rank")
    axes.set_ylabel("p-value")
    axes.set_title(f"All {found.tests} tests (dashed: told apart)", fontsize=10)
    columns = 4 if len(families) <= len(COLOURS) else 3
    figure.legend(fontsize=8, frameon=False, ncols=columns, loc="outside lower center")
    axes.tick_params(which="both", direction="in", top=True, right=True)
    return figure
