"""The same run gives the same bits, whoever computes it and however it is cut up."""

import itertools
import os
import subprocess
import sys
import tracemalloc

import numpy as np
import pytest

from mcplugin import get_sampler, sampler_names, simulate
from mcplugin.transport import chunks, loop
from mcplugin.transport.chunks import Task
from mcplugin.transport.configuration import Configuration
from mcplugin.transport.loop import walk
from mcplugin.transport.tally import Tally
from mcplugin.transport.walks import Walks

CONFIG = {
    "plasma": {"geometry": "slab", "kt_kev": 100.0, "tau": 1.5},
    "seed": {"spectrum": "blackbody", "kt_kev": 0.3},
    "run": {"photons": 30_000, "seed": 81},
}


@pytest.mark.parametrize("sampler", sampler_names())
def test_threads(sampler):
    """1, 2, 3 and 8 threads give the same tally, bit by bit, with every sampler."""
    runs = [simulate(CONFIG, sampler, threads=threads).tally for threads in (1, 2, 3, 8)]
    assert len({run.digest() for run in runs}) == 1


@pytest.mark.parametrize(("slots", "chunk"), [(8192, 2**10), (7, 2**8), (100_000, 2**18)])
def test_chunks_and_slots(monkeypatch, slots, chunk):
    """Neither the size of a chunk nor the number of photons in flight changes a bit."""
    expected = simulate(CONFIG).tally
    monkeypatch.setattr(loop, "SLOTS", slots)
    monkeypatch.setattr(chunks, "_SMALLEST_CHUNK", chunk)
    monkeypatch.setattr(chunks, "_LARGEST_CHUNK", chunk)
    assert simulate(CONFIG).tally.digest() == expected.digest()


def test_tallies_merge_in_any_order():
    """Chunks of a run, shuffled and added, give the run."""
    configuration = Configuration.load(CONFIG)
    task = Task(configuration, get_sampler("rejection"))
    ends = [0, 1, 10, 5000, 5001, 29_000, 30_000]
    parts = [task(first, last - first).tally for first, last in itertools.pairwise(ends)]
    merged = Tally.empty(task.grid)
    for k in np.random.default_rng(1).permutation(len(parts)):
        merged = merged + parts[k]
    assert merged.digest() == simulate(CONFIG).tally.digest()


def test_more_photons_extend_a_run():
    """Photon i of a run depends on the seed and i alone: a longer run contains the shorter one."""
    configuration = Configuration.load(CONFIG)
    problem = Task(configuration, get_sampler("rejection")).problem
    short, long = (Walks.in_order(walk(problem, 81, 0, count)) for count in (1000, 30_000))
    assert np.array_equal(short.x, long.x[:1000])
    assert np.array_equal(short.fate, long.fate[:1000])
    (far,) = walk(problem, 81, 2**32 + 1, 10)
    assert np.isfinite(far.x).all()
    assert not np.array_equal(far.x, short.x[:10])


def test_seeds_differ():
    """Another seed, another run."""
    assert simulate(CONFIG, seed=1).tally.totals != simulate(CONFIG, seed=2).tally.totals


@pytest.mark.parametrize(
    "change",
    [
        {"plasma": {"geometry": "sphere", "theta": 1e-4, "tau": 1e-6}},
        {"plasma": {"geometry": "sphere", "theta": 100.0, "tau": 2.0}},
        {"plasma": {"geometry": "slab", "theta": 100.0, "tau": 1e-6, "disk": "none"}},
        {"seed": {"spectrum": "monochromatic", "energy_kev": 5.2e-8}},
        {"seed": {"spectrum": "monochromatic", "energy_kev": 510_000.0}},
        {"plasma": {"geometry": "sphere", "theta": 0.01, "tau": 300.0},
         "run": {"photons": 3, "max_scatterings": 20_000}},
        {"run": {"photons": 1}},
    ],
)  # fmt: skip
def test_extremes(change):
    """Temperatures, depths, energies and counts at the ends of their ranges: finite, accounted."""
    run = simulate({**CONFIG, "run": {"photons": 2000}, **change})
    s = run.summary
    assert s["escaped"] + s["absorbed"] + s["cut"] == s["photons"]
    assert np.isfinite(run.spectrum.efe).all()
    assert np.isfinite(run.spectrum.efe_err).all()
    assert np.isfinite(s["amplification"])
    assert s["energy_kev"]["seed"] > 0


def test_within_bounds():
    """The kernels index no array out of bounds: a run with numba's checks, which are off else.

    numba reads NUMBA_BOUNDSCHECK when it compiles, so the run is a process of its own, without
    the cache of unchecked code.
    """
    code = (
        "import numba, mcplugin\n"
        "assert numba.config.BOUNDSCHECK == 1\n"
        "for geometry, position in (('sphere', 'centre'), ('sphere', 'surface'),"
        " ('slab', 'uniform'), ('slab', 'base')):\n"
        "    for sampler in mcplugin.sampler_names():\n"
        "        run = mcplugin.simulate({'plasma': {'geometry': geometry, 'theta': 1.0,"
        " 'tau': 2.0}, 'seed': {'spectrum': 'disk-blackbody', 'kt_in_kev': 1.0,"
        " 'position': position}, 'run': {'photons': 3000, 'max_scatterings': 9},"
        " 'tally': {'orders': 3, 'bins': 17, 'angle_bins': 3, 'energy_min_kev': 0.5,"
        " 'energy_max_kev': 50.0}}, sampler)\n"
        "        assert run.summary['photons'] == 3000\n"
        "u = mcplugin.get_sampler('table').sample([0.1, 1.0], mcplugin.random_streams(1, 2))\n"
    )
    environment = {**os.environ, "NUMBA_BOUNDSCHECK": "1", "NUMBA_CACHE_DIR": os.devnull}
    environment.pop("NUMBA_CACHE_DIR")
    environment["NUMBA_CACHE_DIR"] = os.path.join(os.environ["NUMBA_CACHE_DIR"], "boundscheck")
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_memory_does_not_grow_with_photons(monkeypatch):
    """Ten times the photons, chunks of the same size: the same peak memory within 30 %.

    What is in flight when the peak is reached depends on the threads, hence the margin.
    """
    for size in ("_SMALLEST_CHUNK", "_LARGEST_CHUNK"):
        monkeypatch.setattr(chunks, size, 2**13)
    peaks = []
    for photons in (100_000, 1_000_000):
        simulate(CONFIG, photons=1000)
        tracemalloc.start()
        simulate(CONFIG, photons=photons)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.3 * peaks[0]
