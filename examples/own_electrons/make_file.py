"""Electrons that have no formula in mcplugin, written to a file from which a generator learns.

    python examples/own_electrons/make_file.py examples/own_electrons/electrons.csv
    mcplugin train examples/own_electrons/train.toml --out own-electrons

A gas at theta = 0.3 in which a fraction of the electrons was accelerated to a power law,
p(u) ∝ u^-3.5 above u = 2. The file has a column for the condition (the fraction) and one for u;
that is all the training sees. Half of the samples are kept back to measure the distance D.
"""

import sys
from pathlib import Path

import numpy as np
from astropy.table import Table

import mcplugin

THETA, U_BREAK, SLOPE = 0.3, 2.0, 3.5
FRACTIONS = (0.0, 0.05, 0.1, 0.2)
SAMPLES_EACH = 200_000


def accelerated_gas(fraction: float, count: int, seed: int) -> np.ndarray:
    """Four-velocities of a thermal gas with a fraction of accelerated electrons."""
    u = mcplugin.sample_four_velocity(THETA, count, seed=seed)
    random = np.random.default_rng(seed)
    accelerated = random.random(count) < fraction
    u[accelerated] = U_BREAK * random.random(accelerated.sum()) ** (-1.0 / (SLOPE - 1.0))
    return u


def main() -> None:
    """Write the file named on the command line."""
    path = Path(sys.argv[1] if len(sys.argv) > 1 else "electrons.csv")
    u = [accelerated_gas(f, SAMPLES_EACH, seed) for seed, f in enumerate(FRACTIONS, start=1)]
    columns = {"fraction": np.repeat(FRACTIONS, SAMPLES_EACH), "u": np.concatenate(u)}
    Table(columns).write(path, overwrite=True)
    print(f"{len(columns['u']):,} electrons written to {path}")


if __name__ == "__main__":
    main()
