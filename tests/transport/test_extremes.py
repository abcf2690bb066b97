"""The corners of what may be asked for: nothing overflows, warns or is lost, and limits are kept.

Every floating-point exception of NumPy is an error here, as warnings are everywhere.
"""

from fractions import Fraction

import numpy as np
import pytest

from mcplugin import Configuration, get_sampler, random_streams, simulate
from mcplugin.scattering.hot_cross_section import HotCrossSectionTable
from mcplugin.transport.exact_sum import QUANTA_PER_UNIT
from mcplugin.transport.geometry import Cloud
from mcplugin.transport.loop import Problem, walk
from mcplugin.transport.sources import source_of
from mcplugin.transport.tally import ABSORBING, CUTTING, ESCAPING, SEED
from mcplugin.transport.walks import ABSORBED, CUT, ESCAPED, Walks
from mcplugin.units import ELECTRON_REST_ENERGY_KEV

PHOTONS = 60
COLD, HOT = 1e-4, 100.0
THIN, THICK = 1e-6, 300.0
SOFT, HARD = 1e-9, 1e3


@pytest.fixture(autouse=True)
def _exceptions_are_errors():
    with np.errstate(all="raise", under="ignore"):
        yield


def configured(geometry, theta, tau, x, photons, limit=None):
    """One corner: seeds of one energy, a grid that holds every energy a photon can get."""
    return Configuration.load(
        {
            "plasma": {"geometry": geometry, "theta": theta, "tau": tau},
            "seed": {"spectrum": "monochromatic", "energy_kev": x * ELECTRON_REST_ENERGY_KEV},
            "tally": {"bins": 40, "energy_min_kev": 1e-7, "energy_max_kev": 5e5},
            "run": {"photons": photons, "seed": 3}
            | ({} if limit is None else {"max_scatterings": limit}),
        }
    )


def problem_of(configuration, sampler="rejection"):
    """The physics of a configuration."""
    theta, limit = configuration.plasma.temperature, configuration.run.max_scatterings
    return Problem(
        theta=theta,
        cloud=Cloud.of(configuration),
        source=source_of(configuration),
        sampler=get_sampler(sampler),
        sampler_quality={},
        cross_section=HotCrossSectionTable.at(theta),
        max_scatterings=2**31 - 2 if limit is None else limit,
    )


def in_quanta(x):
    """The sum of energies without any rounding, as an integer number of 2⁻¹⁰⁷⁴ mₑc²."""
    return int(sum(Fraction(float(each)) for each in x) * QUANTA_PER_UNIT)


@pytest.mark.parametrize("sampler", ["rejection", "gan"])
@pytest.mark.parametrize("x", [SOFT, HARD])
@pytest.mark.parametrize("tau", [THIN, THICK])
@pytest.mark.parametrize("theta", [COLD, HOT])
@pytest.mark.parametrize("geometry", ["sphere", "slab"])
def test_every_corner(geometry, theta, tau, x, sampler):
    """Photons and energy are accounted for exactly, and all that is reported is finite."""
    configuration = configured(geometry, theta, tau, x, PHOTONS, limit=20)
    run = simulate(configuration, sampler, threads=1)
    walks = Walks.in_order(walk(problem_of(configuration, sampler), 3, 0, PHOTONS))

    assert (walks.x_seed == x).all()
    assert (np.isfinite(walks.x) & (walks.x > 0.0)).all()
    assert (np.abs(walks.cosine) <= 1.0).all()
    assert ((walks.scatterings >= 0) & (walks.scatterings <= 20)).all()
    # No electron has more than 90 temperatures of kinetic energy, and no photon gains more.
    assert walks.x.max() <= x + 20 * 90 * theta

    s, totals = run.summary, run.tally.totals
    for name, fate, which in (
        ("escaped", ESCAPED, ESCAPING),
        ("absorbed", ABSORBED, ABSORBING),
        ("cut", CUT, CUTTING),
    ):
        ended = walks.fate == fate
        assert s[name] == np.count_nonzero(ended)
        assert totals[which] == in_quanta(walks.x[ended])
    assert totals[SEED] == in_quanta(walks.x_seed)
    assert s["escaped"] + s["absorbed"] + s["cut"] == PHOTONS
    assert s["scatterings"] == walks.scatterings.sum()
    for key in ("amplification", "amplification_error", "mean_scatterings"):
        assert np.isfinite(s[key])
    spectrum = run.spectrum
    # A photon of the hardest gas may leave the grid, and is counted all the same.
    assert 0 <= s["escaped"] - spectrum.counts.sum() <= s["escaped"] * (x == HARD or theta == HOT)
    for part in (spectrum, spectrum.by_angle, spectrum.by_order):
        for values in (part.efe, part.efe_err):
            assert (np.isfinite(values) & (values >= 0.0)).all()

    if tau == THIN:
        assert s["scatterings"] == 0
        assert s["escaped"] == PHOTONS
        assert (walks.x == x).all()
        assert s["amplification"] == 1.0
    if tau == THICK and theta == COLD and x == SOFT:
        # Nobody gets out of a Thomson depth of 300 within 20 scatterings, but back to the disc.
        assert s["escaped"] == 0
        assert (s["absorbed"] > 0) == (geometry == "slab")
        # Each scattering changes the energy by a factor between ((1 - β)/(1 + β))^±1.
        assert 0.3 < (walks.x / x).min() <= (walks.x / x).max() < 3.0
    if tau == THICK and theta == HOT and x == SOFT:
        scattered = walks.scatterings > 0
        assert scattered.all()
        # The mean gain of one scattering of a soft photon is 1 + 4/3 ⟨u²⟩ = 16θ² = 1.6e5.
        assert np.median(walks.x / x) > 1e5
    if theta == HOT and x == HARD:
        # The hot cross-section is 2.4e-5 of the Thomson one, which leaves a depth of 0.007.
        assert s["mean_scatterings"] < 0.2


def test_one_photon_through_a_cold_fog():
    """Unlimited scatterings: a soft photon is heated to the electrons, a hard one cooled to them.

    The diffusion time is of order τ² scatterings, after which x ≈ 3θ (Wien's law), wherever it
    began: each scattering of a photon of x >> θ adds about 1 to 1/x.
    """
    ends = {}
    for x in (SOFT, HARD):
        configuration = configured("sphere", COLD, THICK, x, 1)
        run = simulate(configuration, seed=5, threads=1)
        walks = Walks.in_order(walk(problem_of(configuration), 5, 0, 1))
        assert run.summary["escaped"] == run.summary["photons"] == 1
        assert run.tally.totals[ESCAPING] == in_quanta(walks.x)
        assert run.summary["mean_scatterings"] == walks.scatterings[0] > THICK
        assert run.spectrum.counts.sum() == 1
        ends[x] = float(walks.x[0])
    assert SOFT < ends[SOFT] < 20 * COLD
    assert 0.1 * COLD < ends[HARD] < 20 * COLD


@pytest.mark.parametrize("geometry", ["sphere", "slab"])
@pytest.mark.parametrize("x", [SOFT, HARD])
def test_one_photon_through_the_hottest_fog(geometry, x):
    """One photon is a run like any other: one count, errors of the size of the value."""
    run = simulate(configured(geometry, HOT, THICK, x, 1), threads=1)
    s = run.summary
    assert s["photons"] == s["escaped"] + s["absorbed"] == 1
    assert np.isfinite(s["amplification"])
    # Nothing scatters about a single photon but the rounding of squares.
    assert s["amplification_error"] < 1e-7 * s["amplification"]
    assert (np.isfinite(run.spectrum.efe_err) & (run.spectrum.efe_err >= 0.0)).all()
    picture = run.spectrum.plot()
    assert picture.axes[0].get_title()


@pytest.mark.parametrize("first", [2**31 - 1, 2**32 - 1, 10**15 - 3, 2**53 - 1, 2**62 - 3])
def test_photons_beyond_the_range_of_small_integers(first):
    """A photon is the same alone and among its neighbours, and no two numbers mean one photon."""
    together = random_streams(7, 3, first)
    for k in range(3):
        np.testing.assert_array_equal(random_streams(7, 1, first + k), together[k : k + 1])
    wrapped = np.concatenate(
        [random_streams(7, 3, first % 2**bits) for bits in (31, 32, 53) if first >= 2**bits]
        or [random_streams(7, 3, 0)]
    )
    assert not np.isin(together, wrapped).any()

    problem = problem_of(configured("sphere", 0.2, 1.0, 1e-3, 1))
    walks = Walks.in_order(walk(problem, 7, first, 3))
    for k in range(3):
        (alone,) = walk(problem, 7, first + k, 1)
        for name in ("x_seed", "x", "cosine", "scatterings", "fate"):
            np.testing.assert_array_equal(getattr(alone, name), getattr(walks, name)[k : k + 1])


def test_photon_two_to_the_32_plus_one_is_not_photon_one():
    """Streams do not repeat with the period of a 32-bit counter."""
    problem = problem_of(configured("sphere", 0.2, 1.0, 1e-3, 1))
    for period in (2**31, 2**32, 2**53):
        (one,), (other,) = (walk(problem, 7, 1 + offset, 50) for offset in (0, period))
        assert not np.isin(one.cosine[one.scatterings > 0], other.cosine).any()
