"""The example sources run as they are, and show what the papers that they cite describe."""

from pathlib import Path

import numpy as np
import pytest

from mcplugin import simulate

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.toml")), ids=lambda path: path.stem)
def test_example(path):
    """All photons accounted for, energy gained, less than a percent of it outside the grid."""
    run = simulate(path, photons=20_000)
    s = run.summary
    assert s["escaped"] + s["absorbed"] == s["photons"] == 20_000
    assert s["energy_kev"]["gained"] > 0
    spectrum = run.spectrum
    inside = np.sum(spectrum.efe * np.log(spectrum.energy_hi / spectrum.energy_lo))
    assert inside > 0.99 * s["amplification"]
    assert "arXiv" in path.read_text() or "A&A" in path.read_text()


def test_relativistic_sphere_has_orders_apart():
    """Θ = 4, τ = 0.1: separate humps, the first a factor 1 + 4ΘK₃/K₂ = 263 above the seeds.

    Mean energy of first-order photons over that of the seeds, within 4 standard errors.
    """
    from scipy.special import kve

    run = simulate(EXAMPLES / "relativistic_sphere.toml", photons=3_000_000)
    width = np.log(run.spectrum.energy_hi / run.spectrum.energy_lo)
    orders = run.spectrum.by_order
    first_two = slice(2)
    counts = orders.counts[first_two].sum(axis=1)
    energy = (orders.efe[first_two] * width).sum(axis=1) / counts
    error = np.sqrt(((orders.efe_err[first_two] * width) ** 2).sum(axis=1)) / counts
    gain = 1 + 16 * kve(3, 0.25) / kve(2, 0.25)
    assert abs(energy[1] / energy[0] - gain) < 4 * error[1] / energy[0]


def test_cygnus_x1_is_hard():
    """The hard state: photon index between 1.4 and 1.7 from 5 to 50 keV, peak of E F_E above 80."""
    run = simulate(EXAMPLES / "cygnus_x1.toml", photons=400_000).spectrum
    band = (run.energy > 5) & (run.energy < 50)
    slope = np.polyfit(np.log(run.energy[band]), np.log(run.efe[band]), 1)[0]
    assert 1.4 < 2 - slope < 1.7
    assert 80 < run.energy[np.argmax(run.efe)] < 300
