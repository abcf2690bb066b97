"""What the learned scattering costs and how wrong it is, for networks of several widths.

    python bench/event_widths.py --out bench/results/DATE-event-widths.json

trains generators of Compton events as ``weights/compton-event.toml`` does but for the hidden units,
one after the other on one core (minutes for the smallest, a quarter of an hour for the largest;
``out/event-widths`` keeps them, and those that are there are not trained again). Errors are those
of their cards, computed without noise on a grid of 10 × 10 photon energies and temperatures over
the whole range. For the time of an event, libmcplugin is compiled once for each width with its
weights built in, as the package would be; all are then loaded into one process and called in turn
at one temperature.
"""

import argparse
import contextlib
import json
import os
import runpy
import shutil
import subprocess
import time
import tomllib
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
from record import keep, rounded, spread
from rich.progress import track

from mcplugin.native.binding import Library

ROOT = Path(__file__).parent.parent
CONFIGURATION = ROOT / "weights" / "compton-event.toml"
FOLDER = ROOT / "out" / "event-widths"
# Units of the network of the cosine, and of the one of the momentum.
WIDTHS = {
    "8, 8-6": ([8], [8, 6]),
    "12, 12-8": ([12], [12, 8]),
    "10, 12-10": ([10], [12, 10]),
    "10, 14-10": ([10], [14, 10]),
    "12, 16-12": ([12], [16, 12]),
    "16, 24-16": ([16], [24, 16]),
}
# Where ten times the speed of exact events is aimed at, hardest first, and a common place.
PLACES = ((0.01, 10.0), (0.1, 1.0), (1e-4, 0.2))
EVENTS = 8192
ROUNDS = 400


def train(name: str) -> Path:
    """The weights of one width, trained unless they are there."""
    cosine, momentum = WIDTHS[name]
    units = "-".join(map(str, cosine + momentum))
    trained = FOLDER / units
    configuration = tomllib.loads(CONFIGURATION.read_text(encoding="utf-8"))
    usual = configuration["generator"]
    text = CONFIGURATION.read_text(encoding="utf-8")
    for key, chosen in (("cosine_units", cosine), ("momentum_units", momentum)):
        text = text.replace(f"{key} = {usual[key]}", f"{key} = {chosen}")
    asked = FOLDER / f"{units}.toml"
    if not (trained / "compton-event.json").is_file() or asked.read_text("utf-8") != text:
        asked.write_text(text, encoding="utf-8")
        command = ["mcplugin", "train", str(asked), "--out", str(trained), "--device", "cpu"]
        one_core = {f"{library}_NUM_THREADS": "1" for library in ("OMP", "OPENBLAS", "MKL")}
        subprocess.run(command, check=True, env=os.environ | one_core)
    return trained / "compton-event.safetensors"


def build(weights: Path, folder: Path) -> Library:
    """The library with these weights of events compiled in."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    with mock.patch("setuptools.setup"), contextlib.chdir(ROOT):
        recipe = runpy.run_path("setup.py")
        recipe["BUILTIN_WEIGHTS"]["mcp_builtin_event_weights"] = weights
        recipe["build_library"](folder, folder / "lib")
    return Library(folder / "lib" / "libmcplugin.so")


class Timed:
    """A sampler of events of one library."""

    def __init__(self, library: Library, spec: str) -> None:
        self._library = library
        self._sampler = library.create(spec)
        self._rng = library.ffi.new("mcp_rng *")
        library.check(library.functions.mcp_rng_seed(self._rng, 1, 0))
        self._x, self._x_out, self._cosine = (library.ffi.new("double[]", EVENTS) for _ in range(3))

    def nanoseconds(self, x: float, theta: float) -> float:
        """Time of one event, of a single batch."""
        for i in range(EVENTS):
            self._x[i] = x
        temperature = self._library.ffi.new("double[]", [theta])
        arguments = (self._sampler, self._rng, EVENTS, self._x, temperature, 1)
        begun = time.perf_counter()
        status = self._library.functions.mcp_scatter(*arguments, self._x_out, self._cosine)
        seconds = time.perf_counter() - begun
        self._library.check(status)
        return 1e9 * seconds / EVENTS


def times(libraries: dict[str, Library]) -> dict[str, dict[str, Any]]:
    """Medians of the time of an event, and of ratios within a round to that of an exact one."""
    contenders = {name: Timed(library, "gan-event") for name, library in libraries.items()}
    exact = Timed(next(iter(libraries.values())), "exact-event")
    found: dict[str, dict[str, Any]] = {name: {} for name in libraries}
    for x, theta in PLACES:
        measured = np.array(
            [
                [one.nanoseconds(x, theta) for one in (exact, *contenders.values())]
                for _ in track(range(ROUNDS), f"x = {x:g}, theta = {theta:g}")
            ]
        )
        for column, name in enumerate(contenders, 1):
            found[name][f"x = {x:g}, theta = {theta:g}"] = {
                "ns": spread(measured[:, column]),
                "times_as_fast_as_exact": spread(measured[:, 0] / measured[:, column]),
            }
    return found


def errors(weights: Path) -> dict[str, float]:
    """The largest errors on the card."""
    card = json.loads(weights.with_suffix(".json").read_text(encoding="utf-8"))
    _, cold, hot = card["accuracy"].values()
    return {
        "numbers": card["parameters_per_condition"],
        "cosine_distance": rounded(max(cold["cosine_distance_max"], hot["cosine_distance_max"])),
        "energy_distance": rounded(
            max(cold["momentum_distance_max"], hot["momentum_distance_max"])
        ),
        "gain_cold": rounded(cold["mean_gain_error_max"]),
        "gain_hot": rounded(hot["mean_gain_error_max"]),
    }


def table(widths: list[dict[str, Any]]) -> str:
    """Width against error against speed, for the README."""
    lines = [
        "| hidden units | numbers | D of the cosine | D of the energy given it | ⟨x′/x⟩, Θ ≤ 0.3 "
        "| ⟨x′/x⟩ above | ns an event | × exact at x, Θ = 0.01, 10 | at 0.1, 1 |",
        "|" + "---|" * 9,
    ]
    for width in widths:
        hottest, hot, common = width["times"].values()
        lines.append(
            f"| {width['hidden']} | {width['numbers']} | {width['cosine_distance']:.1e} "
            f"| {width['energy_distance']:.1e} | {width['gain_cold']:.1e} "
            f"| {width['gain_hot']:.1e} | {common['ns']['median']:.3g} "
            f"| {hottest['times_as_fast_as_exact']['median']:.3g} "
            f"| {hot['times_as_fast_as_exact']['median']:.3g} |"
        )
    return "\n".join(lines)


def main() -> None:
    """Train, compile, measure, print, keep."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, help="JSON file for the figures")
    options = parser.parse_args()
    FOLDER.mkdir(parents=True, exist_ok=True)

    weights = {name: train(name) for name in WIDTHS}
    libraries = {name: build(path, path.parent / "build") for name, path in weights.items()}
    measured = times(libraries)
    widths = [{"hidden": name, **errors(weights[name]), "times": measured[name]} for name in WIDTHS]
    print(table(widths))
    if options.out:
        figures = {"events_in_a_batch": EVENTS, "widths": widths}
        keep(options.out, "python bench/event_widths.py", figures)


if __name__ == "__main__":
    main()
