"""The spectrum as a picture for a talk."""

import numpy as np
from matplotlib.figure import Figure

from mcplugin.transport.spectrum import Spectrum

# Photons per bin from which a point is drawn, and decades of E F_E shown below the peak.
_LEAST_COUNTS = 4
_DECADES = 5.0


def draw(spectrum: Spectrum) -> Figure:
    """E F_E with error bars, the seed spectrum behind it, the first orders as thin lines."""
    figure = Figure(figsize=(8.0, 5.2), dpi=150, layout="constrained")
    axes = figure.add_subplot()
    energy = spectrum.energy
    shown = spectrum.counts >= _LEAST_COUNTS

    axes.fill_between(energy, spectrum.seed_efe, step="mid", color="0.87", label="seed photons")
    orders = spectrum.by_order
    first_orders = min(len(orders.counts) - 1, 6)
    colours = np.linspace(0.1, 0.85, max(first_orders, 1))
    for order in range(first_orders):
        enough = orders.counts[order] >= _LEAST_COUNTS
        axes.plot(
            energy[enough],
            orders.efe[order][enough],
            lw=0.9,
            color=_colour(colours[order]),
            label=f"{order} scattering{'' if order == 1 else 's'}",
        )
    axes.errorbar(
        energy[shown],
        spectrum.efe[shown],
        yerr=spectrum.efe_err[shown],
        fmt="o",
        ms=2.2,
        lw=0.8,
        color="black",
        ecolor="0.35",
        label="escaping photons",
    )
    axes.set_xscale("log")
    axes.set_xlim(spectrum.energy_lo[0], spectrum.energy_hi[-1])
    peak = max(spectrum.efe.max(initial=0.0), spectrum.seed_efe.max(initial=0.0))
    if peak > 0.0:
        axes.set_yscale("log")
        axes.set_ylim(peak * 10.0**-_DECADES, peak * 3.0)
    axes.set_xlabel("Photon energy $E$ (keV)")
    axes.set_ylabel(r"$E\,F_E$  (energy per $\ln E$ / energy of the seed photons)")
    axes.set_title(_title(spectrum), fontsize=10)
    axes.tick_params(which="both", direction="in", top=True, right=True)
    axes.legend(fontsize=8, frameon=False, ncols=2, loc="best")
    return figure


def _colour(place: float) -> tuple[float, float, float, float]:
    from matplotlib import colormaps

    red, green, blue, alpha = colormaps["viridis"](place)
    return red, green, blue, alpha


def _title(spectrum: Spectrum) -> str:
    run = spectrum.provenance
    plasma = run.get("configuration", {}).get("plasma")
    if plasma is None:
        return ""
    partial = ", interrupted" if run["interrupted"] else ""
    return (
        f"{plasma['geometry']}, $kT$ = {run['kt_kev']:.4g} keV, "
        rf"$\tau$ = {plasma['tau']:g}:  {run['photons']:,} photons ({run['sampler']}{partial}), "
        f"amplification {run['amplification']:.4g} ± {run['amplification_error']:.1g}"
    )
