"""Electrons from libmcplugin against what a C code has otherwise, one core, all interleaved.

And whole Compton events of its generator against its exact ones.

    python bench/native_speed.py --out bench/results/DATE-native-speed.json

builds ``bench/native/`` against the installed library (``mcplugin config``), with ``-O3
-march=native`` to be fair to the baselines, lets it draw, adds what a call from Python costs, and
prints tables of times and ratios, then which of the goals are met. Each round times every sampler
at every temperature, and those of events at every photon energy, too; a ratio is taken within
rounds and given as its median and quartiles. D is sup |F(u(p)) - p| of a table, computed from what
its C code returns between its nodes.

The baselines are scalar: nobody's compiler vectorises a rejection loop, and the script says whether
it vectorised the loops over tables.
"""

import argparse
import json
import os
import re
import shlex
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cffi
import numpy as np
from numpy.typing import ArrayLike, NDArray
from record import keep, rounded, spread
from scipy.interpolate import CubicSpline

from mcplugin import get_sampler, native, random_streams
from mcplugin.electrons import maxwell_juttner
from mcplugin.fidelity import exact_cdf
from mcplugin.native import binding
from mcplugin.random_streams import Streams

Array = NDArray[np.float64]
Result = dict[str, Any]

SOURCES = Path(__file__).with_name("native")
THETAS = (0.001, 0.01, 0.1, 1.0, 10.0, 100.0)
# The goals are stated for these.
GOAL_THETAS = (0.01, 0.1, 1.0, 10.0)
THETA_MIN, THETA_MAX = 1e-4, 100.0
# Energies of the photons that are scattered.
ENERGIES = (1e-4, 1e-2, 0.1, 1.0)
MIXED_COUNT = 65536
BATCH = 4096
FAIR = ("-O3", "-march=native")
PLAIN = ("-O3",)

EVEN_BITS = (12, 16)
OCTAVE_BITS = 7
# (bits of theta, bits of p) in an octave: from a table for the second-level cache to a good one.
SURFACE_BITS = ((2, 4), (4, 5), (5, 6), (6, 7))
# Tables below this count as rivals of the generator, whose own D is printed beside theirs.
COMPARABLE_DISTANCE = 2e-5
ROWS_PER_OCTAVE = 5
LEAST_Q_EXPONENT = -30
SURFACE_EXPONENTS = (-14, 7)
EVEN, OCTAVES, SURFACE = range(3)


# ---- Programs ----


def compiler() -> list[str]:
    """The C compiler."""
    return shlex.split(os.environ.get("CC", "cc"))


def build_program(folder: Path, optimisation: tuple[str, ...]) -> Path:
    """The program that draws, linked against the installed library."""
    config = [sys.executable, "-m", "mcplugin", "config", "--cflags", "--libs"]
    flags = shlex.split(subprocess.run(config, check=True, capture_output=True, text=True).stdout)
    program = folder / f"native_speed{len(optimisation)}"
    sources = [SOURCES / "native_speed.c", SOURCES / "baselines.c"]
    command: list[str | Path] = [
        *compiler(),
        "-std=gnu11",
        *optimisation,
        *sources,
        *flags,
        "-lm",
        "-lpthread",
    ]
    subprocess.run([*command, "-o", program], check=True)
    return program


def build_baselines(folder: Path) -> tuple[cffi.FFI, Any]:
    """The baselines alone, to be called from Python."""
    library, source = folder / "baselines.so", SOURCES / "baselines.c"
    shared = (*FAIR, "-shared", "-fPIC")
    command: list[str | Path] = [*compiler(), "-std=gnu11", *shared, source, "-lm", "-o", library]
    subprocess.run(command, check=True)
    ffi = cffi.FFI()
    header = (SOURCES / "baselines.h").read_text(encoding="utf-8")
    ffi.cdef(re.sub(r"^#.*$", "", header, flags=re.MULTILINE))
    return ffi, ffi.dlopen(str(library))


def vectorised_loops(folder: Path) -> list[str] | None:
    """Lines of baselines.c with a loop that gcc vectorised; None for another compiler."""
    flags = (*FAIR, "-fopt-info-vec-optimized", "-c", SOURCES / "baselines.c")
    command: list[str | Path] = [*compiler(), "-std=gnu11", *flags, "-o", folder / "report.o"]
    report = subprocess.run(command, capture_output=True, text=True, check=False)
    if report.returncode != 0:
        return None
    return [line for line in report.stderr.splitlines() if "loop vectorized" in line]


# ---- Tables ----


@dataclass(frozen=True)
class Table:
    """A table as the C code has it.

    Attributes
    ----------
    name : str
        What results call it.
    kind, bits, theta_bits
        As in ``table_header`` of native_speed.c.
    theta : float or None
        Its temperature; None if it is for all of them.
    values : array
        Quantiles.
    """

    name: str
    kind: int
    bits: int
    theta_bits: int
    theta: float | None
    values: NDArray[Any]

    def packed(self) -> bytes:
        """Header and values for the program."""
        index = -1 if self.theta is None else THETAS.index(self.theta)
        header = struct.pack(
            "<32s4idQ",
            self.name.encode(),
            self.kind,
            self.bits,
            self.theta_bits,
            index,
            2.0 ** SURFACE_EXPONENTS[0],
            self.values.nbytes,
        )
        return header + self.values.tobytes()

    def quantile(self, ffi: cffi.FFI, library: Any, theta: float, p: Array) -> Array:
        """What the C code makes of probabilities."""
        u = np.empty(p.size)
        sizes = p.size, ffi.from_buffer("double[]", p), ffi.from_buffer("double[]", u)
        if self.kind == EVEN:
            library.baseline_even_quantiles(self.in_c(ffi), *sizes)
        elif self.kind == OCTAVES:
            library.baseline_octave_quantiles(self.in_c(ffi), *sizes)
        else:
            library.baseline_surface_quantiles(self.in_c(ffi), theta, *sizes)
        return u

    def in_c(self, ffi: cffi.FFI) -> Any:
        """The structure that the C functions take; it points to ``values``."""
        values = ffi.from_buffer("float[]" if self.kind == SURFACE else "double[]", self.values)
        if self.kind == EVEN:
            return ffi.new("even_table *", {"intervals": 1 << self.bits, "u": values})
        if self.kind == OCTAVES:
            return ffi.new("octave_table *", {"bits": self.bits, "u": values})
        surface = {
            "theta_bits": self.theta_bits,
            "bits": self.bits,
            "theta_lo": 2.0 ** SURFACE_EXPONENTS[0],
            "scaled_u": values,
        }
        return ffi.new("surface_table *", surface)

    def distance(self, ffi: cffi.FFI, library: Any) -> float:
        """D = sup |F(u(p)) - p|, the largest over temperature if it is for all of them."""
        thetas = [self.theta] if self.theta is not None else self._thetas_between_rows()
        p = self._probabilities_between_nodes()
        return max(
            float(np.max(np.abs(exact_cdf(theta)(self.quantile(ffi, library, theta, p)) - p)))
            for theta in thetas
        )

    def _probabilities_between_nodes(self) -> Array:
        places = (np.arange(8) + 0.5) / 8
        if self.kind == EVEN:
            return ((np.arange(1 << self.bits)[:, None] + places) / (1 << self.bits)).ravel()
        nodes = _octave_nodes(self.bits)
        q = (nodes[:-1, None] + places * np.diff(nodes)[:, None]).ravel()
        return np.concatenate([q, 1.0 - q])

    def _thetas_between_rows(self) -> Iterator[float]:
        """Middles of rows, where they are farthest from a node, spread over the range."""
        rows = _surface_temperatures(self.theta_bits)
        middles = 0.5 * (rows[:-1] + rows[1:])
        middles = middles[(middles >= THETA_MIN) & (middles <= THETA_MAX)]
        for index in np.unique(np.linspace(0, middles.size - 1, 41).round().astype(int)):
            yield float(middles[index])


def _octave_nodes(bits: int) -> Array:
    """The smaller of p and 1 - p at the nodes, ascending to 1/2."""
    starts = np.ldexp(1.0, np.arange(LEAST_Q_EXPONENT, -1))[:, None]
    within = 1.0 + np.arange(1 << bits) / (1 << bits)
    return np.append((starts * within).ravel(), 0.5)


def _surface_temperatures(theta_bits: int) -> Array:
    """Temperatures of the rows, a little beyond the range on both sides."""
    starts = np.ldexp(1.0, np.arange(*SURFACE_EXPONENTS))[:, None]
    within = 1.0 + np.arange(1 << theta_bits) / (1 << theta_bits)
    return np.append((starts * within).ravel(), 2.0 ** SURFACE_EXPONENTS[1])


def _octave_quantiles(theta: float, bits: int) -> Array:
    """Four-velocities at the nodes of p, then of 1 - p."""
    q = _octave_nodes(bits)
    return np.concatenate(
        [maxwell_juttner.quantile(q, theta), maxwell_juttner.inverse_survival(q, theta)]
    )


def even_table(theta: float, bits: int) -> Table:
    """Equally spaced probabilities; a tenth of the last interval's electrons lie beyond its end."""
    intervals = 1 << bits
    u = np.append(
        maxwell_juttner.quantile(np.arange(intervals) / intervals, theta),
        maxwell_juttner.inverse_survival(0.1 / intervals, theta),
    )
    return Table(f"linear table, {intervals} intervals", EVEN, bits, 0, theta, u)


def octave_table(theta: float, bits: int) -> Table:
    """Octaves of the smaller of p and 1 - p."""
    return Table("linear table in octaves", OCTAVES, bits, 0, theta, _octave_quantiles(theta, bits))


def surface_tables(sizes: tuple[tuple[int, int], ...]) -> list[Table]:
    """Tables for all temperatures, from exact quantiles at some and cubic splines in ln Θ."""
    finest = max(bits for _, bits in sizes)
    low, high = SURFACE_EXPONENTS
    # The distribution is known from THETA_MIN to THETA_MAX; beyond, the spline goes on.
    logs = np.linspace(np.log(THETA_MIN), np.log(THETA_MAX), (high - low) * ROWS_PER_OCTAVE)
    exact = np.exp(logs).clip(THETA_MIN, THETA_MAX)
    scaled = np.stack([_octave_quantiles(theta, finest) / typical_u(theta) for theta in exact])
    spline = CubicSpline(logs, scaled)
    tables = []
    for theta_bits, bits in sizes:
        rows = spline(np.log(_surface_temperatures(theta_bits)))
        halves = np.split(rows, 2, axis=1)
        step = 1 << (finest - bits)
        values = np.concatenate([half[:, ::step] for half in halves], axis=1).astype(np.float32)
        name = f"2-D table, {values.nbytes / 2**20:.2g} MB"
        tables.append(Table(name, SURFACE, bits, theta_bits, None, np.ascontiguousarray(values)))
    return tables


def typical_u(theta: float) -> float:
    """Root mean square of u in both limits: what 2-D tables divide by."""
    return float(np.sqrt(theta * (3.0 + 12.0 * theta)))


def baseline(
    compiled: tuple[cffi.FFI, Any],
    name: str,
    count: int,
    theta: ArrayLike,
    table: Table | None = None,
    seed: int = 1,
) -> tuple[Callable[[], None], Array, Streams]:
    """A call of one baseline, the electrons that it writes, and the random state that it advances.

    ``theta`` is one temperature or ``count`` of them; a table of one temperature ignores it.
    """
    ffi, library = compiled
    state, u = random_streams(seed, 1), np.empty(count)
    thetas = np.atleast_1d(np.asarray(theta, dtype=np.float64))
    random, out = ffi.from_buffer("uint64_t[]", state), ffi.from_buffer("double[]", u)
    temperatures = [ffi.from_buffer("double[]", thetas), thetas.size]
    if table is not None and table.theta is not None:
        temperatures = []
    function = getattr(library, f"baseline_{name}")

    def call() -> None:
        # Made in the call, which so keeps the table alive.
        in_c = [] if table is None else [table.in_c(ffi)]
        function(random, count, *in_c, *temperatures, out)

    return call, u, state


def write_workload(path: Path, tables: list[Table]) -> None:
    """What native_speed.c reads."""
    logs = np.random.default_rng(1).uniform(np.log(THETA_MIN), np.log(THETA_MAX), MIXED_COUNT)
    mixed = np.exp(logs).clip(THETA_MIN, THETA_MAX)
    with path.open("wb") as file:
        file.write(struct.pack(f"<Q{len(THETAS)}d", len(THETAS), *THETAS))
        file.write(mixed.tobytes())
        file.write(struct.pack(f"<Q{len(ENERGIES)}d", len(ENERGIES), *ENERGIES))
        file.write(struct.pack("<Q", len(tables)))
        for table in tables:
            file.write(table.packed())


# ---- Python ----


def python_calls(rounds: int) -> Result:
    """Microseconds of calls for one electron, from Python."""
    sampler = get_sampler("gan-native")
    theta, streams, u = np.asarray(0.1), random_streams(1, 1), np.empty(1)
    library = binding.load()
    rng = library.ffi.new("mcp_rng *")
    library.check(library.functions.mcp_rng_seed(rng, 1, 0))
    handle = library.create("gan")
    theta_address = library.ffi.from_buffer("double[]", theta)
    u_address = library.ffi.from_buffer("double[]", u)
    draw = library.functions.mcp_sample_four_velocity
    calls: dict[str, Callable[[], Any]] = {
        "fill": lambda: sampler.fill(theta, streams, u),
        "sample": lambda: sampler.sample(0.1, streams),
        "cffi": lambda: draw(handle, rng, 1, theta_address, 1, u_address),
        "lambda": lambda: None,
    }
    times: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(max(rounds, 10)):
        for name, call in calls.items():
            start = time.perf_counter()
            for _ in range(500):
                call()
            times[name].append((time.perf_counter() - start) / 500 * 1e6)
    empty = float(np.median(times.pop("lambda")))
    return {
        name: {**spread(np.array(t) - empty), "min": rounded(min(t) - empty)}
        for name, t in times.items()
    }


# ---- Results ----


class Measured:
    """Cells of one run of the program."""

    def __init__(self, output: Result) -> None:
        self.cells = {
            (cell["sampler"], cell["theta"], cell["batch"]): np.array(cell["rounds"])
            for cell in output["cells"]
        }

    def ns(self, sampler: str, theta: float | None, batch: int | None = None) -> Array | None:
        """Nanoseconds an electron in each round, None where the sampler takes no part."""
        if batch is None:
            batch = 64 if sampler == "sobol" else BATCH
        return self.cells.get((sampler, theta, batch))

    def ratio(self, slower: str, faster: str, theta: float | None) -> Result | None:
        """How many times faster, within rounds."""
        of, over = self.ns(slower, theta), self.ns(faster, theta)
        return None if of is None or over is None else spread(of / over)

    def summary(self) -> list[Result]:
        """One entry a cell."""
        return [
            {"sampler": sampler, "theta": theta, "batch": batch, "min": rounded(ns.min()),
             **spread(ns)}
            for (sampler, theta, batch), ns in self.cells.items()
        ]  # fmt: skip


class MeasuredEvents:
    """Cells of events of one run of the program."""

    def __init__(self, output: Result) -> None:
        self.cells = {
            (cell["sampler"], cell["x"], cell["theta"]): np.array(cell["rounds"])
            for cell in output["event_cells"]
        }
        self.samplers = list(dict.fromkeys(sampler for sampler, _, _ in self.cells))
        self.thetas = list(dict.fromkeys(theta for _, _, theta in self.cells))

    def ratio(self, x: float, theta: float | None) -> Result:
        """How many times faster than exact events, within rounds."""
        return spread(self.cells["exact-event", x, theta] / self.cells["gan-event", x, theta])

    def summary(self) -> list[Result]:
        """One entry a cell."""
        return [
            {"sampler": sampler, "x": x, "theta": theta, "min": rounded(ns.min()), **spread(ns)}
            for (sampler, x, theta), ns in self.cells.items()
        ]

    def ratios(self) -> list[Result]:
        """One entry a photon energy and temperature."""
        return [
            {"x": x, "theta": theta, **self.ratio(x, theta)}
            for x in ENERGIES
            for theta in self.thetas
        ]


def event_goals(events: MeasuredEvents) -> list[Result]:
    """What was aimed at for events, and what was measured."""
    stated = []
    for cell in events.ratios():
        x, theta, ratio = cell["x"], cell["theta"], cell["median"]
        if theta is None:
            continue
        least = 10.0 if x * theta >= 0.1 * (1.0 - 1e-9) else 4.0
        goal = f"gan-event >= {least:g} x exact-event, x = {x:g}, theta = {theta:g}"
        stated.append({"goal": goal, "measured": rounded(ratio), "met": bool(ratio >= least)})
    return stated


def goals(measured: Measured, rest: Result, distances: dict[str, float]) -> list[Result]:
    """What was aimed at, and what was measured."""
    stated = []

    def state(goal: str, value: float, met: bool) -> None:
        stated.append({"goal": goal, "measured": rounded(value), "met": bool(met)})

    def at_least(least: float, slower: str, faster: str, theta: float | None) -> None:
        ratio = measured.ratio(slower, faster, theta)
        assert ratio is not None
        where = "one theta per draw" if theta is None else f"theta = {theta:g}"
        if least < 1.0:
            goal = f"{faster} takes at most {1.0 / least:g} times as long as {slower}, {where}"
        else:
            goal = f"{faster} at least {least:g} times as fast as {slower}, {where}"
        state(goal, ratio["median"], ratio["median"] >= least)

    forms = ("Box-Muller", "polar", "tuned")
    for method in ("canfield", "zenitani-nakano"):
        for form in forms:
            for theta in GOAL_THETAS:
                at_least(8.0, f"{method}, {form}", "gan", theta)
    for form in forms:
        for theta in GOAL_THETAS:
            at_least(3.0, f"zenitani-nakano, {form}", "gan-exact", theta)
    for name in distances:
        if name.startswith("linear"):
            for theta in GOAL_THETAS:
                at_least(1.0 / 3.0, name, "gan", theta)
    for name, distance in distances.items():
        if name.startswith("2-D") and distance < COMPARABLE_DISTANCE:
            at_least(1.0, name, "gan", None)
    state("Python adds less than 2 µs to a batch (fill)", rest["python_adds_us"],
          rest["python_adds_us"] < 2.0)  # fmt: skip
    for name, gains in rest["two_threads_over_one"].items():
        for clock, gain in gains.items():
            goal = f"{name}: two threads draw at least 1.8 times as much as one, {clock}"
            state(goal.replace("_", " "), gain["median"], gain["median"] >= 1.8)
    size = rest["library_bytes"] / 1000
    state("library below 500 kB", size, size < 500)
    first = max(times["median"] for times in rest["first_draw_ms"].values())
    state("first electron within 5 ms of a process's start", first, first < 5.0)
    return stated


# ---- Printing ----


def times_table(measured: Measured, names: list[str], distances: dict[str, float]) -> str:
    """Median nanoseconds an electron."""
    columns: tuple[float | None, ...] = (*THETAS, None)
    lines = [
        "| ns per electron | D | " + " | ".join(_heading(theta) for theta in columns) + " |",
        "|" + "---|" * (len(columns) + 2),
    ]
    for name in names:
        cells = [measured.ns(name, theta) for theta in columns]
        distance = f"{distances[name]:.1e}" if name in distances else ""
        values = " | ".join("" if ns is None else f"{np.median(ns):.3g}" for ns in cells)
        lines.append(f"| {name} | {distance} | {values} |")
    return "\n".join(lines)


def batches_table(measured: Measured) -> str:
    """Median nanoseconds an electron by batch size."""
    batches = sorted({batch for sampler, _, batch in measured.cells if sampler == "gan"})
    lines = [
        "| ns per electron, batches of | " + " | ".join(map(str, batches)) + " |",
        "|" + "---|" * (len(batches) + 1),
    ]
    for name in ("gan", "gan-exact", "rejection"):
        for theta in (0.1, None):
            cells = [measured.ns(name, theta, batch) for batch in batches]
            values = " | ".join(f"{np.median(ns):.3g}" for ns in cells if ns is not None)
            lines.append(f"| {name}, {_heading(theta)} | {values} |")
    return "\n".join(lines)


def ratios_table(measured: Measured, faster: str, names: list[str]) -> str:
    """Medians of ratios, with quartiles."""
    columns: tuple[float | None, ...] = (*THETAS, None)
    lines = [
        f"| times as fast: {faster} over | " + " | ".join(map(_heading, columns)) + " |",
        "|" + "---|" * (len(columns) + 1),
    ]
    for name in names:
        cells = []
        for theta in columns:
            ratio = measured.ratio(name, faster, theta)
            cells.append("" if ratio is None else _ratio(ratio))
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def events_table(events: MeasuredEvents) -> str:
    """Median nanoseconds an event, and medians of ratios with quartiles."""
    lines = [
        "| ns per event | " + " | ".join(map(_heading, events.thetas)) + " |",
        "|" + "---|" * (len(events.thetas) + 1),
    ]
    for x in ENERGIES:
        for sampler in events.samplers:
            cells = [f"{np.median(events.cells[sampler, x, theta]):.3g}" for theta in events.thetas]
            lines.append(f"| {sampler}, x = {x:g} | " + " | ".join(cells) + " |")
        ratios = [_ratio(events.ratio(x, theta)) for theta in events.thetas]
        lines.append(f"| times as fast as exact, x = {x:g} | " + " | ".join(ratios) + " |")
    return "\n".join(lines)


def _heading(theta: float | None) -> str:
    return "one Θ per draw" if theta is None else f"Θ = {theta:g}"


def _ratio(ratio: Result) -> str:
    low, high = ratio["quartiles"]
    return f"{ratio['median']:.3g} ({low:.3g}-{high:.3g})"


def main() -> None:
    """Build, draw, print, keep."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument("--out", type=Path, help="JSON file to keep the figures in")
    options = parser.parse_args()

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        tables = [
            *(even_table(theta, bits) for bits in EVEN_BITS for theta in THETAS),
            *(octave_table(theta, OCTAVE_BITS) for theta in THETAS),
            *surface_tables(SURFACE_BITS),
        ]
        baselines = build_baselines(folder)
        generator = get_sampler("gan-native")
        distances = {"gan": max(generator.quality(theta)["distance"] for theta in THETAS)}
        for table in tables:
            found = table.distance(*baselines)
            distances[table.name] = rounded(max(found, distances.get(table.name, 0.0)))
        write_workload(folder / "workload", tables)
        outputs = {}
        for flags, rounds in ((FAIR, options.rounds), (PLAIN, max(options.rounds // 4, 1))):
            command: list[str | Path] = [
                build_program(folder, flags),
                folder / "workload",
                str(rounds),
            ]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            outputs[flags] = json.loads(done.stdout)
        vectorised = vectorised_loops(folder)

    output = outputs[FAIR]
    measured, plain = Measured(output), Measured(outputs[PLAIN])
    events = MeasuredEvents(output)
    python = python_calls(options.rounds)
    in_c = measured.ns("gan", 0.1, 1)
    assert in_c is not None
    rest: Result = {
        "library_bytes": native.library().stat().st_size,
        "two_threads_over_one": {
            name: {clock: spread(np.array(gains)) for clock, gains in of.items()}
            for name, of in output["two_threads_over_one"].items()
        },
        "first_draw_ms": {
            name: spread(np.array(times)) for name, times in output["first_draw_ms"].items()
        },
        "python_call_us": python,
        "python_adds_us": rounded(python["fill"]["median"] - 1e-3 * float(np.median(in_c))),
    }
    stated = goals(measured, rest, distances) + event_goals(events)

    names = list(dict.fromkeys(sampler for sampler, _, _ in measured.cells))
    rivals = [name for name in names if not name.startswith(("gan", "rejection"))]
    print(times_table(measured, names, distances), end="\n\n")
    print(batches_table(measured), end="\n\n")
    print(ratios_table(measured, "gan", ["rejection", *rivals]), end="\n\n")
    print(ratios_table(measured, "gan-exact", ["rejection", *rivals]), end="\n\n")
    print(events_table(events), end="\n\n")
    exact = [name for name in rivals if "table" not in name]
    print("Without -march=native:\n" + times_table(plain, exact, {}), end="\n\n")
    loops = "not known" if vectorised is None else f"{len(vectorised)}"
    print(f"Loops of the baselines that the compiler vectorised: {loops}")
    for what in ("library_bytes", "two_threads_over_one", "first_draw_ms", "python_call_us"):
        print(f"{what}: {json.dumps(rest[what])}")
    for goal in stated:
        print(f"{'met   ' if goal['met'] else 'MISSED'}  {goal['measured']:.3g}  {goal['goal']}")

    if options.out:
        figures = {
            "instruction_set": output["instruction_set"],
            "baseline_flags": " ".join(FAIR),
            "ns_per_electron": measured.summary(),
            "ns_per_electron_without_march": [
                cell for cell in plain.summary() if cell["sampler"] in rivals
            ],
            "ns_per_event": events.summary(),
            "events_times_as_fast_as_exact": events.ratios(),
            "vectorised_loops_of_baselines": vectorised,
            "tables": {
                table.name: {"bytes": table.values.nbytes, "distance": distances[table.name]}
                for table in tables
            },
            "times_as_fast": {
                faster: {
                    name: {_heading(theta): ratio for theta in (*THETAS, None)
                           if (ratio := measured.ratio(name, faster, theta)) is not None}
                    for name in ("rejection", *rivals)
                }
                for faster in ("gan", "gan-exact")
            },
            **rest,
            "goals": stated,
        }  # fmt: skip
        keep(
            options.out,
            f"python bench/native_speed.py --rounds {options.rounds}",
            figures,
            compiler=compiler_version(),
            load_average=os.getloadavg()[0],
        )


def compiler_version() -> str:
    """First line of what the compiler says of itself."""
    said = subprocess.run([*compiler(), "--version"], check=True, capture_output=True, text=True)
    return said.stdout.splitlines()[0]


if __name__ == "__main__":
    main()
