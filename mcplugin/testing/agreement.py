"""Whether a run agrees with its baseline, and what could have been seen.

Photons are compared by :func:`~mcplugin.fidelity.spectra.compare_spectra`: exact tests of the
counts in bands of energy, by angle and by scattering order, with their χ² and the mean of ln E.
A normalisation that is wrong leaves all counts as they are, so the energy in each band is compared
too where it is known.
"""

import math
import statistics
from dataclasses import dataclass
from typing import Any

import numpy as np

from mcplugin.domain import instance_of, probability
from mcplugin.errors import InputError
from mcplugin.fidelity.spectra import (
    POWER,
    Band,
    SpectraComparison,
    compare_counts,
    compare_spectra,
)
from mcplugin.transport.spectrum import Array, Spectrum

_MOST_ROWS = 12


@dataclass(frozen=True)
class Agreement:
    """The verdict on a run and its baseline, and what it rests on.

    Attributes
    ----------
    counts : SpectraComparison
        The comparison of the photons; its ``false_alarm`` is the share of them that it may spend.
    energies : SpectraComparison or None
        The comparison of the energies, where they are known; with the rest of the false alarms.
    false_alarm : float
        Probability at most of a verdict ``moved`` on two runs of one law.
    identical : bool
        Whether all numbers of both spectra have the same bits.
    changed_settings : tuple of str
        Settings that differ from those of the baseline.
    notes : tuple of str
        What was not compared, or is not known.
    warnings : tuple of str
        What makes the comparison worthless.
    """

    counts: SpectraComparison
    energies: SpectraComparison | None
    false_alarm: float
    identical: bool
    changed_settings: tuple[str, ...]
    notes: tuple[str, ...]
    warnings: tuple[str, ...]

    @property
    def p_value(self) -> float:
        """Family-wise p-value."""
        return min(
            1.0, *(part.p_value * self.false_alarm / part.false_alarm for part in self._comparisons)
        )

    @property
    def moved(self) -> bool:
        """The verdict."""
        return self.p_value <= self.false_alarm

    @property
    def moved_bands(self) -> tuple[Band, ...]:
        """Bands whose photons differ significantly, the most significant first."""
        return tuple(sorted(self.counts.significant, key=lambda band: -abs(band.deviation)))

    @property
    def moved_energies(self) -> tuple[Band, ...]:
        """Bands whose energies differ significantly, the most significant first."""
        bands = () if self.energies is None else self.energies.significant
        return tuple(sorted(bands, key=lambda band: -abs(band.deviation)))

    @property
    def visible(self) -> tuple[Band, float]:
        """Where the least change would have been seen; and what change in the median band."""
        bands = self.counts.views[0].bands
        best = min(bands, key=lambda band: band.visible)
        return best, statistics.median(band.visible for band in bands)

    @property
    def visible_shift(self) -> tuple[float, str]:
        """The least shift of ln E that would have been seen, and the view that sees it."""
        # A view whose photons are all in one bin has seen none.
        seen = [(view.drift_visible, view.name) for view in self.counts.views if view.drift_error]
        return min(seen, default=(math.inf, self.counts.views[0].name))

    @property
    def sensitivity(self) -> str:
        """The least change that would have been seen, in words."""
        best, median = self.visible
        shift, view = self.visible_shift
        given = "" if view == "total" else f" at given {view}"
        return (
            f"visible with probability {POWER:g}: a change of {best.visible:.2g} in the best band "
            f"({best.energies}), of {median:.2g} in the median one; a shift of ln E by "
            f"{shift:.2g}{given}"
        )

    @property
    def tests(self) -> int:
        """How many tests the family-wise p-value covers."""
        return sum(len(view.bands) + 2 for part in self._comparisons for view in part.views)

    @property
    def _comparisons(self) -> tuple[SpectraComparison, ...]:
        return (self.counts,) if self.energies is None else (self.counts, self.energies)

    def __str__(self) -> str:
        verdict = "the spectrum has moved" if self.moved else "no difference found"
        if self.identical:
            verdict = "bit-identical"
        lines = [
            f"{verdict} (p = {self.p_value:.2g}, family-wise over {self.tests} tests; a run "
            f"without any change fails with probability {self.false_alarm:.2g} at most)"
        ]
        if self.moved:
            lines += self._differences()
        lines.append(self.sensitivity)
        lines += [f"changed setting: {setting}" for setting in self.changed_settings]
        lines += [f"note: {note}" for note in self.notes]
        lines += [f"warning: {warning}" for warning in self.warnings]
        return "\n".join(lines)

    def _differences(self) -> list[str]:
        of_photons = [(band, f"photons, {band.part}") for band in self.moved_bands]
        rows = [
            (what, band.energies, _change(band), f"{band.deviation:+.1f} σ")
            for band, what in [*of_photons, *((band, "energy") for band in self.moved_energies)]
        ]
        more = len(rows) - _MOST_ROWS
        table = [("of", "band", "change", "deviation"), *rows[:_MOST_ROWS]]
        widths = [max(len(row[column]) for row in table) for column in range(4)]
        lines = [
            "  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
            for row in table
        ]
        lines = [line.rstrip() for line in lines] if rows else ["  in no single band, but:"]
        if more > 0:
            lines.append(f"  and {more} more")
        for part in self._comparisons:
            for view in part.views:
                what = "photons" if part is self.counts else "energy"
                what += "" if view.name == "total" else f" by {view.name}"
                if view.chi2_p_adjusted <= part.false_alarm:
                    lines.append(f"  {what}: χ² = {view.chi2:.4g} for {view.degrees} degrees")
                if view.drift_p_adjusted <= part.false_alarm:
                    lines.append(
                        f"  {what}: mean of ln E shifted by {view.drift:+.2g} ± "
                        f"{view.drift_error:.1g} ({view.drift / view.drift_error:+.1f} σ)"
                    )
        return lines


def compare_with_baseline(
    baseline: Spectrum,
    spectrum: Spectrum,
    *,
    false_alarm: float = 1e-4,
    most_bands: int = 24,
    least_counts: int = 100,
) -> Agreement:
    """Compare a run with its baseline, within the statistical errors of both.

    Parameters
    ----------
    baseline, spectrum : Spectrum
        The stored run and the new one, on the same grids.
    false_alarm : float
        Probability at most that runs of one law are called different, over all tests made.
    most_bands, least_counts
        As for :func:`~mcplugin.fidelity.spectra.compare_spectra`.

    Returns
    -------
    Agreement

    Raises
    ------
    InputError
        If the grids differ, or there are too few photons for a single band.
    """
    false_alarm = probability("false_alarm", false_alarm)
    for name, run in (("baseline", baseline), ("spectrum", spectrum)):
        instance_of(name, run, Spectrum, "read it with Spectrum.read, or take that of a run")
    if any("photons" not in run.provenance for run in (baseline, spectrum)):
        raise InputError(
            "the spectrum does not say how many photons were followed: its provenance needs an "
            "entry 'photons'"
        )
    notes = []
    energies_known = [_seed_energy(run) is not None for run in (baseline, spectrum)]
    if energies_known[0] != energies_known[1]:
        notes.append("energies are known of one of the runs alone and were not compared")
    if not any(energies_known):
        notes.append("energies are not known: counts alone were compared")
    # A code that sorts by energy alone has one view of its photons, others three.
    alone = _by_energy_alone(baseline) and _by_energy_alone(spectrum)
    views = 1 if alone else 2 + (len(baseline.by_angle.counts) > 1)
    share = views / (views + all(energies_known))
    counts = _compare_counts(baseline, spectrum, false_alarm * share, most_bands, least_counts)
    energies = None
    if all(energies_known):
        rest = {"false_alarm": false_alarm * (1.0 - share), "least_counts": least_counts}
        try:
            energies = _compare_energies(baseline, spectrum, counts.views[0].bands, rest)
        except InputError:
            notes.append("energies were not compared: a few photons carry most")
    identical = _identical(baseline, spectrum)
    note, warning = _on_seeds(baseline, spectrum, identical)
    notes += [note] if note else []
    return Agreement(
        counts,
        energies,
        false_alarm,
        identical,
        _changed_settings(baseline.provenance, spectrum.provenance),
        tuple(notes),
        (warning,) if warning else (),
    )


def _compare_counts(
    baseline: Spectrum,
    spectrum: Spectrum,
    false_alarm: float,
    most_bands: int,
    least_counts: int,
) -> SpectraComparison:
    settings: dict[str, Any] = {
        "false_alarm": false_alarm,
        "most_bands": most_bands,
        "least_counts": least_counts,
    }
    if not (_by_energy_alone(baseline) and _by_energy_alone(spectrum)):
        return compare_spectra(baseline, spectrum, allow_same_seed=True, **settings)
    first, second = (np.append(run.energy_lo, run.energy_hi[-1]) for run in (baseline, spectrum))
    if first.shape != second.shape or not np.allclose(first, second, rtol=1e-9, atol=0.0):
        extents = (f"{edges.size} from {edges[0]:g} to {edges[-1]:g}" for edges in (first, second))
        raise InputError(
            f"the spectra are on different grids of energies ({' and '.join(extents)}): sort both "
            "runs into the same bins"
        )
    photons = (baseline.provenance["photons"], spectrum.provenance["photons"])
    return compare_counts(baseline.counts, spectrum.counts, photons, first, **settings)


def _by_energy_alone(spectrum: Spectrum) -> bool:
    return len(spectrum.by_angle.counts) == 1 and len(spectrum.by_order.counts) == 1


def _compare_energies(
    baseline: Spectrum, spectrum: Spectrum, bands: tuple[Band, ...], settings: dict[str, Any]
) -> SpectraComparison:
    """The energies in the bands of the total spectrum, as if all photons of a band had the same.

    A sum of energies Σe scatters as that of n = (Σe)²/Σe² photons of energy Σe²/Σe each does
    (Bohm & Zech 2014, Nucl. Instrum. Methods A 748, 1), so these are compared.
    """
    edges = [bands[0].energy_lo, *(band.energy_hi for band in bands)]
    first_bins = np.searchsorted(baseline.energy_lo, edges[:-1])
    photons = (baseline.provenance["photons"], spectrum.provenance["photons"])
    energies, squares = np.array(
        [
            [np.add.reduceat(sums, first_bins) for sums in _energy_sums(run, number)]
            for run, number in zip((baseline, spectrum), photons, strict=True)
        ]
    ).swapaxes(0, 1)
    together = energies.sum(axis=0)
    empty = together == 0.0
    per_photon = np.where(empty, 1.0, squares.sum(axis=0) / np.where(empty, 1.0, together))
    first, second = np.rint(energies / per_photon)
    # Where all photons escape, or one run has heavier ones, these can be more than were followed;
    # counted as if of more, they scatter a little less than they are taken to.
    excess = max(1.0, first.sum() / photons[0], second.sum() / photons[1])
    trials = (math.ceil(excess) * photons[0], math.ceil(excess) * photons[1])
    return compare_counts(first, second, trials, edges, **settings, most_bands=len(bands))


def _energy_sums(spectrum: Spectrum, photons: int) -> tuple[Array, Array]:
    """Energies in keV and their squares, summed over the photons of each bin."""
    seed_energy = _seed_energy(spectrum)
    assert seed_energy is not None
    scale = np.log(spectrum.energy_hi / spectrum.energy_lo) * seed_energy
    energy = spectrum.efe * scale
    return energy, (spectrum.efe_err * scale) ** 2 + energy**2 / photons


def _seed_energy(spectrum: Spectrum) -> float | None:
    """What E F_E was divided by, in keV."""
    energy = spectrum.provenance.get("energy_kev", {}).get("seed")
    return None if energy is None else float(energy)


def _identical(one: Spectrum, other: Spectrum) -> bool:
    first, second = (
        [
            getattr(part, column).tobytes()
            for part in (run, run.by_angle, run.by_order)
            for column in ("counts", "efe", "efe_err")
        ]
        for run in (one, other)
    )
    return first == second


def _on_seeds(baseline: Spectrum, spectrum: Spectrum, identical: bool) -> tuple[str, str]:
    """A note and a warning, either of which may be empty."""
    before, now = (run.provenance.get("seed") for run in (baseline, spectrum))
    if before is None or now is None:
        return "seeds are not known: if they are equal, agreement proves nothing statistical", ""
    if before != now:
        unused = f"bit-identical in spite of seeds {before} and {now}: is the seed used?"
        return "", unused if identical else ""
    if identical:
        return f"seed {now}, as the baseline: the same run again", ""
    return "", (
        f"seed {now}, as the baseline: both share random numbers, so that agreement proves nothing "
        "statistical; take another seed"
    )


def _changed_settings(before: dict[str, Any], now: dict[str, Any]) -> tuple[str, ...]:
    """Settings, with their old and new values; numbers of photons and seeds are meant to differ."""
    flat = []
    for provenance in (before, now):
        sections = {"code": provenance.get("code", {}), **provenance.get("configuration", {})}
        flat.append(
            {
                f"{section}.{key}": value
                for section, settings in sections.items()
                for key, value in settings.items()
            }
            | {key: provenance[key] for key in ("version",) if key in provenance}
        )
    return tuple(
        f"{key} {flat[0].get(key, 'unset')!r} → {flat[1].get(key, 'unset')!r}"
        for key in flat[0] | flat[1]
        if key not in ("run.photons", "run.seed") and flat[0].get(key) != flat[1].get(key)
    )


def _change(band: Band) -> str:
    if not math.isfinite(band.ratio):
        return "none before"
    return f"{100.0 * (band.ratio - 1.0):+.2g} ± {100.0 * band.ratio_error:.2g} %"
