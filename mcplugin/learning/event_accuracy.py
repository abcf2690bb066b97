"""How far generated Compton events are from exact ones, by numbers and without noise.

Generated events are put through the exact cdfs of :mod:`mcplugin.scattering.event_distribution`,
which would make them uniform if they were exact.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

from mcplugin.learning.event_generator import FoldedEventGenerator
from mcplugin.scattering.event_distribution import angle_cdf, event_moments, momentum_cdf

Array = NDArray[np.float64]

_V = (np.arange(100) + 0.5) / 100
_V = np.concatenate([[1e-4, 1e-3], _V, [1 - 1e-3, 1 - 1e-4]])
_Z = np.linspace(-4.5, 4.5, 37)

_V_NODES, _V_WEIGHTS = np.polynomial.legendre.leggauss(64)
_V_NODES, _V_WEIGHTS = 0.5 * (_V_NODES + 1.0), 0.5 * _V_WEIGHTS
# Sums at even distances of a normal that ends beyond rounding converge exponentially.
_Z_NODES = np.linspace(-8.5, 8.5, 171)
_Z_WEIGHTS = np.exp(-0.5 * _Z_NODES**2)
_Z_WEIGHTS /= _Z_WEIGHTS.sum()


@dataclass(frozen=True)
class EventAccuracy:
    """Errors of generated events of photons of one energy at one temperature.

    Attributes
    ----------
    cosine : float
        KS distance of the cosine of the scattering angle.
    momentum : float
        KS distance of the momentum given the cosine, hence of the energy given the cosine: the
        largest at the deflections that were looked at.
    gain, square : float
        Relative errors of ⟨x'/x⟩ and of ⟨(x'/x)²⟩.
    """

    cosine: float
    momentum: float
    gain: float
    square: float


def event_accuracy(
    generator: FoldedEventGenerator, x: float, deflections: int = 9
) -> EventAccuracy:
    """Measure a generator at its temperature and one photon energy.

    Parameters
    ----------
    generator : FoldedEventGenerator
        As :meth:`~mcplugin.learning.event_generator.EventGenerator.fold` gives it.
    x : float
        Photon energy hν/(mₑc²) within the generator's range.
    deflections : int
        Deflections at which the momentum is compared, Gauss-Legendre nodes in probability.

    Returns
    -------
    EventAccuracy
        Without noise; the suprema are over 104 uniform and 37 normal numbers.
    """
    cosine, momentum = event_distances(generator, x, deflections)
    x_out, _ = generator(x, _V_NODES[:, None], _Z_NODES)
    ratio = x_out / x
    exact = event_moments(x, generator.theta)
    gain = float(_V_WEIGHTS @ ratio @ _Z_WEIGHTS) / exact.ratio - 1.0
    square = float(_V_WEIGHTS @ ratio**2 @ _Z_WEIGHTS) / exact.ratio_squared - 1.0
    return EventAccuracy(cosine, momentum, gain, square)


def event_distances(
    generator: FoldedEventGenerator, x: float, deflections: int = 9
) -> tuple[float, float]:
    """The KS distances alone, ``cosine`` and ``momentum`` of :class:`EventAccuracy`."""
    theta = generator.theta
    h = 0.5 * (1.0 - generator.cosine(x, _V))
    cosine = float(np.max(np.abs(angle_cdf(h, x, theta) - _V)))

    nodes, _ = np.polynomial.legendre.leggauss(deflections)
    h = 0.5 * (1.0 - generator.cosine(x, 0.5 * (nodes + 1.0)))
    zeta = generator.momentum(x, h[:, None], _Z)
    momentum = np.abs(momentum_cdf(zeta, h[:, None], x, theta) - special.ndtr(_Z)).max(axis=1)
    return cosine, float(momentum.max())


def accuracy_grid(
    x_range: tuple[float, float], theta_range: tuple[float, float], size: int
) -> list[tuple[float, float]]:
    """Pairs (x, Θ) that fill a range evenly in the logarithms, ends included, ``size`` of each."""
    energies, thetas = (np.geomspace(*ends, size) for ends in (x_range, theta_range))
    return [(float(x), float(theta)) for theta in thetas for x in energies]
