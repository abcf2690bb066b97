"""A trained discriminator of whole events: what no single statistic may have looked for.

It sees the rank of the scattering angle and that of the momentum given the angle, which hold
everything of an event, together with the photon's energy and the temperature. Its score is
piecewise linear in both ranks, times quadratics in ln x and ln Θ; how it is trained and tried is
that of :mod:`mcplugin.fidelity.classifier`.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from mcplugin.fidelity.classifier import (
    Cells,
    Discrimination,
    hats,
    judged,
    kept_for_training,
    train,
)
from mcplugin.fidelity.event_law import event_law
from mcplugin.fidelity.event_pool import scattered
from mcplugin.random_streams import random_streams
from mcplugin.samplers.scattering import ScatteringSampler

Array = NDArray[np.float64]
Indices = NDArray[np.int64]

# Knots in the rank of the angle, and in that of the momentum, refined into its tails.
_ANGLE_KNOTS: Array = np.linspace(0.0, 1.0, 7)
_TAILS = np.ldexp(1.0, -np.arange(10, 3, -2))
_MOMENTUM_KNOTS: Array = np.concatenate(
    [[0.0], _TAILS, np.linspace(0.2, 0.8, 5), 1 - _TAILS[::-1], [1.0]]
)
# Every interval is seen as so many cells.
_CELLS = 8
_HATS = sparse.csr_array(
    sparse.kron(hats(_ANGLE_KNOTS.size, _CELLS), hats(_MOMENTUM_KNOTS.size, _CELLS))
)


def event_cells(
    sampler: ScatteringSampler,
    places: Sequence[tuple[float, float]],
    which: Indices,
    seed: int,
    first: int,
) -> Indices:
    """Cells of the two ranks of one event per stream, each at its own place.

    Parameters
    ----------
    sampler : ScatteringSampler
    places : sequence of (float, float)
        Photon energies and temperatures.
    which : (n,) array of int64
        Place of each event.
    seed, first : int
        Which random streams, one per event.

    Raises
    ------
    SamplerError
        If the sampler gives what no event can have.
    """
    x, theta = np.array(places).T
    ratio, cosine = scattered(
        sampler, x[which], theta[which], random_streams(seed, which.size, first)
    )
    cell = np.empty(which.size, dtype=np.int64)
    for k, place in enumerate(places):
        here = which == k
        ranks = event_law(*place).ranks(ratio[here], cosine[here])
        # An event in a thousand thousands is not turned enough to tell its momentum.
        momentum = np.nan_to_num(ranks.momentum, nan=0.5)
        across = (_MOMENTUM_KNOTS.size - 1) * _CELLS
        cell[here] = _cell(ranks.angle, _ANGLE_KNOTS) * across + _cell(momentum, _MOMENTUM_KNOTS)
    return cell


def discriminate_events(
    one: Indices, other: Indices, which: Indices, places: Sequence[tuple[float, float]]
) -> Discrimination:
    """Train a discriminator of two samples on half of them and try it on the other half.

    Parameters
    ----------
    one, other : (n,) arrays of int64
        Cells of the sampler's events and of exact ones.
    which : (n,) array of int64
        Place of both events i; the same mixture in both halves.
    places : sequence of (float, float)
        Photon energies and temperatures.
    """
    # Alternating labels: every contiguous part is balanced.
    cell = np.column_stack([one, other]).ravel()
    where = np.repeat(which, 2)
    sign = np.tile([1.0, -1.0], one.size)
    powers = _powers(places)
    half = one.size
    kept = kept_for_training(half)
    training, choosing = (
        Cells.counted(cell[part], where[part], sign[part], powers, _HATS)
        for part in (slice(kept), slice(kept, half))
    )
    weights = train(training, choosing, _roughness())
    score = (powers @ (_HATS @ weights).T)[where[half:], cell[half:]]
    return judged(score, sign[half:])


def _cell(rank: Array, knots: Array) -> Indices:
    interval = np.clip(np.searchsorted(knots, rank, side="right") - 1, 0, knots.size - 2)
    place = (rank - knots[interval]) / np.diff(knots)[interval]
    within = (place * _CELLS).astype(np.int64).clip(0, _CELLS - 1)
    return np.asarray(interval * _CELLS + within, dtype=np.int64)


def _powers(places: Sequence[tuple[float, float]]) -> Array:
    """Quadratics (places, 6) in ln x and ln Θ."""
    logs = np.log(np.array(places))
    spread = np.maximum(np.ptp(logs, axis=0), 1e-9)
    a, b = (2.0 * (logs - logs.min(axis=0)) / spread - 1.0).T
    return np.stack([np.ones_like(a), a, b, 1.5 * a * a - 0.5, a * b, 1.5 * b * b - 0.5], axis=1)


def _roughness() -> Array:
    """Squares of second differences along either rank."""
    bends = [np.diff(np.eye(knots.size), n=2, axis=0) for knots in (_ANGLE_KNOTS, _MOMENTUM_KNOTS)]
    angle, momentum = (bend.T @ bend for bend in bends)
    return np.asarray(
        np.kron(angle, np.eye(_MOMENTUM_KNOTS.size)) + np.kron(np.eye(_ANGLE_KNOTS.size), momentum)
    )
