"""Units stop here: keV and astropy quantities outside, dimensionless float64 inside."""

from typing import Any

import numpy as np

from mcplugin.errors import InputError

# mₑc² in keV (CODATA 2022: 0.51099895069 MeV).
ELECTRON_REST_ENERGY_KEV = 510.99895069


def in_kev(value: Any) -> Any:
    """Give an astropy quantity in keV, and anything else unchanged.

    Temperatures become kT, wavelengths and frequencies the photon's energy.

    Raises
    ------
    InputError
        If the quantity is neither an energy nor equivalent to one.
    """
    if not hasattr(value, "to_value"):
        return value
    from astropy import units

    # A wavelength of zero becomes an infinite energy, which is refused where energies are let in.
    with np.errstate(divide="ignore"):
        return _converted(value, units.temperature_energy() + units.spectral())


def dimensionless_temperature(value: Any) -> Any:
    """Give kT/(mₑc²) of an astropy quantity (energy or temperature), or a plain number unchanged.

    Raises
    ------
    InputError
        If the quantity is neither an energy nor a temperature nor dimensionless.
    """
    if not hasattr(value, "to_value"):
        return value
    from astropy import units

    if value.unit.is_equivalent(units.dimensionless_unscaled):
        return value.to_value(units.dimensionless_unscaled)
    return _converted(value, units.temperature_energy()) / ELECTRON_REST_ENERGY_KEV


def _converted(value: Any, equivalencies: Any) -> Any:
    from astropy import units

    try:
        return value.to_value(units.keV, equivalencies)
    except units.UnitsError as error:
        raise InputError(f"{value} cannot be converted to keV: {error}") from error
