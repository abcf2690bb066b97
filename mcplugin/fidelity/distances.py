"""Distances between drawn electrons and the exact distribution."""

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats
from scipy.interpolate import CubicHermiteSpline

from mcplugin.domain import array_within, temperature
from mcplugin.electrons import maxwell_juttner

Array = NDArray[np.float64]

# Beyond this survival probability the interpolated cdf is 1.
_TAIL = 1e-18
_NODES = 4000


def exact_cdf(theta: float) -> Callable[[ArrayLike], Array]:
    """A Maxwell-Jüttner cdf that is fast on millions of draws.

    Parameters
    ----------
    theta : float
        Temperature, 1e-4 to 100.

    Returns
    -------
    callable
        Maps u >= 0 to the cdf, within 1e-11, by cubic interpolation of
        :func:`~mcplugin.electrons.maxwell_juttner.cdf` between 4000 rapidities with exact slopes.
    """
    theta = float(temperature(theta))
    top = float(np.arcsinh(maxwell_juttner.inverse_survival(_TAIL, theta)))
    w = np.linspace(0.0, top, _NODES)
    u = np.sinh(w)
    cdf = maxwell_juttner.cdf(u, theta)
    spline = CubicHermiteSpline(w, cdf, maxwell_juttner.pdf(u, theta) * np.cosh(w))

    def evaluate(u: ArrayLike) -> Array:
        rapidity = np.arcsinh(array_within("u", u, 0.0))
        return np.asarray(spline(np.minimum(rapidity, top)))

    return evaluate


def ks_test(u: ArrayLike, theta: float) -> tuple[float, float]:
    """Kolmogorov-Smirnov test of drawn four-velocities against the exact distribution.

    Parameters
    ----------
    u : array_like
        Draws, shape (n,).
    theta : float
        Their temperature.

    Returns
    -------
    distance : float
        sup |F_n - F|.
    p_value : float
        Probability of a larger distance if the draws are exact and independent.
    """
    result = stats.kstest(exact_cdf(theta)(u), "uniform")
    return float(result.statistic), float(result.pvalue)
