"""The benchmarks that let all samplers take turns, and the suite: nothing is skipped silently."""

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from mcplugin import sampler_names
from mcplugin.errors import MissingPackageError

ROOT = Path(__file__).resolve().parents[1]
BENCH = ROOT / "bench"


def from_bench(name):
    """A module of bench/, as its scripts see it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(BENCH)
        return importlib.import_module(name)


@pytest.fixture
def electron_speed(monkeypatch):
    """bench/electron_speed.py at sizes that take a moment."""
    bench = from_bench("electron_speed")
    monkeypatch.setattr(bench, "THETAS", (0.01, 0.1, 1.0))
    monkeypatch.setattr(bench, "BATCHES", (1, 100))
    monkeypatch.setattr(bench, "BATCH", 100)
    monkeypatch.setattr(bench, "_SECONDS", 1e-5)
    return bench


def test_electron_speed_covers_or_says_why(electron_speed, tmp_path, monkeypatch, capsys):
    """Every contender at every point is timed, or listed with its reason."""
    out = tmp_path / "speed.json"
    monkeypatch.setattr("sys.argv", ["electron_speed.py", "--rounds", "2", "--out", str(out)])
    electron_speed.main()
    printed = capsys.readouterr().out
    kept = json.loads(out.read_text(encoding="utf-8"))

    timed = {(c["sampler"], c["theta"], c["batch"], c["threads"]): c for c in kept[
        "ns_per_electron"]}  # fmt: skip
    assert len(timed) == len(kept["ns_per_electron"])
    for label in kept["contenders"]:
        refused = {place for places in kept["left_out"].get(label, {}).values() for place in places}
        for point in electron_speed.points():
            is_timed = (label, point.theta, point.batch, point.threads) in timed
            assert is_timed != (str(point) in refused)
    for name in sampler_names():
        assert name in kept["contenders"] or name in kept["left_out"]
    assert electron_speed.GPU in kept["left_out"]
    for label, reasons in kept["left_out"].items():
        assert all(f"left out: {label}: {reason}" in printed for reason in reasons)

    for cell in timed.values():
        low, high = cell["quartiles"]
        assert 0.0 < cell["min"] <= low <= cell["median"] <= high
    assert ("rejection, sobol", 0.01, 100, 1) not in timed
    assert kept["times_as_fast"]["gan"]["rejection"].keys() == {
        "Θ = 0.01, batch 100",
        "Θ = 0.1, batch 100",
        "Θ = 1, batch 100",
        "one Θ per draw, batch 100",
    }
    assert kept["distance"]["gan-exact"] == {"one theta": 0.0, "one theta per draw": 0.0}
    assert "one theta per draw" not in kept["distance"]["numpy, interp in a table"]
    tables = [block.splitlines() for block in printed.split("\n\n") if block.startswith("|")]
    for rows in tables:
        assert len(rows) == 2 + len(kept["contenders"])
        assert len({line.count("|") for line in rows}) == 1
    assert len(tables) == 2


def test_ratios_are_taken_within_rounds(electron_speed, monkeypatch):
    """Where every second round is ten times slower for all, ratios have no spread."""
    speeds = {"gan": 1.0, "rejection": 7.0}
    monkeypatch.setattr(
        electron_speed,
        "nanoseconds_per_electron",
        lambda who, point, seed: speeds.get(who.label, 2.0) * (10.0 if seed % 2 else 1.0),
    )
    ratios = electron_speed.measure(4)["times_as_fast"]["gan"]["rejection"]
    assert ratios["Θ = 0.1, batch 100"] == {"median": 7.0, "quartiles": [7.0, 7.0]}


def test_a_new_temperature_is_new_in_every_round(electron_speed, monkeypatch):
    """Or the tables of the round before would be found in their cache."""
    met = []
    monkeypatch.setattr(electron_speed, "nanoseconds_per_electron", lambda who, point, seed: 1.0)
    monkeypatch.setattr(
        electron_speed, "new_temperature_ms", lambda who, theta: met.append((who.label, theta)) or 1
    )
    electron_speed.measure(3)
    assert len(set(met)) == len(met) == 3 * len({label for label, _ in met})
    assert all(theta not in electron_speed.THETAS for _, theta in met)


def test_start_times(monkeypatch, tmp_path, capsys):
    """A process is timed with a cache that was filled before, and with an empty one."""
    bench = from_bench("start_times")
    write = "import os, pathlib; c = pathlib.Path(os.environ['NUMBA_CACHE_DIR'])"
    log = tmp_path / "log"
    program = (
        f"{write}; print(len(list(c.iterdir())), file=open({str(log)!r}, 'a')); (c / 'x').touch()"
    )
    programs = {"a program": ["-c", program]}, {"another": "it is not installed"}
    monkeypatch.setattr(bench, "programs", lambda: programs)
    out = tmp_path / "start.json"
    words = ["start_times.py", "--rounds", "2", "--empty-rounds", "2", "--out", str(out)]
    monkeypatch.setattr("sys.argv", words)
    bench.main()
    # One run fills the cache of the warm ones.
    assert log.read_text().split() == ["0", "1", "1", "0", "0"]
    kept = json.loads(out.read_text(encoding="utf-8"))
    for state in ("warm", "empty"):
        seconds = kept["seconds"]["a program"][state]
        assert seconds.keys() == {"wall", "processor"}
        assert 0.0 < seconds["processor"]["median"] < seconds["wall"]["median"]
    assert kept["left_out"] == {"another": "it is not installed"}
    printed = capsys.readouterr().out
    assert "| a program |" in printed
    assert "left out: another: it is not installed" in printed


def test_every_sampler_has_a_start(monkeypatch):
    """Or a reason why not."""
    bench = from_bench("start_times")
    does, left_out = bench.programs()
    for name in sampler_names():
        assert f"first electron, {name}" in does.keys() | left_out.keys()

    def nobody(name):
        raise MissingPackageError("pip install it")

    monkeypatch.setattr(bench, "get_sampler", nobody)
    _, left_out = bench.programs()
    assert set(left_out.values()) == {"pip install it"}
    assert len(left_out) == len(sampler_names())


def test_spread():
    """Median and quartiles with four digits."""
    record = from_bench("record")
    found = record.spread(np.arange(101) + 0.123456)
    assert found == {"median": 50.12, "quartiles": [25.12, 75.12]}


def test_the_suite_says_what_it_leaves_out(tmp_path):
    """In its output, in its JSON, and loudly where there is no GPU."""
    kept = tmp_path / "bench.json"
    points = ("theta = 0.1, batch 100", "one theta per draw, batch 100")
    chosen = [
        f"{BENCH / 'test_electron_draws.py'}::test_draw[{p}-rejection, sobol]" for p in points
    ]
    quick = ["--benchmark-max-time=0.001", "--benchmark-min-rounds=1", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *chosen, BENCH / "test_gpu_draws.py", "--benchmark-only",
         f"--benchmark-json={kept}", *quick],
        cwd=ROOT, capture_output=True, text=True, check=False,
        env={**os.environ, "CUDA_VISIBLE_DEVICES": ""},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    figures = json.loads(kept.read_text(encoding="utf-8"))
    (timed,) = figures["benchmarks"]
    assert timed["extra_info"]["sampler"] == "rejection, sobol"
    assert timed["extra_info"]["theta"] == 0.1
    assert timed["extra_info"]["ns_per_draw"] > 0.0
    reasons = "\n".join(figures["left_out"].values())
    assert "rejection, sobol at one Θ per draw, batch 100: valid from" in reasons
    assert "rejection, sobol at one Θ per draw, batch 100: valid from" in done.stdout
    assert "!! GPU FIGURES ARE MISSING" in done.stdout
