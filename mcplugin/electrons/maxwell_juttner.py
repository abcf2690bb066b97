"""The Maxwell-Jüttner distribution of the four-velocity u = γβ.

    f(u) = u² exp(-γ/Θ) / (Θ K₂(1/Θ)),    γ = √(1 + u²),    Θ = kT/(mₑc²)

(Jüttner 1911, Ann. Phys. 339, 856; Synge 1957, "The Relativistic Gas"). All integrals are taken
over the rapidity w = asinh(u), in which the integrand is analytic everywhere, with the kinetic
energy in units of the temperature, t = (γ - 1)/Θ = 2 sinh²(w/2)/Θ, and with scaled Bessel
functions: nothing cancels when the gas is cold and nothing overflows when it is hot.

Every function broadcasts ``u`` (or the probability) against ``theta``, 1e-4 <= theta <= 100, and
is accurate to 1e-10 relative, far tails included. Bad input raises
:class:`~mcplugin.errors.ThetaRangeError` or :class:`~mcplugin.errors.InputError`.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from mcplugin.domain import array_within, broadcast, single, temperature
from mcplugin.errors import InputError

Array = NDArray[np.float64]

# Gauss-Legendre nodes on (0, 1). With 80 of them the integrals below are converged to 1e-13
# from theta = 1e-4 to 100.
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(80)
_NODES = 0.5 * (_NODES + 1.0)
_WEIGHTS = 0.5 * _WEIGHTS

# Beyond this four-velocity the density of the hottest gas is below exp(-9999), which is zero.
_U_MAX = 1e6
# Smaller probabilities than this have lost their digits.
_LEAST_PROBABILITY = 1e-300

# The survival integral stops this many temperatures above its lower end: exp(-60) is 1e-26.
_TAIL = 60.0


def pdf(u: ArrayLike, theta: ArrayLike) -> Array:
    """Probability density per unit four-velocity u >= 0 (zero for u < 0).

    Source: Jüttner (1911); f(γ) = γ²β exp(-γ/Θ)/(Θ K₂(1/Θ)) with dγ = β du.
    """
    u, theta = _four_velocity(u, theta)
    kinetic = u**2 / ((1.0 + np.hypot(1.0, u)) * theta)
    density = u**2 * np.exp(-kinetic) / (theta * _scaled_k2(theta))
    return np.asarray(np.where(u > 0.0, density, 0.0))


def cdf(u: ArrayLike, theta: ArrayLike) -> Array:
    """Probability that an electron's four-velocity is at most u."""
    u, theta = _four_velocity(u, theta)
    return _either_side(u, theta, np.True_)


def survival(u: ArrayLike, theta: ArrayLike) -> Array:
    """Probability that an electron's four-velocity exceeds u, without cancellation in the tail."""
    u, theta = _four_velocity(u, theta)
    return _either_side(u, theta, np.False_)


def quantile(probability: ArrayLike, theta: ArrayLike) -> Array:
    """Four-velocity u below which the given probability (0 to 1) lies; infinite at 1."""
    probability, theta = _probability(probability, theta)
    return _invert(probability, 1.0 - probability, theta)


def inverse_survival(probability: ArrayLike, theta: ArrayLike) -> Array:
    """Four-velocity u above which the given probability (0 to 1) lies; infinite at 0."""
    probability, theta = _probability(probability, theta)
    return _invert(1.0 - probability, probability, theta)


def mean_gamma(theta: ArrayLike) -> Array:
    """Mean Lorentz factor ⟨γ⟩ = 3Θ + K₁(1/Θ)/K₂(1/Θ) (Pozdnyakov et al. 1983, §2)."""
    theta = temperature(theta)
    ratio: Array = special.kve(1, 1.0 / theta) / _scaled_k2(theta)
    return 3.0 * theta + ratio


def mean_u(theta: ArrayLike) -> Array:
    """Mean four-velocity ⟨u⟩ = 2Θ(1 + 3Θ + 3Θ²) exp(-1/Θ)/K₂(1/Θ)."""
    theta = temperature(theta)
    mean: Array = 2.0 * theta * (1.0 + 3.0 * theta * (1.0 + theta)) / _scaled_k2(theta)
    return mean


def mean_beta(theta: ArrayLike) -> Array:
    """Mean speed ⟨β⟩ = 2Θ(1 + Θ) exp(-1/Θ)/K₂(1/Θ)."""
    theta = temperature(theta)
    mean: Array = 2.0 * theta * (1.0 + theta) / _scaled_k2(theta)
    return mean


def moment_u(order: float, theta: ArrayLike) -> Array:
    """Moment ⟨uⁿ⟩ of any real order n, -3 < n <= 100.

    ∫ sinh^2ν(w) exp(-z cosh w) dw = Γ(ν + ½) (2/z)^ν K_ν(z)/√π (DLMF 10.32.8), integrated once by
    parts, gives ⟨uⁿ⟩ = Γ((n + 5)/2) (2Θ)^((n + 4)/2) K_((n + 4)/2)(1/Θ) / (√π (n + 3) Θ² K₂(1/Θ)).
    """
    theta = temperature(theta)
    order = single("order", array_within("order", order, np.nextafter(-3.0, 0.0), 100.0))
    index = 0.5 * order + 2.0
    bessel_ratio: Array = special.kve(index, 1.0 / theta) / _scaled_k2(theta)
    factor = special.gamma(index + 0.5) / (np.sqrt(np.pi) * (order + 3.0))
    moment: Array = factor * (2.0 * theta) ** index / theta**2 * bessel_ratio
    return moment


def moment_kinetic(order: float, theta: ArrayLike) -> Array:
    """Moment ⟨(γ - 1)ⁿ⟩ of any real order n, -1 <= n <= 100, free of cold cancellation."""
    theta = temperature(theta)
    order = single("order", array_within("order", order, -1.0, 100.0))
    # The integrand peaks near t = n + 3 and is negligible 12 √(n + 3) + 60 above it.
    top = order + 3.0 + 12.0 * np.sqrt(order + 3.0) + _TAIL
    kinetic, weighted = _integrand(np.zeros_like(theta), _rapidity(top, theta), theta)
    moment: Array = np.sum(weighted * (kinetic * theta[..., None]) ** order, axis=-1)
    return moment


def _scaled_k2(theta: Array) -> Array:
    """exp(1/Θ) K₂(1/Θ)."""
    value: Array = special.kve(2, 1.0 / theta)
    return value


def _four_velocity(u: ArrayLike, theta: ArrayLike) -> tuple[Array, Array]:
    u, theta = _broadcast("u", u, theta)
    return np.clip(u, -_U_MAX, _U_MAX), theta


def _probability(probability: ArrayLike, theta: ArrayLike) -> tuple[Array, Array]:
    probability, theta = _broadcast("probability", probability, theta, 0.0, 1.0)
    lost = (probability > 0.0) & (probability < _LEAST_PROBABILITY)
    if lost.any():
        raise InputError(
            f"probability = {probability[lost].flat[0]:.6g} is neither 0 nor at least "
            f"{_LEAST_PROBABILITY:g}, below which doubles lose digits"
        )
    return probability, theta


def _broadcast(
    name: str, value: ArrayLike, theta: ArrayLike, low: float = -np.inf, high: float = np.inf
) -> tuple[Array, Array]:
    checked = {name: array_within(name, value, low, high), "theta": temperature(theta)}
    values, thetas = broadcast(**checked)
    return values, thetas


def _rapidity(kinetic: ArrayLike, theta: Array) -> Array:
    """Rapidity w at which (γ - 1)/Θ has the given value."""
    rapidity: Array = 2.0 * np.arcsinh(np.sqrt(0.5 * theta * np.asarray(kinetic)))
    return rapidity


def _integrand(low: Array, high: Array, theta: Array) -> tuple[Array, Array]:
    """(γ - 1)/Θ at rapidity nodes between low and high, and weights times the density there."""
    width = (high - low)[..., None]
    w = low[..., None] + width * _NODES
    kinetic = 2.0 * np.sinh(0.5 * w) ** 2 / theta[..., None]
    density = np.cosh(w) * np.sinh(w) ** 2 * np.exp(-kinetic)
    normalisation = (theta * _scaled_k2(theta))[..., None]
    return kinetic, width * _WEIGHTS * density / normalisation


def _either_side(u: Array, theta: Array, below: NDArray[np.bool_] | np.bool_) -> Array:
    """The cdf (where below) or survival function, from the integral that has no cancellation."""
    w = np.arcsinh(np.maximum(u, 0.0))
    kinetic = 2.0 * np.sinh(0.5 * w) ** 2 / theta
    # The direct integral from 0 needs few nodes only while it ends within a few temperatures.
    from_zero = kinetic < 3.0
    low = np.where(from_zero, 0.0, w)
    high = np.where(from_zero, w, _rapidity(kinetic + _TAIL, theta))
    integral = np.sum(_integrand(low, high, theta)[1], axis=-1)
    return np.asarray(np.where(from_zero == below, integral, 1.0 - integral))


def _invert(below: Array, above: Array, theta: Array) -> Array:
    """Solve cdf(u) = below and survival(u) = above by Newton's method on the smaller one.

    ln F(ln u) and ln S(u) are both concave, so Newton's iteration converges from any start.
    """
    lower_half = below <= above
    probability = np.where(lower_half, below, above)
    # The ends are put right below; till then they stand in for the median.
    probability = np.where(probability > 0.0, probability, 0.5)
    target = np.log(probability)
    # Start from the gamma distribution of kinetic energy with the right mean.
    shape = moment_kinetic(1.0, theta) / theta
    guess = np.where(
        lower_half,
        special.gammaincinv(shape, probability),
        special.gammainccinv(shape, probability),
    )
    u = np.sinh(_rapidity(np.clip(guess, 1e-30, 1e4), theta))
    for _ in range(60):
        cumulative = _either_side(u, theta, lower_half)
        error = target - np.log(cumulative)
        slope = pdf(u, theta) / cumulative
        in_log_u = u * np.expm1(np.clip(error / (u * slope), -30.0, 30.0))
        step = np.where(lower_half, in_log_u, -error / slope)
        u = np.where(lower_half, u + step, np.maximum(u + step, 0.5 * u))
        if np.all(np.abs(step) <= 1e-14 * u):
            break
    u = np.where(below == 0.0, 0.0, u)
    return np.asarray(np.where(above == 0.0, np.inf, u))
