"""The scattering angle where a photon and an electron at rest have no net momentum.

It is α with tan(α/2) = √(1 + 2x) tan(angle/2), where h = sin²(angle/2) is the deflection in the
lab. Even hard photons are not crowded to the forward end of α.
"""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def recoil_angle(h: Array, x: float) -> Array:
    """Angles α, 0 to π, of deflections h of photons of energy x."""
    return np.asarray(2.0 * np.arctan2(np.sqrt((1.0 + 2.0 * x) * h), np.sqrt(1.0 - h)))


def deflection(angle: Array, x: float) -> Array:
    """Deflections h, 0 to 1, of angles α."""
    back, forward = np.sin(0.5 * angle) ** 2, (1.0 + 2.0 * x) * np.cos(0.5 * angle) ** 2
    return np.asarray(back / (back + forward))


def deflection_slope(angle: Array, x: float) -> Array:
    """dh/dα."""
    back, forward = np.sin(0.5 * angle) ** 2, (1.0 + 2.0 * x) * np.cos(0.5 * angle) ** 2
    return np.asarray(0.5 * (1.0 + 2.0 * x) * np.sin(angle) / (back + forward) ** 2)
