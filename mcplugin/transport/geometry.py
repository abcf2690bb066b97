"""The cloud: where photons enter it, where a flight ends, and how a photon turns.

Both clouds are symmetric enough that two numbers fix a photon. In a sphere of radius 1 with the
centre as origin they are the scalar products of its place r with itself and with its direction n,

    place = r·r,    along = r·n,

and in a slab of height 1 with the upward normal e its height and the cosine of its direction,

    place = r·e,    along = n·e.

Nothing else can matter for an unpolarised photon in a homogeneous cloud, so nothing else is
followed.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mcplugin.jit import kernel
from mcplugin.random_streams import Streams, uniform
from mcplugin.transport.configuration import Configuration

Array = NDArray[np.float64]

# In place of the cosine with which a photon leaves the cloud, when it does not.
INSIDE = 2.0

SPHERE_CENTRE, SPHERE_UNIFORM, SPHERE_SURFACE, SLAB_BASE, SLAB_UNIFORM = range(5)

_ENTRIES = {
    ("sphere", "centre"): SPHERE_CENTRE,
    ("sphere", "uniform"): SPHERE_UNIFORM,
    ("sphere", "surface"): SPHERE_SURFACE,
    ("slab", "base"): SLAB_BASE,
    ("slab", "uniform"): SLAB_UNIFORM,
}


@dataclass(frozen=True)
class Cloud:
    """A homogeneous cloud as the kernels see it.

    Attributes
    ----------
    entry : int
        One of the ``SPHERE_...`` and ``SLAB_...`` constants: shape, and where seeds are born.
    absorbing_base : bool
        Whether photons leaving a slab downwards are absorbed by a disc.
    tau : float
        Thomson depth per unit of length (radius of the sphere, height of the slab).
    """

    entry: int
    absorbing_base: bool
    tau: float

    @classmethod
    def of(cls, configuration: Configuration) -> "Cloud":
        """The cloud that a configuration asks for."""
        plasma = configuration.plasma
        return cls(
            entry=_ENTRIES[plasma.geometry, configuration.seed_position],
            absorbing_base=plasma.geometry == "slab" and plasma.disk != "none",
            tau=plasma.tau,
        )


@kernel
def enter(entry: int, streams: Streams, place: Array, along: Array) -> None:
    """Put seed photons where they enter the cloud, one per stream.

    Central and uniform seeds are isotropic; surface and base seeds have isotropic intensity into
    the cloud, so their flux is proportional to the cosine μ to the normal and μ² is uniform.
    """
    for i in range(along.size):
        if entry == SPHERE_CENTRE:
            place[i], along[i] = 0.0, 0.0
        elif entry == SPHERE_SURFACE:
            place[i], along[i] = 1.0, -math.sqrt(uniform(streams, i))
        elif entry == SPHERE_UNIFORM:
            radius = uniform(streams, i) ** (1.0 / 3.0)
            place[i] = radius * radius
            along[i] = radius * (2.0 * uniform(streams, i) - 1.0)
        elif entry == SLAB_BASE:
            place[i], along[i] = 0.0, math.sqrt(uniform(streams, i))
        else:
            place[i] = uniform(streams, i)
            along[i] = 2.0 * uniform(streams, i) - 1.0


@kernel
def in_sphere(place: float, along: float, length: float) -> tuple[float, float, float]:
    """Where a flight ends, and the cosine to the normal where it leaves, or ``INSIDE``."""
    end = place + length * (2.0 * along + length)
    # The square of the impact parameter, which a flight conserves.
    square = max(place - along * along, 0.0)
    exit_cosine = math.sqrt(max(1.0 - square, 0.0))
    return max(end, 0.0), along + length, INSIDE if end < 1.0 else exit_cosine


@kernel
def in_slab(place: float, along: float, length: float) -> tuple[float, float, float]:
    """Where a flight ends, and the cosine to the normal where it leaves, or ``INSIDE``."""
    height = place + along * length
    stays = (height > 0.0) & (height < 1.0)
    return height, along, INSIDE if stays else min(max(along, -1.0), 1.0)


@kernel
def turned(along: float, square: float, cosine: float, cosine_azimuth: float) -> float:
    """The scalar product of a photon's direction with a vector after a deflection.

    It was ``along``, the vector has the length √``square``, the photon is deflected by the given
    cosine, in the given azimuth about its direction.
    """
    sines = math.sqrt(max((square - along * along) * (1.0 - cosine * cosine), 0.0))
    return along * cosine + sines * cosine_azimuth
