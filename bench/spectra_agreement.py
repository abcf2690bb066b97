"""Spectra of the example sources with the GAN against exact ones: how large could a difference be?

    python bench/spectra_agreement.py --photons 10000000 --out bench/results/DATE-spectra.json

runs every source with exact rejection and with each sampler, all with seeds of their own, compares
them band by band, and prints the table of the README. The control compares exact with exact: it is
`rejection` among the samplers. `mcplugin compare` makes a page of the same for one source.
"""

import argparse
from pathlib import Path
from typing import Any

from record import keep

from mcplugin.fidelity.comparison import Comparison, compare
from mcplugin.fidelity.turns import SamplerRun

ROOT = Path(__file__).resolve().parents[1]


def described(comparison: Comparison, run: SamplerRun) -> dict[str, Any]:
    """Verdict, and the limits on a difference, of one sampler."""
    spectra = comparison.spectra[run.label]
    total = spectra.views[0]
    limits = sorted(band.limit for band in total.bands)
    ratio, ratio_error = comparison.amplification_ratio(run)
    return {
        "differ": spectra.differ,
        "p_value": spectra.p_value,
        "bands": len(spectra.bands),
        "smallest_limit": limits[0],
        "median_limit": limits[len(limits) // 2],
        "drift": total.drift,
        "drift_error": total.drift_error,
        "amplification_ratio": ratio,
        "amplification_ratio_error": ratio_error,
        "views": {
            view.name: {
                "bands": len(view.bands),
                "chi2_p_value": view.chi2_p_value,
                "drift_p_value": view.drift_p_value,
            }
            for view in spectra.views
        },
    }


def table(results: dict[str, dict[str, dict[str, Any]]]) -> str:
    """The README's table."""
    lines = [
        "| source | sampler | told apart from exact | family-wise p | 95 % limit on a difference, "
        "best and median band | shift of ln E |",
        "|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {source} | {sampler} | {'yes' if r['differ'] else 'no'} | {r['p_value']:.2g} "
        f"| {100 * r['smallest_limit']:.2g} %, {100 * r['median_limit']:.2g} % "
        f"| ({1e4 * r['drift']:+.1f} ± {1e4 * r['drift_error']:.1f})·10⁻⁴ |"
        for source, by_sampler in results.items()
        for sampler, r in by_sampler.items()
    ]
    return "\n".join(lines)


def main() -> None:
    """Compare, print, keep."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photons", type=int, default=10_000_000)
    parser.add_argument("--samplers", default="gan,rejection")
    parser.add_argument("--seed", type=int, default=1001)
    parser.add_argument("--out", type=Path, help="JSON file to keep the figures in")
    options = parser.parse_args()
    samplers = options.samplers.split(",")
    results = {}
    for source in sorted((ROOT / "examples").glob("*.toml")):
        comparison = compare(
            source, ["rejection", *samplers], photons=options.photons, rounds=1, seed=options.seed
        )
        results[source.stem] = {
            name: described(comparison, run)
            for name, run in zip(samplers, comparison.others, strict=True)
        }
    print(table(results))
    if options.out:
        command = (
            f"python bench/spectra_agreement.py --photons {options.photons} "
            f"--samplers {options.samplers} --seed {options.seed}"
        )
        keep(options.out, command, {"sources": results})


if __name__ == "__main__":
    main()
