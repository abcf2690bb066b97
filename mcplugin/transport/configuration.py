"""What a run is asked to do: the TOML file, its defaults, and what is refused.

User-facing energies are in keV and may be astropy quantities when given from Python.
"""

import difflib
import math
import os
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from mcplugin.domain import THETA_MAX, THETA_MIN
from mcplugin.errors import ConfigurationError
from mcplugin.units import ELECTRON_REST_ENERGY_KEV, in_kev

# Photons softer or harder than this are outside what the cross-section table resolves.
X_MIN, X_MAX = 1e-10, 1e3
# Cells of all tallied spectra together: 24 bytes each, for every chunk in flight.
_MOST_CELLS = 4_000_000
# Energies are counted in fractions of a bin's upper edge: see the tally.
_WIDEST_BIN = 1000.0
ENERGY_MIN_KEV, ENERGY_MAX_KEV = X_MIN * ELECTRON_REST_ENERGY_KEV, X_MAX * ELECTRON_REST_ENERGY_KEV


def _plain_number(value: Any) -> Any:
    """Numpy scalars as Python numbers, since strict validation knows only the latter."""
    return value.item() if hasattr(value, "item") and getattr(value, "ndim", 0) == 0 else value


def _plain_kev(value: Any) -> Any:
    return _plain_number(in_kev(value))


def _whole(value: Any) -> Any:
    value = _plain_number(value)
    return int(value) if isinstance(value, float) and value.is_integer() else value


EnergyKev = Annotated[
    float, BeforeValidator(_plain_kev), Field(ge=ENERGY_MIN_KEV, le=ENERGY_MAX_KEV)
]
Real = Annotated[float, BeforeValidator(_plain_number)]
Whole = Annotated[int, BeforeValidator(_whole)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class Plasma(_Section):
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
            raise ValueError("give the electron temperature once, as kt_kev or as theta")
        if self.disk is not None and self.geometry == "sphere":
            raise ValueError("disk belongs to geometry = 'slab'; a sphere has none")
        return self

    @property
    def temperature(self) -> float:
        """Electron temperature theta = kT/(mₑc²), however it was given."""
        if self.theta is not None:
            return self.theta
        assert self.kt_kev is not None
        return self.kt_kev / ELECTRON_REST_ENERGY_KEV


_Position = Literal["centre", "uniform", "surface", "base"]


class _Seed(_Section):
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
        if not self.energy_min_kev < self.energy_max_kev:
            raise ValueError("energy_min_kev must be below energy_max_kev")
        return self


class TableSeed(_Seed):
    """Photons per keV from the first two columns of a table file (ECSV, FITS or CSV)."""

    spectrum: Literal["table"]
    file: str


Seed = Annotated[
    MonochromaticSeed | BlackBodySeed | DiskBlackBodySeed | PowerLawSeed | TableSeed,
    Field(discriminator="spectrum"),
]


class TallyGrid(_Section):
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
        if not self.energy_min_kev < self.energy_max_kev:
            raise ValueError("energy_min_kev must be below energy_max_kev")
        log_width = math.log(self.energy_max_kev / self.energy_min_kev) / self.bins
        if log_width < 1e-9:
            raise ValueError("bins are too many for so narrow a range of energies")
        if log_width > math.log(_WIDEST_BIN):
            raise ValueError(
                f"a bin must not be wider than a factor {_WIDEST_BIN:g}: use more bins"
            )
        if self.bins * (self.angle_bins + self.orders) > _MOST_CELLS:
            raise ValueError(
                f"bins * (angle_bins + orders) exceeds {_MOST_CELLS:,}: make one of them smaller"
            )
        return self


class Run(_Section):
    """How many photons, with which electrons."""

    photons: Annotated[Whole, Field(ge=1, le=10**15)] = 1_000_000
    sampler: str = "rejection"
    sampler_options: dict[str, Any] = Field(default_factory=dict)
    seed: Annotated[Whole, Field(ge=0, le=2**64 - 1)] = 1
    max_scatterings: Annotated[Whole, Field(ge=0, le=2**31 - 2)] | None = Field(
        None, description="photons about to scatter once more are cut"
    )


class Configuration(_Section):
    """A complete run: plasma, seed photons, tally, and how to run it."""

    plasma: Plasma
    seed: Seed
    tally: TallyGrid = TallyGrid()
    run: Run = Run()

    @model_validator(mode="after")
    def _seeds_fit_the_geometry(self) -> "Configuration":
        allowed = SEED_POSITIONS[self.plasma.geometry]
        if self.seed.position not in (None, *allowed):
            raise ValueError(
                f"seed.position = {self.seed.position!r} does not exist in a "
                f"{self.plasma.geometry}: use one of {', '.join(allowed)}"
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
            In one line: where, what was given, what is allowed, and the nearest valid name.
        """
        if isinstance(source, Configuration):
            return source
        if isinstance(source, Mapping):
            return _validated(dict(source), "configuration")
        try:
            path = Path(source)
            content = tomllib.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise ConfigurationError(f"cannot read {path}: {error.strerror}") from error
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise ConfigurationError(f"{path} is not valid TOML: {error}") from error
        except (TypeError, ValueError) as error:
            raise ConfigurationError(f"cannot read {source!r}: {error}") from error
        seed = content.get("seed")
        if isinstance(seed, dict) and isinstance(seed.get("file"), str):
            seed["file"] = str(path.parent / seed["file"])
        return _validated(content, str(path))


SEED_POSITIONS = {"sphere": ("centre", "uniform", "surface"), "slab": ("base", "uniform")}


def _validated(content: dict[str, Any], origin: str) -> Configuration:
    try:
        return Configuration.model_validate(content)
    except ValidationError as error:
        raise ConfigurationError(" ".join(f"{origin}: {_one_line(error)}".split())) from error


def _one_line(error: ValidationError) -> str:
    """The first complaint of a validation, as 'section.key = value: what is wrong, remedy'."""
    problems = error.errors(include_url=False)
    # A misspelt key is also a missing one; its spelling is the thing to say.
    unknown = [problem for problem in problems if problem["type"] == "extra_forbidden"]
    problem = (unknown or problems)[0]
    path = [str(part) for part in problem["loc"]]
    section = _SECTIONS.get(path[0] if len(path) > 1 else "", Configuration)
    if path[:1] == ["seed"] and len(path) > 1:
        section = _SEEDS[path.pop(1)]
    name, given = ".".join(path), problem["input"]
    match problem["type"]:
        case "extra_forbidden":
            return f"unknown key {name!r}: {_nearest(path[-1], section.model_fields)}"
        case "missing":
            return f"{name} is missing"
        case "union_tag_not_found":
            return f"{name}.spectrum is missing: allowed are {', '.join(_SEEDS)}"
        case "union_tag_invalid":
            return f"{name}.spectrum = {given['spectrum']!r}: {_nearest(given['spectrum'], _SEEDS)}"
        case "literal_error":
            return f"{name} = {given!r}: {_nearest(given, _literals(section, path[-1]))}"
        case "greater_than_equal" | "less_than_equal":
            low, high = _bounds(section, path[-1])
            return f"{name} = {given!r} is outside {low} <= {path[-1]} <= {high}"
    message = problem["msg"].removeprefix("Value error, ")
    message = message[0].lower() + message[1:]
    if not name:
        return message
    return f"{name}: {message}" if isinstance(given, dict) else f"{name} = {given!r}: {message}"


_SECTIONS: dict[str, type[BaseModel]] = {"plasma": Plasma, "tally": TallyGrid, "run": Run}
_SEEDS: dict[str, type[BaseModel]] = {
    "monochromatic": MonochromaticSeed,
    "blackbody": BlackBodySeed,
    "disk-blackbody": DiskBlackBodySeed,
    "powerlaw": PowerLawSeed,
    "table": TableSeed,
}


def _nearest(given: Any, allowed: Iterable[str]) -> str:
    names = list(allowed)
    near = difflib.get_close_matches(str(given), names, n=1, cutoff=0.4)
    return (f"did you mean {near[0]!r}? " if near else "") + f"allowed are {', '.join(names)}"


def _literals(section: type[BaseModel], key: str) -> list[str]:
    """All strings of a (possibly optional) Literal field."""
    return [part for part in _parts(section.model_fields[key].annotation) if isinstance(part, str)]


def _bounds(section: type[BaseModel], key: str) -> tuple[str, str]:
    """Lowest and highest value of a (possibly optional) number, to six digits."""
    field = section.model_fields[key]
    limits: dict[str, float] = {}
    for part in (*field.metadata, *_parts(field.annotation)):
        for constraint in getattr(part, "metadata", [part]):
            for name in ("ge", "le"):
                if hasattr(constraint, name):
                    limits[name] = getattr(constraint, name)
    low, high = (
        f"{v:.6g}" if isinstance(v, float) else str(v) for v in (limits["ge"], limits["le"])
    )
    return low, high


def _parts(annotation: Any) -> Iterator[Any]:
    """All arguments of a nested annotation."""
    for part in get_args(annotation):
        yield part
        yield from _parts(part)
