"""The result as an astronomer reads it: E F_E against energy, with errors."""

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mcplugin.transport.tally import BIN_QUANTA, SEED, BinnedPhotons, Grid, Tally
from mcplugin.units import ELECTRON_REST_ENERGY_KEV

if TYPE_CHECKING:
    from astropy.table import QTable
    from matplotlib.figure import Figure

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Part:
    """A spectrum split into rows: arrays of shape (rows, bins).

    Attributes
    ----------
    counts : array of int
        Escaped photons.
    efe, efe_err : arrays of float64
        E F_E over the seed photons' energy, and its standard error.
    """

    counts: NDArray[np.int64]
    efe: Array
    efe_err: Array

    @classmethod
    def of(cls, binned: BinnedPhotons, edges: Array, photons: int, seed_energy: float) -> "Part":
        """Turn counted quanta into E F_E; the error is that of ``photons`` independent trials."""
        inside = slice(1, -1)
        quantum = edges[1:] / BIN_QUANTA
        energy = binned.energy[:, inside] * quantum
        squared = binned.energy_squared[:, inside] * quantum * edges[1:]
        variance = np.maximum(squared - energy**2 / max(photons, 1), 0.0)
        scale = np.diff(np.log(edges)) * max(seed_energy, np.finfo(np.float64).tiny)
        return cls(binned.count[:, inside].copy(), energy / scale, np.sqrt(variance) / scale)


@dataclass(frozen=True)
class Spectrum:
    """Escaping energy per unit of ln E, over the seed photons' energy.

    The integral of ``efe`` over ln E is the amplification by the cloud, less what lies outside
    the energy grid.

    Attributes
    ----------
    energy_lo, energy_hi : (bins,) arrays
        Bin edges in keV.
    counts : (bins,) array of int
        Escaped photons.
    efe, efe_err : (bins,) arrays
        E F_E and its standard error, dimensionless.
    seed_efe : (bins,) array
        The seed photons' own E F_E: what an empty cloud would show.
    cosine_edges : (angle_bins + 1,) array
        Edges in the cosine of the escape angle; both faces of a free slab count together.
    by_angle : Part
        A row per angle bin; the rows sum to the whole.
    by_order : Part
        A row per number of scatterings 0, 1, ...; the last row holds all higher orders.
    provenance : dict
        The run's summary, versions and configuration.
    """

    energy_lo: Array
    energy_hi: Array
    counts: NDArray[np.int64]
    efe: Array
    efe_err: Array
    seed_efe: Array
    cosine_edges: Array
    by_angle: Part
    by_order: Part
    provenance: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, tally: Tally, grid: Grid, provenance: dict[str, Any]) -> "Spectrum":
        """Turn a tally into a spectrum."""
        norm = (grid.edges, tally.photons, tally.total(SEED))
        whole = Part.of(tally.by_angle.summed(), *norm)
        edges_kev = grid.edges * ELECTRON_REST_ENERGY_KEV
        return cls(
            energy_lo=edges_kev[:-1],
            energy_hi=edges_kev[1:],
            counts=whole.counts[0],
            efe=whole.efe[0],
            efe_err=whole.efe_err[0],
            seed_efe=Part.of(tally.seeds, *norm).efe[0],
            cosine_edges=np.linspace(0.0, 1.0, grid.angle_bins + 1),
            by_angle=Part.of(tally.by_angle, *norm),
            by_order=Part.of(tally.by_order, *norm),
            provenance=provenance,
        )

    @property
    def energy(self) -> Array:
        """Geometric centres of the bins in keV."""
        centres: Array = np.sqrt(self.energy_lo * self.energy_hi)
        return centres

    def to_table(self) -> "QTable":
        """The spectrum as an astropy table with units.

        Returns
        -------
        astropy.table.QTable
            Columns ``ENERG_LO``, ``ENERG_HI`` (keV), ``COUNTS`` (ct), ``EFE``, ``EFE_ERR`` and
            ``SEED_EFE`` (dimensionless); ``meta`` holds the provenance.
        """
        from mcplugin.transport.fits import spectrum_table

        return spectrum_table(self)

    def write(self, path: str | os.PathLike[str], *, overwrite: bool = False) -> None:
        """Write the spectrum, its parts and the full provenance to a FITS file.

        Parameters
        ----------
        path : path-like
            The file to write; it appears whole or not at all.
        overwrite : bool
            Whether an existing file may be replaced.

        Raises
        ------
        OutputError
            If the file exists and ``overwrite`` is false, or it cannot be written.
        """
        from mcplugin.transport.fits import write_spectrum

        write_spectrum(self, path, overwrite)

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> "Spectrum":
        """Read a spectrum that :meth:`write` has written.

        Raises
        ------
        InputError
            If the file is missing, damaged or no spectrum of mcplugin.
        """
        from mcplugin.transport.fits import read_spectrum

        return read_spectrum(path)

    def plot(self) -> "Figure":
        """Draw E F_E with errors over the seed spectrum, the first orders as thin lines.

        Returns
        -------
        matplotlib.figure.Figure
            Save it with ``savefig``; it belongs to no window.
        """
        from mcplugin.transport.picture import draw

        return draw(self)
