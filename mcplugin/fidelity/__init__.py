"""How far a sampler is from exact."""

from mcplugin.fidelity.distances import exact_cdf, ks_test

__all__ = ["exact_cdf", "ks_test"]
