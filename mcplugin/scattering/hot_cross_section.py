"""The Klein-Nishina cross-section averaged over thermal electrons.

    σ(x, Θ) = ∫ f(u) du ∫₀¹ dη σ_KN(xD(u, η)),    D² = (γ + u)⁻² + 4γuη

is the interaction rate of a photon of energy x per electron, over cσ_T: the weight (1 - βμ)/2 of
each meeting angle is absorbed in the uniform variable η (see :mod:`mcplugin.scattering.compton`).
Pozdnyakov, Sobol & Sunyaev (1983), §9; Canfield, Howard & Liang (1987, ApJ 323, 565), eq. 4.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.interpolate import CubicSpline

from mcplugin.domain import array_within, single, temperature
from mcplugin.jit import kernel
from mcplugin.scattering.klein_nishina import X_MAX, total_cross_section

Array = NDArray[np.float64]

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(48)
_NODES = 0.5 * (_NODES + 1.0)
_WEIGHTS = 0.5 * _WEIGHTS

# The electron integral stops at this many temperatures: exp(-45) is 3e-20.
_KINETIC_MAX = 45.0

# The table is evenly spaced within each octave of x, so that a float's own bits index it.
_OCTAVE_BITS = 7
_SHIFT = np.uint64(52 - _OCTAVE_BITS)
_LOWEST_EXPONENT = -40
_HIGHEST_EXPONENT = 20
_FIRST_INDEX = np.int64((1023 + _LOWEST_EXPONENT) << _OCTAVE_BITS)
_LOWEST = 2.0**_LOWEST_EXPONENT
_HIGHEST = math.nextafter(2.0**_HIGHEST_EXPONENT, 0.0)


@kernel
def _average(
    x: Array, four_velocity: Array, electron_weight: Array, nodes: Array, weights: Array, out: Array
) -> None:
    for j in range(x.size):
        total = 0.0
        for k in range(four_velocity.size):
            u = four_velocity[k]
            gamma = np.sqrt(1.0 + u * u)
            lowest = -np.arcsinh(u)
            # In ln D the inner integrand is smooth however fast the electron is:
            # dη = D² d(ln D)/(2γu), and ln D runs from -w to w, w = asinh(u).
            inner = 0.0
            for m in range(nodes.size):
                log_doppler = lowest * (1.0 - 2.0 * nodes[m])
                doppler = np.exp(log_doppler)
                inner += weights[m] * doppler * doppler * total_cross_section(x[j] * doppler)
            total += electron_weight[k] * inner * (-lowest) / (gamma * u)
        out[j] = total


def hot_cross_section(x: ArrayLike, theta: float) -> Array:
    """Cross-section for a photon among Maxwell-Jüttner electrons, over the Thomson one.

    Parameters
    ----------
    x : array_like
        Photon energies hν/(mₑc²), 0 <= x <= 1e90, any shape.
    theta : float
        Electron temperature, 1e-4 <= theta <= 100.

    Returns
    -------
    array of float64
        σ(x, Θ)/σ_T of the shape of ``x``, to better than 1e-10 relative by 48 x 48 Gauss-Legendre
        quadrature in rapidity and logarithm of the Doppler factor.

    Raises
    ------
    InputError, ThetaRangeError
        If an energy is out of range or not finite, or theta is out of range.
    """
    x = array_within("x", x, 0.0, X_MAX)
    theta = single("theta", temperature(theta))
    w = 2.0 * np.arcsinh(np.sqrt(0.5 * theta * _KINETIC_MAX)) * _NODES
    kinetic = 2.0 * np.sinh(0.5 * w) ** 2 / theta
    density = np.cosh(w) * np.sinh(w) ** 2 * np.exp(-kinetic) * _WEIGHTS
    density /= density.sum()
    out = np.empty(x.size)
    _average(np.ascontiguousarray(x.ravel()), np.sinh(w), density, _NODES, _WEIGHTS, out)
    return out.reshape(x.shape)


@kernel
def look_up(x: float, values: Array, slopes: Array) -> float:
    """Interpolate linearly in the octave-wise even table; its ends stand for what is beyond."""
    # Without branches, so that loops over many photons become SIMD.
    inside = min(max(x, _LOWEST), _HIGHEST)
    # The bits of a positive double, read as an integer, are exponent and mantissa in order.
    position = np.float64(inside).view(np.uint64) >> _SHIFT
    corner = np.uint64(position << _SHIFT).view(np.float64)
    index = np.int64(position) - _FIRST_INDEX
    return float(values[index] + (inside - corner) * slopes[index])


@dataclass(frozen=True)
class HotCrossSectionTable:
    """σ(x, Θ)/σ_T at one temperature, for look-up inside kernels in a few nanoseconds.

    The nodes divide every octave of x from 2⁻⁴⁰ to 2²⁰ evenly in 128, so an index is read off the
    bits of x without a logarithm. Linear interpolation is within 1.5e-5 relative everywhere. Below
    the table the cross-section differs from its first value by less than 1e-8; above it no photon
    of a plasma at Θ <= 100 can get.

    Attributes
    ----------
    values : (60 × 128 + 1,) array
        Cross-section at the nodes.
    slopes : (60 × 128,) array
        Its slope between neighbouring nodes.
    """

    values: Array
    slopes: Array

    @classmethod
    def at(cls, theta: float) -> "HotCrossSectionTable":
        """Build the table for the temperature ``theta``, 1e-4 <= theta <= 100."""
        octaves = _HIGHEST_EXPONENT - _LOWEST_EXPONENT
        fractions = 1.0 + np.arange(2**_OCTAVE_BITS) / 2**_OCTAVE_BITS
        x = np.ldexp(fractions, np.arange(_LOWEST_EXPONENT, _HIGHEST_EXPONENT)[:, None]).ravel()
        x = np.append(x, 2.0**_HIGHEST_EXPONENT)
        # ln σ is smooth in ln x: a coarse grid and a cubic spline give the rest.
        coarse = np.linspace(np.log(x[0]), np.log(x[-1]), octaves * 8 + 1)
        values = np.exp(
            CubicSpline(coarse, np.log(hot_cross_section(np.exp(coarse), theta)))(np.log(x))
        )
        return cls(values=values, slopes=np.diff(values) / np.diff(x))

    def __call__(self, x: ArrayLike) -> Array:
        """Interpolated cross-section over σ_T at energies x > 0, any shape."""
        x = array_within("x", x, np.finfo(np.float64).tiny)
        out = np.empty(x.size)
        _look_up_all(np.ascontiguousarray(x.ravel()), self.values, self.slopes, out)
        return out.reshape(x.shape)


@kernel
def _look_up_all(x: Array, values: Array, slopes: Array, out: Array) -> None:
    for i in range(x.size):
        out[i] = look_up(x[i], values, slopes)
