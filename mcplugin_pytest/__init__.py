"""The plugin that pytest loads in every run of the environment; the work is in `mcplugin.testing`.

It stands outside the package ``mcplugin`` and imports nothing, since pytest would otherwise import
numba and the transport into the tests of people who never asked for them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from mcplugin.testing.regression import SpectrumRegression

# Reports of the checks, and what nobody should miss of them, among a test's properties: those also
# reach JUnit files, and the terminal from the workers of pytest-xdist.
REPORT = "spectrum_regression"
NOTE = "spectrum_regression_note"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the options of the fixture `spectrum_regression`."""
    group = parser.getgroup("mcplugin", "spectra under test (mcplugin)")
    group.addoption(
        "--spectrum-baselines",
        choices=("compare", "store-missing", "store"),
        default="compare",
        help="compare spectra with their stored baselines, where a missing one is stored but fails "
        "the test (default); store those that are missing; or store all anew",
    )
    group.addoption(
        "--spectrum-pictures",
        metavar="FOLDER",
        default=None,
        help="folder for pictures of spectra that have moved (default: pytest's temporary folder)",
    )


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Say what was stored and what is to be noted; with ``-v`` what each check could have seen."""
    wanted = (NOTE, REPORT) if terminalreporter.verbosity > 0 else (NOTE,)
    # Every phase of a test repeats its properties.
    lines = {
        (report.nodeid, key, text): None
        for reports in terminalreporter.stats.values()
        for report in reports
        for key, text in getattr(report, "user_properties", ())
        if key in wanted
    }
    if lines:
        terminalreporter.section("spectra")
    for test, _, text in lines:
        terminalreporter.write_line("\n    ".join([test, *text.splitlines()]))


@pytest.fixture
def spectrum_baseline_folder(request: pytest.FixtureRequest) -> Path:
    """Where this test's baselines are: beside its file, in a folder of its name.

    Override the fixture in a module or a ``conftest.py`` to keep them elsewhere.
    """
    path: Path = request.path.with_suffix("")
    return path


@pytest.fixture
def spectrum_regression(
    request: pytest.FixtureRequest, spectrum_baseline_folder: Path
) -> SpectrumRegression:
    """Keep spectra under test: ``spectrum_regression.check(spectrum, "name")``."""
    from mcplugin.testing.regression import SpectrumRegression  # noqa: PLC0415

    return SpectrumRegression(request, spectrum_baseline_folder)
