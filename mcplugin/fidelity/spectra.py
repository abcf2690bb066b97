"""Whether two runs could have given their spectra by chance, band by band and as a whole.

A run is N independent photons, each of which ends in one cell: a bin of the spectrum (of one angle
or one number of scatterings), or none of them. So the counts of a run are multinomial, and if two
runs follow the same law, the n of the m photons of a cell that belong to the first run are
hypergeometric, whatever that law is (Fisher's exact test). Everything here rests on that: counts
carry the information, and no error estimate of E F_E enters.

Bins are joined into bands by the counts of both runs together. The tests are conditional on those,
so a choice that looks at them does not bias the result.

Each band is tested alone, for a local difference; all bands together by χ², for differences of any
form; and the mean of ln E, for what a change of temperature does: shift all photons a little.
"""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special, stats

from mcplugin.domain import array_within, probability, whole_number
from mcplugin.errors import InputError
from mcplugin.transport.simulation import Result
from mcplugin.transport.spectrum import Spectrum

Array = NDArray[np.float64]
Counts = NDArray[np.int64]

# Above this variance of a band's count the normal law replaces the hypergeometric one: its p-values
# are then right within 20 % down to 1e-5.
_MANY = 2500.0
# Hypergeometric probabilities farther than this from the mean are below 1e-30.
_FAR = 12.0
# A difference counts as visible if it would be found with this probability.
POWER = 0.9


@dataclass(frozen=True)
class Band:
    """One band of energies in one part of the spectrum, the second run against the first.

    Attributes
    ----------
    part : str
        Which photons: ``all``, a range of cosines, a number of scatterings.
    energy_lo, energy_hi : float
        Edges in keV.
    counts : (int, int)
        Photons of the first and of the second run.
    ratio, ratio_error : float
        Photons per seed photon, second over first, and its standard error; infinite where the
        first run has no photons, and zero where the second has none.
    ratio_lo, ratio_hi : float
        Confidence interval of the ratio (Clopper & Pearson 1934, Biometrika 26, 404), wide enough
        that those of all bands of a view hold together. It takes counts as Poisson, which makes
        it a little too wide for a band that holds a large share of all photons.
    visible : float
        The smallest relative change of the photons in this band that would have been called
        significant with probability 0.9.
    deviation : float
        Difference in standard errors, positive where the second run has more photons.
    p_value : float
        Probability of a difference as unlikely as this, or more, if both runs follow one law.
    p_adjusted : float
        The same for any band of any view (Holm 1979, Scand. J. Stat. 6, 65).
    """

    part: str
    energy_lo: float
    energy_hi: float
    counts: tuple[int, int]
    ratio: float
    ratio_error: float
    ratio_lo: float
    ratio_hi: float
    visible: float
    deviation: float
    p_value: float
    p_adjusted: float

    @property
    def energies(self) -> str:
        """The band's range in words."""
        return f"{self.energy_lo:.3g} to {self.energy_hi:.3g} keV"

    @property
    def limit(self) -> float:
        """Upper limit on any relative difference: the far end of the confidence interval."""
        return max(self.ratio_hi - 1.0, 1.0 - self.ratio_lo)

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers for JSON; what is infinite is None."""
        content = asdict(self) | {"counts": list(self.counts), "limit": self.limit}
        return {key: _plain(value) for key, value in content.items()}


@dataclass(frozen=True)
class View:
    """One way to sort the photons: all together, by angle, or by scattering order.

    Attributes
    ----------
    name : str
        ``total``, ``angle`` or ``order``.
    bands : tuple of Band
        From the first part to the last, from low energy to high.
    elsewhere : (int, int)
        Photons of each run in no band: absorbed, cut, off the grid, or in a part with too few.
    chi2, degrees : float, int
        Pearson's statistic for two multinomials, over all bands and the photons elsewhere.
    chi2_p_value, chi2_p_adjusted : float
        Probability of a larger ``chi2`` if both runs follow one law; and adjusted, see `Band`.
    drift, drift_error : float
        Mean of ln E of the photons on the grid, second run less first, averaged over the parts;
        and its standard error.
    drift_p_value, drift_p_adjusted : float
        Probability of a larger drift if both runs follow one law; and adjusted.
    drift_visible : float
        The smallest drift that would have been called significant with probability 0.9.
    """

    name: str
    bands: tuple[Band, ...]
    elsewhere: tuple[int, int]
    chi2: float
    degrees: int
    chi2_p_value: float
    chi2_p_adjusted: float
    drift: float
    drift_error: float
    drift_p_value: float
    drift_p_adjusted: float
    drift_visible: float

    @property
    def p_value(self) -> float:
        """Family-wise p-value: the least adjusted one of this view."""
        of_bands = [band.p_adjusted for band in self.bands]
        return min(self.chi2_p_adjusted, self.drift_p_adjusted, *of_bands)

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers for JSON."""
        return asdict(self) | {
            "bands": [band.to_dict() for band in self.bands],
            "elsewhere": list(self.elsewhere),
        }


@dataclass(frozen=True)
class SpectraComparison:
    """The verdict on two runs, and what it rests on.

    Attributes
    ----------
    photons : (int, int)
        Seed photons of each run.
    false_alarm : float
        Probability at most of a verdict ``differ`` on two runs of one law.
    confidence : float
        Probability at least that all confidence intervals of a view hold.
    views : tuple of View
        Total spectrum first.
    """

    photons: tuple[int, int]
    false_alarm: float
    confidence: float
    views: tuple[View, ...]

    @property
    def bands(self) -> tuple[Band, ...]:
        """The bands of all views."""
        return tuple(band for view in self.views for band in view.bands)

    @property
    def p_value(self) -> float:
        """Family-wise p-value: the least of all adjusted ones."""
        return min(view.p_value for view in self.views)

    @property
    def differ(self) -> bool:
        """The verdict: whether any test of any view is significant after adjustment."""
        return self.p_value <= self.false_alarm

    @property
    def significant(self) -> tuple[Band, ...]:
        """The bands that differ significantly, the largest ratio or its inverse first."""
        bands = [band for band in self.bands if band.p_adjusted <= self.false_alarm]
        return tuple(sorted(bands, key=_size_of_difference, reverse=True))

    @property
    def largest_difference(self) -> Band | None:
        """The largest significant difference in any band; None if no band differs."""
        return self.significant[0] if self.significant else None

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers for JSON, with the verdict."""
        largest = self.largest_difference
        limits = [band.limit for band in self.views[0].bands]
        return {
            "differ": self.differ,
            "p_value": self.p_value,
            "false_alarm": self.false_alarm,
            "confidence": self.confidence,
            "photons": list(self.photons),
            "largest_difference": None if largest is None else largest.to_dict(),
            "limits": {"best": _plain(min(limits)), "worst": _plain(max(limits))},
            "views": [view.to_dict() for view in self.views],
        }

    def __str__(self) -> str:
        verdict = "the spectra differ" if self.differ else "no difference found"
        tests = sum(len(view.bands) + 2 for view in self.views)
        text = f"{verdict} (p = {self.p_value:.2g}, family-wise over {tests} tests)"
        if not self.differ:
            limits = sorted(self.views[0].bands, key=lambda band: band.limit)
            return (
                f"{text}; at {self.confidence:.0%} confidence less than {limits[0].limit:.2g} in "
                f"{limits[0].energies}, less than {limits[-1].limit:.2g} in {limits[-1].energies}"
            )
        largest = self.largest_difference
        if largest is None:
            strongest = min(self.views, key=lambda view: view.p_value)
            drift = f"{strongest.drift:.2g} ± {strongest.drift_error:.1g}"
            return (
                f"{text}; in no single band, but by {strongest.name}: mean of ln E off by {drift}"
            )
        ratio = f"{largest.ratio:.4g} ± {largest.ratio_error:.1g}"
        return f"{text}; largest in {largest.energies}, {largest.part}: ratio {ratio}"


def compare_spectra(
    first: Spectrum | Result,
    second: Spectrum | Result,
    *,
    false_alarm: float = 0.01,
    confidence: float = 0.95,
    most_bands: int = 24,
    least_counts: int = 100,
    allow_same_seed: bool = False,
) -> SpectraComparison:
    """Test whether two runs follow the same law: in total, by angle, by scattering order.

    Parameters
    ----------
    first, second : Spectrum or Result
        Runs on the same energy grid with the same angles and orders; their numbers of photons may
        differ. The first is the reference.
    false_alarm : float
        Probability at most that two runs of one law are called different, over all tests made.
    confidence : float
        Probability at least that the true ratios of all bands of a view lie in their intervals.
    most_bands : int
        Bands over the whole energy grid: fewer find a smaller change that is spread over many
        bins, more find a narrow one.
    least_counts : int
        Photons that each run must expect in a band; bins with fewer are joined.
    allow_same_seed : bool
        Accept runs with equal seeds. They share random numbers and agree better than chance:
        p-values come out too large, while limits and significant differences still hold.

    Returns
    -------
    SpectraComparison

    Raises
    ------
    InputError
        If the grids differ, a spectrum does not say how many photons were followed, the seeds are
        equal, or there are too few photons for a single band.
    """
    one, two = _spectrum("first", first), _spectrum("second", second)
    _refuse_different_grids(one, two)
    photons = (_photons("first", one), _photons("second", two))
    seeds = [spectrum.provenance.get("seed") for spectrum in (one, two)]
    if seeds[0] is not None and seeds[0] == seeds[1] and not allow_same_seed:
        raise InputError(
            f"both runs have the seed {seeds[0]} and share random numbers: run one of them with "
            "another seed, or say allow_same_seed=True"
        )
    settings = _Settings(photons, false_alarm, confidence, most_bands, least_counts)
    edges = np.append(one.energy_lo, one.energy_hi[-1])
    sorted_counts = [("total", ["all"], one.counts[None], two.counts[None])]
    if len(one.by_angle.counts) > 1:
        names = [
            f"cosine {lo:.3g} to {hi:.3g}"
            for lo, hi in zip(one.cosine_edges, one.cosine_edges[1:], strict=False)
        ]
        sorted_counts.append(("angle", names, one.by_angle.counts, two.by_angle.counts))
    last = len(one.by_order.counts) - 1
    names = [*(f"order {order}" for order in range(last)), f"order {last} and more"]
    sorted_counts.append(("order", names, one.by_order.counts, two.by_order.counts))
    return _comparison(sorted_counts, edges, settings)


def compare_counts(
    first: ArrayLike,
    second: ArrayLike,
    photons: tuple[int, int],
    edges: ArrayLike,
    *,
    false_alarm: float = 0.01,
    confidence: float = 0.95,
    most_bands: int = 24,
    least_counts: int = 100,
) -> SpectraComparison:
    """The test of :func:`compare_spectra` for the histograms of any two codes.

    Parameters
    ----------
    first, second : (bins,) array_like of int
        Photons per bin.
    photons : (int, int)
        Independent seed photons that each code has followed.
    edges : (bins + 1,) array_like
        Energies in keV, increasing.
    false_alarm, confidence, most_bands, least_counts
        As for :func:`compare_spectra`.

    Returns
    -------
    SpectraComparison
        With one view, ``total``.

    Raises
    ------
    InputError
        If the shapes do not match, a count is no whole number, or there are too few photons.
    """
    edges = array_within("edges", edges, 0.0)
    if edges.ndim != 1 or edges.size < 2 or edges[0] == 0.0 or not (np.diff(edges) > 0.0).all():
        raise InputError("edges must be at least two positive, increasing energies")
    rows = []
    for name, value in (("first", first), ("second", second)):
        counts = array_within(name, value, 0.0, 2.0**53)
        if counts.shape != (edges.size - 1,):
            raise InputError(f"{name} must have shape ({edges.size - 1},), not {counts.shape}")
        if (counts != np.rint(counts)).any():
            raise InputError(f"{name} must hold counts, which are whole numbers")
        rows.append(counts.astype(np.int64)[None])
    if not isinstance(photons, Sequence) or isinstance(photons, str) or len(photons) != 2:
        raise InputError(f"photons = {photons!r} must be two numbers, one for each code")
    one, two = (whole_number("photons", number, 1, 10**15) for number in photons)
    settings = _Settings((one, two), false_alarm, confidence, most_bands, least_counts)
    return _comparison([("total", ["all"], rows[0], rows[1])], edges, settings)


@dataclass(frozen=True)
class _Settings:
    photons: tuple[int, int]
    false_alarm: float
    confidence: float
    most_bands: int
    least_counts: int

    def __post_init__(self) -> None:
        """Refuse what no test can be made with."""
        probability("false_alarm", self.false_alarm)
        probability("confidence", self.confidence)
        # As Python's own numbers: those of numpy may overflow.
        for name, most in (("most_bands", 10**6), ("least_counts", 10**15)):
            object.__setattr__(self, name, whole_number(name, getattr(self, name), 1, most))


# Name of the view, names of its parts, counts of both runs: (parts, bins) each.
_Sorted = tuple[str, Sequence[str], Counts, Counts]


def _comparison(
    sorted_counts: Sequence[_Sorted], edges: Array, settings: _Settings
) -> SpectraComparison:
    for _, _, *runs in sorted_counts:
        for counts, photons in zip(runs, settings.photons, strict=True):
            if counts.sum() > photons:
                raise InputError(f"{counts.sum()} photons are counted of {photons} followed")
    # The views share the false alarms evenly, so that many orders do not blunt the total spectrum.
    views = tuple(_view(*each, edges, settings, len(sorted_counts)) for each in sorted_counts)
    if not views[0].bands:
        raise InputError(
            f"too few photons: no band has {settings.least_counts} of each run; follow more, or "
            "set least_counts lower"
        )
    return SpectraComparison(settings.photons, settings.false_alarm, settings.confidence, views)


def _view(
    name: str,
    parts: Sequence[str],
    first: Counts,
    second: Counts,
    edges: Array,
    settings: _Settings,
    views: int,
) -> View:
    block = -(-(edges.size - 1) // int(settings.most_bands))
    least = settings.least_counts * sum(settings.photons) / min(settings.photons)
    places = [
        (row, band)
        for row in range(len(parts))
        for band in _joined(first[row] + second[row], block, least)
    ]
    counts = np.array(
        [[run[row, band].sum() for row, band in places] for run in (first, second)], dtype=np.int64
    ).reshape(2, -1)
    elsewhere = np.array(settings.photons) - counts.sum(axis=1)

    chi2, degrees = _pearson(counts, elsewhere, least)
    chi2_p_value = float(stats.chi2(degrees).sf(chi2)) if degrees else 1.0
    drift, drift_error = _drift(first, second, np.log(edges[1:] * edges[:-1]) / 2.0)
    drift_p_value = float(2.0 * stats.norm.sf(abs(drift) / drift_error)) if drift_error else 1.0
    tests = [_conditional_test(int(a), int(b), settings.photons) for a, b in counts.T]
    p_values = np.array([*(p_value for _, p_value in tests), chi2_p_value, drift_p_value])
    adjusted = np.minimum(views * _holm(p_values), 1.0)

    share = (1.0 - settings.confidence) / max(len(places), 1)
    lo, hi = _clopper_pearson(counts, settings.photons, share)
    ratio, error = _ratio(counts, settings.photons)
    expected_error = _relative_error(counts.sum(axis=0) / sum(settings.photons), settings.photons)
    # The level that the least p-value of the view has to reach.
    level = settings.false_alarm / (views * p_values.size)
    sigmas = float(stats.norm.isf(level / 2.0) + stats.norm.ppf(POWER))
    visible = sigmas * expected_error
    bands = tuple(
        Band(
            part=parts[row],
            energy_lo=float(edges[band.start]),
            energy_hi=float(edges[band.stop]),
            counts=(int(counts[0, k]), int(counts[1, k])),
            ratio=float(ratio[k]),
            ratio_error=float(error[k]),
            ratio_lo=float(lo[k]),
            ratio_hi=float(hi[k]),
            visible=float(visible[k]),
            deviation=tests[k][0],
            p_value=tests[k][1],
            p_adjusted=float(adjusted[k]),
        )
        for k, (row, band) in enumerate(places)
    )
    return View(
        name=name,
        bands=bands,
        elsewhere=(int(elsewhere[0]), int(elsewhere[1])),
        chi2=chi2,
        degrees=degrees,
        chi2_p_value=chi2_p_value,
        chi2_p_adjusted=float(adjusted[-2]),
        drift=drift,
        drift_error=drift_error,
        drift_p_value=drift_p_value,
        drift_p_adjusted=float(adjusted[-1]),
        drift_visible=sigmas * drift_error,
    )


def _joined(counts: Counts, block: int, least: float) -> list[slice]:
    """Blocks of bins, joined until each has ``least`` counts; what is left joins the last one."""
    filled = np.flatnonzero(counts)
    if filled.size == 0:
        return []
    stop = int(filled[-1]) + 1
    bands: list[slice] = []
    start = int(filled[0])
    for end in [*range((start // block + 1) * block, stop, block), stop]:
        if counts[start:end].sum() >= least:
            bands.append(slice(start, end))
            start = end
    if start < stop and bands:
        bands[-1] = slice(bands[-1].start, stop)
    return bands


def _conditional_test(first: int, second: int, photons: tuple[int, int]) -> tuple[float, float]:
    """Deviation of the second count in standard errors, and p-value of Fisher's exact test.

    Of the m photons in a band the first run has a hypergeometric number, of mean m N₁/(N₁ + N₂).
    Two-sided: all outcomes at most as probable as the observed one.
    """
    together, all_photons = first + second, sum(photons)
    share = photons[0] / all_photons
    mean = together * share
    variance = mean * (1.0 - share) * (all_photons - together) / max(all_photons - 1, 1)
    if variance == 0.0:
        return 0.0, 1.0
    deviation = (mean - first) / math.sqrt(variance)
    if variance >= _MANY:
        return deviation, float(2.0 * stats.norm.sf(abs(deviation)))
    reach = abs(first - mean) + _FAR * math.sqrt(variance) + _FAR
    lowest = max(0, together - photons[1], math.floor(mean - reach))
    highest = min(together, photons[0], math.ceil(mean + reach))
    n = np.arange(lowest, highest, dtype=np.float64)
    # Built up from ratios of neighbours, since binomials of 10⁸ photons leave no digits over.
    odds = (together - n) * (photons[0] - n) / ((n + 1.0) * (photons[1] - together + n + 1.0))
    log_probability = np.concatenate([[0.0], np.cumsum(np.log(odds))])
    probability = special.softmax(log_probability)
    # Equal probabilities, left and right of the mean, must not differ by a rounding error.
    as_unlikely = log_probability <= log_probability[first - lowest] + 1e-9
    return deviation, min(float(probability[as_unlikely].sum()), 1.0)


def _pearson(counts: Counts, elsewhere: Counts, least: float) -> tuple[float, int]:
    """χ² of homogeneity of two multinomials, and its degrees of freedom.

    Photons elsewhere are one more cell if there are enough; else the test is conditional on the
    photons in the bands.
    """
    cells = np.column_stack([counts, elsewhere]) if elsewhere.sum() >= least else counts
    if cells.shape[1] < 2:
        return 0.0, 0
    totals = cells.sum(axis=1)
    share = totals[0] / totals.sum()
    together = cells.sum(axis=0)
    terms = (cells[0] - share * together) ** 2 / (share * (1.0 - share) * together)
    return float(terms.sum()), cells.shape[1] - 1


def _drift(first: Counts, second: Counts, log_energy: Array) -> tuple[float, float]:
    """Mean shift of ln E within the parts, and its standard error.

    Given which photons there are in a part, and how many of them belong to the first run, the
    first run's are a random choice: the sum of their ln E has the variance of sampling without
    replacement. Parts are weighted by n₁n₂/(n₁ + n₂), as in a mean of differences.
    """
    shift = weight = variance = 0.0
    for one, two in zip(first, second, strict=True):
        n_one, n_two = float(one.sum()), float(two.sum())
        if n_one == 0.0 or n_two == 0.0:
            continue
        together = n_one + n_two
        mean = np.average(log_energy, weights=one + two)
        square = np.sum((one + two) * (log_energy - mean) ** 2) / (together - 1.0)
        of_part = n_one * n_two / together
        weight += of_part
        variance += of_part * square
        shift += of_part * float(log_energy @ (two / n_two - one / n_one))
    return (shift / weight, math.sqrt(variance) / weight) if weight else (0.0, 0.0)


def _holm(p_values: Array) -> Array:
    """Adjusted p-values: below α with probability α at most, if all hypotheses hold."""
    order = np.argsort(p_values)
    stepwise = np.maximum.accumulate(p_values[order] * np.arange(p_values.size, 0, -1))
    adjusted = np.empty_like(p_values)
    adjusted[order] = np.minimum(stepwise, 1.0)
    return adjusted


def _ratio(counts: Counts, photons: tuple[int, int]) -> tuple[Array, Array]:
    """Second over first per seed photon, and its standard error."""
    shares = counts / np.array(photons)[:, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = shares[1] / shares[0]
        variances = [(1.0 - share) / n for share, n in zip(shares, counts, strict=True)]
        error = ratio * np.sqrt(variances[0] + variances[1])
    # A ratio of zero has the standard error zero: its interval is what says more.
    return ratio, np.where(counts[1] == 0, 0.0, error)


def _relative_error(share: Array, photons: tuple[int, int]) -> Array:
    """Standard error of the ratio where both runs expect the same share of their photons."""
    error: Array = np.sqrt((1.0 / share - 1.0) * (1.0 / photons[0] + 1.0 / photons[1]))
    return error


def _clopper_pearson(counts: Counts, photons: tuple[int, int], miss: float) -> tuple[Array, Array]:
    """Limits of the ratio, from those of the second run's share of a band's photons."""
    first, second = counts
    per_photon = photons[0] / photons[1]
    odds = []
    for tail, a, b in ((miss / 2.0, second, first + 1), (1.0 - miss / 2.0, second + 1, first)):
        # Zero counts have the limits zero and infinity.
        with np.errstate(divide="ignore", invalid="ignore"):
            share = special.betaincinv(np.maximum(a, 1), np.maximum(b, 1), tail)
            odds.append(np.where(a == 0, 0.0, np.where(b == 0, np.inf, share / (1.0 - share))))
    return odds[0] * per_photon, odds[1] * per_photon


def _plain(value: Any) -> Any:
    """JSON knows no infinity."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _size_of_difference(band: Band) -> float:
    return max(band.ratio, 1.0 / band.ratio) if band.ratio > 0.0 else math.inf


def _spectrum(name: str, run: Spectrum | Result) -> Spectrum:
    spectrum = run.spectrum if isinstance(run, Result) else run
    if not isinstance(spectrum, Spectrum):
        raise InputError(f"{name} must be a Spectrum or a Result, not {type(run).__name__}")
    return spectrum


def _photons(name: str, spectrum: Spectrum) -> int:
    if "photons" not in spectrum.provenance:
        raise InputError(
            f"the {name} spectrum does not say how many photons were followed: its provenance "
            "needs an entry 'photons'"
        )
    return whole_number("photons", spectrum.provenance["photons"], 1, 10**15)


def _refuse_different_grids(one: Spectrum, two: Spectrum) -> None:
    for what, first, second in (
        ("energies", one.energy_lo, two.energy_lo),
        ("energies", one.energy_hi, two.energy_hi),
        ("angles", one.cosine_edges, two.cosine_edges),
        ("orders", np.arange(len(one.by_order.counts)), np.arange(len(two.by_order.counts))),
    ):
        # Edges that differ in rounding alone are the same.
        if first.shape != second.shape or not np.allclose(first, second, rtol=1e-9, atol=0.0):
            raise InputError(
                f"the spectra are on different grids of {what} ({_extent(first)} and "
                f"{_extent(second)}): give both runs the same [tally]"
            )


def _extent(edges: NDArray[Any]) -> str:
    return f"{edges.size} from {edges[0]:g} to {edges[-1]:g}"
