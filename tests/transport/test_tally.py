"""Photons are counted where numpy would sort them, and no fate is mixed with another."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mcplugin.transport.exact_sum import QUANTA_PER_UNIT
from mcplugin.transport.interaction import Effort
from mcplugin.transport.tally import ABSORBING, BIN_QUANTA, CUTTING, ESCAPING, SEED, Grid, Tallying
from mcplugin.transport.walks import ABSORBED, CUT, ESCAPED, Walks


def walks_of(x, seed=1):
    """Photons that end with these energies in every way."""
    random = np.random.default_rng(seed)
    count = len(x)
    return Walks(
        photon=np.arange(count),
        x_seed=random.permutation(x),
        x=np.array(x),
        cosine=random.uniform(-1.0, 1.0, count),
        scatterings=random.integers(0, 9, count).astype(np.int32),
        fate=random.choice([ESCAPED, ABSORBED, CUT], count).astype(np.uint8),
        effort=Effort(electron_draws=3, exact_scatterings=2, sampler_seconds=1.0),
    )


@given(
    st.floats(1e-12, 1e3),
    st.floats(1e-6, 25.0),
    st.sampled_from([1, 2, 7, 120, 5000, 100_000]),
    st.integers(0, 2**32 - 1),
)
@settings(deadline=None, max_examples=60)
def test_bins_are_those_of_a_search(lowest, log_range, bins, seed):
    """Energies on, next to and between the edges, in wide and in very narrow bins."""
    edges = np.geomspace(lowest, lowest * np.exp(log_range), bins + 1)
    if not (np.diff(edges) > 0.0).all():
        return
    random = np.random.default_rng(seed)
    some = random.choice(edges, 40)
    between = random.uniform(0.5 * edges[0], 2.0 * edges[-1], 40)
    beside = np.nextafter(some, 0.0), np.nextafter(some, np.inf)
    x = np.concatenate([some, *beside, between, [5e-324, 1e-100, 1e100]])
    tallying = Tallying(Grid(edges, angle_bins=1, orders=1))
    walks = walks_of(x, seed)
    tallying.add(walks)
    found = tallying.tally()
    expected = np.bincount(np.searchsorted(edges, walks.x_seed, "right"), minlength=bins + 2)
    np.testing.assert_array_equal(found.seeds.count[0], expected)
    escaped = walks.x[walks.fate == ESCAPED]
    expected = np.bincount(np.searchsorted(edges, escaped, "right"), minlength=bins + 2)
    np.testing.assert_array_equal(found.by_angle.count[0], expected)
    np.testing.assert_array_equal(found.by_order.count.sum(axis=0), expected)


def test_rows_and_quanta():
    """Rows of angle and order, energies and their squares in parts of each bin's upper edge."""
    edges = np.geomspace(1e-3, 1.0, 31)
    walks = walks_of(np.random.default_rng(4).uniform(1e-4, 2.0, 5000))
    tallying = Tallying(Grid(edges, angle_bins=5, orders=4))
    for part in (walks[:1], walks[1:1], walks[1:3001], walks[3001:]):
        tallying.add(part)
    found = tallying.tally()
    escaped = walks.fate == ESCAPED
    x, bins = walks.x[escaped], np.searchsorted(edges, walks.x[escaped], "right")
    inside = (bins > 0) & (bins <= 30)
    relative = np.where(inside, x / edges[np.minimum(bins, 30)], 0.0)
    for table, rows in (
        (found.by_angle, (5 * np.abs(walks.cosine[escaped])).astype(int)),
        (found.by_order, np.minimum(walks.scatterings[escaped], 4)),
    ):
        count, energy, square = np.zeros((3, *table.count.shape))
        np.add.at(count, (rows, bins), 1.0)
        np.add.at(energy, (rows, bins), np.floor(relative * BIN_QUANTA + 0.5))
        np.add.at(square, (rows, bins), np.floor(relative * relative * BIN_QUANTA + 0.5))
        np.testing.assert_array_equal(table.count, count)
        np.testing.assert_array_equal(table.energy, energy)
        np.testing.assert_array_equal(table.energy_squared, square)
        assert (table.energy[:, [0, -1]] == 0.0).all()


def test_fates_and_totals():
    """Numbers, energies and effort of each fate, exactly."""
    walks = walks_of(np.random.default_rng(5).exponential(size=3000))
    tallying = Tallying(Grid(np.geomspace(1e-3, 10.0, 11), angle_bins=2, orders=3))
    tallying.add(walks[:1000])
    tallying.add(walks[1000:])
    found = tallying.tally()
    assert (found.escaped, found.absorbed, found.cut) == tuple(np.bincount(walks.fate))
    assert found.photons == 3000
    assert found.scatterings == walks.scatterings.sum()
    assert (found.electron_draws, found.exact_scatterings) == (6, 4)
    for which, energies in (
        (SEED, walks.x_seed),
        (ESCAPING, walks.x[walks.fate == ESCAPED]),
        (ABSORBING, walks.x[walks.fate == ABSORBED]),
        (CUTTING, walks.x[walks.fate == CUT]),
    ):
        assert Fraction(found.totals[which], QUANTA_PER_UNIT) == sum(map(Fraction, energies))


@pytest.mark.parametrize("fate", [ESCAPED, ABSORBED, CUT])
def test_photons_of_one_fate(fate):
    """They are picked in order, whether some, all or none are of that fate."""
    walks = walks_of(np.arange(1.0, 101.0))
    np.testing.assert_array_equal(walks.that(fate).x, walks.x[walks.fate == fate])
    same = walks[np.flatnonzero(walks.fate == fate)]
    np.testing.assert_array_equal(same.that(fate).photon, same.photon)
    assert same.that((fate + 1) % 3).x.size == 0


def test_walks_in_order():
    """Parts that ended in any order are joined in that of the photons."""
    walks = walks_of(np.arange(1.0, 101.0))
    mixed = walks[np.random.default_rng(6).permutation(100)]
    joined = Walks.in_order([mixed[:30], mixed[30:31], mixed[31:]])
    for name in ("photon", "x_seed", "x", "cosine", "scatterings", "fate"):
        np.testing.assert_array_equal(getattr(joined, name), getattr(walks, name))
    assert joined.effort == Effort(electron_draws=9, exact_scatterings=6, sampler_seconds=3.0)
