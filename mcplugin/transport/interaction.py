"""The stage of a walk in which photons meet electrons, whatever sampler stands behind it.

An electron sampler offers each photon an electron, which may be refused: that photon asks again
the next time. A scattering sampler scatters every photon at once; those outside its range of
energies it scatters exactly, and they are counted.
"""

import time
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from mcplugin.random_streams import Streams
from mcplugin.samplers.base import ElectronVelocitySampler
from mcplugin.samplers.lent_arrays import LentElectrons, LentScatterings
from mcplugin.samplers.scattering import ExactScattering, ScatteringSampler
from mcplugin.scattering.compton import meet_electrons

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Effort:
    """What photons asked of a sampler.

    Attributes
    ----------
    electron_draws : int
        Electrons asked for, refused ones included.
    exact_scatterings : int
        Scatterings of photons outside the range of a scattering sampler.
    sampler_seconds : float
        Time that the sampler took.
    """

    electron_draws: int = 0
    exact_scatterings: int = 0
    sampler_seconds: float = 0.0

    def __add__(self, more: "Effort") -> "Effort":
        return Effort(
            self.electron_draws + more.electron_draws,
            self.exact_scatterings + more.exact_scatterings,
            self.sampler_seconds + more.sampler_seconds,
        )


class Interaction(Protocol):
    """What the walk needs of the stage.

    Attributes
    ----------
    streams : (slots, 2) uint64 array
        Random streams of the photons, owned by the walk.
    x_out, cosine : (slots,) arrays of float64
        Energies of the photons afterwards, and the cosines by which they were deflected, or
        ``REFUSED`` with the energy that they had.
    """

    streams: Streams
    x_out: Array
    cosine: Array

    def __call__(self, x: Array) -> Effort:
        """Let the photons in the first ``x.size`` slots, of energies ``x``, meet electrons.

        Raises
        ------
        SamplerError
            If the sampler breaks its contract in any way that can be noticed; see
            :meth:`~mcplugin.samplers.lent_arrays.LentElectrons.draw`.
        """


def interaction(
    sampler: ElectronVelocitySampler | ScatteringSampler, theta: float, slots: int
) -> Interaction:
    """The stage of one worker, for up to ``slots`` photons at a time."""
    if isinstance(sampler, ExactScattering):
        sampler = sampler.electrons
    if isinstance(sampler, ScatteringSampler):
        return _WholeScatterings(sampler, theta, slots)
    return _ElectronByElectron(sampler, theta, slots)


class _ElectronByElectron:
    def __init__(self, sampler: ElectronVelocitySampler, theta: float, slots: int) -> None:
        self._sampler, self._theta = sampler, theta
        self._lent = LentElectrons(slots)
        self.streams = self._lent.streams
        self.x_out, self.cosine = np.empty((2, slots))

    def __call__(self, x: Array) -> Effort:
        now = slice(x.size)
        asked = time.perf_counter()
        self._lent.draw(self._sampler, self._theta, x.size)
        seconds = time.perf_counter() - asked
        meet_electrons(x, self._lent.u[now], self.streams[now], self.x_out[now], self.cosine[now])
        return Effort(electron_draws=x.size, sampler_seconds=seconds)


class _WholeScatterings:
    def __init__(self, sampler: ScatteringSampler, theta: float, slots: int) -> None:
        self._sampler, self._theta = sampler, theta
        self._lent = LentScatterings(slots)
        self.streams = self._lent.streams
        self.x_out, self.cosine = self._lent.x_out, self._lent.cosine

    def __call__(self, x: Array) -> Effort:
        asked = time.perf_counter()
        exact = self._lent.draw(self._sampler, x, self._theta)
        return Effort(exact_scatterings=exact, sampler_seconds=time.perf_counter() - asked)
