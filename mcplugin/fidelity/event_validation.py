"""All that is asked of a scattering sampler, in one call: from its random streams to a verdict."""

import functools
import itertools
import time
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mcplugin.domain import THETA_MAX, THETA_MIN, whole_number
from mcplugin.errors import InputError
from mcplugin.fidelity.classifier import Discrimination, classifier_test
from mcplugin.fidelity.crew import Crew, Progress, failures_named
from mcplugin.fidelity.equilibrium import (
    TEMPERATURES,
    Equilibrium,
    equilibrium,
    equilibrium_tests,
    scatter_in_equilibrium,
    wien_field,
)
from mcplugin.fidelity.event_classifier import discriminate_events, event_cells
from mcplugin.fidelity.event_independence import (
    elsewhere_tests,
    energies_elsewhere,
    independence_tests,
    refusals,
)
from mcplugin.fidelity.event_law import event_law
from mcplugin.fidelity.event_pool import EventPool, draw_events, merged
from mcplugin.fidelity.event_quadrature import EventQuadrature, GeneratesEvents, measure_events
from mcplugin.fidelity.event_report import EventReport, EventSettings
from mcplugin.fidelity.event_tests import EventTest, event_test, pool_tests, together_tests
from mcplugin.random_streams import random_streams
from mcplugin.samplers.scattering import ScatteringSampler, get_scattering_sampler
from mcplugin.transport.simulation import available_cores

Array = NDArray[np.float64]
Counts = NDArray[np.int64]
Place = tuple[float, float]

# Energies at which events are compared, where the sampler is valid there: softer photons scatter as
# the softest of these do, and of harder ones a thermal plasma has few.
X_RANGE = (1e-6, 10.0)

# Each kind of test has its own 2⁵⁶ random streams, so that no two tests share an event.
_RESERVED = 2**56
_POOLED, _EQUILIBRIUM, _SUCCESSIVE, _ELSEWHERE, _CLASSIFIED, _EXACT, _CONTROL = (
    kind * _RESERVED for kind in range(7)
)

# Events per task of a pool, and photons per task in equilibrium, each scattered a hundred times.
_PART = 2**21
_FOLLOWED = 2**16
# Independence and the classifier are tested with as many events as there are in all, but no more
# than this, which are kept in memory.
_MANY = 1_000_000
# Photons beyond the sampler's energies may scatter slowly.
_FEW = 100_000
_PLACES_OF_PAIRS = 3


def validate_scattering(
    sampler: str | ScatteringSampler,
    *,
    events: int = 100_000_000,
    photons: int = 2_000_000,
    cells: int = 10,
    seed: int = 1,
    threads: int | None = None,
    progress: Progress | None = None,
    **options: Any,
) -> EventReport:
    """Compare a scattering sampler with the exact law of Compton events in every way that is known.

    Parameters
    ----------
    sampler : str or ScatteringSampler
        A tag as for :func:`~mcplugin.samplers.scattering.get_scattering_sampler`, or the sampler.
    events : int
        Events in all cells together, 1e4 to 1e10; streamed, never held. More would see the
        errors of the tabulated exact law.
    photons : int
        Photons in equilibrium that are scattered a hundred times, at each of up to five
        temperatures, 1000 to 1e9.
    cells : int
        Cells of ln x, and as many of ln Θ, 2 to 30; each has one random place. The cosine has six.
    seed : int
        Seed of the random streams and of the places, 0 to 2⁶⁴ - 1.
    threads : int, optional
        Worker threads; all available cores by default. The result does not depend on it.
    progress : callable, optional
        Called with (stage, steps done, steps in all).
    **options
        Passed to the sampler.

    Returns
    -------
    EventReport
        With a verdict; :meth:`~mcplugin.fidelity.event_report.EventReport.write` makes files of it.

    Raises
    ------
    InputError, UnknownSamplerError
        If an argument is out of range or there is no such sampler; nothing has been drawn then.
    SamplerError
        If the sampler breaks its contract.
    """
    settings = EventSettings(
        events=whole_number("events", events, 10**4, 10**10),
        photons=whole_number("photons", photons, 1000, 10**9),
        cells=whole_number("cells", cells, 2, 30),
        seed=whole_number("seed", seed, 0, 2**64 - 1),
    )
    threads = whole_number("threads", available_cores() if threads is None else threads, 1, 4096)
    sampler = get_scattering_sampler(sampler, **options)
    ranges = _common_ranges(sampler)
    places = random_places(*ranges, settings.cells, settings.seed)
    # A sampler that cannot draw says so at once.
    with failures_named(sampler.name):
        sampler.sample(*places[0], random_streams(0, 1))
    started = time.perf_counter()
    with Crew(threads, sampler.name, progress) as crew:
        run = _Run(sampler, settings, places, crew)
        run.prepare()
        computed = run.compute()
        tail_counts, tests = run.draw_pools()
        tests += run.test_independence()
        tests += run.test_elsewhere(ranges[0])
        fields = run.follow()
        tests += [test for field in fields for test in equilibrium_tests(field)]
        found, control = run.discriminate()
        table_error = max(crew.all("error of the tables", run.table_errors()))
    auc = replace(classifier_test(found, len(places)), subject=f"AUC at {len(places)} places")
    tests.append(event_test(auc))
    return EventReport(
        sampler=sampler.name,
        options=dict(sampler.options),
        theta_range=_ends(sampler.theta_range),
        x_range=_ends(sampler.x_range),
        compared_range=ranges,
        settings=settings,
        threads=threads,
        seconds=time.perf_counter() - started,
        table_error=table_error,
        refusals=refusals(sampler),
        places=tuple(places),
        computed=computed,
        tail_counts=tail_counts,
        equilibrium=tuple(fields),
        classifier=found,
        control=control,
        tests=tuple(tests),
    )


def random_places(x_range: Place, theta_range: Place, cells: int, seed: int) -> list[Place]:
    """One log-uniform place (x, Θ) in each cell, row by row: Θ ascends slowest."""
    random = np.random.default_rng(seed)
    offsets = random.random((2, cells, cells))
    column, row = np.meshgrid(np.arange(cells), np.arange(cells))
    places = []
    for (low, high), cell, offset in zip(
        (x_range, theta_range), (column, row), offsets, strict=True
    ):
        values = low * (high / low) ** ((cell + offset) / cells)
        places.append(np.clip(values, low, high).ravel())
    return [(float(x), float(theta)) for x, theta in zip(*places, strict=True)]


def _ends(given: tuple[float, float]) -> Place:
    low, high = given
    return float(low), float(high)


def _common_ranges(sampler: ScatteringSampler) -> tuple[Place, Place]:
    """Energies and temperatures at which the sampler is valid and the exact law is compared."""
    common = []
    for name, (low, high), (least, most) in (
        ("x", _ends(sampler.x_range), X_RANGE),
        ("theta", _ends(sampler.theta_range), (THETA_MIN, THETA_MAX)),
    ):
        if not max(low, least) <= min(high, most):
            raise InputError(
                f"sampler {sampler.name!r} is for {low:g} <= {name} <= {high:g}, where it is not "
                f"compared: that is for {least:g} <= {name} <= {most:g}"
            )
        common.append((max(low, least), min(high, most)))
    return common[0], common[1]


class _Run:
    """What is drawn, by a crew of threads; nothing here depends on how many there are."""

    def __init__(
        self,
        sampler: ScatteringSampler,
        settings: EventSettings,
        places: list[Place],
        crew: Crew,
    ) -> None:
        self.sampler = sampler
        self.settings = settings
        self.places = places
        self.crew = crew
        self.many = min(_MANY, settings.events)
        low, high = _ends(sampler.theta_range)
        self.field_temperatures = [theta for theta in TEMPERATURES if low <= theta <= high]

    def prepare(self) -> None:
        """Tabulate the exact law, of all places and of all fields in equilibrium."""
        self.crew.all(
            "exact law",
            [functools.partial(event_law, *place) for place in self.places]
            + [functools.partial(wien_field, theta) for theta in self.field_temperatures],
        )

    def compute(self) -> EventQuadrature | None:
        """The generator's errors without sampling, if the sampler has a generator."""
        sampler = self.sampler
        if not isinstance(sampler, GeneratesEvents):
            return None
        tasks = [
            functools.partial(measure_events, sampler.generator, *place) for place in self.places
        ]
        return EventQuadrature.joined(self.crew.all("without sampling", tasks))

    def table_errors(self) -> list[functools.partial[float]]:
        """Tasks that measure the error of the tables of each place."""
        return [functools.partial(event_law(*place).table_error) for place in self.places]

    def draw_pools(self) -> tuple[Counts, list[EventTest]]:
        """One pool at each place, and all of them together: counts of tails, and tests.

        A histogram is dropped as soon as it has been tested.
        """
        size = max(self.settings.events // len(self.places), 1)
        starts = range(0, size, _PART)
        tasks = [
            functools.partial(
                draw_events,
                self.sampler,
                *place,
                self.settings.seed,
                _POOLED + k * size + start,
                min(_PART, size - start),
            )
            for k, place in enumerate(self.places)
            for start in starts
        ]
        parts = self.crew.results("events", tasks)
        total: EventPool | None = None
        tests, tails = [], []
        for _ in self.places:
            pool = functools.reduce(merged, itertools.islice(parts, len(starts)))
            tests += pool_tests(pool)
            tails.append(pool.above)
            total = pool if total is None else merged(total, pool)
        assert total is not None
        return np.array(tails), tests + together_tests(total, tests)

    def test_independence(self) -> list[EventTest]:
        """Successive and neighbouring scatterings, at a few places from soft and cold on."""
        chosen = np.linspace(0, len(self.places) - 1, _PLACES_OF_PAIRS).round().astype(int)
        tasks = [
            functools.partial(
                independence_tests,
                self.sampler,
                *self.places[int(place)],
                self.settings.seed,
                _SUCCESSIVE + k * self.many,
                self.many,
            )
            for k, place in enumerate(chosen)
        ]
        return [test for tests in self.crew.all("independence", tasks) for test in tests]

    def test_elsewhere(self, compared: Place) -> list[EventTest]:
        """Photons of other energies than those compared, at a few temperatures."""
        few = min(_FEW, self.many)
        thetas = [self.places[k][1] for k in (0, len(self.places) // 2, -1)]
        energies = energies_elsewhere(self.sampler, compared)
        tasks = [
            functools.partial(
                elsewhere_tests,
                self.sampler,
                x,
                theta,
                self.settings.seed,
                _ELSEWHERE + 2 * k * few,
                few,
            )
            for k, (x, theta) in enumerate(itertools.product(energies, thetas))
        ]
        return [test for tests in self.crew.all("other energies", tasks) for test in tests]

    def follow(self) -> list[Equilibrium]:
        """Photons in equilibrium at each temperature, through a hundred scatterings."""
        photons = self.settings.photons
        starts = range(0, photons, _FOLLOWED)
        tasks = [
            functools.partial(
                scatter_in_equilibrium,
                self.sampler,
                theta,
                self.settings.seed,
                _EQUILIBRIUM + k * photons + start,
                min(_FOLLOWED, photons - start),
            )
            for k, theta in enumerate(self.field_temperatures)
            for start in starts
        ]
        parts = self.crew.results("equilibrium", tasks)
        sampler = self.sampler
        generator = sampler.generator if isinstance(sampler, GeneratesEvents) else None
        found = []
        for theta in self.field_temperatures:
            first, *others = itertools.islice(parts, len(starts))
            found.append(equilibrium(theta, sum(others, start=first), generator))
        return found

    def discriminate(self) -> tuple[Discrimination, Discrimination]:
        """The sampler against exact scattering, and exact scattering against itself."""
        # Both halves of the events hold the same mixture of places.
        which = np.arange(self.many) % len(self.places)
        exact = get_scattering_sampler("exact")
        asked = ((self.sampler, _CLASSIFIED), (exact, _EXACT), (exact, _CONTROL))
        drawn, reference, control = self.crew.all(
            "events for the classifier",
            [
                functools.partial(event_cells, who, self.places, which, self.settings.seed, first)
                for who, first in asked
            ],
        )
        found, exact_found = self.crew.all(
            "classifier",
            [
                functools.partial(discriminate_events, one, reference, which, self.places)
                for one in (drawn, control)
            ],
        )
        return found, exact_found
