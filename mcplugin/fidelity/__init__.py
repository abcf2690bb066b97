"""How far a sampler is from exact."""

from mcplugin.fidelity.distances import ExactCdf, exact_cdf, ks_test
from mcplugin.fidelity.map_distance import MapDistance, RadialMap, measure_map
from mcplugin.fidelity.report import Report
from mcplugin.fidelity.validation import validate
from mcplugin.fidelity.verdict import SampledTest, Verdict

__all__ = [
    "ExactCdf",
    "MapDistance",
    "RadialMap",
    "Report",
    "SampledTest",
    "Verdict",
    "exact_cdf",
    "ks_test",
    "measure_map",
    "validate",
]
