"""Benchmarks name the machine they ran on."""

from mcplugin.fidelity.provenance import machine


def pytest_benchmark_update_machine_info(config, machine_info):
    """Add what a reader needs to judge the figures."""
    machine_info |= machine()
