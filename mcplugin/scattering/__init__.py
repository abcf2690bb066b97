"""One photon meets electrons: cross-sections, and the scattering event itself."""

from mcplugin.scattering.compton import scatter
from mcplugin.scattering.hot_cross_section import HotCrossSectionTable, hot_cross_section
from mcplugin.scattering.klein_nishina import cross_section, energy_ratio_pdf, sample_deflection

__all__ = [
    "HotCrossSectionTable",
    "cross_section",
    "energy_ratio_pdf",
    "hot_cross_section",
    "sample_deflection",
    "scatter",
]
