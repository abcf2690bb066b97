"""The README's pictures of speed: draw time against temperature, and error against cost."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from electron_speed import BATCH, THETA
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

from mcplugin.fidelity.pictures import COLOURS

BLUE, RED, GREEN, PINK, BROWN, SKY, ORANGE, BLACK = COLOURS
# What is drawn, in which colour and how it is called. Families share a colour: the generator is
# blue, exact rejection red, tables green.
FROM_PYTHON = {
    "gan": ("gan", BLUE, "-"),
    "gan-exact": ("gan-exact", SKY, "-"),
    "gan-torch": ("gan-torch", BLUE, ":"),
    "rejection": ("rejection", RED, "-"),
    "rejection-native": ("rejection-native", RED, "--"),
    "rejection, canfield": ("rejection, canfield", ORANGE, "-"),
    "rejection, sobol": ("rejection, sobol", ORANGE, ":"),
    "table": ("table", GREEN, "-"),
    "numpy, rejection": ("numpy, rejection", BLACK, "-"),
    "scipy, NumericalInversePolynomial": ("scipy, NumericalInverse-\nPolynomial", PINK, "-"),
    "numpy, interp in a table": ("numpy, interp in a table", BLACK, "--"),
}
FROM_C = {
    "gan": ("gan", BLUE, "-"),
    "gan-exact": ("gan-exact", SKY, "-"),
    "rejection": ("rejection of the library", RED, "-"),
    "zenitani-nakano, polar": ("Zenitani-Nakano, plain", RED, ":"),
    "zenitani-nakano, tuned": ("Zenitani-Nakano, tuned", RED, "--"),
    "canfield, polar": ("Canfield, plain", ORANGE, "-"),
    "canfield, tuned": ("Canfield, tuned", ORANGE, "--"),
    "sobol": ("Sobol", ORANGE, ":"),
    "linear table, 4096 intervals": ("linear table, 32 kB", GREEN, "-"),
    "linear table in octaves": ("table in octaves, 59 kB", GREEN, "--"),
    "2-D table, 0.3 MB": ("table in Θ and p, 0.3 MB", GREEN, "-"),
    "2-D table, 9.5 MB": ("table in Θ and p, 9.5 MB", GREEN, "--"),
    "2-D table, 38 MB": ("table in Θ and p, 38 MB", GREEN, ":"),
}
BATCH_FROM_C = {"sobol": 64}
USUAL_BATCH_FROM_C = 4096
# Times above are cut off, and said in words.
MOST_NS = 1000.0
LEAST_NS = 1.0
_DPI = 160
# Points from the temperature of a largest time to the words that say it, right of its curve.
_BESIDE_SOBOL = 28


@dataclass(frozen=True)
class Cell:
    """Time per electron at one point."""

    median: float
    low: float
    high: float


Times = dict[tuple[str, float | None], Cell]


def times_from_python(figures: dict[str, Any]) -> Times:
    """What ``electron_speed.py`` measured on one thread."""
    return {
        (cell["sampler"], cell["theta"]): Cell(cell["median"], *cell["quartiles"])
        for cell in figures["ns_per_electron"]
        if (cell["batch"], cell["threads"]) == (BATCH, 1)
    }


def times_from_c(figures: dict[str, Any]) -> Times:
    """What ``native_speed.py`` measured."""
    return {
        (cell["sampler"], cell["theta"]): Cell(cell["median"], *cell["quartiles"])
        for cell in figures["ns_per_electron"]
        if cell["batch"] == BATCH_FROM_C.get(cell["sampler"], USUAL_BATCH_FROM_C)
        # Tables for all temperatures are no rivals where there is one.
        and not (cell["sampler"].startswith("2-D") and cell["theta"] is not None)
    }


# ---- Draw time against temperature ----


def draw_time(python: dict[str, Any], native: dict[str, Any]) -> Figure:
    """Nanoseconds per electron of one temperature, from Python and from C."""
    figure = Figure(figsize=(11.0, 5.6), dpi=_DPI, layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    _curves(left, times_from_python(python), FROM_PYTHON)
    _curves(right, times_from_c(native), FROM_C)
    left.set_title(f"from Python, {BATCH:,} electrons a call", fontsize=11)
    right.set_title(f"from C, {USUAL_BATCH_FROM_C:,} electrons a call", fontsize=11)
    left.set_ylabel("ns per electron, one core")
    return figure


def _curves(axes: Axes, times: Times, shown: dict[str, tuple[str, str, str]]) -> None:
    ends = []
    for name, (label, colour, style) in shown.items():
        thetas = sorted(t for sampler, t in times if sampler == name and t is not None)
        if not thetas:
            continue
        cells = [times[name, theta] for theta in thetas]
        median = np.array([cell.median for cell in cells])
        axes.fill_between(
            thetas, [c.low for c in cells], [c.high for c in cells], color=colour, alpha=0.2, lw=0
        )
        axes.plot(thetas, median, color=colour, ls=style, lw=1.6)
        ends.append((label, colour, float(median[-1])))
        if median.max() > MOST_NS:
            _say_cut_off(axes, thetas[int(median.argmax())], float(median.max()), label, colour)
    axes.set(xscale="log", yscale="log", ylim=(LEAST_NS, MOST_NS))
    axes.set_xlabel(r"electron temperature $\Theta = kT/m_ec^2$")
    axes.tick_params(which="both", direction="in", top=True, right=True)
    axes.set_xlim(1e-4, 100.0)
    axes.grid(axis="y", color="0.92")
    heights = _apart([end[2] for end in ends], 1.2)
    for (label, colour, end), height in zip(ends, heights, strict=True):
        axes.annotate(
            label.replace("-\n", ""),
            (100.0, end),
            (150.0, height),
            color=colour,
            fontsize=8.5,
            va="center",
            annotation_clip=False,
            arrowprops={
                "arrowstyle": "-",
                "color": colour,
                "lw": 0.6,
                "shrinkA": 0,
                "shrinkB": 0,
                "relpos": (0.0, 0.5),
            },
        )


def _say_cut_off(axes: Axes, theta: float, ns: float, label: str, colour: str) -> None:
    axes.annotate(
        f"{label}:\n{ns / 1000:.2g} µs at Θ = {theta:g}",
        (theta, MOST_NS),
        (_BESIDE_SOBOL, -5),
        textcoords="offset points",
        color=colour,
        fontsize=8.5,
        va="top",
    )


def _apart(values: Sequence[float], factor: float) -> list[float]:
    """Heights for labels: at least a factor from each other, as near to the values as that."""
    order = np.argsort(values)
    logs = np.log(np.asarray(values, dtype=np.float64)[order])
    step = np.log(factor)
    # Labels that would overlap form a block around their common mean.
    blocks = [[log] for log in logs]
    centres = list(logs)
    merged = True
    while merged:
        merged = False
        for i in range(len(blocks) - 1):
            reach = 0.5 * step * (len(blocks[i]) + len(blocks[i + 1]))
            if centres[i + 1] - centres[i] < reach - 1e-12:
                blocks[i : i + 2] = [blocks[i] + blocks[i + 1]]
                centres[i : i + 2] = [float(np.mean(blocks[i]))]
                merged = True
                break
    heights = np.concatenate(
        [
            centre + step * (np.arange(len(block)) - 0.5 * (len(block) - 1))
            for block, centre in zip(blocks, centres, strict=True)
        ]
    )
    placed = np.empty(len(logs))
    placed[order] = np.exp(heights)
    return [float(height) for height in placed]


# ---- Error against cost ----


@dataclass(frozen=True)
class Mark:
    """One sampler at one place of the second picture."""

    label: str
    colour: str
    marker: str
    ns: Cell
    distance: float


def error_cost(python: dict[str, Any], native: dict[str, Any]) -> Figure:
    """D against ns per electron; what is exact has a band of its own, a line each."""
    figure = Figure(figsize=(11.0, 7.4), dpi=_DPI, layout="constrained")
    above, below = figure.subplots(2, 2, sharex=True, sharey="row", height_ratios=(1.15, 1.0))
    marks = [_marks(python, native, theta) for theta in (THETA, None)]
    # Lines of the band: all that are exact anywhere, the slowest at the top.
    cost: dict[str, float] = {}
    for mark in (mark for panel in marks for mark in panel if mark.distance == 0.0):
        cost.setdefault(_line(mark), mark.ns.median)
    lines = sorted(cost, key=lambda line: cost[line])
    for column, panel in enumerate(marks):
        _approximate(above[column], [mark for mark in panel if mark.distance > 0.0])
        _exact(below[column], [mark for mark in panel if mark.distance == 0.0], lines)
        below[column].set_xlabel("ns per electron, one core")
    above[0].set_title(f"all electrons at Θ = {THETA:g}", fontsize=11)
    above[1].set_title("each electron at a Θ of its own", fontsize=11)
    above[0].set_ylabel(r"error $D = \sup\,|F - F_\mathrm{exact}|$, largest at any $\Theta$")
    below[0].set_ylabel("exact", fontsize=12, fontweight="bold")
    for marker, what in (("o", "from Python"), ("s", "from C")):
        above[1].plot([], [], marker, color="0.4", label=what)
    above[1].legend(fontsize=9, frameon=False, loc="upper right")
    return figure


def _marks(python: dict[str, Any], native: dict[str, Any], theta: float | None) -> list[Mark]:
    which = "one theta per draw" if theta is None else "one theta"
    distances = {name: of.get(which) for name, of in python["distance"].items()}
    unknown = sorted(distances.keys() - FROM_PYTHON.keys())
    if unknown:
        raise ValueError(f"say in FROM_PYTHON how to draw {', '.join(unknown)}")
    marks = [
        Mark(label, colour, "o", cell, distances[name])
        for name, (label, colour, _) in FROM_PYTHON.items()
        if (cell := times_from_python(python).get((name, theta)))
    ]
    of_tables = {name: table["distance"] for name, table in native["tables"].items()}
    of_tables["gan"] = distances["gan"]
    marks += [
        Mark(label, colour, "s", cell, of_tables.get(name, 0.0))
        for name, (label, colour, _) in FROM_C.items()
        if (cell := times_from_c(native).get((name, theta)))
    ]
    return marks


def _line(mark: Mark) -> str:
    return mark.label.replace("-\n", "")


def _put(axes: Axes, mark: Mark, height: float) -> bool:
    """A point with its quartiles; an arrow at the edge if it lies beyond."""
    if mark.ns.median > MOST_NS:
        axes.plot(0.9 * MOST_NS, height, ">", color=mark.colour, ms=6)
        axes.annotate(
            f"{mark.ns.median / 1000:.2g} µs",
            (0.9 * MOST_NS, height),
            (-7, 0),
            textcoords="offset points",
            ha="right",
            va="center",
            fontsize=8.5,
            color=mark.colour,
        )
        return False
    axes.plot([mark.ns.low, mark.ns.high], [height, height], color=mark.colour, lw=1.2)
    axes.plot(mark.ns.median, height, mark.marker, color=mark.colour, ms=6, mec="white", mew=0.6)
    return True


def _approximate(axes: Axes, marks: list[Mark]) -> None:
    axes.set(xscale="log", yscale="log", xlim=(LEAST_NS, MOST_NS))
    axes.margins(y=0.1)
    for mark in marks:
        if _put(axes, mark, mark.distance):
            axes.annotate(
                mark.label,
                (mark.ns.median, mark.distance),
                (6, 5),
                textcoords="offset points",
                fontsize=8.5,
                color=mark.colour,
                va="bottom",
            )
    _finish(axes)


def _exact(axes: Axes, marks: list[Mark], lines: list[str]) -> None:
    axes.set_facecolor("0.96")
    for mark in marks:
        _put(axes, mark, lines.index(_line(mark)))
    axes.set_yticks(range(len(lines)), lines, fontsize=8.5)
    axes.set_ylim(-0.7, len(lines) - 0.3)
    _finish(axes)
    axes.tick_params(axis="y", length=0)


def _finish(axes: Axes) -> None:
    axes.grid(color="0.9")
    axes.set_axisbelow(True)
    axes.tick_params(which="both", direction="in", top=True, right=True)


# ---- Files ----


def sources(paths: Iterable[Path]) -> str:
    """What a picture remembers of the files it was drawn from: names and digests."""
    return ", ".join(
        f"{path.name} {hashlib.sha256(path.read_bytes()).hexdigest()[:16]}" for path in paths
    )


def save(figure: Figure, path: Path, remembered: str) -> None:
    """Write a PNG that remembers its sources."""
    figure.savefig(path, metadata={"Software": None, "Source": remembered})


def sources_of(path: Path) -> str | None:
    """What a PNG remembers; None if there is no such file or it remembers nothing."""
    if not path.exists():
        return None
    with Image.open(path) as image:
        found: str | None = image.info.get("Source")
        return found
