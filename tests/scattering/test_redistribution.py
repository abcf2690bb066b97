"""The law of whole Compton events: kinematics, normalisation, detailed balance, known limits."""

import mpmath
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from mcplugin import random_streams
from mcplugin.errors import InputError, ThetaRangeError
from mcplugin.scattering import cross_section, hot_cross_section
from mcplugin.scattering.compton import REFUSED, scatter_off_electron
from mcplugin.scattering.redistribution import energy_ratio, event_density, momentum_of

EPSILON = np.finfo(float).eps
MOMENTA = st.floats(-10.0, 10.0)
DEFLECTIONS = st.floats(-8.0, 0.0).map(lambda v: 10.0**v)
ENERGIES = st.just(0.0) | st.floats(-8.0, 2.0).map(lambda v: 10.0**v)
TEMPERATURES = st.floats(-4.0, 2.0).map(lambda v: 10.0**v)


@given(MOMENTA, DEFLECTIONS, ENERGIES.filter(bool), TEMPERATURES)
@settings(max_examples=150, deadline=None)
def test_energy_and_momentum_are_conserved(zeta, h, x, theta):
    """The electron of ζ, moving along k - k', is an electron afterwards: γ'² - p'² = 1.

    That is γ(x - x') - p|k - k'| = xx'(1 - cos), to rounding of the largest term. Its energy bounds
    the gain, x' <= x + γ - 1, and its Doppler factors bound the loss.
    """
    ratio = float(energy_ratio(zeta, h, x, theta))
    kinetic = 0.5 * theta * zeta**2
    gamma = 1 + kinetic
    p = zeta * np.sqrt(theta * (1 + 0.25 * theta * zeta**2))
    loss, recoil = 1 - ratio, 2 * h * x * ratio
    transfer = np.sqrt(loss**2 + 4 * h * ratio)
    terms = (gamma * loss, -p * transfer, -recoil)
    assert abs(sum(terms)) <= 20 * EPSILON * (gamma * (1 + ratio) + abs(p) * transfer + recoil)
    assert x * ratio <= (x + kinetic) * (1 + 1e-12)
    fastest = gamma + abs(p)
    assert ratio >= (1 - 1e-12) / (fastest**2 + 2 * x * fastest)


@given(MOMENTA, DEFLECTIONS, ENERGIES, TEMPERATURES)
@settings(max_examples=150, deadline=None)
def test_momentum_tells_the_ratio_and_is_told_by_it(zeta, h, x, theta):
    """Both round trips, to 1e-12; ζ to what the last digits of the ratio are worth.

    (x, x') is turned into (x', x) by the electron that is left behind, with the energy γ + x - x'.
    """
    ratio = energy_ratio(zeta, h, x, theta)
    back = momentum_of(ratio, h, x, theta)
    assert float(energy_ratio(back, h, x, theta)) == pytest.approx(float(ratio), rel=1e-12)
    assert float(back) == pytest.approx(zeta, rel=1e-12, abs=4 * EPSILON / np.sqrt(h * theta))
    assume(ratio * x <= 100)
    after = 0.5 * theta * momentum_of(1 / ratio, h, x * ratio, theta) ** 2
    scale = 1 + 0.5 * theta * zeta**2 + x * (1 + ratio) + 1 / h
    assert float(after) == pytest.approx(
        0.5 * theta * zeta**2 + x * float(1 - ratio), rel=1e-9, abs=1e-14 * float(scale)
    )


@pytest.mark.parametrize("u", [0.01, 0.5, 3.0, 30.0])
@pytest.mark.parametrize("x", [1e-4, 0.3, 10.0])
def test_no_lighter_electron_can_do_it(x, u):
    """Events of electrons of one energy γ have 1 + Θζ²/2 <= γ, and reach it.

    The temperature is but the unit of ζ² here. Rounding of h and x' is allowed for.
    """
    streams = random_streams(41, 2000)
    events = np.array([scatter_off_electron(x, u, streams, i) for i in range(len(streams))])
    x_out, cosine = events[events[:, 1] != REFUSED].T
    h = 0.5 * (1 - cosine)
    assert h.min() > 1e-6
    least = 0.5 * momentum_of(x_out / x, h, x, 1.0) ** 2
    kinetic = np.sqrt(1 + u**2) - 1
    assert np.all(least <= kinetic * (1 + 1e-8) + 1e-12)
    assert least.max() > 0.9 * kinetic


def test_electron_at_rest_is_compton():
    """ζ = 0: x'/x = 1/(1 + x(1 - cos)) at any temperature."""
    h = np.linspace(0, 1, 11)[:, None]
    x = np.array([0.0, 1e-6, 0.1, 1.0, 100.0])
    for theta in (1e-4, 1.0, 100.0):
        np.testing.assert_allclose(energy_ratio(0.0, h, x, theta), 1 / (1 + 2 * x * h), rtol=1e-15)


@pytest.mark.parametrize("theta", [1e-4, 0.03, 1.0, 10.0, 100.0])
@pytest.mark.parametrize("x", [0.0, 1e-3, 1.0, 10.0, 100.0])
def test_all_events_make_the_hot_cross_section(x, theta):
    """∫ P dζ dh = 1 to 1e-9, P being the rate of events over the thermal cross-section.

    On a grid even in ζ, and by Gauss-Legendre in a sigmoid of h.
    """
    zeta, step = np.linspace(-12, 12, 481, retstep=True)
    v, weights = np.polynomial.legendre.leggauss(80)
    v, weights = 0.5 * (v + 1), 0.5 * weights
    s, slope = v * v * (3 - 2 * v), 6 * v * (1 - v)
    spread = s + (1 + 2 * x) * (1 - s)
    weights *= slope * (1 + 2 * x) / spread**2
    density = event_density(zeta, (s / spread)[:, None], x, theta)
    assert step * float(weights @ density.sum(axis=1)) == pytest.approx(1.0, abs=1e-9)


def _by_definition(zeta, h, x, theta):
    """P(ζ, h) from the invariants in 30 digits, nothing rearranged: electrons of γ = cosh w + Θt.

    For a given γ, conservation fixes the momentum along the transfer, p_∥ = (γ(x - x') - q)/Q. With
    ξ = A - B cos φ, the azimuthal means are ⟨1/ξ⟩ = 1/√(A² - B²) and ⟨1/ξ²⟩ = A/(A² - B²)^(3/2).
    The rate 3/(16x) x'dx' 2dh ∫ dγ f(γ)/(Qγ²β) ⟨F⟩, f(γ)/(γ²β) = exp(-γ/Θ)/(Θ K₂), is per unit x'.
    """
    zeta, h, x, theta = map(mpmath.mpf, (zeta, h, x, theta))

    def scattered(momentum):
        w = 2 * mpmath.asinh(0.5 * momentum * mpmath.sqrt(theta))
        gamma, p = mpmath.cosh(w), mpmath.sinh(w)
        b = 1 + 2 * h * (gamma * x + p**2)
        c = 1 + 4 * h * x * (gamma + h * x)
        return x / (b + mpmath.sign(p) * mpmath.sqrt(b**2 - c)), gamma

    x_out, least = scattered(zeta)
    q = 2 * x * x_out * h
    transfer = mpmath.sqrt((x - x_out) ** 2 + 2 * q)
    cosine = (x - x_out * (1 - 2 * h)) / transfer
    cosine_out = (x * (1 - 2 * h) - x_out) / transfer
    sine = mpmath.sqrt(1 - cosine**2)

    def mean_of_f(t):
        gamma = least + theta * t
        along = (gamma * (x - x_out) - q) / transfer
        across_squared = gamma**2 - 1 - along**2
        swing_squared = (x * sine) ** 2 * across_squared
        before, after = x * (gamma - along * cosine), x_out * (gamma - along * cosine_out)
        root, root_out = (mpmath.sqrt(each**2 - swing_squared) for each in (before, after))
        inverse = (1 / root_out - 1 / root) / q
        inverse_squared = (before / root**3 + after / root_out**3 - 2 * inverse) / q**2
        return 2 + (q**2 - 2 * q) * inverse + q**2 * inverse_squared

    ends = [0, 1e-4, 1e-2, 0.1, 0.5, 2, 8, 30, 80]
    mean = mpmath.quad(lambda t: mpmath.exp(-t) * mean_of_f(t), ends)
    slope = abs(mpmath.diff(lambda momentum: scattered(momentum)[0], zeta))
    density = mpmath.exp(-least / theta) / mpmath.besselk(2, 1 / theta) * mean
    rate = 3 * x_out * slope / (8 * x * transfer) * density
    return float(rate) / float(hot_cross_section(float(x), float(theta)))


@pytest.mark.parametrize(
    ("zeta", "h", "x", "theta"),
    [
        (0.3, 0.5, 0.1, 0.2), (-6.0, 0.999, 10.0, 10.0), (4.0, 1e-3, 1.0, 1e-3),
        (-2.0, 1e-6, 1e-3, 1e-4), (-8.0, 1 - 1e-9, 100.0, 100.0), (-6.0, 0.5, 100.0, 1.0),
    ],
)  # fmt: skip
def test_density_is_what_it_is_defined_as(zeta, h, x, theta):
    """The rearranged density against the definition in 30 digits, to 1e-9."""
    with mpmath.workdps(30):
        expected = _by_definition(zeta, h, x, theta)
    assert float(event_density(zeta, h, x, theta)) == pytest.approx(expected, rel=1e-9)


@given(MOMENTA.map(lambda zeta: 0.5 * zeta), DEFLECTIONS, ENERGIES.filter(bool), TEMPERATURES)
@settings(max_examples=100, deadline=None)
def test_detailed_balance(zeta, h, x, theta):
    """x² exp(-x/Θ) σ(x → x', h) = x'² exp(-x'/Θ) σ(x' → x, h), to 1e-6.

    The rate per unit x' is σ P |dζ/dx'|, with the slope by Richardson's differences of ζ. Photons
    that gain so much that there is none to go back are left out.
    """
    assume(h > 1e-5)
    x_out = x * float(energy_ratio(zeta, h, x, theta))
    assume(1e-8 < x_out < 100 and abs(x - x_out) < 50 * theta)

    def rate(start, end):
        def slope(step):
            ends = end * np.array([1 + step, 1 - step]) / start
            return float(-np.diff(momentum_of(ends, h, start, theta))[0]) / (2 * step * end)

        step = 1e-3 * np.sqrt(h * min(1.0, theta))
        jacobian = abs(4 * slope(step) - slope(2 * step)) / 3
        momentum = momentum_of(end / start, h, start, theta)
        sigma = float(hot_cross_section(start, theta))
        return sigma * float(event_density(momentum, h, start, theta)) * jacobian

    forth = x**2 * rate(x, x_out)
    back = x_out**2 * np.exp((x - x_out) / theta) * rate(x_out, x)
    assert back == pytest.approx(forth, rel=1e-6)


@pytest.mark.parametrize("x", [0.0, 0.1, 1.0, 10.0])
def test_cold_electrons_scatter_by_klein_nishina(x):
    """Θ → 0: ζ is standard normal and h follows Klein & Nishina, whose σ is then 1 by 1.

    P(ζ, h) tends to φ(ζ) (3/4) k² (k + 1/k - 4h(1 - h))/σ, k = 1/(1 + 2xh), linearly in √Θ; the
    part that is odd in ζ drops out of P(ζ) + P(-ζ), which leaves a term in Θ.
    """
    h = np.linspace(0, 1, 21)
    k = 1 / (1 + 2 * x * h)
    klein_nishina = 0.75 * k**2 * (k + 1 / k - 4 * h * (1 - h)) / cross_section(x)
    for zeta in (0.0, 0.7, 2.0):
        normal = np.exp(-0.5 * zeta**2) / np.sqrt(2 * np.pi)
        even = [
            0.5 * (event_density(zeta, h, x, theta) + event_density(-zeta, h, x, theta))
            / (normal * klein_nishina) - 1
            for theta in (1e-4, 2e-4)
        ]  # fmt: skip
        assert np.abs(2 * even[0] - even[1]).max() < 1e-4
        assert np.abs(even[0]).max() < 0.02


def test_soft_photons_scatter_by_rayleigh():
    """x = 0: the phase function is (3/8)(1 + μ² + 2Θ(1 - 2μ - 3μ² + 2μ³)) to first order in Θ.

    Sazonov & Sunyaev (2000, ApJ 543, 28); what is left over is of second order.
    """
    mu = np.linspace(-1, 1, 21)
    zeta, step = np.linspace(-10, 10, 201, retstep=True)
    for theta in (1e-4, 1e-3):
        density = event_density(zeta, 0.5 * (1 - mu)[:, None], 0.0, theta).sum(axis=1) * step / 2
        first_order = 2 * (1 - 2 * mu - 3 * mu**2 + 2 * mu**3)
        expected = 0.375 * (1 + mu**2 + theta * first_order)
        np.testing.assert_allclose(density, expected, atol=20 * theta**2)


def test_thomson_limit_is_reached():
    """x → 0: nothing depends on x any more, and the first correction is linear."""
    zeta, h = np.linspace(-6, 6, 13), np.array([[0.01], [0.5], [1.0]])
    for theta in (1e-3, 0.3, 10.0):
        at_zero = event_density(zeta, h, 0.0, theta)
        excess = [event_density(zeta, h, x, theta) / at_zero - 1 for x in (1e-8, 2e-8)]
        np.testing.assert_allclose(excess[1], 2 * excess[0], rtol=1e-3, atol=1e-11)


def test_the_extremes_are_finite():
    """At the corners of the domain the density and the ratio are numbers."""
    zeta = np.array([-38.0, 0.0, 38.0])[:, None]
    h = np.array([0.0, 5e-324, 1e-30, 0.5, 1 - 1e-16, 1.0])
    for x in (0.0, 5e-324, 1e-300, 100.0):
        for theta in (1e-4, 100.0):
            density = event_density(zeta, h, x, theta)
            assert np.isfinite(density).all()
            assert (density[1] > 0).all()
            assert (energy_ratio(zeta, h, x, theta) > 0).all()
    ends = momentum_of(np.array([1e-100, 1e100])[:, None], np.array([1e-100, 1.0]), 100.0, 1e-4)
    assert np.isfinite(ends).all()


@pytest.mark.parametrize(
    ("call", "error", "said"),
    [
        (lambda: energy_ratio(39.0, 0.5, 1.0, 1.0), InputError, "zeta = 39"),
        (lambda: energy_ratio(0.0, 1.1, 1.0, 1.0), InputError, "h = 1.1"),
        (lambda: energy_ratio(0.0, 0.5, 101.0, 1.0), InputError, "x = 101"),
        (lambda: energy_ratio(0.0, 0.5, 1.0, 1e-5), ThetaRangeError, "theta = 1e-05"),
        (lambda: energy_ratio([0, 1], [0.1] * 3, 1.0, 1.0), InputError, r"\(2,\).*\(3,\)"),
        (lambda: momentum_of(0.0, 0.5, 1.0, 1.0), InputError, "ratio = 0"),
        (lambda: momentum_of(1.0, 0.0, 1.0, 1.0), InputError, "h = 0"),
        (lambda: event_density(np.nan, 0.5, 1.0, 1.0), InputError, "nan"),
        (lambda: event_density(0.0, 0.5, [1.0], 1.0), InputError, r"x must be one number"),
        (lambda: event_density(0.0, 0.5, 1.0, [1.0]), InputError, r"theta must be one number"),
    ],
)
def test_bad_input(call, error, said):
    """Each refusal names the value and the range, or the shapes."""
    with pytest.raises(error, match=said):
        call()
