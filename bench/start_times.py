"""How long a fresh Python takes to its first electron and its first photon, import included.

    python bench/start_times.py --out bench/results/DATE-start-times.json

Every figure is of a whole process: its wall time, and the processor time of its threads together,
which others on the machine cannot take. Processes take turns in every round. ``warm`` finds numba's
machine code in its cache, as any but the first process of a user does; ``empty`` has to compile it.
The caches are folders of this benchmark's own.
"""

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

from record import keep, spread

from mcplugin import get_sampler, sampler_names
from mcplugin.errors import MissingPackageError

SOURCE = Path(__file__).resolve().parents[1] / "examples" / "cygnus_x1.toml"
STATES = WARM, EMPTY = "warm", "empty"
CLOCKS = WALL, PROCESSOR = "wall", "processor"


def programs() -> tuple[dict[str, list[str]], dict[str, str]]:
    """Arguments of Python by what it does, and what cannot be done, with the reason."""
    does = {
        "python, nothing": ["-c", "pass"],
        "import mcplugin": ["-c", "import mcplugin"],
        "mcplugin --version": ["-m", "mcplugin", "--version"],
    }
    left_out = {}
    for name in sampler_names():
        try:
            get_sampler(name)
        except MissingPackageError as error:
            left_out[f"first electron, {name}"] = str(error)
            continue
        draw = f"import mcplugin; mcplugin.sample_four_velocity(0.1, 1, {name!r})"
        does[f"first electron, {name}"] = ["-c", draw]
    for name in ("rejection", "gan"):
        run = f"import mcplugin; mcplugin.simulate({str(SOURCE)!r}, {name!r}, photons=1, threads=1)"
        does[f"first photon, {name}"] = ["-c", run]
    return does, left_out


def run(arguments: list[str], cache: str) -> dict[str, float]:
    """Seconds of one Python process with its numba cache in a given folder."""
    environment = {**os.environ, "NUMBA_CACHE_DIR": cache}
    start, used = time.perf_counter(), _processor_seconds()
    subprocess.run([sys.executable, *arguments], check=True, capture_output=True, env=environment)
    return {WALL: time.perf_counter() - start, PROCESSOR: _processor_seconds() - used}


def _processor_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def run_from_empty(arguments: list[str]) -> dict[str, float]:
    """The same with nothing in the cache."""
    with tempfile.TemporaryDirectory() as cache:
        return run(arguments, cache)


def measure(rounds: int, empty_rounds: int) -> dict[str, Any]:
    """Seconds of every program, with a warm cache and with an empty one."""
    does, left_out = programs()
    times: dict[tuple[str, str], list[dict[str, float]]] = defaultdict(list)
    with tempfile.TemporaryDirectory() as cache:
        for arguments in does.values():
            run(arguments, cache)
        for _ in range(rounds):
            for what, arguments in does.items():
                times[what, WARM].append(run(arguments, cache))
    for _ in range(empty_rounds):
        for what, arguments in does.items():
            times[what, EMPTY].append(run_from_empty(arguments))
    return {
        "seconds": {
            what: {
                state: {
                    clock: spread([each[clock] for each in times[what, state]]) for clock in CLOCKS
                }
                for state in STATES
            }
            for what in does
        },
        "left_out": left_out,
    }


def table(figures: dict[str, Any]) -> str:
    """Seconds of a process, on the wall and of processor time."""
    lines = [
        "| seconds of a process (of processor time) | numba's cache warm | empty |",
        "|---|---|---|",
    ]
    for what, states in figures["seconds"].items():
        cells = [
            f"{states[state][WALL]['median']:.2f} ({states[state][PROCESSOR]['median']:.2f})"
            for state in STATES
        ]
        lines.append("| " + " | ".join([what, *cells]) + " |")
    lines += [f"\nleft out: {what}: {reason}" for what, reason in figures["left_out"].items()]
    return "\n".join(lines)


def main() -> None:
    """Measure, print, keep."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--empty-rounds", type=int, default=3, help="with an empty cache")
    parser.add_argument("--out", type=Path, help="JSON file to keep the figures in")
    options = parser.parse_args()
    figures = measure(options.rounds, options.empty_rounds)
    print(table(figures))
    if options.out:
        words = f"--rounds {options.rounds} --empty-rounds {options.empty_rounds}"
        command = f"python bench/start_times.py {words}"
        keep(options.out, command, figures, load_average=os.getloadavg()[0])


if __name__ == "__main__":
    main()
