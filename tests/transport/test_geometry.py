"""Flights and turns in the reduced coordinates, against vectors in three dimensions."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mcplugin import random_streams
from mcplugin.random_streams import cosine_from
from mcplugin.scattering.compton import REFUSED
from mcplugin.scattering.hot_cross_section import HotCrossSectionTable
from mcplugin.transport import geometry
from mcplugin.transport.flight import fly

cosines = st.floats(-1.0, 1.0)


@given(st.floats(0.0, 1.0), cosines, st.floats(0.0, 2.0))
@settings(deadline=None, max_examples=300)
def test_flight_in_a_sphere(radius, mu, share):
    """The products of vectors after a flight are those of the vectors; a longer one leaves."""
    position = np.array([0.0, 0.0, radius])
    direction = np.array([np.sqrt(1 - mu**2), 0.0, mu])
    across = position @ direction
    way_out = np.sqrt(max(1.0 - radius**2 + across**2, 0.0)) - across
    leaving = position + way_out * direction
    end = position + share * way_out * direction
    place, along, exit_cosine = geometry.in_sphere(radius**2, radius * mu, share * way_out)
    if abs(share - 1.0) * way_out < 1e-7:
        return
    if share > 1.0:
        assert exit_cosine == pytest.approx(leaving @ direction, abs=1e-7)
        return
    assert exit_cosine == geometry.INSIDE
    assert place == pytest.approx(end @ end, abs=1e-12)
    assert along == pytest.approx(end @ direction, abs=1e-12)


@given(st.floats(1e-9, 1.0 - 1e-9), cosines, st.floats(0.0, 1e6))
@settings(deadline=None, max_examples=300)
def test_flight_in_a_slab(place, mu, length):
    """A photon leaves where its height would leave [0, 1]; one along the slab never does."""
    height, cosine, exit_cosine = geometry.in_slab(place, mu, length)
    assert cosine == mu
    assert height == place + mu * length
    if 0.0 < height < 1.0:
        assert exit_cosine == geometry.INSIDE
    else:
        assert exit_cosine == mu
        assert mu != 0.0


@pytest.mark.parametrize("mu", [1.0, -1.0, 0.999999999, 0.0, -0.3])
@pytest.mark.parametrize("cosine", [1.0, -1.0, 0.5, -0.999999, 1 - 1e-15])
def test_turn(mu, cosine):
    """Mean and spread of the new μ: ⟨μ'⟩ = μ cos, ⟨(μ' - ⟨μ'⟩)²⟩ = ½(1 - μ²)(1 - cos²).

    At the poles μ = ±1 the new cosine is ±cos exactly, whatever the azimuth. A vector of another
    length than 1 has a product in proportion.
    """
    bits = np.random.default_rng(95).integers(0, 2**64, 100_000, dtype=np.uint64)
    new = np.array([geometry.turned(mu, 1.0, cosine, cosine_from(word)) for word in bits])
    assert (np.abs(new) <= 1.0 + 1e-15).all()
    variance = 0.5 * (1 - mu**2) * (1 - cosine**2)
    assert abs(new.mean() - mu * cosine) < 5 * np.sqrt(variance / new.size) + 1e-15
    assert np.mean((new - mu * cosine) ** 2) == pytest.approx(variance, rel=0.03, abs=1e-15)
    if abs(mu) == 1.0:
        assert (new == mu * cosine).all()
    short = np.array([geometry.turned(mu / 4, 1 / 16, cosine, cosine_from(w)) for w in bits[:9]])
    np.testing.assert_array_equal(4.0 * short, new[:9])


def test_flights_of_many_are_those_of_one():
    """SIMD or not, in whatever place of an array: the same bits; refused photons stay."""
    rng = np.random.default_rng(97)
    table = HotCrossSectionTable.at(0.2)
    count = 1003
    for entry in (geometry.SPHERE_CENTRE, geometry.SLAB_BASE):
        x, cosine = np.exp(rng.normal(-5, 3, count)), rng.uniform(-1, 1, count)
        cosine[::5] = REFUSED
        place, along = rng.random(count), rng.uniform(-1, 1, count)
        if entry == geometry.SPHERE_CENTRE:
            along *= np.sqrt(place)

        def flown(rows, entry=entry, x=x, cosine=cosine, place=place, along=along):
            streams = random_streams(98, count)[rows].copy()
            ends = place[rows].copy(), along[rows].copy()
            words = np.empty((2, len(streams)), dtype=np.uint64)
            exit_cosine = np.empty(len(streams))
            fly(
                entry, 0.7, table.values, table.slopes, x[rows].copy(), cosine[rows].copy(),
                streams, *ends, words[0].copy(), words[1].copy(), exit_cosine,
            )  # fmt: skip
            return np.column_stack([*ends, exit_cosine, streams.view(np.float64)])

        together = flown(np.arange(count))
        for begin, size in ((0, 1), (3, 17), (500, 503)):
            rows = np.arange(begin, begin + size)
            assert np.array_equal(flown(rows).view(np.uint64), together[rows].view(np.uint64))
        stayed = cosine == REFUSED
        assert np.array_equal(together[stayed, 0], place[stayed])
        assert np.array_equal(together[stayed, 1], along[stayed])
        assert (together[stayed, 2] == geometry.INSIDE).all()
        assert (together[~stayed, 2] != geometry.INSIDE).any()


@pytest.mark.parametrize("entry", range(5))
def test_entry(entry):
    """Seeds start inside the cloud, surface seeds on it and inwards, base seeds upwards."""
    streams = random_streams(96, 20_000)
    place, mu = np.empty((2, len(streams)))
    geometry.enter(entry, streams, place, mu)
    assert (place >= 0).all()
    assert (place <= 1).all()
    assert (np.abs(mu) <= 1).all()
    if entry == geometry.SPHERE_SURFACE:
        assert (place == 1).all()
        assert (mu < 0).all()
    if entry == geometry.SLAB_BASE:
        assert (place == 0).all()
        assert (mu > 0).all()
    if entry in (geometry.SPHERE_SURFACE, geometry.SLAB_BASE):
        # Isotropic intensity: flux ∝ μ, ⟨|μ|⟩ = 2/3.
        assert abs(np.abs(mu).mean() - 2 / 3) < 5 * mu.std() / np.sqrt(mu.size)
