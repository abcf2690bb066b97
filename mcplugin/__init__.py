"""Monte-Carlo Comptonisation with pluggable samplers of thermal electrons."""

import logging
from importlib.metadata import version

from mcplugin.random_streams import random_streams
from mcplugin.samplers import (
    ElectronVelocitySampler,
    ScatteringSampler,
    get_sampler,
    get_scattering_sampler,
    sample_four_velocity,
    sampler_names,
    scattering_sampler_names,
)
from mcplugin.transport import Configuration, Result, Spectrum, resume, simulate

__version__ = version("mcplugin")

# A library is silent unless somebody listens.
logging.getLogger(__name__).addHandler(logging.NullHandler())

__all__ = [
    "Configuration",
    "ElectronVelocitySampler",
    "Result",
    "ScatteringSampler",
    "Spectrum",
    "get_sampler",
    "get_scattering_sampler",
    "random_streams",
    "resume",
    "sample_four_velocity",
    "sampler_names",
    "scattering_sampler_names",
    "simulate",
]
