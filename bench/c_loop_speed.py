"""Whole runs against the same physics as a plain C program, one core, taking turns.

    python bench/c_loop_speed.py --out bench/results/DATE-c-loop-speed.json

The C program is ``csrc/examples/comptonise.c``, compiled with ``-O3 -march=native``: a plain loop
in three dimensions over some thousand photons in flight, whose spectra the tests hold against those
of the package; ``own`` is the exact event that it brings along. Speeds are photons per second,
medians of the rounds; ratios are taken within rounds. Amdahl's bound is what an infinitely fast
sampler of electrons would make of the exact run, from the share of time that it spends on them.
"""

import argparse
import shlex
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from record import keep

from mcplugin import native, simulate

PROGRAM = Path(__file__).resolve().parents[1] / "csrc" / "examples" / "comptonise.c"
SOURCES = {
    "kT = 102 keV, tau = 1": {"kt_kev": 102.2, "tau": 1.0},
    "kT = 50 keV, tau = 3": {"kt_kev": 50.0, "tau": 3.0},
    "kT = 511 keV, tau = 0.5": {"kt_kev": 511.0, "tau": 0.5},
}
SEED_KEV, BINS = 0.1, 60
IN_C = ("own", "gan", "gan-event")
IN_PACKAGE = ("rejection", "gan-exact", "gan", "gan-event")
OF_ELECTRONS = ("gan-exact", "gan")


def compile_program(folder: Path) -> Path:
    """The C program, linked with the installed library."""
    program = folder / "comptonise"
    libraries = native.library().parent
    command: list[str | Path] = ["cc", "-O3", "-march=native", "-fopenmp", PROGRAM, "-o", program]
    command += [f"-I{native.include_directory()}", f"-L{libraries}", "-lmcplugin"]
    subprocess.run([*command, f"-Wl,-rpath,{libraries}", "-lm"], check=True)
    return program


def c_speed(program: Path, electrons: str, plasma: dict[str, float], photons: int) -> float:
    """Photons per second by its own account."""
    options = {**plasma, "seed_kev": SEED_KEV, "bins": BINS, "photons": photons, "threads": 1}
    words = [f"{name}={value}" for name, value in options.items()]
    done = subprocess.run(
        [program, electrons, *words], cwd=program.parent, capture_output=True, text=True, check=True
    )
    (line,) = (line for line in done.stdout.splitlines() if "photons per second" in line)
    return float(line.split()[-1])


def package_run(sampler: str, plasma: dict[str, float], photons: int) -> tuple[float, float]:
    """Photons per second, and the share of electron draws."""
    config: dict[str, Any] = {
        "plasma": {"geometry": "sphere", **plasma},
        "seed": {"spectrum": "blackbody", "kt_kev": SEED_KEV, "position": "centre"},
        "tally": {"energy_min_kev": 0.01, "energy_max_kev": 2000.0, "bins": BINS},
    }
    summary = simulate(config, sampler, photons=photons, threads=1).summary
    return summary["photons_per_second"], summary["sampler_share"]


def measure(photons: int, rounds: int) -> dict[str, Any]:
    """Speeds and ratios by source."""
    results: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        program = compile_program(Path(folder))
        for source, plasma in SOURCES.items():
            for sampler in IN_PACKAGE:
                package_run(sampler, plasma, 1000)
            speeds: dict[str, list[float]] = {}
            shares: list[float] = []
            for _ in range(rounds):
                for electrons in IN_C:
                    speed = c_speed(program, electrons, plasma, photons)
                    speeds.setdefault(f"C, {electrons}", []).append(speed)
                for sampler in IN_PACKAGE:
                    speed, share = package_run(sampler, plasma, photons)
                    speeds.setdefault(f"mcplugin, {sampler}", []).append(speed)
                    if sampler == "rejection":
                        shares.append(share)
            exact = np.array(speeds["mcplugin, rejection"])
            bound = 1.0 / (1.0 - np.array(shares))
            results[source] = {
                "photons_per_second": {name: float(np.median(v)) for name, v in speeds.items()},
                "exact_run_over_c": float(np.median(exact / np.array(speeds["C, own"]))),
                "amdahl_bound": float(np.median(bound)),
                "share_of_bound": {
                    sampler: float(
                        np.median(np.array(speeds[f"mcplugin, {sampler}"]) / exact / bound)
                    )
                    for sampler in OF_ELECTRONS
                },
                "learned_over_exact_scattering": {
                    "mcplugin": float(np.median(np.array(speeds["mcplugin, gan-event"]) / exact)),
                    "C": float(
                        np.median(np.array(speeds["C, gan-event"]) / np.array(speeds["C, own"]))
                    ),
                },
            }
    return results


def table(results: dict[str, Any]) -> str:
    """The README's table."""
    names = [*(f"C, {name}" for name in IN_C), *(f"mcplugin, {name}" for name in IN_PACKAGE)]
    lines = [
        "| 10⁶ photons/s | "
        + " | ".join(names)
        + " | exact run / C | `gan` reaches of the bound | learned / exact scattering, in C |",
        "|---" * (len(names) + 4) + "|",
    ]
    for source, result in results.items():
        cells = [f"{result['photons_per_second'][name] / 1e6:.2f}" for name in names]
        reached = f"{100 * result['share_of_bound']['gan']:.0f} %"
        cells += [
            f"{result['exact_run_over_c']:.2f}",
            f"{reached} of the bound {result['amdahl_bound']:.2f}",
            "{mcplugin:.2f}, {C:.2f}".format(**result["learned_over_exact_scattering"]),
        ]
        lines.append("| " + " | ".join([source, *cells]) + " |")
    return "\n".join(lines)


def main() -> None:
    """Measure, print, keep."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--photons", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--out", type=Path, help="JSON file to keep the figures in")
    options = parser.parse_args()
    results = measure(options.photons, options.rounds)
    print(table(results))
    if options.out:
        words = ["--photons", str(options.photons), "--rounds", str(options.rounds)]
        command = shlex.join(["python", "bench/c_loop_speed.py", *words])
        keep(options.out, command, {"one_core": results})


if __name__ == "__main__":
    main()
