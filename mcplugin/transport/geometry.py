"""The cloud: where photons enter it, where a flight ends, and how a photon turns.

Both clouds are symmetric enough that two numbers fix a photon: its place (the distance from the
centre of a sphere of radius 1, or the height in a slab of height 1) and the cosine μ between its
direction and the outward or upward normal there. Nothing else can matter for an unpolarised photon
in a homogeneous cloud, so nothing else is followed.
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
def enter(entry: int, streams: Streams, place: Array, mu: Array) -> None:
    """Put seed photons where they enter the cloud, (place, μ), one per stream.

    Central and uniform seeds are isotropic; surface and base seeds have isotropic intensity into
    the cloud, so their flux is proportional to the cosine and μ² is uniform.
    """
    for i in range(mu.size):
        if entry == SPHERE_CENTRE:
            place[i], mu[i] = 0.0, 1.0
        elif entry == SPHERE_SURFACE:
            place[i], mu[i] = 1.0, -math.sqrt(uniform(streams, i))
        elif entry == SLAB_BASE:
            place[i], mu[i] = 0.0, math.sqrt(uniform(streams, i))
        else:
            p = uniform(streams, i)
            place[i] = p ** (1.0 / 3.0) if entry == SPHERE_UNIFORM else p
            mu[i] = 2.0 * uniform(streams, i) - 1.0


@kernel
def in_sphere(place: float, mu: float, length: float) -> tuple[float, float, float]:
    """Place and μ after a flight, and the cosine to the normal where it leaves, or ``INSIDE``."""
    # The square of the impact parameter, which a flight conserves.
    square = place * place * (1.0 - mu * mu)
    exit_cosine = math.sqrt(max(1.0 - square, 0.0))
    # The triangle of centre, start and end.
    along = place * mu + length
    radius = math.sqrt(along * along + square)
    cosine = along / radius if radius > 0.0 else 1.0
    stays = length < max(exit_cosine - place * mu, 0.0)
    return (
        min(radius, 1.0),
        min(max(cosine, -1.0), 1.0),
        INSIDE if stays else exit_cosine,
    )


@kernel
def in_slab(place: float, mu: float, length: float) -> tuple[float, float, float]:
    """Height and μ after a flight, and the cosine to the normal where it leaves, or ``INSIDE``."""
    height = place + mu * length
    stays = (height > 0.0) & (height < 1.0)
    return min(max(height, 0.0), 1.0), mu, INSIDE if stays else mu


@kernel
def turned(mu: float, cosine: float, cosine_azimuth: float) -> float:
    """New μ of a photon deflected by the given cosine, in the given azimuth about its direction."""
    sines = math.sqrt(max((1.0 - mu * mu) * (1.0 - cosine * cosine), 0.0))
    return min(max(mu * cosine + sines * cosine_azimuth, -1.0), 1.0)
