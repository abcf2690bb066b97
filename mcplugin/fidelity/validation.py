"""All that is asked of a sampler, in one call: from its random streams to a verdict."""

import functools
import itertools
import math
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mcplugin.domain import THETA_MAX, THETA_MIN, whole_number
from mcplugin.errors import InputError, ThetaRangeError
from mcplugin.fidelity.classifier import (
    Discrimination,
    classifier_test,
    discriminate,
    ranks,
)
from mcplugin.fidelity.crew import Crew, Progress, failures_named
from mcplugin.fidelity.distances import exact_cdf
from mcplugin.fidelity.independence import correlation_tests, isotropy_tests
from mcplugin.fidelity.map_distance import (
    MapDistance,
    RadialMap,
    dense_temperatures,
    measure_map,
)
from mcplugin.fidelity.moments import moment_tests, tail_tests
from mcplugin.fidelity.pool import BINS, distribution_tests, draw_pool, merged
from mcplugin.fidelity.refusal import refusal
from mcplugin.fidelity.report import RangeCheck, Report, Settings
from mcplugin.fidelity.single_samples import (
    SingleSamples,
    draw_single_samples,
    p_value_tests,
    single_sample_tests,
)
from mcplugin.fidelity.verdict import SampledTest, verdict
from mcplugin.random_streams import random_streams
from mcplugin.samplers.base import ElectronVelocitySampler, get_sampler
from mcplugin.transport.simulation import available_cores

Array = NDArray[np.float64]
Counts = NDArray[np.int64]

# Each kind of test has its own 2⁵⁶ random streams, so that no two tests share a draw.
_RESERVED = 2**56
_POOLED, _SINGLE, _VECTORS, _PAIRS, _CLASSIFIED, _EXACT, _CONTROL = (
    kind * _RESERVED for kind in range(7)
)

# Draws per task of a pool: half a second of work, after which its histogram is merged.
_PART = 2**22
# Directions, pairs and the classifier are tested with as many draws as a pool, but no more than
# this, which are kept in memory.
_MANY = 1_000_000
_ISOTROPY_TEMPERATURES = 6
_PAIR_TEMPERATURES = 3


def validate(
    sampler: str | ElectronVelocitySampler,
    *,
    draws: int = 10_000,
    pooled: int = 10_000_000,
    thetas: int = 40,
    seeds: int = 25,
    seed: int = 1,
    threads: int | None = None,
    progress: Progress | None = None,
    **options: Any,
) -> Report:
    """Compare a sampler with the exact Maxwell-Jüttner distribution in every way that is known.

    Parameters
    ----------
    sampler : str or ElectronVelocitySampler
        A tag as for :func:`~mcplugin.samplers.base.get_sampler`, or the sampler itself.
    draws : int
        Size of a single sample, 100 to 1e6.
    pooled : int
        Size of the pooled sample at each temperature, 1e4 to 1e10; streamed, never held.
    thetas : int
        Number of random temperatures, log-uniform in the sampler's range, 2 to 1000.
    seeds : int
        Single samples at each temperature, each with a seed of its own, 1 to 10,000.
    seed : int
        Seed of the random streams and of the choice of temperatures, 0 to 2⁶⁴ - 1.
    threads : int, optional
        Worker threads; all available cores by default. The result does not depend on it.
    progress : callable, optional
        Called with (stage, steps done, steps in all).
    **options
        Passed to the sampler.

    Returns
    -------
    Report
        With a verdict; :meth:`~mcplugin.fidelity.report.Report.write` makes files of it.

    Raises
    ------
    InputError, UnknownSamplerError
        If an argument is out of range or there is no such sampler; nothing has been drawn then.
    SamplerError
        If the sampler breaks its contract.
    """
    settings = Settings(
        draws=whole_number("draws", draws, 100, 10**6),
        pooled=whole_number("pooled", pooled, 10**4, 10**10),
        thetas=whole_number("thetas", thetas, 2, 1000),
        seeds=whole_number("seeds", seeds, 1, 10_000),
        seed=whole_number("seed", seed, 0, 2**64 - 1),
    )
    threads = whole_number("threads", available_cores() if threads is None else threads, 1, 4096)
    sampler = get_sampler(sampler, **options)
    low, high = _common_range(sampler)
    temperatures = random_temperatures(low, high, settings.thetas, settings.seed)
    # A sampler that cannot draw says so at once.
    with failures_named(sampler.name):
        sampler.sample(float(temperatures[0]), random_streams(0, 1))
    started = time.perf_counter()
    with Crew(threads, sampler.name, progress) as crew:
        run = _Run(sampler, settings, temperatures, crew)
        measured = run.measure_map(low, high)
        tests, tail_counts = run.draw_pools()
        singles = run.draw_single_samples()
        tests += single_sample_tests(singles)
        tests += run.test_isotropy()
        tests += run.test_correlations()
        found, control = run.discriminate()
        tests.append(classifier_test(found, temperatures.size))
    return Report(
        sampler=sampler.name,
        options=dict(sampler.options),
        theta_range=(float(sampler.theta_range[0]), float(sampler.theta_range[1])),
        settings=settings,
        threads=threads,
        seconds=time.perf_counter() - started,
        theta=temperatures,
        range_checks=range_checks(sampler),
        map_distance=measured,
        single_samples=singles,
        tail_counts=tail_counts,
        tests=tuple(tests),
        classifier=found,
        control=control,
        verdict=verdict(tests),
    )


def random_temperatures(low: float, high: float, count: int, seed: int) -> Array:
    """Log-uniform temperatures in ascending order, shape (count,)."""
    place = np.sort(np.random.default_rng(seed).random(count))
    temperatures: Array = np.clip(low * (high / low) ** place, low, high)
    return temperatures


def range_checks(sampler: ElectronVelocitySampler) -> tuple[RangeCheck, ...]:
    """Ask for temperatures beyond both ends of the range, and for NaN, which must be refused.

    Each is asked for alone and as an array with one temperature per draw.
    """
    low, high = (float(end) for end in sampler.theta_range)
    beyond = (0.5 * low, np.nextafter(low, 0.0), np.nextafter(high, np.inf), 2.0 * high)
    asked = [*((float(theta), ThetaRangeError) for theta in beyond), (math.nan, InputError)]

    def draw(theta: Any) -> Array:
        return sampler.sample(theta, random_streams(0, 2))

    return tuple(
        RangeCheck(theta, *refusal(draw, theta, error, "electrons were drawn"))
        for theta, error in asked
    )


def _common_range(sampler: ElectronVelocitySampler) -> tuple[float, float]:
    """Temperatures at which both the sampler and the exact distribution are valid."""
    low, high = (float(end) for end in sampler.theta_range)
    if not max(low, THETA_MIN) <= min(high, THETA_MAX):
        raise InputError(
            f"sampler {sampler.name!r} is for {low:g} <= theta <= {high:g}, where the exact "
            f"distribution is not known: that is for {THETA_MIN:g} <= theta <= {THETA_MAX:g}"
        )
    return max(low, THETA_MIN), min(high, THETA_MAX)


class _Run:
    """What is drawn, by a crew of threads; nothing here depends on how many there are."""

    def __init__(
        self,
        sampler: ElectronVelocitySampler,
        settings: Settings,
        temperatures: Array,
        crew: Crew,
    ) -> None:
        self.sampler = sampler
        self.settings = settings
        self.temperatures = [float(theta) for theta in temperatures]
        self.crew = crew
        self.many = min(_MANY, settings.pooled)

    def measure_map(self, low: float, high: float) -> MapDistance | None:
        """The radial map on a dense grid of temperatures, if the sampler has one."""
        sampler = self.sampler
        if not isinstance(sampler, RadialMap):
            return None
        grid = dense_temperatures(low, high)
        tasks = [functools.partial(measure_map, sampler, float(theta)) for theta in grid]
        return MapDistance.joined(self.crew.all("radial map", tasks))

    def draw_pools(self) -> tuple[list[SampledTest], Counts]:
        """One pool per temperature, and all of them together: tests, and counts of the tails.

        Together they see an error of one sign that is too small for each of them. A histogram is
        dropped as soon as it has been tested.
        """
        size = self.settings.pooled
        starts = range(0, size, _PART)
        tasks = [
            functools.partial(
                draw_pool,
                self.sampler,
                theta,
                self.settings.seed,
                _POOLED + k * size + start,
                min(_PART, size - start),
            )
            for k, theta in enumerate(self.temperatures)
            for start in starts
        ]
        parts = self.crew.results("pooled samples", tasks)
        total = np.zeros(BINS, dtype=np.int64)
        distributions, rest, tails = [], [], []
        for theta in self.temperatures:
            drawn = functools.reduce(merged, itertools.islice(parts, len(starts)))
            total += drawn.counts
            distributions.append(distribution_tests(drawn.counts, theta))
            rest += [*moment_tests(drawn), *tail_tests(drawn)]
            tails.append(drawn.above)
        tests = [test for pair in distributions for test in pair]
        for k, name in enumerate(("pooled KS", "pooled AD")):
            tests += p_value_tests(name, np.array([pair[k].p_value for pair in distributions]))
        tests += distribution_tests(total, None, "all pools together")
        return tests + rest, np.array(tails)

    def draw_single_samples(self) -> SingleSamples:
        """As many samples per temperature as there are seeds."""
        settings = self.settings
        # Spread out, so that runs of neighbouring seeds have no sample in common.
        spread = np.random.SeedSequence(settings.seed).generate_state(settings.seeds, np.uint64)
        seeds = [int(seed) for seed in spread]
        tasks = [
            functools.partial(
                draw_single_samples,
                self.sampler,
                theta,
                seeds,
                _SINGLE + k * settings.draws,
                settings.draws,
            )
            for k, theta in enumerate(self.temperatures)
        ]
        return SingleSamples.joined(self.crew.all("single samples", tasks))

    def test_isotropy(self) -> list[SampledTest]:
        """Directions, at a few temperatures spread over the range."""
        return self._tests("directions", isotropy_tests, _ISOTROPY_TEMPERATURES, _VECTORS)

    def test_correlations(self) -> list[SampledTest]:
        """Pairs of draws, at a few temperatures spread over the range."""
        return self._tests("pairs of draws", correlation_tests, _PAIR_TEMPERATURES, _PAIRS)

    def discriminate(self) -> tuple[Discrimination, Discrimination]:
        """The sampler against exact rejection, and exact rejection against itself."""
        thetas = np.array(self.temperatures)
        # Both halves of the draws hold the same mixture of temperatures.
        which = np.arange(self.many) % thetas.size
        tables = [exact_cdf(theta) for theta in self.temperatures]
        rejection = get_sampler("rejection")
        asked = ((self.sampler, _CLASSIFIED), (rejection, _EXACT), (rejection, _CONTROL))
        drawn, exact, control = self.crew.all(
            "draws for the classifier",
            [
                functools.partial(ranks, who, thetas, which, tables, self.settings.seed, first)
                for who, first in asked
            ],
        )
        found, exact_found = self.crew.all(
            "classifier",
            [
                functools.partial(discriminate, one, exact, which, thetas)
                for one in (drawn, control)
            ],
        )
        return found, exact_found

    def _tests(
        self,
        stage: str,
        make: Callable[..., list[SampledTest]],
        temperatures: int,
        first: int,
    ) -> list[SampledTest]:
        count = min(temperatures, len(self.temperatures))
        chosen = np.linspace(0, len(self.temperatures) - 1, count).round().astype(int)
        tasks = [
            functools.partial(
                make,
                self.sampler,
                self.temperatures[place],
                self.settings.seed,
                first + k * self.many,
                self.many,
            )
            for k, place in enumerate(chosen)
        ]
        return [test for tests in self.crew.all(stage, tasks) for test in tests]
