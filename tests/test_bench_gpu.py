"""The benchmark of draws on a GPU, run on the CPU: its engines are right, its figures are whole."""

import importlib
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from mcplugin.fidelity import ks_test

BENCH = Path(__file__).resolve().parents[1] / "bench"
CPU = torch.device("cpu")
DRAWS = 200_000
# 14 p-values are asked to exceed it: one seed in 7e5 would be refused for nothing.
LEAST_P = 1e-7


@pytest.fixture(scope="module")
def bench():
    """The script, on one thread."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(BENCH)
        yield importlib.import_module("gpu_draws")
    torch.set_num_threads(threads)


@pytest.mark.parametrize("theta", [1e-4, 0.1, 1.0, 100.0])
@pytest.mark.parametrize("engine", ["gan", "rejection"])
def test_engines_draw_maxwell_juttner(bench, engine, theta):
    """Both, at one temperature."""
    random = torch.Generator(CPU).manual_seed(1)
    temperature = torch.tensor(theta, dtype=torch.float64)
    u = bench.engines(CPU)[engine](temperature, DRAWS, random)
    assert ks_test(u.numpy(), theta)[1] > LEAST_P


@pytest.mark.parametrize("engine", ["gan", "rejection"])
def test_engines_with_one_temperature_per_draw(bench, engine):
    """Each draw keeps its own, also those that are refused and proposed again."""
    thetas = np.resize([1e-3, 0.5, 30.0], 3 * DRAWS)
    random = torch.Generator(CPU).manual_seed(2)
    u = bench.engines(CPU)[engine](torch.from_numpy(thetas), thetas.size, random).numpy()
    for which, theta in enumerate(thetas[:3]):
        assert ks_test(u[which::3], theta)[1] > LEAST_P


def test_rejection_stays_finite_where_the_uniform_number_is_zero(bench):
    """Which torch.rand draws once in 2⁵³ times."""
    theta = torch.tensor(0.1, dtype=torch.float64)
    uniform = torch.zeros((5, 1), dtype=torch.float64)
    u, accepted = bench._propose(theta, uniform, torch.ones(1, dtype=torch.float64))
    assert accepted.all()
    assert u.isfinite().all()


def test_figures_are_whole(bench, tmp_path, monkeypatch, capsys):
    """Every engine, batch, kind of temperature and place; shares of the measured bandwidth."""
    monkeypatch.setattr(bench, "_COPIED_BYTES", 2**24)
    monkeypatch.setattr(bench, "_SECONDS", 1e-4)
    out = tmp_path / "gpu.json"
    words = ["gpu_draws.py", "--device", "cpu", "--batches", "10,1000", "--rounds", "2"]
    monkeypatch.setattr("sys.argv", [*words, "--out", str(out)])
    bench.main()
    printed = capsys.readouterr()
    kept = json.loads(out.read_text(encoding="utf-8"))

    places = {(c["temperatures"], c["batch"], c["where"], c["engine"]) for c in kept[
        "draws_per_second"]}  # fmt: skip
    kinds = (bench.ONE, bench.EACH)
    assert places == {
        (kind, batch, where, engine)
        for kind in kinds
        for batch in (10, 1000)
        for where in bench.WHERE
        for engine in ("gan", "rejection")
    }
    allowed = kept["bandwidth_bytes_per_second"]["median"]
    for cell in kept["draws_per_second"]:
        size = 8 if cell["temperatures"] == bench.ONE else 16
        assert cell["share_of_bandwidth"] == pytest.approx(size * cell["median"] / allowed, 1e-3)
    assert len(kept["gan_times_as_fast"]) == 8
    rows = [line for line in printed.out.splitlines() if line.startswith("|")]
    assert len(rows) == 2 + 4
    assert len({line.count("|") for line in rows}) == 1
    # Times of a CPU are no figures of a GPU.
    assert bench.MISSING in printed.err
    assert kept["device"] == "cpu"
    assert kept["machine"]["gpu"] == "none"


def test_no_gpu_is_said_loudly(bench, tmp_path, monkeypatch):
    """Nothing is measured, nothing written, and the exit status is not 0."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    out = tmp_path / "gpu.json"
    monkeypatch.setattr("sys.argv", ["gpu_draws.py", "--out", str(out)])
    with pytest.raises(SystemExit, match="GPU FIGURES ARE MISSING"):
        bench.main()
    assert not out.exists()


def test_a_batch_that_does_not_fit_is_left_out_with_its_reason(bench, monkeypatch):
    """And the others are measured."""
    made = bench.engines(CPU)

    def small(theta, count, random):
        if count > 100:
            raise torch.cuda.OutOfMemoryError("tried to allocate much\nand more words")
        return made["gan"](theta, count, random)

    monkeypatch.setattr(bench, "engines", lambda device: {**made, "gan": small})
    monkeypatch.setattr(bench, "_COPIED_BYTES", 2**24)
    monkeypatch.setattr(bench, "_SECONDS", 1e-4)
    figures = bench.measure(CPU, (10, 1000), 1)
    assert figures["left_out"] == {"batch 1,000": "tried to allocate much"}
    assert {cell["batch"] for cell in figures["draws_per_second"]} == {10}
    assert "left out: batch 1,000: tried to allocate much" in bench.table(figures)
