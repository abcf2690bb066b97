"""Whole runs on one core: every example source with every sampler, and the same as a C program.

``run_speed.py`` and ``c_loop_speed.py`` let samplers take turns, for the ratios.
"""

import c_loop_speed
import pytest
import run_speed

from mcplugin import simulate
from mcplugin.errors import MissingPackageError
from mcplugin.samplers.scattering import get_sampler_of_either_kind

PHOTONS = 200_000
SAMPLERS = ("rejection", "table", "gan", "gan-exact", "gan-torch", "gan-event")


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("source", run_speed.SOURCES)
def test_run(benchmark, source, sampler):
    """From birth to spectrum."""
    try:
        made = get_sampler_of_either_kind(sampler)
    except MissingPackageError as error:
        pytest.skip(str(error))
    config = run_speed.ROOT / "examples" / f"{source}.toml"
    benchmark.group = source
    result = benchmark.pedantic(
        simulate,
        (config, made, PHOTONS),
        {"threads": 1},
        rounds=3,
        warmup_rounds=1,
    )
    benchmark.extra_info |= {
        "sampler": sampler,
        "photons_per_second": PHOTONS / benchmark.stats["median"],
        "mean_scatterings": result.summary["mean_scatterings"],
        "sampler_share": result.summary["sampler_share"],
    }


@pytest.mark.parametrize("electrons", c_loop_speed.IN_C)
@pytest.mark.parametrize("source", c_loop_speed.SOURCES)
def test_c_loop(benchmark, source, electrons, tmp_path):
    """A plain loop in C."""
    program = c_loop_speed.compile_program(tmp_path)
    arguments = program, electrons, c_loop_speed.SOURCES[source], PHOTONS
    benchmark.group = f"C and mcplugin, {source}"
    benchmark.pedantic(c_loop_speed.c_speed, arguments, rounds=3)
    benchmark.extra_info |= {
        "sampler": f"C, {electrons}",
        "photons_per_second": PHOTONS / benchmark.stats["median"],
    }


@pytest.mark.parametrize("sampler", c_loop_speed.IN_PACKAGE)
@pytest.mark.parametrize("source", c_loop_speed.SOURCES)
def test_package_against_c_loop(benchmark, source, sampler):
    """The package on what the C program runs."""
    arguments = sampler, c_loop_speed.SOURCES[source], PHOTONS
    benchmark.group = f"C and mcplugin, {source}"
    benchmark.pedantic(c_loop_speed.package_run, arguments, rounds=3, warmup_rounds=1)
    benchmark.extra_info |= {
        "sampler": f"mcplugin, {sampler}",
        "photons_per_second": PHOTONS / benchmark.stats["median"],
    }
