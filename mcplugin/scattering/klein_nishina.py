"""Compton scattering by an electron at rest: the Klein-Nishina law, unpolarised.

A photon of energy x (in mₑc²) scatters by an angle with cosine 1 - w to the energy k x, where
k = 1/(1 + xw), with

    dσ/dw = (3/8) σ_T k² (k + 1/k - w(2 - w)),    0 <= w <= 2

(Klein & Nishina 1929, Z. Phys. 52, 853; Rybicki & Lightman 1979, eq. 7.4). The variable w is kept
instead of the cosine because soft photons and small angles would lose their digits in the latter.
"""

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mcplugin.domain import array_within, single
from mcplugin.errors import InputError
from mcplugin.jit import kernel
from mcplugin.random_streams import Streams, checked_streams, uniform

# Photons harder than this are of no gas: the cube of their energy would overflow.
X_MAX = 1e90
# Below this energy the closed form of the cross-section cancels and its series converges fast.
_SERIES_BELOW = 0.15
_SERIES_TERMS = 24
# Above this energy the flat-in-angle proposal is refused too often.
_LOGARITHMIC_ABOVE = 0.7


def _series_coefficients(terms: int) -> NDArray[np.float64]:
    """Coefficients of σ/(¾(1 - y)) - 1 + y/2 in powers of y = 2x/(1 + 2x).

    Expanding k = (1 - y)/(1 - yv) with v = 1 - w/2 under the integral of the Klein-Nishina law
    gives b_n = 1/(n+1) - 4(n+1)/((n+2)(n+3)) + 4n/((n+1)(n+2)): nothing cancels.
    """
    n = np.arange(terms, dtype=np.float64)
    return 1 / (n + 1) - 4 * (n + 1) / ((n + 2) * (n + 3)) + 4 * n / ((n + 1) * (n + 2))


_SERIES = _series_coefficients(_SERIES_TERMS)


@kernel
def total_cross_section(x: float) -> float:
    """Klein-Nishina cross-section of one photon over the Thomson one, to 1e-13 for any x >= 0."""
    if x < _SERIES_BELOW:
        y = 2.0 * x / (1.0 + 2.0 * x)
        total = 0.0
        for n in range(_SERIES_TERMS - 1, -1, -1):
            total = total * y + _SERIES[n]
        return 0.75 * (1.0 - y) * (1.0 - 0.5 * y + total)
    one_plus_2x = 1.0 + 2.0 * x
    logarithm = math.log1p(2.0 * x)
    return 0.75 * (
        (1.0 + x) / x**3 * (2.0 * x * (1.0 + x) / one_plus_2x - logarithm)
        + 0.5 * logarithm / x
        - (1.0 + 3.0 * x) / one_plus_2x**2
    )


@kernel
def _total_cross_sections(x: NDArray[np.float64], out: NDArray[np.float64]) -> None:
    for i in range(x.size):
        out[i] = total_cross_section(x[i])


def cross_section(x: ArrayLike) -> NDArray[np.float64]:
    """Total Klein-Nishina cross-section in units of the Thomson cross-section.

    Parameters
    ----------
    x : array_like
        Photon energy hν/(mₑc²) in the electron's rest frame, 0 <= x <= 1e90, any shape.

    Returns
    -------
    array of float64
        σ(x)/σ_T, of the shape of ``x``; 1 at x = 0.

    Raises
    ------
    InputError
        If an energy is out of range or not finite.

    Notes
    -----
    Rybicki & Lightman (1979), eq. 7.5; below x = 0.15 its expansion in 2x/(1 + 2x).
    """
    x = array_within("x", x, 0.0, X_MAX)
    out = np.empty(x.size)
    _total_cross_sections(x.ravel(), out)
    return out.reshape(x.shape)


def energy_ratio_pdf(ratio: ArrayLike, x: float) -> NDArray[np.float64]:
    """Density of k = x'/x, the scattered over the incoming energy, for an electron at rest.

    Parameters
    ----------
    ratio : array_like
        Values of k; the density is zero outside [1/(1 + 2x), 1].
    x : float
        Incoming energy, 0 < x <= 1e90.

    Returns
    -------
    array of float64
        p(k) = (3/8)(k + 1/k - w(2 - w))/(x σ), w = (1/k - 1)/x.

    Raises
    ------
    InputError
        If x is out of range or a value is not finite.
    """
    ratio = array_within("ratio", ratio)
    x = single("x", array_within("x", x, np.finfo(np.float64).tiny, X_MAX))
    lowest = 1.0 / (1.0 + 2.0 * x)
    inside = (ratio >= lowest) & (ratio <= 1.0)
    k = np.where(inside, ratio, 1.0)
    w = (1.0 / k - 1.0) / x
    density = 0.375 * (k + 1.0 / k - w * (2.0 - w)) / (x * cross_section(x))
    return np.where(inside, density, 0.0)


@kernel
def interacts(x: float, streams: Streams, i: int) -> bool:
    """Decide with probability σ(x)/σ_T, evaluating σ only where simple bounds cannot decide.

    1/(1 + 2x) <= σ/σ_T <= (1 + 1.3x)/(1 + 2x) for every x >= 0.
    """
    threshold = uniform(streams, i)
    scaled = threshold * (1.0 + 2.0 * x)
    if scaled <= 1.0:
        return True
    if scaled > 1.0 + 1.3 * x:
        return False
    return threshold <= total_cross_section(x)


@kernel
def draw_deflection(x: float, streams: Streams, i: int) -> float:
    """Draw w = 1 - cosine of the scattering angle in the electron's rest frame, exactly.

    Soft photons: propose w from k², accept with (k + 1/k - sin²)/(largest k + 1/k).
    Hard photons: propose k from the mixture 1/k + k (Butcher & Messel 1960, Nucl. Phys. 20, 15),
    accept with 1 - k sin²/(1 + k²).
    """
    one_plus_2x = 1.0 + 2.0 * x
    if x < _LOGARITHMIC_ABOVE:
        bound = one_plus_2x + 1.0 / one_plus_2x
        while True:
            v = uniform(streams, i)
            w = 2.0 * v / (one_plus_2x - 2.0 * x * v)
            inverse_k = 1.0 + x * w
            if uniform(streams, i) * bound <= inverse_k + 1.0 / inverse_k - w * (2.0 - w):
                return w
    lowest = 1.0 / one_plus_2x
    log_weight = math.log(one_plus_2x)
    linear_weight = 0.5 * (1.0 - lowest * lowest)
    while True:
        if uniform(streams, i) * (log_weight + linear_weight) < log_weight:
            k = math.exp(-log_weight * uniform(streams, i))
        else:
            k = math.sqrt(lowest * lowest + 2.0 * linear_weight * uniform(streams, i))
        w = min((1.0 - k) / (k * x), 2.0)
        if uniform(streams, i) <= 1.0 - k * w * (2.0 - w) / (1.0 + k * k):
            return w


@kernel
def _draw_deflections(x: NDArray[np.float64], streams: Streams, out: NDArray[np.float64]) -> None:
    for i in range(x.size):
        out[i] = draw_deflection(x[i], streams, i)


def sample_deflection(x: ArrayLike, streams: Streams) -> NDArray[np.float64]:
    """Draw w = 1 - cosine of the scattering angle off electrons at rest, one per stream.

    Parameters
    ----------
    x : array_like
        Photon energies, 0 <= x <= 1e90, of shape (n,) or a scalar.
    streams : (n, 2) uint64 array
        Random streams, advanced in place.

    Returns
    -------
    (n,) array of float64
        Deflections, 0 <= w <= 2; the scattered energy is x/(1 + xw).

    Raises
    ------
    InputError
        If an energy is out of range or not finite, or the shapes do not match.
    """
    count = len(checked_streams(streams))
    x = array_within("x", x, 0.0, X_MAX)
    if x.shape not in ((), (count,)):
        raise InputError(f"x must be a scalar or have shape ({count},), not {x.shape}")
    x = np.ascontiguousarray(np.broadcast_to(x, count))
    out = np.empty(count)
    _draw_deflections(x, streams, out)
    return out
