"""The spectrum of any code, as plain arrays."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from mcplugin.domain import array_within, real_array, whole_number
from mcplugin.errors import InputError
from mcplugin.transport.simulation import Result
from mcplugin.transport.spectrum import Array, Part, Spectrum

# Relative error of sums over many photons that is no mistake.
_ROUNDING = 1e-9


@dataclass(frozen=True)
class Histogram:
    """Photons and energy that a Monte-Carlo code has sorted by energy.

    Attributes
    ----------
    edges : (bins + 1,) array_like
        Energies in keV, increasing.
    counts : (bins,) array_like of int
        Photons per bin, or packets.
    photons : int
        Independent seed photons that the code has followed, each counted once at most.
    energy : (bins,) array_like, optional
        Energy per bin in keV: the sum over its photons, with their weights. The normalisation is
        then under test too.
    energy_squared : (bins,) array_like, optional
        The sum of the squares, in keV².
    energy_error : (bins,) array_like, optional
        Standard error of ``energy`` as a sum over ``photons`` independent trials, in place of
        ``energy_squared``.
    seed : int, optional
        Of the code's random numbers, so that a report can say when both runs have shared them.
    code : mapping, optional
        Name, version and settings of the code, in plain numbers and strings: kept with the
        baseline, and a failure lists what has changed.
    """

    edges: ArrayLike
    counts: ArrayLike
    photons: int
    energy: ArrayLike | None = None
    energy_squared: ArrayLike | None = None
    energy_error: ArrayLike | None = None
    seed: int | None = None
    code: Mapping[str, Any] = field(default_factory=dict)

    def to_spectrum(self) -> Spectrum:
        """The same as a spectrum of one angle and one scattering order.

        Its E F_E is energy per ln E and seed photon, in keV; the centre of the bin stands for the
        energies of its photons if none are given.

        Raises
        ------
        InputError
            If a shape or a number cannot be that of a spectrum.
        """
        edges = array_within("edges", self.edges, 0.0)
        if edges.ndim != 1 or edges.size < 2 or edges[0] == 0.0 or not (np.diff(edges) > 0.0).all():
            raise InputError("edges must be at least two positive, increasing energies")
        photons = whole_number("photons", self.photons, 1, 10**15)
        bins = edges.size - 1
        counts = _column("counts", self.counts, bins, 2.0**53)
        if (counts != np.rint(counts)).any():
            raise InputError("counts must hold photons, which are whole numbers")
        if counts.sum() > photons:
            raise InputError(
                f"{counts.sum():.0f} photons are counted of {photons} followed: photons is the "
                "number of independent seed photons"
            )
        energy, error = self._energies(counts, edges, photons)
        width = np.diff(np.log(edges)) * photons
        whole = Part(counts.astype(np.int64)[None], (energy / width)[None], (error / width)[None])
        return Spectrum(
            energy_lo=edges[:-1],
            energy_hi=edges[1:],
            counts=whole.counts[0],
            efe=whole.efe[0],
            efe_err=whole.efe_err[0],
            seed_efe=np.zeros(bins),
            cosine_edges=np.array([0.0, 1.0]),
            by_angle=whole,
            by_order=whole,
            provenance=self._provenance(photons),
        )

    def _energies(self, counts: Array, edges: Array, photons: int) -> tuple[Array, Array]:
        """Energy per bin and its standard error, in keV."""
        scatter = {"energy_squared": self.energy_squared, "energy_error": self.energy_error}
        given = [name for name, value in scatter.items() if value is not None]
        if self.energy is None:
            if given:
                raise InputError(f"{given[0]} is given without energy")
            centre = np.sqrt(edges[1:] * edges[:-1])
            energy, squared = counts * centre, counts * centre**2
        elif len(given) != 1:
            raise InputError("energy needs either energy_squared or energy_error beside it")
        else:
            energy = _sums("energy", self.energy, counts.size)
            squared = _sums(given[0], scatter[given[0]], counts.size)
            if given[0] == "energy_error":
                squared = squared**2 + energy**2 / photons
        # Cauchy and Schwarz set the least sum of squares; less may come of rounding alone.
        least = energy**2 / np.maximum(counts, 1.0)
        if (least > squared + _ROUNDING * squared.sum()).any():
            raise InputError(
                "energy² is more than counts × energy_squared: all three must be sums over the "
                "same photons"
            )
        variance = np.maximum(squared, least) - energy**2 / photons
        return energy, np.sqrt(np.maximum(variance, 0.0))

    def _provenance(self, photons: int) -> dict[str, Any]:
        if not isinstance(self.code, Mapping):
            raise InputError(
                f"code = {self.code!r} must be a mapping of names to numbers and strings"
            )
        provenance: dict[str, Any] = {"photons": photons, "code": dict(self.code)}
        if self.seed is not None:
            provenance["seed"] = whole_number("seed", self.seed, -(2**63), 2**64 - 1)
        if self.energy is not None:
            # E F_E is in keV per seed photon, as if each had one keV.
            provenance["energy_kev"] = {"seed": float(photons)}
        try:
            json.dumps(provenance)
        except TypeError as error:
            raise InputError(f"code must hold plain numbers and strings: {error}") from error
        return provenance


def spectrum_of(run: Spectrum | Result | Histogram | Mapping[str, Any]) -> Spectrum:
    """The spectrum of a run of any code.

    Raises
    ------
    InputError
        If it is none.
    """
    if isinstance(run, Mapping):
        try:
            run = Histogram(**run)
        except TypeError as error:
            reason = str(error).removeprefix("Histogram.__init__() ")
            raise InputError(f"a mapping must have the entries of Histogram: {reason}") from error
    if isinstance(run, Histogram):
        return run.to_spectrum()
    spectrum = run.spectrum if isinstance(run, Result) else run
    if not isinstance(spectrum, Spectrum):
        raise InputError(
            "a spectrum must be a Spectrum, a Result, a Histogram or a mapping with edges, counts "
            f"and photons, not {type(run).__name__}"
        )
    return spectrum


def _sums(name: str, value: Any, bins: int) -> Array:
    """Sums of what is not negative; those that `numpy.histogram` gives may yet be -1e-12."""
    sums = real_array(name, value)
    rounding = (sums < 0.0) & (sums > -_ROUNDING * sums.sum())
    return _column(name, np.where(rounding, 0.0, sums), bins)


def _column(name: str, value: Any, bins: int, most: float = np.inf) -> Array:
    column = array_within(name, value, 0.0, most)
    if column.shape != (bins,):
        raise InputError(f"{name} must have shape ({bins},), one value per bin, not {column.shape}")
    return column
