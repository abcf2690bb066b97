"""The discriminator of events: blind to exact ones, and able to see what is wrong with others."""

import numpy as np
import pytest

from mcplugin import ScatteringSampler, get_scattering_sampler
from mcplugin.fidelity.event_classifier import discriminate_events, event_cells

PLACES = [(0.3, 0.1), (0.01, 0.2), (0.9, 0.06)]
EVENTS = 150_000
WHICH = np.arange(EVENTS) % len(PLACES)


class Narrow(ScatteringSampler):
    """Exact cosines; photons that lose energy lose 2 % more."""

    name = "narrow"
    theta_range = (0.05, 0.25)
    x_range = (1e-3, 1.0)

    def fill(self, x, theta, streams, x_out, cosine):
        """Change the energies of exact events where they fell."""
        get_scattering_sampler("exact-native").sample(x, theta, streams, (x_out, cosine))
        x_out[x_out < x] *= 0.98

    def quality(self, theta):
        """Nothing is claimed."""
        return {}


def _cells(sampler, seed):
    return event_cells(sampler, PLACES, WHICH, seed, 0)


@pytest.fixture(scope="module")
def exact():
    """Cells of exact events."""
    return _cells(get_scattering_sampler("exact-native"), 241)


def test_exact_events_are_not_told_apart(exact):
    """The AUC of exact against exact is ½ within four standard errors."""
    found = discriminate_events(_cells(get_scattering_sampler("exact"), 242), exact, WHICH, PLACES)
    assert abs(found.auc - 0.5) < 4 * found.null_error
    assert found.draws == EVENTS // 2


def test_cells_of_exact_events_are_uniform_in_the_angle(exact):
    """Six intervals of the angle's rank hold a sixth of the events each, at every place."""
    momentum_cells = 8 * 14
    for place in range(len(PLACES)):
        interval = exact[place == WHICH] // (8 * momentum_cells)
        counts = np.bincount(interval, minlength=6)
        assert np.abs(counts - counts.mean()).max() < 4 * np.sqrt(counts.mean())


def test_energies_that_are_off_are_seen(exact):
    """A change of the smaller energies alone."""
    found = discriminate_events(_cells(Narrow(), 243), exact, WHICH, PLACES)
    assert found.auc > 0.5 + 8 * found.null_error
    assert found.p_value < 1e-9
