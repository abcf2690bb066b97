"""How far a generator of events is from exact, computed and not sampled, at every place."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from scipy import special

from mcplugin.fidelity.event_law import event_law
from mcplugin.fidelity.event_tests import CELL_EDGES
from mcplugin.learning.event_accuracy import event_accuracy
from mcplugin.learning.event_generator import EventGenerator, FoldedEventGenerator
from mcplugin.scattering.event_distribution import momentum_cdf
from mcplugin.scattering.redistribution import momentum_of

Array = NDArray[np.float64]

# Cosines in each cell at which the energy is compared, by Gauss and Legendre.
_COSINES = 3
_NORMALS = np.linspace(-4.5, 4.5, 37)
# The law of the energy alone: its ranks, and the numbers over which it is summed. Uniform ones are
# dense at small angles, where the energy changes little and its law bends.
_RANKS = np.concatenate([[1e-3], np.arange(0.01, 0.995, 0.01), [1.0 - 1e-3]])
_ROOTS = (np.arange(160) + 0.5) / 160
_FINE_NORMALS = np.linspace(-6.5, 6.5, 131)


@runtime_checkable
class GeneratesEvents(Protocol):
    """A sampler that is a pure function of one uniform and one normal number.

    Attributes
    ----------
    generator : EventGenerator
        That function, in double precision.
    """

    generator: EventGenerator


@dataclass(frozen=True)
class EventQuadrature:
    """Errors of a generator at each of n places, without noise.

    Attributes
    ----------
    x, theta : (n,) arrays
        Photon energies and temperatures.
    cosine, energy : (n,) arrays
        KS distances of the cosine and of x'/x, the latter to 3e-5.
    energy_given_cosine : (n, 6) array
        KS distance of the energy at one cosine, the largest of three in each cell of the cosine:
        a bound of that of the cell, up to what lies between the three.
    gain, square : (n,) arrays
        Relative errors of ⟨x'/x⟩ and of ⟨(x'/x)²⟩.
    tail : (n, 3) array
        Relative errors of the survival of x'/x at 1e-3, 1e-4 and 1e-5.
    """

    x: Array
    theta: Array
    cosine: Array
    energy: Array
    energy_given_cosine: Array
    gain: Array
    square: Array
    tail: Array

    @classmethod
    def joined(cls, parts: Sequence["EventQuadrature"]) -> "EventQuadrature":
        """Several places as one record."""
        return cls(
            *(np.concatenate([getattr(p, each.name) for p in parts]) for each in fields(cls))
        )


def measure_events(generator: EventGenerator, x: float, theta: float) -> EventQuadrature:
    """Measure a generator at one photon energy and temperature within its ranges."""
    folded = generator.fold(theta)
    accuracy = event_accuracy(folded, x, deflections=1)
    nodes, _ = np.polynomial.legendre.leggauss(_COSINES)
    middle, half = 0.5 * (CELL_EDGES[1:] + CELL_EDGES[:-1]), 0.5 * np.diff(CELL_EDGES)
    cosine = (middle[:, None] + half[:, None] * nodes).ravel()
    h = 0.5 * (1.0 - cosine)[:, None]
    reached = momentum_cdf(folded.momentum(x, h, _NORMALS), h, x, theta)
    distance = np.abs(reached - special.ndtr(_NORMALS)).max(axis=1)
    law = event_law(x, theta)
    ratio = law.energy_quantile(_RANKS)
    cdf = 1.0 - _survival(folded, x, ratio)
    return EventQuadrature(
        x=np.array([x]),
        theta=np.array([theta]),
        cosine=np.array([accuracy.cosine]),
        energy=np.array([np.abs(cdf - law.energy_cdf(ratio)).max()]),
        energy_given_cosine=distance.reshape(1, middle.size, _COSINES).max(axis=2),
        gain=np.array([accuracy.gain]),
        square=np.array([accuracy.square]),
        tail=(_survival(folded, x, law.tail_ratio) / law.tail_probability - 1.0)[None, :],
    )


def _survival(folded: FoldedEventGenerator, x: float, ratio: Array) -> Array:
    """Probability (n,) of generated events beyond each of n ratios x'/x.

    At one angle the momentum rises with the normal number z and the energy falls, so that the
    energies beyond a ratio are those of z below that which gives it.
    """
    h = 0.5 * (1.0 - folded.cosine(x, _ROOTS**2))
    momenta = folded.momentum(x, h[:, None], _FINE_NORMALS)
    needed = momentum_of(ratio, h[:, None], x, folded.theta)
    below = [
        special.ndtr(np.interp(each, own, _FINE_NORMALS))
        for each, own in zip(needed, momenta, strict=True)
    ]
    return np.asarray(_ROOTS @ below / _ROOTS.sum())
