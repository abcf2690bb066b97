"""Where electrons come from: the sampler interface, the registry, and the built-in samplers."""

from mcplugin.samplers.base import (
    ElectronVelocitySampler,
    get_sampler,
    sample_four_velocity,
    sampler_names,
)

__all__ = ["ElectronVelocitySampler", "get_sampler", "sample_four_velocity", "sampler_names"]
