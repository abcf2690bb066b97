"""Time per electron, for every registered sampler."""

import numpy as np
import pytest

from mcplugin import get_sampler, random_streams, sampler_names

BATCH = 100_000
VARIANTS = [
    pytest.param((name, options), id="-".join([name, *map(str, options.values())]))
    for name in sampler_names()
    for options in get_sampler(name).variants
]


@pytest.mark.parametrize("theta", [0.01, 0.1, 1.0, 10.0])
@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("per_draw", [False, True], ids=["isothermal", "theta-per-draw"])
def test_draw(benchmark, variant, theta, per_draw):
    """100,000 draws on one core."""
    name, options = variant
    sampler = get_sampler(name, **options)
    low, high = sampler.theta_range
    if not low <= theta <= high:
        pytest.skip(f"{name} {options} is not valid at theta = {theta}")
    temperature = np.full(BATCH, theta) if per_draw else theta
    streams, out = random_streams(1, BATCH), np.empty(BATCH)
    benchmark.group = f"theta = {theta}, {'one per draw' if per_draw else 'isothermal'}"
    benchmark(sampler.sample, temperature, streams, out=out)
    benchmark.extra_info["ns_per_draw"] = benchmark.stats["median"] * 1e9 / BATCH
