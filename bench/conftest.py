"""Benchmarks name the machine they ran on, and say what they leave out and why."""

import sys
from pathlib import Path

from mcplugin.fidelity.provenance import machine

sys.path.insert(0, str(Path(__file__).parent))

LEFT_OUT = {}


def pytest_benchmark_update_machine_info(config, machine_info):
    """Add what a reader needs to judge the figures."""
    machine_info |= machine()


def pytest_runtest_logreport(report):
    """Remember every benchmark that was skipped."""
    if report.skipped and isinstance(report.longrepr, tuple):
        LEFT_OUT[report.nodeid] = report.longrepr[2].removeprefix("Skipped: ")


def pytest_collectreport(report):
    """A whole file may be skipped, too."""
    pytest_runtest_logreport(report)


def pytest_benchmark_update_json(config, benchmarks, output_json):
    """Silence would read as coverage."""
    output_json["left_out"] = LEFT_OUT


def pytest_terminal_summary(terminalreporter):
    """The figures that most machines cannot give are missed loudly."""
    missing = {reason for reason in LEFT_OUT.values() if reason.startswith("GPU FIGURES")}
    for reason in sorted(missing):
        terminalreporter.section(reason, sep="!", red=True, bold=True)
