"""Electrons on a GPU, where there is one; ``gpu_draws.py`` lets the engines take turns."""

import pytest

torch = pytest.importorskip("torch", reason="GPU FIGURES ARE MISSING: torch is not installed")
import gpu_draws  # noqa: E402


@pytest.mark.parametrize("batch", gpu_draws.BATCHES)
@pytest.mark.parametrize("where", gpu_draws.WHERE)
@pytest.mark.parametrize("temperatures", [gpu_draws.ONE, gpu_draws.EACH])
@pytest.mark.parametrize("engine", ["gan", "rejection"])
def test_draw(benchmark, engine, temperatures, where, batch):
    """One batch, resident on the device or copied to the host."""
    if not torch.cuda.is_available():
        pytest.skip(gpu_draws.MISSING)
    device = torch.device("cuda")
    draw = gpu_draws.engines(device)[engine]
    random = torch.Generator(device).manual_seed(1)
    theta = gpu_draws.temperatures_of(batch, random)[temperatures]
    benchmark.group = f"GPU, {temperatures}, {where}, batch {batch:,}"
    with torch.inference_mode():
        benchmark(gpu_draws.drawn, draw, theta, batch, random, where)
    benchmark.extra_info |= {
        "engine": engine,
        "draws_per_second": batch / benchmark.stats["median"],
    }
