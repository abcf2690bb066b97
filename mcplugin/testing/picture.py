"""A spectrum that has moved, beside its baseline."""

import contextlib
from pathlib import Path
from uuid import uuid4

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mcplugin.errors import OutputError
from mcplugin.testing.agreement import Agreement
from mcplugin.transport.spectrum import Spectrum

_BEFORE, _NOW, _MOVED = "0.45", "#0072b2", "#d55e00"
# Photons per bin from which a point is drawn, and decades of E F_E shown below the peak.
_LEAST_COUNTS = 4
_DECADES = 5.0


def draw_agreement(
    baseline: Spectrum, spectrum: Spectrum, agreement: Agreement, title: str
) -> Figure:
    """Both spectra above the ratio of their bands; those that have moved are shaded.

    Returns
    -------
    matplotlib.figure.Figure
        It belongs to no window.
    """
    figure = Figure(figsize=(8.0, 6.4), dpi=120, layout="constrained")
    above, below = figure.subplots(2, sharex=True, height_ratios=(3, 2))
    _spectra(above, baseline, spectrum)
    above.set_title(title, fontsize=10)
    _ratios(below, agreement)
    # One shade for each band, though it may have moved in many parts.
    moved = agreement.moved_bands + agreement.moved_energies
    marked = sorted({(band.energy_lo, band.energy_hi) for band in moved})
    for axes in (above, below):
        for k, (lo, hi) in enumerate(marked):
            label = "moved, in all or in a part" if k == 0 else None
            axes.axvspan(lo, hi, color=_MOVED, alpha=0.15, lw=0.0, label=label)
        axes.set_xscale("log")
        axes.set_xlim(spectrum.energy_lo[0], spectrum.energy_hi[-1])
        axes.tick_params(which="both", direction="in", top=True, right=True)
        axes.legend(fontsize=8, frameon=False, loc="best")
    below.set_xlabel("Photon energy $E$ (keV)")
    return figure


def write_picture(figure: Figure, folder: Path, name: str) -> Path:
    """Write a PNG that appears whole, and give its path.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    path = folder / f"{name}.png"
    unfinished = path.with_name(f".{name}-{uuid4().hex}.png")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        figure.savefig(unfinished)
        unfinished.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            unfinished.unlink()
        raise OutputError(f"cannot write the picture {path}: {error}") from error
    return path


def _spectra(axes: Axes, baseline: Spectrum, spectrum: Spectrum) -> None:
    for run, colour, name in ((baseline, _BEFORE, "baseline"), (spectrum, _NOW, "this run")):
        shown = run.counts >= _LEAST_COUNTS
        axes.errorbar(
            run.energy[shown],
            run.efe[shown],
            yerr=run.efe_err[shown],
            fmt="o",
            ms=2.4,
            lw=0.8,
            color=colour,
            label=f"{name}: {run.provenance['photons']:,} photons",
        )
    peak = max(float(run.efe.max(initial=0.0)) for run in (baseline, spectrum))
    if peak > 0.0:
        axes.set_yscale("log")
        axes.set_ylim(peak * 10.0**-_DECADES, peak * 3.0)
    axes.set_ylabel(r"$E\,F_E$")


def _ratios(axes: Axes, agreement: Agreement) -> None:
    bands = [band for band in agreement.counts.views[0].bands if np.isfinite(band.ratio)]
    edges = np.array([[band.energy_lo, band.energy_hi] for band in bands]).reshape(-1, 2)
    centre = np.sqrt(edges.prod(axis=1))
    axes.errorbar(
        centre,
        [band.ratio for band in bands],
        xerr=[centre - edges[:, 0], edges[:, 1] - centre],
        yerr=[band.ratio_error for band in bands],
        fmt=".",
        lw=0.9,
        color=_NOW,
        label="photons in a band",
    )
    if agreement.energies is not None:
        axes.plot(
            [np.sqrt(band.energy_lo * band.energy_hi) for band in agreement.energies.bands],
            [band.ratio for band in agreement.energies.bands],
            "x",
            ms=4.0,
            color="black",
            label="energy in a band",
        )
    axes.axhline(1.0, color=_BEFORE, lw=0.8)
    axes.set_ylabel("this run / baseline")
