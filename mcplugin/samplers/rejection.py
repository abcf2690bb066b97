"""Exact electrons by rejection: three published methods, drawn from the kinetic energy t = (γ-1)/Θ.

With y = Θt the Maxwell-Jüttner density of t is proportional to

    t^½ (1 + y) √(1 + y/2) exp(-t).

``zenitani-nakano`` and ``canfield`` bound (1 + y)√(1 + y/2) by 1 + a√(y/2) + by + y^(3/2)/√2, so
that the proposal is a mixture of gamma distributions of t with shapes 3/2, 2, 5/2 and 3;
they differ in (a, b). ``sobol`` draws u and a comparison energy from products of uniforms.
"""

import math
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy import special

from mcplugin.domain import THETA_MAX, THETA_MIN, single, temperature
from mcplugin.errors import InputError
from mcplugin.jit import kernel
from mcplugin.random_streams import Streams, point_in_disc, uniform
from mcplugin.samplers.base import ElectronVelocitySampler

Array = NDArray[np.float64]

# (a, b, squeeze): the envelope above, and a lower bound of density over envelope.
# Zenitani & Nakano (2022, Phys. Plasmas 29, 113904) chose a and b for the highest acceptance.
_ZENITANI_NAKANO = (0.56, 0.35, 0.95)
# Canfield, Howard & Liang (1987, ApJ 323, 565): √(1 + y/2) <= 1 + √(y/2), multiplied out.
_CANFIELD = (1.0, 1.0, math.sqrt(0.5))

# Below this acceptance the Sobol method is refused.
SOBOL_LEAST_ACCEPTANCE = 1e-3


def _sobol_acceptance(theta: float) -> float:
    """K₂(1/Θ)/(2Θ²) (Pozdnyakov, Sobol & Sunyaev 1983)."""
    return float(special.kn(2, 1.0 / theta) / (2.0 * theta**2))


# Where the acceptance of the Sobol method reaches SOBOL_LEAST_ACCEPTANCE, rounded up.
_SOBOL_THETA_MIN = 0.099169

_METHODS = {
    "zenitani-nakano": (THETA_MIN, THETA_MAX),
    "canfield": (THETA_MIN, THETA_MAX),
    "sobol": (_SOBOL_THETA_MIN, THETA_MAX),
}


class RejectionSampler(ElectronVelocitySampler):
    """Exact Maxwell-Jüttner electrons by rejection.

    Parameters
    ----------
    method : {"zenitani-nakano", "canfield", "sobol"}
        Zenitani & Nakano (2022, arXiv:2210.15118) accepts 96-99 % of its proposals at any
        temperature; Canfield, Howard & Liang (1987, ApJ 323, 565) 72-98 %; Pozdnyakov, Sobol &
        Sunyaev (1983, Astrophys. Space Phys. Rev. 2, 189) is valid only where its acceptance
        K₂(1/Θ)/(2Θ²) is at least 1e-3, Θ >= 0.099.

    Raises
    ------
    InputError
        If the method is not one of the three.
    """

    name: ClassVar[str] = "rejection"
    variants: ClassVar[tuple[Mapping[str, Any], ...]] = tuple({"method": m} for m in _METHODS)

    def __init__(self, method: str = "zenitani-nakano") -> None:
        if not isinstance(method, str) or method not in _METHODS:
            raise InputError(f"method = {method!r} is not one of {', '.join(_METHODS)}")
        self.method = method
        self.options = {"method": method}
        self.theta_range = _METHODS[method]
        if method == "sobol":
            self.theta_remedy = (
                f"the sobol method would accept less than {SOBOL_LEAST_ACCEPTANCE:g} of its "
                "proposals: use method='zenitani-nakano'"
            )

    def fill(self, theta: Array, streams: Streams, u: Array) -> None:
        """Write one exact draw per stream."""
        theta = np.broadcast_to(theta, u.shape)
        if self.method == "sobol":
            _fill_sobol(theta, streams, u)
        else:
            a, b, squeeze = _envelope(self.method)
            _fill_gamma_mixture(theta, streams, u, a, b, squeeze)

    def quality(self, theta: float) -> dict[str, float]:
        """Share of proposals that are accepted at one temperature, in closed form."""
        theta = single("theta", temperature(theta, *self.theta_range))
        if self.method == "sobol":
            return {"acceptance": _sobol_acceptance(theta)}
        a, b, _ = _envelope(self.method)
        target = float(special.kve(2, 1.0 / theta)) / math.sqrt(2.0 * theta)
        return {"acceptance": target / sum(_component_weights(theta, a, b))}


def _envelope(method: str) -> tuple[float, float, float]:
    return _CANFIELD if method == "canfield" else _ZENITANI_NAKANO


@kernel
def _component_weights(theta: float, a: float, b: float) -> tuple[float, float, float, float]:
    """Integrals of the envelope's terms: Γ(3/2), a√(Θ/2)Γ(2), bΘΓ(5/2), Θ^(3/2)Γ(3)/√2."""
    root_pi = math.sqrt(math.pi)
    return (
        0.5 * root_pi,
        a * math.sqrt(0.5 * theta),
        0.75 * root_pi * b * theta,
        math.sqrt(2.0) * theta * math.sqrt(theta),
    )


@kernel
def _draw_gamma_mixture(
    theta: float, a: float, b: float, squeeze: float, streams: Streams, i: int
) -> float:
    w3, w4, w5, w6 = _component_weights(theta, a, b)
    total = w3 + w4 + w5 + w6
    while True:
        choice = uniform(streams, i) * total
        if choice < w3 or w3 + w4 <= choice < w3 + w4 + w5:
            # A gamma of shape 2, -ln(U₁U₂), times a beta of shapes (3/2, 1/2), 1 - x² for a
            # coordinate x of a point in the unit disc, is one of shape 3/2.
            x, _, _ = point_in_disc(streams, i)
            t = -math.log(uniform(streams, i) * uniform(streams, i)) * (1.0 - x * x)
            if choice >= w3:
                t -= math.log(uniform(streams, i))
        else:
            product = uniform(streams, i) * uniform(streams, i)
            if choice >= w3 + w4 + w5:
                product *= uniform(streams, i)
            t = -math.log(product)

        y = theta * t
        threshold = uniform(streams, i)
        accepted = threshold <= squeeze
        if not accepted:
            root = math.sqrt(0.5 * y)
            envelope = 1.0 + a * root + b * y + y * root
            accepted = threshold * envelope <= (1.0 + y) * math.sqrt(1.0 + 0.5 * y)
        if accepted:
            return math.sqrt(y * (y + 2.0))


@kernel
def _fill_gamma_mixture(
    theta: Array, streams: Streams, u: Array, a: float, b: float, squeeze: float
) -> None:
    for i in range(u.size):
        u[i] = _draw_gamma_mixture(theta[i], a, b, squeeze, streams, i)


@kernel
def _fill_sobol(theta: Array, streams: Streams, u: Array) -> None:
    for i in range(u.size):
        scale = theta[i]
        while True:
            product = uniform(streams, i) * uniform(streams, i) * uniform(streams, i)
            candidate = -scale * math.log(product)
            comparison = candidate - scale * math.log(uniform(streams, i))
            if (comparison - candidate) * (comparison + candidate) > 1.0:
                u[i] = candidate
                break
