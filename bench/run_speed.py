"""Whole runs of the example sources and of two coronae on one core, samplers interleaved.

    python bench/run_speed.py --out bench/results/DATE-run-speed.json

prints the table of the README: speeds, and the share of the sampler. Each figure is the median of
the rounds; samplers take turns within a round, so that a change of the machine's speed meets all of
them. `mcplugin compare` measures one source in the same way.
"""

import argparse
from pathlib import Path

import numpy as np
from record import keep

from mcplugin.fidelity.turns import take_turns

ROOT = Path(__file__).resolve().parents[1]
SOURCES = (
    *("examples/cygnus_x1", "examples/ic4329a", "examples/igr_j00291"),
    *("examples/relativistic_sphere", "bench/corona_100kev_tau1", "bench/corona_50kev_tau3"),
)
FIGURES = ("photons_per_second", "scatterings_per_second", "sampler_share")


def measure(
    photons: int, rounds: int, samplers: list[str]
) -> dict[str, dict[str, dict[str, float]]]:
    """Medians of FIGURES by source and sampler, with ``photons`` in every round."""
    results: dict[str, dict[str, dict[str, float]]] = {}
    for source in SOURCES:
        config = ROOT / f"{source}.toml"
        runs = take_turns(config, samplers, photons=photons * rounds, rounds=rounds)
        first = np.array(runs[0].figure("photons_per_second").values)
        results[config.stem] = {
            run.label: {name: run.figure(name).median for name in FIGURES}
            | {
                "mean_scatterings": run.mean_scatterings,
                # Within rounds.
                "speed_up": float(np.median(run.figure("photons_per_second").values / first)),
            }
            for run in runs
        }
    return results


def table(results: dict[str, dict[str, dict[str, float]]]) -> str:
    """The README's table."""
    lines = [
        "| source | sampler | scatterings per photon | 10⁶ photons/s | 10⁶ scatterings/s "
        "| share of the sampler | times the first |",
        "|---|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {source} | {sampler} | {run['mean_scatterings']:.2f} "
        f"| {run['photons_per_second'] / 1e6:.2f} | {run['scatterings_per_second'] / 1e6:.2f} "
        f"| {100 * run['sampler_share']:.0f} % | {run['speed_up']:.2f} |"
        for source, by_sampler in results.items()
        for sampler, run in by_sampler.items()
    ]
    return "\n".join(lines)


def main() -> None:
    """Measure, print, keep."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photons", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--samplers", default="rejection,table,gan,gan-event")
    parser.add_argument("--out", type=Path, help="JSON file to keep the figures in")
    options = parser.parse_args()
    results = measure(options.photons, options.rounds, options.samplers.split(","))
    print(table(results))
    if options.out:
        command = (
            f"python bench/run_speed.py --photons {options.photons} "
            f"--rounds {options.rounds} --samplers {options.samplers}"
        )
        keep(options.out, command, {"one_core": results})


if __name__ == "__main__":
    main()
