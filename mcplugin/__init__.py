"""Monte-Carlo Comptonisation with pluggable samplers of thermal electrons."""

from importlib.metadata import version

from mcplugin.random_streams import random_streams
from mcplugin.samplers import (
    ElectronVelocitySampler,
    get_sampler,
    sample_four_velocity,
    sampler_names,
)
from mcplugin.transport import Configuration, Result, Spectrum, simulate

__version__ = version("mcplugin")

__all__ = [
    "Configuration",
    "ElectronVelocitySampler",
    "Result",
    "Spectrum",
    "get_sampler",
    "random_streams",
    "sample_four_velocity",
    "sampler_names",
    "simulate",
]
