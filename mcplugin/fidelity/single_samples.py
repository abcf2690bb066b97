"""Many small samples, and whether the p-values that they give are themselves uniform.

A mean p-value of 0.5 proves nothing: p-values that huddle there, or of which too many or too few
are small, betray a test or a sampler that is not what it claims to be.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mcplugin.errors import SamplerError
from mcplugin.fidelity.distances import exact_cdf
from mcplugin.fidelity.uniformity import (
    anderson_darling,
    kolmogorov_smirnov,
    rare_p_values,
    smallest_p_value,
    smooth_height,
)
from mcplugin.fidelity.verdict import (
    SampledTest,
    visible_to_anderson_darling,
    visible_to_kolmogorov,
    visible_to_z,
)
from mcplugin.random_streams import random_streams
from mcplugin.samplers.base import ElectronVelocitySampler

Array = NDArray[np.float64]

RARE = 0.01


@dataclass(frozen=True)
class SingleSamples:
    """Tests of single samples, one value for each temperature and seed.

    Attributes
    ----------
    draws : int
        Size of each sample.
    distance, ks_p_value : (thetas, seeds) arrays
        Kolmogorov-Smirnov.
    statistic, ad_p_value : (thetas, seeds) arrays
        Anderson-Darling.
    """

    draws: int
    distance: Array
    ks_p_value: Array
    statistic: Array
    ad_p_value: Array

    @classmethod
    def joined(cls, parts: Sequence["SingleSamples"]) -> "SingleSamples":
        """Samples of one size at several temperatures as one record."""
        names = ("distance", "ks_p_value", "statistic", "ad_p_value")
        columns = (np.concatenate([getattr(part, name) for part in parts]) for name in names)
        return cls(parts[0].draws, *columns)


def draw_single_samples(
    sampler: ElectronVelocitySampler, theta: float, seeds: Sequence[int], first: int, draws: int
) -> SingleSamples:
    """Draw one sample from each seed at one temperature, from the streams ``first`` onwards.

    Raises
    ------
    SamplerError
        If the sampler gives what no electron has.
    """
    cdf = exact_cdf(theta)
    rows = []
    for seed in seeds:
        u = np.asarray(sampler.sample(theta, random_streams(seed, draws, first)))
        if not (np.isfinite(u) & (u >= 0.0)).all():
            raise SamplerError(
                f"sampler {sampler.name!r} drew what no electron has at theta = {theta:.6g}"
            )
        ordered = np.sort(cdf(u))
        rows.append((*kolmogorov_smirnov(ordered), *anderson_darling(ordered)))
    return SingleSamples(draws, *np.array(rows).T[:, None, :])


def single_sample_tests(samples: SingleSamples) -> list[SampledTest]:
    """Uniformity of the p-values of single samples, and whether the smallest is too small."""
    n, count = samples.draws, samples.distance.size

    def visible_distance(level: float) -> float:
        return visible_to_kolmogorov(n)(level / count)

    def visible_height(level: float) -> float:
        return visible_to_anderson_darling(n)(level / count)

    return [
        *p_value_tests("single KS", samples.ks_p_value),
        SampledTest(
            "p-values",
            "single KS: the smallest",
            None,
            n,
            float(np.max(samples.distance)),
            smallest_p_value(samples.ks_p_value),
            visible_distance,
        ),
        *p_value_tests("single AD", samples.ad_p_value),
        SampledTest(
            "p-values",
            "single AD: the smallest",
            None,
            n,
            smooth_height(float(np.max(samples.statistic)), n),
            smallest_p_value(samples.ad_p_value),
            visible_height,
        ),
    ]


def p_value_tests(name: str, p_values: Array) -> list[SampledTest]:
    """Whether independent p-values are uniform, and as many of them small as should be.

    Parameters
    ----------
    name : str
        What they are p-values of.
    p_values : array
        Of any shape, not empty.
    """
    ordered = np.sort(p_values, axis=None)
    distance, p_value = kolmogorov_smirnov(ordered)
    rare, probability = rare_p_values(ordered, RARE)
    return [
        SampledTest(
            "p-values",
            f"{name}: uniform",
            None,
            ordered.size,
            distance,
            p_value,
            visible_to_kolmogorov(ordered.size),
        ),
        SampledTest(
            "p-values",
            f"{name}: share below {RARE:g}",
            None,
            ordered.size,
            rare / ordered.size - RARE,
            probability,
            visible_to_z(math.sqrt(RARE * (1.0 - RARE) / ordered.size)),
        ),
    ]
