"""Somebody's own Monte-Carlo code, with electrons from mcplugin: changing the sampler is one word.

    python examples/own_loop.py rejection
    python examples/own_loop.py table

A sphere of hot electrons of Thomson depth TAU around a source of soft photons. Everything is done
here, as such codes do it, with vectors in three dimensions: flights, collisions, Lorentz boosts,
Klein-Nishina, histogram and random numbers. Only the electrons' four-velocities are asked for, a
batch at a time, by one call of ``sampler.sample(theta, streams)``.

Lengths are in Thomson mean free paths, energies in m_e c^2. Collisions are thinned: candidates
come at twice the Thomson rate, more than any electron can make it, and each is real with
probability (1 - beta cos) sigma_KN / 2 sigma_T (Pozdnyakov, Sobol & Sunyaev 1983, Astrophys. Space
Phys. Rev. 2, 189). So no cross-section averaged over the electrons is needed.
"""
# ruff: noqa: NPY002 -- inside njit, np.random is numba's own generator

import sys
from typing import NamedTuple

import numpy as np
from numba import njit

import mcplugin

THETA, TAU, X_SEED = 0.2, 1.0, 1e-4
BATCH = 50_000
EDGES = X_SEED * np.geomspace(0.05, 5e4, 25)  # none of them at the energy of the seeds


class Outcome(NamedTuple):
    """What escaped: photons per bin of EDGES, E F_E over the seeds' energy, and total gain."""

    counts: np.ndarray
    efe: np.ndarray
    efe_error: np.ndarray
    amplification: float
    amplification_error: float


@njit(cache=True)
def seed_generator(seed):
    """numba's generator is not the one that Python seeds."""
    np.random.seed(seed)


@njit(cache=True)
def isotropic():
    """A random direction."""
    cosine, azimuth = np.random.uniform(-1.0, 1.0), np.random.uniform(0.0, 2.0 * np.pi)
    sine = np.sqrt(1.0 - cosine**2)
    return np.array([sine * np.cos(azimuth), sine * np.sin(azimuth), cosine])


@njit(cache=True)
def klein_nishina(x):
    """Total cross-section over Thomson's; a series where the closed form cancels."""
    if x < 0.01:
        return 1.0 - x * (2.0 - x * (5.2 - x * 13.3))
    y, log = 1.0 + 2.0 * x, np.log(1.0 + 2.0 * x)
    bracket = (1.0 + x) / x**3 * (2.0 * x * (1.0 + x) / y - log)
    return 0.75 * (bracket + log / (2.0 * x) - (1.0 + 3.0 * x) / y**2)


@njit(cache=True)
def boost(x, direction, u):
    """Photon (energy, direction) as seen by an observer of four-velocity u."""
    gamma = np.sqrt(1.0 + u @ u)
    along = direction @ u
    momentum = direction + (along / (1.0 + gamma) - 1.0) * u
    return x * (gamma - along), momentum / np.sqrt(momentum @ momentum)


@njit(cache=True)
def deflect(x, direction):
    """Klein-Nishina scattering off an electron at rest, by rejection from isotropy."""
    while True:
        scattered = isotropic()
        cosine = direction @ scattered
        ratio = 1.0 / (1.0 + x * (1.0 - cosine))
        if 2.0 * np.random.random() < ratio**2 * (ratio + 1.0 / ratio - 1.0 + cosine**2):
            return x * ratio, scattered


@njit(cache=True)
def one_event(alive, tau, position, direction, x, u, escaped):
    """Move each photon that is alive, let it meet its electron; give how many are left."""
    i = 0
    for electron in range(alive):
        position[i] += direction[i] * np.random.exponential(0.5)
        if position[i] @ position[i] > tau**2:
            # The last photon that is alive takes the place of the one that has escaped.
            alive -= 1
            escaped[alive] = x[i]
            position[i], direction[i], x[i] = position[alive], direction[alive], x[alive]
            continue
        velocity = u[electron] * isotropic()
        gamma = np.sqrt(1.0 + u[electron] ** 2)
        x_rest, direction_rest = boost(x[i], direction[i], velocity)
        # x_rest / (gamma x) = 1 - beta cos
        if 2.0 * np.random.random() * gamma * x[i] < x_rest * klein_nishina(x_rest):
            x_rest, direction_rest = deflect(x_rest, direction_rest)
            x[i], direction[i] = boost(x_rest, direction_rest, -velocity)
        i += 1
    return alive


def comptonise(sampler_name="rejection", photons=400_000, seed=1):
    """Follow photons from the centre of the sphere until all have escaped."""
    sampler = mcplugin.get_sampler(sampler_name)
    seed_generator(seed)
    energies = []
    for first in range(0, photons, BATCH):
        alive = size = min(BATCH, photons - first)
        streams = mcplugin.random_streams(seed, size, first)  # for the electrons alone
        position = np.zeros((size, 3))
        direction = np.array([isotropic() for _ in range(size)])
        x, escaped = np.full(size, X_SEED), np.empty(size)
        while alive:
            u = sampler.sample(THETA, streams[:alive])
            alive = one_event(alive, TAU, position, direction, x, u, escaped)
        energies.append(escaped)

    gain, edges = np.concatenate(energies) / X_SEED, EDGES / X_SEED
    counts, energy, squared = (np.histogram(gain, edges, weights=gain**k)[0] for k in range(3))
    scale = photons * np.diff(np.log(edges))
    return Outcome(
        counts=counts.astype(int),
        efe=energy / scale,
        efe_error=np.sqrt(squared - energy**2 / photons) / scale,
        amplification=gain.mean(),
        amplification_error=gain.std() / np.sqrt(photons),
    )


def main():
    """Print the spectrum made with the sampler named on the command line."""
    sampler_name = sys.argv[1] if len(sys.argv) > 1 else "rejection"
    outcome = comptonise(sampler_name)
    print(f"sphere with theta = {THETA}, tau = {TAU}, seeds of x = {X_SEED}: {sampler_name}")
    print("     E / keV   photons    E F_E    error")
    energies = 511.0 * np.sqrt(EDGES[1:] * EDGES[:-1])
    for row in zip(energies, outcome.counts, outcome.efe, outcome.efe_error, strict=True):
        print("{:12.4g} {:9d} {:8.4f} {:8.4f}".format(*row))
    print(f"amplification {outcome.amplification:.3f} +- {outcome.amplification_error:.3f}")


if __name__ == "__main__":
    main()
