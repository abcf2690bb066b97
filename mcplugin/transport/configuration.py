"""What a run is asked to do: the TOML file, its defaults, and what is refused.

User-facing energies are in keV and may be astropy quantities when given from Python.
"""

import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from mcplugin.configuration_file import (
    ConflictError,
    Real,
    Section,
    Whole,
    plain_number,
    read_toml,
    validated,
)
from mcplugin.domain import THETA_MAX, THETA_MIN
from mcplugin.units import ELECTRON_REST_ENERGY_KEV, in_kev

# Photons softer or harder than this are outside what the cross-section table resolves.
X_MIN, X_MAX = 1e-10, 1e3
# Cells of all tallied spectra together: 24 bytes each, for every chunk in flight.
_MOST_CELLS = 4_000_000
# Energies are counted in fractions of a bin's upper edge: see the tally.
_WIDEST_BIN = 1000.0
ENERGY_MIN_KEV, ENERGY_MAX_KEV = X_MIN * ELECTRON_REST_ENERGY_KEV, X_MAX * ELECTRON_REST_ENERGY_KEV


def _plain_kev(value: Any) -> Any:
    return plain_number(in_kev(value))


EnergyKev = Annotated[
    float, BeforeValidator(_plain_kev), Field(ge=ENERGY_MIN_KEV, le=ENERGY_MAX_KEV)
]


def _refuse_upside_down(energy_min_kev: float, energy_max_kev: float) -> None:
    if not energy_min_kev < energy_max_kev:
        raise ConflictError(
            f"energy_min_kev = {energy_min_kev:g} must be below energy_max_kev = "
            f"{energy_max_kev:g}",
            "energy_min_kev",
        )


class Plasma(Section):
    """The homogeneous cloud of thermal electrons."""

    geometry: Literal["sphere", "slab"]
    kt_kev: (
        Annotated[
            float,
            BeforeValidator(_plain_kev),
            Field(ge=THETA_MIN * ELECTRON_REST_ENERGY_KEV, le=THETA_MAX * ELECTRON_REST_ENERGY_KEV),
        ]
        | None
    ) = Field(None, description="electron temperature kT in keV")
    theta: Annotated[Real, Field(ge=THETA_MIN, le=THETA_MAX)] | None = Field(
        None, description="electron temperature kT/(mₑc²)"
    )
    tau: Annotated[
        Real,
        Field(
            ge=1e-9,
            le=1e3,
            description="Thomson depth: centre to surface (sphere), full height (slab)",
        ),
    ]
    disk: Literal["absorbing", "none"] | None = Field(
        None, description="what lies below a slab: an absorbing disc (default) or nothing"
    )

    @model_validator(mode="after")
    def _consistent(self) -> "Plasma":
        if (self.kt_kev is None) == (self.theta is None):
            raise ConflictError("give the electron temperature once, as kt_kev or as theta")
        if self.disk is not None and self.geometry == "sphere":
            raise ConflictError(
                f"disk = {self.disk!r} belongs to geometry = 'slab'; a sphere has none", "disk"
            )
        return self

    @property
    def temperature(self) -> float:
        """Electron temperature theta = kT/(mₑc²), however it was given."""
        if self.theta is not None:
            return self.theta
        assert self.kt_kev is not None
        return self.kt_kev / ELECTRON_REST_ENERGY_KEV


_Position = Literal["centre", "uniform", "surface", "base"]


class _Seed(Section):
    position: _Position | None = Field(
        None,
        description="sphere: centre (default), uniform, surface; slab: base (default), uniform",
    )


class MonochromaticSeed(_Seed):
    """All seed photons have one energy."""

    spectrum: Literal["monochromatic"]
    energy_kev: EnergyKev


class BlackBodySeed(_Seed):
    """Planck's spectrum."""

    spectrum: Literal["blackbody"]
    kt_kev: EnergyKev


class DiskBlackBodySeed(_Seed):
    """A disc of temperature T ∝ r^(-3/4) outside its inner edge, seen as a whole."""

    spectrum: Literal["disk-blackbody"]
    kt_in_kev: EnergyKev


class PowerLawSeed(_Seed):
    """Photons per keV ∝ E^-index between two energies."""

    spectrum: Literal["powerlaw"]
    index: Annotated[Real, Field(ge=-10.0, le=10.0)]
    energy_min_kev: EnergyKev
    energy_max_kev: EnergyKev

    @model_validator(mode="after")
    def _ordered(self) -> "PowerLawSeed":
        _refuse_upside_down(self.energy_min_kev, self.energy_max_kev)
        return self


class TableSeed(_Seed):
    """Photons per keV from the first two columns of a table file (ECSV, FITS or CSV)."""

    spectrum: Literal["table"]
    file: str


Seed = Annotated[
    MonochromaticSeed | BlackBodySeed | DiskBlackBodySeed | PowerLawSeed | TableSeed,
    Field(discriminator="spectrum"),
]


class TallyGrid(Section):
    """How escaping photons are sorted."""

    energy_min_kev: EnergyKev = 0.01
    energy_max_kev: EnergyKev = 2000.0
    bins: Annotated[Whole, Field(ge=1, le=100_000)] = 200
    angle_bins: Annotated[Whole, Field(ge=1, le=1000)] = 5
    orders: Annotated[
        Whole,
        Field(ge=1, le=10_000, description="scattering orders tallied apart; the rest together"),
    ] = 10
    photon_list: bool = Field(False, description="also write every photon to photons.h5")

    @model_validator(mode="after")
    def _ordered(self) -> "TallyGrid":
        _refuse_upside_down(self.energy_min_kev, self.energy_max_kev)
        log_width = math.log(self.energy_max_kev / self.energy_min_kev) / self.bins
        if log_width < 1e-9:
            raise ConflictError(
                f"bins = {self.bins} are too many for so narrow a range of energies: use fewer",
                "bins",
            )
        if log_width > math.log(_WIDEST_BIN):
            raise ConflictError(
                f"bins = {self.bins} makes a bin wider than a factor {_WIDEST_BIN:g}: use at least "
                f"{math.ceil(log_width * self.bins / math.log(_WIDEST_BIN))}",
                "bins",
            )
        if self.bins * (self.angle_bins + self.orders) > _MOST_CELLS:
            raise ConflictError(
                f"bins * (angle_bins + orders) = {self.bins * (self.angle_bins + self.orders):,} "
                f"exceeds {_MOST_CELLS:,}: make one of them smaller"
            )
        return self


class Run(Section):
    """How many photons, with which electrons."""

    photons: Annotated[Whole, Field(ge=1, le=10**15)] = 1_000_000
    sampler: str = "rejection"
    sampler_options: dict[str, Any] = Field(default_factory=dict)
    seed: Annotated[Whole, Field(ge=0, le=2**64 - 1)] = 1
    max_scatterings: Annotated[Whole, Field(ge=0, le=2**31 - 2)] | None = Field(
        None, description="photons about to scatter once more are cut"
    )


class Configuration(Section):
    """A complete run: plasma, seed photons, tally, and how to run it."""

    plasma: Plasma
    seed: Seed
    tally: TallyGrid = TallyGrid()
    run: Run = Run()

    @model_validator(mode="after")
    def _seeds_fit_the_geometry(self) -> "Configuration":
        allowed = SEED_POSITIONS[self.plasma.geometry]
        if self.seed.position not in (None, *allowed):
            raise ConflictError(
                f"seed.position = {self.seed.position!r} does not exist in a "
                f"{self.plasma.geometry}: use one of {', '.join(allowed)}",
                *("seed", "position"),
            )
        return self

    @property
    def seed_position(self) -> str:
        """Where seed photons are born: as configured, or the geometry's default."""
        return self.seed.position or SEED_POSITIONS[self.plasma.geometry][0]

    @classmethod
    def load(
        cls, source: "Configuration | Mapping[str, Any] | str | os.PathLike[str]"
    ) -> "Configuration":
        """Read a configuration from a TOML file or a mapping of its sections.

        Relative paths inside a file are taken from the file's own folder.

        Raises
        ------
        ConfigurationError
            In one line: file, line and key, what was given, what is allowed, and the nearest
            valid name.
        """
        if isinstance(source, Configuration):
            return source
        if isinstance(source, Mapping):
            return validated(cls, source, "configuration")
        content, text = read_toml(source)
        seed = content.get("seed")
        if isinstance(seed, dict) and isinstance(seed.get("file"), str):
            # Workers, and a run that goes on from a checkpoint, may have other current folders.
            seed["file"] = os.path.abspath(Path(source).parent / seed["file"])
        return validated(cls, content, os.fspath(source), text)


SEED_POSITIONS = {"sphere": ("centre", "uniform", "surface"), "slab": ("base", "uniform")}
