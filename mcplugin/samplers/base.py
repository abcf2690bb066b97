"""What every electron sampler promises, and how it is found by name.

A sampler is immutable once constructed, shared between threads, and draws one electron per random
stream; a draw depends on its own stream and temperature alone. To write one, derive from
:class:`ElectronVelocitySampler`, set ``name`` and ``theta_range``, implement
:meth:`~ElectronVelocitySampler.fill`, and register the class under the entry-point group
``mcplugin.samplers``.
"""

from abc import abstractmethod
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mcplugin.domain import temperature, whole_number
from mcplugin.errors import InputError
from mcplugin.jit import kernel
from mcplugin.random_streams import (
    Streams,
    checked_streams,
    point_in_disc,
    random_streams,
)
from mcplugin.samplers.registry import ELECTRONS, Sampler, find, tags
from mcplugin.units import dimensionless_temperature

Array = NDArray[np.float64]


class ElectronVelocitySampler(Sampler):
    """Draws the four-velocity u = γβ of thermal electrons.

    Attributes are those of :class:`~mcplugin.samplers.registry.Sampler`.
    """

    @abstractmethod
    def fill(self, theta: Array, streams: Streams, u: Array) -> None:
        """Write one four-velocity per stream into ``u``; the arguments have been checked.

        Parameters
        ----------
        theta : () or (n,) array of float64
            One temperature for all draws, or one per draw (contiguous).
        streams : (n, 2) uint64 array
            Random streams, to be advanced in place; draw i may use row i only.
        u : (n,) array of float64
            Contiguous output.
        """

    def sample(self, theta: ArrayLike, streams: Streams, out: Array | None = None) -> Array:
        """Draw one four-velocity magnitude per stream.

        Parameters
        ----------
        theta : array_like
            Electron temperature: a scalar, or shape (n,), one per draw.
        streams : (n, 2) uint64 array
            Random streams from :func:`mcplugin.random_streams`, advanced in place.
        out : (n,) array of float64, optional
            Contiguous array to write into.

        Returns
        -------
        (n,) array of float64
            u = γβ >= 0; ``out`` if it was given.

        Raises
        ------
        ThetaRangeError
            If a temperature is outside ``theta_range``; nothing is drawn.
        InputError
            If an argument has the wrong type, shape or layout; nothing is drawn.
        """
        count = len(checked_streams(streams))
        theta = temperature(theta, *self.theta_range, self.theta_remedy)
        if theta.shape not in ((), (count,)):
            raise InputError(
                f"theta must be a scalar or have shape ({count},), one per stream, "
                f"not {theta.shape}"
            )
        u = checked_out(out, (count,))
        self.fill(np.asarray(theta, order="C"), streams, u)
        return u

    def sample_vector(self, theta: ArrayLike, streams: Streams, out: Array | None = None) -> Array:
        """Draw one four-velocity vector per stream, isotropic.

        Parameters are those of :meth:`sample`, with ``out`` of shape (n, 3).

        Returns
        -------
        (n, 3) array of float64
            Components of γβ; ``out`` if it was given.

        Raises
        ------
        ThetaRangeError, InputError
            As :meth:`sample`.
        """
        vectors = checked_out(out, (len(checked_streams(streams)), 3))
        _point_isotropically(self.sample(theta, streams), streams, vectors)
        return vectors


def checked_out(out: Array | None, shape: tuple[int, ...]) -> Array:
    """Give the array to write into, making one where none is given.

    Raises
    ------
    InputError
        If it is of another type, shape or layout.
    """
    if out is None:
        return np.empty(shape)
    plain = isinstance(out, np.ndarray) and not hasattr(out, "unit")
    if not plain or out.dtype != np.float64 or out.shape != shape:
        raise InputError(f"out must be a float64 array of shape {shape}")
    if not out.flags.c_contiguous or not out.flags.writeable:
        raise InputError("out must be C-contiguous and writable")
    return out


@kernel
def _point_isotropically(u: Array, streams: Streams, vectors: Array) -> None:
    for i in range(u.size):
        # Marsaglia (1972, Ann. Math. Stat. 43, 645): the disc's a² + b² is uniform on (0, 1),
        # which makes the cosine 1 - 2(a² + b²) uniform on (-1, 1), poles included.
        a, b, square = point_in_disc(streams, i)
        sine = 2.0 * np.sqrt(1.0 - square)
        vectors[i, 0] = u[i] * a * sine
        vectors[i, 1] = u[i] * b * sine
        vectors[i, 2] = u[i] * (1.0 - 2.0 * square)


def sampler_names() -> list[str]:
    """Tags of all samplers registered on this machine, third-party ones included."""
    return tags(ELECTRONS)


def get_sampler(
    sampler: "str | ElectronVelocitySampler" = "rejection", **options: Any
) -> ElectronVelocitySampler:
    """Find a sampler by its tag and construct it.

    Parameters
    ----------
    sampler : str or ElectronVelocitySampler
        A registered tag, see :func:`sampler_names`; a sampler object is given back as it is.
    **options
        Passed to the sampler, for example ``method="canfield"`` for ``rejection``.

    Returns
    -------
    ElectronVelocitySampler

    Raises
    ------
    UnknownSamplerError
        If nobody registered the tag; the message names the nearest one.
    InputError
        If the sampler does not know an option or its value.
    SamplerError
        If what is registered cannot be loaded or makes no ``ElectronVelocitySampler``, or if that
        has no name or no range of temperatures.
    """
    # An abstract class is what is asked for: its concrete ones are registered.
    return find(sampler, options, ElectronVelocitySampler, ELECTRONS)  # type: ignore[type-abstract]


def sample_four_velocity(
    theta: Any,
    size: int,
    sampler: str | ElectronVelocitySampler = "rejection",
    seed: int = 1,
    **options: Any,
) -> Array:
    """Draw thermal electrons into a plain array.

    Parameters
    ----------
    theta : array_like or astropy quantity
        kT/(mₑc²), 1e-4 to 100: a scalar or shape (size,). A quantity may be an energy (kT) or a
        temperature.
    size : int
        Number of electrons.
    sampler : str or ElectronVelocitySampler
        A tag as for :func:`get_sampler`.
    seed : int
        Electron i depends on the seed and i alone.
    **options
        Passed to the sampler.

    Returns
    -------
    (size,) array of float64
        Four-velocities u = γβ.

    Raises
    ------
    ThetaRangeError, InputError, UnknownSamplerError
        As :meth:`ElectronVelocitySampler.sample` and :func:`get_sampler`.
    """
    streams = random_streams(seed, whole_number("size", size, 0, 2**40))
    return get_sampler(sampler, **options).sample(dimensionless_temperature(theta), streams)
