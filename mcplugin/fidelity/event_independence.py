"""Whether scatterings are independent, exact outside the sampler's energies, refused where due.

No error is accepted in that, however small: it would be a fault, not an approximation.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mcplugin.errors import InputError, ThetaRangeError
from mcplugin.fidelity.event_law import event_law
from mcplugin.fidelity.event_pool import scattered
from mcplugin.fidelity.event_tests import (
    COSINE,
    ENERGY,
    GIVEN_COSINE,
    EventTest,
    distance_test,
    event_test,
)
from mcplugin.fidelity.independence import pair_test, succession_tests
from mcplugin.fidelity.refusal import refusal
from mcplugin.fidelity.uniformity import kolmogorov_smirnov
from mcplugin.fidelity.verdict import SampledTest, visible_to_kolmogorov
from mcplugin.random_streams import random_streams
from mcplugin.samplers.scattering import ScatteringSampler
from mcplugin.scattering import compton, redistribution

Array = NDArray[np.float64]

ELSEWHERE = "other energies"

_SUCCESSIVE = 4
# Photons softer than this are those of the Thomson limit.
_SOFTEST = 1e-12


@dataclass(frozen=True)
class Refusal:
    """What came of asking for what must be refused.

    Attributes
    ----------
    asked : str
        The argument and its value.
    refused : bool
        Whether it was refused with the right error, alone and as one of several.
    answer : str
        The error's message, or what happened instead.
    """

    asked: str
    refused: bool
    answer: str


def independence_tests(
    sampler: ScatteringSampler, x: float, theta: float, seed: int, first: int, events: int
) -> list[EventTest]:
    """Successive scatterings by one stream, those by neighbouring streams, cosine against energy.

    Parameters
    ----------
    sampler, x, theta, seed
        As usual.
    first, events : int
        Index of the first stream; number of events, a quarter as many streams.
    """
    law = event_law(x, theta)
    streams = random_streams(seed, events // _SUCCESSIVE, first)
    drawn = [law.ranks(*scattered(sampler, x, theta, streams)) for _ in range(_SUCCESSIVE)]
    angle = np.stack([ranks.angle for ranks in drawn])
    # Deflections too small to tell their momentum are a few in a million.
    momentum = np.nan_to_num(np.stack([ranks.momentum for ranks in drawn]), nan=0.5)
    tests = [
        *succession_tests(angle, theta, COSINE),
        *succession_tests(momentum, theta, GIVEN_COSINE),
        pair_test("cosine, then energy of the next", theta, angle[:-1], momentum[1:]),
        pair_test("energy, then cosine of the next", theta, momentum[:-1], angle[1:]),
    ]
    return [event_test(test, x, must_be_exact=True) for test in tests]


def energies_elsewhere(sampler: ScatteringSampler, compared: tuple[float, float]) -> list[float]:
    """Photon energies beyond those compared, or beyond the sampler's, that have a known law."""
    softest, hardest = compared
    low, high = sampler.x_range
    softer = [1e-3 * softest] if low < 1e-3 * softest else [0.1 * low]
    harder = [3.0 * hardest] if 3.0 * hardest <= redistribution.X_MAX else []
    return [x for x in (*softer, *harder) if x > _SOFTEST and not high < x < 1.01 * high]


def elsewhere_tests(
    sampler: ScatteringSampler, x: float, theta: float, seed: int, first: int, events: int
) -> list[EventTest]:
    """Every other photon of a batch is of an energy beyond those that are compared.

    It has to keep the bars within the sampler's range, and to scatter exactly outside of it.
    """
    low, high = sampler.x_range
    energies = np.full(2 * events, math.sqrt(low * high))
    energies[1::2] = x
    ratio, cosine = scattered(sampler, energies, theta, random_streams(seed, 2 * events, first))
    ranks = event_law(x, theta).ranks(ratio[1::2], cosine[1::2])
    within = low <= x <= high
    tests = []
    for name, values in (
        (COSINE, ranks.angle),
        (ENERGY, ranks.energy),
        (GIVEN_COSINE, ranks.momentum[np.isfinite(ranks.momentum)]),
    ):
        distance, p_value = kolmogorov_smirnov(np.sort(values))
        subject = f"{name}, {'within' if within else 'outside'} its range"
        n = values.size
        found = SampledTest(
            ELSEWHERE, subject, theta, n, distance, p_value, visible_to_kolmogorov(n)
        )
        tests.append(
            distance_test(found, x) if within else event_test(found, x, must_be_exact=True)
        )
    return tests


def refusals(sampler: ScatteringSampler) -> tuple[Refusal, ...]:
    """Ask for temperatures beyond both ends of the range, and for what is no photon or no gas."""
    low, high = (float(end) for end in sampler.theta_range)
    x_low, x_high = sampler.x_range
    x = math.sqrt(x_low * x_high)
    theta = math.sqrt(low * high)

    def hot(value: Any) -> Any:
        return sampler.sample(x, value, random_streams(0, 2))

    def photon(value: Any) -> Any:
        return sampler.sample(value, theta, random_streams(0, 2))

    asked: list[tuple[Callable[[Any], Any], str, float, str, type[InputError]]] = [
        (hot, "theta", 0.5 * low, f"{0.5 * low:.6g}", ThetaRangeError),
        (hot, "theta", np.nextafter(low, 0.0), f"just below {low:.6g}", ThetaRangeError),
        (hot, "theta", np.nextafter(high, np.inf), f"just above {high:.6g}", ThetaRangeError),
        (hot, "theta", 2.0 * high, f"{2.0 * high:.6g}", ThetaRangeError),
        (hot, "theta", math.nan, "nan", InputError),
        (photon, "x", 0.0, "0", InputError),
        (photon, "x", -1.0, "-1", InputError),
        (photon, "x", 2.0 * compton.X_MAX, f"{2.0 * compton.X_MAX:g}", InputError),
        (photon, "x", math.nan, "nan", InputError),
    ]
    return tuple(
        Refusal(f"{name} = {said}", *refusal(draw, value, error, "photons were scattered"))
        for draw, name, value, said, error in asked
    )
