"""Flights and turns in the reduced coordinates, against vectors in three dimensions."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mcplugin import random_streams
from mcplugin.transport import geometry

places = st.floats(0.0, 1.0)
cosines = st.floats(-1.0, 1.0)


@given(places, cosines, st.floats(0.0, 1.0))
@settings(deadline=None, max_examples=300)
def test_flight_in_a_sphere(place, mu, share):
    """Radius and cosine after a flight are those of the vectors; it ends inside."""
    position = np.array([0.0, 0.0, place])
    direction = np.array([np.sqrt(1 - mu**2), 0.0, mu])
    way_out = geometry.distance_to_surface(geometry.SPHERE_CENTRE, place, mu)
    assert np.linalg.norm(position + way_out * direction) == pytest.approx(1.0, abs=1e-7)
    end = position + share * way_out * direction
    radius, cosine = geometry.move(geometry.SPHERE_CENTRE, place, mu, share * way_out)
    assert radius == pytest.approx(min(np.linalg.norm(end), 1.0), abs=1e-12)
    if radius > 1e-6:
        assert cosine == pytest.approx(end @ direction / np.linalg.norm(end), abs=1e-9)
    leaving = position + way_out * direction
    assert geometry.surface_cosine(geometry.SPHERE_CENTRE, place, mu) == pytest.approx(
        leaving @ direction, abs=1e-7
    )


@given(places, cosines.filter(lambda mu: mu == 0.0 or abs(mu) > 1e-12), st.floats(0.0, 1.0))
@settings(deadline=None, max_examples=300)
def test_flight_in_a_slab(place, mu, share):
    """Heights stay in [0, 1]; a photon along the slab never leaves."""
    way_out = geometry.distance_to_surface(geometry.SLAB_BASE, place, mu)
    if mu == 0.0:
        assert way_out == np.inf
        return
    height, cosine = geometry.move(geometry.SLAB_BASE, place, mu, share * min(way_out, 1e300))
    assert 0.0 <= height <= 1.0
    assert cosine == mu
    assert place + mu * way_out == pytest.approx(1.0 if mu > 0 else 0.0, abs=1e-9)


@pytest.mark.parametrize("mu", [1.0, -1.0, 0.999999999, 0.0, -0.3])
@pytest.mark.parametrize("cosine", [1.0, -1.0, 0.5, -0.999999, 1 - 1e-15])
def test_turn(mu, cosine):
    """Mean and spread of the new μ: ⟨μ'⟩ = μ cos, ⟨(μ' - ⟨μ'⟩)²⟩ = ½(1 - μ²)(1 - cos²).

    At the poles μ = ±1 the new cosine is ±cos exactly, whatever the azimuth.
    """
    streams = random_streams(95, 100_000)
    new = np.array([geometry.turn(mu, cosine, streams, i) for i in range(len(streams))])
    assert (np.abs(new) <= 1.0).all()
    variance = 0.5 * (1 - mu**2) * (1 - cosine**2)
    assert abs(new.mean() - mu * cosine) < 5 * np.sqrt(variance / new.size) + 1e-15
    assert np.mean((new - mu * cosine) ** 2) == pytest.approx(variance, rel=0.03, abs=1e-15)
    if abs(mu) == 1.0:
        assert (new == mu * cosine).all()


@pytest.mark.parametrize("entry", range(5))
def test_entry(entry):
    """Seeds start inside the cloud, surface seeds on it and inwards, base seeds upwards."""
    streams = random_streams(96, 20_000)
    place, mu = np.array([geometry.enter(entry, streams, i) for i in range(len(streams))]).T
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
