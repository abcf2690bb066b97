"""The C baselines of bench/native: that they draw what they claim, so that a race is a race."""

import importlib.util
import json
import sys
from pathlib import Path

import numpy as np
import pytest

from mcplugin import random_streams
from mcplugin.fidelity import ks_test
from mcplugin.random_streams import uniform

BENCH = Path(__file__).resolve().parents[1] / "bench"
EXACT = [
    f"{method}_{form}"
    for method in ("canfield", "zenitani_nakano")
    for form in ("box_muller", "polar", "tuned")
]
DRAWS = 1_000_000
# Some 30 p-values are asked to exceed it: one seed in 3e5 would be refused for nothing.
LEAST_P = 1e-7
# A distance of 1e6 exact draws exceeds it with that probability (Dvoretzky-Kiefer-Wolfowitz).
NOISE = np.sqrt(0.5 * np.log(2.0 / LEAST_P) / DRAWS)


@pytest.fixture(scope="module")
def bench():
    """The script, imported from its file."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(BENCH)
        specification = importlib.util.spec_from_file_location(
            "native_speed", BENCH / "native_speed.py"
        )
        module = importlib.util.module_from_spec(specification)
        # Dataclasses look their module up by name.
        patch.setitem(sys.modules, "native_speed", module)
        specification.loader.exec_module(module)
        yield module


@pytest.fixture(scope="module")
def baselines(bench, tmp_path_factory):
    """Cffi and the compiled baselines."""
    return bench.build_baselines(tmp_path_factory.mktemp("baselines"))


@pytest.fixture(scope="module")
def draw(bench, baselines):
    """Electrons of one baseline, and the random state that it leaves."""

    def drawn(name, count, theta, table=None, seed=1):
        call, u, state = bench.baseline(baselines, name, count, theta, table, seed)
        call()
        return u, state

    return drawn


@pytest.mark.parametrize("theta", [0.01, 0.3, 10.0])
@pytest.mark.parametrize("name", EXACT)
def test_exact_baselines(draw, name, theta):
    """A million draws of every rejection method are Maxwell-Jüttner's."""
    u, _ = draw(name, DRAWS, theta)
    assert ks_test(u, theta)[1] > LEAST_P


@pytest.mark.parametrize("theta", [0.3, 10.0])
def test_sobol(draw, theta):
    """Where it accepts enough."""
    u, _ = draw("sobol", DRAWS, theta)
    assert ks_test(u, theta)[1] > LEAST_P


@pytest.mark.parametrize("name", [*EXACT, "sobol"])
def test_one_temperature_per_draw(draw, name):
    """Each draw has its own: even ones are hotter than odd ones."""
    thetas = np.resize([5.0, 0.5], 200_000)
    u, _ = draw(name, thetas.size, thetas)
    for which, theta in enumerate(thetas[:2]):
        assert ks_test(u[which::2], theta)[1] > LEAST_P


@pytest.mark.parametrize("name", EXACT)
def test_the_state_goes_on(draw, name):
    """Two calls never draw the same, and a call of nothing leaves the state alone."""
    _, untouched = draw(name, 0, 0.1)
    assert np.array_equal(untouched, random_streams(1, 1))
    _, state = draw(name, 10, 0.1)
    assert not np.array_equal(state, untouched)


@pytest.mark.parametrize(("bits", "distance"), [(6, 6.1e-3), (12, 9.5e-5)])
def test_even_table(bench, baselines, draw, bits, distance):
    """D is 0.385 of an interval, where u is not linear but the cube root of p."""
    table = bench.even_table(0.3, bits)
    measured = table.distance(*baselines)
    assert 0.9 * distance < measured < distance
    u, _ = draw("even_table", DRAWS, 0.3, table)
    sampled, p_value = ks_test(u, 0.3)
    assert abs(sampled - measured) < NOISE
    # The coarse one is found out: the test is not blind.
    assert (p_value < LEAST_P) == (bits == 6)


def test_even_table_uses_the_random_numbers_of_the_package(bench, baselines, draw):
    """The same generator and conversion as in mcplugin.random_streams."""
    table = bench.even_table(0.3, 6)
    u, left = draw("even_table", 1000, 0.3, table)
    streams = random_streams(1, 1)
    p = np.array([uniform(streams, 0) for _ in range(1000)])
    assert np.array_equal(u, table.quantile(*baselines, 0.3, p))
    assert np.array_equal(left, streams)


def test_octave_table(bench, baselines, draw):
    """D falls with the square of the interval, and both tails are there."""
    coarse, fine = (bench.octave_table(0.3, bits) for bits in (4, 7))
    measured = fine.distance(*baselines)
    assert measured < 1.6e-6
    assert coarse.distance(*baselines) == pytest.approx(64 * measured, rel=0.1)
    u, _ = draw("octave_table", DRAWS, 0.3, fine)
    assert ks_test(u, 0.3)[1] > LEAST_P
    rare = np.array([1e-8, 1.0 - 1e-8])
    exact = bench.maxwell_juttner.quantile(rare, 0.3)
    np.testing.assert_allclose(fine.quantile(*baselines, 0.3, rare), exact, rtol=1e-4)


def test_surface_table(bench, baselines, draw):
    """D is what is stated, at temperatures between rows and where each draw has its own."""
    (table,) = bench.surface_tables(((2, 4),))
    measured = table.distance(*baselines)
    assert 1e-4 < measured < 5e-4
    thetas = np.resize([bench.THETA_MIN, 0.3, bench.THETA_MAX], 3 * DRAWS)
    u, _ = draw("surface_table", thetas.size, thetas, table)
    for which, theta in enumerate(thetas[:3]):
        assert ks_test(u[which::3], theta)[0] < measured + NOISE


def test_whole_benchmark(bench, tmp_path, monkeypatch, capsys):
    """One round with small tables: every figure is there, and the tables are tables."""
    monkeypatch.setattr(bench, "EVEN_BITS", (6,))
    monkeypatch.setattr(bench, "OCTAVE_BITS", 4)
    monkeypatch.setattr(bench, "SURFACE_BITS", ((2, 4),))
    monkeypatch.setattr(bench, "COMPARABLE_DISTANCE", 1e-3)
    out = tmp_path / "speed.json"
    monkeypatch.setattr("sys.argv", ["native_speed.py", "--rounds", "1", "--out", str(out)])
    bench.main()
    printed = capsys.readouterr().out
    kept = json.loads(out.read_text(encoding="utf-8"))

    for block in printed.split("\n\n"):
        rows = [line for line in block.splitlines() if line.startswith("|")]
        assert len({line.count("|") for line in rows}) <= 1
    timed = {(c["sampler"], c["theta"], c["batch"]): c for c in kept["ns_per_electron"]}
    for sampler in ("gan", "gan-exact", "rejection"):
        for theta in (*bench.THETAS, None):
            for batch in (1, 16, 256, 4096, 65536):
                assert 0.0 < timed[sampler, theta, batch]["min"] < 1e5
    assert ("sobol", 0.01, 64) not in timed
    assert ("sobol", 1.0, 64) in timed
    assert ("2-D table, 0.3 MB", None, 4096) in timed
    assert kept["tables"]["2-D table, 0.3 MB"]["bytes"] == (21 * 4 + 1) * 2 * (29 * 16 + 1) * 4
    assert all(goal["measured"] > 0.0 for goal in kept["goals"])
    assert sum("canfield" in goal["goal"] for goal in kept["goals"]) == 12
    assert {"date", "command", "machine", "vectorised_loops_of_baselines"} < kept.keys()
