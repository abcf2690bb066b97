"""One photon meets one thermal electron.

In units of mₑc² a photon of energy x meets an electron of four-velocity u = γβ, isotropic in the
lab. Every quantity is written so that it neither cancels for slow electrons nor for fast ones:

1. The angle between the two follows (1 - βμ)/2, the chance of meeting. With η uniform on (0, 1),
   the Doppler factor D = γ(1 - βμ) = √((γ + u)⁻² + 4γuη).
2. The pair interacts with probability σ_KN(xD)/σ_T; else another electron is asked for
   (Pozdnyakov, Sobol & Sunyaev 1983, Astrophys. Space Phys. Rev. 2, 189, §9).
3. In the electron's rest frame the photon, now of energy xD, is deflected by w = 1 - cos θ to
   the energy xD/(1 + xDw), in a plane of uniform azimuth.
4. Back in the lab the energy is x' = xD D'/(1 + xDw) with D' = γ + u μ', μ' being the cosine
   between the scattered photon and the electron's velocity in the rest frame, and the invariance
   of k·k' gives the lab scattering angle: 1 - cos Θ = w D/D'.

Electrons are isotropic and photons unpolarised, so the lab azimuth of the scattered photon is
uniform and need not be known here.
"""

import math
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mcplugin.domain import array_within, real_array
from mcplugin.errors import InputError, SamplerError
from mcplugin.jit import kernel
from mcplugin.random_streams import Streams, checked_streams, point_in_disc, uniform
from mcplugin.scattering.klein_nishina import draw_deflection, interacts

Array = NDArray[np.float64]

# Harder photons refuse nearly all electrons, by the hundred thousand.
X_MAX = 1e4

# What the event kernel writes as the cosine of a photon that the offered electron did not scatter.
REFUSED = 2.0


@kernel
def doppler_factor(u: float, eta: float) -> float:
    """γ(1 - βμ) of a collision, where η in (0, 1) is the cdf of μ under (1 - βμ)/2, from μ = 1."""
    gamma = math.sqrt(1.0 + u * u)
    return math.sqrt((gamma + u) ** -2 + 4.0 * gamma * u * eta)


@kernel
def scatter_off_electron(x: float, u: float, streams: Streams, i: int) -> tuple[float, float]:
    """Let one photon of energy x meet one electron; give (x', cosine), or (x, REFUSED)."""
    gamma = math.sqrt(1.0 + u * u)
    doppler_max = gamma + u
    doppler_min = 1.0 / doppler_max
    eta = uniform(streams, i)
    doppler = doppler_factor(u, eta)
    x_rest = x * doppler
    if not interacts(x_rest, streams, i):
        return x, REFUSED

    # 1 - μ and 1 + μ of the incoming photon in the electron's rest frame, by aberration.
    one_minus = 4.0 * gamma * eta * doppler_max / (doppler * (doppler + doppler_min))
    one_plus = 4.0 * gamma * (1.0 - eta) * doppler_min / (doppler * (doppler + doppler_max))

    w = draw_deflection(x_rest, streams, i)
    a, b, square = point_in_disc(streams, i)
    cosine_azimuth = (a * a - b * b) / square
    # 1 + μ' of the scattered photon in the rest frame.
    one_plus_out = (
        one_plus * (1.0 - w)
        + w
        + math.sqrt(max(one_minus * one_plus * w * (2.0 - w), 0.0)) * cosine_azimuth
    )
    one_plus_out = min(max(one_plus_out, 0.0), 2.0)
    doppler_out = doppler_min + u * one_plus_out
    x_out = x_rest * doppler_out / (1.0 + x_rest * w)
    cosine = 1.0 - w * doppler / doppler_out
    return x_out, max(cosine, -1.0)


class ElectronSource(Protocol):
    """What the event needs of an electron sampler."""

    def sample(self, theta: ArrayLike, streams: Streams) -> Array:
        """Give one four-velocity |u| per stream."""


@kernel
def meet_electrons(x: Array, u: Array, streams: Streams, x_out: Array, cosine: Array) -> None:
    """Let photon i meet electron i; refused ones keep their energy and get the cosine REFUSED."""
    for i in range(x.size):
        x_out[i], cosine[i] = scatter_off_electron(x[i], u[i], streams, i)


def scatter(
    x: ArrayLike, theta: ArrayLike, electrons: ElectronSource, streams: Streams
) -> tuple[Array, Array]:
    """Scatter every photon once in a thermal gas.

    Parameters
    ----------
    x : array_like
        Photon energies in the lab, 0 < x <= 1e4: a scalar or shape (n,).
    theta : array_like
        Electron temperature kT/(mₑc²): a scalar or shape (n,).
    electrons : ElectronSource
        Usually an :class:`~mcplugin.samplers.base.ElectronVelocitySampler`; asked again for each
        photon whose electron was refused by the Klein-Nishina cross-section.
    streams : (n, 2) uint64 array
        Random streams, advanced in place.

    Returns
    -------
    x_out : (n,) array of float64
        Photon energies in the lab afterwards.
    cosine : (n,) array of float64
        Cosine of the lab scattering angle; the azimuth is uniform.

    Raises
    ------
    InputError
        If an energy is out of range or the shapes do not match; and as ``electrons`` raises.
    SamplerError
        If ``electrons`` gives another number of electrons than it was asked for.
    """
    if not callable(getattr(electrons, "sample", None)):
        raise InputError(
            f"electrons = {electrons!r} cannot be drawn from: give a sampler, such as "
            "mcplugin.get_sampler('rejection')"
        )
    count = len(checked_streams(streams))
    x_in = array_within("x", x, np.finfo(np.float64).tiny, X_MAX)
    thetas = real_array("theta", theta)
    for name, array in (("x", x_in), ("theta", thetas)):
        if array.shape not in ((), (count,)):
            raise InputError(f"{name} must be a scalar or have shape ({count},), not {array.shape}")
    x_in = np.broadcast_to(x_in, count)
    x_out, cosine = np.empty((2, count))
    waiting = np.arange(count)
    while waiting.size:
        own_streams = streams[waiting]
        own_thetas = thetas if thetas.ndim == 0 else thetas[waiting]
        u = array_within("four-velocity", electrons.sample(own_thetas, own_streams), 0.0)
        if u.shape != waiting.shape:
            raise SamplerError(f"{waiting.size} electrons were asked for, {u.shape} came")
        energies, cosines = np.empty((2, waiting.size))
        meet_electrons(x_in[waiting], u, own_streams, energies, cosines)
        streams[waiting] = own_streams
        x_out[waiting], cosine[waiting] = energies, cosines
        waiting = waiting[cosines == REFUSED]
    return x_out, cosine
