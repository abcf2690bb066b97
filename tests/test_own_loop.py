"""An independent code in three dimensions, with electrons from mcplugin, against a run of mcplugin.

The example follows positions and directions as vectors, thins collisions instead of averaging the
cross-section, boosts to the electron's rest frame and back, and shares no line with the package's
transport, which knows a photon's radius and one cosine only.
"""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest

from mcplugin import simulate
from mcplugin.fidelity.spectra import compare_counts
from mcplugin.units import ELECTRON_REST_ENERGY_KEV as KEV

PATH = Path(__file__).resolve().parents[1] / "examples" / "own_loop.py"
PHOTONS = 1_000_000


@pytest.fixture(scope="module")
def own_loop():
    """The example, imported from its file."""
    specification = importlib.util.spec_from_file_location("own_loop", PATH)
    module = importlib.util.module_from_spec(specification)
    # By its name numba finds the module again when it loads what an earlier session compiled.
    sys.modules["own_loop"] = module
    specification.loader.exec_module(module)
    yield module
    del sys.modules["own_loop"]


@pytest.fixture(scope="module")
def reference(own_loop):
    """The same source in a run of mcplugin, with more photons."""
    return simulate(
        {
            "plasma": {"geometry": "sphere", "theta": own_loop.THETA, "tau": own_loop.TAU},
            "seed": {"spectrum": "monochromatic", "energy_kev": own_loop.X_SEED * KEV},
            "tally": {
                "energy_min_kev": own_loop.EDGES[0] * KEV,
                "energy_max_kev": own_loop.EDGES[-1] * KEV,
                "bins": own_loop.EDGES.size - 1,
            },
        },
        photons=4_000_000,
        seed=81,
    )


@pytest.mark.parametrize("sampler", ["rejection", "table"])
def test_independent_code_agrees(own_loop, reference, sampler):
    """Counts, tested at a false-alarm rate of 1e-5; E F_E and amplification within 4.5 errors."""
    own = own_loop.comptonise(sampler, PHOTONS, seed=82)
    spectrum, summary = reference.spectrum, reference.summary

    edges = own_loop.EDGES * KEV
    np.testing.assert_allclose(spectrum.energy_lo, edges[:-1], rtol=1e-12)
    photons = (summary["photons"], PHOTONS)
    comparison = compare_counts(spectrum.counts, own.counts, photons, edges, false_alarm=1e-5)
    assert not comparison.differ, str(comparison)
    assert len(comparison.bands) > 15

    enough = own.counts > 100
    error = np.hypot(own.efe_error, spectrum.efe_err)[enough]
    assert (np.abs(own.efe - spectrum.efe)[enough] < 4.5 * error).all()

    error = np.hypot(own.amplification_error, summary["amplification_error"])
    assert abs(own.amplification - summary["amplification"]) < 4.5 * error
    assert error < 0.02 * own.amplification


def test_sampler_is_one_word(own_loop, monkeypatch, capsys):
    """The command line names the sampler, and the table comes out on the terminal."""
    small = own_loop.comptonise("table", 20_000)
    monkeypatch.setattr(own_loop, "comptonise", lambda name: small)
    monkeypatch.setattr("sys.argv", ["own_loop.py", "table"])
    own_loop.main()
    lines = capsys.readouterr().out.splitlines()
    assert "table" in lines[0]
    assert len(lines) == 2 + small.counts.size + 1
    assert lines[-1].startswith("amplification ")
