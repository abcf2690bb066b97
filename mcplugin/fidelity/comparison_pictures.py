"""The figures of a comparison of samplers."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy import special

from mcplugin.fidelity.comparison import Comparison
from mcplugin.fidelity.pictures import COLOURS, figure_of_height, png
from mcplugin.fidelity.spectra import Band, View
from mcplugin.fidelity.turns import SamplerRun
from mcplugin.transport.spectrum import Part

Array = NDArray[np.float64]

_REFERENCE = "black"
_MARKERS = "osD^v<>"
# Photons per bin from which a point is drawn, and decades of E F_E shown below the peak.
_LEAST_COUNTS = 16
_DECADES = 5.0
# Parts that are drawn of a view: those with most photons.
_MOST_PARTS = 6
# Heights in inches: the spectrum with its axes, and each panel of ratios.
_SPECTRUM, _PANEL = 3.4, 1.15
# Deviations farther out than this many standard errors are drawn on a logarithmic scale.
_FAR = 12.0


def pictures(comparison: Comparison) -> dict[str, bytes]:
    """All figures as PNG, by file name; without ``angle.png`` where there is but one angle."""
    drawn = {"spectra.png": _spectra(comparison)}
    reference = comparison.reference.spectrum
    names = {view.name for spectra in comparison.spectra.values() for view in spectra.views}
    if "angle" in names:
        edges = reference.cosine_edges
        cosines = [f"{lo:.2g} to {hi:.2g}" for lo, hi in pairwise(edges)]
        drawn["angle.png"] = _parts(
            comparison, "angle", [run.spectrum.by_angle for run in comparison.runs], cosines
        )
    last = len(reference.by_order.counts) - 1
    orders = [*(str(order) for order in range(last)), f"{last} and more"]
    drawn["order.png"] = _parts(
        comparison, "order", [run.spectrum.by_order for run in comparison.runs], orders
    )
    drawn["speed.png"] = _speed(comparison)
    return {name: png(figure) for name, figure in drawn.items()}


def _colour(comparison: Comparison, run: SamplerRun) -> str:
    if run is comparison.reference:
        return _REFERENCE
    return COLOURS[comparison.others.index(run) % len(COLOURS)]


def _over_energy(axes: Axes, comparison: Comparison) -> None:
    """All bands of the total spectrum, of any sampler."""
    bands = [band for spectra in comparison.spectra.values() for band in spectra.views[0].bands]
    axes.set_xscale("log")
    axes.set_xlim(min(b.energy_lo for b in bands), max(b.energy_hi for b in bands))
    axes.tick_params(which="both", direction="in", top=True, right=True)


def _enough(counts: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Bins that are drawn: those with some photons, or any if all bins are that narrow."""
    enough = counts >= _LEAST_COUNTS
    return enough if enough.any() else counts > 0


def _log_efe(axes: Axes, efe: Array, counts: NDArray[np.int64]) -> None:
    """From the faintest bin that is drawn, but five decades at most, to the peak."""
    faintest = efe[_enough(counts)].min()
    axes.set_yscale("log")
    axes.set_ylim(max(efe.max() * 10.0**-_DECADES, 0.5 * faintest), efe.max() * 4.0)
    axes.set_ylabel(r"$E\,F_E$ / energy of the seeds")


def _spectra(comparison: Comparison) -> Figure:
    """E F_E of all samplers, and below it one panel of ratios for each of them."""
    others = comparison.others
    figure = figure_of_height(_SPECTRUM + _PANEL * len(others))
    above, *below = figure.subplots(
        1 + len(others), sharex=True, height_ratios=(3.0, *(_PANEL for _ in others))
    )
    for run in comparison.runs:
        _efe_points(above, comparison, run)
    spectrum = comparison.reference.spectrum
    above.fill_between(
        spectrum.energy, spectrum.seed_efe, step="mid", color="0.9", label="seed photons", zorder=0
    )
    _log_efe(above, spectrum.efe, spectrum.counts)
    above.legend(fontsize=8, frameon=False, ncols=2, loc="best")
    above.set_title(_title(comparison), fontsize=9)
    _over_energy(above, comparison)
    bands = {run.label: comparison.spectra[run.label].views[0].bands for run in others}
    linear, reach = _scale([band for each in bands.values() for band in each])
    for axes, run in zip(below, others, strict=True):
        verdict = ": told apart" if run.label in comparison.told_apart else ""
        axes.set_yscale("symlog", linthresh=linear)
        axes.set_ylim(-1.6 * reach, 6.0 * reach)
        _ratios(axes, bands[run.label], run.label + verdict, _colour(comparison, run))
        _over_energy(axes, comparison)
    height = _PANEL * len(others)
    middle = (0.4 + 0.5 * height) / (_SPECTRUM + height)
    figure.supylabel("ratio $-$ 1 (%)", fontsize=10, y=middle)
    below[-1].set_xlabel("photon energy $E$ (keV)")
    return figure


def _efe_points(axes: Axes, comparison: Comparison, run: SamplerRun) -> None:
    """Error bars, a little apart for each sampler, so that none hides another."""
    spectrum = run.spectrum
    shown = _enough(spectrum.counts)
    place = comparison.runs.index(run) - 0.5 * (len(comparison.runs) - 1)
    width = np.log(spectrum.energy_hi[0] / spectrum.energy_lo[0])
    axes.errorbar(
        spectrum.energy[shown] * np.exp(0.6 * place * width / len(comparison.runs)),
        spectrum.efe[shown],
        yerr=spectrum.efe_err[shown],
        fmt=_MARKERS[comparison.runs.index(run) % len(_MARKERS)],
        ms=2.0,
        lw=0.7,
        mfc="none",
        mew=0.6,
        color=_colour(comparison, run),
        label=run.label,
    )


def _title(comparison: Comparison) -> str:
    plasma = comparison.configuration.plasma
    return (
        rf"{plasma.geometry}, $\Theta$ = {plasma.temperature:.4g}, $\tau$ = {plasma.tau:g}: "
        f"{comparison.reference.photons:,} photons per sampler"
    )


def _scale(bands: Sequence[Band]) -> tuple[float, float]:
    """Up to where ratios are drawn to scale, and how far out the farthest of them is, in %.

    Errors grow a hundredfold along a spectrum: beyond the median one, rounded up to a power of
    ten, the scale is logarithmic.
    """
    errors = [100.0 * b.ratio_error for b in bands if np.isfinite(b.ratio_error)]
    reach = [100.0 * (abs(b.ratio - 1.0) + b.ratio_error) for b in bands if np.isfinite(b.ratio)]
    linear = 10.0 ** np.ceil(np.log10(max(np.median(errors or [1.0]), 1e-12)))
    return float(linear), max([*reach, linear])


def _ratios(axes: Axes, bands: Sequence[Band], label: str, colour: str) -> None:
    finite = [band for band in bands if np.isfinite(band.ratio_error)]
    low, high = (np.array([getattr(b, f"energy_{end}") for b in finite]) for end in ("lo", "hi"))
    centre = np.sqrt(low * high)
    axes.errorbar(
        centre,
        [100.0 * (band.ratio - 1.0) for band in finite],
        xerr=(centre - low, high - centre),
        yerr=[100.0 * band.ratio_error for band in finite],
        fmt="none",
        lw=0.9,
        color=colour,
    )
    # Where one of the runs has no photons the ratio is beyond any scale.
    for band in bands:
        if not np.isfinite(band.ratio_error):
            place, marker = (0.04, "v") if band.counts[1] == 0 else (0.96, "^")
            middle = np.sqrt(band.energy_lo * band.energy_hi)
            axes.plot(
                middle, place, marker, color=colour, ms=4.0, transform=axes.get_xaxis_transform()
            )
    axes.axhline(0.0, color="0.5", lw=0.7)
    axes.text(0.015, 0.93, label, transform=axes.transAxes, fontsize=8, va="top")
    axes.yaxis.set_major_formatter("{x:g}")


def _parts(
    comparison: Comparison, name: str, parts: Sequence[Part], labels: Sequence[str]
) -> Figure:
    """E F_E of each part: reference as lines, the others as points; and all deviations."""
    figure = figure_of_height(5.6)
    above, below = figure.subplots(2, sharex=True, height_ratios=(3, 2))
    spectrum = comparison.reference.spectrum
    of_reference = parts[comparison.runs.index(comparison.reference)]
    most = np.argsort(-of_reference.counts.sum(axis=1), kind="stable")[:_MOST_PARTS]
    shades = dict(zip(np.sort(most).tolist(), _shades(len(most)), strict=True))
    for row, shade in shades.items():
        enough = _enough(of_reference.counts[row])
        above.plot(
            spectrum.energy[enough],
            of_reference.efe[row][enough],
            lw=0.9,
            color=shade,
            label=labels[row],
        )
    for run, part in zip(comparison.runs, parts, strict=True):
        if run is comparison.reference:
            continue
        for row, shade in shades.items():
            enough = _enough(part.counts[row])
            marker = _MARKERS[comparison.runs.index(run) % len(_MARKERS)]
            above.plot(
                spectrum.energy[enough],
                part.efe[row][enough],
                marker,
                ms=1.8,
                mfc="none",
                mew=0.5,
                color=shade,
            )
    _log_efe(above, of_reference.efe[most], of_reference.counts[most])
    title = {"angle": "cosine of the escape angle", "order": "scatterings"}[name]
    above.legend(title=title, title_fontsize=8, fontsize=8, frameon=False, ncols=2, loc="best")
    above.set_title(f"{comparison.reference.label} as lines, the others as points", fontsize=9)
    _over_energy(above, comparison)
    _deviations(below, comparison, name)
    return figure


def _shades(count: int) -> list[tuple[float, float, float, float]]:
    from matplotlib import colormaps

    return [tuple(shade) for shade in colormaps["viridis"](np.linspace(0.0, 0.85, count))]


def _deviations(axes: Axes, comparison: Comparison, name: str) -> None:
    """Every band of a view, in standard errors; dashed: where one band alone decides."""
    views: dict[str, View] = {
        label: next(view for view in spectra.views if view.name == name)
        for label, spectra in comparison.spectra.items()
    }
    largest = limit = 0.0
    for run in comparison.others:
        view = views[run.label]
        energy = [np.sqrt(band.energy_lo * band.energy_hi) for band in view.bands]
        deviation = np.array([band.deviation for band in view.bands])
        axes.plot(
            energy,
            deviation,
            _MARKERS[comparison.runs.index(run) % len(_MARKERS)],
            ms=2.2,
            mfc="none",
            mew=0.6,
            color=_colour(comparison, run),
            label=run.label,
        )
        spectra = comparison.spectra[run.label]
        level = spectra.false_alarm / (len(spectra.views) * (len(view.bands) + 2))
        limit = max(limit, -float(special.ndtri(0.5 * level)))
        largest = max(largest, float(np.abs(deviation).max(initial=0.0)))
    axes.axhspan(-2.0, 2.0, color="0.92", zorder=0)
    for sign in (-1.0, 1.0):
        axes.axhline(sign * limit, color="0.3", lw=0.9, ls="--")
    if largest > _FAR:
        axes.set_yscale("symlog", linthresh=5.0, linscale=2.0)
        axes.set_ylim(-1.5 * largest, 10.0 * largest)
        axes.yaxis.set_major_formatter("{x:g}")
    else:
        reach = max(1.25 * limit, 1.1 * largest)
        axes.set_ylim(-reach, 1.35 * reach)
    axes.set_ylabel("standard errors")
    axes.set_xlabel("photon energy $E$ (keV)")
    axes.legend(fontsize=8, frameon=False, ncols=4, loc="upper center", handletextpad=0.1)
    _over_energy(axes, comparison)


def _speed(comparison: Comparison) -> Figure:
    """Time per photon: the sampler, and all the rest."""
    figure = figure_of_height(1.2 + 0.36 * len(comparison.runs))
    axes = figure.add_subplot()
    for row, run in enumerate(comparison.runs):
        per_photon = 1e9 / run.figure("photons_per_second").median
        drawing = run.figure("sampler_share").median * per_photon
        colour = _colour(comparison, run)
        axes.barh(row, per_photon - drawing, color="0.75", height=0.62)
        axes.barh(row, drawing, left=per_photon - drawing, color=colour, height=0.62)
    reference = comparison.reference
    rest = 1e9 / (reference.figure("photons_per_second").median * comparison.bound.median)
    axes.axvline(rest, color="0.25", lw=0.9, ls="--")
    axes.set_yticks(range(len(comparison.runs)), [run.label for run in comparison.runs])
    axes.invert_yaxis()
    axes.set_xlabel("ns per photon: in grey all but the sampler", fontsize=9)
    axes.set_title("Time per photon (dashed: an infinitely fast sampler)", fontsize=9)
    axes.tick_params(axis="x", direction="in", top=True)
    return figure
