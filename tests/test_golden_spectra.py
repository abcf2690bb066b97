"""The sources in `examples/` against spectra of theirs that are kept in `tests/golden/`.

A baseline has four million photons of seed 1, a test half a million of seed 2: it is silent where
only random numbers have changed. After a change that is meant to move spectra:
``pytest tests/test_golden_spectra.py --spectrum-baselines=store``.
"""

from pathlib import Path

import pytest

from mcplugin import simulate

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"


@pytest.fixture
def spectrum_baseline_folder():
    """Beside this file."""
    return Path(__file__).with_name("golden")


@pytest.mark.parametrize("source", ["cygnus_x1", "igr_j00291", "relativistic_sphere"])
def test_source_is_as_it_was(source, spectrum_regression):
    """No spectrum moves; 15 % in the median band would be seen, 2 % in ln E at given order."""
    storing = spectrum_regression.stores(source)
    run = simulate(
        EXAMPLES / f"{source}.toml",
        photons=4_000_000 if storing else 500_000,
        seed=1 if storing else 2,
        threads=1,
    )
    agreement = spectrum_regression.check(run, source)
    assert not agreement.warnings
    assert agreement.visible[1] < 0.15
    assert agreement.visible_shift[0] < 0.02
