"""Everything that draws electrons from Python, called alike, and how a draw of many is timed.

The registered samplers in all their variants, and the baselines of ``baselines.py``. Whatever
cannot take part somewhere says why: silence would read as coverage.
"""

import functools
import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

import numpy as np
from baselines import BASELINES, Array, Draw

from mcplugin import ElectronVelocitySampler, get_sampler, random_streams, sampler_names
from mcplugin.domain import THETA_MAX, THETA_MIN
from mcplugin.errors import MissingPackageError
from mcplugin.transport.simulation import available_cores

# Where one Θ per draw is asked for, D is the largest at these.
THETAS = tuple(float(f"{theta:.3g}") for theta in np.logspace(-4, 2, 13))
# A call that would take longer is left out.
LONGEST_CALL = 3.0
# TorchScript compiles in its first two calls.
_PILOT, _PILOT_CALLS = 1000, 5
# Several threads are timed by the clock on the wall, which needs cores that are idle otherwise.
_LOAD_AT_START, _BUSY = os.getloadavg()[0], 1.0


class Contender(Protocol):
    """What every baseline has, see ``baselines.py``."""

    @property
    def label(self) -> str: ...
    @property
    def theta_range(self) -> tuple[float, float]: ...
    @property
    def one_theta_only(self) -> bool: ...
    def prepare(self, theta: float | Array, size: int, seed: int) -> Draw: ...
    def distance(self, theta: float | None) -> float | None: ...
    def __hash__(self) -> int: ...


@dataclass(frozen=True)
class Registered:
    """A sampler of the registry as a contender."""

    label: str
    sampler: ElectronVelocitySampler
    one_theta_only: bool = False

    @property
    def theta_range(self) -> tuple[float, float]:
        """Temperatures at which it is valid."""
        return self.sampler.theta_range

    def prepare(self, theta: float | Array, size: int, seed: int) -> Draw:
        """One stream per electron, as in a run."""
        streams, u = random_streams(seed, size), np.empty(size)
        return lambda: self.sampler.sample(theta, streams, out=u)

    def distance(self, theta: float | None) -> float | None:
        """D by its own account, 0 if it is exact, None if it does not say."""
        if theta is None:
            low, high = self.theta_range
            each = [self._distance(t, "_2d") for t in THETAS if low <= t <= high]
            return None if None in each else max(d for d in each if d is not None)
        return self._distance(theta, "")

    def _distance(self, theta: float, suffix: str) -> float | None:
        quality = self.sampler.quality(theta)
        if "acceptance" in quality:
            return 0.0
        return quality.get(f"interpolation_error{suffix}", quality.get("distance"))


@dataclass(frozen=True)
class Point:
    """Where contenders meet.

    Attributes
    ----------
    theta : float or None
        One temperature for all draws; None for one per draw, log-uniform from 1e-4 to 100.
    batch : int
        Electrons a call, of all threads together.
    threads : int
        Threads that share a call.
    """

    theta: float | None
    batch: int
    threads: int = 1

    def __str__(self) -> str:
        theta = "one Θ per draw" if self.theta is None else f"Θ = {self.theta:g}"
        threads = "" if self.threads == 1 else f", {self.threads} threads"
        return f"{theta}, batch {self.batch:,}{threads}"


def contenders() -> tuple[list[Contender], dict[str, str]]:
    """All who can take part here, and who cannot, with the reason."""
    found: list[Contender] = []
    left_out: dict[str, str] = {}
    for name in sampler_names():
        try:
            sampler = get_sampler(name)
        except MissingPackageError as error:
            left_out[name] = str(error)
            continue
        if sampler.name != name:
            left_out[sampler.name] = f"it is what {name!r} stands for, which is here"
        for options in sampler.variants:
            label = ", ".join([name, *map(str, options.values())])
            # The default bears the tag alone.
            label = name if options == sampler.variants[0] else label
            found.append(Registered(label, get_sampler(name, **options)))
    kept = [contender for contender in found if contender.label not in left_out]
    return [*kept, *BASELINES], left_out


def refusal(contender: Contender, point: Point) -> str | None:
    """Why a contender does not take part at a point; None if it does."""
    low, high = contender.theta_range
    wanted = (THETA_MIN, THETA_MAX) if point.theta is None else (point.theta, point.theta)
    if not low <= wanted[0] <= wanted[1] <= high:
        return f"valid from Θ = {low:g} to {high:g} only"
    if point.theta is None and contender.one_theta_only:
        return "it needs a set-up for each temperature"
    if point.threads > available_cores():
        return f"{available_cores()} cores are available"
    if point.threads > 1 and _LOAD_AT_START > _BUSY:
        return f"the machine was busy (load {_LOAD_AT_START:.1f}): threads would wait for others"
    seconds = point.batch * _seconds_per_draw(contender, point.theta)
    if seconds > LONGEST_CALL:
        return f"one call would take longer than {LONGEST_CALL:g} s"
    return None


@functools.cache
def _seconds_per_draw(contender: Contender, theta: float | None) -> float:
    """A first estimate; compiles what needs to be compiled."""
    draw = contender.prepare(_temperatures(Point(theta, _PILOT)), _PILOT, 1)
    times = []
    for _ in range(_PILOT_CALLS):
        start = time.thread_time()
        draw()
        times.append(time.thread_time() - start)
    return min(times) / _PILOT


def _temperatures(point: Point) -> float | Array:
    if point.theta is not None:
        return point.theta
    logs = np.random.default_rng(1).uniform(np.log(THETA_MIN), np.log(THETA_MAX), point.batch)
    return np.exp(logs).clip(THETA_MIN, THETA_MAX)


@contextmanager
def prepared(contender: Contender, point: Point, seed: int = 1) -> Iterator[Callable[[], object]]:
    """A function that draws a batch, shared by as many threads as the point says.

    Each thread has a part of the batch, and random numbers and tables of its own.
    """
    theta = _temperatures(point)
    ends = np.linspace(0, point.batch, point.threads + 1).astype(int)
    parts = [
        contender.prepare(
            theta if np.ndim(theta) == 0 else np.asarray(theta)[first:last],
            int(last - first),
            seed * point.threads + k,
        )
        for k, (first, last) in enumerate(pairwise(ends))
    ]
    if point.threads == 1:
        yield parts[0]
        return
    with ThreadPoolExecutor(point.threads) as pool:
        yield lambda: list(pool.map(lambda draw: draw(), parts))
