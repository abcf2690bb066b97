"""One photon meets electrons: cross-sections, the scattering event itself, and its exact law."""

from mcplugin.scattering import event_distribution, redistribution
from mcplugin.scattering.compton import scatter
from mcplugin.scattering.hot_cross_section import HotCrossSectionTable, hot_cross_section
from mcplugin.scattering.klein_nishina import cross_section, energy_ratio_pdf, sample_deflection

__all__ = [
    "HotCrossSectionTable",
    "cross_section",
    "energy_ratio_pdf",
    "event_distribution",
    "hot_cross_section",
    "redistribution",
    "sample_deflection",
    "scatter",
]
