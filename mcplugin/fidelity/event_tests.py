"""Tests of Compton events against the exact law, each with the size of error that is accepted.

A test asks two things: whether the sampler is told apart from exact, and whether it is off by more
than a bar. Exact samplers fail neither but by chance; approximate ones are told apart as soon as
there are events enough, and should still keep the bar.
"""

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

from mcplugin.fidelity.event_law import TAIL_PROBABILITIES, event_law
from mcplugin.fidelity.event_pool import COSINE_CELLS, EventPool
from mcplugin.fidelity.moments import unskewed
from mcplugin.fidelity.pool import distribution_tests
from mcplugin.fidelity.single_samples import p_value_tests
from mcplugin.fidelity.uniformity import (
    binomial_p_value,
    histogram_statistics,
    kolmogorov_p_value,
)
from mcplugin.fidelity.verdict import (
    SampledTest,
    two_sided,
    visible_to_kolmogorov,
    visible_to_z,
)

Array = NDArray[np.float64]

# With fewer events than this a cell is not tested.
LEAST_EVENTS = 100

# Upper limits hold with a probability of 95 %.
_SIGMAS = float(special.ndtri(0.95))

CELL_EDGES = np.linspace(-1.0, 1.0, COSINE_CELLS + 1)

COSINE, ENERGY, GIVEN_COSINE = "cosine", "energy", "energy given the cosine"
MOMENTS, TAILS = "moments", "tails"
GAIN, SQUARE, MEAN_COSINE = "⟨x′/x⟩", "⟨(x′/x)²⟩", "⟨cosine⟩"
ALL_PLACES = "all places together"


@dataclass(frozen=True)
class Bars:
    """Errors that a scattering sampler may have.

    Attributes
    ----------
    distance : float
        KS distance of the cosine, of the energy, and of the energy in every cell of the cosine.
    gain_cold, gain_hot : float
        Relative error of ⟨x'/x⟩ up to Θ = ``cold``, and above.
    cold : float
        That temperature.
    square : float
        Relative error of ⟨(x'/x)²⟩.
    tail : float
        Relative error of the survival of x'/x down to 1e-5.
    equilibrium : float
        Error of ⟨x/Θ⟩ = 3 of photons in equilibrium after 100 scatterings.
    """

    distance: float = 1e-3
    gain_cold: float = 3e-4
    gain_hot: float = 2e-3
    cold: float = 0.3
    square: float = 1e-2
    tail: float = 0.1
    equilibrium: float = 3e-3

    def gain(self, theta: float) -> float:
        """Relative error of ⟨x'/x⟩ that is accepted at one temperature."""
        return self.gain_cold if theta <= self.cold else self.gain_hot


BARS = Bars()


@dataclass(frozen=True)
class EventTest(SampledTest):
    """One test on random events.

    Attributes
    ----------
    x : float or None
        Photon energy, if there was one.
    bar : float or None
        Size of error that is accepted, if any is.
    beyond_bar : float
        Probability of a greater deviation if the error is as large as the bar, or a bound of it; 1
        where there is no bar.
    noise : float or None
        Root mean square of the deviation if the sampler is exact.
    limit : float or None
        What the error is not above, with a probability of 95 %.
    must_be_exact : bool
        Whether no error at all is accepted.
    """

    x: float | None = None
    bar: float | None = None
    beyond_bar: float = 1.0
    noise: float | None = None
    limit: float | None = None
    must_be_exact: bool = False

    @property
    def excess(self) -> float | None:
        """What is left of the deviation when the noise is subtracted, √(max(d² - noise², 0))."""
        if self.noise is None:
            return None
        return math.sqrt(max(self.deviation**2 - self.noise**2, 0.0))

    @property
    def condemning(self) -> float:
        """The p-value that counts for whether the sampler passes."""
        return self.p_value if self.must_be_exact else self.beyond_bar


def event_test(
    test: SampledTest, x: float | None = None, *, must_be_exact: bool = False
) -> EventTest:
    """A test as one of events, without a bar."""
    values = {each.name: getattr(test, each.name) for each in dataclasses.fields(SampledTest)}
    return EventTest(**values, x=x, must_be_exact=must_be_exact)


def distance_test(test: SampledTest, x: float | None) -> EventTest:
    """A Kolmogorov-Smirnov test as one of events, with the bar of distances.

    The mean square of √n D is π²/12 for exact samples (Kolmogorov's law). Where the cdf is off by
    D the empirical one is off by at least D - 1.645/(2√n) with a probability of 95 %, and by no
    more than its own noise above D, which bounds the probability beyond the bar.
    """
    root = math.sqrt(test.draws)
    return dataclasses.replace(
        event_test(test, x),
        bar=BARS.distance,
        beyond_bar=kolmogorov_p_value(max(test.deviation - BARS.distance, 0.0), test.draws),
        noise=math.pi / (math.sqrt(12.0) * root),
        limit=test.deviation + 0.5 * _SIGMAS / root,
    )


def mean_test(
    family: str,
    subject: str,
    x: float | None,
    theta: float | None,
    draws: int,
    deviation: float,
    error: float,
    *,
    skewness: float = 0.0,
    bar: float | None = None,
) -> EventTest:
    """A mean with a known standard error, the skewness of which is that of the mean."""
    beyond_bar = 1.0
    if bar is not None:
        excess = math.copysign(max(abs(deviation) - bar, 0.0), deviation)
        beyond_bar = two_sided(unskewed(excess / error, skewness)) if excess else 1.0
    return EventTest(
        family,
        subject,
        theta,
        draws,
        deviation,
        two_sided(unskewed(deviation / error, skewness)),
        visible_to_z(error),
        x=x,
        bar=bar,
        beyond_bar=beyond_bar,
        noise=error,
        limit=abs(deviation) + _SIGMAS * error,
    )


def cell_name(k: int) -> str:
    """A cell of the cosine in words."""
    return f"cosine {CELL_EDGES[k]:+.2f} to {CELL_EDGES[k + 1]:+.2f}"


def pool_tests(pool: EventPool) -> list[EventTest]:
    """All tests of the events of one photon energy at one temperature."""
    x, theta = pool.x, pool.theta
    tests = []
    for family, counts in zip((COSINE, ENERGY), pool.ranks, strict=False):
        kolmogorov, anderson = distribution_tests(counts, theta, family)
        tests += [distance_test(kolmogorov, x), event_test(anderson, x)]
    for k, counts in enumerate(pool.ranks[2:]):
        if counts.sum() >= LEAST_EVENTS:
            tests.append(distance_test(_kolmogorov(counts, theta, cell_name(k)), x))
    return tests + _moment_tests(pool) + _tail_tests(pool)


def _kolmogorov(counts: NDArray[np.int64], theta: float | None, subject: str) -> SampledTest:
    draws = int(counts.sum())
    distance, _ = histogram_statistics(counts)
    p_value = kolmogorov_p_value(distance, draws)
    return SampledTest(
        GIVEN_COSINE, subject, theta, draws, distance, p_value, visible_to_kolmogorov(draws)
    )


def _moment_tests(pool: EventPool) -> list[EventTest]:
    """Relative errors of ⟨x'/x⟩ and ⟨(x'/x)²⟩, and the error of ⟨cosine⟩.

    Standard errors and skewness are the exact ones.
    """
    law, n = event_law(pool.x, pool.theta), pool.events
    tests = []
    for subject, powers, total, bar in (
        (GAIN, law.ratio_powers[:3], pool.ratio_sums[0], BARS.gain(pool.theta)),
        (SQUARE, law.ratio_powers[1::2], pool.ratio_sums[1], BARS.square),
        (MEAN_COSINE, law.cosine_powers[:3], pool.cosine_sums[0], None),
    ):
        mean, second, third = powers
        sigma = math.sqrt(second - mean**2)
        skewness = (third - 3.0 * mean * second + 2.0 * mean**3) / sigma**3
        scale = 1.0 if subject == MEAN_COSINE else mean
        tests.append(
            mean_test(
                MOMENTS,
                subject,
                pool.x,
                pool.theta,
                n,
                (total / n - mean) / scale,
                sigma / (scale * math.sqrt(n)),
                skewness=skewness / math.sqrt(n),
                bar=bar,
            )
        )
    return tests


def _tail_tests(pool: EventPool) -> list[EventTest]:
    law = event_law(pool.x, pool.theta)
    return [
        tail_test(k, int(count), pool.events, probability, pool.x, pool.theta)
        for k, (count, probability) in enumerate(zip(pool.above, law.tail_probability, strict=True))
    ]


def tail_test(
    k: int,
    count: int,
    events: int,
    probability: float,
    x: float | None = None,
    theta: float | None = None,
) -> EventTest:
    """Events beyond the k-th tail, relative to how many are expected."""
    expected = probability * events
    deviation = count / expected - 1.0
    beyond_bar = 1.0
    if abs(deviation) > BARS.tail:
        accepted = probability * (1.0 + math.copysign(BARS.tail, deviation))
        beyond_bar = binomial_p_value(count, events, accepted)
    return EventTest(
        TAILS,
        f"survival {TAIL_PROBABILITIES[k]:.0e}",
        theta,
        events,
        deviation,
        binomial_p_value(count, events, probability),
        visible_to_z(1.0 / math.sqrt(expected)),
        x=x,
        bar=BARS.tail,
        beyond_bar=beyond_bar,
        noise=1.0 / math.sqrt(expected),
        limit=abs(deviation) + _SIGMAS / math.sqrt(expected),
    )


def together_tests(total: EventPool, tests: Sequence[EventTest]) -> list[EventTest]:
    """Errors of one sign at all places, too small to be seen at one of them.

    Parameters
    ----------
    total : EventPool
        The pools of all places, which are of equal size, as one.
    tests : sequence of EventTest
        Those of the pools, whose p-values should be uniform.
    """
    found = []
    for family, counts in zip((COSINE, ENERGY), total.ranks, strict=False):
        for test in distribution_tests(counts, None, ALL_PLACES):
            found.append(event_test(dataclasses.replace(test, subject=f"{family}, {test.subject}")))
    for k, counts in enumerate(total.ranks[2:]):
        if counts.sum() >= LEAST_EVENTS:
            test = _kolmogorov(counts, None, f"{ENERGY}, {cell_name(k)}")
            found.append(event_test(dataclasses.replace(test, family=ALL_PLACES)))
    for family in (COSINE, ENERGY, GIVEN_COSINE):
        p_values = [t.p_value for t in tests if t.family == family and t.subject != "AD"]
        if p_values:
            p_value_pair = p_value_tests(f"{family} KS", np.array(p_values))
            found += [event_test(test) for test in p_value_pair]
    laws = [event_law(x, theta) for x, theta in dict.fromkeys((t.x, t.theta) for t in tests)]
    for k, count in enumerate(total.above):
        # Of Bernoulli trials of nearly one probability, their mean is enough.
        mean = float(np.mean([law.tail_probability[k] for law in laws]))
        test = tail_test(k, int(count), total.events, mean)
        found.append(dataclasses.replace(test, family=ALL_PLACES))
    return found
