"""How far a sampler is from exact."""

from mcplugin.fidelity.comparison import Comparison, compare
from mcplugin.fidelity.distances import ExactCdf, exact_cdf, ks_test
from mcplugin.fidelity.event_report import EventReport
from mcplugin.fidelity.event_validation import validate_scattering
from mcplugin.fidelity.map_distance import MapDistance, RadialMap, measure_map
from mcplugin.fidelity.report import Report
from mcplugin.fidelity.validation import validate
from mcplugin.fidelity.verdict import SampledTest, Verdict

__all__ = [
    "Comparison",
    "EventReport",
    "ExactCdf",
    "MapDistance",
    "RadialMap",
    "Report",
    "SampledTest",
    "Verdict",
    "compare",
    "exact_cdf",
    "ks_test",
    "measure_map",
    "validate",
    "validate_scattering",
]
