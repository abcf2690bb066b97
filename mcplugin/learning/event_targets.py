"""What the generator of events should say: quantiles of the exact distribution, on a grid.

The critic in closed form of one dimension pairs latents with events of equal probability. For the
deflection that is ln c of each uniform v, for the momentum ζ of each normal z, given the deflection
(:mod:`mcplugin.learning.event_generator`). Errors are counted in the latent, so that a residual of
1e-3 is a cdf that is wrong by about 1e-3.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special
from scipy.interpolate import CubicSpline

from mcplugin.learning.event_generator import cosine_arguments, momentum_arguments, momentum_scale
from mcplugin.scattering.event_distribution import angle_quantile, momentum_cdf
from mcplugin.scattering.redistribution import event_density

Array = NDArray[np.float64]


def _gauss(count: int) -> tuple[Array, Array]:
    nodes, weights = np.polynomial.legendre.leggauss(count)
    return 0.5 * (nodes + 1.0), 0.5 * weights


_S, _S_WEIGHTS = _gauss(16)
_V, _V_WEIGHTS = _gauss(40)
_Z = np.linspace(-4.6, 4.6, 13)
# A normal, and a floor that keeps the far tails in sight.
_Z_WEIGHTS = np.exp(-0.5 * _Z**2) + 0.01 * np.exp(-0.1 * _Z**2)
_Z_WEIGHTS /= _Z_WEIGHTS.sum()

# Where the cdf of the momentum is tabulated, and up to which normal score it is accurate.
_ZETA = np.linspace(-9.0, 9.0, 181)
_SCORE_END = 5.3

# Share of the weight that follows the probability of the deflection; the rest is even in it, so
# that rare deflections are learned too.
_PROBABLE = 0.75


@dataclass(frozen=True)
class Lesson:
    """What one network should say at one temperature.

    Attributes
    ----------
    theta : float
        Temperature.
    inputs, features : (n, i) and (n, k) arrays
        Arguments of the network.
    target : (n,) array
        What is wanted: of the output, or of its arsinh.
    weight : (n,) array
        By which errors are multiplied; the sum of squares over all temperatures is a mean square.
    arsinh : bool
        Whether the target is the arsinh of the output.
    """

    theta: float
    inputs: Array
    features: Array
    target: Array
    weight: Array
    arsinh: bool

    def residuals(self, out: Array) -> Array:
        """Weighted errors (n,) of outputs (n,)."""
        said = np.arcsinh(out) if self.arsinh else out
        return np.asarray((said - self.target) * self.weight)

    def slopes(self, out: Array) -> Array:
        """Derivatives (n,) of the residuals by the outputs."""
        return self.weight / np.sqrt(1.0 + out * out) if self.arsinh else self.weight


def lessons(
    x_range: tuple[float, float],
    theta_range: tuple[float, float],
    energies: int,
    temperatures: int,
) -> tuple[list[Lesson], list[Lesson]]:
    """What N_μ and what N_ζ should say, on a grid of temperatures and photon energies.

    Parameters
    ----------
    x_range, theta_range : (float, float)
        Photon energies and temperatures. But for the lowest energy the grid reaches a fifth
        beyond, so that the ends of the range are not the ends of what is learned.
    energies, temperatures : int
        Nodes, even in the logarithm; but where x < 2e-3 events depend on x linearly, and the lowest
        energy alone stands for that.

    Returns
    -------
    cosine, momentum : lists of Lesson
        One for each temperature.
    """
    theta = np.geomspace(theta_range[0] / 1.2, theta_range[1] * 1.2, temperatures)
    lowest, highest = x_range[0], x_range[1] * 1.2
    linear = min(2e-3, 0.1 * x_range[1])
    if lowest < linear:
        x = np.concatenate([[lowest], np.geomspace(linear, highest, energies - 1)])
    else:
        x = np.geomspace(lowest, highest, energies)
    pairs = [(_cosine_lesson(x, t), _momentum_lesson(x, t)) for t in theta.tolist()]
    share = 1.0 / math.sqrt(temperatures * energies)
    for pair in pairs:
        for lesson in pair:
            lesson.weight[:] *= share
    return [cosine for cosine, _ in pairs], [momentum for _, momentum in pairs]


def _cosine_lesson(x: Array, theta: float) -> Lesson:
    """ln c at all energies x, with errors as those of the cdf but for a floor in the tails."""
    logit_v = special.logit(_V)
    log_c, slope = np.empty((2, x.size, _V.size))
    for j, energy in enumerate(x.tolist()):
        logit_h = special.logit(angle_quantile(_V, energy, theta))
        log_c[j] = logit_v - logit_h
        slope[j] = CubicSpline(logit_v, logit_h)(logit_v, 1)
    # The temperature enters since errors are most where scattering is relativistic.
    weight = 0.7 * (1.0 + theta / (theta + 3.0)) * np.sqrt(_V_WEIGHTS) * (_V * (1.0 - _V)) ** 0.75
    energies, v = (a.ravel() for a in np.meshgrid(x, _V, indexing="ij"))
    inputs, features = cosine_arguments(energies, v)
    return Lesson(theta, inputs, features, log_c.ravel(), (weight / slope).ravel(), True)


def _momentum_lesson(x: Array, theta: float) -> Lesson:
    """(ζ - z)/√(Θ/(1 + Θ)) at all energies x, with errors as those of z."""
    h = _S**2
    zeta, slope = np.empty((2, x.size, _S.size, _Z.size))
    share = np.empty((x.size, _S.size))
    for j, energy in enumerate(x.tolist()):
        scores = special.ndtri(momentum_cdf(_ZETA, h[:, None], energy, theta))
        for i, score in enumerate(scores):
            reliable = np.abs(score) < _SCORE_END
            quantile = CubicSpline(score[reliable], _ZETA[reliable])
            zeta[j, i], slope[j, i] = quantile(_Z), quantile(_Z, 1)
        given_s = event_density(_ZETA[::2], h[:, None], energy, theta).sum(axis=1) * _S
        probable = given_s * _S_WEIGHTS
        even = 2.0 * _S * _S_WEIGHTS
        share[j] = _PROBABLE * probable / probable.sum() + (1.0 - _PROBABLE) * even
    scale = momentum_scale(theta)
    # Between equal errors of the cdf at all temperatures (the factor scale) and equal errors of
    # the mean gain 4Θ in proportion (no factor).
    weight = scale**0.8 * np.sqrt(share[:, :, None] * _Z_WEIGHTS) / slope
    energies, s, z = (a.ravel() for a in np.meshgrid(x, _S, _Z, indexing="ij"))
    inputs, features = momentum_arguments(energies, s, z)
    target = (zeta - _Z) / scale
    return Lesson(theta, inputs, features, target.ravel(), weight.ravel(), False)
