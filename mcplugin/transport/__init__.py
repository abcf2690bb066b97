"""From a seed photon to a spectrum: configuration, sources, geometry, the loop, and the tally."""

from mcplugin.transport.configuration import Configuration
from mcplugin.transport.simulation import Result, resume, simulate
from mcplugin.transport.spectrum import Spectrum

__all__ = ["Configuration", "Result", "Spectrum", "resume", "simulate"]
