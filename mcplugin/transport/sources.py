"""Seed photons: the energy with which a photon starts its walk.

Each source draws exactly from its spectrum, one photon per random stream. Energies are
x = hν/(mₑc²).
"""

import io
import math
import os
import warnings
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.special import zeta

from mcplugin.domain import array_within, file_path, real_array
from mcplugin.errors import ConfigurationError, InputError
from mcplugin.jit import kernel
from mcplugin.random_streams import (
    Streams,
    Words,
    draw_words,
    exponential_from,
    minus_log,
    uniform,
    uniform_from,
)
from mcplugin.transport.configuration import (
    ENERGY_MAX_KEV,
    ENERGY_MIN_KEV,
    BlackBodySeed,
    Configuration,
    DiskBlackBodySeed,
    MonochromaticSeed,
    PowerLawSeed,
    TableSeed,
)
from mcplugin.units import ELECTRON_REST_ENERGY_KEV, in_kev

Array = NDArray[np.float64]


class Source(ABC):
    """A spectrum of seed photons."""

    @abstractmethod
    def fill(self, streams: Streams, x: Array) -> None:
        """Write one photon energy per stream into ``x``, advancing the streams."""


@dataclass(frozen=True)
class Monochromatic(Source):
    """Every photon has energy ``x``."""

    x: float

    def fill(self, streams: Streams, x: Array) -> None:
        """Write the one energy; no random number is used."""
        x[:] = self.x


@dataclass(frozen=True)
class BlackBody(Source):
    """Photons of Planck's spectrum, x²/(exp(x/Θ) - 1), at temperature ``theta``."""

    theta: float

    def fill(self, streams: Streams, x: Array) -> None:
        """Draw from gamma distributions of x/k, weights 1/k³ (Pozdnyakov et al. 1983, §9)."""
        _fill_blackbody(self.theta, streams, x)


@dataclass(frozen=True)
class DiskBlackBody(Source):
    """Photons of a disc with T = T_in (r/r_in)^(-3/4) (Mitsuda et al. 1984, PASJ 36, 741)."""

    theta_in: float

    def fill(self, streams: Streams, x: Array) -> None:
        """Draw the annulus by its number of photons, r dr T³: then T/T_in is uniform cubed."""
        _fill_disk_blackbody(self.theta_in, streams, x)


@dataclass(frozen=True)
class PowerLaw(Source):
    """Photons per unit energy ∝ x^-index between ``x_min`` and ``x_max``."""

    index: float
    x_min: float
    x_max: float

    def fill(self, streams: Streams, x: Array) -> None:
        """Invert the cdf in ln x, in a form that is smooth through index = 1."""
        _fill_powerlaw(1.0 - self.index, self.x_min, math.log(self.x_max / self.x_min), streams, x)


@dataclass(frozen=True)
class Tabulated(Source):
    """Photons per unit energy, linear between the points (``x``, ``density``) of a table."""

    x: Array
    density: Array

    def __post_init__(self) -> None:
        """Refuse tables that are no spectrum."""
        for name, column in (("x", self.x), ("density", self.density)):
            if not isinstance(column, np.ndarray) or real_array(name, column).ndim != 1:
                raise InputError(f"{name} must be an array of shape (n,)")
        if self.x.size < 2 or self.x.shape != self.density.shape:
            raise InputError("a seed spectrum needs at least two points")
        if not (np.diff(self.x) > 0.0).all() or self.x[0] <= 0.0:
            raise InputError("seed energies must be positive and strictly increasing")
        if (self.density < 0.0).any() or not (self.density > 0.0).any():
            raise InputError("photons per keV must not be negative, and not all zero")

    def fill(self, streams: Streams, x: Array) -> None:
        """Choose an interval by its number of photons, then invert its quadratic cdf."""
        # Scaled by a power of two, so that no square of a density leaves the range of doubles.
        density = np.ldexp(self.density, -int(np.frexp(self.density.max())[1]))
        photons = 0.5 * (density[1:] + density[:-1]) * np.diff(self.x)
        _fill_tabulated(self.x, density, np.cumsum(photons), streams, x)

    @classmethod
    def read(cls, path: str | Path) -> "Tabulated":
        """Read energy and photons per keV from the first two columns of ECSV, FITS or CSV.

        The energy column is in keV unless it carries another unit (energy, frequency or
        wavelength are converted); the second is proportional to photons per unit of energy.

        Raises
        ------
        ConfigurationError
            If the file is missing, unreadable, empty, unsorted, negative or out of range.
        """
        from astropy.table import Table

        path = file_path("seed.file", path)
        if not os.path.isfile(path):
            raise ConfigurationError(f"seed.file: there is no file {path}")
        formats = {".ecsv": "ascii.ecsv", ".fits": "fits", ".csv": "ascii.csv"}
        if path.suffix.lower() not in formats:
            raise ConfigurationError(f"seed.file: {path} must end in .ecsv, .fits or .csv")
        try:
            # A damaged FITS file only warns; read from memory it also leaves no open handle behind.
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                content = io.BytesIO(path.read_bytes())
                table = Table.read(content, format=formats[path.suffix.lower()])
            if all(_is_number(name) for name in table.colnames):
                raise InputError("the first line must name the columns")
            if len(table.columns) < 2:
                raise InputError("a seed spectrum needs two columns: energy, photons per keV")
            energy, density = (table.columns[i] for i in (0, 1))
            if table.has_masked_values:
                raise InputError("the table has empty cells")
            energy_kev = in_kev(energy.quantity) if energy.unit is not None else energy.data
            energy_kev = array_within("energy", energy_kev, ENERGY_MIN_KEV, ENERGY_MAX_KEV)
            photons = array_within("photons per keV", density.data)
            return cls(x=energy_kev / ELECTRON_REST_ENERGY_KEV, density=photons)
        except Exception as error:
            reason = " ".join(str(error).split()) or type(error).__name__
            raise ConfigurationError(f"seed.file: {path}: {reason}") from error


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def source_of(configuration: Configuration) -> Source:
    """Make the source that a configuration asks for, in units of mₑc².

    Raises
    ------
    ConfigurationError
        If a table file cannot be used.
    """
    seed = configuration.seed
    match seed:
        case MonochromaticSeed():
            return Monochromatic(seed.energy_kev / ELECTRON_REST_ENERGY_KEV)
        case BlackBodySeed():
            return BlackBody(seed.kt_kev / ELECTRON_REST_ENERGY_KEV)
        case DiskBlackBodySeed():
            return DiskBlackBody(seed.kt_in_kev / ELECTRON_REST_ENERGY_KEV)
        case PowerLawSeed():
            return PowerLaw(
                seed.index,
                seed.energy_min_kev / ELECTRON_REST_ENERGY_KEV,
                seed.energy_max_kev / ELECTRON_REST_ENERGY_KEV,
            )
        case TableSeed():
            return Tabulated.read(seed.file)


# Probabilities of the first terms of Planck's series, added up: 1/k³ over ζ(3).
_FEW = 8
_UP_TO_TERM = np.cumsum(np.arange(1.0, _FEW + 1) ** -3) / zeta(3.0)


@kernel
def _fill_blackbody(theta: float, streams: Streams, x: Array) -> None:
    """Draw x of a black body: k with probability ∝ 1/k³, then θ gamma(3)/k."""
    first, second = np.empty(x.size, dtype=np.uint64), np.empty(x.size, dtype=np.uint64)
    draw_words(streams, first, second)
    _draw_gamma_2(first, second, x)
    draw_words(streams, first, second)
    _add_exponential(first, x)
    _divide_by_term(second, x)
    _divide_by_later_terms(second, streams, x)
    for i in range(x.size):
        x[i] *= theta


@kernel
def _draw_gamma_2(first: Words, second: Words, out: Array) -> None:
    for i in range(out.size):
        out[i] = minus_log(uniform_from(first[i]) * uniform_from(second[i]))


@kernel
def _add_exponential(words: Words, out: Array) -> None:
    for i in range(out.size):
        out[i] += exponential_from(words[i])


@kernel
def _divide_by_term(words: Words, x: Array) -> None:
    """Divide by the term k of the series that a uniform number stands for, if it is up to 8."""
    for i in range(x.size):
        target = uniform_from(words[i])
        term = 1.0
        for j in range(_FEW - 1):
            term = j + 2.0 if target > _UP_TO_TERM[j] else term
        x[i] /= term if target <= _UP_TO_TERM[_FEW - 1] else 1.0


@kernel
def _divide_by_later_terms(words: Words, streams: Streams, x: Array) -> None:
    """Draw k > 8 with probability ∝ 1/k³: Zipf's law by rejection (Devroye 1986, ch. X.6.1)."""
    for i in range(x.size):
        while uniform_from(words[i]) > _UP_TO_TERM[_FEW - 1]:
            k = math.floor((_FEW + 1.0) / math.sqrt(uniform(streams, i)))
            ratio = (1.0 + 1.0 / k) ** 2
            if uniform(streams, i) * k * (ratio - 1.0) / 3.0 <= ratio / 4.0:
                x[i] /= k
                break


def _fill_disk_blackbody(theta_in: float, streams: Streams, x: Array) -> None:
    _fill_blackbody(theta_in, streams, x)
    _cool(streams, x)


@kernel
def _cool(streams: Streams, x: Array) -> None:
    for i in range(x.size):
        x[i] *= uniform(streams, i) ** 3


@kernel
def _fill_powerlaw(
    slope: float, x_min: float, log_range: float, streams: Streams, x: Array
) -> None:
    exponent = slope * log_range
    for i in range(x.size):
        p = uniform(streams, i)
        fraction = p if abs(exponent) < 1e-9 else math.log1p(p * math.expm1(exponent)) / exponent
        x[i] = x_min * math.exp(log_range * fraction)


@kernel
def _fill_tabulated(
    energies: Array, density: Array, cumulative: Array, streams: Streams, x: Array
) -> None:
    for i in range(x.size):
        target = uniform(streams, i) * cumulative[-1]
        j = min(np.searchsorted(cumulative, target), cumulative.size - 1)
        below = cumulative[j - 1] if j > 0 else 0.0
        share = (target - below) / (cumulative[j] - below)
        left, right = density[j], density[j + 1]
        # Solve left·s + (right - left)s²/2 = share·(left + right)/2 without cancellation.
        area = share * (left + right)
        s = area / (left + math.sqrt(left * left + (right - left) * area))
        x[i] = energies[j] + min(s, 1.0) * (energies[j + 1] - energies[j])
