"""The only door to the truth: what a generator learns, seen through draws.

A target gives random draws (to learned critics), the values that optimal transport assigns to
latents (to the critic in closed form), and the distance D of a finished map from the truth.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special

from mcplugin.domain import file_path, real_array, single
from mcplugin.electrons import maxwell_juttner
from mcplugin.errors import InputError
from mcplugin.random_streams import random_streams
from mcplugin.samplers.base import get_sampler

Array = NDArray[np.float64]

# A map of latent radii (R,) at one condition (C,) to values (R,).
Transform = Callable[[Array, Array], Array]

_RADII = np.concatenate([np.linspace(0.005, 6.5, 1300), np.linspace(6.52, 8.5, 100)])


def radius_cdf(radius: Array) -> Array:
    """Cdf of the latent radius, chi-distributed with 3 degrees of freedom."""
    cdf: Array = special.gammainc(1.5, 0.5 * radius**2)
    return cdf


def radius_survival(radius: Array) -> Array:
    """Probability of a larger latent radius."""
    survival: Array = special.gammaincc(1.5, 0.5 * radius**2)
    return survival


def radius_quantile(probability: Array) -> Array:
    """Latent radius below which a probability lies."""
    radius: Array = np.sqrt(2.0 * special.gammaincinv(1.5, probability))
    return radius


class Target(ABC):
    """A family of distributions of a positive number u, one for each value of its conditions.

    Attributes
    ----------
    conditions : tuple of str
        Names of the conditions.
    resolution : float
        Smallest distance that can be told from zero; 0 where the truth is known exactly.
    grid_shape : (int, int)
        Conditions and latent radii of a grid that resolves the target.
    """

    conditions: tuple[str, ...]
    resolution: float
    grid_shape: tuple[int, int]

    @abstractmethod
    def draw(self, random: np.random.Generator, count: int) -> tuple[Array, Array]:
        """Random conditions (n, C) and a draw of u (n,) for each."""

    @abstractmethod
    def choose(self, groups: int, random: np.random.Generator | None = None) -> Array:
        """Conditions (groups, C): random, or evenly over their range if ``random`` is None."""

    @abstractmethod
    def matched(self, radius: Array, conditions: Array) -> Array:
        """Values u (T, R) that an optimal generator gives to latent radii at chosen conditions.

        This is the optimal transport plan of one dimension: the draw with the same probability
        below it as the latent.
        """

    @abstractmethod
    def distance(self, transform: Transform) -> tuple[Array, Array]:
        """Conditions (T, C) that training has not seen, and D (T,) of the transform there."""


class MaxwellJuttnerTarget(Target):
    """Thermal electrons at temperatures between two limits, evenly in the logarithm.

    Parameters
    ----------
    theta_min, theta_max : float
        Range of temperature.
    """

    conditions = ("theta",)
    resolution = 0.0
    grid_shape = (49, 48)

    def __init__(self, theta_min: float = 1e-4, theta_max: float = 1e2) -> None:
        theta_min, theta_max = (
            single(name, real_array(name, value))
            for name, value in (("theta_min", theta_min), ("theta_max", theta_max))
        )
        if not 1e-4 <= theta_min < theta_max <= 1e2:
            raise InputError(
                f"theta_min = {theta_min} and theta_max = {theta_max} must obey "
                "1e-4 <= theta_min < theta_max <= 100"
            )
        self._low, self._span = np.log(theta_min), np.log(theta_max / theta_min)

    def _thetas(self, place: NDArray[Any]) -> Array:
        thetas: Array = np.clip(np.exp(self._low + self._span * place), 1e-4, 1e2)
        return thetas

    def draw(self, random: np.random.Generator, count: int) -> tuple[Array, Array]:
        """Exact draws by rejection, each at its own temperature."""
        theta = self._thetas(random.random(count))
        streams = random_streams(int(random.integers(2**63)), count)
        return theta[:, None], get_sampler("rejection").sample(theta, streams)

    def choose(self, groups: int, random: np.random.Generator | None = None) -> Array:
        """Temperatures stratified in the logarithm, or evenly spaced with both ends."""
        if random is None:
            return self._thetas(np.linspace(0.0, 1.0, groups))[:, None]
        return self._thetas((np.arange(groups) + random.random(groups)) / groups)[:, None]

    def matched(self, radius: Array, conditions: Array) -> Array:
        """The exact quantile, taken from the side of the distribution where it is accurate."""
        below, above = radius_cdf(radius), radius_survival(radius)
        u: Array = np.where(
            below < 0.5,
            maxwell_juttner.quantile(np.minimum(below, 0.5), conditions),
            maxwell_juttner.inverse_survival(np.minimum(above, 0.5), conditions),
        )
        return u

    def distance(self, transform: Transform) -> tuple[Array, Array]:
        """D at 97 temperatures between those of the polish, without sampling."""
        thetas = self._thetas((np.arange(97) + 0.618) / 97.5)
        distances = [
            self.distance_at(lambda radius, theta: transform(radius, np.array([theta])), theta)
            for theta in thetas
        ]
        return thetas[:, None], np.array(distances)

    @staticmethod
    def distance_at(transform: Callable[[Array, float], Array], theta: float) -> float:
        """D = sup over r of |F_χ(r) - F(u(r))| of an increasing map, at one temperature."""
        cdf = maxwell_juttner.cdf(transform(_RADII, theta), theta)
        return float(np.max(np.abs(radius_cdf(_RADII) - cdf)))


class SampleTarget(Target):
    """Whatever a file of samples was drawn from.

    Half of the samples, alternating, are learned from; the other half is kept to measure D.

    Parameters
    ----------
    conditions : (n, C) array
        Conditions of each sample. Samples must come in groups of equal conditions.
    u : (n,) array
        Samples, positive.
    names : tuple of str
        Names of the conditions.

    Raises
    ------
    InputError
        If values are not positive and finite, or a group has fewer than 1000 samples.
    """

    _FEWEST = 1000

    def __init__(self, conditions: Array, u: Array, names: tuple[str, ...]) -> None:
        if u.ndim != 1 or conditions.shape != (u.size, len(names)):
            raise InputError("samples need one value of u and of each condition per row")
        if not np.isfinite(conditions).all():
            raise InputError("conditions must be finite numbers")
        if not (np.isfinite(u).all() and (u > 0.0).all()):
            raise InputError("samples of u must be positive and finite")
        self.conditions = names
        self._values, group = np.unique(conditions, axis=0, return_inverse=True)
        members = [u[group.reshape(-1) == k] for k in range(len(self._values))]
        fewest = min(len(m) for m in members)
        if fewest < self._FEWEST:
            raise InputError(
                f"a group of equal conditions has {fewest} samples; give at least {self._FEWEST} "
                "of each, so that a distribution can be seen"
            )
        self._index = {tuple(row): k for k, row in enumerate(self._values)}
        self._learned = [np.sort(m[::2]) for m in members]
        self._kept = [np.sort(m[1::2]) for m in members]
        # Mean of the Kolmogorov distribution over √n, for the smallest group.
        # A distribution without a formula may have sharp features.
        self.grid_shape = (len(members), min(256, max(64, 4096 // len(members))))
        self.resolution = 0.8687 / float(np.sqrt(min(len(kept) for kept in self._kept)))

    @property
    def condition_range(self) -> Array:
        """Lowest and highest value of each condition, (C, 2)."""
        return np.stack([self._values.min(axis=0), self._values.max(axis=0)], axis=1)

    @classmethod
    def read(cls, path: str | Path) -> "SampleTarget":
        """Read columns conditions..., u from CSV, FITS or HDF5 (datasets); u is the last column.

        Raises
        ------
        InputError
            If the file is missing or unreadable, or its samples cannot be learned from.
        """
        path = file_path("path", path)
        try:
            names, columns = _read_columns(path)
        except InputError:
            raise
        except Exception as error:
            reason = " ".join(str(error).split())
            raise InputError(f"cannot read samples from {path}: {reason}") from error
        if len(names) < 1 or any(len(column) != len(columns[0]) for column in columns):
            raise InputError(f"{path} needs columns of equal length: conditions..., u")
        conditions = np.stack(columns[:-1], axis=1) if len(names) > 1 else np.ones(
            (len(columns[0]), 0)
        )  # fmt: skip
        return cls(conditions, columns[-1], tuple(names[:-1]))

    def draw(self, random: np.random.Generator, count: int) -> tuple[Array, Array]:
        """Samples of the learned half, at random, groups equally likely."""
        group = random.integers(0, len(self._learned), count)
        place = random.random(count)
        u = np.array(
            [
                self._learned[g][int(p * len(self._learned[g]))]
                for g, p in zip(group, place, strict=True)
            ]
        )
        return self._values[group], u

    def choose(self, groups: int, random: np.random.Generator | None = None) -> Array:
        """Conditions of random groups, or of all in turn."""
        if random is None:
            return self._values[np.arange(groups) % len(self._values)]
        return self._values[random.integers(0, len(self._values), groups)]

    def matched(self, radius: Array, conditions: Array) -> Array:
        """Empirical quantiles of the learned half, continued by a power law beyond their end."""
        rows = [self._learned[self._index[tuple(row)]] for row in conditions]
        return np.stack([_continued(r, row) for r, row in zip(radius, rows, strict=True)])

    def distance(self, transform: Transform) -> tuple[Array, Array]:
        """Largest |F_n(u(r)) - F_χ(r)| for the kept half of each group."""
        largest = []
        for values, kept in zip(self._values, self._kept, strict=True):
            u = transform(_RADII, values)
            expected = radius_cdf(_RADII)
            ranks = np.searchsorted(kept, u) / len(kept)
            largest.append(np.max(np.abs(ranks - expected)))
        return self._values, np.array(largest)


def _continued(radius: Array, ordered: Array) -> Array:
    """Values of an ordered sample at latent radii (R,).

    Samples end where about twenty of them are left. Beyond that ln u goes on linearly in r², as for
    a power law, since exp(-r²/2) is all but the survival probability of a latent.
    """
    n = len(ordered)
    log_u = np.log(ordered)
    ends = radius_quantile(1.0 - np.array([200.0, 20.0]) / n)
    inner = np.interp(radius_cdf(np.minimum(radius, ends[1])) * n - 0.5, np.arange(n), log_u)
    at_ends = np.interp(radius_cdf(ends) * n - 0.5, np.arange(n), log_u)
    slope = max(np.diff(at_ends)[0], 0.0) / np.diff(ends**2)[0]
    beyond = slope * np.maximum(radius**2 - ends[1] ** 2, 0.0)
    u: Array = np.exp(inner + beyond)
    return u


def _read_columns(path: Path) -> tuple[list[str], list[Array]]:
    columns: dict[str, Any]
    match path.suffix.lower():
        case ".h5" | ".hdf5":
            import h5py

            with h5py.File(path) as file:
                columns = {name: file[name][:] for name in file}
            # HDF5 lists datasets by name; u is the last column wherever its name sorts.
            columns["u"] = columns.pop("u")
        case ".csv" | ".fits":
            from astropy.table import Table

            table = Table.read(path, format="ascii.csv" if path.suffix == ".csv" else "fits")
            columns = {name: table[name] for name in table.colnames}
        case _:
            raise InputError(f"{path} must end in .csv, .fits, .h5 or .hdf5")
    return list(columns), [np.asarray(column, dtype=np.float64) for column in columns.values()]
