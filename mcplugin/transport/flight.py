"""From one interaction to the next, or out of the cloud: many photons at a time.

A photon that was scattered turns, flies an exponential free path, and either leaves the cloud or
is about to interact again. Every loop does one thing to all photons, without branches and over few
arrays, so that compilers turn it into SIMD: what does not apply to a photon is dropped at the end.
"""

import numpy as np
from numpy.typing import NDArray

from mcplugin.jit import kernel
from mcplugin.random_streams import Streams, Words, cosine_from, draw_words, exponential_from
from mcplugin.scattering.compton import REFUSED
from mcplugin.scattering.hot_cross_section import look_up
from mcplugin.transport.geometry import INSIDE, SPHERE_SURFACE, in_slab, in_sphere, turned

Array = NDArray[np.float64]


@kernel
def fly(
    entry: int,
    tau: float,
    values: Array,
    slopes: Array,
    x: Array,
    cosine: Array,
    streams: Streams,
    place: Array,
    along: Array,
    first: Words,
    second: Words,
    exit_cosine: Array,
) -> None:
    """Let photons fly on from where they were scattered.

    Parameters
    ----------
    entry, tau
        Of the :class:`~mcplugin.transport.geometry.Cloud`.
    values, slopes
        Of the :class:`~mcplugin.scattering.hot_cross_section.HotCrossSectionTable`.
    x, cosine : (n,) arrays
        Energies, and the cosines by which photons were deflected; those with ``REFUSED`` stay where
        they are.
    streams : (n, 2) uint64 array
        Random streams; each draws two words.
    place, along : (n,) arrays
        Where photons are and fly to (:mod:`mcplugin.transport.geometry`), changed in place.
    first, second : (n,) uint64 arrays
        To work in.
    exit_cosine : (n,) array
        Receives the cosine to the normal with which a photon leaves, or ``INSIDE``.
    """
    first, second = first[: x.size], second[: x.size]
    draw_words(streams, first, second)
    length = exit_cosine
    _free_depths(second, length)
    _free_paths(x, tau, values, slopes, length)
    spherical = entry <= SPHERE_SURFACE
    _turn(spherical, cosine, first, place, along)
    if spherical:
        _cross_sphere(cosine, place, along, length)
    else:
        _cross_slab(cosine, place, along, length)


@kernel
def _turn(spherical: bool, cosine: Array, words: Words, place: Array, along: Array) -> None:
    for i in range(along.size):
        square = place[i] if spherical else 1.0
        after = turned(along[i], square, cosine[i], cosine_from(words[i]))
        along[i] = along[i] if cosine[i] == REFUSED else after


@kernel
def _free_depths(words: Words, depth: Array) -> None:
    for i in range(depth.size):
        depth[i] = exponential_from(words[i])


@kernel
def _free_paths(x: Array, tau: float, values: Array, slopes: Array, depth: Array) -> None:
    for i in range(x.size):
        depth[i] /= tau * look_up(x[i], values, slopes)


@kernel
def _cross_sphere(cosine: Array, place: Array, along: Array, length: Array) -> None:
    for i in range(along.size):
        end, along_end, exit_cosine = in_sphere(place[i], along[i], length[i])
        stays = cosine[i] == REFUSED
        place[i] = place[i] if stays else end
        along[i] = along[i] if stays else along_end
        length[i] = INSIDE if stays else exit_cosine


@kernel
def _cross_slab(cosine: Array, place: Array, along: Array, length: Array) -> None:
    for i in range(along.size):
        end, _, exit_cosine = in_slab(place[i], along[i], length[i])
        stays = cosine[i] == REFUSED
        place[i] = place[i] if stays else end
        length[i] = INSIDE if stays else exit_cosine
