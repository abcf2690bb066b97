"""Time per scattering event and per look-up of the hot cross-section."""

import numpy as np
import pytest

from mcplugin import get_scattering_sampler, random_streams
from mcplugin.scattering import HotCrossSectionTable, hot_cross_section

BATCH = 100_000


SAMPLERS = {
    **{f"exact, {name}": ("exact", {"electrons": name}) for name in ("rejection", "gan", "table")},
    "exact-native": ("exact-native", {}),
    "gan-event": ("gan-event", {}),
}


@pytest.mark.parametrize("name", SAMPLERS)
@pytest.mark.parametrize(("theta", "x"), [(0.1, 1e-4), (1.0, 1e-4), (1.0, 0.1), (1.0, 1.0)])
def test_scatter(benchmark, theta, x, name):
    """100,000 photons scattered once, refused electrons included."""
    tag, options = SAMPLERS[name]
    sampler, streams = get_scattering_sampler(tag, **options), random_streams(1, BATCH)
    sampler.sample(x, theta, streams)
    benchmark.group = f"one scattering, theta = {theta:g}, x = {x:g}"
    benchmark(sampler.sample, x, theta, streams)
    benchmark.extra_info["ns_per_event"] = benchmark.stats["median"] * 1e9 / BATCH


def test_hot_cross_section_look_up(benchmark):
    """100,000 look-ups over twelve decades of x."""
    table = HotCrossSectionTable.at(0.5)
    x = np.random.default_rng(1).permutation(np.geomspace(1e-9, 1e3, BATCH))
    table(x)
    benchmark(table, x)


def test_hot_cross_section_quadrature(benchmark):
    """100 values by quadrature."""
    x = np.geomspace(1e-8, 1e3, 100)
    hot_cross_section(x, 0.5)
    benchmark(hot_cross_section, x, 0.5)
