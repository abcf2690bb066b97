"""Spectra in FITS: three tables with units, and the provenance in the primary header."""

import contextlib
import io
import json
import os
import warnings
from typing import Any

import numpy as np
from astropy import units
from astropy.io import fits
from astropy.table import QTable

from mcplugin.domain import file_path
from mcplugin.errors import InputError, OutputError
from mcplugin.transport.spectrum import Part, Spectrum

_ALL_HIGHER_ORDERS = np.iinfo(np.int32).max

# What each summary entry is called in eight letters.
_KEYWORDS = {
    "version": ("CREATOR", "program and version"),
    "sampler": ("SAMPLER", "sampler of electrons or scatterings"),
    "seed": ("RUNSEED", "seed of the random streams"),
    "theta": ("THETA", "electron temperature kT/(me c^2)"),
    "photons": ("PHOTONS", "seed photons"),
    "escaped": ("ESCAPED", "photons that left the cloud"),
    "absorbed": ("ABSORBED", "photons absorbed by the disc"),
    "cut": ("CUT", "photons stopped at max_scatterings"),
    "interrupted": ("PARTIAL", "run was stopped before its last photon"),
    "scatterings": ("NSCATTER", "scatterings"),
    "electron_draws": ("NDRAWS", "electrons drawn, refused ones included"),
    "exact_scatterings": ("NEXACT", "scatterings left to the exact law"),
    "amplification": ("AMPLIF", "escaping over seed energy"),
    "amplification_error": ("AMPLERR", "standard error of AMPLIF"),
}


def spectrum_table(spectrum: Spectrum) -> QTable:
    """The spectrum as a table; see :meth:`~mcplugin.transport.spectrum.Spectrum.to_table`."""
    return QTable(
        {
            "ENERG_LO": spectrum.energy_lo * units.keV,
            "ENERG_HI": spectrum.energy_hi * units.keV,
            "COUNTS": spectrum.counts * units.ct,
            "EFE": spectrum.efe * units.dimensionless_unscaled,
            "EFE_ERR": spectrum.efe_err * units.dimensionless_unscaled,
            "SEED_EFE": spectrum.seed_efe * units.dimensionless_unscaled,
        },
        meta=dict(spectrum.provenance),
    )


def write_spectrum(spectrum: Spectrum, path: str | os.PathLike[str], overwrite: bool) -> None:
    """Write the file under another name first, so that it appears whole; see `Spectrum.write`."""
    path = file_path("path", path)
    if os.path.exists(path) and not overwrite:
        raise OutputError(f"{path} exists: choose another name or allow overwriting")
    unfinished = path.with_name(path.name + ".part")
    try:
        _hdus(spectrum).writeto(unfinished, overwrite=True, checksum=True)
        unfinished.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            unfinished.unlink()
        raise OutputError(f"cannot write {path}: {error.strerror or error}") from error


def read_spectrum(path: str | os.PathLike[str]) -> Spectrum:
    """Read the file back; see :meth:`~mcplugin.transport.spectrum.Spectrum.read`."""
    try:
        content = io.BytesIO(file_path("path", path).read_bytes())
        # A wrong checksum or a truncated table is only a warning to astropy.
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            with fits.open(content, checksum=True) as hdus:
                return _spectrum(hdus)
    except (OSError, LookupError, TypeError, ValueError, Warning) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{path} is no spectrum written by mcplugin: {reason}") from error


def _spectrum(hdus: fits.HDUList) -> Spectrum:
    table, angles, orders = (hdus[name].data for name in ("SPECTRUM", "BY_ANGLE", "BY_ORDER"))
    return Spectrum(
        energy_lo=_native(table["ENERG_LO"]),
        energy_hi=_native(table["ENERG_HI"]),
        counts=_native(table["COUNTS"]),
        efe=_native(table["EFE"]),
        efe_err=_native(table["EFE_ERR"]),
        seed_efe=_native(table["SEED_EFE"]),
        cosine_edges=np.append(_native(angles["COS_LO"]), 1.0),
        by_angle=_part(angles),
        by_order=_part(orders),
        provenance=json.loads(hdus[0].header["RUN"]),
    )


def _hdus(spectrum: Spectrum) -> fits.HDUList:
    columns = [
        fits.Column("ENERG_LO", "D", unit="keV", array=spectrum.energy_lo),
        fits.Column("ENERG_HI", "D", unit="keV", array=spectrum.energy_hi),
        fits.Column("COUNTS", "K", unit="ct", array=spectrum.counts),
        fits.Column("EFE", "D", unit="", array=spectrum.efe),
        fits.Column("EFE_ERR", "D", unit="", array=spectrum.efe_err),
        fits.Column("SEED_EFE", "D", unit="", array=spectrum.seed_efe),
    ]
    last = len(spectrum.by_order.counts) - 1
    angles = [
        fits.Column("COS_LO", "D", unit="", array=spectrum.cosine_edges[:-1]),
        fits.Column("COS_HI", "D", unit="", array=spectrum.cosine_edges[1:]),
    ]
    orders = [
        fits.Column("ORDER_LO", "J", unit="", array=np.arange(last + 1)),
        fits.Column("ORDER_HI", "J", unit="", array=[*range(last), _ALL_HIGHER_ORDERS]),
    ]
    return fits.HDUList(
        [
            fits.PrimaryHDU(header=_header(spectrum.provenance)),
            fits.BinTableHDU.from_columns(columns, name="SPECTRUM"),
            fits.BinTableHDU.from_columns(angles + _columns(spectrum.by_angle), name="BY_ANGLE"),
            fits.BinTableHDU.from_columns(orders + _columns(spectrum.by_order), name="BY_ORDER"),
        ]
    )


def _header(provenance: dict[str, Any]) -> fits.Header:
    header = fits.Header()
    header["CONTENT"] = ("COMPTONISED SPECTRUM", "E F_E over the energy of the seed photons")
    for key, (keyword, comment) in _KEYWORDS.items():
        if key in provenance:
            value = provenance[key]
            header[keyword] = (f"mcplugin {value}" if key == "version" else value, comment)
    for package, version in provenance.get("packages", {}).items():
        header[f"HIERARCH version {package}"] = version
    for section, settings in provenance.get("configuration", {}).items():
        for key, value in settings.items():
            # A header takes numbers and ASCII; JSON writes anything else in ASCII.
            plain = isinstance(value, (int, float)) or (isinstance(value, str) and value.isascii())
            header[f"HIERARCH {section}.{key}"] = value if plain else json.dumps(value)
    header["RUN"] = json.dumps(provenance)
    return header


def _columns(part: Part) -> list[fits.Column]:
    width = part.counts.shape[1]
    return [
        fits.Column("COUNTS", f"{width}K", unit="ct", array=part.counts),
        fits.Column("EFE", f"{width}D", unit="", array=part.efe),
        fits.Column("EFE_ERR", f"{width}D", unit="", array=part.efe_err),
    ]


def _part(table: Any) -> Part:
    columns = (_native(table[column]) for column in ("COUNTS", "EFE", "EFE_ERR"))
    return Part(*(column.reshape(len(table), -1) for column in columns))


def _native(column: Any) -> Any:
    """A copy in the machine's own byte order."""
    array = np.asarray(column)
    return array.astype(array.dtype.newbyteorder("="))
