"""Generators as maps of the latent radius, evaluated with numpy: the reference for all others.

A latent z, a 3-D standard normal, becomes the four-velocity z·g(|z|, conditions), so that
directions are isotropic whatever g is. With r = |z| the magnitude u = r g is, in the two forms that
there are,

``thermal``
    u = r √(Θ (1 + Θ (r²/4 + M²))): both limits are built in, u → √Θ r (a Maxwellian) when Θ → 0
    and u → Θ r²/2 (an exponential tail) for large r.
``free``
    ln u = ln r + q r² + M: for electrons of which only samples are known; q r² makes a power-law
    tail of exponent 1/q.

What is learned is M = b + Σⱼ vⱼ aⱼ/√(1 + aⱼ²) with aⱼ = sⱼ r + oⱼ. The parameters (s, o, v, b, and
q) depend on the conditions c through a few saturating functions hₖ,

    (s, o, v, b, q) = base + Σₖ hₖ(c) · modulationₖ,

which are computed once when all draws share their conditions ("folding"):
hₖ = Θ/(Θ + Θₖ) in the thermal form, hₖ = yₖ/√(1 + yₖ²), y = projection·c + shift in the free one.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mcplugin.domain import array_within, instance_of, real_array, temperature
from mcplugin.errors import InputError, WeightsError
from mcplugin.learning.c_form import c_form
from mcplugin.learning.weights import Weights

Array = NDArray[np.float64]

# The largest latent radius that is mapped, here and by libmcplugin; one draw in 10¹³ is beyond 8.
RADIUS_MAX = 1e6

THERMAL, FREE = "thermal", "free"


@dataclass(frozen=True)
class ThermalMap:
    """The generator of thermal electrons.

    Attributes
    ----------
    base : (3n + 1,) array
        Slopes s, offsets o, amplitudes v (n each) and bias b in the limit Θ → 0.
    modulation : (k, 3n + 1) array
        What the saturating functions of temperature add to them.
    theta_scale : (k,) array
        Temperatures Θₖ at which these are half saturated.
    theta_range : (float, float)
        Temperatures for which the map was trained.
    """

    base: Array
    modulation: Array
    theta_scale: Array
    theta_range: tuple[float, float]

    @property
    def units(self) -> int:
        """Number n of hidden units."""
        return self.base.size // 3

    def fold(self, theta: ArrayLike) -> Array:
        """Parameters (s, o, v, b) at given temperatures, shape theta.shape + (3n + 1,)."""
        theta = np.asarray(theta, dtype=np.float64)[..., None]
        folded: Array = self.base + (theta / (theta + self.theta_scale)) @ self.modulation
        return folded

    def c_form(self) -> bytes:
        """The form that libmcplugin reads, see :mod:`mcplugin.learning.c_form`.

        Raises
        ------
        WeightsError
            If the generator is too large for the library.
        """
        try:
            return c_form(self.base, self.modulation, self.theta_scale, self.theta_range)
        except ValueError as error:
            raise WeightsError(str(error)) from error

    def __call__(self, radius: ArrayLike, theta: ArrayLike) -> Array:
        """Four-velocity |u| for latent radii r >= 0 at temperatures broadcast against them.

        Raises
        ------
        ThetaRangeError, InputError
            If a temperature is outside the range or a radius outside 0 to 10⁶.
        """
        radius = array_within("radius", radius, 0.0, RADIUS_MAX)
        theta = temperature(theta, *self.theta_range)
        m = _learned(radius, self.fold(theta), self.units)
        u: Array = radius * np.sqrt(theta * (1.0 + theta * (0.25 * radius**2 + m * m)))
        return u


@dataclass(frozen=True)
class FreeMap:
    """A generator learned from samples alone.

    Attributes
    ----------
    base : (3n + 2,) array
        s, o, v (n each), b and q where all saturating functions vanish.
    modulation : (k, 3n + 2) array
        What the saturating functions of the conditions add.
    projection : (k, C) array
    shift : (k,) array
        Arguments of the saturating functions, y = projection·c + shift.
    condition_range : (C, 2) array
        Lowest and highest value of each condition in training.
    """

    base: Array
    modulation: Array
    projection: Array
    shift: Array
    condition_range: Array

    @property
    def units(self) -> int:
        """Number n of hidden units."""
        return (self.base.size - 2) // 3

    def fold(self, conditions: ArrayLike) -> Array:
        """Parameters at given conditions (..., C), shape (..., 3n + 2)."""
        y = np.asarray(conditions, dtype=np.float64) @ self.projection.T + self.shift
        folded: Array = self.base + (y / np.sqrt(1.0 + y * y)) @ self.modulation
        return folded

    def __call__(self, radius: ArrayLike, conditions: ArrayLike) -> Array:
        """Magnitude u for latent radii r >= 0 and conditions of shape radius.shape + (C,) or (C,).

        Raises
        ------
        InputError
            If a condition is outside the range of the samples, or a radius is negative.
        """
        radius = array_within("radius", radius, 0.0)
        values = real_array("conditions", conditions)
        low, high = self.condition_range[:, 0], self.condition_range[:, 1]
        if ((values < low) | (values > high)).any():
            raise InputError(
                f"conditions must lie within {low.tolist()} to {high.tolist()}, where the samples "
                "of the training were"
            )
        parameters = self.fold(values)
        m = _learned(radius, parameters, self.units)
        u: Array = radius * np.exp(parameters[..., -1] * radius**2 + m)
        return u


def _learned(radius: Array, parameters: Array, n: int) -> Array:
    a = radius[..., None] * parameters[..., :n] + parameters[..., n : 2 * n]
    hidden = a / np.sqrt(1.0 + a * a)
    m: Array = np.sum(hidden * parameters[..., 2 * n : 3 * n], axis=-1) + parameters[..., 3 * n]
    return m


def thermal_map(weights: Weights) -> ThermalMap:
    """Take a generator of thermal electrons out of its file.

    Raises
    ------
    WeightsError
        If the weights are of another form, or their shapes do not fit together.
    """
    instance_of("weights", weights, Weights, "take them from load_weights")
    if weights.card["form"] != THERMAL:
        raise WeightsError(
            f"the weights are of the form {weights.card['form']!r}, not {THERMAL!r} as thermal "
            "electrons need"
        )
    base, modulation, scale = _taken(weights, "base", "modulation", "theta_scale")
    fits = base.ndim == 1 and base.size % 3 == 1 and scale.ndim == 1
    if not fits or modulation.shape != (scale.size, base.size) or (scale <= 0.0).any():
        raise WeightsError("base, modulation and theta_scale of the weights do not fit together")
    return ThermalMap(base, modulation, scale, weights.theta_range)


def free_map(weights: Weights) -> FreeMap:
    """Take a generator learned from samples out of its file.

    Raises
    ------
    WeightsError
        If the weights are of another form, or their shapes do not fit together.
    """
    instance_of("weights", weights, Weights, "take them from load_weights")
    if weights.card["form"] != FREE:
        raise WeightsError(f"the weights are of the form {weights.card['form']!r}, not {FREE!r}")
    base, modulation, projection, shift, limits = _taken(
        weights, "base", "modulation", "projection", "shift", "condition_range"
    )
    fits = base.ndim == 1 and base.size % 3 == 2 and shift.ndim == 1 and projection.ndim == 2
    if (
        not fits
        or modulation.shape != (shift.size, base.size)
        or limits.shape != (projection.shape[1], 2)
        or projection.shape[0] != shift.size
    ):
        raise WeightsError("the arrays of the weights do not fit together")
    return FreeMap(base, modulation, projection, shift, limits)


def _taken(weights: Weights, *names: str) -> list[Array]:
    try:
        return [weights.tensors[name] for name in names]
    except KeyError as error:
        raise WeightsError(f"the weights lack {error}") from error
