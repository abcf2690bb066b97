"""The README's figures, from the newest file of each kind in ``bench/results``.

    python bench/report.py

rewrites what stands between ``<!-- NAME -->`` and ``<!-- end -->`` in README.md, and
``docs/draw_time.png`` and ``docs/error_cost.png``. Each block names the file it comes from and the
command that made it. ``--check`` writes nothing, and fails if anything is not what the files give:
pictures remember the files they were drawn from.
"""

import argparse
import re
import statistics
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import c_loop_speed
import electron_speed
import event_widths
import pictures
import run_speed
import spectra_agreement
import start_times
from record import RESULTS, load, newest

ROOT = Path(__file__).resolve().parents[1]
README = ROOT / "README.md"
DOCS = ROOT / "docs"
PICTURES: dict[str, tuple[Callable[..., Any], tuple[str, ...]]] = {
    "draw_time.png": (pictures.draw_time, ("electron-speed", "native-speed")),
    "error_cost.png": (pictures.error_cost, ("electron-speed", "native-speed")),
}
MARKED = re.compile(r"(<!-- (?P<name>[a-z ]+) -->\n).*?(<!-- end -->)", re.DOTALL)
THETAS = (0.01, 0.1, 1.0, 10.0)
GPU_MISSING = (
    "**GPU figures are missing**: no machine with a GPU has run `python bench/gpu_draws.py` yet."
)

# What the README calls the rows of its table of electrons from C, which are a selection.
FROM_C = {
    "gan": "`gan`",
    "gan-exact": "`gan-exact`",
    "rejection": "`rejection` of the library (Zenitani-Nakano, tuned)",
    "canfield, polar": "Canfield, plain",
    "canfield, tuned": "Canfield, tuned",
    "zenitani-nakano, polar": "Zenitani-Nakano, plain",
    "zenitani-nakano, tuned": "Zenitani-Nakano, tuned in another way",
    "linear table, 4096 intervals": "linear table of one Θ, 32 kB",
    "linear table in octaves": "the same by octaves of p, 59 kB",
    "2-D table, 0.3 MB": "table in Θ and p, 0.3 MB",
    "2-D table, 9.5 MB": "table in Θ and p, 9.5 MB",
    "2-D table, 38 MB": "table in Θ and p, 38 MB",
}
PUBLISHED = {
    "published, last": "published kind, as trained",
    "published, best": "published kind, best step in hindsight",
    "gan": "`gan`",
    "rejection": "`rejection` (exact)",
}


class Results:
    """The newest file of each kind.

    Parameters
    ----------
    folder : Path
        Where they are.
    """

    def __init__(self, folder: Path = RESULTS) -> None:
        self.folder = folder

    def path(self, kind: str) -> Path:
        """The file.

        Raises
        ------
        FileNotFoundError
            If there is none.
        """
        path = newest(kind, self.folder)
        if path is None:
            raise FileNotFoundError(f"no DATE-{kind}.json in {self.folder}: run its script")
        return path

    def __getitem__(self, kind: str) -> dict[str, Any]:
        return load(self.path(kind))

    def __contains__(self, kind: str) -> bool:
        return newest(kind, self.folder) is not None

    def source(self, kind: str) -> str:
        """Command and file, as the README names them."""
        return f"`{self[kind]['command']}`, `bench/results/{self.path(kind).name}`"


def published(results: Results) -> str:
    """The published kind of GAN, trained side by side."""
    rows = results["published-gan"]["rows"]
    thetas = list(dict.fromkeys(row["theta"] for row in rows))
    lines = [
        "| D of 10⁶ draws, KS p-value | " + " | ".join(f"Θ = {theta:g}" for theta in thetas) + " |",
        "|---" * (len(thetas) + 1) + "|",
    ]
    for method, name in PUBLISHED.items():
        cells = [
            f"{row['distance']:.1e}, {_probability(row['all_p'])}"
            for row in rows
            if row["method"] == method
        ]
        lines.append("| " + " | ".join([name, *cells]) + " |")
    return "\n".join(lines)


def _probability(p: float) -> str:
    if p < 1e-99:
        return "< 1e-99"
    return f"{p:.0e}" if p < 1e-3 else f"{p:.2f}"


def spectra(results: Results) -> str:
    """Spectra of the example sources."""
    return spectra_agreement.table(results["spectra"]["sources"])


def spectra_of_many(results: Results) -> str:
    """The same of ten times as many photons."""
    return spectra_agreement.table(results["spectra-1e8"]["sources"])


def learned_scattering(results: Results) -> str:
    """Errors of the learned scattering, computed and not sampled, and what was aimed at."""
    lines = ["| error | aim | largest of the learned scattering |", "|---|---|---|"]
    for bar in results["validate-gan-event"]["bars"]:
        lines.append(f"| {bar['name']} | {bar['bar']:g} | {bar['computed']:.1e} |")
    return "\n".join(lines)


def widths(results: Results) -> str:
    """Generators of events of several sizes."""
    return event_widths.table(results["event-widths"]["widths"])


def runs(results: Results) -> str:
    """Whole runs."""
    return _with_source(results, "run-speed", run_speed.table, "one_core")


def c_loop(results: Results) -> str:
    """Whole runs against a plain C program."""
    return _with_source(results, "c-loop-speed", c_loop_speed.table, "one_core")


def _with_source(
    results: Results, kind: str, table: Callable[[Any], str], key: str | None = None
) -> str:
    figures = results[kind] if key is None else results[kind][key]
    return f"{results.source(kind)}:\n\n{table(figures)}"


class FromC:
    """What ``native_speed.py`` has measured, by name.

    Parameters
    ----------
    figures : dict
        Its file.
    """

    def __init__(self, figures: dict[str, Any]) -> None:
        self.figures = figures
        self._ns = {
            (cell["sampler"], cell["theta"], cell["batch"]): cell["median"]
            for cell in figures["ns_per_electron"]
        }

    def ns(self, sampler: str, theta: float | None, batch: int = 4096) -> float | None:
        """Nanoseconds per electron, None where it took no part."""
        return self._ns.get((sampler, theta, batch))

    def times_as_fast(self, slower: tuple[str, ...], faster: str = "gan") -> str:
        """Ratios at THETAS, for the best of several rivals each."""
        ratios = self.figures["times_as_fast"][faster]
        best = [
            min(ratios[name][f"Θ = {theta:g}"]["median"] for name in slower) for theta in THETAS
        ]
        *first, last = (f"{ratio:.1f}" for ratio in best)
        return f"{', '.join(first)} and {last}"


def _wrapped(words: str) -> str:
    return textwrap.fill(words, 105, break_long_words=False, break_on_hyphens=False)


def electrons_from_c(results: Results) -> str:
    """The table, and in words the ratios and what else was measured."""
    figures, c = results["native-speed"], FromC(results["native-speed"])
    distances = {name: table["distance"] for name, table in figures["tables"].items()}
    distances["gan"] = results["electron-speed"]["distance"]["gan"]["one theta"]
    lines = [
        "| ns per electron | error D | "
        + " | ".join(f"Θ = {theta:g}" for theta in THETAS)
        + " | one Θ per draw |",
        "|---" * (len(THETAS) + 3) + "|",
    ]
    for name, shown in FROM_C.items():
        times = [c.ns(name, theta) for theta in (*THETAS, None)]
        cells = ["" if ns is None else f"{ns:.3g}" for ns in times]
        error = electron_speed.error(distances.get(name, 0.0))
        lines.append("| " + " | ".join([shown, error, *cells]) + " |")
    first = figures["first_draw_ms"]
    two = figures["two_threads_over_one"]["gan"]["elapsed"]["median"]
    words = (
        f"Taken within rounds, `gan` is faster than plain Canfield by factors of "
        f"{c.times_as_fast(('canfield, polar',))} at Θ = 0.01, 0.1, 1 and 10, than plain "
        f"Zenitani-Nakano by {c.times_as_fast(('zenitani-nakano, polar',))}, and than the best "
        f"tuned form of that by {c.times_as_fast(('zenitani-nakano, tuned', 'rejection'))}. "
        f"On AVX2 a draw of `gan` takes {c.ns('gan (avx2)', 0.1):.2g} ns, without SIMD "
        f"instructions beyond SSE2 {c.ns('gan (generic)', 0.1):.2g} ns. A call for one electron "
        f"alone takes {c.ns('gan', 0.1, 1):.0f} ns (`rejection` {c.ns('rejection', 0.1, 1):.0f}): "
        f"keep a reservoir. "
        f"Two threads draw {two:.2f} times as much as one; from Python a batch costs "
        f"{figures['python_adds_us']:.1f} µs more; a C program has its first electron "
        f"{first['gan']['median']:.1f} ms after its start (`gan-exact` "
        f"{first['gan-exact']['median']:.1f} ms)."
    )
    return "\n".join([results.source("native-speed") + ":", "", *lines, "", _wrapped(words)])


def events_from_c(results: Results) -> str:
    """Whole scatterings: learned, exact, and how many times faster."""
    figures = results["native-speed"]
    ns = {
        (cell["sampler"], cell["x"], cell["theta"]): cell["median"]
        for cell in figures["ns_per_event"]
    }
    thetas = [theta for theta in dict.fromkeys(theta for _, _, theta in ns) if theta is not None]
    lines = [
        "| ns per event: learned, exact, ratio | "
        + " | ".join(f"Θ = {theta:g}" for theta in thetas)
        + " |",
        "|---" * (len(thetas) + 1) + "|",
    ]
    ratio = {
        (cell["x"], cell["theta"]): cell["median"]
        for cell in figures["events_times_as_fast_as_exact"]
    }
    for x in dict.fromkeys(x for _, x, _ in ns):
        cells = [
            f"{ns['gan-event', x, theta]:.1f}, {ns['exact-event', x, theta]:.0f}, "
            f"{ratio[x, theta]:.1f}"
            for theta in thetas
        ]
        lines.append("| " + " | ".join([f"x = {x:g}", *cells]) + " |")

    def common(sampler: str, many: bool) -> float:
        """Median over the places, at one temperature or at many in a call."""
        return statistics.median(
            value for (name, _, theta), value in ns.items()
            if name == sampler and (theta is None) == many
        )  # fmt: skip

    words = (
        f"On AVX2 a learned scattering takes {common('gan-event (avx2)', False):.0f} ns, without "
        f"SIMD instructions beyond SSE2 {common('gan-event (generic)', False):.0f} ns. With one "
        f"temperature per photon it takes {common('gan-event', True):.0f} ns, on AVX2 "
        f"{common('gan-event (avx2)', True):.0f} ns."
    )
    return "\n".join([*lines, "", _wrapped(words)])


def electrons_from_python(results: Results) -> str:
    """The table, and in words how the rivals compare."""
    figures = results["electron-speed"]
    place = {
        (cell["sampler"], cell["theta"], cell["batch"], cell["threads"]): cell["median"]
        for cell in figures["ns_per_electron"]
    }

    def ns(sampler: str, theta: float | None = electron_speed.THETA) -> float:
        return float(place[sampler, theta, electron_speed.BATCH, 1])

    arrays, polynomial = "numpy, rejection", "scipy, NumericalInversePolynomial"
    machine, milliseconds = figures["machine"], figures["new_temperature_ms"][polynomial]
    words = (
        f"**If you need one temperature and only Python, scipy may be all you need**: at Θ = 0.1 "
        f"`NumericalInversePolynomial` draws in {ns(polynomial):.0f} ns with "
        f"D = {figures['distance'][polynomial]['one theta']:.0e}, after a set-up of "
        f"{milliseconds['median']:.1f} ms for each temperature, so not "
        f"where each draw has its own (`rejection` {ns('rejection'):.0f} ns, `gan` "
        f"{ns('gan'):.1f} ns, `table` {ns('table'):.1f} ns). Rejection with numpy's arrays takes "
        f"{ns(arrays):.0f} ns, and "
        f"{ns(arrays, None):.0f} ns where each draw has its own Θ (`gan` {ns('gan', None):.1f}, "
        f"`gan-exact` {ns('gan-exact', None):.1f}, `table` {ns('table', None):.0f})."
    )
    return "\n".join(
        [
            f"{results.source('electron-speed')}, processor time of one thread "
            f"(load average {machine['load_average']:.1f} on {machine['cores']} cores):",
            "",
            electron_speed.table(figures),
            "",
            _wrapped(words),
        ]
    )


def start(results: Results) -> str:
    """Import, first electron and first photon, in words."""
    seconds = results["start-times"]["seconds"]

    def both(what: str) -> str:
        warm, empty = (
            seconds[what][state][start_times.PROCESSOR]["median"] for state in start_times.STATES
        )
        return f"{warm:.1f} s ({empty:.1f} s)"

    nothing = seconds["python, nothing"][start_times.WARM][start_times.PROCESSOR]["median"]
    words = (
        f"In processor time, a new process has imported mcplugin after {both('import mcplugin')}, "
        f"has its first electron of `rejection` after {both('first electron, rejection')}, of "
        f"`gan` after {both('first electron, gan')} and of `gan-torch` after "
        f"{both('first electron, gan-torch')}, and its first photon after "
        f"{both('first photon, gan')}; in brackets when numba's cache is empty, as in a user's "
        f"first process. `mcplugin --version` takes {both('mcplugin --version')}, Python alone "
        f"{nothing:.2f} s"
    )
    return _wrapped(f"{words} ({results.source('start-times')}).")


def gpu(results: Results) -> str:
    """Draws on a GPU, or that there are no figures."""
    if "gpu-draws" not in results or results["gpu-draws"]["device"] == "cpu":
        return GPU_MISSING
    import gpu_draws  # noqa: PLC0415 - it needs torch, and this script needs it for nothing else

    return _with_source(results, "gpu-draws", gpu_draws.table)


BLOCKS: dict[str, Callable[[Results], str]] = {
    "published gan": published,
    "spectra": spectra,
    "spectra of many photons": spectra_of_many,
    "electrons from c": electrons_from_c,
    "events from c": events_from_c,
    "electrons from python": electrons_from_python,
    "learned scattering": learned_scattering,
    "widths of the learned scattering": widths,
    "gpu": gpu,
    "runs": runs,
    "c loop": c_loop,
    "start": start,
}


def rewritten(text: str, results: Results) -> str:
    """The README with every marked block as the files give it.

    Raises
    ------
    ValueError
        If a block is missing from the README, or nobody knows it.
    """
    names = [match["name"] for match in MARKED.finditer(text)]
    if sorted(names) != sorted(BLOCKS):
        raise ValueError(f"README has the blocks {sorted(names)}, and not {sorted(BLOCKS)}")
    return MARKED.sub(lambda m: f"{m[1]}\n{BLOCKS[m['name']](results)}\n\n{m[3]}", text)


def differences(results: Results, readme: Path, docs: Path) -> list[str]:
    """What is not as the files give it."""
    text = readme.read_text(encoding="utf-8")
    found = []
    if rewritten(text, results) != text:
        found.append(readme.name)
    # These are named in the text around their tables.
    found += [
        f"{readme.name} (which does not name {results.path(kind).name})"
        for kind in (
            "published-gan",
            "spectra",
            "spectra-1e8",
            "validate-gan-event",
            "event-widths",
        )
        if results.path(kind).name not in text
    ]
    for name, (_, kinds) in PICTURES.items():
        sources = pictures.sources(results.path(kind) for kind in kinds)
        if pictures.sources_of(docs / name) != sources:
            found.append(name)
    return found


def write(results: Results, readme: Path, docs: Path) -> None:
    """Rewrite the README and draw the pictures."""
    readme.write_text(rewritten(readme.read_text(encoding="utf-8"), results), encoding="utf-8")
    for name, (draw, kinds) in PICTURES.items():
        sources = pictures.sources(results.path(kind) for kind in kinds)
        pictures.save(draw(*(results[kind] for kind in kinds)), docs / name, sources)


def main() -> None:
    """Write, or check."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--check", action="store_true", help="write nothing, fail if different")
    options = parser.parse_args()
    results = Results()
    if options.check:
        found = differences(results, README, DOCS)
        if found:
            sys.exit(f"{', '.join(found)}: not what bench/results gives; run `make bench-report`")
        return
    write(results, README, DOCS)
    if gpu(results) == GPU_MISSING:
        print(GPU_MISSING, file=sys.stderr)


if __name__ == "__main__":
    main()
