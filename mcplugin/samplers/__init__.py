"""Where electrons and whole scatterings come from: interfaces, registry, built-in samplers."""

from mcplugin.samplers.base import (
    ElectronVelocitySampler,
    get_sampler,
    sample_four_velocity,
    sampler_names,
)
from mcplugin.samplers.scattering import (
    ScatteringSampler,
    get_scattering_sampler,
    scattering_sampler_names,
)

__all__ = [
    "ElectronVelocitySampler",
    "ScatteringSampler",
    "get_sampler",
    "get_scattering_sampler",
    "sample_four_velocity",
    "sampler_names",
    "scattering_sampler_names",
]
