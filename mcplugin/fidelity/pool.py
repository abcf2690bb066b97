"""Draws too many to keep: a histogram of F(u), sums of moments and counts of tails."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mcplugin.electrons import maxwell_juttner
from mcplugin.errors import SamplerError
from mcplugin.fidelity.distances import ExactCdf, interpolated_cdf
from mcplugin.fidelity.map_distance import TAIL_PROBABILITIES
from mcplugin.fidelity.uniformity import (
    anderson_darling_p_value,
    histogram_statistics,
    kolmogorov_p_value,
    smooth_height,
)
from mcplugin.fidelity.verdict import (
    SampledTest,
    visible_to_anderson_darling,
    visible_to_kolmogorov,
)
from mcplugin.jit import kernel
from mcplugin.random_streams import random_streams
from mcplugin.samplers.base import ElectronVelocitySampler

Array = NDArray[np.float64]
Counts = NDArray[np.int64]

BINS = 2**20
# Sums kept: u, u², u³, u⁴ and γ - 1.
MOMENTS = 5
# Draws in memory at a time, per thread.
_BLOCK = 2**16


@dataclass(frozen=True)
class Pool:
    """What is kept of many draws at one temperature.

    Attributes
    ----------
    theta : float
    draws : int
    counts : (2²⁰,) array of int64
        Draws with F(u) in each of as many equal bins.
    sums : (5,) array
        Of u, u², u³, u⁴ and γ - 1.
    above : (4,) array of int64
        Draws beyond the four-velocities of survival 1e-3, 1e-4, 1e-5 and 1e-6.
    """

    theta: float
    draws: int
    counts: Counts
    sums: Array
    above: Counts


def draw_pool(
    sampler: ElectronVelocitySampler, theta: float, seed: int, first: int, draws: int
) -> Pool:
    """Draw from the streams ``first`` to ``first + draws - 1`` of a seed and keep the sums.

    Parameters
    ----------
    sampler : ElectronVelocitySampler
    theta : float
        Temperature.
    seed, first, draws : int
        Which random streams, one per draw.

    Raises
    ------
    SamplerError
        If the sampler gives what no electron has.
    """
    exact = ExactCdf(theta)
    thresholds = maxwell_juttner.inverse_survival(TAIL_PROBABILITIES, theta)
    counts = np.zeros(BINS, dtype=np.int64)
    above = np.zeros(len(TAIL_PROBABILITIES), dtype=np.int64)
    block_sums = []
    for start in range(first, first + draws, _BLOCK):
        streams = random_streams(seed, min(_BLOCK, first + draws - start), start)
        u = np.asarray(sampler.sample(theta, streams))
        sums = np.zeros(MOMENTS)
        culprit = _add(u, exact.table, exact.nodes_per_rapidity, thresholds, counts, sums, above)
        if culprit >= 0:
            raise SamplerError(
                f"sampler {sampler.name!r} drew u = {u[culprit]} at theta = {theta:.6g}: "
                "four-velocities are finite and not negative"
            )
        block_sums.append(sums)
    return Pool(
        theta,
        draws,
        counts,
        np.array([math.fsum(column) for column in zip(*block_sums, strict=True)]),
        above,
    )


def merged(one: Pool, other: Pool) -> Pool:
    """Two pools of disjoint draws at one temperature as one."""
    return Pool(
        theta=one.theta,
        draws=one.draws + other.draws,
        counts=one.counts + other.counts,
        sums=one.sums + other.sums,
        above=one.above + other.above,
    )


def distribution_tests(
    counts: Counts, theta: float | None, family: str = "pooled"
) -> tuple[SampledTest, SampledTest]:
    """Kolmogorov-Smirnov and Anderson-Darling tests of a histogram of F(u), in this order.

    Parameters
    ----------
    counts : (M,) array of int64
        Draws with F(u) in each of M equal bins. The distance is too small by 1/M at most.
    theta : float or None
        Temperature, if it was one.
    family : str
        Family of both tests.
    """
    draws = int(counts.sum())
    distance, statistic = histogram_statistics(counts)
    return (
        SampledTest(
            family,
            "KS",
            theta,
            draws,
            distance,
            kolmogorov_p_value(distance, draws),
            visible_to_kolmogorov(draws),
        ),
        SampledTest(
            family,
            "AD",
            theta,
            draws,
            smooth_height(statistic, draws),
            anderson_darling_p_value(statistic),
            visible_to_anderson_darling(draws),
        ),
    )


@kernel
def _add(
    u: Array,
    table: Array,
    nodes_per_rapidity: float,
    thresholds: Array,
    counts: Counts,
    sums: Array,
    above: Counts,
) -> int:
    """Add a block of draws; give the index of the first impossible one, or -1."""
    first, second, third, fourth, kinetic = 0.0, 0.0, 0.0, 0.0, 0.0
    for i in range(u.size):
        value = u[i]
        if not 0.0 <= value < np.inf:
            return i
        p = interpolated_cdf(table, nodes_per_rapidity, value)
        counts[min(max(int(p * counts.size), 0), counts.size - 1)] += 1
        square = value * value
        first += value
        second += square
        third += square * value
        fourth += square * square
        kinetic += square / (1.0 + math.sqrt(1.0 + square))
        for k in range(thresholds.size):
            if value <= thresholds[k]:
                break
            above[k] += 1
    sums[0] += first
    sums[1] += second
    sums[2] += third
    sums[3] += fourth
    sums[4] += kinetic
    return -1
