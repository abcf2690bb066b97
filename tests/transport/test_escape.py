"""Photons that leave the cloud: analytic escape probabilities, angles, and budgets."""

from fractions import Fraction

import numpy as np
import pytest
from scipy import stats
from scipy.special import expn

from mcplugin import get_sampler, simulate
from mcplugin.scattering import hot_cross_section
from mcplugin.transport import Configuration
from mcplugin.transport.chunks import Task
from mcplugin.transport.exact_sum import QUANTA_PER_UNIT
from mcplugin.transport.tally import ABSORBING, CUTTING, ESCAPING
from mcplugin.transport.walks import ABSORBED, CUT, ESCAPED

PHOTONS = 400_000


def config(geometry="sphere", tau=1.0, theta=0.1, energy_kev=1e-3, position=None, **changes):
    """A monochromatic source in a small energy grid."""
    return {
        "plasma": {"geometry": geometry, "theta": theta, "tau": tau, **changes.get("plasma", {})},
        "seed": {"spectrum": "monochromatic", "energy_kev": energy_kev}
        | ({"position": position} if position else {}),
        "tally": {"energy_min_kev": 1e-6, "energy_max_kev": 1e4} | changes.get("tally", {}),
        "run": {"photons": PHOTONS} | changes.get("run", {}),
    }


def _unscattered(geometry, position, depth):
    """Share of photons that leave without scattering through a cloud of effective depth τσ."""
    t = depth
    if geometry == "slab":
        # Base: ∫ 2μ exp(-t/μ) dμ = 2E₃(t). Uniform and isotropic: (1 - 2E₃(t))/(2t).
        return 2 * expn(3, t) if position == "base" else (1 - 2 * expn(3, t)) / (2 * t)
    if position == "centre":
        return np.exp(-t)
    if position == "uniform":
        # Osterbrock (1989), App. 2.
        return 3 / (4 * t) * (1 - 1 / (2 * t**2) + (1 / t + 1 / (2 * t**2)) * np.exp(-2 * t))
    # Surface: chords 2μ with flux ∝ μ: ∫ 2μ exp(-2tμ) dμ.
    return (1 - (1 + 2 * t) * np.exp(-2 * t)) / (2 * t**2)


@pytest.mark.parametrize(
    ("geometry", "position"),
    [
        ("sphere", "centre"),
        ("sphere", "uniform"),
        ("sphere", "surface"),
        ("slab", "base"),
        ("slab", "uniform"),
    ],
)
@pytest.mark.parametrize(("tau", "energy_kev"), [(0.3, 1e-3), (2.0, 1e-3), (1.0, 300.0)])
def test_escape_without_scattering(geometry, position, tau, energy_kev):
    """Zero-order photons follow the analytic formula with τσ(x, Θ), within 4.5 standard errors."""
    run = simulate(
        config(
            geometry,
            tau,
            0.1,
            energy_kev,
            position,
            plasma=({"disk": "none"} if geometry == "slab" else {}),
        )
    )
    depth = tau * float(hot_cross_section(energy_kev / 510.99895069, 0.1))
    expected = _unscattered(geometry, position, depth)
    observed = run.spectrum.by_order.counts[0].sum() / PHOTONS
    assert abs(observed - expected) < 4.5 * np.sqrt(expected * (1 - expected) / PHOTONS)


@pytest.mark.parametrize(
    ("geometry", "position", "cdf"),
    [
        # Chords through a transparent sphere: p(μ) = 3μ² for uniform isotropic emission, since
        # a photon leaves at cosine μ from anywhere along a chord 2μ of a bundle ∝ μ.
        ("sphere", "uniform", lambda m: m**3),
        ("sphere", "surface", lambda m: m**2),
        ("slab", "base", lambda m: m**2),
        ("slab", "uniform", lambda m: m),
    ],
)
def test_angles_of_transparent_clouds(geometry, position, cdf):
    """τ → 0: the distribution of the escape cosine, by χ² over 20 bins, false-alarm rate 1e-6."""
    run = simulate(
        config(
            geometry,
            1e-9,
            position=position,
            tally={"angle_bins": 20},
            plasma=({"disk": "none"} if geometry == "slab" else {}),
        )
    )
    observed = run.spectrum.by_angle.counts.sum(axis=1)
    expected = PHOTONS * np.diff(cdf(np.linspace(0, 1, 21)))
    assert observed.sum() == PHOTONS
    assert stats.chi2(19).sf(np.sum((observed - expected) ** 2 / expected)) > 1e-6


def test_transparent_sphere_from_its_centre():
    """Central photons of a transparent sphere leave along the normal."""
    run = simulate(config(tau=1e-9, tally={"angle_bins": 20}))
    assert run.spectrum.by_angle.counts.sum(axis=1)[-1] == PHOTONS


def test_faces_of_a_free_slab_are_alike():
    """Uniform seeds leave a free slab equally through both faces; none are absorbed."""
    free = simulate(config("slab", 1.0, position="uniform", plasma={"disk": "none"}))
    assert free.summary["escaped"] == PHOTONS
    disk = simulate(config("slab", 1.0, position="uniform"))
    assert abs(disk.summary["escaped"] / PHOTONS - 0.5) < 4.5 * 0.5 / np.sqrt(PHOTONS)
    assert disk.summary["absorbed"] == PHOTONS - disk.summary["escaped"]


@pytest.mark.parametrize("geometry", ["sphere", "slab"])
@pytest.mark.parametrize("limit", [None, 0, 1, 3])
def test_budgets_close_exactly(geometry, limit):
    """Photons in = escaped + absorbed + cut, and so do energies."""
    run = simulate(
        config(
            geometry,
            3.0,
            theta=0.5,
            energy_kev=0.1,
            run=({} if limit is None else {"max_scatterings": limit}),
        )
    )
    s = run.summary
    assert s["escaped"] + s["absorbed"] + s["cut"] == s["photons"] == PHOTONS
    energy = s["energy_kev"]
    assert energy["seed"] + energy["gained"] == pytest.approx(
        energy["escaped"] + energy["absorbed"] + energy["cut"], rel=1e-14
    )
    assert (s["cut"] > 0) == (limit is not None)
    assert s["energy_kev"]["seed"] == pytest.approx(0.1 * PHOTONS, rel=1e-14)
    if limit is not None:
        assert run.spectrum.by_order.counts[limit + 1 :].sum() == 0
        assert run.spectrum.by_order.counts[: limit + 1].sum() == s["escaped"]


def test_energy_ledger_is_exact():
    """Totals are the exact sums over photons, as rational numbers: nothing is rounded or lost."""
    configuration = Configuration.load(config("slab", 2.0, 0.3, 1.0, run={"max_scatterings": 5}))
    task = Task(configuration, get_sampler("rejection"))
    chunk = task(0, 20_000, keep_walks=True)
    tally, walks = chunk.tally, chunk.walks
    quanta = [int(Fraction(x) * QUANTA_PER_UNIT) for x in walks.x]
    for fate, total in ((ESCAPED, ESCAPING), (ABSORBED, ABSORBING), (CUT, CUTTING)):
        ended_so = [q for q, f in zip(quanta, walks.fate, strict=True) if f == fate]
        assert tally.totals[total] == sum(ended_so) > 0
    gains = sum(Fraction(a) - Fraction(b) for a, b in zip(walks.x, walks.x_seed, strict=True))
    assert Fraction(tally.quanta_gained, QUANTA_PER_UNIT) == gains


def test_energy_of_the_photon_list(tmp_path):
    """The exact totals are the sums over the listed photons, by fate."""
    import h5py

    run = simulate(
        config("slab", 2.0, theta=0.3, energy_kev=1.0, run={"max_scatterings": 5}),
        photons=50_000,
        photon_list=tmp_path / "photons.h5",
    )
    with h5py.File(tmp_path / "photons.h5") as file:
        fate, energy, seeds = (file[k][:] for k in ("fate", "energy_kev", "seed_energy_kev"))
        scatterings, cosine = file["scatterings"][:], file["cosine"][:]
    assert len(fate) == 50_000
    for code, name in enumerate(("escaped", "absorbed", "cut")):
        assert np.count_nonzero(fate == code) == run.summary[name]
        assert energy[fate == code].sum() == pytest.approx(
            run.summary["energy_kev"][name], rel=1e-12
        )
    assert (energy - seeds).sum() == pytest.approx(run.summary["energy_kev"]["gained"], rel=1e-9)
    assert scatterings.sum() == run.summary["scatterings"]
    assert (cosine[fate == 1] < 0).all()
    assert (cosine[fate == 0] > 0).all()


def test_amplification_and_its_error():
    """Escaping over seed energy; twenty seeds scatter by as much as the error says (χ², 1e-6)."""
    runs = [simulate(config(tau=1.0, theta=0.2), photons=20_000, seed=s) for s in range(20)]
    values = np.array([run.summary["amplification"] for run in runs])
    errors = np.array([run.summary["amplification_error"] for run in runs])
    chi2 = np.sum((values - values.mean()) ** 2) / np.mean(errors**2)
    assert stats.chi2(19).sf(chi2) > 1e-6
    assert stats.chi2(19).cdf(chi2) > 1e-6
    first = runs[0].spectrum
    integral = np.sum(first.efe * np.log(first.energy_hi / first.energy_lo))
    assert integral == pytest.approx(values[0], rel=1e-6)


def test_spectrum_errors_are_standard_errors():
    """Over 120 seeds the bins scatter as ``efe_err`` says: variance ratio 1 within 15 %."""
    runs = [
        simulate(config(tau=1.0, theta=0.2, tally={"bins": 40}), photons=4000, seed=s).spectrum
        for s in range(120)
    ]
    efe = np.array([run.efe for run in runs])
    variance = np.array([run.efe_err**2 for run in runs])
    filled = np.array([run.counts for run in runs]).mean(axis=0) > 30
    assert filled.sum() > 8
    ratio = efe.var(axis=0, ddof=1)[filled] / variance.mean(axis=0)[filled]
    assert abs(ratio.mean() - 1) < 0.15
    assert (np.abs(ratio - 1) < 0.7).all()
