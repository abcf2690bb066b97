"""Distance without sampling: none for the exact map, the known one for perturbed maps."""

import numpy as np
import pytest
from scipy import special

from mcplugin import get_sampler
from mcplugin.electrons import maxwell_juttner as mj
from mcplugin.errors import SamplerError, ThetaRangeError
from mcplugin.fidelity import MapDistance, RadialMap, measure_map
from mcplugin.fidelity.map_distance import TAIL_PROBABILITIES, dense_temperatures

THETAS = [1e-4, 0.0237, 1.0, 100.0]


class ExactMap:
    """u = Q_MJ(F_χ3(r)), whose cdf is then moved by the known function ``shift`` of F and 1 - F."""

    def shift(self, below, above):
        """By how much F rises: nothing."""
        return 0.0 * below * above

    def transform(self, radius, theta):
        """Each half by the quantile function of its own tail."""
        below, above = special.gammainc(1.5, radius**2 / 2), special.gammaincc(1.5, radius**2 / 2)
        shift = self.shift(below, above)
        inner = below < 0.5
        return np.where(
            inner,
            mj.quantile(np.where(inner, below + shift, 0.5), theta),
            mj.inverse_survival(np.where(inner, 0.5, above - shift), theta),
        )


class ShiftedMap(ExactMap):
    """F_MJ(T(r)) = F + 4ε F(1 - F): off by ε at the median, and nowhere more."""

    size = 3e-5

    def shift(self, below, above):
        """The smooth bump."""
        return 4 * self.size * below * above


class HotMap(ExactMap):
    """Exact for a temperature 1 % higher."""

    def transform(self, radius, theta):
        """Electrons of another gas."""
        return super().transform(radius, 1.01 * theta)


class FoldedMap(ExactMap):
    """Falls between r = 2 and 2.1, where it should rise."""

    def transform(self, radius, theta):
        """The exact map of a radius that is folded back."""
        return super().transform(np.where((radius > 2) & (radius < 2.1), 4 - radius, radius), theta)


@pytest.mark.parametrize("theta", THETAS)
def test_the_exact_map_has_no_distance(theta):
    """D < 1e-9, exact mean energy and tails, monotone."""
    found = measure_map(ExactMap(), theta)
    assert found.distance < 1e-9
    assert abs(found.mean_energy_error) < 1e-9
    np.testing.assert_allclose(found.tail_ratio, 1.0, atol=1e-5)
    assert found.monotone
    # Smallest at the origin, where both densities are parabolas, √(2/π) r² and u²/(Θ K₂ e^(1/Θ)).
    slope = (np.sqrt(2 / np.pi) * theta * special.kve(2, 1 / theta)) ** (1 / 3)
    assert found.smallest_slope == pytest.approx(slope / np.sqrt(theta), rel=2e-3)


@pytest.mark.parametrize("theta", THETAS)
def test_a_known_distance_is_found(theta):
    """A cdf that is moved by 4ε F(1 - F) has D = ε."""
    found = measure_map(ShiftedMap(), theta)
    assert found.distance == pytest.approx(ShiftedMap.size, rel=1e-4)
    # dS/S = -4ε F in the far tail.
    np.testing.assert_allclose(found.tail_ratio - 1, 4 * ShiftedMap.size, rtol=0.1)


@pytest.mark.parametrize("theta", [1e-3, 0.3, 50.0])
def test_a_hotter_gas(theta):
    """1 % hotter: D, mean energy and tail survival are those of the closed forms."""
    found = measure_map(HotMap(), theta)
    u = mj.quantile(np.linspace(1e-3, 0.999, 2000), theta)
    distance = np.max(np.abs(mj.cdf(u, 1.01 * theta) - mj.cdf(u, theta)))
    assert found.distance == pytest.approx(distance, rel=1e-4)
    energy = mj.moment_kinetic(1, 1.01 * theta) / mj.moment_kinetic(1, theta) - 1
    assert found.mean_energy_error == pytest.approx(energy, rel=1e-6)
    thresholds = mj.inverse_survival(TAIL_PROBABILITIES, theta)
    ratio = mj.survival(thresholds, 1.01 * theta) / TAIL_PROBABILITIES
    np.testing.assert_allclose(found.tail_ratio[0], ratio, rtol=1e-5)


def test_a_fold_is_found():
    """A map that falls somewhere is not monotone, at whichever temperature it does so."""
    found = measure_map(FoldedMap(), 0.3)
    assert found.smallest_slope < 0
    assert not found.monotone
    assert not MapDistance.joined([measure_map(ExactMap(), 0.3), found]).monotone


def test_impossible_maps_are_refused():
    """NaN, negative, wrong shape; temperatures out of range."""
    for give in (np.nan, -1.0, np.ones(3)):

        class Broken:
            def transform(self, radius, theta, give=give):
                return give if np.ndim(give) else np.full(radius.shape, give)

        with pytest.raises(SamplerError, match="radial map at theta"):
            measure_map(Broken(), 0.5)
    with pytest.raises(ThetaRangeError):
        measure_map(ExactMap(), 1e3)


def test_temperatures_are_dense_and_not_round():
    """Both ends, and 400 between that lie apart from one-, two- and three-digit numbers."""
    grid = dense_temperatures(1e-3, 1e2)
    assert (grid[0], grid[-1], grid.size) == (1e-3, 1e2, 402)
    assert (np.diff(grid) > 0).all()
    assert np.max(np.diff(np.log(grid))) < 1.01 * np.log(1e5) / 400
    rounded = np.array([float(f"{theta:.1g}") for theta in grid[1:-1]])
    assert np.min(np.abs(np.log(grid[1:-1] / rounded))) > 1e-5


def test_which_samplers_have_a_radial_map():
    """Those that can transform a radius; rejection draws as many numbers as it needs."""
    assert isinstance(ExactMap(), RadialMap)
    assert not isinstance(get_sampler("rejection"), RadialMap)
