"""What is worth keeping of a validation of scatterings, without the numbers of every place.

    mcplugin validate gan-event --out FOLDER
    python bench/validated_events.py FOLDER/report.json --out FILE

with FILE = bench/results/DATE-validate-gan-event.json. The whole report is a megabyte; kept are
verdict, bars, equilibrium and classifier as they are, and of tests and distances how many there
are, the largest and the smallest.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np

KS_FAMILIES = ("cosine", "energy", "energy given the cosine")
WHOLE = ("verdict", "x_range", "theta_range", "bars", "classifier", "error_of_tables")
SUSPICIOUS = 0.01

Report = dict[str, Any]


def condensed(report: Report) -> Report:
    """The report in a few thousand characters."""
    provenance = report["provenance"]
    return {
        "date": provenance["date"][:10],
        "command": provenance["command"],
        **{name: provenance[name] for name in ("machine", "threads", "seconds", "settings")},
        **{name: report[name] for name in WHOLE},
        "cells": {family: cells(report["tests"], family) for family in KS_FAMILIES},
        "families": {
            family: smallest([test for test in report["tests"] if test["family"] == family])
            for family in dict.fromkeys(test["family"] for test in report["tests"])
        },
        "without_sampling": {
            "places": len(report["without_sampling"]["x"]),
            **{
                name: {"largest": float(np.max(values)), "mean": float(np.mean(values))}
                for name, values in report["without_sampling"].items()
                if name in ("cosine", "energy", "energy_given_cosine")
            },
        },
        "tails": without(report["tails"], "counts"),
        "equilibrium": without(report["equilibrium"], "band_edges", "upwards", "downwards"),
    }


def cells(tests: list[Report], family: str) -> Report:
    """The KS tests of all cells of a family."""
    of = [t for t in tests if t["family"] == family and t["noise"] is not None]
    distances = np.array([test["deviation"] for test in of])
    events = np.array([test["draws"] for test in of])
    return {
        "median_events": float(np.median(events)),
        "median_distance": float(np.median(distances)),
        "largest_sqrt_n_distance": float(np.max(np.sqrt(events) * distances)),
        **smallest(of),
    }


def smallest(tests: list[Report]) -> Report:
    """How many tests, and their p-values."""
    p = [test["p_value"] for test in tests]
    return {
        "tests": len(p),
        "mean_p": float(np.mean(p)),
        "smallest_p": min(p),
        "below_0.01": sum(value < SUSPICIOUS for value in p),
    }


def without(parts: list[Report], *names: str) -> list[Report]:
    """Parts of a report without the named arrays."""
    return [{name: value for name, value in part.items() if name not in names} for part in parts]


def main() -> None:
    """Read, condense, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("report", type=Path, help="report.json of mcplugin validate")
    parser.add_argument("--out", type=Path, required=True, help="JSON file to keep")
    options = parser.parse_args()
    report = json.loads(options.report.read_text(encoding="utf-8"))
    text = json.dumps(condensed(report), indent=1, ensure_ascii=False)
    options.out.write_text(f"{text}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
