"""Every photon of a run, streamed to an HDF5 file as chunks finish."""

import os
from types import TracebackType
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from mcplugin.domain import file_path
from mcplugin.errors import OutputError
from mcplugin.transport.walks import Walks
from mcplugin.units import ELECTRON_REST_ENERGY_KEV

_COLUMNS = {
    "seed_energy_kev": (np.float64, "keV", "energy at birth"),
    "energy_kev": (np.float64, "keV", "energy at the end"),
    "cosine": (np.float64, "", "cosine to the outward or upward normal at the end; 0 if cut"),
    "scatterings": (np.int32, "", "number of scatterings"),
    "fate": (np.uint8, "", "0 escaped, 1 absorbed by the disc, 2 cut"),
}


class PhotonList:
    """An HDF5 file with one growing, compressed dataset per column, in the photons' order.

    Parameters
    ----------
    path : path-like
        File to create; an existing one is replaced.

    Raises
    ------
    OutputError
        If the file cannot be created.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        try:
            self._file = h5py.File(file_path("photon_list", path), "w")
        except OSError as error:
            raise OutputError(f"cannot write the photon list {path}: {error}") from error
        for name, (dtype, unit, description) in _COLUMNS.items():
            column = self._file.create_dataset(
                name, shape=(0,), maxshape=(None,), dtype=dtype, chunks=(2**16,), compression=1
            )
            column.attrs["unit"] = unit
            column.attrs["description"] = description

    def append(self, walks: Walks) -> None:
        """Add the photons of the next chunk."""
        columns: dict[str, NDArray[Any]] = {
            "seed_energy_kev": walks.x_seed * ELECTRON_REST_ENERGY_KEV,
            "energy_kev": walks.x * ELECTRON_REST_ENERGY_KEV,
            "cosine": walks.cosine,
            "scatterings": walks.scatterings,
            "fate": walks.fate,
        }
        for name, values in columns.items():
            column = self._file[name]
            column.resize(len(column) + len(values), axis=0)
            column[-len(values) :] = values

    def __enter__(self) -> "PhotonList":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._file.close()
