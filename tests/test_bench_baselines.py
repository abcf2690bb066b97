"""The Python baselines of bench/: that they draw what they claim, and that nobody is left out."""

import importlib
from pathlib import Path

import numpy as np
import pytest

from mcplugin import sampler_names
from mcplugin.errors import MissingPackageError
from mcplugin.fidelity import ks_test

BENCH = Path(__file__).resolve().parents[1] / "bench"
DRAWS = 200_000
THETAS = (1e-4, 1e-2, 0.3, 10.0, 100.0)
# Some 25 p-values are asked to exceed it: one seed in 4e5 would be refused for nothing.
LEAST_P = 1e-7


def from_bench(name):
    """A module of bench/, as its scripts see it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(BENCH)
        return importlib.import_module(name)


@pytest.fixture(scope="module")
def baselines():
    """bench/baselines.py."""
    return from_bench("baselines")


@pytest.fixture(scope="module")
def contenders():
    """bench/contenders.py."""
    return from_bench("contenders")


@pytest.mark.parametrize("theta", THETAS)
@pytest.mark.parametrize("name", ["NumpyRejection", "PolynomialInverse", "InterpolatedTable"])
def test_draws_are_maxwell_juttner(baselines, name, theta):
    """As far as 200,000 can tell, from the first call on to the second."""
    draw = getattr(baselines, name)().prepare(theta, DRAWS // 2, seed=1)
    first, second = draw(), draw()
    assert not np.array_equal(first, second)
    assert ks_test(np.concatenate([first, second]), theta)[1] > LEAST_P


def test_numpy_rejection_with_one_temperature_per_draw(baselines):
    """Each draw keeps its own temperature, also those that are refused and drawn again."""
    thetas = np.resize([1e-3, 0.5, 30.0], 3 * DRAWS)
    u = baselines.NumpyRejection().prepare(thetas, thetas.size, seed=2)()
    for which, theta in enumerate(thetas[:3]):
        assert ks_test(u[which::3], theta)[1] > LEAST_P


def test_a_wrong_envelope_is_found_out(baselines, monkeypatch):
    """The test above is not blind: without one term of the envelope the draws are not exact."""
    monkeypatch.setattr(baselines.NumpyRejection, "_B", 0.0)
    u = baselines.NumpyRejection().prepare(0.3, DRAWS, seed=1)()
    assert ks_test(u, 0.3)[1] < LEAST_P


@pytest.mark.parametrize("theta", THETAS)
def test_polynomial_inverse_keeps_its_resolution(baselines, theta):
    """D is what scipy promises, and no better than it needs to be."""
    coarse, fine = (baselines.PolynomialInverse(resolution) for resolution in (1e-6, 1e-10))
    assert 1e-8 < coarse.distance(theta) <= 1e-6
    assert coarse.distance(theta) / 1e5 < fine.distance(theta) <= 1e-10


def test_interpolated_table_has_the_error_that_it_states(baselines):
    """0.385 of an interval, where u is the cube root of p, as seen in its draws."""
    table = baselines.InterpolatedTable(64)
    measured = table.distance(0.3)
    assert measured == pytest.approx(0.385 / 64, rel=0.03)
    sampled, p_value = ks_test(table.prepare(0.3, 5 * DRAWS, seed=1)(), 0.3)
    noise = np.sqrt(0.5 * np.log(2.0 / LEAST_P) / (5 * DRAWS))
    assert abs(sampled - measured) < noise
    assert p_value < LEAST_P


def test_everybody_is_there_or_has_a_reason(contenders, baselines):
    """Every registered sampler in every variant, and every baseline."""
    present, absent = contenders.contenders()
    labels = [contender.label for contender in present]
    assert len(set(labels)) == len(labels)
    for name in sampler_names():
        assert name in labels or absent[name]
    assert {"rejection", "rejection, canfield", "rejection, sobol"} < set(labels)
    assert {baseline.label for baseline in baselines.BASELINES} < set(labels)


def test_a_missing_package_is_a_reason(contenders, monkeypatch):
    """A sampler that cannot be made is left out with what would install it."""
    make = contenders.get_sampler

    def without_torch(name, **options):
        if name == "gan-torch":
            raise MissingPackageError("pip install it")
        return make(name, **options)

    monkeypatch.setattr(contenders, "get_sampler", without_torch)
    present, absent = contenders.contenders()
    assert absent["gan-torch"] == "pip install it"
    assert "gan-torch" not in {contender.label for contender in present}


def test_refusals_say_why(contenders, monkeypatch):
    """Range, one temperature only, cores, and time."""
    present = {contender.label: contender for contender in contenders.contenders()[0]}
    point, refusal = contenders.Point, contenders.refusal
    polynomial = present["scipy, NumericalInversePolynomial"]
    assert refusal(present["gan"], point(None, 10)) is None
    assert "0.099" in refusal(present["rejection, sobol"], point(0.01, 10))
    assert "0.099" in refusal(present["rejection, sobol"], point(None, 10))
    assert "each temperature" in refusal(polynomial, point(None, 10))
    assert "cores" in refusal(present["gan"], point(0.1, 10, threads=10_000))
    monkeypatch.setattr(contenders, "_LOAD_AT_START", 7.0)
    monkeypatch.setattr(contenders, "available_cores", lambda: 2)
    assert "busy (load 7.0)" in refusal(present["gan"], point(0.1, 10, threads=2))
    assert refusal(present["gan"], point(0.1, 10)) is None
    monkeypatch.setattr(contenders, "LONGEST_CALL", 1e-12)
    assert "longer" in refusal(present["gan"], point(0.1, 10))


@pytest.mark.parametrize("label", ["gan", "rejection, canfield", "numpy, rejection"])
@pytest.mark.parametrize("theta", [0.1, None])
def test_threads_share_a_batch(contenders, label, theta):
    """Every electron is drawn once, with random numbers and a temperature of its own."""
    (contender,) = (c for c in contenders.contenders()[0] if c.label == label)
    with contenders.prepared(contender, contenders.Point(theta, 1001, threads=3)) as draw:
        parts = draw()
    assert [part.size for part in parts] == [333, 334, 334]
    assert np.unique(np.concatenate(parts)).size == 1001
    if theta is None:
        temperatures = contenders._temperatures(contenders.Point(None, 1001))
        # Hot electrons are fast: ln u follows ln Θ.
        correlation = np.corrcoef(np.log(temperatures), np.log(np.concatenate(parts)))[0, 1]
        assert correlation > 0.9


def test_errors_are_stated(contenders):
    """Exact ones have none, others their own account, for one temperature and for many."""
    present = {contender.label: contender for contender in contenders.contenders()[0]}
    assert present["gan-exact"].distance(0.1) == present["rejection"].distance(None) == 0.0
    assert 1e-8 < present["gan"].distance(0.1) <= present["gan"].distance(None) < 1e-6
    table = present["table"]
    assert table.distance(None) >= table.sampler.quality(100.0)["interpolation_error_2d"]
    assert table.distance(100.0) == table.sampler.quality(100.0)["interpolation_error"]
