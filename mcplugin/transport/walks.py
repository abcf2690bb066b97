"""What became of photons that were followed to their ends."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mcplugin.jit import kernel
from mcplugin.transport.interaction import Effort

Array = NDArray[np.float64]
Numbers = NDArray[np.int64]

# How a photon's walk ended.
ESCAPED, ABSORBED, CUT = range(3)


@dataclass(frozen=True)
class Walks:
    """What became of some photons.

    Attributes
    ----------
    photon : (n,) array of int64
        Their numbers.
    x_seed, x : (n,) arrays of float64
        Energies hν/(mₑc²) at birth and at the end.
    cosine : (n,) array of float64
        Cosine to the outward (upward) normal at the end; 0 for cut photons.
    scatterings : (n,) array of int32
        Number of scatterings.
    fate : (n,) array of uint8
        ``ESCAPED``, ``ABSORBED`` or ``CUT``.
    effort : Effort
        What was asked of the sampler meanwhile, for these photons and those still in flight.
    """

    photon: Numbers
    x_seed: Array
    x: Array
    cosine: Array
    scatterings: NDArray[np.int32]
    fate: NDArray[np.uint8]
    effort: Effort

    @classmethod
    def in_order(cls, parts: Iterable["Walks"]) -> "Walks":
        """Join walks and put them in the order of the photons' numbers."""
        parts = list(parts)
        joined = cls(
            photon=np.concatenate([part.photon for part in parts]),
            x_seed=np.concatenate([part.x_seed for part in parts]),
            x=np.concatenate([part.x for part in parts]),
            cosine=np.concatenate([part.cosine for part in parts]),
            scatterings=np.concatenate([part.scatterings for part in parts]),
            fate=np.concatenate([part.fate for part in parts]),
            effort=sum((part.effort for part in parts), Effort()),
        )
        return joined[np.argsort(joined.photon)]

    @classmethod
    def empty(cls, count: int) -> "Walks":
        """Room for the walks of ``count`` photons."""
        x_seed, x, cosine = (np.empty(count) for _ in range(3))
        return cls(
            photon=np.empty(count, dtype=np.int64),
            x_seed=x_seed,
            x=x,
            cosine=cosine,
            scatterings=np.empty(count, dtype=np.int32),
            fate=np.empty(count, dtype=np.uint8),
            effort=Effort(),
        )

    def that(self, fate: int) -> "Walks":
        """The walks that ended so."""
        count = int(np.count_nonzero(self.fate == fate))
        if count == self.fate.size:
            return self
        these = np.empty(count + 1, dtype=np.int64)
        _find(self.fate, fate, these)
        return self[these[:count]]

    def __getitem__(self, some: slice | Numbers) -> "Walks":
        """The walks of some of the photons; without a copy if these lie side by side."""
        return Walks(
            self.photon[some],
            self.x_seed[some],
            self.x[some],
            self.cosine[some],
            self.scatterings[some],
            self.fate[some],
            self.effort,
        )


@kernel
def _find(fates: NDArray[np.uint8], fate: int, these: Numbers) -> None:
    """List the places of one fate; there is room for one more."""
    found = 0
    for i in range(fates.size):
        these[found] = i
        found += fates[i] == fate
