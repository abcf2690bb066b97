"""The Maxwell-Jüttner functions against 30-digit integrals and identities."""

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mcplugin.electrons import maxwell_juttner as mj
from mcplugin.errors import InputError, ThetaRangeError

THETAS = [1e-4, 1e-3, 1e-2, 0.1, 1.0, 10.0, 100.0]
TOLERANCE = 1e-10

thetas = st.floats(-4.0, 2.0).map(lambda v: min(max(10.0**v, 1e-4), 1e2))
probabilities = st.floats(1e-12, 1.0 - 1e-12)


def _normalisation(theta):
    return theta * mpmath.besselk(2, 1 / theta) * mpmath.exp(1 / theta)


def _density_in_rapidity(theta):
    norm = _normalisation(theta)
    return lambda w: (
        mpmath.cosh(w)
        * mpmath.sinh(w) ** 2
        * mpmath.exp(-2 * mpmath.sinh(w / 2) ** 2 / theta)
        / norm
    )


def _exact_survival(u, theta):
    """∫ f over rapidity by adaptive quadrature with 30 digits."""
    with mpmath.workdps(30):
        theta = mpmath.mpf(theta)
        low = mpmath.asinh(mpmath.mpf(u))
        kinetic = 2 * mpmath.sinh(low / 2) ** 2 / theta
        ends = [
            2 * mpmath.asinh(mpmath.sqrt(theta * (kinetic + d) / 2))
            for d in (1, 4, 10, 25, 60, 150)
        ]
        return mpmath.quad(_density_in_rapidity(theta), [low, *ends])


def _exact_cdf(u, theta):
    with mpmath.workdps(30):
        theta = mpmath.mpf(theta)
        return mpmath.quad(
            _density_in_rapidity(theta), mpmath.linspace(0, mpmath.asinh(mpmath.mpf(u)), 6)
        )


@pytest.mark.parametrize("theta", THETAS)
@pytest.mark.parametrize("upper", [1e-15, 1e-9, 1e-3, 0.1, 0.5, 0.9, 1 - 1e-6])
def test_survival_and_its_inverse(theta, upper):
    """Relative error at most 1e-10 from the bulk to survival 1e-15."""
    u = float(mj.inverse_survival(upper, theta))
    assert float(mj.survival(u, theta)) == pytest.approx(
        float(_exact_survival(u, theta)), rel=TOLERANCE
    )
    assert float(_exact_survival(u, theta)) == pytest.approx(upper, rel=TOLERANCE)


@pytest.mark.parametrize("theta", THETAS)
@pytest.mark.parametrize("lower", [1e-15, 1e-9, 1e-3, 0.3, 0.7, 0.999])
def test_cdf_and_quantile(theta, lower):
    """Relative error at most 1e-10, also for the slowest electrons."""
    u = float(mj.quantile(lower, theta))
    assert float(mj.cdf(u, theta)) == pytest.approx(float(_exact_cdf(u, theta)), rel=TOLERANCE)
    assert float(_exact_cdf(u, theta)) == pytest.approx(lower, rel=TOLERANCE)


@pytest.mark.parametrize("theta", THETAS)
def test_pdf(theta):
    """f(u) = u² exp(-γ/Θ)/(ΘK₂(1/Θ)), Jüttner (1911)."""
    u = mj.quantile(np.array([1e-9, 0.1, 0.5, 0.9, 1 - 1e-12]), theta)
    with mpmath.workdps(30):
        t = mpmath.mpf(theta)
        exact = [
            float(
                mpmath.mpf(v) ** 2
                * mpmath.exp(-(mpmath.sqrt(1 + mpmath.mpf(v) ** 2) - 1) / t)
                / _normalisation(t)
            )
            for v in u
        ]
    np.testing.assert_allclose(mj.pdf(u, theta), exact, rtol=TOLERANCE)


@pytest.mark.parametrize("theta", THETAS)
def test_moments(theta):
    """⟨γ⟩, ⟨u⟩, ⟨β⟩, ⟨uⁿ⟩ and ⟨(γ-1)ⁿ⟩ against direct integrals."""
    with mpmath.workdps(30):
        t = mpmath.mpf(theta)
        density = _density_in_rapidity(t)
        ends = [2 * mpmath.asinh(mpmath.sqrt(t * d / 2)) for d in (0, 1, 3, 8, 20, 50, 150)]

        def mean(quantity):
            return float(mpmath.quad(lambda w: density(w) * quantity(w), ends))

        expected = {
            "gamma": mean(mpmath.cosh),
            "u": mean(mpmath.sinh),
            "beta": mean(mpmath.tanh),
            **{n: mean(lambda w, n=n: mpmath.sinh(w) ** n) for n in (-2, -1, 2, 3, 4, 2.5)},
            **{
                f"kinetic{n}": mean(lambda w, n=n: (2 * mpmath.sinh(w / 2) ** 2) ** n)
                for n in (-0.5, 1, 2, 3, 4)
            },
        }
    assert float(mj.mean_gamma(theta)) == pytest.approx(expected["gamma"], rel=TOLERANCE)
    assert float(mj.mean_u(theta)) == pytest.approx(expected["u"], rel=TOLERANCE)
    assert float(mj.mean_beta(theta)) == pytest.approx(expected["beta"], rel=TOLERANCE)
    for n in (-2, -1, 2, 3, 4, 2.5):
        assert float(mj.moment_u(n, theta)) == pytest.approx(expected[n], rel=TOLERANCE)
    for n in (-0.5, 1, 2, 3, 4):
        assert float(mj.moment_kinetic(n, theta)) == pytest.approx(
            expected[f"kinetic{n}"], rel=TOLERANCE
        )


def test_cold_limit_is_maxwellian():
    """As Θ → 0, u/√Θ is chi-distributed with 3 degrees of freedom, to first order in Θ."""
    from scipy import stats

    p = np.linspace(0.01, 0.99, 50)
    scaled = mj.quantile(p, 1e-4) / 1e-2
    assert np.max(np.abs(scaled / stats.chi(3).ppf(p) - 1.0)) < 5e-4


def test_hot_limit_is_gamma():
    """As Θ → ∞, u/Θ is gamma-distributed with shape 3, to first order in 1/Θ²."""
    from scipy import stats

    p = np.linspace(0.01, 0.99, 50)
    scaled = mj.quantile(p, 100.0) / 100.0
    assert np.max(np.abs(scaled / stats.gamma(3).ppf(p) - 1.0)) < 1e-3


@given(thetas, probabilities)
@settings(max_examples=60, deadline=None)
def test_cdf_and_survival_sum_to_one(theta, p):
    """F(Q(p)) = p and F + S = 1 at any temperature."""
    u = mj.quantile(p, theta)
    assert float(mj.cdf(u, theta)) == pytest.approx(p, rel=1e-11)
    assert float(mj.cdf(u, theta) + mj.survival(u, theta)) == pytest.approx(1.0, abs=1e-14)


@given(thetas, probabilities, probabilities)
@settings(max_examples=60, deadline=None)
def test_quantile_is_increasing(theta, p, q):
    """A larger probability gives a larger four-velocity, to the rounding of the last digits."""
    low, high = mj.quantile(np.array([min(p, q), max(p, q)]), theta)
    assert low <= high * (1.0 + 1e-14)


def test_ends_and_broadcasting():
    """Probability 0 and 1, negative u, and (3, 1) against (2,)."""
    assert mj.quantile(0.0, 1.0) == 0.0
    assert mj.quantile(1.0, 1.0) == np.inf
    assert mj.inverse_survival(0.0, 1.0) == np.inf
    assert mj.inverse_survival(1.0, 1.0) == 0.0
    assert mj.pdf(-1.0, 1.0) == 0.0
    assert mj.cdf(-1.0, 1.0) == 0.0
    assert mj.survival(-1.0, 1.0) == 1.0
    assert mj.cdf(np.ones((3, 1)), np.array([0.1, 1.0])).shape == (3, 2)


@pytest.mark.parametrize(
    ("call", "error", "said"),
    [
        (lambda: mj.pdf(1.0, 0.0), ThetaRangeError, "theta = 0 "),
        (lambda: mj.pdf(1.0, 101.0), ThetaRangeError, "101"),
        (lambda: mj.pdf(1.0, -1.0), ThetaRangeError, "-1"),
        (lambda: mj.pdf(1.0, np.nan), InputError, "nan"),
        (lambda: mj.cdf(np.inf, 1.0), InputError, "inf"),
        (lambda: mj.cdf("fast", 1.0), InputError, "real numbers"),
        (lambda: mj.survival(1j, 1.0), InputError, "real numbers"),
        (lambda: mj.quantile(-0.1, 1.0), InputError, "-0.1"),
        (lambda: mj.quantile(1.1, 1.0), InputError, "1.1"),
        (lambda: mj.inverse_survival(np.nan, 1.0), InputError, "nan"),
        (lambda: mj.moment_u(-3.0, 1.0), InputError, "-3"),
        (lambda: mj.moment_u(101, 1.0), InputError, "101"),
        (lambda: mj.moment_kinetic(-1.5, 1.0), InputError, "-1.5"),
        (lambda: mj.mean_gamma(1e-5), ThetaRangeError, "1e-05"),
        (lambda: mj.mean_u(np.inf), InputError, "inf"),
        (lambda: mj.mean_beta(None), InputError, "real numbers"),
    ],
)
def test_bad_input(call, error, said):
    """Each refusal names the value."""
    with pytest.raises(error, match=said):
        call()
