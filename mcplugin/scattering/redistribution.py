"""Where photons go in one Compton scattering by thermal electrons: the exact law of whole events.

A photon of energy x leaves with x' = rx, turned by the angle whose half has the sine √h. With the
invariants ξ = p·k, ξ' = p·k' and q = k·k' = 2xx'h, electrons f(p) scatter it at the rate

    σ(x, Θ) = 3/(16πx) ∫ x' dx' d²n' ∫ d³p f(p)/γ · F δ(ξ - ξ' - q),
    F = 1 + (1 - q/(ξξ'))² + q²/(ξξ')

per electron, over cσ_T (Nagirner & Poutanen 1993, A&A 275, 325; F is the invariant Klein-Nishina
law, Berestetskii, Lifshitz & Pitaevskii 1982, "Quantum Electrodynamics", §86; f is Jüttner's).

What follows is our own form of the integral. Seen from the frame that moves along the transfer
k - k' with the rapidity y, sinh y = (x - x')/√(2q), the photon keeps its energy
ω = (x + x')/(2 cosh y), and every electron that can scatter it has the momentum sinh a = √(q/2)
against the transfer; its energy E >= cosh a there is free. Back in the lab

    γ = E cosh y - sinh a sinh y = cosh w + (E - cosh a) cosh y,    w = y - a:

the least energetic electron moves along the transfer with the rapidity w, and heavier ones cost
exp(-(γ - cosh w)/Θ) more. In the momentum ζ = 2 sinh(w/2)/√Θ of the least energetic electron,
which makes its Boltzmann factor that of a standard normal, events have the density

    P(ζ, h) = 3√Θ/(8 exp(1/Θ) K₂(1/Θ) σ) · exp(-ζ²/2)/√(1 + Θζ²/4)
              · r²/((1 + r)/2 + hxr cosh y/cosh a) · ∫₀^∞ dt e^(-t) ⟨F⟩,    γ = cosh w + Θt,

⟨F⟩ being the mean over the azimuth about the transfer. Every other factor varies slowly, so ζ is
nearly a standard normal whatever x, Θ and h are. Electrons at rest have ζ = 0, which is Compton's
r = 1/(1 + 2xh); nothing is singular at x = 0, the Thomson limit.

Valid from x = 0 to 100 at every temperature of the package, 1e-4 <= Θ <= 100. Bad input raises
:class:`~mcplugin.errors.ThetaRangeError` or :class:`~mcplugin.errors.InputError`.
"""

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from mcplugin.domain import array_within, broadcast, single, temperature
from mcplugin.jit import kernel
from mcplugin.scattering.hot_cross_section import hot_cross_section

Array = NDArray[np.float64]

# Up to here the quadratures are converged.
X_MAX = 100.0
# Beyond this momentum exp(-ζ²/2) is zero.
ZETA_MAX = 38.0

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(40)
_NODES = 0.5 * (_NODES + 1.0)
_WEIGHTS = 0.5 * _WEIGHTS
# The integral over heavier electrons stops here: exp(-45) is 3e-20.
_T_END = 45.0
# A singularity of ⟨F⟩ that is farther off than this from the range of t is not felt there.
_FAR = 30.0


@kernel
def _least_electron(zeta: float, theta: float) -> tuple[float, float]:
    """Momentum along the transfer, sinh w, and Lorentz factor, cosh w, of the electron of ζ."""
    half = 0.25 * theta * zeta * zeta
    return zeta * math.sqrt(theta * (1.0 + half)), 1.0 + 2.0 * half


@kernel
def _ratio_and_transfer(p: float, gamma: float, h: float, x: float) -> tuple[float, float]:
    """x'/x and sinh y after an electron with the momentum p along the transfer.

    With V = 2h and 1/r = 1 + e√V, γ(x - x') - p|k - k'| = q is the quadratic
    e² - 2(γx + p²)√V e + Vx² - 2p² = 0; of its roots, the larger is that of p >= 0. It is a sum of
    positive terms, and the smaller is had from the product of both; sinh y = e√(r/2).
    """
    versine = 2.0 * h
    root = math.sqrt(versine)
    spread = math.sqrt(2.0 + versine * (x * x + p * p + 2.0 * gamma * x))
    larger = root * (gamma * x + p * p) + abs(p) * spread
    if p >= 0.0:
        ratio = 1.0 / (1.0 + root * larger)
        return ratio, larger * math.sqrt(0.5 * ratio)
    ratio = (1.0 + root * larger) / (1.0 + versine * x * (2.0 * gamma + versine * x))
    recoil, momentum = root * x, math.sqrt(2.0) * p
    smaller = (recoil - momentum) * (recoil + momentum) / larger
    return ratio, smaller * math.sqrt(0.5 * ratio)


@kernel
def _azimuthal_mean(
    energy: float, lead: float, omega: float, scale: float, across_squared: float, h: float
) -> float:
    """⟨F⟩ for an electron of the given energy E, in the frame where the photon keeps its own.

    There ξ = Eω + q/2 - B cos φ and ξ' = ξ - q, and 1/⟨1/ξ⟩ is √(k_⊥² + (q/2)(E + ω)²), with the
    ``lead`` E - ω for ξ'. The means of 1/(ξξ') = (1/ξ' - 1/ξ)/q and of its square follow from these
    two and from ⟨ξ⟩ + ⟨ξ'⟩ = 2Eω, in a form from which the differences and q have been divided
    out. ``omega`` and k_⊥ are in units of ``scale`` = √(xx'), so that x = 0 is no exception.
    """
    before = math.sqrt(across_squared + h * (energy + scale * omega) ** 2)
    after = math.sqrt(across_squared + h * lead * lead)
    sum_of_means = 2.0 * energy * omega
    sum_of_roots = before + after
    product = before * after
    inverse = sum_of_means / (product * sum_of_roots)
    bracket = sum_of_means**2 * (1.0 + product / sum_of_roots**2) - (sum_of_roots**2 - product)
    inverse_squared = 0.5 * sum_of_means * bracket / (product**3 * sum_of_roots)
    versine = 2.0 * h
    q = versine * scale * scale
    return 2.0 + versine * (q - 2.0) * inverse + versine * versine * inverse_squared


@kernel
def _thermal_mean(
    omega: float, scale: float, cosh_y: float, cosh_a: float, h: float, theta: float
) -> float:
    """∫ dt e^(-t) ⟨F⟩ over electrons of the energies E = cosh a + Θt/cosh y.

    ⟨1/ξ'⟩ is singular at t₀ ± i·width, which may be close by: t = t₀ + width·sinh v resolves it.
    """
    across_squared = (1.0 - h) / (cosh_y * cosh_y)
    # cosh a - ω, in which large numbers would cancel.
    least_lead = (1.0 - scale * scale * across_squared) / (cosh_a + scale * omega)
    t_0 = min(max(-least_lead * cosh_y / theta, -_FAR), _T_END + _FAR)
    # Straight back the width is zero, and the grid of v evenly logarithmic for any small one.
    width = min(math.sqrt(max(1.0 - h, 1e-18) / h) / theta, _FAR)
    low = math.asinh(-t_0 / width)
    span = math.asinh((_T_END - t_0) / width) - low
    total = 0.0
    for i in range(_NODES.size):
        v = low + span * _NODES[i]
        t = t_0 + width * math.sinh(v)
        heat = theta * t / cosh_y
        mean = _azimuthal_mean(cosh_a + heat, least_lead + heat, omega, scale, across_squared, h)
        total += _WEIGHTS[i] * math.cosh(v) * math.exp(-t) * mean
    return total * span * width


@kernel
def _rate(zeta: float, h: float, x: float, theta: float) -> float:
    """P(ζ, h) but for its first factor, which does not depend on ζ and h."""
    p, gamma = _least_electron(zeta, theta)
    ratio, sinh_y = _ratio_and_transfer(p, gamma, h, x)
    cosh_y = math.sqrt(1.0 + sinh_y * sinh_y)
    scale = x * math.sqrt(ratio)
    cosh_a = math.sqrt(1.0 + h * scale * scale)
    omega = 0.5 * (1.0 + ratio) / (math.sqrt(ratio) * cosh_y)
    boltzmann = math.exp(-0.5 * zeta * zeta) / math.sqrt(1.0 + 0.25 * theta * zeta * zeta)
    jacobian = ratio * ratio / (0.5 * (1.0 + ratio) + h * x * ratio * cosh_y / cosh_a)
    return boltzmann * jacobian * _thermal_mean(omega, scale, cosh_y, cosh_a, h, theta)


@kernel
def _rates(zeta: Array, h: Array, x: float, theta: float, out: Array) -> None:
    for i in range(out.size):
        out[i] = _rate(zeta[i], h[i], x, theta)


@kernel
def _energy_ratios(zeta: Array, h: Array, x: Array, theta: Array, out: Array) -> None:
    for i in range(out.size):
        p, gamma = _least_electron(zeta[i], theta[i])
        out[i], _ = _ratio_and_transfer(p, gamma, h[i], x[i])


def energy_ratio(zeta: ArrayLike, h: ArrayLike, x: ArrayLike, theta: ArrayLike) -> Array:
    """Energy of the scattered photon over that before, from conservation of energy and momentum.

    Parameters
    ----------
    zeta : array_like
        Momentum ζ = 2 sinh(w/2)/√Θ of the least energetic electron that can do it, positive along
        the momentum that the photon loses, -38 <= ζ <= 38.
    h : array_like
        Deflection, (1 - cosine)/2 of the scattering angle, 0 <= h <= 1.
    x : array_like
        Photon energy hν/(mₑc²) before, 0 <= x <= 100.
    theta : array_like
        Electron temperature, 1e-4 <= theta <= 100.

    Returns
    -------
    array of float64
        x'/x, to 1e-14 relative, of the shape to which the arguments are broadcast.

    Raises
    ------
    InputError, ThetaRangeError
        If a value is out of range or not finite, or the shapes do not go together.
    """
    zeta, h, x, theta = broadcast(
        zeta=array_within("zeta", zeta, -ZETA_MAX, ZETA_MAX),
        h=array_within("h", h, 0.0, 1.0),
        x=array_within("x", x, 0.0, X_MAX),
        theta=temperature(theta),
    )
    out = np.empty(zeta.size)
    _energy_ratios(zeta.ravel(), h.ravel(), x.ravel(), theta.ravel(), out)
    return out.reshape(zeta.shape)


def momentum_of(ratio: ArrayLike, h: ArrayLike, x: ArrayLike, theta: ArrayLike) -> Array:
    """Momentum ζ that an event tells: the inverse of :func:`energy_ratio`.

    Parameters
    ----------
    ratio : array_like
        x'/x, 1e-100 <= ratio <= 1e100.
    h : array_like
        Deflection, (1 - cosine)/2 of the scattering angle, 1e-100 <= h <= 1. A photon that is not
        turned keeps its energy, whatever the electron.
    x, theta : array_like
        Photon energy before and electron temperature, as in :func:`energy_ratio`.

    Returns
    -------
    array of float64
        ζ, of the shape to which the arguments are broadcast. A small deflection changes the energy
        little: the last digit of ``ratio``, 1e-16, is worth 1e-16/√(hΘ) in ζ.

    Raises
    ------
    InputError, ThetaRangeError
        If a value is out of range or not finite, or the shapes do not go together.
    """
    ratio, h, x, theta = broadcast(
        ratio=array_within("ratio", ratio, 1e-100, 1e100),
        h=array_within("h", h, 1e-100, 1.0),
        x=array_within("x", x, 0.0, X_MAX),
        theta=temperature(theta),
    )
    root = np.sqrt(ratio * h)
    rapidity = np.arcsinh(0.5 * (1.0 - ratio) / root) - np.arcsinh(x * root)
    return np.asarray(2.0 * np.sinh(0.5 * rapidity) / np.sqrt(theta))


def event_density(zeta: ArrayLike, h: ArrayLike, x: float, theta: float) -> Array:
    """Probability density P(ζ, h) of events, per unit momentum and unit deflection.

    Parameters
    ----------
    zeta : array_like
        Momentum of the least energetic electron, as in :func:`energy_ratio`, -38 <= ζ <= 38.
    h : array_like
        Deflection, (1 - cosine)/2 of the scattering angle, 0 <= h <= 1.
    x : float
        Photon energy hν/(mₑc²) before, 0 <= x <= 100.
    theta : float
        Electron temperature, 1e-4 <= theta <= 100.

    Returns
    -------
    array of float64
        P of the shape to which ``zeta`` and ``h`` are broadcast, to 1e-9 relative (1e-11 for x up
        to 10) by 40 Gauss-Legendre nodes in the energy of the electron.

    Raises
    ------
    InputError, ThetaRangeError
        If a value is out of range or not finite, or the shapes do not go together.
    """
    zeta, h = broadcast(
        zeta=array_within("zeta", zeta, -ZETA_MAX, ZETA_MAX), h=array_within("h", h, 0.0, 1.0)
    )
    x = single("x", array_within("x", x, 0.0, X_MAX))
    theta = single("theta", temperature(theta))
    out = np.empty(zeta.size)
    _rates(zeta.ravel(), h.ravel(), x, theta, out)
    bessel = float(special.kve(2, 1.0 / theta))
    out *= 0.375 * math.sqrt(theta) / (bessel * float(hot_cross_section(x, theta)))
    return out.reshape(zeta.shape)
