"""The figures of the validation of a scattering sampler."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy import special

from mcplugin.fidelity.equilibrium import BAND_EDGES, SCATTERINGS, WIEN_MEAN, net_currents
from mcplugin.fidelity.event_law import TAIL_PROBABILITIES, event_law
from mcplugin.fidelity.event_report import EventReport
from mcplugin.fidelity.event_tests import (
    BARS,
    COSINE,
    ENERGY,
    GAIN,
    GIVEN_COSINE,
    SQUARE,
)
from mcplugin.fidelity.moments import survival_interval
from mcplugin.fidelity.pictures import COLOURS, all_tests, figure_of_height, png

Array = NDArray[np.float64]

# Smaller p-values are drawn here, and so are smaller distances.
_FLOOR = 1e-12
_LEAST_DISTANCE = 1e-6


def pictures(report: EventReport) -> dict[str, bytes]:
    """All figures as PNG, by file name."""
    drawn = {
        "cells.png": _cells(report),
        "p_values.png": _p_values(report),
        "moments.png": _moments(report),
        "tails.png": _tails(report),
        "equilibrium.png": _equilibrium(report),
        "tests.png": all_tests(report.tests, report.verdict),
    }
    return {name: png(figure) for name, figure in drawn.items()}


def _cells(report: EventReport) -> Figure:
    """Distances in every cell of x and Θ: computed ones where there are, and sampled ones."""
    computed = report.computed
    sampled = {
        "cosine": _largest(report, COSINE),
        "energy": _largest(report, ENERGY),
        "energy in the worst cell of the cosine": _largest(report, GIVEN_COSINE),
    }
    figure = figure_of_height(8.6)
    panels = figure.subplots(3, 1 if computed is None else 2, sharex=True, sharey=True)
    columns = [("√n D of the events", sampled)]
    if computed is not None:
        without = (computed.cosine, computed.energy, computed.energy_given_cosine.max(axis=1))
        columns.insert(0, ("D without sampling", dict(zip(sampled, without, strict=True))))
    for column, (what, values) in enumerate(columns):
        noisy = what.startswith("√n")
        norm = None if noisy else LogNorm(1e-5, 10.0 * BARS.distance)
        for row, (name, each) in enumerate(values.items()):
            axes = np.reshape(panels, (3, -1))[row, column]
            shown = each if noisy else np.maximum(each, _LEAST_DISTANCE)
            scale = {"vmin": 0.0, "vmax": 3.5} if noisy else {"norm": norm}
            mesh = axes.pcolormesh(*_edges(report), _grid(report, shown), cmap="viridis", **scale)
            axes.set_xscale("log")
            axes.set_yscale("log")
            axes.minorticks_off()
            axes.set_title(name, fontsize=8)
            if column == 0:
                axes.set_ylabel(r"$\Theta$")
            if row == 2:
                axes.set_xlabel(r"$x = h\nu/m_ec^2$")
                bar = figure.colorbar(
                    mesh, ax=np.reshape(panels, (3, -1))[:, column], location="bottom", aspect=30
                )
                expected = "exact: 0.87 ± 0.26" if noisy else f"bar: {BARS.distance:g}"
                bar.set_label(f"{what} ({expected})", fontsize=8)
                if not noisy:
                    bar.ax.axvline(BARS.distance, color="w", lw=1.5)
    return figure


def _largest(report: EventReport, family: str) -> Array:
    """√n D of every place, the largest of its cells."""
    largest = dict.fromkeys(report.places, 0.0)
    for test in report.tests:
        if test.family == family and test.subject != "AD" and test.x is not None:
            place = (test.x, test.theta or 0.0)
            largest[place] = max(largest[place], np.sqrt(test.draws) * test.deviation)
    return np.array(list(largest.values()))


def _edges(report: EventReport) -> tuple[Array, Array]:
    (x_low, x_high), (theta_low, theta_high) = report.compared_range
    count = report.settings.cells + 1
    return np.geomspace(x_low, x_high, count), np.geomspace(theta_low, theta_high, count)


def _grid(report: EventReport, values: Array) -> Array:
    return values.reshape(report.settings.cells, report.settings.cells)


def _p_values(report: EventReport) -> Figure:
    """Distribution of the p-values of all cells, and where the smallest are."""
    figure = figure_of_height(6.4)
    above, below = figure.subplots(2)
    place = np.linspace(0.0, 1.0, 400)
    families = ((COSINE, "o"), (ENERGY, "s"), (GIVEN_COSINE, "^"))
    fewest = len(report.places)
    band = float(special.kolmogi(0.05)) / np.sqrt(fewest)
    above.axhspan(-band, band, color="0.9", label=f"95 % of {fewest} uniform ones")
    for k, (family, marker) in enumerate(families):
        tests = [t for t in report.tests if t.family == family and t.subject != "AD"]
        values = np.sort([test.p_value for test in tests])
        share = np.searchsorted(values, place, side="right") / values.size
        above.plot(place, share - place, color=COLOURS[k], lw=1.1, label=f"{family} ({len(tests)})")
        below.plot(
            [test.theta for test in tests],
            np.maximum([test.p_value for test in tests], _FLOOR),
            marker,
            ms=2.5,
            mfc="none",
            mew=0.6,
            color=COLOURS[k],
            label=family,
        )
    above.set_xlim(0.0, 1.0)
    above.set_xlabel("p-value")
    above.set_ylabel("share below, minus p-value")
    above.set_title(f"Kolmogorov-Smirnov, {report.events_per_place:,} events a place", fontsize=10)
    above.legend(fontsize=8, frameon=False)
    above.tick_params(which="both", direction="in", top=True, right=True)
    below.axhline(0.01, color="0.6", lw=0.8, ls=":")
    below.axhline(report.verdict.level, color="0.3", lw=0.9, ls="--", label="told apart below")
    below.set_yscale("log")
    below.set_ylabel("p-value")
    smallest = min(float(np.min(line.get_ydata())) for line in below.get_lines())
    below.set_ylim(3e-3 * smallest, 3.0)
    below.legend(fontsize=8, frameon=False, ncols=2, loc="lower left")
    _over_theta(below)
    return figure


def _over_theta(axes: Axes) -> None:
    axes.set_xscale("log")
    axes.set_xlabel(r"electron temperature $\Theta = kT/m_ec^2$")
    axes.tick_params(which="both", direction="in", top=True, right=True)


def _moments(report: EventReport) -> Figure:
    """Errors of the mean energy and of its square, with the bars and without sampling."""
    figure = figure_of_height(6.4)
    panels = figure.subplots(2, sharex=True)
    computed = report.computed
    theta = np.geomspace(*report.compared_range[1], 200)
    for axes, subject, bars in (
        (panels[0], GAIN, [BARS.gain(each) for each in theta]),
        (panels[1], SQUARE, np.full(theta.size, BARS.square)),
    ):
        tests = [test for test in report.tests if test.subject == subject]
        axes.errorbar(
            [test.theta for test in tests],
            [test.deviation for test in tests],
            yerr=[test.noise for test in tests],
            fmt="o",
            ms=2.0,
            lw=0.6,
            color="0.6",
            label="events, with standard errors",
        )
        if computed is not None:
            errors = computed.gain if subject == GAIN else computed.square
            axes.plot(
                computed.theta, errors, "d", ms=2.5, color=COLOURS[0], label="without sampling"
            )
        for sign in (-1.0, 1.0):
            label = "bar" if sign > 0.0 else None
            axes.plot(theta, sign * np.asarray(bars), color=COLOURS[1], lw=1.0, label=label)
        axes.axhline(0.0, color="0.5", lw=0.7)
        axes.set_yscale("symlog", linthresh=10.0 ** np.floor(np.log10(0.9 * min(bars))))
        axes.set_ylabel(f"{subject}, relative error")
        _over_theta(axes)
    panels[0].set_xlabel("")
    panels[0].set_title("Energy after one scattering, over that before", fontsize=10)
    lines = panels[0].get_legend_handles_labels()
    figure.legend(*lines, fontsize=8, frameon=False, ncols=3, loc="outside lower center")
    return figure


def _tails(report: EventReport) -> Figure:
    """Survival over exact with 95 % Poisson intervals, all energies of a temperature together."""
    figure = figure_of_height(6.8)
    panels = figure.subplots(len(TAIL_PROBABILITIES), sharex=True)
    cells = report.settings.cells
    exact = np.array([event_law(*place).tail_probability for place in report.places])
    theta = np.array([theta for _, theta in report.places]).reshape(cells, cells)
    centre = np.exp(np.log(theta).mean(axis=1))
    computed = report.computed
    for k, (axes, probability) in enumerate(zip(panels, TAIL_PROBABILITIES, strict=True)):
        expected = (exact[:, k] * report.events_per_place).reshape(cells, cells).sum(axis=1)
        counts = report.tail_counts[:, k].reshape(cells, cells).sum(axis=1)
        ratio = counts / expected
        pairs = zip(counts, expected, strict=True)
        limits = np.array([survival_interval(int(count), mean) for count, mean in pairs]).T
        axes.errorbar(
            centre,
            ratio,
            yerr=np.abs(limits - ratio),
            fmt="o",
            ms=3.0,
            lw=0.8,
            color=COLOURS[k],
            label="events",
        )
        if computed is not None:
            axes.plot(
                computed.theta,
                1.0 + computed.tail[:, k],
                "d",
                ms=2.2,
                color="0.4",
                label="without sampling",
            )
        axes.axhline(1.0, color="0.5", lw=0.8)
        for sign in (-1.0, 1.0):
            axes.axhline(1.0 + sign * BARS.tail, color="0.3", lw=0.8, ls="--")
        axes.set_title(
            rf"$x'/x$ beyond exact survival $10^{{{round(np.log10(probability))}}}$", fontsize=9
        )
        axes.set_ylabel("drawn / exact")
        axes.ticklabel_format(axis="y", useOffset=False)
        _over_theta(axes)
        axes.set_xlabel("" if k < len(panels) - 1 else r"$\Theta$")
    panels[0].legend(fontsize=8, frameon=False, ncols=2)
    return figure


def _equilibrium(report: EventReport) -> Figure:
    """Deviation of ⟨x/Θ⟩ from 3, and net currents between bands."""
    figure = figure_of_height(6.8)
    above, below = figure.subplots(2)
    above.axhspan(-BARS.equilibrium, BARS.equilibrium, color="0.9", label="bar after 100")
    above.axhline(0.0, color="0.5", lw=0.8)
    for k, scatterings in enumerate(SCATTERINGS):
        shift = 1.12 ** (k - 1.5)
        above.errorbar(
            [shift * each.theta for each in report.equilibrium],
            [each.mean[k] - WIEN_MEAN for each in report.equilibrium],
            yerr=[each.error[k] for each in report.equilibrium],
            fmt="osD^"[k],
            ms=3.0,
            lw=0.9,
            color=COLOURS[k],
            label=f"after {scatterings}",
        )
    above.set_ylabel(r"$\langle x/\Theta\rangle - 3$")
    above.set_title(f"{report.settings.photons:,} photons in equilibrium", fontsize=10)
    above.legend(fontsize=8, frameon=False, ncols=3)
    _over_theta(above)
    below.axhspan(-2.0, 2.0, color="0.9")
    below.axhline(0.0, color="0.5", lw=0.8)
    for k, each in enumerate(report.equilibrium):
        up, down = net_currents(each.exchanged)
        both = np.maximum(up + down, 1)
        below.plot(
            BAND_EDGES * 1.02 ** (k - 2),
            (up - down) / np.sqrt(both),
            "osD^v"[k % 5],
            ms=3.5,
            color=COLOURS[k],
            label=rf"$\Theta = {each.theta:g}$",
        )
    below.set_xlabel(r"edge between two bands of $x/\Theta$")
    below.set_ylabel("net current, standard errors")
    below.set_title("Detailed balance: up minus down in one scattering", fontsize=10)
    below.margins(y=0.3)
    below.legend(fontsize=8, frameon=False, ncols=3, loc="upper center")
    below.tick_params(which="both", direction="in", top=True, right=True)
    return figure
