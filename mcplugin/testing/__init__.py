"""Spectra under test: compare a run with a stored one, within the statistical errors of both.

The pytest fixture `spectrum_regression` does so; it is a
:class:`~mcplugin.testing.regression.SpectrumRegression`, and needs no import.
"""

from mcplugin.testing.agreement import Agreement, compare_with_baseline
from mcplugin.testing.baseline import read_baseline, store_baseline
from mcplugin.testing.histogram import Histogram

__all__ = [
    "Agreement",
    "Histogram",
    "compare_with_baseline",
    "read_baseline",
    "store_baseline",
]
