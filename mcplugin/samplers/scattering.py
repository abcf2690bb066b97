"""What every scattering sampler promises, how it is found by name, and the exact one.

One level above the electrons: photons of energy x among electrons of temperature Θ go in, the
energies and the cosines of the scattering angles after one Compton scattering come out. The azimuth
is uniform, electrons being isotropic and photons unpolarised.

A scattering sampler is immutable once constructed, shared between threads, and uses one random
stream per photon; what happens to a photon depends on its own stream, energy and temperature alone.
To write one, derive from :class:`ScatteringSampler`, set ``name``, ``theta_range`` and
``x_range``, implement :meth:`~ScatteringSampler.fill` and ``quality``, and register the class under
the entry-point group ``mcplugin.scattering_samplers``.
"""

import functools
from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mcplugin.domain import array_within, temperature
from mcplugin.errors import InputError, SamplerError
from mcplugin.random_streams import Streams, checked_streams
from mcplugin.samplers.base import ElectronVelocitySampler, checked_out, get_sampler
from mcplugin.samplers.registry import (
    ELECTRONS,
    SCATTERINGS,
    Sampler,
    find,
    is_range,
    tags,
)
from mcplugin.scattering.compton import X_MAX, scatter

Array = NDArray[np.float64]
Pair = tuple[Array, Array]

# Softer photons are no normal doubles.
X_MIN = float(np.finfo(np.float64).tiny)


class ScatteringSampler(Sampler):
    """Scatters photons off thermal electrons.

    A run calls :meth:`fill` itself where all photons are within ``x_range``.

    Attributes
    ----------
    x_range : (float, float)
        Photon energies hν/(mₑc²) for which :meth:`fill` is valid. Photons beyond are scattered
        exactly, by rejection; nothing is extrapolated.
    name, theta_range, ...
        As of every :class:`~mcplugin.samplers.registry.Sampler`.
    """

    x_range: tuple[float, float]

    @abstractmethod
    def fill(self, x: Array, theta: Array, streams: Streams, x_out: Array, cosine: Array) -> None:
        """Scatter every photon once; the arguments have been checked.

        Parameters
        ----------
        x : (n,) array of float64
            Photon energies within ``x_range``, contiguous; not to be written to.
        theta : () or (n,) array of float64
            One temperature for all photons, or one each (contiguous).
        streams : (n, 2) uint64 array
            Random streams, to be advanced in place; photon i may use row i only.
        x_out, cosine : (n,) arrays of float64
            Contiguous output: energies afterwards, and cosines of the scattering angles.
        """

    def sample(
        self, x: ArrayLike, theta: ArrayLike, streams: Streams, out: Pair | None = None
    ) -> Pair:
        """Scatter every photon once.

        Parameters
        ----------
        x : array_like
            Photon energies hν/(mₑc²), 0 < x <= 1e4: a scalar, or shape (n,), one per stream.
        theta : array_like
            Electron temperature: a scalar, or shape (n,), one per photon.
        streams : (n, 2) uint64 array
            Random streams from :func:`mcplugin.random_streams`, advanced in place.
        out : pair of (n,) arrays of float64, optional
            Contiguous arrays to write into.

        Returns
        -------
        x_out : (n,) array of float64
            Photon energies afterwards, > 0.
        cosine : (n,) array of float64
            Cosines of the scattering angles. Both are those of ``out`` if it was given.

        Raises
        ------
        ThetaRangeError
            If a temperature is outside ``theta_range``; no photon is scattered.
        InputError
            If an argument has the wrong type, shape or layout, or an energy is out of range; no
            photon is scattered.
        """
        count = len(checked_streams(streams))
        energies = array_within("x", x, X_MIN, X_MAX)
        thetas = temperature(theta, *self.theta_range, self.theta_remedy)
        for name, array in (("x", energies), ("theta", thetas)):
            if array.shape not in ((), (count,)):
                raise InputError(
                    f"{name} must be a scalar or have shape ({count},), one per stream, not "
                    f"{array.shape}"
                )
        if out is None:
            out = np.empty(count), np.empty(count)
        elif not isinstance(out, tuple) or len(out) != 2:
            raise InputError("out must be a pair of arrays: for the energies and the cosines")
        x_out, cosine = (checked_out(each, (count,)) for each in out)
        if energies.ndim == 0:
            energies = np.full(count, float(energies))
        low, high = self.x_range
        outside = (energies < low) | (energies > high)
        if not outside.any():
            self.fill(
                np.ascontiguousarray(energies),
                np.asarray(thetas, order="C"),
                streams,
                x_out,
                cosine,
            )
            return out
        for rows, scattered in (
            (np.flatnonzero(~outside), self._scattered),
            (np.flatnonzero(outside), _scattered_exactly),
        ):
            if rows.size == 0:
                continue
            own_streams = streams[rows]
            own_thetas = thetas if thetas.ndim == 0 else thetas[rows]
            x_out[rows], cosine[rows] = scattered(energies[rows], own_thetas, own_streams)
            streams[rows] = own_streams
        return out

    def _scattered(self, x: Array, theta: Array, streams: Streams) -> Pair:
        x_out, cosine = np.empty(x.size), np.empty(x.size)
        self.fill(x, theta, streams, x_out, cosine)
        return x_out, cosine


@functools.cache
def _exact_electrons() -> ElectronVelocitySampler:
    return get_sampler("rejection")


def _scattered_exactly(x: Array, theta: Array, streams: Streams) -> Pair:
    return scatter(x, theta, _exact_electrons(), streams)


class ExactScattering(ScatteringSampler):
    """The exact Compton event: an electron, its angle, Klein and Nishina's law, and two boosts.

    It is as exact as its electrons are; see :mod:`mcplugin.scattering.compton`.

    Parameters
    ----------
    electrons : str or ElectronVelocitySampler
        Where electrons come from.
    **options
        Passed to the sampler of electrons.

    Raises
    ------
    UnknownSamplerError, InputError, SamplerError
        As :func:`~mcplugin.samplers.base.get_sampler`.
    """

    name: ClassVar[str] = "exact"
    x_range = X_MIN, X_MAX

    def __init__(
        self, electrons: str | ElectronVelocitySampler = "rejection", **options: Any
    ) -> None:
        self.electrons = get_sampler(electrons, **options)
        self.theta_range = self.electrons.theta_range
        self.theta_remedy = self.electrons.theta_remedy
        self.per_stream = self.electrons.per_stream
        self.options = {"electrons": self.electrons.name, **self.electrons.options}

    def fill(self, x: Array, theta: Array, streams: Streams, x_out: Array, cosine: Array) -> None:
        """Ask for electrons until every photon has met one that scatters it."""
        x_out[:], cosine[:] = scatter(x, theta, self.electrons, streams)

    def quality(self, theta: float) -> Mapping[str, float]:
        """That of the electrons."""
        return self.electrons.quality(theta)


def scattering_sampler_names() -> list[str]:
    """Tags of all scattering samplers registered on this machine, third-party ones included."""
    return tags(SCATTERINGS)


def get_scattering_sampler(
    sampler: str | ScatteringSampler = "exact", **options: Any
) -> ScatteringSampler:
    """Find a scattering sampler by its tag and construct it.

    Parameters
    ----------
    sampler : str or ScatteringSampler
        A registered tag, see :func:`scattering_sampler_names`; an object is given back as it is.
    **options
        Passed to the sampler, for example ``electrons="gan-exact"`` for ``exact``.

    Returns
    -------
    ScatteringSampler

    Raises
    ------
    UnknownSamplerError
        If nobody registered the tag; the message names the nearest one.
    InputError
        If the sampler does not know an option or its value.
    SamplerError
        If what is registered cannot be loaded or makes no ``ScatteringSampler``, or if that has no
        name or no ranges of temperature and energy.
    """
    found = find(sampler, options, ScatteringSampler, SCATTERINGS)  # type: ignore[type-abstract]
    if not is_range(getattr(found, "x_range", None)):
        who = "it" if found is sampler else f"what is registered as {sampler!r}"
        raise SamplerError(
            f"{who} has x_range = {getattr(found, 'x_range', None)!r}: set it to the lowest and "
            "highest photon energy x > 0 at which the sampler is valid"
        )
    return found


def get_sampler_of_either_kind(
    sampler: str | Sampler, **options: Any
) -> ElectronVelocitySampler | ScatteringSampler:
    """What a run may be given: a sampler of electrons or of scatterings, or the tag of one.

    Raises
    ------
    UnknownSamplerError, InputError, SamplerError
        As :func:`~mcplugin.samplers.base.get_sampler` and :func:`get_scattering_sampler`.
    """
    scatters = isinstance(sampler, ScatteringSampler) or (
        isinstance(sampler, str) and sampler in tags(SCATTERINGS) and sampler not in tags(ELECTRONS)
    )
    if scatters:
        return get_scattering_sampler(sampler, **options)  # type: ignore[arg-type]
    return get_sampler(sampler, **options)  # type: ignore[arg-type]
