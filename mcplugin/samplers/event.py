"""Whole Compton scatterings from libmcplugin: learned ones at SIMD speed, and exact ones.

Each photon uses its own stream, as everywhere in the package, so results do not depend on threads.
"""

import os
from collections.abc import Mapping
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from mcplugin.domain import single, temperature
from mcplugin.learning.c_form import c_form_of
from mcplugin.learning.event_accuracy import event_distances
from mcplugin.learning.event_generator import EventGenerator, load_event_weights
from mcplugin.native import binding
from mcplugin.random_streams import Streams
from mcplugin.samplers.rejection import RejectionSampler
from mcplugin.samplers.scattering import ScatteringSampler

Array = NDArray[np.float64]

# Where quality is looked at: the Thomson limit, and energies at which recoil matters.
_ENERGIES = (1e-4, 0.03, 0.3, 1.0, 3.0)


class _NativeScattering(ScatteringSampler):
    """A sampler of events in libmcplugin."""

    def _create(self, spec: str, weights: bytes | None = None) -> None:
        self._library = binding.load()
        self._sampler = self._library.create(spec, weights)
        self.theta_range = self._library.theta_range(self._sampler)
        self.x_range = self._library.photon_range(self._sampler)

    @property
    def instruction_set(self) -> str:
        """The instruction set that the library chose: avx512, avx2 or generic."""
        return self._library.instruction_set(self._sampler)

    def fill(self, x: Array, theta: Array, streams: Streams, x_out: Array, cosine: Array) -> None:
        """Scatter within the library."""
        self._library.scatter_streams(self._sampler, x, theta, streams, x_out, cosine)


class GanEventSampler(_NativeScattering):
    """The learned scattering: one uniform and one normal number become a whole event.

    Two small networks in single precision stand between exact kinematics; see
    :mod:`mcplugin.learning.event_generator`. Photons above its range of energies are scattered
    exactly.

    Parameters
    ----------
    weights : path-like, optional
        A ``.safetensors`` file of a generator of events with its card; by default that of the
        package.

    Attributes
    ----------
    generator : EventGenerator
        The same generator in double precision, evaluated by numpy.

    Raises
    ------
    WeightsError
        If the weights are damaged, or of another form.
    MissingPackageError
        If the package was installed without its C library.
    """

    name: ClassVar[str] = "gan-event"

    def __init__(self, weights: str | os.PathLike[str] | None = None) -> None:
        self.weights = load_event_weights(weights)
        self.generator = EventGenerator(self.weights)
        self._create("gan-event", c_form_of(self.weights.tensors, self.weights.card))
        self.theta_remedy = (
            "the learned scattering is trained for these; elsewhere use 'rejection' or 'exact'"
        )
        self.options = {} if weights is None else {"weights": os.fspath(weights)}

    def quality(self, theta: float) -> Mapping[str, float]:
        """KS distances of what is drawn, computed without sampling, the largest of five energies.

        ``cosine_distance`` is that of the scattering angle, ``energy_distance`` that of the energy
        given the angle.
        """
        theta = single("theta", temperature(theta, *self.theta_range, self.theta_remedy))
        folded = self.generator.fold(theta)
        energies = [x for x in _ENERGIES if x <= self.x_range[1]]
        cosine, energy = zip(*(event_distances(folded, x) for x in energies), strict=True)
        return {"cosine_distance": max(cosine), "energy_distance": max(energy)}


class NativeExactScattering(_NativeScattering):
    """The exact event in scalar C, with electrons of Zenitani & Nakano (2022, arXiv:2210.15118).

    The same algorithm on the same streams as ``exact`` with ``rejection``, to compare engines.

    Raises
    ------
    MissingPackageError
        If the package was installed without its C library.
    """

    name: ClassVar[str] = "exact-native"

    def __init__(self) -> None:
        self._create("exact-event")
        self._electrons = RejectionSampler()

    def quality(self, theta: float) -> Mapping[str, float]:
        """Share of electrons that its rejection accepts."""
        return self._electrons.quality(theta)
