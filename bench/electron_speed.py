"""Electrons from Python: every sampler and what a user would have instead, all interleaved.

    python bench/electron_speed.py --out bench/results/DATE-electron-speed.json

times every contender at every point of three lines: temperatures at one size of batch, batches at
one temperature, threads at the largest batch; each also with one temperature per draw. In every
round all contenders take turns at a point before the next one comes, so that a change of the
machine's speed meets all of them; ratios are taken within rounds. One thread is timed by its
processor time, which others on the machine cannot take; several by the clock on the wall. What a
new temperature costs is the time of preparation and one electron at a temperature that was never
asked for before. Whatever took no part is listed with its reason, in the output and in the file.
"""

import argparse
import os
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
from contenders import THETAS, Contender, Point, contenders, prepared, refusal
from record import keep, rounded, spread

from mcplugin.transport.simulation import available_cores

BATCH = 100_000
THETA = 0.1
BATCHES = (1, 10, 100, 1_000, 10_000, 100_000, 1_000_000)
GPU = "gan-torch, device='cuda'"

# A timing is of as many calls as take this long together.
_SECONDS = 0.003
# Temperatures of a round lie this far apart, so that none is met twice.
_NEW_THETA = 1e-3


def points() -> list[Point]:
    """Where all contenders are timed."""
    largest = max(BATCHES)
    threads = sorted({1, 2, available_cores()})
    return list(
        dict.fromkeys(
            [
                *(Point(theta, BATCH) for theta in (*THETAS, None)),
                *(Point(theta, batch) for theta in (THETA, None) for batch in BATCHES),
                *(Point(theta, largest, n) for theta in (THETA, None) for n in threads),
            ]
        )
    )


def nanoseconds_per_electron(contender: Contender, point: Point, seed: int) -> float:
    """One timing, after one call that fills the caches."""
    clock = time.thread_time if point.threads == 1 else time.perf_counter
    with prepared(contender, point, seed) as draw:
        start = clock()
        draw()
        calls = max(1, min(10_000, int(_SECONDS / (clock() - start))))
        start = clock()
        for _ in range(calls):
            draw()
        return 1e9 * (clock() - start) / (calls * point.batch)


def new_temperature_ms(contender: Contender, theta: float) -> float:
    """Milliseconds to the first electron at a temperature that is new."""
    start = time.thread_time()
    with prepared(contender, Point(theta, 1)) as draw:
        draw()
    return 1e3 * (time.thread_time() - start)


def distances(contender: Contender) -> dict[str, float | None]:
    """The largest D at the temperatures that are timed; None if it is not known."""
    low, high = contender.theta_range
    each = [contender.distance(theta) for theta in THETAS if low <= theta <= high]
    found = {"one theta": None if None in each else max(d for d in each if d is not None)}
    if not contender.one_theta_only:
        found["one theta per draw"] = contender.distance(None)
    return found


def measure(rounds: int) -> dict[str, Any]:
    """All figures of the file."""
    who, absent = contenders()
    left_out = {label: {reason: ["everywhere"]} for label, reason in absent.items()}
    left_out[GPU] = {"timed by gpu_draws.py, where there is a GPU": ["everywhere"]}
    present: dict[Point, list[Contender]] = defaultdict(list)
    for point in points():
        for contender in who:
            reason = refusal(contender, point)
            if reason is None:
                present[point].append(contender)
            else:
                left_out.setdefault(contender.label, {}).setdefault(reason, []).append(str(point))

    ns: dict[tuple[Point, str], list[float]] = defaultdict(list)
    ms: dict[str, list[float]] = defaultdict(list)
    for k in range(rounds):
        for point, here in present.items():
            # Each is first in turn, so that none always inherits the caches of the same other.
            for i in (np.arange(len(here)) + k) % len(here):
                time_here = nanoseconds_per_electron(here[i], point, seed=k)
                ns[point, here[i].label].append(time_here)
        for contender in present[Point(THETA, 1)]:
            theta = THETA * (1.0 + _NEW_THETA * (k + 1))
            ms[contender.label].append(new_temperature_ms(contender, theta))
    return {
        "contenders": [contender.label for contender in who],
        "ns_per_electron": [
            {"sampler": label, "theta": point.theta, "batch": point.batch, "threads": point.threads,
             "min": rounded(min(values)), **spread(values)}
            for (point, label), values in ns.items()
        ],
        "distance": {contender.label: distances(contender) for contender in who},
        "times_as_fast": {
            faster: {
                slower: {
                    str(point): spread(np.array(ns[point, slower]) / np.array(ns[point, faster]))
                    for point in present
                    if (point.batch, point.threads) == (BATCH, 1)
                    and (point, slower) in ns and (point, faster) in ns
                }
                for slower in (contender.label for contender in who)
                if slower != faster
            }
            for faster in ("gan", "gan-exact")
        },
        "new_temperature_ms": {label: spread(values) for label, values in ms.items()},
        "left_out": left_out,
    }  # fmt: skip


def table(figures: dict[str, Any], thetas: tuple[float, ...] = (0.01, 0.1, 1.0, 10.0)) -> str:
    """Times per electron at several temperatures, and what a new one costs."""
    cells = _medians(figures)
    lines = [
        "| ns per electron | error D | "
        + " | ".join(f"Θ = {theta:g}" for theta in thetas)
        + " | one Θ per draw | a new Θ, ms |",
        "|---" * (len(thetas) + 4) + "|",
    ]
    for label in figures["contenders"]:
        places = [(label, theta, BATCH, 1) for theta in (*thetas, None)]
        row = [
            label,
            error(figures["distance"][label]["one theta"]),
            *(f"{cells[place]:.3g}" if place in cells else "" for place in places),
            f"{figures['new_temperature_ms'][label]['median']:.2g}"
            if label in figures["new_temperature_ms"]
            else "",
        ]
        lines.append("| " + " | ".join(row) + " |")
    return "\n".join(lines)


def batches_table(figures: dict[str, Any]) -> str:
    """Times per electron at one temperature, by size of batch and number of threads."""
    cells = _medians(figures)
    shapes = sorted({(threads, batch) for _, _, batch, threads in cells})
    names = [f"{batch:,}" + (f" on {n} threads" if n > 1 else "") for n, batch in shapes]
    lines = [
        "| ns per electron, batches of | " + " | ".join(names) + " |",
        "|---" * (len(shapes) + 1) + "|",
    ]
    for label in figures["contenders"]:
        places = [(label, THETA, batch, threads) for threads, batch in shapes]
        row = (f"{cells[place]:.3g}" if place in cells else "" for place in places)
        lines.append("| " + " | ".join([label, *row]) + " |")
    return "\n".join(lines)


def _medians(figures: dict[str, Any]) -> dict[tuple[str, float | None, int, int], float]:
    return {
        (cell["sampler"], cell["theta"], cell["batch"], cell["threads"]): cell["median"]
        for cell in figures["ns_per_electron"]
    }


def error(distance: float | None) -> str:
    """How an error D is written."""
    if distance is None:
        return "not stated"
    return "exact" if distance == 0.0 else f"{distance:.1e}"


def left_out_lines(figures: dict[str, Any]) -> str:
    """Who took no part, where and why."""
    return "\n".join(
        f"left out: {label}: {reason} ({'; '.join(places)})"
        for label, reasons in figures["left_out"].items()
        for reason, places in reasons.items()
    )


def main() -> None:
    """Measure, print, keep."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--out", type=Path, help="JSON file to keep the figures in")
    options = parser.parse_args()
    figures = measure(options.rounds)
    print(table(figures), end="\n\n")
    print(batches_table(figures), end="\n\n")
    print(left_out_lines(figures))
    if options.out:
        command = f"python bench/electron_speed.py --rounds {options.rounds}"
        keep(options.out, command, figures, load_average=os.getloadavg()[0])


if __name__ == "__main__":
    main()
