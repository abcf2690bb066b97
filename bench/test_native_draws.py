"""The C library against what a C code has otherwise, in calls from Python for many electrons.

``native_speed.py`` times the same from C, lets all of them take turns, and gives the ratios.
"""

import native_speed
import numpy as np
import pytest

from mcplugin.native import binding

BATCH = 65536
LIBRARY = ("gan", "gan-exact", "rejection")
EVENTS = ("gan-event", "exact-event")
REJECTION = [
    f"{method}_{form}"
    for method in ("canfield", "zenitani_nakano")
    for form in ("box_muller", "polar", "tuned")
]
# Which tables there are for one temperature and for one per draw.
ISOTHERMAL, MIXED = ("even_table", "octave_table"), ("surface_table",)


@pytest.fixture(scope="module")
def compiled(tmp_path_factory):
    """The baselines of bench/native, compiled as in native_speed.py."""
    return native_speed.build_baselines(tmp_path_factory.mktemp("baselines"))


@pytest.fixture(scope="module")
def surface():
    """A table in Θ and p."""
    (table,) = native_speed.surface_tables(((4, 5),))
    return table


@pytest.fixture(params=[*native_speed.GOAL_THETAS, None], ids=str)
def theta(request):
    """One temperature, or one per draw."""
    if request.param is not None:
        return np.array([request.param])
    logs = np.random.default_rng(1).uniform(np.log(1e-4), np.log(100.0), BATCH)
    return np.exp(logs).clip(1e-4, 100.0)


def measure(benchmark, name, theta, call):
    """Time a call for a batch."""
    where = f"theta = {theta[0]:g}" if theta.size == 1 else "one theta per draw"
    benchmark.group = f"from C, {where}"
    benchmark(call)
    benchmark.extra_info |= {
        "sampler": name,
        "theta": None if theta.size > 1 else theta[0],
        "batch": BATCH,
        "ns_per_draw": benchmark.stats["median"] * 1e9 / BATCH,
    }


@pytest.mark.parametrize("name", LIBRARY)
def test_library(benchmark, name, theta):
    """Samplers of libmcplugin."""
    library = binding.load()
    sampler, u = library.create(name), np.empty(BATCH)
    rng = library.ffi.new("mcp_rng *")
    library.check(library.functions.mcp_rng_seed(rng, 1, 0))
    temperatures = library.ffi.from_buffer("double[]", theta), theta.size
    arguments = sampler, rng, BATCH, *temperatures, library.ffi.from_buffer("double[]", u)
    call = library.functions.mcp_sample_four_velocity
    measure(benchmark, name, theta, lambda: call(*arguments))


@pytest.mark.parametrize("name", EVENTS)
def test_events(benchmark, name, theta):
    """Compton events of photons of x = 0.1."""
    library = binding.load()
    sampler, x = library.create(name), np.full(BATCH, 0.1)
    x_out, cosine = np.empty((2, BATCH))
    rng = library.ffi.new("mcp_rng *")
    library.check(library.functions.mcp_rng_seed(rng, 1, 0))
    theta = theta.clip(*library.theta_range(library.create("gan-event")))
    address = library.ffi.from_buffer
    photons, temperatures, *out = (address("double[]", a) for a in (x, theta, x_out, cosine))
    arguments = sampler, rng, BATCH, photons, temperatures, theta.size, *out
    measure(benchmark, name, theta, lambda: library.functions.mcp_scatter(*arguments))


@pytest.mark.parametrize("name", REJECTION)
def test_rejection(benchmark, compiled, name, theta):
    """Scalar rejection in C, as codes have it and tuned."""
    call, _, _ = native_speed.baseline(compiled, name, BATCH, theta)
    measure(benchmark, name, theta, call)


def test_sobol(benchmark, compiled, theta):
    """A thousand electrons: the colder, the longer it takes."""
    if theta.size > 1 or theta[0] < 0.099:
        pytest.skip("sobol accepts less than 1 in 1000 below theta = 0.099")
    count = 1000
    call, _, _ = native_speed.baseline(compiled, "sobol", count, theta)
    benchmark.group = f"from C, theta = {theta[0]:g}"
    benchmark(call)
    benchmark.extra_info["ns_per_draw"] = benchmark.stats["median"] * 1e9 / count


@pytest.mark.parametrize("name", [*ISOTHERMAL, *MIXED])
def test_table(benchmark, compiled, surface, name, theta):
    """Linear tables of the inverse cdf."""
    if (name in ISOTHERMAL) == (theta.size > 1):
        pytest.skip(f"{name} is not made for {'one' if theta.size == 1 else 'many'} theta")
    made = {
        "even_table": lambda: native_speed.even_table(theta[0], 12),
        "octave_table": lambda: native_speed.octave_table(theta[0], native_speed.OCTAVE_BITS),
        "surface_table": lambda: surface,
    }
    call, _, _ = native_speed.baseline(compiled, name, BATCH, theta, made[name]())
    measure(benchmark, name, theta, call)
