"""How far a radial map is from exact, without drawing a single electron.

A generator that turns a 3-D standard normal z into a four-velocity of magnitude T(|z|) draws the
distribution F(T(r)) = F_χ3(r), as long as T rises monotonically. So its distance from the exact
one is D(Θ) = sup_r |F_χ3(r) - F_MJ(T(r))|, and every mean is an integral over r.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from scipy import special

from mcplugin.domain import single, temperature
from mcplugin.electrons import maxwell_juttner
from mcplugin.errors import InputError, SamplerError

Array = NDArray[np.float64]

TAIL_PROBABILITIES = (1e-3, 1e-4, 1e-5, 1e-6)

# Latent radii: beyond 8.5 lies one draw in 10¹⁵. Between two of them a deviation that varies over
# Δr ≈ 1 exceeds its values at both by 1e-5 of itself at most.
_RADIUS_MAX = 8.5
_SPACING = 1.0 / 256.0
_RADIUS: Array = np.arange(1.0, round(_RADIUS_MAX / _SPACING) + 1.0) * _SPACING
_MEDIAN_RADIUS = 1.5381722544550522

# (golden ratio - 1): places the temperatures of a grid off any round value.
_SHIFT = 0.6180339887498949


@runtime_checkable
class RadialMap(Protocol):
    """A sampler whose draws are a pure function of the radius of a 3-D standard normal."""

    def transform(self, radius: Array, theta: float) -> Array:
        """Four-velocity u for each latent radius, shape (n,), at one temperature."""


@dataclass(frozen=True)
class MapDistance:
    """What the radial map does at each of n temperatures.

    Attributes
    ----------
    theta : (n,) array
    distance : (n,) array
        D = sup |F - F_exact|; right where the map is monotone.
    smallest_slope : (n,) array
        Smallest Δu/Δr/√Θ between neighbouring radii, 0 < r < 8.5: positive if T is monotone.
    mean_energy_error : (n,) array
        ⟨γ - 1⟩ over the exact one, minus 1.
    tail_ratio : (n, 4) array
        Survival at the four-velocities where the exact one is 1e-3, 1e-4, 1e-5 and 1e-6, over
        the exact one.
    """

    theta: Array
    distance: Array
    smallest_slope: Array
    mean_energy_error: Array
    tail_ratio: Array

    @property
    def monotone(self) -> bool:
        """Whether u rises with r everywhere on the grid."""
        return bool(np.all(self.smallest_slope > 0.0))

    @classmethod
    def joined(cls, parts: Sequence["MapDistance"]) -> "MapDistance":
        """One record of several temperatures out of their separate ones."""
        names = [field.name for field in fields(cls)]
        return cls(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))


def dense_temperatures(low: float, high: float, count: int = 400) -> Array:
    """Both ends of a range and ``count`` log-spaced temperatures between, none of them round."""
    inside = np.exp(
        np.log(low) + (np.arange(count) + _SHIFT) / count * (np.log(high) - np.log(low))
    )
    return np.concatenate([[low], np.clip(inside, low, high), [high]])


def measure_map(sampler: RadialMap, theta: float) -> MapDistance:
    """Measure a radial map at one temperature, by quadrature over the latent radius.

    Parameters
    ----------
    sampler : RadialMap
        Has ``transform(radius, theta)``.
    theta : float
        Temperature, 1e-4 to 100.

    Returns
    -------
    MapDistance
        Arrays of length 1; see :meth:`MapDistance.joined`.

    Raises
    ------
    ThetaRangeError, InputError
        If the temperature is out of range, or there is no map.
    SamplerError
        If the map gives what no electron has, or the wrong shape.
    """
    theta = single("theta", temperature(theta))
    if not isinstance(sampler, RadialMap):
        raise InputError(f"sampler = {sampler!r} has no radial map: it needs a method transform")
    u = np.asarray(sampler.transform(_RADIUS, theta), dtype=np.float64)
    if u.shape != _RADIUS.shape or not (np.isfinite(u) & (u >= 0.0)).all():
        raise SamplerError(
            f"the radial map at theta = {theta:.6g} must give {_RADIUS.size} finite u >= 0"
        )
    # Each side of the median from its own tail, so that nothing cancels.
    inner = _RADIUS <= _MEDIAN_RADIUS
    half_square = 0.5 * _RADIUS**2
    survival = special.gammaincc(1.5, half_square)
    deviation = np.where(
        inner,
        special.gammainc(1.5, half_square) - maxwell_juttner.cdf(u, theta),
        maxwell_juttner.survival(u, theta) - survival,
    )
    # The trapezium rule: the integrand and its first derivatives vanish at both ends.
    density = np.sqrt(2.0 / np.pi) * _RADIUS**2 * np.exp(-half_square)
    kinetic = u**2 / (1.0 + np.hypot(1.0, u))
    mean = _SPACING * float(density @ kinetic)
    # Survival of the draws at a given u, from ln S(r) at the radius that is mapped there; linear
    # interpolation of ln S is right to 1e-5.
    thresholds = maxwell_juttner.inverse_survival(TAIL_PROBABILITIES, theta)
    tail = np.exp(np.interp(thresholds, np.maximum.accumulate(u), np.log(survival)))
    slope = np.min(np.diff(u)) / (_SPACING * np.sqrt(theta))
    exact = float(maxwell_juttner.moment_kinetic(1.0, theta))
    return MapDistance(
        theta=np.array([theta]),
        distance=np.array([np.max(np.abs(deviation))]),
        smallest_slope=np.array([slope]),
        mean_energy_error=np.array([mean / exact - 1.0]),
        tail_ratio=(tail / np.array(TAIL_PROBABILITIES))[None, :],
    )
