"""Stored spectra: those files that runs are compared with.

A baseline is a spectrum file as any run writes it, with an entry ``baseline`` in its provenance, so
that all that reads spectra reads baselines.
"""

import contextlib
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

from mcplugin.domain import file_path, instance_of
from mcplugin.errors import InputError, OutputError
from mcplugin.transport.spectrum import Spectrum

FORMAT = 1
RESTORE = "restore the file from version control, or store it anew with --spectrum-baselines=store"

# What differs from run to run of the same bits: a baseline stored anew should not differ by these.
_TIMINGS = (
    "seconds",
    "workers",
    "photons_per_second",
    "scatterings_per_second",
    "working_seconds",
    "sampler_seconds",
    "sampler_share",
)


def store_baseline(spectrum: Spectrum, path: Path) -> None:
    """Write a baseline, whole or not at all, however many processes do so at once.

    Raises
    ------
    InputError
        If the run was interrupted.
    OutputError
        If the file cannot be written.
    """
    instance_of("spectrum", spectrum, Spectrum, "take that of a run")
    path = file_path("path", path)
    run = spectrum.provenance
    if run.get("interrupted"):
        raise InputError(
            f"the run was stopped after {run['photons']} of {run['photons_requested']} photons and "
            f"is not stored as {path}: let it finish"
        )
    kept = {key: value for key, value in run.items() if key not in _TIMINGS}
    stored = replace(spectrum, provenance=kept | {"baseline": {"format": FORMAT}})
    unfinished = path.with_name(f".{path.stem}-{uuid4().hex}.fits")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        stored.write(unfinished)
        unfinished.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            unfinished.unlink()
        raise OutputError(f"cannot write the baseline {path}: {error}") from error


def read_baseline(path: Path) -> Spectrum:
    """Read a baseline.

    Raises
    ------
    InputError
        If the file is missing, damaged, no baseline, or of a format that is not known yet.
    """
    try:
        spectrum = Spectrum.read(path)
    except InputError as error:
        raise InputError(f"the baseline {path} is damaged: {error}; {RESTORE}") from error
    version = spectrum.provenance.get("baseline", {}).get("format")
    if version is None:
        raise InputError(f"{path} is a spectrum, but was not stored as a baseline; {RESTORE}")
    if version != FORMAT:
        raise InputError(
            f"the baseline {path} has format {version}, and this mcplugin reads format {FORMAT}: "
            f"install a newer mcplugin; or {RESTORE}"
        )
    return spectrum
