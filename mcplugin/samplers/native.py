"""Electrons from libmcplugin: the generator at SIMD speed, made exact by rejection, and rejection.

Each draw uses its own stream, as everywhere in the package, so results do not depend on threads.
``gan-native`` maps the very latents of ``gan-torch``, whose electrons it reproduces to 1e-6.
"""

import os
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mcplugin.domain import single, temperature
from mcplugin.native import binding
from mcplugin.random_streams import Streams
from mcplugin.samplers.base import ElectronVelocitySampler
from mcplugin.samplers.gan import GenerativeSampler

Array = NDArray[np.float64]


class _NativeGenerator(GenerativeSampler):
    """A sampler of libmcplugin with the weights of a GenerativeSampler."""

    spec: ClassVar[str]

    def __init__(self, weights: str | os.PathLike[str] | None = None) -> None:
        super().__init__(weights)
        self._library = binding.load()
        self._sampler = self._library.create(self.spec, self.reference.c_form())

    @property
    def instruction_set(self) -> str:
        """The instruction set that the library chose: avx512, avx2 or generic."""
        return self._library.instruction_set(self._sampler)

    def fill(self, theta: Array, streams: Streams, u: Array) -> None:
        """Draw, accept and map within the library."""
        self._library.sample_streams(self._sampler, theta, streams, u)


class NativeGanSampler(_NativeGenerator):
    """The generator in SIMD C, single precision in its learned part.

    Parameters
    ----------
    weights : path-like, optional
        As for :class:`~mcplugin.samplers.gan.GenerativeSampler`.

    Raises
    ------
    WeightsError
        If the weights are damaged.
    MissingPackageError
        If the package was installed without its C library.
    """

    name: ClassVar[str] = "gan-native"
    spec: ClassVar[str] = "gan"

    def transform(self, radius: ArrayLike, theta: ArrayLike) -> Array:
        """Map latent radii to four-velocities; see `TorchGanSampler.transform`."""
        radius, theta = self._checked_latents(radius, theta)
        u = np.empty(radius.size)
        self._library.transform_radius(self._sampler, theta, radius, u)
        return u


class ExactGanSampler(_NativeGenerator):
    """Exact electrons: the generator's draws, accepted or refused against the exact density.

    The density of what the generator draws is known in closed form, so that a rejection step
    leaves the exact distribution whatever the weights are; bad ones only make it slower. Where the
    generator would fall short, beyond latent radii of 8, proposals come from an exponential.

    Parameters and errors are those of :class:`NativeGanSampler`; WeightsError also if the map is
    not monotone.
    """

    name: ClassVar[str] = "gan-exact"
    spec: ClassVar[str] = "gan-exact"

    def quality(self, theta: float) -> dict[str, float]:
        """Share of proposals that are accepted at one temperature, computed without sampling."""
        theta = single("theta", temperature(theta, *self.theta_range))
        return {"acceptance": self._library.acceptance(self._sampler, theta)}


class NativeRejectionSampler(ElectronVelocitySampler):
    """Exact rejection of Zenitani & Nakano (2022, arXiv:2210.15118) in C.

    The same algorithm on the same streams as ``rejection``, to compare engines.

    Raises
    ------
    MissingPackageError
        If the package was installed without its C library.
    """

    name: ClassVar[str] = "rejection-native"

    def __init__(self) -> None:
        self._library = binding.load()
        self._sampler = self._library.create("rejection")
        self.theta_range = self._library.theta_range(self._sampler)

    def fill(self, theta: Array, streams: Streams, u: Array) -> None:
        """Write one exact draw per stream."""
        self._library.sample_streams(self._sampler, theta, streams, u)

    def quality(self, theta: float) -> dict[str, float]:
        """Share of proposals that are accepted at one temperature."""
        theta = single("theta", temperature(theta, *self.theta_range))
        return {"acceptance": self._library.acceptance(self._sampler, theta)}
