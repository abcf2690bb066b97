"""Spectra of the example sources with the GAN against exact ones: how large could a difference be?

    python bench/spectra_agreement.py --photons 10000000 --out bench/results/DATE-spectra.json

runs every source twice with different seeds, once with exact rejection and once with the sampler,
compares them band by band, and prints the table of the README. The control compares exact with
exact. A band is shown up to where the exact run has 100 counts.
"""

import argparse
import json
from datetime import date
from pathlib import Path
from typing import Any

from bench_machine import machine

from mcplugin import simulate
from mcplugin.fidelity.spectra import compare_spectra

ROOT = Path(__file__).resolve().parents[1]


def compare(source: Path, sampler: str, photons: int) -> dict[str, Any]:
    """Verdict, and the limits on a difference, for one source."""
    exact = simulate(source, "rejection", photons=photons, seed=1001)
    other = simulate(source, sampler, photons=photons, seed=2002)
    comparison = compare_spectra(exact, other)
    bands = comparison.views[0].bands
    return {
        "differ": comparison.differ,
        "p_value": comparison.p_value,
        "bands": sum(len(view.bands) for view in comparison.views),
        "smallest_limit": min(band.limit for band in bands),
        "median_limit": sorted(band.limit for band in bands)[len(bands) // 2],
        "drift": comparison.views[0].drift,
        "drift_error": comparison.views[0].drift_error,
        "amplification_ratio": other.summary["amplification"] / exact.summary["amplification"],
        "amplification_ratio_error": (
            sum((r.summary["amplification_error"] / r.summary["amplification"]) ** 2
                for r in (exact, other)) ** 0.5
        ),
        "views": {
            view.name: {"bands": len(view.bands), "chi2_p_value": view.chi2_p_value,
                        "drift_p_value": view.drift_p_value}
            for view in comparison.views
        },
    }  # fmt: skip


def main() -> None:
    """Compare, print, keep."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photons", type=int, default=10_000_000)
    parser.add_argument("--samplers", default="gan,rejection")
    parser.add_argument("--out", type=Path, help="JSON file to keep the figures in")
    options = parser.parse_args()
    results = {
        source.stem: {
            sampler: compare(source, sampler, options.photons)
            for sampler in options.samplers.split(",")
        }
        for source in sorted((ROOT / "examples").glob("*.toml"))
    }
    print(
        "| source | sampler | told apart from exact | family-wise p | 95 % limit on a difference, "
        "best and median band | shift of ln E |\n|---|---|---|---|---|---|"
    )
    for source, by_sampler in results.items():
        for sampler, r in by_sampler.items():
            print(
                f"| {source} | {sampler} | {'yes' if r['differ'] else 'no'} | {r['p_value']:.2g} "
                f"| {100 * r['smallest_limit']:.2g} %, {100 * r['median_limit']:.2g} % "
                f"| ({1e4 * r['drift']:+.1f} ± {1e4 * r['drift_error']:.1f})·10⁻⁴ |"
            )
    if options.out:
        kept = {
            "date": date.today().isoformat(),
            "command": f"python bench/spectra_agreement.py --photons {options.photons} "
            f"--samplers {options.samplers}",
            "machine": machine(),
            "sources": results,
        }
        options.out.write_text(json.dumps(kept, indent=1) + "\n")


if __name__ == "__main__":
    main()
