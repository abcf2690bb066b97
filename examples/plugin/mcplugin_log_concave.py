"""Maxwell-Jüttner electrons by the shortest exact method there is, as a plug-in of mcplugin.

The density f(u) is log-concave: (ln f)'' = -2/u² - 1/(Θγ³) < 0. A log-concave density with its
mode at m never exceeds

    f(m) min(1, exp(1 - f(m) |u - m|))

(Devroye 1986, "Non-Uniform Random Variate Generation", section VII.2). The envelope covers the
area 4, so that one proposal in four is accepted, whatever the temperature.
"""

import math

import numpy as np
from numpy.typing import NDArray

from mcplugin import ElectronVelocitySampler
from mcplugin.domain import THETA_MAX, THETA_MIN
from mcplugin.electrons import maxwell_juttner
from mcplugin.jit import kernel
from mcplugin.random_streams import Streams, uniform

Array = NDArray[np.float64]


class LogConcaveSampler(ElectronVelocitySampler):
    """Exact Maxwell-Jüttner electrons by Devroye's rejection for log-concave densities."""

    name = "log-concave"
    # A temperature outside is refused before fill is called.
    theta_range = (THETA_MIN, THETA_MAX)

    def fill(self, theta: Array, streams: Streams, u: Array) -> None:
        """Write one exact draw per stream."""
        mode = most_probable_u(theta)
        peak = maxwell_juttner.pdf(mode, theta)
        # theta is one number or one per draw; the kernel sees one per draw, and nothing is copied.
        thetas, modes, peaks = (np.broadcast_to(each, u.shape) for each in (theta, mode, peak))
        _fill(thetas, modes, peaks, streams, u)

    def quality(self, theta: float) -> dict[str, float]:
        """Share of proposals that are accepted: the area below f over that below the envelope."""
        return {"acceptance": 0.25}


def most_probable_u(theta: Array) -> Array:
    """Where u² exp(-γ/Θ) is largest: u² = 2Θγ, hence γ = Θ + √(1 + Θ²)."""
    mode: Array = np.sqrt(2.0 * theta * (theta + np.hypot(1.0, theta)))
    return mode


# mcplugin's decorator for numba: without the GIL, so that the threads of a run work side by side,
# and in strict IEEE arithmetic, so that a draw has the same bits in any batch.
@kernel
def _fill(theta: Array, mode: Array, peak: Array, streams: Streams, u: Array) -> None:
    for i in range(u.size):
        # Stream i serves draw i alone: then neither batches nor threads matter.
        u[i] = _draw(theta[i], mode[i], peak[i], streams, i)


@kernel
def _draw(theta: float, mode: float, peak: float, streams: Streams, i: int) -> float:
    mode_gamma = math.sqrt(1.0 + mode * mode)
    while True:
        # Half of the envelope's area is its flat top, the other half its two exponential sides.
        distance, height = uniform(streams, i), uniform(streams, i)
        if uniform(streams, i) < 0.5:
            fall = uniform(streams, i)
            distance, height = 1.0 - math.log(fall), height * fall
        side = 1.0 if uniform(streams, i) < 0.5 else -1.0
        candidate = mode + side * distance / peak
        if candidate <= 0.0:
            continue
        # γ - γ_mode from u² - u_mode², which does not cancel when the gas is cold.
        gamma = math.sqrt(1.0 + candidate * candidate)
        kinetic = (candidate - mode) * (candidate + mode) / (gamma + mode_gamma)
        if height <= (candidate / mode) ** 2 * math.exp(-kinetic / theta):
            return candidate
